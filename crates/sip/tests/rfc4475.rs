//! The messages of RFC 4475: each is accepted, answered or dropped as its section says.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use fernamt_sip::builder::ResponseBuilder;
use fernamt_sip::message::{Message, Method, Name, Salvage};
use fernamt_sip::multipart;
use fernamt_sip::transport::Transport;
use fernamt_sip::uri::Scheme;
use fernamt_sip::validate::{check_request, check_response, unsupported_options};

/// What the parser and the checks before the transaction layer make of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Accept,
    Answer(u16),
    Drop,
}

fn outcome(bytes: &[u8]) -> Outcome {
    let answered = |status: Option<u16>| status.map_or(Outcome::Drop, Outcome::Answer);
    let checked = match Message::parse(bytes) {
        Err(error) if Salvage::from_bytes(bytes).is_some() => return answered(error.status()),
        Err(_) => return Outcome::Drop,
        Ok(message) if message.is_request() => check_request(&message),
        Ok(message) => check_response(&message),
    };
    checked.map_or_else(
        |rejection| answered(rejection.status()),
        |()| Outcome::Accept,
    )
}

macro_rules! messages {
    ($($name:literal => $section:literal, $outcome:expr;)*) => {
        const MESSAGES: &[(&str, &str, &[u8], Outcome)] = &[
            $(($name, $section, include_bytes!(concat!("rfc4475/", $name, ".dat")), $outcome),)*
        ];
    };
}

use Outcome::{Accept, Answer, Drop};

messages! {
    // Valid.
    "wsinv" => "3.1.1.1", Accept;
    "intmeth" => "3.1.1.2", Accept;
    "esc01" => "3.1.1.3", Accept;
    "escnull" => "3.1.1.4", Accept;
    "esc02" => "3.1.1.5", Accept;
    "lwsdisp" => "3.1.1.6", Accept;
    "longreq" => "3.1.1.7", Accept;
    "dblreq" => "3.1.1.8", Accept;
    "semiuri" => "3.1.1.9", Accept;
    "transports" => "3.1.1.10", Accept;
    "mpart01" => "3.1.1.11", Accept;
    "unreason" => "3.1.1.12", Accept;
    "noreason" => "3.1.1.13", Accept;
    // Invalid.
    "badinv01" => "3.1.2.1", Answer(400);
    "clerr" => "3.1.2.2", Answer(400);
    "ncl" => "3.1.2.3", Answer(400);
    "scalar02" => "3.1.2.4", Answer(400);
    "scalarlg" => "3.1.2.5", Drop;
    "quotbal" => "3.1.2.6", Answer(400);
    "ltgtruri" => "3.1.2.7", Answer(400);
    "lwsruri" => "3.1.2.8", Answer(400);
    "lwsstart" => "3.1.2.9", Answer(400);
    "trws" => "3.1.2.10", Answer(400);
    "escruri" => "3.1.2.11", Answer(400);
    // The date means nothing here, so the RFC lets it be ignored.
    "baddate" => "3.1.2.12", Accept;
    "regbadct" => "3.1.2.13", Answer(400);
    "badaspec" => "3.1.2.14", Answer(400);
    "baddn" => "3.1.2.15", Answer(400);
    "badvers" => "3.1.2.16", Answer(505);
    "mismatch01" => "3.1.2.17", Answer(400);
    "mismatch02" => "3.1.2.18", Answer(501);
    "bigcode" => "3.1.2.19", Drop;
    // For the transaction layer: the branch does not name the transaction.
    "badbranch" => "3.2.1", Accept;
    // For the application.
    "insuf" => "3.3.1", Answer(400);
    "unkscm" => "3.3.2", Answer(416);
    "novelsc" => "3.3.3", Answer(416);
    "unksm2" => "3.3.4", Answer(400);
    // 420, 415, 401 and 406 or 488 are the user agent's answers.
    "bext01" => "3.3.5", Accept;
    "invut" => "3.3.6", Accept;
    "regaut01" => "3.3.7", Accept;
    "multi01" => "3.3.8", Answer(400);
    "mcl01" => "3.3.9", Answer(400);
    "bcast" => "3.3.10", Drop;
    "zeromf" => "3.3.11", Accept;
    "cparam01" => "3.3.12", Accept;
    "cparam02" => "3.3.13", Accept;
    "regescrt" => "3.3.14", Accept;
    "sdp01" => "3.3.15", Accept;
    "inv2543" => "3.4.1", Accept;
    // In the archive, but not in the text: no version, no Via.
    "test" => "none", Drop;
}

fn bytes(name: &str) -> &'static [u8] {
    MESSAGES
        .iter()
        .find(|(known, ..)| *known == name)
        .unwrap()
        .2
}

fn message(name: &str) -> Message<'static> {
    Message::parse(bytes(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn every_message_has_the_outcome_of_its_section() {
    assert_eq!(MESSAGES.len(), 49 + 1);
    let wrong: Vec<_> = MESSAGES
        .iter()
        .map(|(name, section, bytes, expected)| (name, section, outcome(bytes), *expected))
        .filter(|(_, _, found, expected)| found != expected)
        .collect();
    assert!(wrong.is_empty(), "found and expected: {wrong:#?}");
}

#[test]
fn every_refused_request_gets_a_well_formed_answer() {
    let source = "192.0.2.99:5060".parse().ok();
    for (name, _, bytes, expected) in MESSAGES {
        let Answer(status) = expected else { continue };
        let mut out = Vec::new();
        match Message::parse(bytes) {
            Ok(request) => {
                ResponseBuilder::for_request(&mut out, &request, *status, None, Some("t"), source)
                    .finish();
            }
            Err(_) => {
                let salvage = Salvage::from_bytes(bytes).unwrap();
                ResponseBuilder::for_salvage(&mut out, &salvage, *status, None, Some("t"), source)
                    .finish();
            }
        }
        let response = Message::parse(&out).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(response.status(), Some(*status), "{name}");
        assert!(response.value(Name::Via).is_some(), "{name}");
        assert_eq!(response.bytes(), out, "{name}");
    }
}

#[test]
fn section_3_1_1_1_white_space_and_folding() {
    let message = message("wsinv");
    assert_eq!(message.method(), Method::Invite);
    assert_eq!(message.to().unwrap().tag(), Some("1918181833n"));
    assert_eq!(message.from().unwrap().tag(), Some("98asjd8"));
    assert_eq!(
        message.from().unwrap().display_name().as_deref(),
        Some("J Rosenberg \\\"")
    );
    assert_eq!(message.max_forwards(), Ok(Some(68)));
    assert_eq!(message.cseq().unwrap().number, 9);
    assert_eq!(message.body().len(), 150);
    let branches: Vec<_> = message
        .vias()
        .map(|via| via.unwrap().branch().unwrap())
        .collect();
    assert_eq!(branches, ["390skdjuw", "z9hG4bK9ikj8", "z9hG4bK30239"]);
    assert_eq!(message.value(Name::Subject), Some(""));
    let folded = message
        .headers()
        .find(|header| header.raw_name == "NewFangledHeader")
        .unwrap();
    assert_eq!(
        folded.unfolded(),
        "newfangled value continued newfangled value"
    );
    let contact = message.contact().unwrap().unwrap();
    assert_eq!(
        contact.display_name().as_deref(),
        Some("Quoted string \"\"")
    );
    assert_eq!(
        (contact.param("newparam"), contact.param("secondparam")),
        (Some("newvalue"), Some(""))
    );
    assert_eq!(contact.q_thousandths(), Some(330));
    let route = message.routes().next().unwrap().unwrap().uri().unwrap();
    assert!(route.has_param("lr") && route.has_param("unknown-no-value"));
}

#[test]
fn section_3_1_1_2_every_character_that_is_allowed() {
    let message = message("intmeth");
    assert_eq!(
        message.method(),
        Method::Other("!interesting-Method0123456789_*+`.%indeed'~")
    );
    assert_eq!(
        message.to().unwrap().display_name().as_deref(),
        Some("BEL: NUL: DEL:")
    );
    let from = message.from().unwrap();
    assert_eq!(from.raw_display_name(), "token1~` token2'+_ token3*%!.-");
    assert_eq!(from.tag(), Some("_token~1'+`*%!-."));
    assert_eq!(
        message.call_id(),
        Ok("intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{")
    );
    assert_eq!(message.max_forwards(), Ok(Some(255)));
    let extension = message.value_of("extensionHeader-!.%*+_`'~").unwrap();
    assert_eq!(extension, "\u{feff}\u{5927}\u{505c}\u{96fb}");
}

#[test]
fn sections_3_1_1_3_to_5_escapes_are_resolved_where_they_are_escapes() {
    let message = message("esc01");
    let uri = fernamt_sip::uri::Uri::parse(message.request_uri().unwrap()).unwrap();
    assert_eq!(
        uri.user_unescaped().as_deref(),
        Some("sips:user@example.com")
    );
    assert_eq!(
        message
            .to()
            .unwrap()
            .uri()
            .unwrap()
            .user_unescaped()
            .as_deref(),
        Some("user")
    );
    let from = message.from().unwrap().uri().unwrap();
    assert_eq!(from.user_unescaped().as_deref(), Some("I have spaces"));
    let contact = message.contact().unwrap().unwrap().uri().unwrap();
    let twin =
        fernamt_sip::uri::Uri::parse("sip:caller@host5.example.net;lr;name=value%2541").unwrap();
    assert!(contact.is_equivalent(&twin));

    let null = self::message("escnull");
    let users: Vec<_> = null
        .contacts()
        .map(|contact| {
            contact
                .unwrap()
                .uri()
                .unwrap()
                .user_unescaped()
                .unwrap()
                .into_owned()
        })
        .collect();
    assert_eq!(users, ["\0", "\0\0"]);

    // Escapes mean nothing in methods, names of header fields and display names.
    let literal = self::message("esc02");
    assert_eq!(literal.method(), Method::Other("RE%47IST%45R"));
    assert_eq!(literal.contacts().count(), 2);
    assert_eq!(
        literal.to().unwrap().display_name().as_deref(),
        Some("%Z%45")
    );
}

#[test]
fn section_3_1_1_7_everything_is_long() {
    let message = message("longreq");
    assert_eq!(message.vias().count(), 34);
    assert!(message.vias().all(|via| via.is_ok()));
    assert_eq!(message.body().len(), 150);
}

#[test]
fn section_3_1_1_8_what_follows_the_message_in_a_datagram_is_ignored() {
    let message = message("dblreq");
    assert_eq!(message.method(), Method::Register);
    assert!(message.body().is_empty());
    assert!(message.bytes().len() < bytes("dblreq").len() / 2);
}

#[test]
fn section_3_1_1_10_unknown_transports_are_read() {
    let message = message("transports");
    let transports: Vec<_> = message.vias().map(|via| via.unwrap().transport()).collect();
    assert_eq!(
        transports,
        [
            Some(Transport::Udp),
            None,
            Some(Transport::Tls),
            None,
            Some(Transport::Tcp)
        ]
    );
}

#[test]
fn section_3_1_1_11_a_binary_body_of_two_parts() {
    let message = message("mpart01");
    let parts: Vec<_> = multipart::parts(message.content_type().unwrap(), message.body())
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(parts.len(), 2);
    assert_eq!(parts[0].body, b"Hello");
    assert_eq!(parts[1].content_type(), "application/octet-stream");
    assert_eq!(message.body_of_type("text/plain"), Some(&b"Hello"[..]));
}

#[test]
fn sections_3_1_1_12_and_13_reason_phrases() {
    assert!(
        message("unreason")
            .reason_phrase()
            .unwrap()
            .starts_with("= 2**3 * 5**2 \u{43d}\u{43e}")
    );
    assert_eq!(message("noreason").reason_phrase(), Some(""));
}

#[test]
fn section_3_1_2_15_display_names_need_quotes_for_a_comma() {
    // The file of the archive also lacks the empty line at its end.
    let whole = [bytes("baddn"), b"\r\n"].concat();
    assert_eq!(outcome(&whole), Answer(400));
    let rejection = check_request(&Message::parse(&whole).unwrap()).unwrap_err();
    assert_eq!(rejection.to_string(), "Malformed From");
}

#[test]
fn section_3_2_1_a_branch_without_a_name_is_noticed() {
    assert!(!message("badbranch").top_via().unwrap().branch_is_unique());
}

#[test]
fn section_3_3_what_the_user_agent_refuses_is_seen() {
    let extensions = message("bext01");
    let unsupported: Vec<_> = unsupported_options(&extensions, &["100rel"]).collect();
    assert_eq!(
        unsupported,
        ["nothingSupportsThis", "nothingSupportsThisEither"]
    );
    assert_eq!(extensions.proxy_require().count(), 2);
    assert!(!message("invut").has_content_type("application/sdp"));
    let register = message("regaut01");
    let credentials = register
        .credentials(Name::Authorization)
        .next()
        .unwrap()
        .unwrap();
    assert_eq!(credentials.scheme(), "NoOneKnowsThisScheme");
    assert_eq!(message("zeromf").max_forwards(), Ok(Some(0)));
    assert!(message("sdp01").accept().eq(["text/nobodyKnowsThis"]));
}

#[test]
fn sections_3_3_12_to_14_contacts_keep_what_is_theirs() {
    // Without brackets the parameter belongs to the binding, within them to the URI.
    let outside = message("cparam01").contact().unwrap().unwrap();
    assert_eq!(
        (
            outside.param("unknownparam"),
            outside.uri().unwrap().has_param("unknownparam")
        ),
        (Some(""), false)
    );
    let inside = message("cparam02").contact().unwrap().unwrap();
    assert_eq!(
        (
            inside.param("unknownparam"),
            inside.uri().unwrap().has_param("unknownparam")
        ),
        (None, true)
    );
    let escaped = message("regescrt")
        .contact()
        .unwrap()
        .unwrap()
        .uri()
        .unwrap();
    assert!(
        escaped
            .headers()
            .eq([("Route", "%3Csip:sip.example.com%3E")])
    );
}

#[test]
fn section_3_4_1_a_peer_of_rfc_2543_is_understood() {
    let message = message("inv2543");
    assert_eq!(message.from().unwrap().tag(), None);
    assert_eq!(message.top_via().unwrap().branch(), None);
    assert_eq!(message.max_forwards(), Ok(None));
    assert_eq!(message.content_length(), None);
    assert!(message.body().starts_with(b"v=0"));
    assert_eq!(message.to().unwrap().uri().unwrap().scheme(), Scheme::Sip);
}
