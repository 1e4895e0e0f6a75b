//! What the media plane is told of offers whose answers may be overtaken by what they announce (RFC 5763
//! section 5, RFC 8445 section 7.3).

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod rig;

use fernamt_exchange::media::{Command, EndpointId, Offer};
use rig::sdp::{Kind, answer, line};
use rig::secure::{Talking, config, talking};
use rig::{Rig, body};

/// What the orders say of offers and descriptions, in their order: an offer, the end of waiting for its
/// answer, or a description.
#[derive(Clone, Debug, PartialEq)]
enum Said {
    Offered(Offer),
    Over,
    Described,
}

fn said(rig: &Rig, of: EndpointId) -> Vec<Said> {
    let about = rig.media.iter().filter_map(|order| match order {
        Command::Offered { endpoint, offer } if *endpoint == of => Some(match offer {
            Some(offer) => Said::Offered(Offer::clone(offer)),
            None => Said::Over,
        }),
        Command::Remote { endpoint, .. } if *endpoint == of => Some(Said::Described),
        _ => None,
    });
    about.collect()
}

/// The endpoints that were offered something that may be answered early.
fn offered(rig: &Rig) -> Vec<EndpointId> {
    let offered = rig.media.iter().filter_map(|order| match order {
        Command::Offered { endpoint, .. } => Some(*endpoint),
        _ => None,
    });
    offered.collect()
}

#[test]
fn a_called_party_may_act_before_its_answer_is_here() {
    for (transport, has_ice) in [("dtls", false), ("webrtc", true)] {
        let mut rig = Rig::with(config());
        rig.wish("bert", "required", transport);
        let (mut anna, bert) = rig::two_phones(&mut rig);
        anna.invite(&mut rig, "sip:bert@192.0.2.1", "", rig::OFFER);
        let invite = bert.expect(&mut rig, "INVITE");
        let [at_bert] = offered(&rig)[..] else {
            panic!("{:?}", rig.media)
        };
        let [Said::Offered(offer)] = &said(&rig, at_bert)[..] else {
            panic!("{:?}", rig.media)
        };
        assert!(offer.dtls);
        let his = rig.remotes().len();
        assert_eq!(his, 0, "nobody is described yet");
        let fragment = offer.ice.as_ref().map(|ice| &*ice.local.fragment);
        let written = body(&invite);
        assert_eq!(fragment, line(&written, "a=ice-ufrag:"));
        assert_eq!(fragment.is_some(), has_ice);
        let progress = answer(&written, "198.51.100.8", 5000, true);
        bert.respond(&mut rig, &invite, "183 Session Progress", "", &progress);
        let early = said(&rig, at_bert);
        assert_eq!(early[1..], [Said::Described], "others may answer, too");
        bert.respond(&mut rig, &invite, "200 OK", "", &progress);
        bert.expect(&mut rig, "ACK");
        let answered = said(&rig, at_bert);
        assert_eq!(
            answered[1..],
            [Said::Described, Said::Described, Said::Over]
        );
    }
}

#[test]
fn nothing_is_said_of_offers_that_nobody_acts_on_early() {
    for wish in ["never", "offered", "required"] {
        let call = talking(Kind::Sdes, wish);
        assert_eq!(offered(&call.rig), [], "{wish}");
    }
}

#[test]
fn a_party_that_is_asked_for_its_offer_may_act_before_its_answer() {
    let mut rig = Rig::with(config());
    rig.wish("anna", "required", "dtls");
    rig.wish("bert", "never", "automatic");
    let (mut anna, bert) = rig::two_phones(&mut rig);
    let offer = Kind::Plain.offer("198.51.100.8", 5000);
    let (mut talk, asked) = rig::call_late(&mut rig, &mut anna, &bert, &offer);
    let [at_anna] = offered(&rig)[..] else {
        panic!("{:?}", rig.media)
    };
    assert!(matches!(said(&rig, at_anna)[..], [Said::Offered(_)]));
    let hers = answer(&asked, "198.51.100.7", 4000, true);
    anna.confirm(&mut rig, &mut talk, &hers);
    assert_eq!(said(&rig, at_anna)[1..], [Said::Described, Said::Over]);
}

#[test]
fn a_refusal_ends_the_waiting() {
    let mut rig = Rig::with(config());
    rig.wish("bert", "required", "dtls");
    let phones = rig::two_phones(&mut rig);
    let Talking {
        mut rig,
        anna,
        bert,
        mut hers,
        ..
    } = Talking::begin(rig, phones, rig::OFFER.to_owned());
    let at_bert = offered(&rig)[0];
    rig.media.clear();
    let held = rig::OFFER.replace("1 1 IN", "1 2 IN") + "a=sendonly\r\n";
    let reinvite = anna.in_dialog(&mut hers, "INVITE", "", &held);
    anna.send(&mut rig, &reinvite);
    let invite = bert.expect(&mut rig, "INVITE");
    assert!(matches!(said(&rig, at_bert)[..], [Said::Offered(_)]));
    bert.respond(&mut rig, &invite, "488 Not Acceptable Here", "", "");
    assert_eq!(said(&rig, at_bert)[1..], [Said::Over]);
}
