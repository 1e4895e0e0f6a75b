//! What SRTP costs per packet of 20 ms of G.711 (172 bytes), suite by suite: `cargo run --release -p
//! fernamt-rtp --example srtp_cost`. Processor time of this thread, so that a busy machine matters less.
#![allow(clippy::print_stdout, reason = "a program that prints a table")]

use std::hint::black_box;

use fernamt_rtp::packet::Header;
use fernamt_rtp::srtp::{MAX_OVERHEAD_BYTES, MasterKey, Protector, Suite, Unprotector};

const PACKETS: u32 = 500_000;
const PAYLOAD: [u8; 160] = [0xd5; 160];

/// User time of the process so far, in ticks of 10 ms, as Linux tells it.
fn user_nanoseconds() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, fields) = text.rsplit_once(") ")?;
    let ticks: u64 = fields.split(' ').nth(11)?.parse().ok()?;
    Some(ticks * 10_000_000)
}

fn nanoseconds_per_packet(mut work: impl FnMut(u32)) -> Option<u64> {
    let before = user_nanoseconds()?;
    (0..PACKETS).for_each(&mut work);
    Some((user_nanoseconds()? - before) / u64::from(PACKETS))
}

fn write(number: u32, buffer: &mut [u8]) -> usize {
    let header = Header {
        sequence: number as u16,
        ssrc: 1,
        ..Header::default()
    };
    header.write(&PAYLOAD, buffer).unwrap_or_default()
}

fn measure(suite: Suite) -> Option<(u64, u64)> {
    let master = MasterKey::new(suite, &vec![1; suite.inline_bytes()]).ok()?;
    let mut buffer = [0; 12 + PAYLOAD.len() + MAX_OVERHEAD_BYTES];
    let mut sender = Protector::new(&master);
    let protect = nanoseconds_per_packet(|number| {
        let length = write(number, &mut buffer);
        black_box(sender.protect_rtp(&mut buffer, length)).ok();
    })?;
    let (mut sender, mut receiver) = (Protector::new(&master), Unprotector::new(&master));
    let mut let_in = 0;
    let both = nanoseconds_per_packet(|number| {
        let length = write(number, &mut buffer);
        let protected = sender.protect_rtp(&mut buffer, length).unwrap_or_default();
        let datagram = buffer.get_mut(..protected).unwrap_or_default();
        let_in += u32::from(receiver.unprotect_rtp(datagram) == Ok(length));
    })?;
    (let_in == PACKETS).then_some((protect, both.saturating_sub(protect)))
}

fn main() {
    println!(
        "{:26} {:>10} {:>12}",
        "ns per packet", "protect", "unprotect"
    );
    for suite in Suite::ALL {
        match measure(suite) {
            Some((protect, unprotect)) => {
                println!("{:26} {protect:>10} {unprotect:>12}", suite.name());
            }
            None => println!("{:26} not measured", suite.name()),
        }
    }
    println!(
        "bytes: Protector {}, Unprotector {}",
        size_of::<Protector>(),
        size_of::<Unprotector>()
    );
}
