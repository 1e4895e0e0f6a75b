//! Our agent against one that others wrote (`is`), in virtual time, and against forgers.

mod early;
mod forged;

use std::time::{Duration, Instant};

use fernamt_exchange::media::Ice;
use is::stun::{StunMessage, StunPacket};
use is::{Candidate, IceAgent, IceConnectionState, IceCreds, Protocol};

use super::*;

const OURS: &str = "192.0.2.1:10000";
const THEIRS: &str = "198.51.100.7:40000";

/// One way through the network.
const LATENCY_MICROS: u64 = 20_000;

const STEP_MICROS: u64 = 5_000;

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn credentials(name: &str) -> IceCredentials {
    IceCredentials {
        fragment: format!("{name}frag").into(),
        password: format!("{name}-password-of-enough-letters").into(),
    }
}

fn candidate(address: SocketAddr) -> IceCandidate {
    IceCandidate {
        component: 1,
        foundation: "1".into(),
        priority: 126 << 24 | 65_535 << 8 | 255,
        address,
        kind: IceCandidateKind::Host,
    }
}

fn ice(controlling: bool) -> Ice {
    Ice {
        local: credentials("ours"),
        remote: credentials("their"),
        controlling,
        lite: false,
        remote_lite: false,
        candidates: vec![candidate(address(THEIRS))],
        advertised: None,
    }
}

/// A datagram under way.
struct Datagram {
    at_micros: u64,
    from: SocketAddr,
    to: SocketAddr,
    bytes: Vec<u8>,
}

/// Our agent, theirs, and a network between them.
struct World {
    ice: Ice,
    ours: Agent,
    theirs: IceAgent,
    random: Random,
    start: Instant,
    now_micros: u64,
    under_way: Vec<Datagram>,
    /// What their router makes of their address.
    nat: Option<SocketAddr>,
    /// Whether theirs are still there.
    is_silent: bool,
    /// What we have sent.
    sent: Vec<(SocketAddr, Vec<u8>)>,
}

impl World {
    fn new(ice: &Ice) -> World {
        let words = |credentials: &IceCredentials| IceCreds {
            ufrag: credentials.fragment.to_string(),
            pass: credentials.password.to_string(),
        };
        let random = Random::new();
        let mut theirs = IceAgent::new(words(&ice.remote));
        theirs.set_remote_credentials(words(&ice.local));
        theirs.set_controlling(!ice.controlling);
        theirs.set_ice_lite(ice.remote_lite);
        theirs.add_local_candidate(Candidate::host(address(THEIRS), "udp").unwrap());
        World {
            ice: ice.clone(),
            ours: Agent::new(ice, 1, address(OURS).ip(), &random, 0).unwrap(),
            theirs,
            random,
            start: Instant::now(),
            now_micros: 0,
            under_way: Vec::new(),
            nat: None,
            is_silent: false,
            sent: Vec::new(),
        }
    }

    /// Theirs know our address from our description.
    fn describe(mut self) -> World {
        let ours = Candidate::host(address(OURS), "udp").unwrap();
        self.theirs.add_remote_candidate(ours);
        self
    }

    fn instant(&self) -> Instant {
        self.start + Duration::from_micros(self.now_micros)
    }

    fn run(&mut self, millis: u64) {
        let end = self.now_micros + millis * 1_000;
        while self.now_micros < end {
            self.now_micros += STEP_MICROS;
            self.deliver();
            self.work();
        }
    }

    fn deliver(&mut self) {
        let now_micros = self.now_micros;
        let due = |datagram: &mut Datagram| datagram.at_micros <= now_micros;
        let due: Vec<Datagram> = self.under_way.extract_if(.., due).collect();
        for datagram in due {
            if datagram.to == address(OURS) {
                self.arrive(&datagram.bytes, datagram.from);
            } else if !self.is_silent && datagram.to == self.nat.unwrap_or(address(THEIRS)) {
                let Ok(message) = StunMessage::parse(&datagram.bytes) else {
                    panic!("theirs cannot read ours");
                };
                let packet = StunPacket {
                    proto: Protocol::Udp,
                    source: datagram.from,
                    destination: address(THEIRS),
                    message,
                };
                self.theirs.handle_packet(self.instant(), packet);
            }
        }
    }

    fn arrive(&mut self, bytes: &[u8], from: SocketAddr) {
        let mut out = Vec::new();
        let mut send = |to, datagram: &[u8]| out.push((to, datagram.to_vec()));
        let (random, now_micros) = (&self.random, self.now_micros);
        let Some(glance) = self.ours.glance(bytes) else {
            return;
        };
        self.ours.take(&glance, from, random, now_micros, &mut send);
        self.send_ours(out);
    }

    fn work(&mut self) {
        let mut out = Vec::new();
        let mut send = |to, datagram: &[u8]| out.push((to, datagram.to_vec()));
        if self
            .ours
            .deadline_micros()
            .is_some_and(|at| at <= self.now_micros)
        {
            self.ours.on_time(&self.random, self.now_micros, &mut send);
            let next = self.ours.deadline_micros();
            assert!(
                next.is_none_or(|at| at > self.now_micros) || self.ours.gives_up(self.now_micros),
                "time stands still at {}: {:?}",
                self.now_micros,
                self.ours
            );
        }
        self.send_ours(out);
        let now = self.instant();
        if !self.is_silent && self.theirs.poll_timeout().is_none_or(|at| at <= now) {
            self.theirs.handle_timeout(now);
        }
        while let Some(transmit) = self.theirs.poll_transmit() {
            if !self.is_silent {
                self.under_way.push(Datagram {
                    at_micros: self.now_micros + LATENCY_MICROS,
                    from: self.nat.unwrap_or(address(THEIRS)),
                    to: transmit.destination,
                    bytes: transmit.contents.to_vec(),
                });
            }
        }
    }

    fn send_ours(&mut self, out: Vec<(SocketAddr, Vec<u8>)>) {
        for (to, bytes) in out {
            self.under_way.push(Datagram {
                at_micros: self.now_micros + LATENCY_MICROS,
                from: address(OURS),
                to,
                bytes: bytes.clone(),
            });
            self.sent.push((to, bytes));
        }
    }

    fn is_connected(&self) -> bool {
        let found = self.nat.unwrap_or(address(THEIRS));
        let ours = self.ours.selected().is_some_and(|(at, _)| at == found)
            && self.ours.sources().any(|source| source == found);
        let theirs = self.theirs.state();
        ours && matches!(
            theirs,
            IceConnectionState::Connected | IceConnectionState::Completed
        )
    }
}

#[test]
fn full_agents_find_each_other_whoever_leads() {
    for controlling in [true, false] {
        let mut world = World::new(&ice(controlling)).describe();
        world.run(1_500);
        assert!(world.is_connected(), "{controlling}: {:?}", world.ours);
        let selected = world.ours.selected();
        assert_eq!(selected, Some((address(THEIRS), IceCandidateKind::Host)));
        // And stay together.
        world.run(120_000);
        assert!(world.is_connected(), "{controlling}");
    }
}

#[test]
fn a_lite_agent_is_found_and_believes_the_leader() {
    let mut world = World::new(&Ice {
        lite: true,
        candidates: Vec::new(),
        ..ice(false)
    })
    .describe();
    world.run(1_500);
    assert!(world.is_connected(), "{:?}", world.ours);
    world.run(120_000);
    assert!(world.is_connected());
    world.is_silent = true;
    world.run(31_000);
    assert_eq!(world.ours.selected(), None);
}

#[test]
fn a_lite_party_is_found() {
    let mut world = World::new(&Ice {
        remote_lite: true,
        ..ice(true)
    })
    .describe();
    world.run(1_500);
    assert!(world.is_connected(), "{:?}", world.ours);
    world.run(60_000);
    assert!(world.is_connected());
}

#[test]
fn candidates_may_trickle_in() {
    let mut world = World::new(&Ice {
        candidates: Vec::new(),
        ..ice(true)
    });
    world.run(5_000);
    assert_eq!(world.ours.selected(), None);
    world.ours.add_candidates(&[candidate(address(THEIRS))]);
    world.run(1_500);
    assert!(world.is_connected());
}

#[test]
fn a_party_behind_a_router_is_found_where_its_checks_come_from() {
    for controlling in [true, false] {
        let mut world = World::new(&Ice {
            candidates: vec![candidate(address("10.0.0.7:40000"))],
            ..ice(controlling)
        })
        .describe();
        world.nat = Some(address("203.0.113.9:61234"));
        world.run(3_000);
        assert!(world.is_connected(), "{controlling}: {:?}", world.ours);
        let kind = world.ours.selected().map(|(_, kind)| kind);
        assert_eq!(kind, Some(IceCandidateKind::PeerReflexive));
    }
}

#[test]
fn two_leaders_settle_who_leads() {
    let mut world = World::new(&ice(true)).describe();
    world.theirs.set_controlling(true);
    world.run(3_000);
    assert!(world.is_connected(), "{:?}", world.ours);
    assert_ne!(world.ours.is_controlling, world.theirs.controlling());
    let mut world = World::new(&ice(false)).describe();
    world.theirs.set_controlling(false);
    world.run(3_000);
    assert!(world.is_connected(), "{:?}", world.ours);
    assert_ne!(world.ours.is_controlling, world.theirs.controlling());
}

#[test]
fn consent_that_is_not_renewed_ends_the_sending_and_comes_back_with_the_party() {
    let mut world = World::new(&ice(false)).describe();
    world.run(2_000);
    assert!(world.is_connected());
    world.is_silent = true;
    world.run(24_000);
    assert!(world.ours.selected().is_some());
    world.run(7_000);
    assert_eq!(world.ours.selected(), None);
    assert_eq!(world.ours.sources().count(), 0);
    let asked = world.sent.len();
    world.run(60_000);
    assert_eq!(
        world.sent.len(),
        asked,
        "nothing is sent any more, not even checks"
    );
    world.is_silent = false;
    world.theirs.ice_restart(
        IceCreds {
            ufrag: "theirfrag".into(),
            pass: credentials("their").password.to_string(),
        },
        true,
    );
    world.theirs.set_remote_credentials(IceCreds {
        ufrag: "oursfrag".into(),
        pass: credentials("ours").password.to_string(),
    });
    let ours = Candidate::host(address(OURS), "udp").unwrap();
    world.theirs.add_remote_candidate(ours);
    world.run(5_000);
    assert!(world.is_connected(), "{:?}", world.ours);
}

/// The party's router gives it another port: it does not hear us any more where it was, and we hear it
/// where nobody has found it yet.
#[test]
fn a_party_whose_router_forgets_it_is_followed_whoever_leads() {
    for controlling in [true, false] {
        let mut world = World::new(&ice(controlling)).describe();
        let (first, second) = (address("203.0.113.9:61234"), address("203.0.113.9:50000"));
        world.nat = Some(first);
        world.run(3_000);
        assert!(world.is_connected());
        world.nat = Some(second);
        world.run(6_000);
        assert!(world.is_connected(), "{controlling}: {:?}", world.ours);
        // Whoever gets the old port is a stranger, at the latest when consent would have ended.
        world.run(36_000);
        assert!(!world.ours.sources().any(|source| source == first));
        world.run(60_000);
        assert!(world.is_connected());
    }
}

/// One lost answer, or two, say nothing, and nor does an answer from elsewhere.
#[test]
fn a_way_is_not_left_while_it_may_be_good() {
    let mut world = World::new(&ice(true)).describe();
    world.run(2_000);
    world.is_silent = true;
    world.run(10_000);
    let selected = world.ours.selected().map(|(at, _)| at);
    assert_eq!(selected, Some(address(THEIRS)), "there is no other");
    world.is_silent = false;
    world.run(10_000);
    assert!(world.is_connected());
}

#[test]
fn a_restart_keeps_the_way_until_another_is_found() {
    let mut world = World::new(&ice(true)).describe();
    world.run(2_000);
    let restarted = Ice {
        local: credentials("new-ours"),
        remote: credentials("new-their"),
        candidates: Vec::new(),
        ..ice(true)
    };
    world
        .ours
        .redescribe(&restarted, &world.random, world.now_micros);
    assert_eq!(
        world.ours.selected().map(|(at, _)| at),
        Some(address(THEIRS))
    );
    assert!(world.ours.sources().any(|source| source == address(THEIRS)));
    let moved = address("198.51.100.99:5000");
    let mut fresh = World::new(&restarted).describe();
    fresh.ours = world.ours;
    fresh.now_micros = world.now_micros;
    fresh.nat = Some(moved);
    fresh.run(3_000);
    assert!(fresh.is_connected(), "{:?}", fresh.ours);
    assert!(!fresh.ours.sources().any(|source| source == address(THEIRS)));
}

#[test]
fn a_search_without_end_is_told_once() {
    let mut world = World::new(&ice(true));
    world.is_silent = true;
    world.run(29_000);
    assert!(!world.ours.gives_up(world.now_micros));
    world.now_micros += 1_000_000;
    assert!(world.ours.gives_up(world.now_micros));
    assert!(!world.ours.gives_up(world.now_micros));
}

#[test]
fn an_unanswered_check_is_sent_seven_times_and_checks_are_paced() {
    let mut world = World::new(&ice(true));
    world.is_silent = true;
    world.run(60_000);
    assert_eq!(world.sent.len(), 7);
    let candidates = (1..=10).map(|port| candidate(SocketAddr::new([203, 0, 113, 1].into(), port)));
    let mut world = World::new(&Ice {
        candidates: candidates.collect(),
        ..ice(true)
    });
    world.is_silent = true;
    world.run(200);
    assert!((4..=5).contains(&world.sent.len()), "{}", world.sent.len());
}

#[test]
fn the_pair_after_the_limit_is_passed_over() {
    let many = (1..=MAX_PAIRS as u16 + 1)
        .map(|port| candidate(SocketAddr::new([203, 0, 113, 1].into(), port)));
    let world = World::new(&Ice {
        candidates: many.collect(),
        ..ice(true)
    });
    assert_eq!(world.ours.pairs.len(), MAX_PAIRS);
}

#[test]
fn addresses_that_nobody_can_be_at_are_passed_over() {
    let not_reachable = [
        "0.0.0.0:5000",
        "224.0.0.1:5000",
        "198.51.100.1:0",
        "[2001:db8::1]:5000",
    ];
    let mut candidates: Vec<IceCandidate> = not_reachable
        .iter()
        .map(|at| candidate(address(at)))
        .collect();
    candidates.push(IceCandidate {
        component: 2,
        ..candidate(address(THEIRS))
    });
    let world = World::new(&Ice {
        candidates,
        ..ice(true)
    });
    assert_eq!(world.ours.pairs.len(), 0);
}
