//! What overtakes the answer that it follows, and what others send meanwhile.

use fernamt_exchange::media::{
    Event, Ice, IceCandidate, IceCandidateKind, IceCredentials, IceOffer, Offer, ProtectionFailure,
    Remote,
};

use super::super::early::{MAX_HELLO_BYTES, MAX_HELLOS};
use super::phone::{EXCHANGE, Phone, hello, offer, offering, secured, told};
use super::rig::{Rig, certificate};
use super::*;
use crate::gate::STRANGE_PACKETS_PER_SECOND;
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

fn credentials(name: &str) -> IceCredentials {
    IceCredentials {
        fragment: format!("{name}frag").into(),
        password: format!("{name}-password-of-enough-letters").into(),
    }
}

fn ice(local: &str, remote: &str, controlling: bool) -> Ice {
    Ice {
        local: credentials(local),
        remote: credentials(remote),
        controlling,
        lite: false,
        remote_lite: false,
        candidates: Vec::new(),
        advertised: None,
    }
}

/// Offers checks and a handshake.
fn offer_ways(rig: &mut Rig) {
    let with_ice = Offer {
        signalling: SIGNALLING.parse().unwrap(),
        dtls: true,
        ice: Some(IceOffer {
            local: credentials("ours"),
            lite: false,
        }),
    };
    rig.work(|endpoint, outside, _| endpoint.expect(Some(&with_ice), outside));
}

/// What a phone of this name asks us first.
fn check_of(name: &str) -> Vec<u8> {
    let random = Random::new();
    let local = [192, 0, 2, 99].into();
    let mut agent = Agent::new(&ice(name, "ours", false), 1, local, &random, 0).unwrap();
    agent.add_candidates(&[candidate(EXCHANGE)]);
    let mut asked = Vec::new();
    agent.on_time(&random, 0, &mut |_, datagram| asked = datagram.to_vec());
    asked
}

fn candidate(at: &str) -> IceCandidate {
    IceCandidate {
        component: 1,
        foundation: "1".into(),
        priority: 1,
        address: at.parse().unwrap(),
        kind: IceCandidateKind::Host,
    }
}

/// What the answer of a phone with checks says.
fn answer_of(name: &str, at: &str) -> Remote {
    Remote {
        ice: Some(ice("ours", name, true)),
        ..Remote::plain(at.parse().unwrap())
    }
}

/// Both are asked as soon as they are described, although neither says where it is.
#[test]
fn the_checks_of_the_second_phone_that_answers_are_served_as_those_of_the_first() {
    let (mut rig, _) = offering(SIGNALLING);
    offer_ways(&mut rig);
    let is_asked = |rig: &mut Rig, channel: Channel, at: &str| {
        let mut sent = core::mem::take(&mut rig.sent).into_iter();
        sent.any(|(on, to, _)| on == channel && to == at.parse::<SocketAddr>().unwrap())
    };
    let (one, other) = ("198.51.100.1:7000", "198.51.100.2:7000");
    rig.arrive(Channel::Rtp, &check_of("one"), one.parse().unwrap());
    assert!(is_asked(&mut rig, Channel::Rtp, one), "answered");
    rig.set_remote(&answer_of("one", one));
    assert!(is_asked(&mut rig, Channel::Rtp, one));
    rig.arrive(Channel::Rtp, &check_of("other"), other.parse().unwrap());
    assert!(is_asked(&mut rig, Channel::Rtp, other), "answered");
    // On a port that the first did not have.
    let beside = "198.51.100.2:7001";
    rig.arrive(Channel::Rtcp, &check_of("other"), beside.parse().unwrap());
    assert!(is_asked(&mut rig, Channel::Rtcp, beside), "answered");
    assert_eq!(rig.endpoint.statistics().packets_dropped, 0);
    rig.set_remote(&Remote {
        rtcp: Some(beside.parse().unwrap()),
        ..answer_of("other", other)
    });
    let sent = rig.sent.clone();
    assert!(is_asked(&mut rig, Channel::Rtp, other));
    rig.sent = sent;
    assert!(is_asked(&mut rig, Channel::Rtcp, beside));
    // After the last answer nobody else is served.
    rig.work(|endpoint, outside, _| endpoint.expect(None, outside));
    rig.arrive(Channel::Rtp, &check_of("third"), one.parse().unwrap());
    assert!(!is_asked(&mut rig, Channel::Rtp, one));
    assert_eq!(rig.endpoint.statistics().packets_dropped, 1);
}

#[test]
fn a_source_has_so_many_hellos_in_a_second_and_each_that_goes_is_counted() {
    let (mut rig, own) = offering(SIGNALLING);
    let hello_on = |rig: &mut Rig, channel: Channel| {
        Phone::new(ELSEWHERE, &own).begin(rig, channel);
    };
    for number in 0..STRANGE_PACKETS_PER_SECOND {
        hello_on(&mut rig, Channel::Rtp);
        let dropped = rig.endpoint.statistics().packets_dropped;
        assert_eq!(dropped, u64::from(number), "the one before");
    }
    hello_on(&mut rig, Channel::Rtcp);
    assert_eq!(kept(&rig), [0, 1]);
    let all = u64::from(STRANGE_PACKETS_PER_SECOND);
    assert_eq!(rig.endpoint.statistics().packets_dropped, all);
    rig.now_micros = 1_000_000;
    hello_on(&mut rig, Channel::Rtcp);
    assert_eq!(kept(&rig), [0, 2]);
    // What was never looked at.
    offer(&mut rig, None);
    assert_eq!(rig.endpoint.statistics().packets_dropped, all + 2);
}

#[test]
fn a_hello_that_waits_is_no_reason_to_look_for_what_is_due() {
    let (mut rig, _) = offering(SIGNALLING);
    offer_ways(&mut rig);
    let mut described = answer_of("one", PARTY);
    described.ice.as_mut().unwrap().candidates = vec![candidate(PARTY)];
    rig.set_remote(&described);
    offer_ways(&mut rig);
    rig.sent.clear();
    rig.now_micros = 10_000_000;
    stranger(&mut rig, ELSEWHERE);
    assert_eq!(kept(&rig), [0, 1]);
    assert!(rig.sent.is_empty());
    rig.work(|endpoint, outside, outbox| endpoint.advance(outside, outbox));
    assert!(!rig.sent.is_empty(), "something was due");
}

/// A check, its answer, and a hello, all before the description (RFC 8445 section 7.3).
#[test]
fn a_party_that_has_been_asked_nothing_yet_finds_its_way_and_its_keys() {
    let (mut rig, own) = offering(SIGNALLING);
    offer_ways(&mut rig);
    let mut phone = Phone::new(ELSEWHERE, &own);
    let random = Random::new();
    let at = phone.at;
    let local = at.ip();
    let mut agent = Agent::new(&ice("their", "ours", false), 1, local, &random, 0).unwrap();
    agent.add_candidates(&[candidate(EXCHANGE)]);
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
    let described = Remote {
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
