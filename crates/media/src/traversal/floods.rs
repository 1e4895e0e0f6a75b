//! That a call gets its way and its keys although ten thousand datagrams of strangers a second arrive
//! from its beginning on.

use core::net::{IpAddr, SocketAddr};

use fernamt_sim::nat::Behaviour;
use fernamt_sim::random::Random;
use fernamt_stun::message::{Builder, Class, Integrity, Key, Method, TransactionId, attribute};

use super::phone::{Kind, voice_packet};
use super::world::{Flood, Place, Plan, World};

/// What it consists of.
#[derive(Clone, Copy, Debug)]
enum Junk {
    /// Checks of others, and answers to checks that nobody has sent.
    Checks,
    /// Checks of somebody who has read both user names, but no password.
    NamedChecks,
    /// The beginning of handshakes.
    Hellos,
    /// Packets that look protected.
    Packets,
}

const JUNK: [Junk; 4] = [Junk::Checks, Junk::NamedChecks, Junk::Hellos, Junk::Packets];

/// Where it seems to come from.
#[derive(Clone, Copy, Debug)]
enum Source {
    /// One host, with all of its ports.
    One,
    /// Any address there is.
    Anywhere,
    /// The address that the first phone has outside, any port.
    Neighbours,
}

const SOURCES: [Source; 3] = [Source::One, Source::Anywhere, Source::Neighbours];

/// The phone's address outside, in `world`.
const OUTSIDE: [u8; 4] = [203, 0, 113, 10];

/// How long it takes at the most until both phones hear each other.
const BOUND_MILLIS: u64 = 3_000;

fn flood(junk: Junk, source: Source, mut random: Random) -> Flood {
    Box::new(move || {
        let ip = match source {
            Source::One => IpAddr::from([198, 51, 100, 200]),
            Source::Anywhere => {
                IpAddr::from((random.between(1 << 24, 223 << 24) as u32).to_be_bytes())
            }
            Source::Neighbours => OUTSIDE.into(),
        };
        let from = SocketAddr::new(ip, random.between(1_024, 65_535) as u16);
        (from, datagram(junk, &mut random))
    })
}

fn datagram(junk: Junk, random: &mut Random) -> Vec<u8> {
    match junk {
        Junk::Checks if random.percent(50) => check(Class::Success, "", random),
        Junk::Checks => check(Class::Request, "somebody:else", random),
        Junk::NamedChecks => check(Class::Request, "desk0x1:phone0x1", random),
        Junk::Hellos => hello(random),
        Junk::Packets => {
            let (ssrc, sequence) = (random.below(1 << 32) as u32, random.below(1 << 16) as u16);
            voice_packet(0x66, ssrc, sequence)
        }
    }
}

fn check(class: Class, username: &str, random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::new();
    let id = TransactionId(core::array::from_fn(|_| random.below(256) as u8));
    Builder::new(&mut bytes, class, Method::BINDING, id)
        .text(attribute::USERNAME, username)
        .number(0x0024, 1)
        .integrity(Integrity::Sha1, &Key::short_term("a guess").unwrap())
        .fingerprint()
        .finish()
        .unwrap();
    bytes
}

/// A ClientHello of DTLS 1.2 as far as its outside goes (RFC 6347 section 4.2).
fn hello(random: &mut Random) -> Vec<u8> {
    let mut body = vec![254, 253];
    body.extend((0..32).map(|_| random.below(256) as u8));
    // No session and no cookie; one cipher suite, no compression.
    body.extend([0, 0, 0, 2, 0xc0, 0x2b, 1, 0]);
    let length = body.len() as u8;
    let mut hello = vec![22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, length + 12];
    hello.extend([1, 0, 0, length, 0, 0, 0, 0, 0, 0, 0, length]);
    hello.extend(body);
    hello
}

fn expect_voice(kind: Kind, place: Place, junk: Junk, source: Source, seed: u64) {
    let phones = [(kind, place), (Kind::Plain, Place::Open)];
    let mut world = World::new(Plan::new(seed, phones));
    let mut random = Random::new(seed, 51);
    // The flood is there before the phone, which comes at any time of a second.
    let begin_millis = random.between(1_000, 2_000);
    world.phones[0].asleep_until_micros = 1_000 * begin_millis;
    world.flood = Some(flood(junk, source, Random::new(seed, 50)));
    world.run(begin_millis);
    eprintln!("{kind:?} {place:?}, {junk:?} from {source:?}, seed {seed}");
    world.expect_voice(BOUND_MILLIS);
    world.run(1_000);
    if kind != Kind::Ice {
        // In clear, whoever writes the very address and port of the party is the party.
        world.expect_privacy();
    }
}

fn try_all(kind: Kind) {
    let places = [Place::Open, Place::Behind(Behaviour::SYMMETRIC)];
    for place in places {
        for (junk, source) in JUNK
            .iter()
            .flat_map(|junk| SOURCES.map(|source| (*junk, source)))
        {
            // Whoever knows the party's address can use up what its host may try of handshakes.
            if let (Kind::Handshake, Junk::Hellos, Source::Neighbours) = (kind, junk, source) {
                continue;
            }
            for seed in 0..2 {
                expect_voice(kind, place, junk, source, seed);
            }
        }
    }
}

#[test]
fn checks_find_their_way_through_a_flood() {
    try_all(Kind::Ice);
}

#[test]
fn a_browser_gets_its_way_and_its_keys_in_a_flood() {
    try_all(Kind::Browser);
}

#[test]
fn protected_packets_are_found_in_a_flood() {
    try_all(Kind::Secured);
}

#[test]
fn a_handshake_without_checks_comes_to_its_end_in_a_flood() {
    try_all(Kind::Handshake);
}
