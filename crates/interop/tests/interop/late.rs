//! Callers that make no offer, and phones that say nothing of the sources of their media.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use fernamt_interop::baresip::{BARESIP, Baresip};
use fernamt_interop::browser::{Browser, lab_with};
use fernamt_interop::exchange::Exchange;
use fernamt_interop::lab::Lab;
use fernamt_interop::sipp::{self, SIPP, Sipp};
use fernamt_interop::sound::HEARD_SECONDS;

use crate::load::{LOAD_TIME, own_line, register};

/// The talk: long enough to be heard on a busy machine.
const TALK: Duration = Duration::from_secs(8);

/// The media of a phone that says what it hears, from a source of its own.
struct Parrot {
    port: u16,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Parrot {
    fn start() -> Parrot {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket can be made");
        let port = socket.local_addr().expect("a socket has an address").port();
        let patience = Some(Duration::from_millis(50));
        socket
            .set_read_timeout(patience)
            .expect("a socket can wait");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut packet = [0; 2_048];
            while !stopped.load(Ordering::Relaxed) {
                if let Ok((length @ 12.., from)) = socket.recv_from(&mut packet) {
                    packet[8..12].iter_mut().for_each(|byte| *byte ^= 0x5a);
                    let _ = socket.send_to(&packet[..length], from);
                }
            }
        });
        Parrot { port, stop, thread }
    }

    fn finish(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the parrot has not failed");
    }
}

/// The caller answers in its ACK what it is offered in the 200.
#[test]
fn a_caller_without_an_offer_talks_with_a_baresip() {
    let Some(lab) = Lab::with(&[SIPP, BARESIP]) else {
        return;
    };
    let exchange = Exchange::start(&lab);
    exchange.import_devices("a", 1);
    let bert = exchange.add_device("bert");
    let mut baresip = Baresip::start(&lab, &bert, exchange.sip(), 440);
    let parrot = Parrot::start();
    let setup = sipp::Setup {
        lines: vec![format!("{};bert;{}", own_line("a", 0), parrot.port)],
        pause: TALK,
        ..sipp::Setup::new(&lab, "late", exchange.sip())
    };
    Sipp::run(&lab, "late", &setup, LOAD_TIME);
    baresip.wait_event("CALL_CLOSED");
    let record = &exchange.wait_records(1)[0];
    assert_eq!((record.cause, record.released_by.as_str()), (16, "caller"));
    assert_eq!(record.codec.as_deref(), Some("PCMA/8000"));
    baresip.quit_and(|heard| heard.assert_tone(440, HEARD_SECONDS));
    parrot.finish();
    exchange.finish();
}

/// The browser makes the offer, and hears what comes from a phone that names no source.
#[test]
fn a_caller_without_an_offer_talks_with_a_browser() {
    let Some(lab) = lab_with(&[SIPP]) else { return };
    let exchange = Exchange::start(&lab);
    exchange.import_devices("a", 1);
    let wanda = exchange.add_device("wanda");
    let browser = Browser::start(&lab, 1_000, Some(&exchange));
    let page = browser.open();
    page.register(&exchange, &wanda);
    let parrot = Parrot::start();
    let setup = sipp::Setup {
        lines: vec![format!("{};wanda;{}", own_line("a", 0), parrot.port)],
        pause: TALK,
        ..sipp::Setup::new(&lab, "late", exchange.sip())
    };
    let mut caller = Sipp::start(&lab, "late", &setup);
    page.wait_for_tone(1_000, HEARD_SECONDS);
    caller.finish_all(1, LOAD_TIME);
    page.wait_for("ended");
    assert_eq!(exchange.wait_records(1)[0].cause, 16);
    parrot.finish();
    browser.quit();
    exchange.finish();
}

/// Chromium gives a packet to the stream whose tag it has, once the tag is agreed on.
#[test]
fn a_browser_hears_a_phone_that_names_no_source() {
    let Some(lab) = lab_with(&[SIPP]) else { return };
    let exchange = Exchange::start(&lab);
    exchange.import_devices("b", 1);
    let wanda = exchange.add_device("wanda");
    let parrot = Parrot::start();
    let setup = sipp::Setup {
        lines: vec![parrot.port.to_string()],
        ..sipp::Setup::new(&lab, "callee", exchange.sip())
    };
    register(&lab, exchange.sip(), setup.own, "b", 1, "u1");
    let mut called = Sipp::start(&lab, "callee", &setup);
    let browser = Browser::start(&lab, 1_000, Some(&exchange));
    let page = browser.open();
    page.register(&exchange, &wanda);
    page.call("b0", false);
    page.wait_for("confirmed");
    page.wait_for_tone(1_000, HEARD_SECONDS);
    page.hang_up();
    called.finish_all(1, LOAD_TIME);
    assert_eq!(exchange.wait_records(1)[0].cause, 16);
    parrot.finish();
    browser.quit();
    exchange.finish();
}
