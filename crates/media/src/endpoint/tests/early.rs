//! What overtakes the answer that it follows, and what others send meanwhile.

use fernamt_exchange::media::{Event, Ice, IceCredentials, IceOffer, Offer, ProtectionFailure};

use super::super::early::{MAX_HELLO_BYTES, MAX_HELLOS};
use super::phone::{EXCHANGE, Phone, hello, offer, offering, secured, told};
use super::rig::{Rig, certificate};
use super::*;
use crate::ice::Agent;
use crate::random::Random;

const SIGNALLING: &str = "192.0.2.10";
const ELSEWHERE: &str = "198.51.100.9:7000";

fn kept(rig: &Rig) -> [usize; 2] {
    let setup = rig.endpoint.setup.as_ref();
    let early = setup.and_then(|setup| setup.early.as_ref());
    early.map_or([0, 0], |early| early.kept())
}

/// Somebody at this address says hello.
fn stranger(rig: &mut Rig, at: &str) {
    let strange = certificate();
    hello(&mut Phone::with(at, &strange, strange.clone()), rig);
}

#[test]
fn a_hello_that_overtakes_its_answer_costs_no_time() {
    for at in [PARTY, ELSEWHERE] {
        let (mut rig, own) = offering(SIGNALLING);
        let mut phone = Phone::new(at, &own);
        hello(&mut phone, &mut rig);
        assert!(
            rig.sent.is_empty(),
            "nothing is said before the description"
        );
        rig.now_micros = 90_000;
        rig.set_remote(&phone.remote());
        phone.go_on(&mut rig);
        assert_eq!(told(&mut rig), [secured(&phone)]);
        assert!(phone.talks(&mut rig, 1));
        assert_eq!(rig.endpoint.statistics().packets_dropped, 0);
    }
}

/// It was sent once more in the meantime, and by a phone that has begun anew.
#[test]
fn the_newest_hello_counts() {
    let (mut rig, own) = offering(SIGNALLING);
    let mut phone = Phone::new(PARTY, &own);
    for _ in 0..3 {
        hello(&mut Phone::with(PARTY, &own, phone.own.clone()), &mut rig);
    }
    hello(&mut phone, &mut rig);
    assert_eq!(kept(&rig), [1, 0]);
    rig.set_remote(&phone.remote());
    phone.go_on(&mut rig);
    assert_eq!(told(&mut rig), [secured(&phone)]);
}

#[test]
fn nothing_is_kept_where_nothing_was_offered_or_nobody_answers() {
    let (mut rig, own) = offering(SIGNALLING);
    offer(&mut rig, None);
    let mut phone = Phone::new(PARTY, &own);
    hello(&mut phone, &mut rig);
    assert!(rig.endpoint.setup.is_none());
    assert_eq!(rig.endpoint.statistics().packets_dropped, 1);
    offer(&mut rig, Some(SIGNALLING));
    hello(&mut Phone::new(PARTY, &own), &mut rig);
    assert_eq!(kept(&rig), [1, 0]);
    offer(&mut rig, None);
    assert!(rig.endpoint.setup.is_none());
}

#[test]
fn only_hellos_are_kept_and_no_long_ones() {
    let (mut rig, _) = offering(SIGNALLING);
    let party = PARTY.parse().unwrap();
    let long = |bytes: usize| {
        let body = (bytes - 25) as u32;
        let mut hello = vec![22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0];
        hello.extend((body as u16 + 12).to_be_bytes());
        hello.push(1);
        hello.extend(&body.to_be_bytes()[1..]);
        hello.extend([0; 5]);
        hello.extend(&body.to_be_bytes()[1..]);
        hello.resize(bytes, 0);
        hello
    };
    rig.arrive(Channel::Rtp, &long(MAX_HELLO_BYTES + 1), party);
    let mut other = long(100);
    other[13] = 16;
    rig.arrive(Channel::Rtp, &other, party);
    rig.arrive(Channel::Rtp, &rtp(1), party);
    assert_eq!(kept(&rig), [0, 0]);
    assert_eq!(rig.endpoint.statistics().packets_dropped, 3);
    rig.arrive(Channel::Rtp, &long(MAX_HELLO_BYTES), party);
    assert_eq!(kept(&rig), [1, 0]);
}

/// CVE-2023-49786 and others, before there is anything to break.
#[test]
fn dtls_hello_race_before_the_answer() {
    for at in [PARTY, ELSEWHERE] {
        let (mut rig, own) = offering(SIGNALLING);
        let mut phone = Phone::new(at, &own);
        let flood = |rig: &mut Rig, hosts: core::ops::Range<u16>| {
            for host in hosts {
                for port in 1..=3 {
                    stranger(rig, &format!("203.0.113.{host}:{port}"));
                }
            }
        };
        flood(&mut rig, 1..MAX_HELLOS as u16 + 2);
        assert_eq!(kept(&rig), [0, MAX_HELLOS]);
        hello(&mut phone, &mut rig);
        // One host, whatever it sends, or any number of them where the phone is expected.
        let hosts = if at == PARTY { 10..40 } else { 10..11 };
        flood(&mut rig, hosts);
        assert!(kept(&rig).into_iter().all(|count| count <= MAX_HELLOS));
        rig.set_remote(&phone.remote());
        assert!(rig.sent.iter().all(|(_, to, _)| *to == phone.at));
        phone.go_on(&mut rig);
        assert_eq!(told(&mut rig), [secured(&phone)]);
        assert!(phone.talks(&mut rig, 1));
    }
}

#[test]
fn who_is_expected_has_so_many_places() {
    let (mut rig, own) = offering(SIGNALLING);
    for port in 0..=MAX_HELLOS {
        let at = format!("{SIGNALLING}:{}", 5_000 + port);
        hello(&mut Phone::new(&at, &own), &mut rig);
        assert_eq!(kept(&rig), [(port + 1).min(MAX_HELLOS), 0]);
    }
}

#[test]
fn a_wrong_certificate_is_told_of_although_its_hello_came_early() {
    let (mut rig, own) = offering(SIGNALLING);
    let mut phone = Phone::new(PARTY, &own);
    hello(&mut phone, &mut rig);
    let expected = Phone::new(PARTY, &own);
    rig.set_remote(&expected.remote());
    phone.go_on(&mut rig);
    let wrong = Event::Unprotected {
        endpoint: EndpointId(1),
        reason: ProtectionFailure::WrongFingerprint,
    };
    assert_eq!(told(&mut rig), [wrong]);
    assert!(!phone.talks(&mut rig, 1));
}

#[test]
fn a_party_that_answers_in_clear_is_heard_in_clear() {
    let (mut rig, own) = offering(SIGNALLING);
    hello(&mut Phone::new(PARTY, &own), &mut rig);
    rig.set_remote(&remote(None, true));
    assert!(rig.sent.is_empty());
    let party = PARTY.parse().unwrap();
    assert_eq!(rig.arrive(Channel::Rtp, &rtp(1), party).0, RTP);
    offer(&mut rig, None);
    assert!(rig.endpoint.setup.is_none());
}

/// A check, its answer, and a hello, all before the description (RFC 8445 section 7.3).
#[test]
fn a_party_that_has_been_asked_nothing_yet_finds_its_way_and_its_keys() {
    let credentials = |name: &str| IceCredentials {
        fragment: format!("{name}frag").into(),
        password: format!("{name}-password-of-enough-letters").into(),
    };
    let ice = |local: &str, remote: &str, controlling: bool| Ice {
        local: credentials(local),
        remote: credentials(remote),
        controlling,
        lite: false,
        remote_lite: false,
        candidates: Vec::new(),
        advertised: None,
    };
    let (mut rig, own) = offering(SIGNALLING);
    let with_ice = Offer {
        signalling: SIGNALLING.parse().unwrap(),
        dtls: true,
        ice: Some(IceOffer {
            local: credentials("ours"),
            lite: false,
        }),
    };
    rig.work(|endpoint, outside, _| endpoint.expect(Some(&with_ice), outside));
    let mut phone = Phone::new(ELSEWHERE, &own);
    let random = Random::new();
    let at = phone.at;
    let local = at.ip();
    let mut agent = Agent::new(&ice("their", "ours", false), 1, local, &random, 0).unwrap();
    agent.add_candidates(&[fernamt_exchange::media::IceCandidate {
        component: 1,
        foundation: "1".into(),
        priority: 1,
        address: EXCHANGE.parse().unwrap(),
        kind: fernamt_exchange::media::IceCandidateKind::Host,
    }]);
    let mut asked = Vec::new();
    agent.on_time(&random, 0, &mut |_, datagram| asked.push(datagram.to_vec()));
    for datagram in &asked {
        rig.arrive(Channel::Rtp, datagram, phone.at);
    }
    let hear = |agent: &mut Agent, rig: &mut Rig| {
        let mut said: Vec<Vec<u8>> = Vec::new();
        for (_, to, datagram) in core::mem::take(&mut rig.sent) {
            if datagram[0] < 4 {
                let from = EXCHANGE.parse().unwrap();
                let glance = agent.glance(&datagram).expect("it is meant for the agent");
                agent.take(&glance, from, &random, 0, &mut |_, datagram: &[u8]| {
                    said.push(datagram.to_vec());
                });
            } else {
                rig.sent.push((Channel::Rtp, to, datagram));
            }
        }
        for datagram in said {
            rig.arrive(Channel::Rtp, &datagram, at);
        }
    };
    hear(&mut agent, &mut rig);
    assert!(agent.selected().is_some(), "its check was answered");
    hello(&mut phone, &mut rig);
    assert!(rig.sent.is_empty());
    let described = fernamt_exchange::media::Remote {
        ice: Some(ice("ours", "their", true)),
        ..phone.remote()
    };
    rig.set_remote(&described);
    // Ours is answered, and so is the hello.
    hear(&mut agent, &mut rig);
    phone.go_on(&mut rig);
    assert_eq!(told(&mut rig), [secured(&phone)]);
    assert!(phone.talks(&mut rig, 1));
}
