//! The transport of a phone that has nothing but RTP/AVP takes nothing from the heap.
#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(unsafe_code, reason = "an allocator can be counted in no other way")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use fernamt_sdp::{AnswerPolicy, CryptoSuite, Encryption, SessionDescription};
use fernamt_sdp::{Settled, TransportDescription};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call goes to the allocator of the system unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the promises of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the promises of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(work: impl FnOnce()) -> u64 {
    let before = ALLOCATIONS.with(Cell::get);
    work();
    ALLOCATIONS.with(Cell::get) - before
}

const OLD_PHONE: &[u8] =
    b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
    m=audio 4000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n\
    a=rtcp:4001\r\na=ptime:20\r\na=sendrecv\r\n";

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1)))), 1);
}

#[test]
fn the_transport_of_an_old_phone_allocates_nothing() {
    let policy = AnswerPolicy {
        encryption: Encryption::Offered,
        suites: &CryptoSuite::ALL,
        dtls: true,
        ice: true,
        rtcp_mux: true,
    };
    let description = SessionDescription::parse(OLD_PHONE).unwrap();
    let count = allocations(|| {
        let offer = TransportDescription::of(&description, 0).unwrap();
        let answer = offer.answer(&policy).unwrap();
        assert_eq!(answer.profile, offer.profile);
        assert!(Settled::new(&offer, &offer).is_ok());
        assert!(offer.rtcp.is_some());
    });
    assert_eq!(count, 0);
}
