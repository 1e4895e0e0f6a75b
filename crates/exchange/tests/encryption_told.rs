//! What phones and people are told of encryption: it is so in every case, before the answer, after it,
//! in mid call, and where media flow past the exchange.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod rig;

use fernamt_exchange::media::Command;
use fernamt_sip::message::Name;
use fernamt_sip::transport::Transport;
use rig::sdp::{FINGERPRINT, KEY, Kind, OTHER_KEY, answer};
use rig::secure::{Talking, config, talking};
use rig::{Phone, Rig, Talk, body, header};

/// What a message says of encryption.
fn told(message: &str) -> Option<&str> {
    let line = |line: &'_ str| line.starts_with("Media-Encryption: ");
    let found = message.lines().find(|text| line(text))?;
    Some(&found["Media-Encryption: ".len()..])
}

/// An exchange on which Anna and Bert have registered, and may talk without it.
fn direct(caller: Transport, callee: Transport) -> (Rig, Phone, Phone) {
    let mut rig = Rig::with(config());
    for user in ["anna", "bert"] {
        rig.wish(user, "offered", "automatic");
        rig.allow_direct_media(user);
    }
    let (anna, bert) = rig::two_phones_on(&mut rig, caller, callee);
    (rig, anna, bert)
}

fn hang_up(rig: &mut Rig, anna: &Phone, hers: &mut Talk) -> String {
    anna.hang_up(rig, hers);
    rig.words()
}

#[test]
fn the_called_phone_reads_what_the_caller_will_be_answered() {
    let offer = |kind: Kind| kind.offer("198.51.100.7", 4000);
    let objectionable = offer(Kind::Opportunistic).replace(KEY, &format!("{KEY} UNENCRYPTED_SRTP"));
    let weak = offer(Kind::Plain)
        + "a=fingerprint:sha-1 11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11\r\n";
    let video = "m=video 4002 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n";
    let half = offer(Kind::Sdes) + video;
    // What is said for the whole session protects no fax.
    let fax = offer(Kind::Dtls).replace(
        "m=audio",
        &format!("a=fingerprint:{FINGERPRINT}\r\na=setup:actpass\r\nm=audio"),
    ) + "m=image 4004 udptl t38\r\n";
    let whole = half.clone() + &format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\r\n");
    for (wish, offer, expected) in [
        ("offered", offer(Kind::Sdes), "caller-leg"),
        ("offered", offer(Kind::Opportunistic), "caller-leg"),
        ("offered", offer(Kind::Dtls), "caller-leg"),
        ("offered", offer(Kind::Plain), "none"),
        ("never", offer(Kind::Opportunistic), "none"),
        ("offered", objectionable, "none"),
        ("offered", weak, "none"),
        ("offered", half.clone(), "none"),
        ("offered", fax, "none"),
        ("offered", whole, "caller-leg"),
        // What is in clear is refused, and what is left is not.
        ("required", half, "caller-leg"),
    ] {
        let mut rig = Rig::with(config());
        rig.wish("anna", wish, "automatic");
        let (mut anna, bert) = rig::two_phones(&mut rig);
        anna.invite(&mut rig, "sip:bert@192.0.2.1", "", &offer);
        let invite = bert.expect(&mut rig, "INVITE");
        assert_eq!(told(&invite), Some(expected), "{wish}: {offer}");
        bert.accept(&mut rig, &invite, true);
        let answered = anna.expect(&mut rig, "SIP/2.0 200");
        // He has no picture and no fax, so that it does not count any more.
        let is_encrypted =
            expected == "caller-leg" || offer.contains("m=video") || offer.contains("m=image");
        let both = if is_encrypted {
            "both-legs"
        } else {
            "callee-only"
        };
        assert_eq!(told(&answered), Some(both), "{wish}: {offer}");
    }
}

#[test]
fn a_call_is_encrypted_as_far_as_its_weakest_stream() {
    let mut rig = Rig::with(config());
    let (mut anna, bert) = rig::two_phones(&mut rig);
    let video = "m=video 4002 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n";
    let offer = Kind::Sdes.offer("198.51.100.7", 4000) + video;
    anna.invite(&mut rig, "sip:bert@192.0.2.1", "", &offer);
    let invite = bert.expect(&mut rig, "INVITE");
    assert_eq!(told(&invite), Some("none"));
    let his = answer(&body(&invite), "198.51.100.8", 5000, true) + video;
    bert.respond(&mut rig, &invite, "200 OK", "", &his);
    let answered = anna.expect(&mut rig, "SIP/2.0 200");
    assert_eq!(told(&answered), Some("none"), "{answered}");
}

#[test]
fn a_caller_that_makes_no_offer_is_promised_nothing() {
    for (wish, first, second) in [
        ("offered", None, "callee-leg"),
        ("required", Some("caller-leg"), "callee-leg"),
        ("never", Some("none"), "callee-leg"),
    ] {
        let mut rig = Rig::with(config());
        rig.wish("anna", wish, "automatic");
        let (mut anna, bert) = rig::two_phones(&mut rig);
        let sent = anna.invite(&mut rig, "sip:bert@192.0.2.1", "", "");
        let invite = bert.expect(&mut rig, "INVITE");
        assert_eq!(told(&invite), first, "{invite}");
        let his = Kind::Sdes.offer("198.51.100.8", 5000);
        bert.respond(&mut rig, &invite, "200 OK", "", &his);
        let offered = anna.expect(&mut rig, "SIP/2.0 200");
        assert_eq!(told(&offered), Some(second), "{offered}");
        let mut hers = anna.talk_as_caller(&sent, &offered);
        let hers_answer = answer(&body(&offered), "198.51.100.7", 4000, true);
        anna.confirm(&mut rig, &mut hers, &hers_answer);
        let both = if wish == "never" {
            "callee-only"
        } else {
            "both-legs"
        };
        assert_eq!(told(&bert.expect(&mut rig, "ACK")), Some(both));
    }
}

#[test]
fn a_change_in_mid_call_is_told_to_both() {
    let mut call = talking(Kind::Sdes, "offered");
    let clear = Kind::Plain.offer("198.51.100.7", 4000);
    let reinvite = call.anna.in_dialog(&mut call.hers, "INVITE", "", &clear);
    call.anna.send(&mut call.rig, &reinvite);
    let invite = call.bert.expect(&mut call.rig, "INVITE");
    assert_eq!(told(&invite), Some("none"), "{invite}");
    call.bert.accept(&mut call.rig, &invite, true);
    call.anna.expect(&mut call.rig, "SIP/2.0 100");
    let ok = call.anna.expect(&mut call.rig, "SIP/2.0 200");
    assert_eq!(told(&ok), Some("callee-only"), "{ok}");
    call.anna.confirm(&mut call.rig, &mut call.hers, "");
    call.bert.expect(&mut call.rig, "ACK");

    // Now Bert says what he wants, and it is refused: nothing has changed.
    let his = Kind::Opportunistic.offer("198.51.100.8", 5000);
    for (status, expected) in [
        ("488 Not Acceptable Here", None),
        ("200 OK", Some("callee-only")),
    ] {
        let reinvite = call.bert.in_dialog(&mut call.his, "INVITE", "", &his);
        call.bert.send(&mut call.rig, &reinvite);
        let invite = call.anna.expect(&mut call.rig, "INVITE");
        assert_eq!(told(&invite), Some("callee-leg"), "{invite}");
        let hers = match expected {
            Some(_) => answer(&body(&invite), "198.51.100.7", 4000, false),
            None => String::new(),
        };
        call.anna.respond(&mut call.rig, &invite, status, "", &hers);
        call.anna.expect(&mut call.rig, "ACK");
        call.bert.expect(&mut call.rig, "SIP/2.0 100");
        let response = call
            .bert
            .expect(&mut call.rig, &format!("SIP/2.0 {}", &status[..3]));
        assert_eq!(told(&response), expected, "{response}");
        if expected.is_some() {
            call.bert.confirm(&mut call.rig, &mut call.his, "");
        }
        let update = call.anna.in_dialog(&mut call.hers, "UPDATE", "", "");
        call.anna.send(&mut call.rig, &update);
        let refreshed = call.anna.expect(&mut call.rig, "SIP/2.0 200");
        assert_eq!(told(&refreshed), Some("callee-only"), "{refreshed}");
    }
    let words = hang_up(&mut call.rig, &call.anna, &mut call.hers);
    assert!(
        words.contains("The call is encrypted on both legs."),
        "{words}"
    );
    assert!(
        words.contains("The call is not encrypted with the caller."),
        "{words}"
    );
}

#[test]
fn who_asks_for_an_offer_in_mid_call_reads_what_the_other_is_answered() {
    let mut call = talking(Kind::Sdes, "offered");
    let reinvite = call.anna.in_dialog(&mut call.hers, "INVITE", "", "");
    call.anna.send(&mut call.rig, &reinvite);
    let invite = call.bert.expect(&mut call.rig, "INVITE");
    assert_eq!(told(&invite), Some("caller-leg"), "{invite}");
    let his = Kind::Plain.offer("198.51.100.8", 5000);
    call.bert
        .respond(&mut call.rig, &invite, "200 OK", "", &his);
    call.anna.expect(&mut call.rig, "SIP/2.0 100");
    let ok = call.anna.expect(&mut call.rig, "SIP/2.0 200");
    assert_eq!(told(&ok), Some("none"), "{ok}");
    let hers = answer(&body(&ok), "198.51.100.7", 4000, true);
    call.anna.confirm(&mut call.rig, &mut call.hers, &hers);
    let ack = call.bert.expect(&mut call.rig, "ACK");
    assert_eq!(told(&ack), Some("caller-only"), "{ack}");
}

#[test]
fn after_a_restart_it_is_told_as_before() {
    for is_direct in [false, true] {
        let mut rig = Rig::with(config());
        for user in ["anna", "bert"].into_iter().filter(|_| is_direct) {
            rig.allow_direct_media(user);
        }
        let (mut anna, bert) = rig::two_phones(&mut rig);
        let offer = Kind::Sdes.offer("198.51.100.7", 4000);
        let sent = anna.invite(&mut rig, "sip:bert@192.0.2.1", "", &offer);
        let invite = bert.expect(&mut rig, "INVITE");
        bert.accept(&mut rig, &invite, true);
        let answered = anna.expect(&mut rig, "SIP/2.0 200");
        let before = told(&answered).unwrap().to_owned();
        assert_eq!(before, if is_direct { "direct" } else { "both-legs" });
        let mut hers = anna.talk_as_caller(&sent, &answered);
        anna.confirm(&mut rig, &mut hers, "");
        rig.crash(config());
        let update = anna.in_dialog(&mut hers, "UPDATE", "", "");
        anna.send(&mut rig, &update);
        let refreshed = anna.expect(&mut rig, "SIP/2.0 200");
        assert_eq!(told(&refreshed), Some(&*before), "{refreshed}");
        let words = hang_up(&mut rig, &anna, &mut hers);
        let how = if is_direct {
            "between the phones"
        } else {
            "with the caller"
        };
        assert_eq!(
            words.matches(&format!("Media {how}: SRTP")).count(),
            1,
            "{words}"
        );
    }
}

#[test]
fn of_direct_media_it_is_told_how_they_are_protected() {
    use Transport::{Tls, Udp};
    let crossed = "crossed an unencrypted signalling path (UDP)";
    for (kind, keys, path, offered, answered, between) in [
        (
            Kind::Plain,
            true,
            Udp,
            "none",
            "none",
            "not encrypted".to_owned(),
        ),
        (
            Kind::Sdes,
            true,
            Udp,
            "direct",
            "direct",
            format!("SRTP, AES-CM-128, keys {crossed}"),
        ),
        (
            Kind::Sdes,
            true,
            Tls,
            "direct",
            "direct",
            "SRTP, AES-CM-128, keys from the description over TLS".to_owned(),
        ),
        (
            Kind::Opportunistic,
            false,
            Udp,
            "direct",
            "none",
            "not encrypted".to_owned(),
        ),
        (
            Kind::Dtls,
            true,
            Udp,
            "direct",
            "direct",
            format!("SRTP, keys from a DTLS handshake, fingerprint {crossed}"),
        ),
    ] {
        let (mut rig, mut anna, bert) = direct(path, path);
        let offer = kind.offer("198.51.100.7", 4000);
        let sent = anna.invite(&mut rig, "sip:bert@192.0.2.1", "", &offer);
        let invite = bert.expect(&mut rig, "INVITE");
        assert_eq!(told(&invite), Some(offered), "{kind:?}");
        bert.accept(&mut rig, &invite, keys);
        let ok = anna.expect(&mut rig, "SIP/2.0 200");
        assert_eq!(told(&ok), Some(answered), "{kind:?}");
        let mut hers = anna.talk_as_caller(&sent, &ok);
        anna.confirm(&mut rig, &mut hers, "");
        assert!(rig.media.is_empty());
        let words = hang_up(&mut rig, &anna, &mut hers);
        let line = format!("Media between the phones: {between}.");
        assert!(words.contains(&line), "{kind:?}: {words}");
        let is_encrypted = words.contains("The call is encrypted from phone to phone.");
        assert_eq!(is_encrypted, answered == "direct", "{words}");
    }
}

#[test]
fn keys_never_leave_encrypted_signalling_for_another_phone() {
    use Transport::{Tls, Udp};
    for (caller, callee) in [(Tls, Udp), (Udp, Tls)] {
        for kind in [Kind::Sdes, Kind::Opportunistic] {
            let (mut rig, mut anna, bert) = direct(caller, callee);
            rig.wish("anna", "required", "automatic");
            let offer = kind.offer("198.51.100.7", 4000) + "k=clear:abcd\r\n";
            let sent = anna.invite(&mut rig, "sip:bert@192.0.2.1", "", &offer);
            let invite = bert.expect(&mut rig, "INVITE");
            assert!(
                !invite.contains(KEY) && !invite.contains("k=clear"),
                "{invite}"
            );
            bert.accept(&mut rig, &invite, true);
            let ok = anna.expect(&mut rig, "SIP/2.0 200");
            assert!(!ok.contains(OTHER_KEY), "{ok}");
            assert_eq!(told(&ok), Some("both-legs"));
            let mut hers = anna.talk_as_caller(&sent, &ok);
            anna.confirm(&mut rig, &mut hers, "");
            let words = hang_up(&mut rig, &anna, &mut hers);
            assert!(
                words.contains("keys of the other would cross it: media are relayed"),
                "{words}"
            );
        }
        // Where there are no keys, there is nothing to be kept.
        let (mut rig, mut anna, bert) = direct(caller, callee);
        let offer = Kind::Dtls.offer("198.51.100.7", 4000);
        anna.invite(&mut rig, "sip:bert@192.0.2.1", "", &offer);
        bert.expect(&mut rig, "INVITE");
        assert!(rig.media.is_empty());
    }
}

#[test]
fn keys_that_come_into_a_direct_call_are_refused_where_they_would_be_read() {
    let (rig, anna, bert) = direct(Transport::Tls, Transport::Udp);
    let Talking {
        mut rig,
        anna,
        bert,
        mut hers,
        ..
    } = Talking::begin(rig, (anna, bert), Kind::Dtls.offer("198.51.100.7", 4000));
    let keys = Kind::Sdes.offer("198.51.100.7", 4000);
    let reinvite = anna.in_dialog(&mut hers, "INVITE", "", &keys);
    anna.send(&mut rig, &reinvite);
    anna.expect(&mut rig, "SIP/2.0 100");
    let refused = anna.expect(&mut rig, "SIP/2.0 488");
    assert!(
        header(&refused, Name::Warning).contains("keys cannot pass"),
        "{refused}"
    );
    bert.expect_nothing(&mut rig);
    let words = hang_up(&mut rig, &anna, &mut hers);
    assert!(
        words.contains("No media with the caller: media flow from phone to phone"),
        "{words}"
    );
}

#[test]
fn any_phone_of_a_device_that_would_read_keys_makes_the_call_a_relayed_one() {
    let (mut rig, mut anna, bert) = direct(Transport::Tls, Transport::Tls);
    let mut other = Phone::on(Transport::Udp, "bert", 9);
    other.register(&mut rig);
    let offer = Kind::Sdes.offer("198.51.100.7", 4000);
    anna.invite(&mut rig, "sip:bert@192.0.2.1", "", &offer);
    for phone in [&bert, &other] {
        let invite = phone.expect(&mut rig, "INVITE");
        assert!(!invite.contains(KEY), "{invite}");
    }
}

#[test]
fn a_redirected_call_is_a_relayed_one() {
    let (mut rig, mut anna, bert) = direct(Transport::Tls, Transport::Tls);
    let mut carla = Phone::on(Transport::Udp, "carla", 9);
    carla.register(&mut rig);
    let offer = Kind::Sdes.offer("198.51.100.7", 4000);
    anna.invite(&mut rig, "sip:bert@192.0.2.1", "", &offer);
    let invite = bert.expect(&mut rig, "INVITE");
    assert!(invite.contains(KEY), "{invite}");
    bert.redirect(&mut rig, &invite, "sip:carla@192.0.2.1");
    bert.expect(&mut rig, "ACK");
    let invite = carla.expect(&mut rig, "INVITE");
    assert!(!invite.contains(KEY), "{invite}");
    assert_eq!(told(&invite), Some("caller-leg"));
    let opened = |order: &Command| matches!(order, Command::Open { .. });
    assert_eq!(rig.media.iter().filter(|order| opened(order)).count(), 2);
}

#[test]
fn a_redirection_beside_phones_that_ring_is_left_out_where_keys_would_be_read() {
    let (mut rig, mut anna, bert) = direct(Transport::Tls, Transport::Tls);
    let mut other = Phone::on(Transport::Tls, "bert", 10);
    other.register(&mut rig);
    let mut carla = Phone::on(Transport::Udp, "carla", 9);
    carla.register(&mut rig);
    let offer = Kind::Sdes.offer("198.51.100.7", 4000);
    anna.invite(&mut rig, "sip:bert@192.0.2.1", "", &offer);
    let invite = bert.expect(&mut rig, "INVITE");
    let his = other.expect(&mut rig, "INVITE");
    bert.redirect(&mut rig, &invite, "sip:carla@192.0.2.1");
    carla.expect_nothing(&mut rig);
    other.accept(&mut rig, &his, true);
    let ok = anna.expect(&mut rig, "SIP/2.0 200");
    assert_eq!(told(&ok), Some("direct"));
}

#[test]
fn of_several_phones_that_ring_the_one_that_answers_reads_what_is_agreed_on() {
    let mut rig = Rig::with(config());
    rig.wish("bert", "required", "automatic");
    let (mut anna, bert) = rig::two_phones(&mut rig);
    let mut other = Phone::on(Transport::Udp, "bert", 9);
    other.register(&mut rig);
    let offer = Kind::Sdes.offer("198.51.100.7", 4000);
    anna.invite(&mut rig, "sip:bert@192.0.2.1", "", &offer);
    let invite = bert.expect(&mut rig, "INVITE");
    other.expect(&mut rig, "INVITE");
    assert_eq!(told(&invite), Some("caller-leg"));
    bert.accept(&mut rig, &invite, true);
    bert.expect(&mut rig, "ACK");
    let answered = anna.expect(&mut rig, "SIP/2.0 200");
    assert_eq!(told(&answered), Some("both-legs"));
    let mut talk = bert.talk_as_callee(&invite);
    let update = bert.in_dialog(&mut talk, "UPDATE", "", "");
    bert.send(&mut rig, &update);
    let refreshed = bert.expect(&mut rig, "SIP/2.0 200");
    assert_eq!(told(&refreshed), Some("both-legs"), "{refreshed}");
}

#[test]
fn whoever_offered_last_direct_media_are_told_after_a_restart() {
    let (mut rig, mut anna, bert) = direct(Transport::Udp, Transport::Udp);
    let offer = Kind::Sdes.offer("198.51.100.7", 4000);
    let sent = anna.invite(&mut rig, "sip:bert@192.0.2.1", "", &offer);
    let invite = bert.expect(&mut rig, "INVITE");
    bert.accept(&mut rig, &invite, true);
    bert.expect(&mut rig, "ACK");
    let ok = anna.expect(&mut rig, "SIP/2.0 200");
    let mut hers = anna.talk_as_caller(&sent, &ok);
    anna.confirm(&mut rig, &mut hers, "");
    // Now the called party offers; of a handshake it shows who did.
    let mut talk = bert.talk_as_callee(&invite);
    let his = Kind::Dtls.offer("198.51.100.8", 5000);
    let reinvite = bert.in_dialog(&mut talk, "INVITE", "", &his);
    bert.send(&mut rig, &reinvite);
    bert.expect(&mut rig, "SIP/2.0 100");
    let invite = anna.expect(&mut rig, "INVITE");
    let fits = answer(&body(&invite), "198.51.100.7", 4000, true);
    anna.respond(&mut rig, &invite, "200 OK", "", &fits);
    anna.expect(&mut rig, "ACK");
    assert_eq!(told(&bert.expect(&mut rig, "SIP/2.0 200")), Some("direct"));
    let ack = bert.in_dialog(&mut talk, "ACK", "", "");
    bert.send(&mut rig, &ack);
    rig.crash(config());
    let update = anna.in_dialog(&mut hers, "UPDATE", "", "");
    anna.send(&mut rig, &update);
    let refreshed = anna.expect(&mut rig, "SIP/2.0 200");
    assert_eq!(told(&refreshed), Some("direct"), "{refreshed}");
}

#[test]
fn a_restart_is_no_news_of_encryption() {
    let mut call = talking(Kind::Sdes, "required");
    call.rig.crash(config());
    call.rig.crash(config());
    let words = hang_up(&mut call.rig, &call.anna, &mut call.hers);
    let told = words.matches("The call is encrypted on both legs.").count();
    assert_eq!(told, 1, "{words}");
}

#[test]
fn who_talks_with_the_exchange_itself_is_told_too() {
    for (kind, expected) in [(Kind::Sdes, "both-legs"), (Kind::Plain, "none")] {
        for number in ["*43", "4711999"] {
            let mut rig = Rig::with(config());
            let (mut anna, _) = rig::two_phones(&mut rig);
            let offer = kind.offer("198.51.100.7", 4000);
            anna.invite(&mut rig, &format!("sip:{number}@192.0.2.1"), "", &offer);
            let message = anna.expect(&mut rig, "SIP/2.0 ");
            assert!(!body(&message).is_empty(), "{message}");
            assert_eq!(told(&message), Some(expected), "{message}");
        }
    }
}
