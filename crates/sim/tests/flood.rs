//! A flood leaves the exchange small and working (flood_memory, CVE-2021-41145).

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use fernamt_sim::flood::{Flood, Held, MAX_CALLS, Wave};

thread_local! {
    static IN_USE: Cell<isize> = const { Cell::new(0) };
}

/// Counts the bytes that this thread holds.
struct Counting;

fn count(bytes: isize) {
    // A thread that is ending has no counter any more.
    let _ = IN_USE.try_with(|in_use| in_use.set(in_use.get() + bytes));
}

// SAFETY: everything is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller keeps the rules.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller keeps the rules.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn in_use() -> isize {
    IN_USE.with(Cell::get)
}

/// The tables of the guard, 500 calls of 20 KiB, 10,000 texts that nobody takes, and what
/// transactions keep for half a minute.
const MOST_BYTES: isize = 48 << 20;

#[test]
fn flood_memory() {
    let mut flood = Flood::new(1);
    let begin = in_use();
    for wave in Wave::ALL {
        let most = flood.wave(wave, 20_000, Duration::from_micros(500));
        let bytes = in_use() - begin;
        assert!(most.calls <= MAX_CALLS, "{wave:?}: {most:?}");
        assert!(most.endpoints <= 2 * MAX_CALLS, "{wave:?}: {most:?}");
        assert!(
            bytes < MOST_BYTES,
            "{wave:?} leaves {bytes} bytes in use: {most:?}"
        );
        assert!(flood.works(), "{wave:?} keeps others from registering");
    }
    let bytes = in_use() - begin;
    for wave in Wave::ALL {
        flood.wave(wave, 20_000, Duration::from_micros(500));
    }
    let more = in_use() - begin - bytes;
    assert!(
        more < 1 << 20,
        "another flood takes {more} bytes more than the first"
    );
    flood.pass(Duration::from_secs(600));
    assert_eq!(flood.held(), Held::default());
    let bytes = in_use() - begin;
    assert!(bytes < MOST_BYTES / 2, "{bytes} bytes are still in use");
}

#[test]
fn what_cannot_be_answered_is_not() {
    let mut flood = Flood::new(2);
    let before = flood.answers();
    flood.wave(Wave::Stray, 5_000, Duration::from_micros(500));
    let answers = flood.answers() - before;
    // Stray responses and ACKs must not make the exchange send anything: it would be a reflector.
    assert_eq!(answers, 0);
    let before = flood.answers();
    flood.wave(Wave::Malformed, 5_000, Duration::from_micros(500));
    assert!(flood.answers() - before <= 5_000);
}
