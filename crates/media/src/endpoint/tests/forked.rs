//! Several parties that answer one offer, and a party that describes itself anew in the middle.

use fernamt_exchange::media::{Event, Protection, ProtectionFailure, Remote, SrtpKey};
use fernamt_rtp::srtp::Unprotector;
use fernamt_sdp::CryptoSuite;

use super::super::agree::MAX_PARKED;
use super::phone::{Phone, hello, offer, offering, secured, told};
use super::protected::keys;
use super::rig::Rig;
use super::*;
use crate::dtls::Certificate;
use crate::protection::master_key;

const SIGNALLING: &str = "192.0.2.10";
const OTHER: &str = "198.51.100.9:7000";

#[test]
fn the_party_that_takes_the_call_goes_on_with_the_keys_it_has() {
    let (mut rig, own) = offering(SIGNALLING);
    let (mut one, mut other) = (Phone::new(PARTY, &own), Phone::new(OTHER, &own));
    hello(&mut one, &mut rig);
    hello(&mut other, &mut rig);
    rig.set_remote(&one.remote());
    one.go_on(&mut rig);
    assert_eq!(told(&mut rig), [secured(&one)]);
    assert!((1..20).all(|sequence| one.talks(&mut rig, sequence)));
    // The hello of the other waits for its description.
    rig.set_remote(&other.remote());
    other.go_on(&mut rig);
    assert_eq!(told(&mut rig), [secured(&other)]);
    assert!(other.talks(&mut rig, 1));
    assert!(!one.talks(&mut rig, 20));
    // No number is used twice for its key.
    rig.set_remote(&one.remote());
    assert_eq!(told(&mut rig), [secured(&one)]);
    assert!((21..30).all(|sequence| one.talks(&mut rig, sequence)));
    rig.set_remote(&other.remote());
    assert!(other.talks(&mut rig, 2));
    offer(&mut rig, None);
    assert!(other.talks(&mut rig, 3));
}

#[test]
fn a_handshake_that_another_answer_has_interrupted_goes_on() {
    let (mut rig, own) = offering(SIGNALLING);
    let (mut one, mut other) = (Phone::new(PARTY, &own), Phone::new(OTHER, &own));
    rig.set_remote(&one.remote());
    hello(&mut one, &mut rig);
    rig.set_remote(&other.remote());
    hello(&mut other, &mut rig);
    other.go_on(&mut rig);
    rig.set_remote(&one.remote());
    assert!(!other.talks(&mut rig, 1) || told(&mut rig) == [secured(&other)]);
    one.go_on(&mut rig);
    assert!(one.talks(&mut rig, 1));
    assert!(!other.talks(&mut rig, 2));
}

#[test]
fn so_many_others_are_remembered() {
    let (mut rig, own) = offering(SIGNALLING);
    let mut phones: Vec<Phone> = (0..MAX_PARKED + 2)
        .map(|number| Phone::new(&format!("198.51.100.{}:7000", number + 1), &own))
        .collect();
    for phone in &mut phones {
        rig.set_remote(&phone.remote());
        hello(phone, &mut rig);
        phone.go_on(&mut rig);
        assert!(phone.talks(&mut rig, 1));
    }
    let setup = rig.endpoint.setup.as_ref().unwrap();
    assert_eq!(setup.parked.len(), MAX_PARKED);
    rig.set_remote(&phones[1].remote());
    assert!(phones[1].talks(&mut rig, 2));
    rig.set_remote(&phones[0].remote());
    assert!(!phones[0].talks(&mut rig, 2));
    offer(&mut rig, None);
    assert!(rig.endpoint.setup.as_ref().unwrap().parked.is_empty());
}

/// A re-INVITE of ours is answered with another certificate, and the hello is quicker than the answer.
#[test]
fn a_party_with_a_new_certificate_is_not_judged_by_the_old_one() {
    let (mut rig, own) = offering(SIGNALLING);
    let mut before = Phone::new(PARTY, &own);
    rig.set_remote(&before.remote());
    offer(&mut rig, None);
    hello(&mut before, &mut rig);
    before.go_on(&mut rig);
    assert_eq!(told(&mut rig), [secured(&before)]);
    assert!(before.talks(&mut rig, 1));
    offer(&mut rig, Some(SIGNALLING));
    let mut after = Phone::new(PARTY, &own);
    hello(&mut after, &mut rig);
    after.go_on(&mut rig);
    assert!(
        before.talks(&mut rig, 2),
        "it talks until it has other keys"
    );
    assert_eq!(told(&mut rig), []);
    rig.set_remote(&after.remote());
    offer(&mut rig, None);
    after.go_on(&mut rig);
    assert_eq!(told(&mut rig), [secured(&after)]);
    assert!(after.talks(&mut rig, 1));
    assert!(!before.talks(&mut rig, 3));
    // Without an offer of ours it is judged at once.
    let mut wrong = Phone::new(PARTY, &own);
    hello(&mut wrong, &mut rig);
    wrong.go_on(&mut rig);
    let reason = ProtectionFailure::WrongFingerprint;
    let endpoint = EndpointId(1);
    assert_eq!(told(&mut rig), [Event::Unprotected { endpoint, reason }]);
}

#[test]
fn a_description_with_another_certificate_ends_the_handshake_under_way() {
    let (mut rig, own) = offering(SIGNALLING);
    let (mut before, mut after) = (Phone::new(PARTY, &own), Phone::new(PARTY, &own));
    rig.set_remote(&before.remote());
    offer(&mut rig, None);
    hello(&mut before, &mut rig);
    let Protection::Dtls(dtls) = after.remote().protection else {
        panic!()
    };
    rig.set_remote(&after.remote());
    rig.sent.clear();
    hello(&mut after, &mut rig);
    after.go_on(&mut rig);
    assert_eq!(told(&mut rig), [secured(&after)]);
    assert!(after.talks(&mut rig, 1) && !before.talks(&mut rig, 1));
    let setup = rig.endpoint.setup.as_ref().unwrap();
    assert!(setup.agreement.as_ref().unwrap().is_for(&dtls));
}

/// Keys for RTCP alone, which were agreed first, are those of the party that they were agreed with.
#[test]
fn keys_for_rtcp_do_not_outlive_the_description_that_they_belong_to() {
    let (mut rig, own) = offering(SIGNALLING);
    let (mut before, after) = (Phone::new(PARTY, &own), Phone::new(PARTY, &own));
    rig.set_remote(&on_two_ports(&before));
    offer(&mut rig, None);
    before.begin(&mut rig, Channel::Rtcp);
    before.go_on(&mut rig);
    let has_keys = |rig: &Rig| {
        let setup = rig.endpoint.setup.as_ref().unwrap();
        setup.early_rtcp_keys.is_some()
    };
    assert!(has_keys(&rig));
    rig.set_remote(&on_two_ports(&after));
    assert!(!has_keys(&rig));
}

/// The exchange has begun to count anew with the answer of the other.
#[test]
fn how_far_a_party_has_come_is_told_when_it_takes_the_call_after_all() {
    let (mut rig, own) = offering(SIGNALLING);
    let (mut one, mut other) = (Phone::new(PARTY, &own), Phone::new(OTHER, &own));
    rig.set_remote(&one.remote());
    hello(&mut one, &mut rig);
    one.go_on(&mut rig);
    assert!((1..20).all(|sequence| one.talks(&mut rig, sequence)));
    rig.set_remote(&other.remote());
    hello(&mut other, &mut rig);
    other.go_on(&mut rig);
    assert!(other.talks(&mut rig, 1));
    rig.take_events();
    rig.set_remote(&one.remote());
    let events = rig.take_events();
    let [again, Event::RolledOver { rollovers, .. }] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(*again, secured(&one));
    assert_eq!((rollovers.ours[0].index, rollovers.sent_packets), (19, 19));
    assert_eq!(rollovers.theirs[0].index, 19);
    // And where no keys of another have taken their place.
    rig.set_remote(&Phone::new(OTHER, &own).remote());
    rig.set_remote(&one.remote());
    let events = rig.take_events();
    assert!(
        matches!(&events[..], [Event::Secured { .. }, Event::RolledOver { rollovers, .. }]
            if rollovers.sent_packets == 19),
        "{events:?}"
    );
}

#[test]
fn a_party_with_keys_is_remembered_longer_than_those_without() {
    let (mut rig, own) = offering(SIGNALLING);
    let mut one = Phone::new(PARTY, &own);
    rig.set_remote(&one.remote());
    hello(&mut one, &mut rig);
    one.go_on(&mut rig);
    assert!(one.talks(&mut rig, 1));
    for _ in 0..2 * MAX_PARKED {
        rig.set_remote(&Phone::new(OTHER, &own).remote());
    }
    let mut other = Phone::new(OTHER, &own);
    rig.set_remote(&other.remote());
    hello(&mut other, &mut rig);
    other.go_on(&mut rig);
    assert!(other.talks(&mut rig, 1));
    rig.set_remote(&one.remote());
    assert!(one.talks(&mut rig, 2));
}

fn on_two_ports(phone: &Phone) -> Remote {
    Remote {
        rtcp: Some(SocketAddr::new(phone.at.ip(), phone.at.port() + 1)),
        ..phone.remote()
    }
}

/// Whether a report of ours on the port for RTCP is one for whoever has these keys.
fn reports_with(rig: &mut Rig, ours: &SrtpKey) -> bool {
    let report = b"\x80\xc9\x00\x01\x00\x00\x00\x07";
    let mut room = [&report[..], &[0; 200]].concat();
    let shield = &mut rig.endpoint.shield;
    let length = shield.seal_rtcp(Channel::Rtcp, &mut room, report.len());
    let length = length.expect("there are keys");
    let mut party = Unprotector::new(&master_key(ours).unwrap());
    party.unprotect_rtcp(&mut room[..length]).is_ok()
}

/// A call whose party has agreed on keys for each of its two ports.
fn with_keys_for_rtcp() -> (Rig, Certificate, Phone) {
    let (mut rig, own) = offering(SIGNALLING);
    let mut phone = Phone::new(PARTY, &own);
    rig.set_remote(&on_two_ports(&phone));
    offer(&mut rig, None);
    hello(&mut phone, &mut rig);
    phone.go_on(&mut rig);
    let for_rtp = phone.keys.clone().unwrap().theirs;
    assert!(reports_with(&mut rig, &for_rtp), "there are no others yet");
    phone.begin(&mut rig, Channel::Rtcp);
    phone.go_on(&mut rig);
    assert!(!reports_with(&mut rig, &for_rtp));
    let for_rtcp = phone.keys.clone().unwrap().theirs;
    assert!(reports_with(&mut rig, &for_rtcp));
    (rig, own, phone)
}

#[test]
fn keys_of_a_description_are_those_for_rtcp_too() {
    let (mut rig, _, phone) = with_keys_for_rtcp();
    let keys = keys(CryptoSuite::AeadAes128Gcm);
    rig.set_remote(&Remote {
        protection: Protection::Sdes(keys.clone()),
        ..on_two_ports(&phone)
    });
    assert!(reports_with(&mut rig, &keys.ours));
}

#[test]
fn reports_are_for_the_party_with_the_new_certificate() {
    let (mut rig, own, before) = with_keys_for_rtcp();
    let mut after = Phone::new(PARTY, &own);
    rig.set_remote(&on_two_ports(&after));
    let for_before = before.keys.unwrap().theirs;
    assert!(reports_with(&mut rig, &for_before), "there are no others");
    hello(&mut after, &mut rig);
    after.go_on(&mut rig);
    assert!(reports_with(&mut rig, &after.keys.clone().unwrap().theirs));
}

/// Another handshake of the same party on the port of RTP says nothing of that for RTCP.
#[test]
fn keys_for_rtcp_stay_when_the_party_has_others_for_rtp() {
    let (mut rig, own, before) = with_keys_for_rtcp();
    let mut anew = Phone::with(PARTY, &own, before.own.clone());
    hello(&mut anew, &mut rig);
    anew.go_on(&mut rig);
    assert!(anew.talks(&mut rig, 1));
    assert!(reports_with(&mut rig, &before.keys.unwrap().theirs));
}
