//! Our handshakes against each other and against strangers, in virtual time.

use std::time::Instant;

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
        let identity = Identity::new(own).unwrap();
        Side {
            agreement: KeyAgreement::new(&identity, &dtls(role, expected.fingerprint())),
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
    count: usize,
    loses: fn(usize) -> bool,
}

impl World {
    fn new() -> World {
        World {
            start: Instant::now(),
            now_micros: 0,
            under_way: Vec::new(),
            count: 0,
            loses: |_| false,
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
        let (under_way, count, loses) = (&mut self.under_way, &mut self.count, self.loses);
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
            for (from, to, datagram) in core::mem::take(&mut self.under_way) {
                let side = sides.iter_mut().find(|side| side.at == to);
                if let Some(side) = side {
                    let arrival = HandshakeDatagram {
                        channel: Channel::Rtp,
                        datagram: &datagram,
                        from,
                        is_one_party: false,
                        is_negotiated: from != address(STRANGER),
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
    let (mut client, mut server) = pair();
    let mut world = World::new();
    world.loses = |number| number % 3 == 1;
    world.begin(&mut client, SERVER);
    world.run(&mut [&mut client, &mut server], 30_000);
    assert_agreed(&client, &server);
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
        let mut stranger = Side::new(DtlsRole::Client, &strange, &strange, STRANGER);
        world.begin(&mut stranger, SERVER);
        for (from, _, datagram) in core::mem::take(&mut world.under_way) {
            let arrival = HandshakeDatagram {
                channel: Channel::Rtp,
                datagram: &datagram,
                from: SocketAddr::new(from.ip(), port),
                is_one_party: false,
                is_negotiated: false,
            };
            world.work(&mut server, |agreement, clock, send| {
                agreement.handle(&arrival, clock, send)
            });
        }
        world.under_way.clear();
        let expected = usize::from(port).min(MAX_ASSOCIATIONS);
        assert_eq!(server.agreement.rtp.associations.len(), expected);
    }
    world.begin(&mut client, SERVER);
    world.run(&mut [&mut client, &mut server], 3_000);
    assert_agreed(&client, &server);
}
