//! The voice that comes in: packets to frames of 20 ms, and what is counted on the way. No socket.

use std::net::{IpAddr, SocketAddr};

use fernamt_codec::Frame;
use fernamt_rtp::Packet;
use fernamt_rtp::event::Event;
use fernamt_rtp::playout::{Delay, MAX_PACKET_SAMPLES, Played, Playout};
use fernamt_rtp::statistics::{Arrival, Receiver};
use fernamt_sip::time::Time;

use super::plan::{MediaPlan, Voice};

/// Delay of the jitter buffer in frames: at first, and at most.
const DELAY: Delay = Delay::Adaptive(2, 10);

/// Keys that are kept.
const MAX_KEYS: usize = 256;

/// One received stream.
#[derive(Debug)]
pub(super) struct Incoming {
    /// The address that is listened to, once a packet has come; nobody else gets in
    /// (`rtp_inject` in the list of security cases).
    latched: Option<SocketAddr>,
    ssrc: Option<u32>,
    statistics: Receiver,
    playout: Playout,
    dropped: u64,
    /// The timestamp of the event that is being reported, so that its repetitions count once.
    event: Option<u32>,
    keys: String,
}

impl Incoming {
    /// Nothing heard yet.
    pub(super) fn new() -> Incoming {
        Incoming {
            latched: None,
            ssrc: None,
            statistics: Receiver::new(fernamt_codec::SAMPLE_RATE_HZ),
            playout: Playout::new(DELAY),
            dropped: 0,
            event: None,
            keys: String::new(),
        }
    }

    /// The other side receives elsewhere now, and may send from elsewhere.
    pub(super) fn unlatch(&mut self) {
        self.latched = None;
    }

    /// Takes a packet; gives the key that was pressed with it, if any. `from` is
    /// [welcome](Incoming::admits).
    pub(super) fn packet(
        &mut self,
        now: Time,
        from: SocketAddr,
        bytes: &[u8],
        plan: &MediaPlan,
    ) -> Option<char> {
        let packet = Packet::parse(bytes)
            .ok()
            .filter(|packet| is_agreed(packet.header.payload_type, plan));
        let Some(packet) = packet else {
            self.dropped += 1;
            return None;
        };
        self.latched = Some(from);
        let header = packet.header;
        if self.ssrc != Some(header.ssrc) {
            // A new source has its own sequence numbers and time.
            if self.ssrc.is_some() {
                self.playout = Playout::new(DELAY);
            }
            self.ssrc = Some(header.ssrc);
        }
        let arrival = self
            .statistics
            .packet(header.sequence, header.timestamp, now.as_micros());
        if matches!(arrival, Arrival::Duplicate | Arrival::Outlier) {
            return None;
        }
        if plan
            .telephone_event
            .is_some_and(|event| event.receive == header.payload_type)
        {
            return self.key(header.timestamp, packet.payload);
        }
        let voice = plan
            .accepted
            .iter()
            .find(|(number, _)| *number == header.payload_type)?
            .1;
        self.voice(voice, &packet);
        None
    }

    /// Whether packets from there are listened to; counts one that is not.
    ///
    /// `signalling` is where the signalling comes from: a phone behind a NAT writes an address into
    /// its description that its packets do not come from.
    pub(super) fn admits(
        &mut self,
        from: SocketAddr,
        plan: &MediaPlan,
        signalling: IpAddr,
    ) -> bool {
        let is_welcome = match self.latched {
            Some(latched) => latched == from,
            None => from.ip() == plan.remote.ip() || from.ip() == signalling,
        };
        self.dropped += u64::from(!is_welcome);
        is_welcome
    }

    fn voice(&mut self, voice: Voice, packet: &Packet<'_>) {
        let mut samples = [0; MAX_PACKET_SAMPLES];
        let count = voice.law().decode(packet.payload, &mut samples);
        let samples = samples.get(..count).unwrap_or(&[]);
        let header = packet.header;
        self.playout
            .insert(header.timestamp, header.marker, samples);
    }

    /// RFC 4733 section 2.5: one key is reported by many packets of one timestamp.
    fn key(&mut self, timestamp: u32, payload: &[u8]) -> Option<char> {
        let key = Event::parse(payload)?.key()?;
        if self.event == Some(timestamp) {
            return None;
        }
        self.event = Some(timestamp);
        if self.keys.len() < MAX_KEYS {
            self.keys.push(key);
        }
        Some(key)
    }

    /// The next 20 ms.
    pub(super) fn pull(&mut self, frame: &mut Frame) -> Played {
        self.playout.pull(frame)
    }

    /// Whether anything has come.
    pub(super) fn has_started(&self) -> bool {
        self.statistics.has_started()
    }

    /// Who is heard, and what is known about the stream; for reports.
    pub(super) fn source(&mut self) -> Option<(u32, &mut Receiver)> {
        Some((self.ssrc?, &mut self.statistics))
    }

    /// What was counted.
    pub(super) fn statistics(&self) -> &Receiver {
        &self.statistics
    }

    /// The jitter buffer.
    pub(super) fn playout(&self) -> &Playout {
        &self.playout
    }

    /// Packets from strangers, of codecs that were not agreed on, or no packets at all.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The keys that were pressed.
    pub(super) fn keys(&self) -> &str {
        &self.keys
    }
}

fn is_agreed(payload_type: u8, plan: &MediaPlan) -> bool {
    plan.accepted
        .iter()
        .any(|(number, _)| *number == payload_type)
        || plan
            .telephone_event
            .is_some_and(|event| event.receive == payload_type)
}

#[cfg(test)]
mod tests {
    use super::super::tests::plan;
    use super::*;
    use fernamt_codec::SILENCE;
    use fernamt_rtp::Header;
    use fernamt_sdp::PayloadChoice;

    fn packet(payload_type: u8, sequence: u16, timestamp: u32, payload: &[u8]) -> Vec<u8> {
        let header = Header {
            marker: false,
            payload_type,
            sequence,
            timestamp,
            ssrc: 9,
        };
        let mut bytes = vec![0; 12 + payload.len()];
        header.write(payload, &mut bytes).expect("room");
        bytes
    }

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn rtp_inject() {
        let plan = plan();
        let party = plan.remote;
        let stranger = address("198.51.100.66:4000");
        let signalling = party.ip();
        let mut incoming = Incoming::new();
        let mut take = |from, sequence: u16| {
            let bytes = packet(8, sequence, u32::from(sequence) * 160, &[0xd5; 160]);
            if incoming.admits(from, &plan, signalling) {
                incoming.packet(Time::ZERO, from, &bytes, &plan);
            }
        };
        take(stranger, 1);
        take(party, 2);
        take(stranger, 3);
        // Another program on the party's host gets in no more either.
        take(SocketAddr::new(party.ip(), party.port() + 9), 4);
        take(party, 5);
        assert_eq!(incoming.statistics().summary().received, 2);
        assert_eq!(incoming.dropped(), 3);
    }

    #[test]
    fn a_codec_that_was_not_agreed_on_is_dropped() {
        let plan = plan();
        let mut incoming = Incoming::new();
        let bytes = packet(96, 1, 160, &[0; 160]);
        incoming.packet(Time::ZERO, plan.remote, &bytes, &plan);
        incoming.packet(Time::ZERO, plan.remote, b"no RTP", &plan);
        assert_eq!((incoming.dropped(), incoming.has_started()), (2, false));
    }

    #[test]
    fn a_key_that_many_packets_report_counts_once() {
        let plan = MediaPlan {
            telephone_event: Some(PayloadChoice {
                send: 101,
                receive: 101,
            }),
            ..plan()
        };
        let mut incoming = Incoming::new();
        let mut sequence = 0;
        let mut keys = Vec::new();
        for (code, timestamp) in [(5, 800), (11, 4_000)] {
            for end in [false, false, true, true, true] {
                sequence += 1;
                let event = Event {
                    code,
                    end,
                    volume: 10,
                    duration: 800,
                };
                let bytes = packet(101, sequence, timestamp, &event.to_bytes());
                let from = plan.remote;
                keys.extend(incoming.packet(Time::ZERO, from, &bytes, &plan));
            }
        }
        assert_eq!(keys, ['5', '#']);
        assert_eq!(incoming.keys(), "5#");
    }

    #[test]
    fn no_more_keys_are_kept_than_fit() {
        let telephone_event = Some(PayloadChoice {
            send: 101,
            receive: 101,
        });
        let plan = MediaPlan {
            telephone_event,
            ..plan()
        };
        let mut incoming = Incoming::new();
        for key in 0..=u16::try_from(MAX_KEYS).expect("a small limit") {
            let event = Event {
                code: 1,
                end: true,
                volume: 0,
                duration: 800,
            };
            let bytes = packet(101, key, u32::from(key) * 800, &event.to_bytes());
            incoming.packet(Time::ZERO, plan.remote, &bytes, &plan);
        }
        assert_eq!(incoming.keys().len(), MAX_KEYS);
    }

    #[test]
    fn what_comes_is_heard_in_order() {
        let plan = plan();
        let mut incoming = Incoming::new();
        let loud = [plan.voice.law().encode_sample(8_000); 160];
        for sequence in [1_u16, 2, 4, 3, 5, 6] {
            let bytes = packet(8, sequence, u32::from(sequence) * 160, &loud);
            incoming.packet(Time::ZERO, plan.remote, &bytes, &plan);
        }
        let mut frame = SILENCE;
        let heard = (0..8)
            .filter(|_| incoming.pull(&mut frame) == Played::Voice)
            .count();
        assert_eq!(heard, 6);
        assert_eq!(incoming.statistics().summary().reordered, 1);
    }
}
