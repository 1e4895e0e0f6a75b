//! Several parties that answer one offer, and a party that describes itself anew in the middle.

use fernamt_exchange::media::{Event, Protection, ProtectionFailure, Remote};

use super::super::agree::MAX_PARKED;
use super::phone::{Phone, hello, offer, offering, secured, told};
use super::rig::Rig;
use super::*;

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
    let two_ports = |phone: &Phone| Remote {
        rtcp: Some(SocketAddr::new(phone.at.ip(), phone.at.port() + 1)),
        ..phone.remote()
    };
    let (mut before, after) = (Phone::new(PARTY, &own), Phone::new(PARTY, &own));
    rig.set_remote(&two_ports(&before));
    offer(&mut rig, None);
    before.begin(&mut rig, Channel::Rtcp);
    before.go_on(&mut rig);
    let has_keys = |rig: &Rig| {
        let setup = rig.endpoint.setup.as_ref().unwrap();
        setup.early_rtcp_keys.is_some()
    };
    assert!(has_keys(&rig));
    rig.set_remote(&two_ports(&after));
    assert!(!has_keys(&rig));
}
