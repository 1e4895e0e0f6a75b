//! How long it takes to read an INVITE of 1 kB, and how often that asks for memory:
//! `parse_invite [RUNS]` prints one line of JSON. Times are processor times of this thread, so that
//! other programs disturb them little.

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use fernamt_bench::figures::processor_time;
use fernamt_sip::message::Message;
use fernamt_sip::validate::check_request;

const INVITE: &[u8] = include_bytes!("../../../sip/tests/messages/invite-1k.sip");
const MESSAGES_PER_RUN: u32 = 100_000;
const DEFAULT_RUNS: usize = 9;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

/// The allocator of the system, with a count of what is asked of it.
struct Counting;

// SAFETY: every call goes to the system's allocator with the arguments unchanged; counting touches
// no memory that is handed out.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the promises of `GlobalAlloc::alloc`, which are the same here.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the memory came from `System.alloc` with this layout.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as above; the caller promises that `size` fits the layout.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() -> io::Result<()> {
    let runs = match std::env::args().nth(1).map(|text| text.parse()) {
        None => DEFAULT_RUNS,
        Some(Ok(runs @ 1..=1_000)) => runs,
        Some(_) => return Err(io::Error::other("usage: parse_invite [RUNS, 1 to 1000]")),
    };
    if !Message::parse(INVITE).is_ok_and(|message| check_request(&message).is_ok()) {
        return Err(io::Error::other(
            "the INVITE is refused; nothing to measure",
        ));
    }
    let parse = measure(runs, || {
        let _ = black_box(Message::parse(black_box(INVITE)));
    });
    let check = measure(runs, || {
        let _ = black_box(Message::parse(black_box(INVITE)).map(|message| check_request(&message)));
    });
    writeln!(
        io::stdout(),
        "{{\"bytes\":{},\"runs\":{runs},\"parse\":{parse},\"parse_and_check\":{check}}}",
        INVITE.len(),
    )
}

/// The time of each run in nanoseconds for one message, and its allocations, as JSON.
fn measure(runs: usize, mut work: impl FnMut()) -> String {
    let mut nanoseconds = Vec::with_capacity(runs);
    let allocated = ALLOCATIONS.load(Ordering::Relaxed);
    for _ in 0..runs {
        let before = processor_time();
        (0..MESSAGES_PER_RUN).for_each(|_| work());
        let used = (processor_time() - before).as_secs_f64();
        nanoseconds.push(1e9 * used / f64::from(MESSAGES_PER_RUN));
    }
    let allocated = ALLOCATIONS.load(Ordering::Relaxed) - allocated;
    let messages = runs as f64 * f64::from(MESSAGES_PER_RUN);
    format!(
        "{{\"ns\":{nanoseconds:.1?},\"allocations\":{}}}",
        allocated as f64 / messages
    )
}
