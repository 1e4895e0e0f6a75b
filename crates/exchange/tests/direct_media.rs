//! Media that flow from phone to phone: what is required of them, who gets them, and what of the
//! signalling of both they depend on.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod rig;

use fernamt_exchange::interface::Target;
use fernamt_sip::message::Name;
use fernamt_sip::transport::Transport;
use rig::sdp::{KEY, Kind, OTHER_KEY, answer};
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

/// A phone that is called says to try `contact` instead.
fn redirect(rig: &mut Rig, phone: &Phone, invite: &str, contact: &str) {
    let moved = phone.response(invite, "302 Moved Temporarily", "", "");
    let own = format!("<sip:{}@{}>", phone.user, phone.address);
    assert!(moved.contains(&own), "{moved}");
    phone.send(rig, &moved.replace(&own, &format!("<{contact}>")));
}

/// Two phones of Bert ring with direct media and keys, and the first sends the call on to `contact`.
/// Whoever answers then, the call goes on. Gives the journal, and what was sent to others meanwhile.
fn redirected_beside(rig: &mut Rig, anna: &mut Phone, bert: &Phone, contact: &str) -> String {
    let mut other = on(bert.transport, "bert", 10);
    other.register(rig);
    let sent = call(rig, anna, &Kind::Sdes.offer("198.51.100.7", 4000));
    let first = bert.expect(rig, "INVITE");
    let second = other.expect(rig, "INVITE");
    assert!(first.contains(KEY) && second.contains(KEY));
    redirect(rig, bert, &first, contact);
    bert.expect(rig, "ACK");
    anna.expect_nothing(rig);
    other.expect_nothing(rig);
    let his = answer(&body(&second), "198.51.100.10", 5000, true);
    other.respond(rig, &second, "200 OK", "", &his);
    other.expect(rig, "ACK");
    let ok = anna.expect(rig, "SIP/2.0 200");
    assert!(ok.contains("Media-Encryption: direct"), "{ok}");
    let mut hers = anna.talk_as_caller(&sent, &ok);
    let ack = anna.in_dialog(&mut hers, "ACK", "", "");
    anna.send(rig, &ack);
    hang_up(rig, anna, &mut hers)
}

fn target(transport: Transport, address: &str) -> Target {
    Target {
        transport,
        address: address.parse().unwrap(),
        server_name: None,
    }
}

/// Whether somebody other than Anna and Bert has got an INVITE.
fn reached(rig: &Rig, address: &str) -> bool {
    rig.wire
        .iter()
        .any(|(flow, text)| flow.remote == address.parse().unwrap() && text.starts_with("INVITE"))
}

#[test]
fn an_address_outside_gets_no_direct_media_beside_phones_that_ring() {
    use Transport::{Tls, Udp};
    for (transport, contact, found) in [
        (Udp, "sips:x@elsewhere.example", Tls),
        (Udp, "sip:x@elsewhere.example", Udp),
        (Tls, "sips:x@elsewhere.example", Tls),
        (Udp, "sip:x@198.51.100.99:5099", Udp),
    ] {
        let (mut rig, mut anna, bert) = two(transport, "offered", "offered");
        rig.targets = vec![target(found, "198.51.100.99:5099")];
        let words = redirected_beside(&mut rig, &mut anna, &bert, contact);
        assert!(!reached(&rig, "198.51.100.99:5099"), "{contact}");
        let why =
            "An address is left out, as other phones ring with direct media, and nothing is known";
        assert!(words.contains(why), "{words}");
    }
}

/// Carla's phone, registered along a proxy whose name has to be looked up.
fn carla_behind(rig: &mut Rig, transport: Transport, proxy: Option<&str>) -> Phone {
    let mut carla = on(transport, "carla", 9);
    let path = proxy.map(|proxy| format!("Supported: path\r\nPath: <sip:{proxy};lr>\r\n"));
    let extra = path.unwrap_or_default() + "Expires: 600\r\n";
    carla.authenticated(rig, "REGISTER", "sip:192.0.2.1", &extra, "");
    carla.expect(rig, "SIP/2.0 200");
    carla
}

#[test]
fn what_a_phone_behind_a_named_proxy_can_have_is_judged_when_its_way_is_known() {
    use Transport::{Tls, Udp};
    for (transport, found) in [(Udp, Udp), (Udp, Tls), (Tls, Tls), (Tls, Udp)] {
        let (mut rig, mut anna, bert) = two(transport, "offered", "offered");
        rig.allow_direct_media("carla");
        rig.targets = vec![target(found, "198.51.100.99:5099")];
        carla_behind(&mut rig, transport, Some("proxy.example"));
        let words = redirected_beside(&mut rig, &mut anna, &bert, "sip:carla@192.0.2.1");
        assert_eq!(
            reached(&rig, "198.51.100.99:5099"),
            transport == found,
            "{words}"
        );
        let left_out = words.contains("and keys of the other would cross it");
        assert_eq!(left_out, transport != found, "{words}");
    }
}

#[test]
fn a_phone_whose_way_turns_out_to_be_another_has_relayed_media_where_no_other_rings() {
    let (mut rig, mut anna, mut bert) = two(Transport::Udp, "offered", "offered");
    rig.targets = vec![target(Transport::Tls, "198.51.100.99:5099")];
    let path = "Supported: path\r\nPath: <sip:proxy.example;lr>\r\nExpires: 600\r\n";
    bert.authenticated(&mut rig, "REGISTER", "sip:192.0.2.1", path, "");
    bert.expect(&mut rig, "SIP/2.0 200");
    call(&mut rig, &mut anna, &Kind::Sdes.offer("198.51.100.7", 4000));
    let mut proxy = Phone::new("bert", "198.51.100.99:5099");
    proxy.transport = Transport::Tls;
    let invite = proxy.expect(&mut rig, "INVITE");
    assert!(!invite.contains(KEY), "{invite}");
    assert_eq!(rig.open_ports.len(), 2);
    anna.expect_nothing(&mut rig);
}

#[test]
fn a_phone_that_a_call_is_redirected_to_has_direct_media_only_where_its_device_allows_them() {
    for (allows, router, why) in [
        (true, None, None),
        (false, None, Some("the device does not allow them")),
        (
            true,
            Some(
                (|text| text.replace("sip:carla@198.51.100.9", "sip:carla@10.0.0.9"))
                    as fn(&str) -> String,
            ),
            Some("one of them is behind a NAT"),
        ),
    ] {
        let (mut rig, mut anna, bert) = two(Transport::Udp, "offered", "offered");
        if allows {
            rig.allow_direct_media("carla");
        }
        let mut carla = on(Transport::Udp, "carla", 9);
        carla.router = router;
        carla.register(&mut rig);
        let words = redirected_beside(&mut rig, &mut anna, &bert, "sip:carla@192.0.2.1");
        assert_eq!(reached(&rig, "198.51.100.9:5060"), why.is_none(), "{words}");
        if let Some(why) = why {
            let why = format!("left out, as other phones ring with direct media, and {why}.");
            assert!(words.contains(&why), "{words}");
        }
    }
    // IPv6 beside IPv4.
    let (mut rig, mut anna, bert) = two(Transport::Udp, "offered", "offered");
    rig.allow_direct_media("carla");
    let mut carla = Phone::new("carla", "[2001:db8::9]:5060");
    carla.register(&mut rig);
    let words = redirected_beside(&mut rig, &mut anna, &bert, "sip:carla@192.0.2.1");
    assert!(
        words.contains("one speaks IPv4 and the other IPv6"),
        "{words}"
    );
}

#[test]
fn a_redirection_to_nowhere_leaves_the_next_phones_their_direct_media() {
    let (mut rig, mut anna, mut bert) = two(Transport::Udp, "offered", "offered");
    bert.contact_params = ";q=0.9";
    bert.register(&mut rig);
    let mut other = on(Transport::Udp, "bert", 10);
    other.contact_params = ";q=0.1";
    other.register(&mut rig);
    let offer = Kind::Plain.offer("198.51.100.7", 4000);
    call(&mut rig, &mut anna, &offer);
    let invite = bert.expect(&mut rig, "INVITE");
    redirect(&mut rig, &bert, &invite, "mailto:bert@example.org");
    bert.expect(&mut rig, "ACK");
    other.expect(&mut rig, "INVITE");
    assert!(rig.media.is_empty());
}

#[test]
fn a_phone_that_refuses_what_another_phone_offers_is_not_made_the_same_offer_again() {
    for kind in [Kind::Plain, Kind::Opportunistic, Kind::Sdes] {
        let (mut rig, mut anna, bert) = two(Transport::Udp, "offered", "offered");
        call(&mut rig, &mut anna, &kind.offer("198.51.100.7", 4000));
        let invite = bert.expect(&mut rig, "INVITE");
        assert!(rig.media.is_empty());
        bert.respond(&mut rig, &invite, "488 Not Acceptable Here", "", "");
        bert.expect(&mut rig, "ACK");
        bert.expect_nothing(&mut rig);
        anna.expect(&mut rig, "SIP/2.0 488");
        let words = words(&rig);
        assert!(!words.contains("it is offered"), "{words}");
    }
}

/// The phone has gone over to UDP and asks from there.
fn over_udp(phone: &mut Phone) {
    phone.transport = Transport::Udp;
    phone.connection = None;
}

#[test]
fn keys_do_not_follow_a_phone_that_leaves_encrypted_signalling() {
    // It offers from there itself, or is offered something after it was heard from there.
    for offers in [true, false] {
        let (mut rig, mut anna, bert) = two(Transport::Tls, "offered", "offered");
        let offer = Kind::Sdes.offer("198.51.100.7", 4000);
        let sent = call(&mut rig, &mut anna, &offer);
        let invite = bert.expect(&mut rig, "INVITE");
        let his = answer(&body(&invite), "198.51.100.8", 5000, true);
        bert.respond(&mut rig, &invite, "200 OK", "", &his);
        bert.expect(&mut rig, "ACK");
        let ok = anna.expect(&mut rig, "SIP/2.0 200");
        assert!(ok.contains(OTHER_KEY), "{ok}");
        let mut hers = anna.talk_as_caller(&sent, &ok);
        let mut his = bert.talk_as_callee(&invite);
        let ack = anna.in_dialog(&mut hers, "ACK", "", "");
        anna.send(&mut rig, &ack);
        over_udp(&mut anna);
        if !offers {
            let refresh = anna.in_dialog(&mut hers, "UPDATE", "", "");
            anna.send(&mut rig, &refresh);
            anna.expect(&mut rig, "SIP/2.0 200");
        }
        let (from, to, talk) = match offers {
            true => (&anna, &bert, &mut hers),
            false => (&bert, &anna, &mut his),
        };
        let now = offer.replace("1 1 IN", "1 2 IN");
        let reinvite = from.in_dialog(talk, "INVITE", "", &now);
        from.send(&mut rig, &reinvite);
        from.expect(&mut rig, "SIP/2.0 100");
        let refused = from.expect(&mut rig, "SIP/2.0 488");
        let warning = header(&refused, Name::Warning);
        assert!(warning.contains("keys cannot pass"), "{warning}");
        to.expect_nothing(&mut rig);
    }
}

#[test]
fn the_journal_says_over_which_signalling_keys_went_last() {
    let (mut rig, mut anna, bert) = two(Transport::Tls, "offered", "offered");
    // Behind a NAT, and relayed.
    let offer = Kind::Sdes.offer("10.0.0.7", 4000);
    let mut hers = talk(&mut rig, &mut anna, &bert, &offer);
    over_udp(&mut anna);
    let now = offer.replace("1 1 IN", "1 2 IN");
    let reinvite = anna.in_dialog(&mut hers, "INVITE", "", &now);
    anna.send(&mut rig, &reinvite);
    anna.expect(&mut rig, "SIP/2.0 100");
    let invite = bert.expect(&mut rig, "INVITE");
    let his = answer(&body(&invite), "198.51.100.8", 5000, true);
    bert.respond(&mut rig, &invite, "200 OK", "", &his);
    bert.expect(&mut rig, "ACK");
    anna.expect(&mut rig, "SIP/2.0 200");
    let ack = anna.in_dialog(&mut hers, "ACK", "", "");
    anna.send(&mut rig, &ack);
    let words = hang_up(&mut rig, &anna, &mut hers);
    for path in [
        "keys from the description over TLS",
        "keys crossed an unencrypted signalling path (UDP)",
    ] {
        assert!(words.contains(path), "{path}: {words}");
    }
}

/// A phone that rings has left its encrypted signalling: nothing new is offered, and it rings on.
#[test]
fn what_cannot_pass_to_a_new_phone_does_not_end_a_call_that_rings_elsewhere() {
    let (mut rig, mut anna, bert) = two(Transport::Tls, "offered", "offered");
    rig.allow_direct_media("carla");
    let mut carla = on(Transport::Tls, "carla", 9);
    carla.register(&mut rig);
    let mut other = on(Transport::Tls, "bert", 10);
    other.register(&mut rig);
    let offer = Kind::Sdes.offer("198.51.100.7", 4000);
    call(&mut rig, &mut anna, &offer);
    let first = bert.expect(&mut rig, "INVITE");
    let second = other.expect(&mut rig, "INVITE");
    other.respond(&mut rig, &second, "180 Ringing", "", "");
    anna.expect(&mut rig, "SIP/2.0 180");
    over_udp(&mut other);
    let mut his = other.talk_as_callee(&second);
    let info = other.in_dialog(&mut his, "INFO", "", "");
    other.send(&mut rig, &info);
    rig.next_for(&other);
    redirect(&mut rig, &bert, &first, "sip:carla@192.0.2.1");
    bert.expect(&mut rig, "ACK");
    anna.expect_nothing(&mut rig);
    carla.expect_nothing(&mut rig);
    other.expect_nothing(&mut rig);
}

#[test]
fn a_password_in_a_contact_is_for_whoever_is_there_and_not_for_the_journal() {
    let (mut rig, mut anna, bert) = two(Transport::Udp, "never", "never");
    let offer = Kind::Plain.offer("198.51.100.7", 4000);
    let sent = call(&mut rig, &mut anna, &offer);
    let invite = bert.expect(&mut rig, "INVITE");
    redirect(
        &mut rig,
        &bert,
        &invite,
        "sip:u:se;cret@198.51.100.99:5070;x=y",
    );
    bert.expect(&mut rig, "ACK");
    let there = Phone::new("u", "198.51.100.99:5070");
    there.expect(&mut rig, "INVITE sip:u:se;cret@198.51.100.99:5070;x=y");
    let cancel = anna.cancel(&sent);
    anna.send(&mut rig, &cancel);
    let record = format!("{:?}", rig.records.last().unwrap());
    assert!(!record.contains(":se"), "{record}");
    assert!(
        record.contains("redirects the call to sip:u@198.51.100.99:5070;x=y"),
        "{record}"
    );
}
