//! What people are told of the way between a phone and the exchange and of what went through: NATs,
//! routers that meddle, proxies, and how the figures come about.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod rig;

use fernamt_exchange::media::{self, ClockRate, IceCandidateKind};
use fernamt_exchange::registrar::Nat;
use rig::sdp::Kind;
use rig::secure::{config, talking};
use rig::{ANSWER, OFFER, Rig, body, ip};

/// The address of the router of Anna, and hers behind it.
const OUTSIDE: &str = "198.51.100.7:5060";
const INSIDE: &str = "192.168.1.9:5060";

/// The lines of a message that begin like this have the address inside.
fn inside(text: &str, starts: &[&str]) -> String {
    let line = |line: &str| match starts.iter().any(|start| line.starts_with(start)) {
        true => line
            .replace(OUTSIDE, INSIDE)
            .replace("198.51.100.7", "192.168.1.9"),
        false => line.to_owned(),
    };
    let lines: Vec<String> = text.split("\r\n").map(line).collect();
    lines.join("\r\n")
}

/// Lets what a router has made longer stay as long as it is, and corrects the length.
fn with_length(text: &str) -> String {
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let (head, _) = head.split_once("Content-Length:").unwrap();
    format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// A router that changes only a part of what a phone says, or too much of it: the call comes about, goes
/// where the phone is, and takes its media from there.
#[test]
fn nat_alg_rewrite() {
    let contact_only: fn(&str) -> String =
        |text| with_length(&inside(text, &["Via", "c=", "o=", "m="]));
    let via_only: fn(&str) -> String =
        |text| with_length(&inside(text, &["Contact", "c=", "o=", "m="]));
    let all_but_sdp: fn(&str) -> String = |text| with_length(&inside(text, &["c=", "o=", "m="]));
    let sdp_only: fn(&str) -> String = |text| inside(text, &["Via", "Contact"]);
    // The length is that of before: the end of the description is cut off.
    let short: fn(&str) -> String = |text| {
        let text = inside(text, &["Via"]);
        text.replace("s=-\r\n", "s=longer\r\n")
    };
    for (router, verdict) in [
        (contact_only, Nat::Rewritten),
        (via_only, Nat::Rewritten),
        (all_but_sdp, Nat::None),
        (sdp_only, Nat::KeptPort),
        (short, Nat::Rewritten),
    ] {
        let mut rig = Rig::new();
        rig.wish("anna", "never", "automatic");
        let (mut anna, mut bert) = rig::two_phones(&mut rig);
        anna.router = Some(router);
        anna.register(&mut rig);
        let bindings = rig.location.bindings(rig.now.unix, "anna");
        assert!(bindings.iter().any(|binding| binding.nat() == verdict));
        assert!(
            bindings
                .iter()
                .all(|binding| binding.received.to_string() == OUTSIDE)
        );

        let sent = anna.invite(&mut rig, "sip:bert@192.0.2.1", "", OFFER);
        let invite = bert.expect(&mut rig, "INVITE");
        assert!(!invite.contains("192.168.1.9"), "{invite}");
        bert.respond(&mut rig, &invite, "200 OK", "", ANSWER);
        bert.expect(&mut rig, "ACK");
        let ok = anna.expect(&mut rig, "SIP/2.0 200");
        let (_, remote) = &rig.remotes()[0];
        assert_eq!(
            remote.signalling,
            ip("198.51.100.7"),
            "where she is heard from"
        );
        let mut hers = anna.talk_as_caller(&sent, &ok);
        anna.confirm(&mut rig, &mut hers, "");
        anna.hang_up(&mut rig, &mut hers);
        let his_bye = bert.expect(&mut rig, "BYE");
        bert.respond(&mut rig, &his_bye, "200 OK", "", "");
        anna.expect(&mut rig, "SIP/2.0 200");
        let words = rig.words();
        let told = words.contains(&format!("Signalling with {OUTSIDE}: {verdict}."));
        assert_eq!(told, verdict != Nat::None, "{words}");

        // Whoever calls her reaches her, whatever her contact says.
        bert.invite(&mut rig, "sip:anna@192.0.2.1", "", OFFER);
        anna.expect(&mut rig, "INVITE");
    }
}

/// A router has made the body shorter and has left the length: what is missing never comes.
#[test]
fn nat_alg_rewrite_that_cuts_a_datagram_is_answered() {
    let mut rig = Rig::new();
    let (mut anna, bert) = rig::two_phones(&mut rig);
    let offer = OFFER.replace("s=-", "s=long");
    anna.router = Some(|text| text.replace("s=long\r\n", "s=-\r\n"));
    let sent = anna.request("INVITE", "sip:bert@192.0.2.1", "", &offer);
    anna.send(&mut rig, &sent);
    anna.expect(&mut rig, "SIP/2.0 400");
    bert.expect_nothing(&mut rig);
}

#[test]
fn through_a_proxy_nothing_is_claimed() {
    let mut rig = Rig::new();
    let (mut anna, bert) = rig::two_phones(&mut rig);
    anna.router = Some(|text| {
        let first = "Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bKproxy\r\nVia:";
        inside(text, &["Via", "Contact"]).replacen("Via:", first, 1)
    });
    anna.invite(&mut rig, "sip:bert@192.0.2.1", "", OFFER);
    let invite = bert.expect(&mut rig, "INVITE");
    bert.respond(&mut rig, &invite, "486 Busy Here", "", "");
    anna.expect(&mut rig, "SIP/2.0 486");
    let words = rig.words();
    assert!(words.contains(&Nat::Proxy.to_string()), "{words}");
    assert!(!words.contains("NAT"), "{words}");
}

#[test]
fn what_media_show_of_the_way_is_told_where_signalling_shows_nothing() {
    let mut call = talking(Kind::Plain, "never");
    let endpoint = call.rig.remotes()[0].0;
    for rtp in ["198.51.100.7:4000", "203.0.113.9:4711"] {
        let rtp = rtp.parse().unwrap();
        call.media(media::Event::Latched { endpoint, rtp });
    }
    call.hang_up();
    let told = call.rig.words();
    assert!(
        told.contains("Media comes from 198.51.100.7:4000, as the phone has described."),
        "{told}"
    );
    assert!(
        told.contains(
            "Media comes from 203.0.113.9:4711, and the phone has described 198.51.100.7:4000."
        ),
        "{told}"
    );

    for (kind, rtp, verdict) in [
        (
            IceCandidateKind::Host,
            "198.51.100.7:4000",
            "no NAT is in between",
        ),
        (
            IceCandidateKind::ServerReflexive,
            "203.0.113.9:4711",
            "the phone is behind a NAT",
        ),
        (
            IceCandidateKind::PeerReflexive,
            "203.0.113.9:4711",
            "it is behind a NAT",
        ),
        (
            IceCandidateKind::Relayed,
            "203.0.113.9:4711",
            "a TURN server",
        ),
    ] {
        let mut call = talking(Kind::Browser, "never");
        let endpoint = call.rig.remotes()[0].0;
        let rtp = rtp.parse().unwrap();
        call.media(media::Event::Connected {
            endpoint,
            rtp,
            kind,
        });
        call.hang_up();
        let told = call.rig.words();
        let line = told
            .lines()
            .find(|line| line.starts_with("Media go to"))
            .unwrap();
        assert!(line.contains(verdict), "{line}");
    }
}

#[test]
fn the_media_plane_knows_the_clocks_of_what_a_party_may_send_also_after_a_restart() {
    let mut rig = Rig::with(config());
    rig.wish("bert", "never", "automatic");
    let (mut anna, bert) = rig::two_phones(&mut rig);
    let opus = "a=rtpmap:111 opus/48000/2\r\n";
    let offer = OFFER.replace("RTP/AVP 8 0 101", "RTP/AVP 111 8 101") + opus;
    let sent = anna.invite(&mut rig, "sip:bert@192.0.2.1", "", &offer);
    let invite = bert.expect(&mut rig, "INVITE");
    assert!(body(&invite).contains(opus));
    // He numbers the codec otherwise, and may be sent either number.
    let his = ANSWER.replace("RTP/AVP 8 101", "RTP/AVP 96 101") + &opus.replace("111", "96");
    bert.respond(&mut rig, &invite, "200 OK", "", &his);
    let ok = anna.expect(&mut rig, "SIP/2.0 200");
    let mut hers = anna.talk_as_caller(&sent, &ok);
    anna.confirm(&mut rig, &mut hers, "");
    let clock = |rig: &Rig, side: usize, payload_type: u8| {
        let (_, remote) = &rig.remotes()[side];
        let mut clocks = remote.clock_rates.iter();
        let found = clocks.find(|clock| clock.payload_type == payload_type);
        found.map(|ClockRate { hertz, .. }| *hertz)
    };
    for is_restarted in [false, true] {
        if is_restarted {
            rig.crash(config());
        }
        for side in [0, 1] {
            assert_eq!(clock(&rig, side, 111), Some(48_000));
            assert_eq!(clock(&rig, side, 8), Some(8_000));
            assert_eq!(clock(&rig, side, 101), None, "keys are no measure");
        }
        if !is_restarted {
            assert_eq!(clock(&rig, 1, 96), Some(48_000));
        }
    }
}
