//! Calls that talk through a relay: `rtp_load CALLS.txt SECONDS [WARM_SECONDS]`. Both parties of each
//! call send 50 packets of 172 bytes a second (G.711), from and to 127.0.0.1, protected where the list
//! has keys. After warming up it prints `START`, after the time `STOP`, and then one line of JSON:
//! packets sent and received, latency, its own processor time. It measures no relay; who started it
//! looks at the relay meanwhile.
#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::net::{Ipv4Addr, UdpSocket};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use fernamt_bench::calls;
use fernamt_bench::figures::{percentile, processor_time};
use fernamt_rtp::srtp::{Protector, Unprotector};
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;

/// The header of RTP and 20 ms of G.711.
const PACKET_BYTES: usize = 172;
const HEADER_BYTES: usize = 12;
/// Room for what protection adds, and for a packet that is longer than it should be.
const BUFFER_BYTES: usize = 256;
const SAMPLES: u32 = 160;
/// A party's turn comes every 20 ms; the parties are spread over so many slots of it.
const SLOTS: usize = 20;
const SLOT: Duration = Duration::from_millis(1);
const EVENTS_AT_ONCE: usize = 256;
/// After the end, packets that are still under way may arrive.
const SETTLE: Duration = Duration::from_millis(300);

fn main() -> io::Result<()> {
    let usage = || io::Error::other("usage: rtp_load CALLS.txt SECONDS [WARM_SECONDS]");
    let mut arguments = std::env::args().skip(1);
    let list = arguments.next().map(PathBuf::from).ok_or_else(usage)?;
    let seconds: f64 = number(arguments.next()).ok_or_else(usage)?;
    let warm = match arguments.next() {
        Some(text) => number(Some(text)).ok_or_else(usage)?,
        None => 1.0,
    };
    let mut load = Load::open(&list)?;
    load.talk(Duration::from_secs_f64(warm))?;
    load.listen_until(Instant::now() + SETTLE)?;
    load.forget();
    let before = processor_time();
    writeln!(io::stdout(), "START")?;
    load.talk(Duration::from_secs_f64(seconds))?;
    let used = processor_time() - before;
    writeln!(io::stdout(), "STOP")?;
    load.listen_until(Instant::now() + SETTLE)?;
    load.report(seconds, used)
}

fn number(text: Option<String>) -> Option<f64> {
    text?
        .parse()
        .ok()
        .filter(|seconds| (0.0..=3_600.0).contains(seconds))
}

/// One party of a call.
struct Party {
    socket: UdpSocket,
    protection: Option<(Protector, Unprotector)>,
    source: u32,
    sequence: u16,
    timestamp: u32,
    received: u64,
}

struct Load {
    begin: Instant,
    poll: OwnedFd,
    parties: Vec<Party>,
    sent: u64,
    unsent: u64,
    latencies_us: Vec<u64>,
}

impl Load {
    fn open(list: &std::path::Path) -> io::Result<Load> {
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut parties = Vec::new();
        for call in calls::read(list)? {
            for side in [&call.a, &call.b] {
                let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, side.local))?;
                socket.connect((Ipv4Addr::LOCALHOST, side.relay))?;
                socket.set_nonblocking(true)?;
                let data = epoll::EventData::new_u64(parties.len() as u64);
                epoll::add(&poll, &socket, data, epoll::EventFlags::IN)?;
                let protection = side.keys.as_ref().map(|keys| {
                    (
                        Protector::new(&keys.sends),
                        Unprotector::new(&keys.receives),
                    )
                });
                parties.push(Party {
                    socket,
                    protection,
                    source: 0x0001_0000 + u32::from(side.local),
                    sequence: 0,
                    timestamp: 0,
                    received: 0,
                });
            }
        }
        Ok(Load {
            begin: Instant::now(),
            poll,
            parties,
            sent: 0,
            unsent: 0,
            latencies_us: Vec::new(),
        })
    }

    /// Sends in every slot what is due, and listens between slots.
    fn talk(&mut self, time: Duration) -> io::Result<()> {
        let begin = Instant::now();
        let slots = time.as_millis() / SLOT.as_millis();
        for slot in 0..u32::try_from(slots).unwrap_or(u32::MAX) {
            self.listen_until(begin + SLOT * slot)?;
            self.send_slot(slot as usize % SLOTS);
        }
        self.listen_until(begin + time)
    }

    fn send_slot(&mut self, slot: usize) {
        for party in self.parties.iter_mut().skip(slot).step_by(SLOTS) {
            let now = self.begin.elapsed().as_micros() as u64;
            match party.send(now) {
                Some(()) => self.sent += 1,
                None => self.unsent += 1,
            }
        }
    }

    /// Receives until a moment; at least once, so that a late sender does not go deaf.
    fn listen_until(&mut self, end: Instant) -> io::Result<()> {
        let mut events = Vec::with_capacity(EVENTS_AT_ONCE);
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
            events.clear();
            epoll::wait(&self.poll, spare_capacity(&mut events), Some(&timeout))?;
            for event in &events {
                self.receive(event.data.u64() as usize);
            }
            if left.is_zero() {
                return Ok(());
            }
        }
    }

    fn receive(&mut self, party: usize) {
        let Some(party) = self.parties.get_mut(party) else {
            return;
        };
        let mut datagram = [0; BUFFER_BYTES];
        while let Ok(length) = party.socket.recv(&mut datagram) {
            let now = self.begin.elapsed().as_micros() as u64;
            let datagram = datagram.get_mut(..length).unwrap_or_default();
            if let Some(sent) = party.open(datagram) {
                party.received += 1;
                self.latencies_us.push(now.saturating_sub(sent));
            }
        }
    }

    /// What the warming up counted is not part of the figures.
    fn forget(&mut self) {
        self.sent = 0;
        self.unsent = 0;
        self.latencies_us.clear();
        for party in &mut self.parties {
            party.received = 0;
        }
    }

    fn report(&mut self, seconds: f64, used: Duration) -> io::Result<()> {
        let received: u64 = self.parties.iter().map(|party| party.received).sum();
        let silent = self.parties.iter().filter(|party| party.received == 0);
        let silent = silent.count();
        let [p50, p90, p99, p999, most] = [500, 900, 990, 999, 1_000]
            .map(|per_mille| percentile(&mut self.latencies_us, per_mille).unwrap_or(0));
        writeln!(
            io::stdout(),
            "{{\"calls\":{},\"seconds\":{seconds},\"sent\":{},\"received\":{received},\
             \"unsent\":{},\"silent_parties\":{silent},\"load_cpu_seconds\":{:.4},\
             \"latency_us\":{{\"p50\":{p50},\"p90\":{p90},\"p99\":{p99},\"p99.9\":{p999},\"max\":{most}}}}}",
            self.parties.len() / 2,
            self.sent,
            self.unsent,
            used.as_secs_f64(),
        )
    }
}

impl Party {
    /// Sends the next packet; `None` when it could not.
    fn send(&mut self, now_us: u64) -> Option<()> {
        let mut buffer = [0; BUFFER_BYTES];
        let packet = self.next_packet(now_us);
        buffer.get_mut(..PACKET_BYTES)?.copy_from_slice(&packet);
        let length = match &mut self.protection {
            Some((protector, _)) => protector.protect_rtp(&mut buffer, PACKET_BYTES).ok()?,
            None => PACKET_BYTES,
        };
        let sent = self.socket.send(buffer.get(..length)?).ok()?;
        (sent == length).then_some(())
    }

    /// When a packet was sent; `None` when it is not one of the other party.
    fn open(&mut self, datagram: &mut [u8]) -> Option<u64> {
        let length = match &mut self.protection {
            Some((_, unprotector)) => unprotector.unprotect_rtp(datagram).ok()?,
            None => datagram.len(),
        };
        let time = datagram.get(HEADER_BYTES..HEADER_BYTES + 8)?;
        (length == PACKET_BYTES)
            .then_some(time)
            .and_then(|time| time.try_into().ok())
            .map(u64::from_be_bytes)
    }

    /// A packet of RTP (RFC 3550 section 5.1), payload type 0, with the time of sending in front of
    /// the silence.
    fn next_packet(&mut self, now_us: u64) -> [u8; PACKET_BYTES] {
        let mut packet = [0xff; PACKET_BYTES];
        let fields = [0x80, 0]
            .into_iter()
            .chain(self.sequence.to_be_bytes())
            .chain(self.timestamp.to_be_bytes())
            .chain(self.source.to_be_bytes())
            .chain(now_us.to_be_bytes());
        for (place, byte) in packet.iter_mut().zip(fields) {
            *place = byte;
        }
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(SAMPLES);
        packet
    }
}
