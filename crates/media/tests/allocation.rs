//! Packets take nothing from the heap: plain, protected on one side, protected on both. Endpoints take a
//! bounded part of it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails shall panic"
)]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use common::secure::Cipher;
use common::{Exchange, Party};
use fernamt_exchange::media::{Command, Remote};
use fernamt_media::PlaneConfig;
use fernamt_sdp::CryptoSuite::{AeadAes128Gcm, AeadAes256Gcm, AesCm128HmacSha1_80};
use fernamt_sdp::FeedbackSet;

/// Packets in each direction that are watched.
const PACKETS: usize = 200;

static IS_WATCHING: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static LIVE_BYTES: AtomicU64 = AtomicU64::new(0);

struct Watching;

// SAFETY: every call goes to the system allocator as it is.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if IS_WATCHING.load(Ordering::Relaxed) && !is_harness() {
            ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        }
        LIVE_BYTES.fetch_add(layout.size() as u64, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE_BYTES.fetch_sub(layout.size() as u64, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Whether this is the first thread of the process, which runs no test and may still be busy with
/// having started one.
fn is_harness() -> bool {
    rustix::thread::gettid() == rustix::process::getpid()
}

#[global_allocator]
static ALLOCATOR: Watching = Watching;

#[test]
fn a_relayed_packet_takes_nothing_from_the_heap() {
    let exchange = Exchange::with(|config| PlaneConfig {
        tick: std::time::Duration::from_secs(3_600),
        packets_per_second: 100_000,
        ..config
    });
    let mut of_a = Cipher::new(AesCm128HmacSha1_80, 1);
    let mut of_b = Cipher::new(AeadAes128Gcm, 5);
    let (mut a, mut b) = (Party::new(10), Party::new(20));
    let (at_a, at_b) = exchange.connect(&mut a, &mut b);
    let feedback = FeedbackSet::EVERY;
    exchange.set_remote(
        at_b,
        Remote {
            feedback,
            ..b.remote()
        },
    );
    for (a_is_protected, b_is_protected) in [(false, false), (true, false), (true, true)] {
        if a_is_protected {
            exchange.set_remote(at_a, of_a.remote(&a));
        }
        if b_is_protected {
            let remote = of_b.remote(&b);
            exchange.set_remote(at_b, Remote { feedback, ..remote });
        }
        // All packets are made before, so that this thread needs nothing either.
        let packets = |party: &mut Party, cipher: &mut Cipher, is_protected: bool| {
            let packets = (0..PACKETS).map(|_| party.packet(8));
            let sealed = packets.map(|packet| match is_protected {
                true => cipher.seal(&packet),
                false => packet,
            });
            sealed.collect::<Vec<Vec<u8>>>()
        };
        // Feedback with no report before it, so that it gets one.
        let losses: Vec<Vec<u8>> = (0..PACKETS)
            .map(|_| {
                let loss = [0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2];
                match a_is_protected {
                    true => of_a.seal_rtcp(&loss),
                    false => loss.to_vec(),
                }
            })
            .collect();
        let said = packets(&mut a, &mut of_a, a_is_protected);
        let answered = packets(&mut b, &mut of_b, b_is_protected);
        let mut room = [0; 2_048];
        let (to_a, to_b) = (a.relay.unwrap(), b.relay.unwrap());
        let rtcp_to_a = std::net::SocketAddr::new(to_a.ip(), to_a.port() + 1);
        for number in 0..PACKETS {
            // The first ones make the sources known.
            if number == 5 {
                IS_WATCHING.store(true, Ordering::SeqCst);
            }
            a.rtp.send_to(&said[number], to_a).unwrap();
            b.rtp.recv_from(&mut room).unwrap();
            a.rtcp.send_to(&losses[number], rtcp_to_a).unwrap();
            b.rtcp.recv_from(&mut room).unwrap();
            b.rtp.send_to(&answered[number], to_b).unwrap();
            a.rtp.recv_from(&mut room).unwrap();
        }
        IS_WATCHING.store(false, Ordering::SeqCst);
        let allocations = ALLOCATIONS.swap(0, Ordering::SeqCst);
        assert_eq!(allocations, 0, "{a_is_protected} {b_is_protected}");
    }
}

#[test]
fn a_protected_stream_takes_less_than_eight_kibibytes() {
    const STREAMS: u64 = 100;
    for suite in [AesCm128HmacSha1_80, AeadAes128Gcm, AeadAes256Gcm] {
        let exchange = Exchange::start();
        // What the first one takes is there for all.
        let mut party = Party::new(10);
        let mut cipher = Cipher::new(suite, 1);
        let (mut endpoints, remote) = (Vec::with_capacity(STREAMS as usize), cipher.remote(&party));
        exchange.close(exchange.open().0);
        let before = LIVE_BYTES.load(Ordering::SeqCst);
        for _ in 0..STREAMS {
            let (endpoint, rtp) = exchange.open();
            exchange.set_remote(endpoint, remote.clone());
            exchange.plane.execute(Command::Echo { endpoint });
            party.relay = Some(rtp);
            cipher = Cipher::new(suite, 1);
            cipher.speak(&mut party);
            cipher.hear(&party);
            endpoints.push(endpoint);
        }
        let taken = LIVE_BYTES.load(Ordering::SeqCst) - before;
        println!("{suite:?}: {} bytes", taken / STREAMS);
        assert!(
            taken / STREAMS <= 8 * 1_024,
            "{suite:?}: {}",
            taken / STREAMS
        );
    }
}
