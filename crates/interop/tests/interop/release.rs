//! What becomes of media when a call is over: both parties go on sending, and nobody hears anything.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use fernamt_interop::exchange::Exchange;
use fernamt_interop::lab::Lab;
use fernamt_interop::sipp::{self, SIPP, Sipp};
use fernamt_interop::wait::{SOON, until};

use crate::load::{LOAD_TIME, own_line, register};

/// The talk of the caller: long enough that both have heard enough on a busy machine.
const TALK: Duration = Duration::from_secs(5);

/// Packets that both must have heard while the call is up.
const HEARD: usize = 50;

/// How much longer than the talk a call may be on a busy machine, in seconds.
const UNHURRIED: f64 = 5.0;

/// How often each party sends, and for how long it goes on after the call.
const PACE: Duration = Duration::from_millis(10);
const AFTER: Duration = Duration::from_millis(500);

/// The media of a phone, which send whatever the signalling says.
struct Party {
    socket: UdpSocket,
    exchange: Option<SocketAddr>,
    sequence: u16,
    heard: usize,
}

impl Party {
    fn new() -> Party {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket can be made");
        socket
            .set_nonblocking(true)
            .expect("a socket need not block");
        Party {
            socket,
            exchange: None,
            sequence: 0,
            heard: 0,
        }
    }

    fn port(&self) -> u16 {
        let own = self.socket.local_addr();
        own.expect("a socket has an address").port()
    }

    /// Sends 20 ms of G.711 (RFC 3550 section 5.1), as soon as it knows where to.
    fn speak(&mut self) {
        let Some(exchange) = self.exchange else {
            return;
        };
        let mut packet = [0xd5; 172];
        packet[..12].fill(0);
        packet[..2].copy_from_slice(&[0x80, 8]);
        packet[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        packet[4..8].copy_from_slice(&(160 * u32::from(self.sequence)).to_be_bytes());
        packet[8..12].copy_from_slice(&u32::from(self.port()).to_be_bytes());
        self.sequence = self.sequence.wrapping_add(1);
        // Nobody may be listening any more.
        let _ = self.socket.send_to(&packet, exchange);
    }

    /// Takes all that has arrived, and learns from where.
    fn listen(&mut self) {
        let mut packet = [0; 2_048];
        while let Ok((_, from)) = self.socket.recv_from(&mut packet) {
            self.exchange.get_or_insert(from);
            self.heard += 1;
        }
    }
}

fn speak_and_listen(parties: &mut [Party; 2]) {
    parties.iter_mut().for_each(Party::speak);
    thread::sleep(PACE);
    parties.iter_mut().for_each(Party::listen);
}

/// The caller hangs up, and both parties go on sending.
fn nothing_passes_after_bye(callee: &'static str) {
    let Some(lab) = Lab::with(&[SIPP]) else {
        return;
    };
    let exchange = Exchange::start(&lab);
    exchange.import_devices("a", 1);
    exchange.import_devices("b", 1);
    let server = exchange.sip();
    let mut parties = [Party::new(), Party::new()];
    let setup = sipp::Setup {
        lines: vec![parties[1].port().to_string()],
        ..sipp::Setup::new(&lab, callee, server)
    };
    register(&lab, server, setup.own, "b", 1, "u1");
    let mut called = Sipp::start(&lab, callee, &setup);
    let setup = sipp::Setup {
        lines: vec![format!("{};b0;{}", own_line("a", 0), parties[0].port())],
        pause: TALK,
        ..sipp::Setup::new(&lab, "caller", server)
    };
    let mut caller = Sipp::start(&lab, "caller", &setup);
    let port = until("the answer", SOON, || {
        let log = caller.log();
        let line = log.lines().find(|line| line.contains("answered "))?;
        line.split_whitespace().last()?.parse::<u16>().ok()
    });
    parties[0].exchange = Some(SocketAddr::new(server.ip(), port));
    while caller.is_running() {
        speak_and_listen(&mut parties);
    }
    caller.finish_all(1, LOAD_TIME);
    let heard = [parties[0].heard, parties[1].heard];
    assert!(
        heard.iter().all(|heard| *heard >= HEARD),
        "they have not talked: {heard:?}"
    );
    // What was under way when the BYE was answered has arrived by now.
    parties.iter_mut().for_each(Party::listen);
    let before = [parties[0].heard, parties[1].heard];
    let end = Instant::now() + AFTER;
    while Instant::now() < end {
        speak_and_listen(&mut parties);
    }
    let after = [parties[0].heard, parties[1].heard];
    assert_eq!(before, after, "somebody hears something after the call");
    // Over for the bill, too: the talk has its length, however long they go on.
    let record = &exchange.wait_records(1)[0];
    assert_eq!((record.cause, record.released_by.as_str()), (16, "caller"));
    let talked = TALK.as_secs_f64();
    assert!((talked..talked + UNHURRIED).contains(&record.duration));
    called.kill();
    exchange.finish();
}

/// The fraud of 2018: the call is over for the bill, but both phones go on.
#[test]
fn bye_delay_not_one_packet_passes_after_the_release() {
    nothing_passes_after_bye("callee");
}

/// The other side never confirms the release.
#[test]
fn bye_drop_not_one_packet_passes_while_one_side_does_not_confirm_the_release() {
    nothing_passes_after_bye("deaf");
}
