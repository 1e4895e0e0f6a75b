//! What a registration costs in memory, counted where memory is handed out.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use fernamt_exchange::registrar::{Binding, ContactChange, Location, RegisterChange};
use fernamt_sip::time::UnixTime;
use fernamt_sip::transport::{ConnectionId, Transport};

thread_local! {
    static IN_USE: Cell<isize> = const { Cell::new(0) };
}

/// Counts what this thread holds, as the allocator of most systems rounds it: to 16 bytes, with 8 of
/// its own.
struct Counting;

fn count(bytes: isize) {
    // A thread that is ending has no counter any more.
    let _ = IN_USE.try_with(|in_use| in_use.set(in_use.get() + bytes));
}

fn real_size(layout: Layout) -> isize {
    ((layout.size() + 8).next_multiple_of(16).max(32)) as isize
}

// SAFETY: everything is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(real_size(layout));
        // SAFETY: the caller keeps the rules.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-real_size(layout));
        // SAFETY: the caller keeps the rules.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A TLS phone with everything that phones send.
fn change(number: u64) -> RegisterChange {
    let binding = Binding {
        contact: format!(
            "sip:user{number:06}-0x55d2c8a1@192.168.178.{}:5061;transport=tls;ob",
            number % 250
        )
        .into(),
        q: 1000,
        expires: UnixTime::default(),
        call_id: format!("{number:016x}b3f2a1c49d8e@192.168.178.23").into(),
        cseq: 20_411,
        instance: Some(format!("urn:uuid:3b9e7b4a-5a1f-4c3e-9d7e-{number:012x}").into()),
        reg_id: 1,
        path: Vec::new(),
        user_agent: Some("baresip v3.16.0 (x86_64/Linux)".into()),
        transport: Transport::Tls,
        local: ([192, 0, 2, 1], 5061).into(),
        received: ([203, 0, 113, 77], 49_152).into(),
        ice: true,
        connection: Some(ConnectionId(number)),
        nat: Default::default(),
    };
    RegisterChange::Update(vec![ContactChange {
        binding,
        lasts: Duration::from_secs(3600),
    }])
}

#[test]
fn a_binding_takes_less_than_a_kilobyte() {
    const DEVICES: u64 = 100_000;
    let start = UnixTime::from_micros(1_790_000_000_000_000);
    let before = IN_USE.get();
    let mut location = Location::default();
    for number in 0..DEVICES {
        let now = start + Duration::from_millis(number);
        location
            .apply(now, &format!("user{number:06}"), change(number))
            .unwrap();
    }
    location.drain_changes();
    let each = (IN_USE.get() - before) / DEVICES as isize;
    println!("{each} bytes per binding");
    assert!(each <= 1024, "{each} bytes per binding");
}
