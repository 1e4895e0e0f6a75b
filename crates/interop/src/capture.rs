//! A listener on the wire: tcpdump takes down what passes on the loopback interface, and the payloads
//! of what looks like RTP are played as G.711. Beginnings of handshakes (DTLS) are counted. It has no keys.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use fernamt_codec::g711::Law;
use rustix::process::Signal;

use crate::lab::{Lab, skip};
use crate::process::Process;
use crate::sound::Recording;
use crate::wait::{SOON, until};

/// The program and its package.
pub const TCPDUMP: (&str, &str) = ("tcpdump", "tcpdump");

/// Of a file of tcpdump (pcap, draft-ietf-opsawg-pcap).
const FILE_HEADER_BYTES: usize = 24;
const RECORD_HEADER_BYTES: usize = 16;

/// Ethernet, as the loopback interface imitates it, IPv4 without options, and UDP.
const ETHERNET_BYTES: usize = 14;
const IP_BYTES: usize = 20;
const UDP_BYTES: usize = 8;

/// Of RTP (RFC 3550 section 5.1).
const RTP_BYTES: usize = 12;
const PCMU: u8 = 0;
const PCMA: u8 = 8;

/// A running listener.
#[derive(Debug)]
pub struct Listener {
    process: Process,
    file: PathBuf,
}

impl Listener {
    /// Listens to UDP packets on 127.0.0.1 from or to some ports. `None` where this user may not
    /// listen: the test is passed over then.
    ///
    /// # Panics
    /// When it does not start for another reason.
    #[track_caller]
    pub fn start(lab: &Lab, ports: &std::ops::RangeInclusive<u16>) -> Option<Listener> {
        let name = lab.unique("listener");
        let filter = format!("udp portrange {}-{}", ports.start(), ports.end());
        let mut command = Command::new(crate::lab::find(TCPDUMP.0)?);
        command
            .args([
                "-i",
                "lo",
                "-n",
                "-s",
                "0",
                "-U",
                "--immediate-mode",
                "-w",
                "-",
            ])
            .arg(filter);
        let mut process = Process::start(lab, &name, &mut command);
        let is_allowed = until("tcpdump to listen", SOON, || {
            let said = process.err();
            let ended = !process.is_running();
            (said.contains("listening on") || ended).then_some(!ended)
        });
        if !is_allowed {
            let said = process.err();
            assert!(said.contains("permi"), "tcpdump does not listen: {said}");
            skip(&format!(
                "nobody may listen on the wire here: {}",
                said.trim()
            ));
            return None;
        }
        let file = lab.path(&format!("{name}.out"));
        Some(Listener { process, file })
    }

    /// Stops listening; what was taken down.
    ///
    /// # Panics
    /// When tcpdump does not end.
    #[track_caller]
    pub fn stop(mut self) -> Capture {
        self.process.signal(Signal::INT);
        self.process.wait(SOON);
        let file = fs::read(&self.file).expect("the file of tcpdump can be read");
        Capture::of(&file)
    }
}

/// From where to where, and by which source (SSRC).
type Stream = (SocketAddr, SocketAddr, u32);

/// From where to where.
type Way = (SocketAddr, SocketAddr);

/// The packets that looked like RTP, by stream, and what else was seen.
#[derive(Debug, Default)]
pub struct Capture {
    streams: BTreeMap<Stream, Vec<Packet>>,
    hellos: BTreeMap<Way, usize>,
}

#[derive(Debug)]
struct Packet {
    payload_type: u8,
    payload: Vec<u8>,
}

impl Capture {
    fn of(file: &[u8]) -> Capture {
        let mut capture = Capture::default();
        let mut rest = file.get(FILE_HEADER_BYTES..).unwrap_or_default();
        while let Some((frame, after)) = record(rest) {
            rest = after;
            if let Some((stream, packet)) = rtp(frame) {
                capture.streams.entry(stream).or_default().push(packet);
            }
            if let Some(way) = first_hello(frame) {
                *capture.hellos.entry(way).or_default() += 1;
            }
        }
        capture
    }

    /// How many packets the longest stream has.
    pub fn longest(&self) -> usize {
        self.streams.values().map(Vec::len).max().unwrap_or(0)
    }

    /// How often each client of a handshake on the media path has said its first hello. More than once
    /// is a second of silence: nobody has answered the one before.
    pub fn first_hellos(&self) -> impl Iterator<Item = usize> {
        self.hellos.values().copied()
    }

    /// For how many seconds a listener hears this tone in the stream in which it is heard best,
    /// whichever of the two codecs of G.711 the packets say or are taken for.
    pub fn tone_seconds(&self, frequency_hz: u16) -> f64 {
        let laws = [Law::A, Law::Mu];
        let heard = self
            .streams
            .values()
            .flat_map(|packets| laws.map(|law| play(packets, law).tone_seconds(frequency_hz)));
        heard.fold(0.0, f64::max)
    }

    /// How many packets said that they are G.711.
    pub fn g711_packets(&self) -> usize {
        let packets = self.streams.values().flatten();
        packets
            .filter(|packet| [PCMU, PCMA].contains(&packet.payload_type))
            .count()
    }
}

/// The first packet of a file, and what comes behind it.
fn record(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = bytes.get(8..12)?.try_into().ok()?;
    let end = RECORD_HEADER_BYTES + u32::from_ne_bytes(length) as usize;
    Some((bytes.get(RECORD_HEADER_BYTES..end)?, &bytes[end..]))
}

/// Where a frame goes from and to, and what it carries.
fn udp(frame: &[u8]) -> Option<(Way, &[u8])> {
    let ip = frame.get(ETHERNET_BYTES..)?;
    let address = |at: usize, port: usize| {
        let octets: [u8; 4] = ip.get(at..at + 4)?.try_into().ok()?;
        let port = ip.get(IP_BYTES + port..IP_BYTES + port + 2)?;
        let port = u16::from_be_bytes(port.try_into().ok()?);
        Some(SocketAddr::from((octets, port)))
    };
    let way = (address(12, 0)?, address(16, 2)?);
    Some((way, ip.get(IP_BYTES + UDP_BYTES..)?))
}

/// Which way a ClientHello goes that begins a handshake: a record of a handshake in clear with a message of
/// type 1 and number 0 (RFC 6347 sections 4.1 and 4.2.2).
fn first_hello(frame: &[u8]) -> Option<Way> {
    let (way, datagram) = udp(frame)?;
    let is_clear = datagram.first() == Some(&22) && datagram.get(3..5)? == [0; 2];
    let is_first = datagram.get(13) == Some(&1) && datagram.get(17..19)? == [0; 2];
    (is_clear && is_first).then_some(way)
}

fn rtp(frame: &[u8]) -> Option<(Stream, Packet)> {
    let ((from, to), rtp) = udp(frame)?;
    let (first, second) = (*rtp.first()?, *rtp.get(1)?);
    let payload_type = second & 0x7f;
    // Version 2, and no RTCP (RFC 5761 section 4).
    if first >> 6 != 2 || (64..96).contains(&payload_type) {
        return None;
    }
    let source = u32::from_be_bytes(rtp.get(8..12)?.try_into().ok()?);
    let payload = rtp.get(RTP_BYTES + 4 * usize::from(first & 0x0f)..)?;
    let stream = (from, to, source);
    let payload = payload.to_vec();
    Some((
        stream,
        Packet {
            payload_type,
            payload,
        },
    ))
}

fn play(packets: &[Packet], law: Law) -> Recording {
    let octets = packets.iter().flat_map(|packet| &packet.payload);
    let samples = octets.map(|octet| law.decode_sample(*octet)).collect();
    Recording::new("what a listener on the wire hears", samples)
}
