//! Dialogs of both roles, with the messages of RFC 3261 section 16.12.

use proptest::prelude::*;

use super::*;
use crate::transport::Transport;

const INVITE: &str = "INVITE sip:callee@u2.domain.com SIP/2.0\r\n\
    Via: SIP/2.0/UDP u1.example.com;branch=z9hG4bKa\r\n\
    Contact: \"Caller\" <sip:caller@u1.example.com?Subject=x>;expires=5\r\n\
    Record-Route: <sip:p2.domain.com;lr>\r\n\
    Record-Route: <sip:p1.example.com;lr>, <sip:p0.example.com;lr>\r\n\
    From: \"Caller\" <sip:caller@example.com>;tag=from-tag\r\n\
    To: sip:callee@domain.com\r\nCall-ID: call@example.com\r\nCSeq: 63104 INVITE\r\n\r\n";

fn response(status: u16, to_tag: &str, rest: &str) -> String {
    format!(
        "SIP/2.0 {status} X\r\nVia: SIP/2.0/UDP u1.example.com;branch=z9hG4bKa\r\n\
         Record-Route: <sip:p2.domain.com;lr>, <sip:p1.example.com;lr>\r\n\
         From: \"Caller\" <sip:caller@example.com>;tag=from-tag\r\n\
         To: <sip:callee@domain.com>{to_tag}\r\nCall-ID: call@example.com\r\n\
         CSeq: 63104 INVITE\r\n{rest}\r\n"
    )
}

fn parse(text: &str) -> Message<'_> {
    Message::parse(text.as_bytes()).unwrap()
}

fn callee() -> Dialog {
    Dialog::from_request(&parse(INVITE), "local", false).unwrap()
}

fn caller() -> Dialog {
    let ok = response(
        200,
        ";tag=remote",
        "Contact: <sip:callee@u2.domain.com>\r\n",
    );
    Dialog::from_response(&parse(INVITE), &parse(&ok), false).unwrap()
}

fn write(dialog: &mut Dialog, method: Method<'_>) -> String {
    let mut out = Vec::new();
    let mut request = dialog.request(&mut out, method, |request| {
        request.via(Transport::Udp, "192.0.2.1", "z9hG4bKnew", true);
    });
    request.finish();
    String::from_utf8(out).unwrap()
}

fn routes(routes: &[&str]) -> Box<[Box<str>]> {
    routes.iter().map(|route| Box::from(*route)).collect()
}

#[test]
fn a_request_makes_the_dialog_of_the_callee() {
    assert_eq!(
        callee(),
        Dialog {
            role: Role::Callee,
            stage: Stage::Early,
            is_secure: false,
            call_id: "call@example.com".into(),
            local: Party {
                uri: "sip:callee@domain.com".into(),
                tag: "local".into()
            },
            remote: Party {
                uri: "sip:caller@example.com".into(),
                tag: "from-tag".into()
            },
            remote_target: "sip:caller@u1.example.com".into(),
            route_set: routes(&[
                "<sip:p2.domain.com;lr>",
                "<sip:p1.example.com;lr>",
                "<sip:p0.example.com;lr>"
            ]),
            local_cseq: 0,
            remote_cseq: Some(63104),
        }
    );
}

#[test]
fn a_response_makes_the_dialog_of_the_caller_with_the_routes_reversed() {
    assert_eq!(
        caller(),
        Dialog {
            role: Role::Caller,
            stage: Stage::Confirmed,
            is_secure: false,
            call_id: "call@example.com".into(),
            local: Party {
                uri: "sip:caller@example.com".into(),
                tag: "from-tag".into()
            },
            remote: Party {
                uri: "sip:callee@domain.com".into(),
                tag: "remote".into()
            },
            remote_target: "sip:callee@u2.domain.com".into(),
            route_set: routes(&["<sip:p1.example.com;lr>", "<sip:p2.domain.com;lr>"]),
            local_cseq: 63104,
            remote_cseq: None,
        }
    );
}

#[test]
fn every_tagged_provisional_response_makes_an_early_dialog_of_its_own() {
    let invite = parse(INVITE);
    let make = |status, tag: &str| {
        Dialog::from_response(&invite, &parse(&response(status, tag, "")), false)
    };
    let (first, second) = (make(183, ";tag=1").unwrap(), make(180, ";tag=2").unwrap());
    assert_eq!((first.stage, &*first.remote.tag), (Stage::Early, "1"));
    assert_eq!((second.stage, &*second.remote.tag), (Stage::Early, "2"));
    assert_eq!(&*first.remote_target, "sip:callee@u2.domain.com");
    for (status, tag) in [(100, ";tag=1"), (180, ""), (302, ";tag=1"), (486, ";tag=1")] {
        assert_eq!(make(status, tag), Err(DialogError::NoDialog), "{status}");
    }
}

#[test]
fn a_2xx_confirms_an_early_dialog_with_its_own_routes_and_target() {
    let invite = parse(INVITE);
    let ringing = response(180, ";tag=1", "Contact: <sip:old@u2>\r\n");
    let mut dialog = Dialog::from_response(&invite, &parse(&ringing), false).unwrap();
    let ok = response(200, ";tag=1", "Contact: <sip:new@u2>\r\n")
        .replace("<sip:p2.domain.com;lr>, ", "");
    dialog.confirm_by(&parse(&ok)).unwrap();
    assert_eq!(dialog.stage, Stage::Confirmed);
    assert_eq!(&*dialog.remote_target, "sip:new@u2");
    assert_eq!(dialog.route_set, routes(&["<sip:p1.example.com;lr>"]));
    // The route set of a confirmed dialog never changes (RFC 3261 section 12.2).
    dialog
        .confirm_by(&parse(&response(200, ";tag=1", "")))
        .unwrap();
    assert_eq!(dialog.route_set, routes(&["<sip:p1.example.com;lr>"]));
    let mut ours = callee();
    ours.confirm();
    assert_eq!(ours.stage, Stage::Confirmed);
}

#[test]
fn a_2xx_without_a_tag_comes_from_rfc_2543_and_makes_a_dialog() {
    let invite = parse(INVITE);
    let ok = response(200, "", "Contact: <sip:callee@u2>\r\n");
    let mut dialog = Dialog::from_response(&invite, &parse(&ok), false).unwrap();
    assert_eq!(&*dialog.remote.tag, "");
    assert!(write(&mut dialog, Method::Bye).contains("\r\nTo: <sip:callee@domain.com>\r\n"));
    let bye = "BYE sip:x SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nFrom: <sip:callee@domain.com>\r\n\
        To: <sip:caller@example.com>;tag=from-tag\r\nCall-ID: call@example.com\r\n\
        CSeq: 1 BYE\r\n\r\n";
    assert!(dialog.matches(&parse(bye)));
}

#[test]
fn a_response_to_another_request_makes_no_dialog() {
    let invite = parse(INVITE);
    let ok = response(200, ";tag=1", "Contact: <sip:callee@u2>\r\n");
    for (from, to) in [
        ("tag=from-tag", "tag=forged"),
        ("call@example.com", "other@example.com"),
    ] {
        let forged = ok.replace(from, to);
        let made = Dialog::from_response(&invite, &parse(&forged), false);
        assert_eq!(made, Err(DialogError::Mismatch));
    }
}

#[test]
fn a_request_without_a_contact_makes_no_dialog() {
    let invite = INVITE.replace("Contact:", "X-Contact:");
    assert_eq!(
        Dialog::from_request(&parse(&invite), "local", false),
        Err(DialogError::Header(HeaderError::Missing(Name::Contact)))
    );
}

#[test]
fn a_dialog_is_secure_when_uri_and_transport_are() {
    let sips = INVITE.replace("INVITE sip:", "INVITE SIPS:");
    for (invite, is_over_tls, is_secure) in [
        (INVITE, true, false),
        (&sips, false, false),
        (&sips, true, true),
    ] {
        let dialog = Dialog::from_request(&parse(invite), "local", is_over_tls).unwrap();
        assert_eq!(dialog.is_secure, is_secure);
    }
}

#[test]
fn more_routes_than_the_limit_are_refused() {
    let with = |count: usize| {
        let routes = vec!["<sip:p;lr>"; count].join(", ");
        let invite = INVITE.replace("<sip:p2.domain.com;lr>", &routes);
        Dialog::from_request(&parse(&invite), "local", false).map(|dialog| dialog.route_set.len())
    };
    assert_eq!(with(MAX_ROUTES - 2), Ok(MAX_ROUTES));
    assert_eq!(with(MAX_ROUTES - 1), Err(DialogError::TooManyRoutes));
}

#[test]
fn messages_are_matched_by_call_id_and_both_tags() {
    let (caller, callee) = (caller(), callee());
    let bye = "BYE sip:x SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nFrom: <sip:a@b>;tag=from-tag\r\n\
        To: <sip:c@d>;tag=local\r\nCall-ID: call@example.com\r\nCSeq: 63105 BYE\r\n\r\n";
    assert!(callee.matches(&parse(bye)));
    for (from, to) in [
        ("tag=local", "tag=x"),
        ("tag=from-tag", "tag=x"),
        (";tag=local", ""),
        ("call@", "x@"),
    ] {
        assert!(!callee.matches(&parse(&bye.replace(from, to))), "{from}");
    }
    assert!(caller.matches(&parse(&response(200, ";tag=remote", ""))));
    assert!(!caller.matches(&parse(&response(200, ";tag=other", ""))));
    assert!(!caller.matches(&parse(&response(200, "", ""))));
}

#[test]
fn requests_carry_the_state_of_the_dialog_and_the_next_number() {
    let mut dialog = caller();
    let expected = "BYE sip:callee@u2.domain.com SIP/2.0\r\n\
        Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKnew;rport\r\nMax-Forwards: 70\r\n\
        Route: <sip:p1.example.com;lr>\r\nRoute: <sip:p2.domain.com;lr>\r\n\
        From: <sip:caller@example.com>;tag=from-tag\r\n\
        To: <sip:callee@domain.com>;tag=remote\r\nCall-ID: call@example.com\r\n\
        CSeq: 63105 BYE\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(write(&mut dialog, Method::Bye), expected);
    assert!(write(&mut dialog, Method::Info).contains("CSeq: 63106 INFO\r\n"));
    assert_eq!(dialog.next_hop(), "sip:p1.example.com;lr");
    assert!(write(&mut callee(), Method::Bye).contains("CSeq: 1 BYE\r\n"));
}

#[test]
fn an_ack_repeats_the_number_of_its_invite() {
    let dialog = caller();
    let mut out = Vec::new();
    dialog.ack_for(&mut out, 63104, |_| {}).finish();
    let ack = parse(core::str::from_utf8(&out).unwrap());
    assert_eq!(ack.value(Name::CSeq), Some("63104 ACK"));
    assert_eq!(dialog.local_cseq, 63104);
}

#[test]
fn a_strict_router_gets_the_request_and_the_target_goes_last() {
    let mut dialog = caller();
    dialog.route_set = routes(&["<sip:strict.example.com;x=y?a=b>;p", "<sip:loose;lr>"]);
    let request = write(&mut dialog, Method::Bye);
    assert!(
        request.starts_with("BYE sip:strict.example.com;x=y SIP/2.0\r\n"),
        "{request}"
    );
    let routes = "\r\nRoute: <sip:loose;lr>\r\nRoute: <sip:callee@u2.domain.com>\r\nFrom";
    assert!(request.contains(routes), "{request}");
}

#[test]
fn without_routes_the_target_is_the_next_hop() {
    let mut dialog = caller();
    dialog.route_set = routes(&[]);
    assert_eq!(dialog.next_hop(), "sip:callee@u2.domain.com");
    assert!(!write(&mut dialog, Method::Bye).contains("Route"));
}

#[test]
fn bye_low_cseq() {
    let mut dialog = callee();
    let mut check = |method: &str, number: u32| {
        let text = format!("{method} sip:x SIP/2.0\r\nCSeq: {number} {method}\r\n\r\n");
        dialog.check_cseq(&parse(&text)).unwrap()
    };
    assert_eq!(check("BYE", 63103), CSeqOrder::OutOfOrder);
    assert_eq!(check("BYE", 0), CSeqOrder::OutOfOrder);
    assert_eq!(check("ACK", 63104), CSeqOrder::InOrder);
    assert_eq!(check("UPDATE", 70000), CSeqOrder::InOrder);
    assert_eq!(check("BYE", 69999), CSeqOrder::OutOfOrder);
    assert_eq!(check("ACK", 63104), CSeqOrder::InOrder);
    assert_eq!(check("BYE", 70000), CSeqOrder::InOrder);
    assert_eq!(check("BYE", 70001), CSeqOrder::InOrder);
    // The first request of the peer sets the number.
    let mut dialog = caller();
    let bye = "BYE sip:x SIP/2.0\r\nCSeq: 0 BYE\r\n\r\n";
    assert_eq!(dialog.check_cseq(&parse(bye)), Ok(CSeqOrder::InOrder));
}

#[test]
fn targets_are_refreshed_by_the_methods_that_may() {
    let refresh = |start: &str, method: &str, contact: &str| {
        let mut dialog = callee();
        let text = format!("{start}\r\nCSeq: 1 {method}\r\nContact: {contact}\r\n\r\n");
        let changed = dialog.refresh_target(&parse(&text)).unwrap();
        assert_eq!(changed, &*dialog.remote_target == "sip:new@x");
        changed
    };
    assert!(refresh("INVITE sip:x SIP/2.0", "INVITE", "<sip:new@x>"));
    assert!(refresh("UPDATE sip:x SIP/2.0", "UPDATE", "<sip:new@x>"));
    assert!(refresh("SIP/2.0 200 OK", "UPDATE", "<sip:new@x>"));
    assert!(!refresh("SIP/2.0 488 No", "UPDATE", "<sip:new@x>"));
    assert!(!refresh("INFO sip:x SIP/2.0", "INFO", "<sip:new@x>"));
    assert!(!refresh(
        "INVITE sip:x SIP/2.0",
        "INVITE",
        "<sip:caller@u1.example.com>"
    ));
    let bad = "INVITE sip:x SIP/2.0\r\nCSeq: 1 INVITE\r\nContact: <broken\r\n\r\n";
    assert!(callee().refresh_target(&parse(bad)).is_err());
}

#[test]
fn a_dialog_takes_a_few_hundred_bytes() {
    assert!(size_of::<Dialog>() <= 160, "{}", size_of::<Dialog>());
}

/// Both ends of one call, over proxies that stay on the way.
fn both_ends(record_routes: &str) -> (Dialog, Dialog) {
    let invite = INVITE.replace("<sip:p2.domain.com;lr>", record_routes);
    let callee = Dialog::from_request(&parse(&invite), "remote", false).unwrap();
    let routes: Vec<_> = callee.route_set.iter().map(|route| &**route).collect();
    let ok = response(
        200,
        ";tag=remote",
        "Contact: <sip:callee@u2.domain.com>\r\n",
    )
    .replace(
        "<sip:p2.domain.com;lr>, <sip:p1.example.com;lr>",
        &routes.join(", "),
    );
    (
        Dialog::from_response(&parse(&invite), &parse(&ok), false).unwrap(),
        callee,
    )
}

proptest! {
    #[test]
    fn requests_of_one_end_are_in_the_dialog_of_the_other(
        hops in prop::collection::vec("<sip:[a-z]{1,9}(:[1-9][0-9]{0,3})?(;transport=tcp)?(;lr)?>(;x=y)?", 1..8),
        turns in prop::collection::vec(any::<bool>(), 1..20)
    ) {
        let (mut caller, mut callee) = both_ends(&hops.join(", "));
        let reversed: Vec<_> = callee.route_set.iter().rev().cloned().collect();
        prop_assert_eq!(&*caller.route_set, &*reversed);
        for is_caller in turns {
            let (from, to) =
                if is_caller { (&mut caller, &mut callee) } else { (&mut callee, &mut caller) };
            let text = write(from, Method::Info);
            let request = parse(&text);
            prop_assert!(to.matches(&request));
            prop_assert!(!from.matches(&request));
            prop_assert_eq!(to.check_cseq(&request), Ok(CSeqOrder::InOrder));
            prop_assert!(request.routes().all(|route| route.is_ok()));
            // A strict router at the front stands in the request URI, the target at the end.
            let first = request.routes().next().and_then(Result::ok).map(|route| route.uri_text());
            let uri = request.request_uri().unwrap_or_default();
            prop_assert!(from.next_hop() == uri || Some(from.next_hop()) == first);
            let is_target = uri == &*from.remote_target;
            let last = request.routes().last().and_then(Result::ok).map(|route| route.uri_text());
            prop_assert!(is_target || last == Some(&*from.remote_target));
        }
    }
}
