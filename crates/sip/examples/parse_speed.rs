//! Measures how long it takes to read, check and answer an INVITE of 1 kB: run it with
//! `cargo run --release -p fernamt-sip --example parse_speed`.
#![allow(
    clippy::print_stdout,
    reason = "the figures are what this program is for"
)]

use std::hint::black_box;
use std::time::Instant;

use fernamt_sip::builder::ResponseBuilder;
use fernamt_sip::message::Message;
use fernamt_sip::validate::check_request;

const INVITE: &[u8] = include_bytes!("../tests/messages/invite-1k.sip");
const ROUNDS: u32 = 200_000;
const REPEATS: u32 = 7;

fn main() {
    println!(
        "INVITE of {} bytes, best of {REPEATS} runs of {ROUNDS}",
        INVITE.len()
    );
    measure("parse", || {
        let _ = black_box(Message::parse(black_box(INVITE)));
    });
    measure("parse, Via, From, To, Call-ID, CSeq", || {
        if let Ok(message) = Message::parse(black_box(INVITE)) {
            let _ = black_box((message.top_via(), message.from(), message.to()));
            let _ = black_box((message.call_id(), message.cseq()));
        }
    });
    measure("parse and validate", || {
        let _ = black_box(Message::parse(black_box(INVITE)).map(|message| check_request(&message)));
    });
    let mut out = Vec::new();
    measure("parse and write a 200", || {
        if let Ok(message) = Message::parse(black_box(INVITE)) {
            let source = Some(([198, 51, 100, 17], 5060).into());
            ResponseBuilder::for_request(&mut out, &message, 200, None, Some("4f2a"), source)
                .body("application/sdp", message.body());
            black_box(&out);
        }
    });
}

fn measure(what: &str, mut work: impl FnMut()) {
    let run = || {
        let start = Instant::now();
        (0..ROUNDS).for_each(|_| work());
        start.elapsed().as_nanos() / u128::from(ROUNDS)
    };
    let best = std::iter::repeat_with(run)
        .take(REPEATS as usize)
        .min()
        .unwrap_or_default();
    println!("{best:>6} ns  {what}");
}
