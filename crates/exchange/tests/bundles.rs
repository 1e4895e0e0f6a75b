//! Media that share one transport (RFC 9143): what a payload type and a header extension mean to a
//! browser, whatever they mean to a phone whose streams have a transport each.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod rig;

use std::collections::BTreeMap;

use fernamt_exchange::media::{Command, EndpointId, Remote};
use fernamt_sip::transport::Transport;
use rig::sdp::{Kind, answer, line};
use rig::secure::config;
use rig::{Phone, Rig, Talk, body};

/// A plain phone that numbers each of its streams for itself.
const PLAIN: &str = "v=0\r\no=phone 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n\
    m=audio 4000 RTP/AVP 96 8 101\r\na=rtpmap:96 opus/48000/2\r\na=rtpmap:101 telephone-event/8000\r\n\
    a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n\
    m=video 4002 RTP/AVP 96 97 101\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n\
    a=rtpmap:101 H264/90000\r\na=extmap:1 urn:ietf:params:rtp-hdrext:toffset\r\na=extmap:2 urn:3gpp:video-orientation\r\n";

fn phones(rig: &mut Rig) -> (Phone, Phone) {
    let mut anna = Phone::new("anna", "198.51.100.7:5060");
    anna.register(rig);
    let mut bert = Phone::on(Transport::Wss, "bert", 8);
    bert.contact_params = ";transport=ws;+sip.ice";
    bert.register(rig);
    (anna, bert)
}

/// The sections of a description, each without the session.
fn sections(description: &str) -> Vec<String> {
    let mut parts = description.split("\r\nm=");
    parts.next();
    parts.map(|part| format!("m={part}\r\n")).collect()
}

/// What each number of a section means: `rtpmap`, and `fmtp` behind it.
fn meanings(section: &str) -> BTreeMap<u8, String> {
    let of = |start: &str, number: &str| {
        let start = format!("a={start}:{number} ");
        line(section, &start).unwrap_or("").to_owned()
    };
    let list = section.lines().next().unwrap().split(' ').skip(3);
    list.map(|number| {
        let means = format!("{}|{}", of("rtpmap", number), of("fmtp", number));
        (number.parse().unwrap(), means)
    })
    .collect()
}

fn assert_unambiguous(description: &str) {
    let mut all: BTreeMap<u8, String> = BTreeMap::new();
    let mut extensions: BTreeMap<String, String> = BTreeMap::new();
    for section in sections(description) {
        for (number, means) in meanings(&section) {
            let known = all.entry(number).or_insert_with(|| means.clone());
            assert_eq!(*known, means, "{number} in {description}");
        }
        for map in section
            .lines()
            .filter_map(|line| line.strip_prefix("a=extmap:"))
        {
            let (id, uri) = map.split_once(' ').unwrap();
            let known = extensions
                .entry(id.to_owned())
                .or_insert_with(|| uri.to_owned());
            assert_eq!(known, uri, "{id} in {description}");
        }
        assert_eq!(
            section.matches("rtp-hdrext:sdes:mid").count(),
            1,
            "{section}"
        );
    }
}

/// A browser's answer: both sections, in the numbers of the offer.
fn browser_answer(offer: &str) -> String {
    let one = answer(offer, "198.51.100.8", 5000, true);
    let (session, section) = one.split_once("m=audio").unwrap();
    let session = session.replace("a=group:BUNDLE 0", line_of(offer, "a=group:"));
    let mut text = session;
    for (place, offered) in sections(offer).iter().enumerate() {
        let head = offered
            .lines()
            .next()
            .unwrap()
            .split(' ')
            .collect::<Vec<_>>();
        let kept = |start: &str| {
            let lines = offered.lines().filter(|line| line.starts_with(start));
            lines.map(|line| format!("{line}\r\n")).collect::<String>()
        };
        text += &format!("{} 5000 {}\r\n", head[0], head[2..].join(" "));
        text += &kept("a=rtpmap:");
        text += &kept("a=fmtp:");
        text += &kept("a=extmap:");
        let rest = section.split_once("\r\n").unwrap().1;
        for line in rest
            .lines()
            .filter(|line| !line.starts_with("a=rtpmap") && !line.starts_with("a=extmap"))
        {
            text += &format!("{}\r\n", line.replace("a=mid:0", &format!("a=mid:{place}")));
        }
    }
    text
}

fn line_of<'d>(description: &'d str, start: &str) -> &'d str {
    description
        .lines()
        .find(|line| line.starts_with(start))
        .unwrap()
}

struct Call {
    rig: Rig,
    anna: Phone,
    bert: Phone,
    hers: Talk,
    his: Talk,
    /// As the browser was offered it, and as the phone was answered.
    offered: String,
    answered: String,
}

fn plain_calls_browser() -> Call {
    phone_calls_browser(PLAIN)
}

fn phone_calls_browser(own: &str) -> Call {
    let mut rig = Rig::with(config());
    let (mut anna, bert) = phones(&mut rig);
    let sent = anna.invite(&mut rig, "sip:bert@192.0.2.1", "", own);
    let invite = bert.expect(&mut rig, "INVITE");
    let offered = body(&invite);
    bert.respond(&mut rig, &invite, "200 OK", "", &browser_answer(&offered));
    bert.expect(&mut rig, "ACK");
    let ok = anna.expect(&mut rig, "SIP/2.0 200");
    let mut hers = anna.talk_as_caller(&sent, &ok);
    anna.confirm(&mut rig, &mut hers, "");
    let his = bert.talk_as_callee(&invite);
    Call {
        hers,
        his,
        rig,
        anna,
        bert,
        offered,
        answered: body(&ok),
    }
}

/// Audio and video of the caller, audio and video of the called party.
fn remotes(rig: &Rig) -> [Remote; 4] {
    let found: Vec<(EndpointId, Remote)> = rig.remotes();
    let [audio, his_audio, video, his_video] = &found[..] else {
        panic!("{found:?}")
    };
    [audio, video, his_audio, his_video].map(|(_, remote)| remote.clone())
}

fn translation(remote: &Remote, from: u8) -> u8 {
    let found = remote.translations.iter().find(|one| one.from == from);
    found.map_or(from, |one| one.to)
}

#[test]
fn a_browser_is_offered_a_number_for_one_thing_only() {
    let call = plain_calls_browser();
    assert!(
        call.offered.contains("a=group:BUNDLE 0 1"),
        "{}",
        call.offered
    );
    assert_unambiguous(&call.offered);
    // What can stay does, and retransmission goes with what it is of.
    let offered = sections(&call.offered);
    assert_eq!(
        meanings(&offered[0]).keys().collect::<Vec<_>>(),
        [&8, &96, &101]
    );
    let video = meanings(&offered[1]);
    let vp8 = video
        .iter()
        .find(|(_, means)| means.starts_with("VP8"))
        .unwrap()
        .0;
    assert_eq!(video[&97], format!("rtx/90000|apt={vp8}"));
    assert_ne!(*vp8, 96);
    // The phone is answered in its own numbers.
    let answered = sections(&call.answered);
    assert_eq!(
        meanings(&answered[1]),
        meanings(&sections(PLAIN)[1]),
        "{}",
        call.answered
    );
    assert!(!call.answered.contains("extmap"), "{}", call.answered);
}

#[test]
fn packets_are_called_on_each_side_what_they_mean_there() {
    let call = plain_calls_browser();
    let video = meanings(&sections(&call.offered)[1]);
    let number = |name: &str| {
        *video
            .iter()
            .find(|(_, means)| means.starts_with(name))
            .unwrap()
            .0
    };
    let [audio, hers, his_audio, his] = remotes(&call.rig);
    for (own, name) in [(96, "VP8"), (97, "rtx"), (101, "H264")] {
        assert_eq!(translation(&hers, own), number(name), "{name}");
        assert_eq!(translation(&his, number(name)), own, "{name}");
    }
    assert!(audio.translations.is_empty() && his_audio.translations.is_empty());
    // On the ports that his streams share, each number is that of one.
    for number in &his.payload_types {
        assert!(!his_audio.payload_types.contains(number), "{number}");
    }
    let mid = |remote: &Remote| remote.mid.clone().map(|(_, mid)| mid.to_string());
    assert_eq!(
        (mid(&his_audio), mid(&his)),
        (Some("0".into()), Some("1".into()))
    );
    assert_eq!((mid(&audio), mid(&hers)), (None, None));
    let bundles = call
        .rig
        .media
        .iter()
        .filter(|order| matches!(order, Command::Bundle { .. }));
    assert_eq!(bundles.count(), 1);
}

#[test]
fn numbers_stay_while_the_call_lasts_whoever_offers() {
    let mut call = plain_calls_browser();
    let before = meanings(&sections(&call.offered)[1]);
    // She holds, and has one more codec, whose number he knows as something else.
    let taken = before
        .iter()
        .find(|(_, means)| means.starts_with("VP8"))
        .unwrap()
        .0;
    let held = PLAIN.replace("1 1 IN", "1 2 IN").replace(
        "RTP/AVP 96 8 101\r\n",
        &format!("RTP/AVP 96 8 101 {taken}\r\na=rtpmap:{taken} speex/8000\r\n"),
    );
    let Call {
        rig,
        anna,
        bert,
        hers,
        his,
        ..
    } = &mut call;
    let reinvite = anna.in_dialog(hers, "INVITE", "", &held);
    anna.send(rig, &reinvite);
    anna.expect(rig, "SIP/2.0 100");
    let invite = bert.expect(rig, "INVITE");
    let offered = body(&invite);
    assert_unambiguous(&offered);
    assert_eq!(meanings(&sections(&offered)[1]), before);
    bert.respond(rig, &invite, "200 OK", "", &browser_answer(&offered));
    bert.expect(rig, "ACK");
    let answered = body(&anna.expect(rig, "SIP/2.0 200"));
    assert_eq!(
        meanings(&sections(&answered)[0]),
        meanings(&sections(&held)[0])
    );
    anna.confirm(rig, hers, "");
    // He offers in the numbers that he knows; she answers in her own.
    let own = browser_answer(&offered)
        .replace("1 1 IN", "1 3 IN")
        .replace("a=setup:active", "a=setup:actpass");
    let reinvite = bert.in_dialog(his, "INVITE", "", &own);
    bert.send(rig, &reinvite);
    bert.expect(rig, "SIP/2.0 100");
    let invite = anna.expect(rig, "INVITE");
    let hers_again = PLAIN.replace("1 1 IN", "1 3 IN");
    anna.respond(rig, &invite, "200 OK", "", &hers_again);
    anna.expect(rig, "ACK");
    let answered = body(&bert.expect(rig, "SIP/2.0 200"));
    assert_unambiguous(&answered);
    assert_eq!(meanings(&sections(&answered)[1]), before);
    bert.confirm(rig, his, "");
    // And she once more, as in the beginning.
    let reinvite = anna.in_dialog(hers, "INVITE", "", &PLAIN.replace("1 1 IN", "1 4 IN"));
    anna.send(rig, &reinvite);
    anna.expect(rig, "SIP/2.0 100");
    let offered = body(&bert.expect(rig, "INVITE"));
    assert_unambiguous(&offered);
    assert_eq!(meanings(&sections(&offered)[1]), before);
}

/// A browser that asks for an offer is made one from what a plain phone offers.
#[test]
fn a_late_offer_to_a_browser_has_a_number_for_one_thing_only() {
    let mut rig = Rig::with(config());
    let (anna, mut bert) = phones(&mut rig);
    let sent = bert.invite(&mut rig, "sip:anna@192.0.2.1", "", "");
    let invite = anna.expect(&mut rig, "INVITE");
    anna.respond(&mut rig, &invite, "200 OK", "", PLAIN);
    let ok = bert.expect(&mut rig, "SIP/2.0 200");
    let offered = body(&ok);
    assert_unambiguous(&offered);
    let mut talk = bert.talk_as_caller(&sent, &ok);
    bert.confirm(&mut rig, &mut talk, &browser_answer(&offered));
    let answered = body(&anna.expect(&mut rig, "ACK"));
    assert_eq!(
        meanings(&sections(&answered)[1]),
        meanings(&sections(PLAIN)[1])
    );
}

/// A phone may answer what was not offered (RFC 3264 section 6.1), under a number that means something
/// else to the browser.
#[test]
fn a_browser_is_not_answered_a_number_that_means_something_else_to_it() {
    let mut rig = Rig::with(config());
    let (anna, mut bert) = phones(&mut rig);
    let offer =
        browser_answer(&plain_calls_browser().offered).replace("a=setup:active", "a=setup:actpass");
    let vp8 = *meanings(&sections(&offer)[1])
        .iter()
        .find(|(_, means)| means.starts_with("VP8"))
        .unwrap()
        .0;
    bert.invite(&mut rig, "sip:anna@192.0.2.1", "", &offer);
    let invite = anna.expect(&mut rig, "INVITE");
    let hers = PLAIN.replace(
        "RTP/AVP 96 8 101\r\n",
        &format!("RTP/AVP 8 {vp8} 60\r\na=rtpmap:{vp8} speex/8000\r\na=rtpmap:60 G726-32/8000\r\n"),
    );
    anna.respond(&mut rig, &invite, "200 OK", "", &hers);
    anna.expect(&mut rig, "ACK");
    let answered = body(&bert.expect(&mut rig, "SIP/2.0 200"));
    assert_unambiguous(&answered);
    let audio = meanings(&sections(&answered)[0]);
    assert!(
        !audio.contains_key(&vp8) && audio.contains_key(&8),
        "{answered}"
    );
    assert!(audio.contains_key(&60), "no harm in this one: {answered}");
}

/// The tag is written by the media plane, which has room for a short one.
#[test]
fn a_tag_is_agreed_on_where_it_can_be_written() {
    for (id, mid, agreed) in [
        (4, "0".to_owned(), true),
        (14, "x".repeat(16), true),
        (15, "0".to_owned(), false),
        (4, "x".repeat(17), false),
    ] {
        let mut rig = Rig::with(config());
        let (anna, mut bert) = phones(&mut rig);
        let offer = Kind::Browser
            .offer("198.51.100.8", 5000)
            .replace("a=group:BUNDLE 0", &format!("a=group:BUNDLE {mid}"))
            .replace(
                "a=mid:0\r\n",
                &format!("a=mid:{mid}\r\na=extmap:{id} urn:ietf:params:rtp-hdrext:sdes:mid\r\n"),
            );
        bert.invite(&mut rig, "sip:anna@192.0.2.1", "", &offer);
        let invite = anna.expect(&mut rig, "INVITE");
        assert!(!body(&invite).contains("extmap"), "{invite}");
        anna.respond(
            &mut rig,
            &invite,
            "200 OK",
            "",
            &Kind::Plain.offer("198.51.100.7", 4000),
        );
        anna.expect(&mut rig, "ACK");
        let answered = body(&bert.expect(&mut rig, "SIP/2.0 200"));
        let written = format!("a=extmap:{id} urn:ietf:params:rtp-hdrext:sdes:mid");
        assert_eq!(answered.contains(&written), agreed, "{answered}");
        let remotes = rig.remotes();
        let tag = agreed.then(|| (id, mid.clone().into()));
        assert_eq!(remotes[0].1.mid, tag);
    }
}

/// RFC 3264 section 8.3.2, for a number that was the phone's own from the beginning.
#[test]
fn a_number_that_nobody_has_changed_stays_when_another_stream_wants_it() {
    let first = "v=0\r\no=phone 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n\
        m=audio 4000 RTP/AVP 8\r\nm=video 4002 RTP/AVP 97\r\na=rtpmap:97 VP8/90000\r\n";
    let mut call = phone_calls_browser(first);
    let before = meanings(&sections(&call.offered)[1]);
    assert!(before[&97].starts_with("VP8"));
    let again = first.replace("1 1 IN", "1 2 IN").replace(
        "RTP/AVP 8\r\n",
        "RTP/AVP 8 97\r\na=rtpmap:97 telephone-event/8000\r\n",
    );
    let reinvite = call.anna.in_dialog(&mut call.hers, "INVITE", "", &again);
    call.anna.send(&mut call.rig, &reinvite);
    call.anna.expect(&mut call.rig, "SIP/2.0 100");
    let offered = body(&call.bert.expect(&mut call.rig, "INVITE"));
    assert_unambiguous(&offered);
    assert_eq!(meanings(&sections(&offered)[1]), before);
}
