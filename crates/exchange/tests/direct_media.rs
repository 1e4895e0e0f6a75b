//! Media that flow from phone to phone: what is required of them, who gets them, and what of the
//! signalling of both they depend on.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod rig;

use fernamt_sip::message::Name;
use fernamt_sip::transport::Transport;
use rig::sdp::{KEY, Kind, answer};
use rig::secure::config;
use rig::{Phone, Rig, Talk, body, header};

const FAX: &str = "m=image 4002 udptl t38\r\na=T38FaxVersion:0\r\n";
const CLEAR_VIDEO: &str = "m=video 4002 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n";

fn on(transport: Transport, user: &'static str, last: u8) -> Phone {
    let mut phone = Phone::new(user, &format!("198.51.100.{last}:5060"));
    phone.transport = transport;
    if transport != Transport::Udp {
        phone.connection = Some(u64::from(last));
        phone.contact_params = ";transport=tls";
    }
    phone
}

/// Anna and Bert, who allow direct media, with what they wish of encryption.
fn two(transport: Transport, anna: &str, bert: &str) -> (Rig, Phone, Phone) {
    let mut rig = Rig::with(config());
    for (user, wish) in [("anna", anna), ("bert", bert), ("carla", "offered")] {
        rig.wish(user, wish, "sdes");
        if user != "carla" {
            rig.allow_direct_media(user);
        }
    }
    let (mut anna, mut bert) = (on(transport, "anna", 7), on(transport, "bert", 8));
    anna.register(&mut rig);
    bert.register(&mut rig);
    (rig, anna, bert)
}

fn call(rig: &mut Rig, anna: &mut Phone, offer: &str) -> String {
    anna.invite(rig, "sip:bert@192.0.2.1", "", offer)
}

fn hang_up(rig: &mut Rig, phone: &Phone, talk: &mut Talk) -> String {
    let bye = phone.in_dialog(talk, "BYE", "", "");
    phone.send(rig, &bye);
    words(rig)
}

/// The journal of the last call that has ended.
fn words(rig: &Rig) -> String {
    format!("{:?}", rig.records.last().unwrap().1)
}

/// Bert answers the offer of Anna, and she is told so.
fn talk(rig: &mut Rig, anna: &mut Phone, bert: &Phone, offer: &str) -> Talk {
    let sent = call(rig, anna, offer);
    let invite = bert.expect(rig, "INVITE");
    let his = answer(&body(&invite), "198.51.100.8", 5000, true);
    bert.respond(rig, &invite, "200 OK", "", &his);
    bert.expect(rig, "ACK");
    let ok = anna.expect(rig, "SIP/2.0 200");
    let mut hers = anna.talk_as_caller(&sent, &ok);
    let ack = anna.in_dialog(&mut hers, "ACK", "", "");
    anna.send(rig, &ack);
    hers
}

#[test]
fn what_the_caller_requires_is_held_against_the_answer() {
    let with_fax = Kind::Sdes.offer("198.51.100.7", 4000);
    let clear = answer(
        &Kind::Plain.offer("198.51.100.7", 4000),
        "198.51.100.8",
        5000,
        false,
    );
    let fax_as_well = answer(&with_fax, "198.51.100.8", 5000, true) + FAX;
    let video_as_well = answer(&with_fax, "198.51.100.8", 5000, true) + CLEAR_VIDEO;
    for his in [clear, fax_as_well, video_as_well] {
        for early in [false, true] {
            let (mut rig, mut anna, bert) = two(Transport::Udp, "required", "offered");
            let offer = Kind::Opportunistic.offer("198.51.100.7", 4000);
            call(&mut rig, &mut anna, &offer);
            let invite = bert.expect(&mut rig, "INVITE");
            assert!(invite.contains(KEY), "{invite}");
            if early {
                bert.respond(&mut rig, &invite, "183 Session Progress", "", &his);
                let progress = anna.expect(&mut rig, "SIP/2.0 183");
                assert!(body(&progress).is_empty(), "{progress}");
            }
            bert.respond(&mut rig, &invite, "200 OK", "", &his);
            bert.expect(&mut rig, "ACK");
            let refused = anna.expect(&mut rig, "SIP/2.0 488");
            let warning = header(&refused, Name::Warning);
            assert!(
                warning.contains("encrypted media are required"),
                "{warning}"
            );
            bert.expect(&mut rig, "BYE");
        }
    }
}

#[test]
fn an_offer_that_is_less_than_one_of_both_requires_is_relayed() {
    let sdes = Kind::Sdes.offer("198.51.100.7", 4000);
    let plain = Kind::Plain.offer("198.51.100.7", 4000);
    let less = "one of them requires encryption, and not all that is offered is encrypted";
    let more = "one of them is never encrypted, and what is offered is";
    for (anna_wishes, bert_wishes, offer, why) in [
        ("offered", "required", plain, less),
        ("required", "offered", sdes.clone() + FAX, less),
        ("required", "offered", sdes.clone() + CLEAR_VIDEO, less),
        ("offered", "required", sdes.clone() + FAX, less),
        ("offered", "never", sdes, more),
    ] {
        let (mut rig, mut anna, bert) = two(Transport::Udp, anna_wishes, bert_wishes);
        let mut hers = talk(&mut rig, &mut anna, &bert, &offer);
        assert!(!rig.open_ports.is_empty(), "{offer}");
        let clear = |(_, remote): &(_, fernamt_exchange::media::Remote)| {
            remote.protection == fernamt_exchange::media::Protection::None
        };
        // Whoever requires it is protected, and who cannot be is not.
        let remotes = rig.remotes();
        let caller_is_clear = clear(&remotes[0]);
        assert!(!(anna_wishes == "required" && caller_is_clear), "{offer}");
        let words = hang_up(&mut rig, &anna, &mut hers);
        assert!(words.contains(why), "{words}");
        let protected = words.contains("Media with the called party: SRTP");
        assert_eq!(protected, bert_wishes != "never", "{words}");
    }
    // Where everything is encrypted, or nothing has to be, nothing is against it.
    for (wish, offer) in [
        ("required", Kind::Sdes.offer("198.51.100.7", 4000)),
        ("offered", Kind::Plain.offer("198.51.100.7", 4000) + FAX),
    ] {
        let (mut rig, mut anna, bert) = two(Transport::Udp, wish, wish);
        call(&mut rig, &mut anna, &offer);
        bert.expect(&mut rig, "INVITE");
        assert!(rig.media.is_empty(), "{offer}");
    }
}

#[test]
fn an_offer_in_mid_call_that_is_less_than_one_of_both_requires_is_refused() {
    for (anna_wishes, bert_wishes) in [("required", "offered"), ("offered", "required")] {
        for more in [FAX, CLEAR_VIDEO] {
            let (mut rig, mut anna, bert) = two(Transport::Udp, anna_wishes, bert_wishes);
            let offer = Kind::Sdes.offer("198.51.100.7", 4000);
            let mut hers = talk(&mut rig, &mut anna, &bert, &offer);
            let now = offer.replace("1 1 IN", "1 2 IN") + more;
            let reinvite = anna.in_dialog(&mut hers, "INVITE", "", &now);
            anna.send(&mut rig, &reinvite);
            anna.expect(&mut rig, "SIP/2.0 100");
            anna.expect(&mut rig, "SIP/2.0 488");
            bert.expect_nothing(&mut rig);
        }
    }
}
