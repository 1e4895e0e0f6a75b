//! What the switch alone needs for a call and for a registration: runs them in memory and virtual
//! time. No network and no disk. For a profiler that counts instructions:
//!
//! ```text
//! cargo build --release -p fernamt-exchange --example call_cost
//! valgrind --tool=callgrind --toggle-collect='*Exchange*handle*' target/release/examples/call_cost 200
//! ```
#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "../tests/rig/mod.rs"]
mod rig;

use std::time::Duration;

use fernamt_exchange::config::Network;
use rig::{ANSWER, OFFER, Rig, two_phones};

fn main() {
    let calls: u32 = std::env::args()
        .nth(1)
        .and_then(|count| count.parse().ok())
        .unwrap_or(1_000);
    let mut config = rig::config();
    config.trusted_sources.push(Network {
        address: rig::ip("198.51.100.0"),
        bits: 24,
    });
    let mut rig = Rig::with(config);
    let (mut anna, bert) = two_phones(&mut rig);
    rig.thinking = Duration::ZERO;
    for _ in 0..calls {
        anna.register(&mut rig);
    }
    let registering = rig.thinking;
    rig.thinking = Duration::ZERO;
    for _ in 0..calls {
        let sent = anna.invite(&mut rig, "sip:bert@192.0.2.1", "", OFFER);
        let invite = bert.expect(&mut rig, "INVITE");
        bert.respond(&mut rig, &invite, "180 Ringing", "", "");
        bert.respond(&mut rig, &invite, "200 OK", "", ANSWER);
        bert.expect(&mut rig, "ACK");
        let answer = loop {
            let next = rig.next_for(&anna).unwrap();
            if next.starts_with("SIP/2.0 200") {
                break next;
            }
        };
        let mut talk = anna.talk_as_caller(&sent, &answer);
        let ack = anna.in_dialog(&mut talk, "ACK", "", "");
        anna.send(&mut rig, &ack);
        rig.pass(Duration::from_millis(100));
        let bye = anna.in_dialog(&mut talk, "BYE", "", "");
        anna.send(&mut rig, &bye);
        anna.expect(&mut rig, "SIP/2.0 200");
        let bye = bert.expect(&mut rig, "BYE");
        bert.respond(&mut rig, &bye, "200 OK", "", "");
        rig.wire.clear();
        rig.media.clear();
        rig.events.clear();
        rig.records.clear();
        rig.pass(Duration::from_millis(20));
    }
    println!(
        "microseconds per registration {:.1}, per call {:.1}",
        registering.as_secs_f64() * 1e6 / f64::from(calls),
        rig.thinking.as_secs_f64() * 1e6 / f64::from(calls)
    );
}
