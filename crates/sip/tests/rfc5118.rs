//! The messages of RFC 5118: IPv6 in all its places.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::net::{IpAddr, Ipv6Addr};

use fernamt_sip::message::Message;
use fernamt_sip::uri::Uri;
use fernamt_sip::validate::check_request;

macro_rules! message {
    ($name:literal) => {
        Message::parse(include_bytes!(concat!("rfc5118/", $name, ".dat"))).unwrap()
    };
}

fn request_uri<'a>(message: &Message<'a>) -> Uri<'a> {
    Uri::parse(message.request_uri().unwrap()).unwrap()
}

fn v6(address: &str) -> Option<IpAddr> {
    Some(IpAddr::V6(address.parse::<Ipv6Addr>().unwrap()))
}

#[test]
fn all_messages_but_one_are_accepted() {
    for message in [
        message!("ipv6-good"),
        message!("port-ambiguous"),
        message!("port-unambiguous"),
        message!("via-received-param-with-delim"),
        message!("via-received-param-no-delim"),
        message!("ipv6-in-sdp"),
        message!("mult-ip-in-header"),
        message!("mult-ip-in-sdp"),
        message!("ipv4-mapped-ipv6"),
        message!("ipv6-bug-abnf-3-colons"),
        message!("ipv6-correct-abnf-2-colons"),
    ] {
        assert_eq!(check_request(&message), Ok(()), "{message}");
    }
    let bare = check_request(&message!("ipv6-bad")).unwrap_err();
    assert_eq!(bare.status(), Some(400));
}

#[test]
fn section_4_3_and_4_4_a_port_stands_behind_the_bracket() {
    let ambiguous = message!("port-ambiguous");
    let uri = request_uri(&ambiguous);
    assert_eq!(
        (uri.host().ip(), uri.port()),
        (v6("2001:db8::10:5070"), None)
    );
    let unambiguous = message!("port-unambiguous");
    let uri = request_uri(&unambiguous);
    assert_eq!(
        (uri.host().ip(), uri.port()),
        (v6("2001:db8::10"), Some(5070))
    );
}

#[test]
fn section_4_5_received_is_read_with_and_without_brackets() {
    for message in [
        message!("via-received-param-with-delim"),
        message!("via-received-param-no-delim"),
    ] {
        assert_eq!(message.top_via().unwrap().received(), v6("2001:db8::9:255"));
    }
}

#[test]
fn section_4_7_addresses_of_both_kinds_stand_side_by_side() {
    let message = message!("mult-ip-in-header");
    let hosts: Vec<_> = message.vias().map(|via| via.unwrap().host().ip()).collect();
    assert_eq!(
        hosts,
        [
            v6("2001:db8::9:1"),
            "192.0.2.1".parse().ok(),
            v6("2001:db8::9:255")
        ]
    );
    assert_eq!(
        message.vias().last().unwrap().unwrap().received(),
        "192.0.2.200".parse().ok()
    );
}

#[test]
fn section_4_9_mapped_addresses_are_read() {
    let message = message!("ipv4-mapped-ipv6");
    assert_eq!(
        message.top_via().unwrap().host().ip(),
        v6("::ffff:192.0.2.10")
    );
    let contact = message.contact().unwrap().unwrap();
    assert_eq!(contact.uri().unwrap().host().ip(), v6("::ffff:192.0.2.2"));
}

#[test]
fn section_4_10_three_colons_before_an_ipv4_address_are_two() {
    let (bug, correct) = (
        message!("ipv6-bug-abnf-3-colons"),
        message!("ipv6-correct-abnf-2-colons"),
    );
    assert_eq!(request_uri(&bug).host(), request_uri(&correct).host());
    assert_eq!(request_uri(&bug).host().ip(), v6("2001:db8::192.0.2.1"));
    for wrong in [
        "[2001:db8:::10]",
        "[2001:db8::::192.0.2.1]",
        "[::1:::192.0.2.1]",
    ] {
        assert!(fernamt_sip::uri::Host::parse(wrong).is_none(), "{wrong}");
    }
}
