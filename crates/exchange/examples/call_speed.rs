//! How long the exchange itself thinks about one call (INVITE with digest to BYE) and about one
//! registration, without sockets: `cargo run --release -p fernamt-exchange --example call_speed`.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

#[path = "../tests/rig/mod.rs"]
mod rig;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use fernamt_exchange::config::{Config, Network};
use rig::{ANSWER, OFFER, Rig, two_phones};

/// How many of each, unless the first argument says so.
const CALLS: u32 = 20_000;

fn main() {
    let calls = std::env::args()
        .nth(1)
        .and_then(|count| count.parse().ok())
        .unwrap_or(CALLS);
    let everybody = Network {
        address: IpAddr::from([0, 0, 0, 0]),
        bits: 0,
    };
    let mut rig = Rig::with(Config {
        trusted_sources: vec![everybody],
        ..rig::config()
    });
    let (mut anna, bert) = two_phones(&mut rig);
    let begin = Instant::now();
    rig.thinking = Duration::ZERO;
    for _ in 0..calls {
        let sent = anna.invite(&mut rig, "sip:bert@192.0.2.1", "", OFFER);
        let invite = bert.expect(&mut rig, "INVITE");
        bert.respond(&mut rig, &invite, "180 Ringing", "", "");
        anna.expect(&mut rig, "SIP/2.0 180");
        bert.respond(&mut rig, &invite, "200 OK", "", ANSWER);
        bert.expect(&mut rig, "ACK");
        let answer = anna.expect(&mut rig, "SIP/2.0 200");
        let mut talk = anna.talk_as_caller(&sent, &answer);
        let ack = anna.in_dialog(&mut talk, "ACK", "", "");
        anna.send(&mut rig, &ack);
        let bye = anna.in_dialog(&mut talk, "BYE", "", "");
        anna.send(&mut rig, &bye);
        anna.expect(&mut rig, "SIP/2.0 200");
        let bye = bert.expect(&mut rig, "BYE");
        bert.respond(&mut rig, &bye, "200 OK", "", "");
        rig.records.clear();
        rig.media.clear();
        rig.events.clear();
        rig.pass(Duration::from_millis(2));
    }
    let of_call = rig.thinking / calls;
    rig.thinking = Duration::ZERO;
    for _ in 0..calls {
        anna.register(&mut rig);
        rig.location.drain_changes();
        rig.pass(Duration::from_millis(2));
    }
    println!(
        "{of_call:?} a call, {:?} a registration ({:?} in all)",
        rig.thinking / calls,
        begin.elapsed()
    );
}
