//! Packets take nothing from the heap: plain, protected, translated, reports, on shared ports, on a way that
//! was checked. Endpoints take a bounded part of it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails shall panic"
)]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::time::Duration;

use common::browser::{Browser, certificate};
use common::secure::Cipher;
use common::{Exchange, PCMA, PCMU, Party, TELEPHONE_EVENT};
use fernamt_exchange::media::{Command, DtlsRole, Remote, Translation};
use fernamt_media::PlaneConfig;
use fernamt_sdp::CryptoSuite::{AeadAes128Gcm, AeadAes256Gcm, AesCm128HmacSha1_80};
use fernamt_sdp::FeedbackSet;

/// Packets in each direction that are watched.
const PACKETS: usize = 200;

/// Rounds of packets, of which one at least must take nothing where something is done with time: reports of
/// how far streams have come, checks of the way.
const ROUNDS: usize = 8;

/// Packets in a round that is watched, and before it.
const PACKETS_OF_ROUND: usize = 20;

static IS_WATCHING: AtomicBool = AtomicBool::new(false);
/// The thread that speaks and hears, and may take what it likes.
static SPEAKER: AtomicI32 = AtomicI32::new(0);
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
/// having started one, or the thread that speaks.
fn is_harness() -> bool {
    let thread = rustix::thread::gettid();
    let raw = thread.as_raw_nonzero().get();
    thread == rustix::process::getpid() || raw == SPEAKER.load(Ordering::Relaxed)
}

/// Has something pass again and again, while the media thread looks around every few milliseconds.
fn assert_takes_nothing(what: &str, mut pass: impl FnMut()) {
    let this = rustix::thread::gettid().as_raw_nonzero().get();
    SPEAKER.store(this, Ordering::SeqCst);
    let mut taken = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        // The first ones make the sources known.
        (0..PACKETS_OF_ROUND).for_each(|_| pass());
        IS_WATCHING.store(true, Ordering::SeqCst);
        (0..PACKETS_OF_ROUND).for_each(|_| pass());
        IS_WATCHING.store(false, Ordering::SeqCst);
        taken.push(ALLOCATIONS.swap(0, Ordering::SeqCst));
    }
    SPEAKER.store(0, Ordering::SeqCst);
    assert!(taken.contains(&0), "{what}: {taken:?}");
}

/// A plane that looks around often.
fn exchange() -> Exchange {
    Exchange::with(|config| PlaneConfig {
        tick: Duration::from_millis(5),
        packets_per_second: 100_000,
        certificate: Some(certificate()),
        ..config
    })
}

#[global_allocator]
static ALLOCATOR: Watching = Watching;

#[test]
fn a_relayed_packet_takes_nothing_from_the_heap() {
    let exchange = Exchange::with(|config| PlaneConfig {
        tick: Duration::from_secs(3_600),
        packets_per_second: 100_000,
        ..config
    });
    let mut of_a = Cipher::new(AesCm128HmacSha1_80, 1);
    let mut of_b = Cipher::new(AeadAes128Gcm, 5);
    let (mut a, mut b, at_a, at_b) = exchange.call();
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
fn reports_take_nothing_from_the_heap() {
    let exchange = exchange();
    for (is_protected, is_multiplexed) in [(false, false), (true, false), (true, true)] {
        let mut cipher = Cipher::new(AesCm128HmacSha1_80, 1);
        let (a, b, _, at_b) = exchange.call();
        if is_protected {
            let mut remote = cipher.remote(&b);
            if is_multiplexed {
                remote.rtcp = Some(remote.rtp);
            }
            exchange.set_remote(at_b, remote);
        }
        assert_takes_nothing("reports", || {
            a.send_rtcp(&a.report());
            let heard = match is_multiplexed {
                true => b.hear(),
                false => b.hear_rtcp(),
            };
            let sealed = match is_protected {
                true => {
                    assert_eq!(cipher.open_rtcp(heard), a.report());
                    cipher.seal_rtcp(&b.report())
                }
                false => b.report(),
            };
            match is_multiplexed {
                true => b.send(&sealed),
                false => b.send_rtcp(&sealed),
            }
            assert_eq!(a.hear_rtcp(), b.report());
        });
    }
}

#[test]
fn translated_packets_take_nothing_from_the_heap() {
    let exchange = exchange();
    let (mut a, b, at_a, _) = exchange.call();
    let translation = |from, to, event_clocks| Translation {
        from,
        to,
        event_clocks,
    };
    exchange.set_remote(
        at_a,
        Remote {
            translations: vec![
                translation(PCMA, PCMU, None),
                translation(TELEPHONE_EVENT, TELEPHONE_EVENT, Some((8_000, 16_000))),
            ],
            ..a.remote()
        },
    );
    assert_takes_nothing("translated", || {
        a.speak();
        assert_eq!(b.hear()[1], PCMU);
        let mut pressed = a.packet(TELEPHONE_EVENT);
        pressed.truncate(12);
        pressed.extend([1, 0x0a, 0, 160]);
        a.send(&pressed);
        assert_eq!(b.hear()[14..], [320_u16.to_be_bytes()[0], 64]);
    });
}

#[test]
fn streams_that_share_ports_take_nothing_from_the_heap() {
    let exchange = exchange();
    let (mut a, mut b, mut c) = (Party::new(10), Party::new(20), Party::new(21));
    let (carrier, _) = exchange.connect(&mut a, &mut b);
    let (rider, _) = exchange.open();
    exchange.plane.execute(Command::Bundle {
        carrier,
        riders: vec![rider],
    });
    let mut cipher = Cipher::new(AeadAes128Gcm, 3);
    for (endpoint, payload_type) in [(carrier, PCMA), (rider, PCMU)] {
        let payload_types = vec![payload_type];
        exchange.set_remote(
            endpoint,
            Remote {
                payload_types,
                ..cipher.remote(&a)
            },
        );
    }
    let at_c = exchange.face(&mut c);
    exchange.bridge(rider, at_c);
    let (voice, other) = (a.ssrc, a.ssrc + 1);
    assert_takes_nothing("shared ports", || {
        for (ssrc, payload_type, party) in [(voice, PCMA, &mut b), (other, PCMU, &mut c)] {
            a.ssrc = ssrc;
            let packet = a.packet(payload_type);
            a.send(&cipher.seal(&packet));
            assert_eq!(party.hear(), packet);
            let answer = party.packet(payload_type);
            party.send(&answer);
            assert_eq!(cipher.hear(&a), answer);
        }
    });
}

#[test]
fn packets_on_a_way_that_was_checked_take_nothing_from_the_heap() {
    for has_ice in [false, true] {
        let exchange = exchange();
        let mut browser = Browser::new(Party::new(10), DtlsRole::Client).with_dtls();
        if has_ice {
            browser = browser.with_ice(true);
        }
        let (at_browser, rtp) = exchange.open();
        browser.face(rtp);
        exchange.set_remote(at_browser, browser.remote());
        let mut phone = Party::new(20);
        let at_phone = exchange.face(&mut phone);
        exchange.bridge(at_browser, at_phone);
        browser.secure();
        assert_takes_nothing("settled", || {
            let said = browser.speak();
            assert_eq!(phone.hear(), said);
            let answered = phone.speak();
            assert_eq!(browser.hear_clear(), answered);
        });
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
