//! Reading a message takes nothing from the heap: every allocation is counted.
#![allow(clippy::unwrap_used, reason = "tests")]

mod counting;

use counting::allocations;
use fernamt_sip::builder::{RequestBuilder, ResponseBuilder};
use fernamt_sip::message::{Message, Method, Name};
use fernamt_sip::stream::{Frame, Framer};
use fernamt_sip::transport::Transport;
use fernamt_sip::validate::check_request;

const INVITE: &[u8] = include_bytes!("messages/invite-1k.sip");

#[test]
fn reading_an_invite_of_1_kb_allocates_nothing() {
    assert!(INVITE.len() >= 1_024);
    let count = allocations(|| {
        let message = Message::parse(INVITE).unwrap();
        assert_eq!(message.method(), Method::Invite);
        assert_eq!(check_request(&message), Ok(()));
        assert!(message.top_via().unwrap().branch_is_unique());
        assert_eq!(
            message.from().unwrap().display_name().as_deref(),
            Some("Kitchen Phone")
        );
        assert_eq!(message.to().unwrap().tag(), None);
        assert_eq!(message.cseq().unwrap().number, 8144);
        assert!(
            message
                .contact()
                .unwrap()
                .unwrap()
                .uri()
                .unwrap()
                .has_param("ob")
        );
        assert!(message.supported().has_option("100rel"));
        assert!(message.allow().has_method(Method::Prack));
        assert_eq!(message.session_expires().unwrap().unwrap().seconds, 1800);
        assert!(message.body_of_type("application/sdp").is_some());
        assert_eq!(message.headers().count(), 17);
    });
    assert_eq!(count, 0);
}

#[test]
fn answering_into_a_used_buffer_allocates_nothing() {
    let mut out = Vec::with_capacity(2_048);
    let message = Message::parse(INVITE).unwrap();
    let source = "198.51.100.17:1024".parse().ok();
    let count = allocations(|| {
        ResponseBuilder::for_request(&mut out, &message, 180, None, Some("tag"), source)
            .copy(&message, Name::RecordRoute)
            .finish();
        RequestBuilder::new(&mut out, Method::Bye, "sip:a@192.0.2.1")
            .via(Transport::Udp, "192.0.2.9:5060", "z9hG4bK1", true)
            .header(Name::MaxForwards, 70)
            .finish();
    });
    assert_eq!(count, 0);
}

#[test]
fn framing_in_a_used_buffer_allocates_nothing() {
    let mut framer = Framer::new();
    framer.push(INVITE).unwrap();
    assert!(matches!(framer.next_frame(), Ok(Some(Frame::Message(_)))));
    let count = allocations(|| {
        framer.push(INVITE).unwrap();
        assert!(matches!(
            framer.next_frame(),
            Ok(Some(Frame::Message(INVITE)))
        ));
    });
    assert_eq!(count, 0);
}
