//! On which port RTCP is where keys come from a handshake (RFC 5761): what is offered, what comes of the
//! answer, and what stays in mid call and through a restart.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod rig;

use fernamt_exchange::media::{Event, Remote, Rollovers};
use rig::sdp::{Kind, line};
use rig::secure::{Talking, config, talking_by};

const MUX: &str = "a=rtcp-mux\r\n";
const CANDIDATE: &str = "a=candidate:";

/// Bert is offered a handshake, and answers with these lines, too.
fn talking(contact: &'static str, lines: &str) -> Talking {
    talking_by(Kind::Plain, "required", "dtls", contact, lines)
}

fn port_of(description: &str) -> u16 {
    let media = line(description, "m=audio ").unwrap();
    media.split(' ').next().unwrap().parse().unwrap()
}

fn shares_its_port(remote: &Remote) -> bool {
    remote.rtcp == Some(remote.rtp)
}

#[track_caller]
fn assert_ports(call: &Talking, is_shared: bool) {
    let (caller, callee) = call.sides();
    assert_eq!(shares_its_port(&callee), is_shared, "{callee:?}");
    assert!(!shares_its_port(&caller), "she has said nothing of it");
    if !is_shared {
        assert_eq!(callee.rtcp.unwrap().port(), callee.rtp.port() + 1);
    }
}

/// RFC 5761 section 5.1.1: a phone takes one port or, when it does not know how to share it, two.
#[test]
fn a_phone_that_is_offered_a_handshake_may_have_one_port_or_two() {
    for (lines, is_shared) in [(MUX, true), ("", false), ("a=rtcp:5001\r\n", false)] {
        let call = talking("", lines);
        assert!(call.offered.contains(MUX), "{}", call.offered);
        let fallback = format!("{} IN IP4 192.0.2.1", port_of(&call.offered) + 1);
        assert_eq!(line(&call.offered, "a=rtcp:"), Some(&*fallback));
        assert_ports(&call, is_shared);
    }
}

#[test]
fn a_phone_that_takes_rtcp_elsewhere_is_sent_it_there() {
    let call = talking("", "a=rtcp:5555\r\n");
    let rtcp = call.sides().1.rtcp.unwrap();
    assert_eq!(rtcp.to_string(), "198.51.100.8:5555");
}

/// RFC 8858 section 4.5: no switching in later offers, be the exchange another one by then.
#[test]
fn later_offers_keep_the_ports_that_were_agreed() {
    for (lines, is_shared) in [(MUX, true), ("", false)] {
        for is_after_restart in [false, true] {
            let mut call = talking("", lines);
            if is_after_restart {
                // Written once more, now that her answer is confirmed.
                let (endpoint, _) = call.rig.remotes()[0];
                let rollovers = Rollovers::default();
                call.media(Event::RolledOver {
                    endpoint,
                    rollovers,
                });
                call.rig.crash(config());
                assert_ports(&call, is_shared);
            }
            let offer = call.offer.replace("1 1 IN", "1 2 IN");
            let (offered, _) = call.reoffer_and_answer(&offer, lines);
            assert_eq!(offered.contains(MUX), is_shared, "{offered}");
            assert_eq!(line(&offered, "a=rtcp:"), None, "there is no choice left");
            assert_ports(&call, is_shared);
        }
    }
}

/// Whoever does not say so again does not share it any more (RFC 5761 section 5.1.1).
#[test]
fn a_phone_may_take_its_second_port_back_in_mid_call() {
    let mut call = talking("", MUX);
    for version in 2..4 {
        let next = format!("1 {version} IN");
        let (offered, _) = call.reoffer(&call.offer.replace("1 1 IN", &next));
        assert_eq!(offered.contains(MUX), version == 2, "{offered}");
        assert_ports(&call, false);
    }
}

/// RFC 5761 section 5.1.3: candidates of both ports, until it is known which are used.
#[test]
fn with_connectivity_checks_both_ports_have_candidates_until_one_is_agreed() {
    for (lines, count) in [(MUX, 1), ("", 2)] {
        let ice = "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\n\
                   a=candidate:1 1 udp 2130706431 198.51.100.8 5000 typ host\r\n\
                   a=candidate:1 2 udp 2130706430 198.51.100.8 5001 typ host\r\n";
        let answer = format!("{ice}{lines}");
        let mut call = talking(";+sip.ice", &answer);
        assert_eq!(call.offered.matches(CANDIDATE).count(), 2);
        assert!(call.offered.contains(MUX));
        assert_ports(&call, count == 1);
        let offer = call.offer.replace("1 1 IN", "1 2 IN");
        let (offered, _) = call.reoffer_and_answer(&offer, &answer);
        assert_eq!(offered.matches(CANDIDATE).count(), count, "{offered}");
        assert_ports(&call, count == 1);
    }
}
