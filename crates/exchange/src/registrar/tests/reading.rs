use fernamt_sip::message::Message;
use fernamt_sip::transport::Flow;
use proptest::prelude::*;

use super::*;
use crate::config::Config;
use crate::registrar::Nat;

fn config() -> Config {
    Config {
        listeners: vec![(Transport::Udp, "0.0.0.0:5060".parse().unwrap())],
        addresses: vec!["192.0.2.1".parse().unwrap()],
        ..Config::default()
    }
}

/// Reads a REGISTER with these header lines besides the usual ones.
fn read(lines: &str) -> Result<RegisterChange, RegisterRejection> {
    let text = format!(
        "REGISTER sip:192.0.2.1 SIP/2.0\r\n\
         Via: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bK1\r\n\
         From: <sip:anna@192.0.2.1>;tag=1\r\nTo: <sip:anna@192.0.2.1>\r\n\
         Call-ID: a@b\r\nCSeq: 7 REGISTER\r\n{lines}Content-Length: 0\r\n\r\n"
    );
    let flow = Flow {
        transport: Transport::Udp,
        local: "192.0.2.1:5060".parse().unwrap(),
        remote: "198.51.100.1:5060".parse().unwrap(),
        connection: None,
    };
    register_request(&Message::parse(text.as_bytes()).unwrap(), &flow, &config())
}

fn changes(lines: &str) -> Vec<ContactChange> {
    match read(lines) {
        Ok(RegisterChange::Update(changes)) => changes,
        other => panic!("{lines}: {other:?}"),
    }
}

fn status(lines: &str) -> u16 {
    match read(lines) {
        Err(rejection) => rejection.status(),
        Ok(change) => panic!("{lines}: {change:?}"),
    }
}

#[test]
fn a_register_is_read() {
    let changes = changes(
        "Contact: \"Anna\" <sip:anna@198.51.100.1:5060;ob>;q=0.5;expires=600\
         ;+sip.instance=\"<urn:uuid:1>\";reg-id=2;+sip.ice\r\n\
         Supported: path, outbound\r\nUser-Agent: Phone\t/1.0\r\n",
    );
    let expected = Binding {
        contact: "sip:anna@198.51.100.1:5060;ob".into(),
        q: 500,
        call_id: "a@b".into(),
        cseq: 7,
        instance: Some("urn:uuid:1".into()),
        reg_id: 2,
        user_agent: Some("Phone\\t/1.0".into()),
        ice: true,
        nat: Nat::None,
        ..binding("")
    };
    assert_eq!(changes, [lasts(&expected, 600)]);
    assert!(update(changes).uses_outbound());
}

#[test]
fn a_phone_with_ice_says_so() {
    let ice = |tag: &str| {
        changes(&format!("Contact: <sip:a@b>{tag}\r\n"))[0]
            .binding
            .ice
    };
    for tag in [";+sip.ice", ";+SIP.ICE", ";+sip.ice=\"TRUE\""] {
        assert!(ice(tag), "{tag}");
    }
    for tag in ["", ";sip.ice", ";+sip.ice=\"FALSE\"", ";+sip.iced"] {
        assert!(!ice(tag), "{tag}");
    }
}

#[test]
fn without_a_contact_it_asks() {
    assert_eq!(read(""), Ok(RegisterChange::Query));
}

#[test]
fn star_stands_alone_and_with_expires_zero() {
    let all = RegisterChange::RemoveAll {
        call_id: "a@b".into(),
        cseq: 7,
    };
    assert_eq!(read("Contact: *\r\nExpires: 0\r\n"), Ok(all));
    assert_eq!(status("Contact: *\r\n"), 400);
    assert_eq!(status("Contact: *\r\nExpires: 60\r\n"), 400);
    assert_eq!(status("Contact: *\r\nExpires: x\r\n"), 400);
    assert_eq!(status("Contact: *, <sip:a@b>\r\nExpires: 0\r\n"), 400);
    assert_eq!(
        status("Contact: <sip:a@b>\r\nContact: *\r\nExpires: 0\r\n"),
        400
    );
    assert_eq!(status("Contact: *;q=1\r\nExpires: 0\r\n"), 400);
}

fn seconds(lines: &str) -> u64 {
    changes(lines)[0].lasts.as_secs()
}

#[test]
fn a_time_is_that_of_the_contact_then_of_the_header_then_the_default() {
    assert_eq!(
        seconds("Contact: <sip:a@b>;expires=100\r\nExpires: 200\r\n"),
        100
    );
    assert_eq!(seconds("Contact: <sip:a@b>\r\nExpires: 200\r\n"), 200);
    assert_eq!(seconds("Contact: <sip:a@b>\r\n"), 3600);
    assert_eq!(
        seconds("Contact: <sip:a@b>;expires=soon\r\nExpires: 200\r\n"),
        3600
    );
    assert_eq!(seconds("Contact: <sip:a@b>\r\nExpires: -1\r\n"), 3600);
    assert_eq!(
        seconds("Contact: <sip:a@b>;expires=99999999999999999999\r\n"),
        7200
    );
    assert_eq!(seconds("Contact: <sip:a@b>\r\nExpires: 0\r\n"), 0);
}

#[test]
fn too_short_a_time_is_refused_with_the_least_that_is_taken() {
    assert_eq!(seconds("Contact: <sip:a@b>;expires=60\r\n"), 60);
    let rejection = read("Contact: <sip:a@b>;expires=59\r\n").unwrap_err();
    assert_eq!(
        rejection,
        RegisterRejection::IntervalTooBrief {
            minimum_seconds: 60
        }
    );
    assert_eq!(rejection.status(), 423);
    assert_eq!(status("Contact: <sip:a@b>\r\nExpires: 1\r\n"), 423);
}

#[test]
fn malformed_contact_stored() {
    for contact in [
        "<sip:anna@198.51.100.1",
        "<>",
        "<sip:>",
        "<sip:anna@>",
        "<sip:anna@198.51.100.1:99999>",
        "<sip:anna@198.51.100.1>>",
        "<sip:an\"na@198.51.100.1>",
        "<sip:an na@198.51.100.1>",
        "<sip:anna%@198.51.100.1>",
        "<sip:anna@[::1>",
        "<sip:@198.51.100.1>",
        "<sip:anna@198.51.100.1>;expires=60;;",
        "<sip:anna@198.51.100.1?Route=x>",
        "<sip:anna:secret@198.51.100.1>",
        "<tel:+493012345>",
        "<mailto:anna@example.com>",
        "<urn:uuid:1>",
        "anna",
        ",",
        "<sip:anna@198.51.100.1>, ",
        "<sip:anna@198.51.100.1>;+sip.instance=\"<urn:\\\"uuid>\"",
        "<sip:anna@198.51.100.1>;+sip.instance=\"<a>;expires=9\"",
        "<sip:anna@198.51.100.1>;+sip.instance=\"\"",
    ] {
        assert_eq!(status(&format!("Contact: {contact}\r\n")), 400, "{contact}");
    }
}

#[test]
fn one_bad_contact_refuses_the_whole_request() {
    assert_eq!(status("Contact: <sip:a@b>\r\nContact: <sip:a@>\r\n"), 400);
}

#[test]
fn a_contact_that_leads_back_is_refused() {
    for contact in [
        "sip:anna@192.0.2.1",
        "sip:anna@192.0.2.1:5060",
        "sip:anna@127.0.0.1:5060",
    ] {
        assert_eq!(
            status(&format!("Contact: <{contact}>\r\n")),
            403,
            "{contact}"
        );
    }
    changes("Contact: <sip:anna@192.0.2.1:5062>\r\n");
    changes("Contact: <sip:anna@127.0.0.1:5062>\r\n");
}

#[test]
fn the_number_of_contacts_is_limited() {
    let many = |count: usize| format!("Contact: {}\r\n", vec!["<sip:a@b>"; count].join(", "));
    assert_eq!(changes(&many(MAX_CONTACTS)).len(), MAX_CONTACTS);
    assert_eq!(status(&many(MAX_CONTACTS + 1)), 403);
}

#[test]
fn lengths_are_limited() {
    let contact = |length: usize| {
        format!(
            "Contact: <sip:{}@b>\r\n",
            "a".repeat(length - "sip:@b".len())
        )
    };
    assert_eq!(
        changes(&contact(MAX_CONTACT_BYTES))[0]
            .binding
            .contact
            .len(),
        MAX_CONTACT_BYTES
    );
    assert_eq!(status(&contact(MAX_CONTACT_BYTES + 1)), 400);

    let instance = |length: usize| {
        format!(
            "Contact: <sip:a@b>;+sip.instance=\"<{}>\"\r\n",
            "a".repeat(length)
        )
    };
    changes(&instance(MAX_INSTANCE_BYTES));
    assert_eq!(status(&instance(MAX_INSTANCE_BYTES + 1)), 400);

    let agent = format!(
        "User-Agent: a{}\r\nContact: <sip:a@b>\r\n",
        "ä".repeat(MAX_USER_AGENT_BYTES)
    );
    let kept = changes(&agent)[0].binding.user_agent.clone().unwrap();
    assert_eq!(kept.len(), MAX_USER_AGENT_BYTES - 1, "no half character");

    let path = |count: usize| {
        let hops = vec!["<sip:p@198.51.100.9;lr>"; count].join(",");
        format!("Contact: <sip:a@b>\r\nSupported: path\r\nPath: {hops}\r\n")
    };
    assert_eq!(changes(&path(MAX_PATHS))[0].binding.path.len(), MAX_PATHS);
    assert_eq!(status(&path(MAX_PATHS + 1)), 400);
}

#[test]
fn a_path_is_kept_for_a_device_that_knows_what_it_is() {
    let lines = "Contact: <sip:a@b>\r\nPath: <sip:p2@198.51.100.9;lr>\r\nPath: <sip:p1@198.51.100.8;lr;ob>\r\n";
    let known = changes(&format!("Supported: path\r\n{lines}"));
    let path: Vec<&str> = known[0].binding.path.iter().map(|hop| &**hop).collect();
    assert_eq!(
        path,
        ["<sip:p2@198.51.100.9;lr>", "<sip:p1@198.51.100.8;lr;ob>"]
    );
    assert_eq!(
        read(lines),
        Err(RegisterRejection::BadExtension {
            unsupported: vec!["path".into()]
        })
    );
    assert_eq!(
        status("Contact: <sip:a@b>\r\nSupported: path\r\nPath: x\r\n"),
        400
    );
    assert_eq!(
        status("Contact: <sip:a@b>\r\nSupported: path\r\nPath: <tel:+49301>\r\n"),
        400
    );
}

#[test]
fn a_flow_needs_outbound_all_the_way() {
    let contact = "Contact: <sip:a@b>;+sip.instance=\"<urn:uuid:1>\";reg-id=1\r\n";
    let reg_id = |lines: &str| changes(&format!("{contact}{lines}"))[0].binding.reg_id;
    assert_eq!(reg_id("Supported: outbound, path\r\n"), 1);
    assert_eq!(reg_id(""), 0, "the device does not say that it knows flows");
    let far = "Via: SIP/2.0/UDP 198.51.100.9;branch=z9hG4bK2\r\nSupported: outbound, path\r\n";
    assert_eq!(status(&format!("{contact}{far}")), 439);
    assert_eq!(
        status(&format!("{contact}{far}Path: <sip:p@c;lr>\r\n")),
        439
    );
    assert_eq!(
        reg_id(&format!("{far}Path: <sip:p2@c;lr>, <sip:p1@c;lr;ob>\r\n")),
        1
    );
    let without_instance = "Contact: <sip:a@b>;reg-id=1\r\nSupported: outbound\r\n";
    assert_eq!(changes(without_instance)[0].binding.reg_id, 0);
    for bad in ["0", "-1", "x", "4294967296"] {
        let lines = contact.replace("reg-id=1", &format!("reg-id={bad}"));
        assert_eq!(
            status(&format!("{lines}Supported: outbound\r\n")),
            400,
            "{bad}"
        );
    }
}

#[test]
fn what_is_required_and_not_known_is_named() {
    assert_eq!(
        read("Require: path, gruu, Outbound, x\r\nContact: <sip:a@b>\r\n"),
        Err(RegisterRejection::BadExtension {
            unsupported: vec!["gruu".into(), "x".into()]
        })
    );
}

proptest! {
    /// Whatever is taken in can be given out again and means the same: one bad binding must not
    /// spoil the answers to everybody who asks.
    #[test]
    fn a_contact_that_is_taken_can_be_listed(contact in contact_text()) {
        if let Ok(RegisterChange::Update(changes)) = read(&format!("Contact: {contact}\r\n")) {
            for change in changes {
                let mut binding = change.binding;
                binding.expires = at(60);
                let listed = ContactValue { binding: &binding, now: at(0) }.to_string();
                let again = changes_of(&listed);
                prop_assert_eq!(again.len(), 1, "{}", listed);
                prop_assert_eq!(&again[0].binding.contact, &binding.contact);
                prop_assert_eq!(&again[0].binding.instance, &binding.instance);
                prop_assert_eq!(again[0].binding.q, binding.q);
                prop_assert_eq!(again[0].lasts.as_secs(), 60);
            }
        }
    }
}

/// Texts from far off to nearly right.
fn contact_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,60}",
        "<sip:[ -~]{0,40}>(;[ -~]{0,30})?",
        "<sips?:[a-z0-9.%:@;=\\[\\]]{1,30}>;q=[01.]{1,4}",
        "<sip:a@b>;\\+sip\\.instance=\"[ -~]{0,20}\"",
    ]
}

fn changes_of(contact: &str) -> Vec<ContactChange> {
    changes(&format!("Contact: {contact}\r\n"))
}
