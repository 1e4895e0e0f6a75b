//! The transport of a phone that has nothing but RTP/AVP takes nothing from the heap.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../sip/tests/counting/mod.rs"]
mod counting;

use counting::allocations;
use fernamt_sdp::{AnswerPolicy, CryptoSuite, Encryption, SessionDescription};
use fernamt_sdp::{Settled, TransportDescription};

const OLD_PHONE: &[u8] =
    b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
    m=audio 4000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n\
    a=rtcp:4001\r\na=ptime:20\r\na=sendrecv\r\n";

#[test]
fn the_transport_of_an_old_phone_allocates_nothing() {
    let policy = AnswerPolicy {
        encryption: Encryption::Offered,
        suites: &CryptoSuite::ALL,
        dtls: true,
        ice: true,
        rtcp_mux: true,
    };
    let description = SessionDescription::parse(OLD_PHONE).unwrap();
    let count = allocations(|| {
        let offer = TransportDescription::of(&description, 0).unwrap();
        let answer = offer.answer(&policy).unwrap();
        assert_eq!(answer.profile, offer.profile);
        assert!(Settled::new(&offer, &offer).is_ok());
        assert!(offer.rtcp.is_some());
    });
    assert_eq!(count, 0);
}
