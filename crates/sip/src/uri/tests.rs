use super::*;

fn uri(text: &str) -> Uri<'_> {
    Uri::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn the_parts_of_a_sip_uri_are_found() {
    let uri = uri(
        "sips:alice:secret@[2001:db8::10]:5070;transport=TCP;lr;ob?subject=a%20b&priority=urgent",
    );
    assert_eq!(uri.scheme(), Scheme::Sips);
    assert_eq!(
        (uri.user(), uri.password(), uri.port()),
        (Some("alice"), Some("secret"), Some(5070))
    );
    assert_eq!(uri.host().ip(), Some("2001:db8::10".parse().unwrap()));
    assert_eq!(uri.param("Transport"), Some("TCP"));
    assert!(uri.has_param("lr") && uri.has_param("ob") && !uri.has_param("maddr"));
    assert_eq!(
        uri.headers().collect::<Vec<_>>(),
        [("subject", "a%20b"), ("priority", "urgent")]
    );
    assert_eq!(uri.to_string(), uri.as_str());
}

#[test]
fn the_user_part_may_hold_what_looks_like_parameters() {
    let semicolon = uri("sip:user;par=u%40example.net@example.com");
    assert_eq!(semicolon.user(), Some("user;par=u%40example.net"));
    assert_eq!(
        semicolon.user_unescaped().as_deref(),
        Some("user;par=u@example.net")
    );
    assert!(semicolon.params().is_empty());
    let odd = uri(
        "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com",
    );
    assert_eq!(
        odd.user(),
        Some("1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*")
    );
    assert_eq!(
        odd.password(),
        Some("&it+has=1,weird!*pas$wo~d_too.(doesn't-it)")
    );
}

#[test]
fn an_escaped_nul_is_a_character_and_no_end() {
    let null = uri("sip:null-%00-null@example.com");
    assert_eq!(null.user_unescaped().as_deref(), Some("null-\0-null"));
    assert!(!null.is_equivalent(&uri("sip:null-@example.com")));
    assert_eq!(uri("sip:%ff@a").user_unescaped().as_deref(), Some("%ff"));
    assert_eq!(
        EscapedUser("null-\0-\u{e9} @:%").to_string(),
        "null-%00-%C3%A9%20%40%3A%25"
    );
}

#[test]
fn header_fields_in_a_uri_are_unescaped() {
    let refer = uri("sip:b@x;gr=urn:uuid:1?Subject=a&%52eplaces=1%40y%3Bto-tag%3D2%3Bfrom-tag%3D3");
    let replaces = refer.header("replaces").unwrap();
    assert_eq!(replaces, "1@y;to-tag=2;from-tag=3");
    assert!(crate::header::Replaces::parse(&replaces).is_ok());
    assert_eq!(
        (refer.header("To"), refer.gruu()),
        (None, Some("urn:uuid:1"))
    );
}

#[test]
fn tel_and_other_schemes_are_read() {
    let tel = uri("tel:+49-30-(123);phone-context=x.de");
    assert_eq!(
        (tel.scheme(), tel.user()),
        (Scheme::Tel, Some("+49-30-(123)"))
    );
    assert_eq!(tel.param("phone-context"), Some("x.de"));
    let soap = uri("soap.beep://192.0.2.103:3002");
    assert_eq!(
        (soap.scheme(), soap.scheme_name()),
        (Scheme::Other, "soap.beep")
    );
}

#[test]
fn via_uri_crash() {
    for text in [
        "",
        ":",
        "sip",
        "sip:",
        "sip:@",
        "sip:@a",
        "sip:a@",
        "sip:a@b@c",
        "sip:a@b:",
        "sip:a@b:x",
        "sip:a@b:65536",
        "sip:a@[::1",
        "sip:a@::1",
        "sip:a@[fe80::1%25eth0]",
        "sip:a@[::1]x",
        "sip:a@b;",
        "sip:a@b;=1",
        "sip:a@b;x=",
        "sip:a b@c",
        "sip:a@b c",
        "<sip:a@b>",
        "sip:%Z5@a",
        "sip:a%4@b",
        "sip:a%",
        "sip:a@1.2.3",
        "sip:a@256.1.1.1",
        "tel:",
        "tel:+",
        "tel:abc+",
        "tel:1;",
        "http:",
        "1sip:a",
        "s\u{ef}p:a",
        "sip:\u{e9}@a",
        "sip:a:b:c@d",
    ] {
        assert!(Uri::parse(text).is_err(), "{text}");
    }
    let longest = format!("sip:{}@a", "u".repeat(MAX_URI_BYTES - 6));
    assert!(Uri::parse(&longest).is_ok());
    assert_eq!(Uri::parse(&format!("{longest}b")), Err(UriError::TooLong));
    for (one, separator) in [(";a", ""), ("a=b", "&")] {
        let many = |count: usize| [one].repeat(count).join(separator);
        let start = if separator.is_empty() {
            "sip:a"
        } else {
            "sip:a?"
        };
        assert!(Uri::parse(&format!("{start}{}", many(MAX_PARAMETERS))).is_ok());
        let above = format!("{start}{}", many(MAX_PARAMETERS + 1));
        assert_eq!(Uri::parse(&above), Err(UriError::Parameter));
    }
}

#[test]
fn equivalence_is_that_of_rfc_3261_section_19_1_4() {
    for (one, other) in [
        (
            "sip:%61lice@atlanta.com;transport=TCP",
            "sip:alice@AtlanTa.CoM;Transport=tcp",
        ),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        (
            "sip:carol@chicago.com;security=on",
            "sip:carol@chicago.com;newparam=5",
        ),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
        ("sip:a@[2001:db8::1]", "SIP:a@[2001:DB8:0::1]"),
        ("tel:+49-30-123", "tel:+4930123"),
        (
            "tel:12;phone-context=a;ext=1",
            "tel:1-2;ext=1;phone-context=A",
        ),
    ] {
        assert!(uri(one).is_equivalent(&uri(other)), "{one} {other}");
        assert!(uri(other).is_equivalent(&uri(one)), "{other} {one}");
    }
    for (one, other) in [
        (
            "SIP:ALICE@AtLanTa.CoM;Transport=udp",
            "sip:alice@AtLanTa.CoM;Transport=UDP",
        ),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        (
            "sip:bob@biloxi.com",
            "sip:bob@biloxi.com:6000;transport=tcp",
        ),
        (
            "sip:carol@chicago.com",
            "sip:carol@chicago.com?Subject=next%20meeting",
        ),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        (
            "sip:carol@chicago.com;security=off",
            "sip:carol@chicago.com;security=on",
        ),
        ("sip:a@b", "sips:a@b"),
        ("sip:a@b", "sip:b"),
        ("sip:a:1@b", "sip:a:2@b"),
        ("tel:+4930", "tel:4930"),
        ("tel:12;ext=1", "tel:12"),
        ("urn:a:b", "urn:a:B"),
    ] {
        assert!(!uri(one).is_equivalent(&uri(other)), "{one} {other}");
        assert!(!uri(other).is_equivalent(&uri(one)), "{other} {one}");
    }
}

#[test]
fn a_password_can_be_left_out() {
    for (text, without) in [
        ("sip:u:secret@host;x=y?a=b", "sip:u@host;x=y?a=b"),
        (
            "sips:u;p:s;e?c@[2001:db8::1]:5061",
            "sips:u;p@[2001:db8::1]:5061",
        ),
        ("sip:u:@host", "sip:u@host"),
        ("sip:u@host:5060", "sip:u@host:5060"),
        ("sip:host:5060", "sip:host:5060"),
        ("tel:+49", "tel:+49"),
    ] {
        assert_eq!(Uri::parse(text).unwrap().without_password(), without);
    }
}
