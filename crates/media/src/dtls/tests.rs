//! Our handshakes against each other and against strangers, in virtual time.

mod again;
mod hostile;

use std::time::Instant;

use rtc_dtls::crypto_provider::SignatureScheme;

use super::*;

const CLIENT: &str = "192.0.2.1:4000";
const SERVER: &str = "192.0.2.2:5000";
const STRANGER: &str = "192.0.2.66:6000";

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn certificate() -> Certificate {
    let key = rcgen::KeyPair::generate().unwrap();
    let parameters = rcgen::CertificateParams::new(vec!["media".to_owned()]).unwrap();
    Certificate {
        certificate: parameters.self_signed(&key).unwrap().der().to_vec(),
        private_key: key.serialize_der(),
    }
}

fn dtls(role: DtlsRole, fingerprint: Fingerprint) -> Dtls {
    Dtls {
        role,
        fingerprints: vec![fingerprint],
        established: None,
        established_rtcp: None,
    }
}

/// Somebody who shakes hands.
struct Side {
    agreement: KeyAgreement,
    at: SocketAddr,
    agreed: Vec<Agreement>,
}

impl Side {
    fn new(role: DtlsRole, own: &Certificate, expected: &Certificate, at: &str) -> Side {
        Side::with(&Identity::new(own).unwrap(), role, expected, at)
    }

    fn with(own: &Identity, role: DtlsRole, expected: &Certificate, at: &str) -> Side {
        Side {
            agreement: KeyAgreement::new(own, &dtls(role, expected.fingerprint())),
            at: address(at),
            agreed: Vec::new(),
        }
    }

    fn keys(&self) -> Option<&SrtpKeys> {
        self.agreed.iter().rev().find_map(|agreed| match agreed {
            Agreement::Keys(_, _, keys) => Some(keys),
            Agreement::Failed(_) => None,
        })
    }
}

/// A network that loses every datagram whose number `loses` says.
struct World {
    start: Instant,
    now_micros: u64,
    under_way: Vec<(SocketAddr, SocketAddr, Vec<u8>)>,
    again: Vec<(SocketAddr, SocketAddr, Vec<u8>)>,
    count: usize,
    loses: Box<dyn Fn(usize) -> bool>,
    /// Everything arrives, and once more later.
    repeats: bool,
    /// Where checks look for the ways: whether that to the client is found.
    is_found: Option<bool>,
}

impl World {
    fn new() -> World {
        World {
            start: Instant::now(),
            now_micros: 0,
            under_way: Vec::new(),
            again: Vec::new(),
            count: 0,
            loses: Box::new(|_| false),
            repeats: false,
            is_found: None,
        }
    }

    fn clock(&self) -> Clock {
        Clock {
            start: self.start,
            now_micros: self.now_micros,
        }
    }

    fn work(
        &mut self,
        side: &mut Side,
        work: impl FnOnce(&mut KeyAgreement, Clock, &mut Send<'_>) -> Option<Agreement>,
    ) {
        let (clock, from) = (self.clock(), side.at);
        let (under_way, count, loses) = (&mut self.under_way, &mut self.count, &self.loses);
        let mut send = |_: Channel, to: SocketAddr, datagram: &[u8]| {
            *count += 1;
            if !loses(*count) {
                under_way.push((from, to, datagram.to_vec()));
            }
        };
        let agreed = work(&mut side.agreement, clock, &mut send);
        side.agreed.extend(agreed);
    }

    fn begin(&mut self, side: &mut Side, with: &str) {
        self.work(side, |agreement, clock, send| {
            agreement.begin(Channel::Rtp, address(with), clock, send)
        });
    }

    /// Runs until nothing more comes, at most so long.
    fn run(&mut self, sides: &mut [&mut Side], millis: u64) {
        let end = self.now_micros + millis * 1_000;
        while self.now_micros < end {
            self.step(sides);
        }
    }

    /// Lets all that is under way arrive, or time pass when nothing is.
    fn step(&mut self, sides: &mut [&mut Side]) {
        let mut arriving = core::mem::take(&mut self.under_way);
        if self.repeats {
            arriving.extend(core::mem::replace(&mut self.again, arriving.clone()));
        }
        for (from, to, datagram) in arriving {
            let side = sides.iter_mut().find(|side| side.at == to);
            if let Some(side) = side {
                let is_stranger = from.ip() == address(STRANGER).ip();
                let arrival = HandshakeDatagram {
                    channel: Channel::Rtp,
                    datagram: &datagram,
                    from,
                    is_one_party: !is_stranger && self.is_found == Some(true),
                    is_negotiated: !is_stranger && self.is_found != Some(false),
                };
                self.work(side, |agreement, clock, send| {
                    agreement.handle(&arrival, clock, send)
                });
            }
        }
        if self.under_way.is_empty() {
            self.now_micros += 10_000;
        }
        for side in sides.iter_mut() {
            self.work(side, |agreement, clock, send| {
                agreement.on_time(clock, send)
            });
        }
    }
}

fn pair() -> (Side, Side) {
    let (one, other) = (certificate(), certificate());
    (
        Side::new(DtlsRole::Client, &one, &other, CLIENT),
        Side::new(DtlsRole::Server, &other, &one, SERVER),
    )
}

fn assert_agreed(client: &Side, server: &Side) {
    let (ours, theirs) = (client.keys().unwrap(), server.keys().unwrap());
    assert_eq!(ours.ours, theirs.theirs);
    assert_eq!(ours.theirs, theirs.ours);
    assert_ne!(ours.ours.key_and_salt, ours.theirs.key_and_salt);
}

#[test]
fn both_sides_come_to_the_same_keys() {
    let (mut client, mut server) = pair();
    let mut world = World::new();
    world.begin(&mut client, SERVER);
    world.run(&mut [&mut client, &mut server], 2_000);
    assert_agreed(&client, &server);
    assert_eq!(client.agreed.len() + server.agreed.len(), 2);
}

#[test]
fn what_is_lost_is_sent_again() {
    // One of six, other ones each time.
    for seed in 1..=100 {
        let (mut client, mut server) = pair();
        let mut world = World::new();
        world.loses = Box::new(move |number| {
            let scattered = (number as u64 + 1_000 * seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            (scattered ^ scattered >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 32 & 0xff < 43
        });
        world.begin(&mut client, SERVER);
        world.run(&mut [&mut client, &mut server], 30_000);
        assert_agreed(&client, &server);
    }
}

/// What repeats an earlier flight is no answer to the flight under way, which is lost meanwhile.
#[test]
fn what_comes_twice_stops_nothing() {
    for lost in 1..=12 {
        let (mut client, mut server) = pair();
        let mut world = World::new();
        world.repeats = true;
        world.loses = Box::new(move |number| number == lost || number == lost + 1);
        world.begin(&mut client, SERVER);
        world.run(&mut [&mut client, &mut server], 30_000);
        assert_agreed(&client, &server);
    }
}

/// Time until a flight is sent again doubles each time.
#[test]
fn an_unanswered_flight_is_sent_less_and_less_often() {
    let (mut client, _) = pair();
    let mut world = World::new();
    world.begin(&mut client, SERVER);
    let mut sent_at = Vec::new();
    while world.now_micros < 39_000_000 {
        if !core::mem::take(&mut world.under_way).is_empty() {
            sent_at.push(world.now_micros / 1_000);
        }
        world.now_micros = client.agreement.deadline_micros().unwrap();
        world.work(&mut client, |agreement, clock, send| {
            agreement.on_time(clock, send)
        });
    }
    assert_eq!(sent_at, [0, 250, 750, 1_750, 3_750, 7_750, 15_750, 31_750]);
}

fn rsa_certificate() -> Certificate {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let parameters = rcgen::CertificateParams::new(vec!["phone".to_owned()]).unwrap();
    Certificate {
        certificate: parameters.self_signed(&key).unwrap().der().to_vec(),
        private_key: key.serialize_der(),
    }
}

#[test]
fn a_party_may_have_an_rsa_certificate() {
    let (ours, theirs, wrong) = (certificate(), rsa_certificate(), rsa_certificate());
    let phone = Identity::made_of(&theirs, SignatureScheme::RsaPkcs1Sha256).unwrap();
    for expected in [&theirs, &wrong] {
        for is_phone_client in [true, false] {
            let (mut client, mut server) = if is_phone_client {
                (
                    Side::with(&phone, DtlsRole::Client, &ours, CLIENT),
                    Side::new(DtlsRole::Server, &ours, expected, SERVER),
                )
            } else {
                (
                    Side::new(DtlsRole::Client, &ours, expected, CLIENT),
                    Side::with(&phone, DtlsRole::Server, &ours, SERVER),
                )
            };
            let mut world = World::new();
            world.begin(&mut client, SERVER);
            world.run(&mut [&mut client, &mut server], 2_000);
            if expected == &theirs {
                assert_agreed(&client, &server);
            } else {
                let us = if is_phone_client { &server } else { &client };
                let failed = Agreement::Failed(ProtectionFailure::WrongFingerprint);
                assert_eq!(us.agreed, [failed]);
            }
        }
    }
}

#[test]
fn another_certificate_than_the_negotiated_one_gives_no_keys() {
    let (one, other, wrong) = (certificate(), certificate(), certificate());
    for (expected_of_client, expected_of_server) in [(&wrong, &other), (&one, &wrong)] {
        let mut client = Side::new(DtlsRole::Client, &one, expected_of_server, CLIENT);
        let mut server = Side::new(DtlsRole::Server, &other, expected_of_client, SERVER);
        let mut world = World::new();
        world.begin(&mut client, SERVER);
        world.run(&mut [&mut client, &mut server], 90_000);
        assert!(client.keys().is_none() || server.keys().is_none());
        let told = [&client, &server].map(|side| {
            side.agreed
                .contains(&Agreement::Failed(ProtectionFailure::WrongFingerprint))
        });
        assert!(
            told.contains(&true),
            "{:?} {:?}",
            client.agreed,
            server.agreed
        );
    }
}

/// CVE-2023-49786 and others: the ClientHello of anybody broke the call.
#[test]
fn dtls_hello_race() {
    let (mut client, mut server) = pair();
    let strange = certificate();
    let mut stranger = Side::new(DtlsRole::Client, &strange, &strange, STRANGER);
    let mut world = World::new();
    // First, in between, and after.
    world.begin(&mut stranger, SERVER);
    world.run(&mut [&mut stranger, &mut client, &mut server], 30);
    world.begin(&mut client, SERVER);
    world.run(&mut [&mut stranger, &mut client, &mut server], 3_000);
    assert_agreed(&client, &server);
    let keys = server.keys().cloned();
    for _ in 0..20 {
        let mut late = Side::new(DtlsRole::Client, &strange, &strange, STRANGER);
        world.begin(&mut late, SERVER);
        world.run(&mut [&mut late, &mut client, &mut server], 200);
    }
    assert_eq!(server.keys().cloned(), keys);
    assert_eq!(server.agreed.len(), 1, "{:?}", server.agreed);
    assert!(stranger.keys().is_none());
}

/// The party has sent checks and begins before ours is answered, and so has somebody who repeats them.
#[test]
fn dtls_hello_race_before_the_way_is_found() {
    let (mut client, mut server) = pair();
    let strange = certificate();
    let mut stranger = Side::new(DtlsRole::Client, &strange, &strange, STRANGER);
    let mut world = World::new();
    world.is_found = Some(false);
    world.begin(&mut stranger, SERVER);
    world.begin(&mut client, SERVER);
    for _ in 0..3 {
        world.step(&mut [&mut stranger, &mut client, &mut server]);
    }
    assert_eq!(server.agreement.rtp.associations.len(), 2);
    world.is_found = Some(true);
    world.run(&mut [&mut stranger, &mut client, &mut server], 900);
    // Nothing had to be sent again.
    assert_agreed(&client, &server);
    assert!(stranger.keys().is_none());
    assert_eq!(server.agreed.len(), 1, "{:?}", server.agreed);
}

#[test]
fn a_wrong_certificate_is_told_of_although_its_owner_began_before_the_way_was_found() {
    for is_found_later in [true, false] {
        let (one, other, wrong) = (certificate(), certificate(), certificate());
        let mut client = Side::new(DtlsRole::Client, &one, &other, CLIENT);
        let mut server = Side::new(DtlsRole::Server, &other, &wrong, SERVER);
        let mut world = World::new();
        world.is_found = Some(false);
        world.begin(&mut client, SERVER);
        world.step(&mut [&mut client, &mut server]);
        world.is_found = Some(is_found_later);
        world.run(&mut [&mut client, &mut server], 900);
        let told = Agreement::Failed(ProtectionFailure::WrongFingerprint);
        assert_eq!(server.agreed.contains(&told), is_found_later);
        assert_eq!(server.keys(), None);
    }
}

#[test]
fn alerts_and_noise_in_clear_end_nothing() {
    let (mut client, mut server) = pair();
    let mut world = World::new();
    world.begin(&mut client, SERVER);
    let alert = [21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40];
    let noise = [&[22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 30][..], &[7; 30]].concat();
    for side in [SERVER, CLIENT] {
        let other = if side == SERVER { CLIENT } else { SERVER };
        world
            .under_way
            .push((address(other), address(side), alert.to_vec()));
        world
            .under_way
            .push((address(other), address(side), noise.clone()));
    }
    world.run(&mut [&mut client, &mut server], 5_000);
    assert_agreed(&client, &server);
}

#[test]
fn the_party_may_shake_hands_again_and_its_new_keys_count_when_it_is_done() {
    let (one, other) = (certificate(), certificate());
    let mut client = Side::new(DtlsRole::Client, &one, &other, CLIENT);
    let mut server = Side::new(DtlsRole::Server, &other, &one, SERVER);
    let mut world = World::new();
    world.begin(&mut client, SERVER);
    world.run(&mut [&mut client, &mut server], 2_000);
    let mut again = Side::new(DtlsRole::Client, &one, &other, CLIENT);
    world.begin(&mut again, SERVER);
    assert_eq!(server.agreed.len(), 1);
    world.run(&mut [&mut again, &mut server], 2_000);
    assert_eq!(server.agreed.len(), 2);
    assert_agreed(&again, &server);
}

#[test]
fn a_handshake_of_before_a_restart_is_not_made_again() {
    let (mut client, mut server) = pair();
    let mut world = World::new();
    world.begin(&mut client, SERVER);
    world.run(&mut [&mut client, &mut server], 2_000);
    let restored = Dtls {
        established: client.keys().cloned(),
        ..dtls(DtlsRole::Client, certificate().fingerprint())
    };
    let identity = Identity::new(&certificate()).unwrap();
    client.agreement = KeyAgreement::new(&identity, &restored);
    let before = world.count;
    world.begin(&mut client, SERVER);
    world.run(&mut [&mut client, &mut server], 2_000);
    assert_eq!(world.count, before);
}

#[test]
fn an_old_handshake_is_forgotten_and_what_nobody_answers_is_told_once() {
    let (mut client, mut server) = pair();
    let mut world = World::new();
    world.begin(&mut client, SERVER);
    world.run(&mut [&mut client, &mut server], 2_000);
    world.run(&mut [&mut client, &mut server], 70_000);
    assert_eq!(client.agreement.rtp.associations.len(), 0);
    assert_eq!(client.agreement.deadline_micros(), None);
    let (mut alone, _) = pair();
    world.begin(&mut alone, SERVER);
    world.run(&mut [&mut alone], 400_000);
    assert_eq!(
        alone.agreed,
        [Agreement::Failed(ProtectionFailure::Handshake)]
    );
}

#[test]
fn the_handshake_after_the_limit_waits_unless_it_is_the_party() {
    let (mut client, mut server) = pair();
    let strange = certificate();
    let mut world = World::new();
    for port in 1..=MAX_ASSOCIATIONS as u16 + 1 {
        let at = format!("192.0.2.66:{port}");
        let mut stranger = Side::new(DtlsRole::Client, &strange, &strange, &at);
        world.begin(&mut stranger, SERVER);
        // Until it has shown that it is there.
        for _ in 0..3 {
            world.step(&mut [&mut stranger, &mut server]);
        }
        world.under_way.clear();
        let expected = usize::from(port).min(MAX_ASSOCIATIONS);
        assert_eq!(server.agreement.rtp.associations.len(), expected);
    }
    world.begin(&mut client, SERVER);
    world.run(&mut [&mut client, &mut server], 3_000);
    assert_agreed(&client, &server);
}
