//! One call's voice as a pure machine: datagrams and time in, datagrams and frames out.

use core::time::Duration;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use fernamt_codec::conceal::Concealer;
use fernamt_codec::{Frame, SILENCE};
use fernamt_rtp::playout::Played;
use fernamt_rtp::{Kind, classify};
use fernamt_sip::time::{Now, Time};

use super::analysis::Analysis;
use super::control::Control;
use super::figures::{Figures, Line, milliseconds, score};
use super::guard::{Guard, Stream};
use super::incoming::Incoming;
use super::outgoing::Outgoing;
use super::plan::MediaPlan;
use crate::audio::Player;

/// The clock of the voice.
const FRAME: Duration = Duration::from_millis(20);

/// A clock that is further behind than this has stood still (the machine slept, say); what was
/// missed is not made up for.
const MAX_BEHIND: Duration = Duration::from_millis(400);

/// Where the numbers of a stream begin; all of them random (RFC 3550 section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamNumbers {
    /// Names the stream.
    pub ssrc: u32,
    /// The first sequence number.
    pub sequence: u16,
    /// The first timestamp.
    pub timestamp: u32,
}

/// What is to be done for the voice.
#[derive(Clone, Debug, PartialEq)]
pub enum MediaOutput {
    /// Send a datagram.
    Send {
        /// To where.
        to: SocketAddr,
        /// The datagram.
        bytes: Vec<u8>,
        /// Whether it goes out of the port of RTCP.
        control: bool,
    },
    /// 20 ms that were heard, to be recorded.
    Heard(Box<Frame>),
    /// The other side has pressed a key.
    Key(char),
}

/// The voice of one call.
#[derive(Debug)]
pub struct MediaSession {
    plan: Option<MediaPlan>,
    signalling: IpAddr,
    player: Player,
    /// The sound is played from the answer on; before that there is silence.
    talking: bool,
    outgoing: Outgoing,
    incoming: Incoming,
    concealer: Concealer,
    control: Control,
    guard: Guard,
    analysis: Analysis,
    next_frame: Time,
    outputs: VecDeque<MediaOutput>,
}

impl MediaSession {
    /// A call whose voice is not agreed on yet. `signalling` is where its signalling comes from;
    /// `name` is the phone's canonical name in RTCP.
    pub fn new(
        now: Time,
        numbers: StreamNumbers,
        name: String,
        signalling: IpAddr,
        player: Player,
    ) -> MediaSession {
        MediaSession {
            plan: None,
            signalling,
            player,
            talking: false,
            outgoing: Outgoing::new(numbers.ssrc, numbers.sequence, numbers.timestamp),
            incoming: Incoming::new(),
            concealer: Concealer::new(),
            control: Control::new(numbers.ssrc, name, now),
            guard: Guard::default(),
            analysis: Analysis::new(),
            next_frame: now,
            outputs: VecDeque::new(),
        }
    }

    /// Takes what signalling has agreed on, at first or anew.
    pub fn agree(&mut self, now: Time, plan: MediaPlan) {
        match &self.plan {
            Some(before) if before.remote == plan.remote => {}
            Some(_) => self.incoming.unlatch(),
            None => self.next_frame = now,
        }
        self.guard.agree(plan.protection.as_ref(), now);
        self.plan = Some(plan);
    }

    /// The conversation begins: the sound is played from here.
    pub fn begin_talk(&mut self) {
        self.talking = true;
    }

    /// Takes a datagram from one of the ports, which is decrypted in place.
    pub fn received(&mut self, now: Now, from: SocketAddr, bytes: &mut [u8]) {
        let Some(plan) = &self.plan else { return };
        match classify(bytes) {
            Kind::Rtcp => {
                let is_welcome = from.ip() == plan.remote.ip() || from.ip() == self.signalling;
                if is_welcome
                    && let Some(bytes) = self.guard.incoming(Stream::Control, bytes, now.time)
                {
                    self.control.received(now, bytes);
                }
            }
            _ => {
                let is_welcome = self.incoming.admits(from, plan, self.signalling);
                if is_welcome
                    && let Some(bytes) = self.guard.incoming(Stream::Voice, bytes, now.time)
                {
                    let key = self.incoming.packet(now.time, from, bytes, plan);
                    self.outputs.extend(key.map(MediaOutput::Key));
                }
            }
        }
    }

    /// When [`MediaSession::tick`] is due; `None` before anything is agreed on.
    pub fn due(&self) -> Option<Time> {
        self.plan
            .as_ref()
            .map(|_| self.next_frame.min(self.control.due()))
    }

    /// Does what is due by now.
    pub fn tick(&mut self, now: Now) {
        let Some(plan) = self.plan.clone() else {
            return;
        };
        if now.time.since(self.next_frame) > MAX_BEHIND {
            self.next_frame = now.time;
        }
        while self.next_frame <= now.time {
            self.next_frame = self.next_frame + FRAME;
            self.speak(&plan);
            self.listen();
        }
        if self.control.due() <= now.time {
            let sent = self.outgoing.sent();
            let report = self.control.report(now, sent, self.incoming.source());
            self.send_control(&plan, &report);
        }
    }

    fn speak(&mut self, plan: &MediaPlan) {
        if !plan.sends() {
            self.outgoing.pause();
            return;
        }
        let frame = if self.talking {
            self.player.frame()
        } else {
            SILENCE
        };
        let (outputs, guard) = (&mut self.outputs, &mut self.guard);
        self.outgoing.frame(plan, &frame, |packet| {
            let bytes = guard.outgoing(Stream::Voice, packet);
            outputs.extend(bytes.map(|bytes| MediaOutput::Send {
                to: plan.remote,
                bytes,
                control: false,
            }));
        });
    }

    fn listen(&mut self) {
        if !self.incoming.has_started() {
            return;
        }
        let mut frame = SILENCE;
        match self.incoming.pull(&mut frame) {
            Played::Voice => self.concealer.heard(&mut frame),
            Played::Lost => self.concealer.conceal(&mut frame),
            Played::Silence => {}
        }
        self.analysis.heard(&frame);
        self.outputs.push_back(MediaOutput::Heard(Box::new(frame)));
    }

    fn send_control(&mut self, plan: &MediaPlan, bytes: &[u8]) {
        if let Some(to) = plan.remote_rtcp.filter(|to| !to.ip().is_unspecified())
            && let Some(bytes) = self.guard.outgoing(Stream::Control, bytes)
        {
            self.outputs.push_back(MediaOutput::Send {
                to,
                bytes,
                control: !plan.rtcp_mux,
            });
        }
    }

    /// The call is over: nothing is sent any more but a goodbye.
    pub fn end(&mut self, now: Now) {
        if let Some(plan) = self.plan.take() {
            let sent = self.outgoing.sent();
            let goodbye = self.control.goodbye(now, sent, self.incoming.source());
            self.send_control(&plan, &goodbye);
        }
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<MediaOutput> {
        self.outputs.pop_front()
    }

    /// What was counted and measured so far.
    pub fn figures(&self) -> Figures {
        let heard = self.incoming.statistics().summary();
        let counters = self.incoming.playout().counters();
        let sent = self.outgoing.sent();
        let remote = self.control.remote;
        let late = counters.late_packets;
        Figures {
            packets_sent: sent.packets,
            packets_received: heard.received - heard.duplicates,
            packets_lost: heard.lost,
            packets_late: late,
            packets_dropped: self.incoming.dropped(),
            packets_unauthentic: self.guard.unauthentic(),
            jitter_ms: milliseconds(heard.jitter),
            jitter_max_ms: milliseconds(heard.max_jitter),
            round_trip_ms: remote.round_trip.map(milliseconds),
            playout_delay_ms: milliseconds(self.incoming.playout().delay()),
            remote_packets_lost: remote.lost,
            remote_jitter_ms: remote.jitter.map(milliseconds),
            heard: (heard.expected > 0).then(|| {
                let ratio = ratio(heard.lost + late, heard.expected);
                score(self.line(ratio, self.incoming.playout().delay()))
            }),
            sent: remote.lost.filter(|_| sent.packets > 0).map(|lost| {
                // The other side's jitter buffer is not known; its jitter is the least it needs.
                let buffer = remote.jitter.unwrap_or_default().max(FRAME);
                score(self.line(ratio(lost, sent.packets), buffer))
            }),
            tone: self.analysis.tone(),
            level_dbfs: self.analysis.level_dbfs(),
            keys: self.incoming.keys().to_owned(),
        }
    }

    fn line(&self, loss_ratio: f64, buffer: Duration) -> Line {
        let round_trip = self.control.remote.round_trip;
        let delay = round_trip.unwrap_or_default() / 2 + buffer + FRAME;
        Line {
            delay,
            loss_ratio,
            round_trip_known: round_trip.is_some(),
        }
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part.min(whole) as f64 / whole as f64
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::plan;
    use super::*;
    use crate::audio::Sound;
    use crate::media::Protection;
    use fernamt_rtp::srtp::{MasterKey, Suite};
    use fernamt_sip::time::UnixTime;

    fn at(millis: u64) -> Now {
        Now {
            time: Time::from_micros(millis * 1_000),
            unix: UnixTime::from_micros(1_700_000_000_000_000 + millis.cast_signed() * 1_000),
        }
    }

    const LEFT: ([u8; 4], u16) = ([192, 0, 2, 1], 4_000);
    const RIGHT: ([u8; 4], u16) = ([192, 0, 2, 2], 5_000);

    fn session(ssrc: u32, other: SocketAddr, tone: f32) -> MediaSession {
        protected(ssrc, other, tone, None)
    }

    fn protected(
        ssrc: u32,
        other: SocketAddr,
        tone: f32,
        protection: Option<Protection>,
    ) -> MediaSession {
        let numbers = StreamNumbers {
            ssrc,
            sequence: 65_530,
            timestamp: u32::MAX - 500,
        };
        let player = Player::open(&Sound::Tone { frequency_hz: tone }).expect("a tone");
        let mut session = MediaSession::new(Time::ZERO, numbers, "x".into(), other.ip(), player);
        let rtcp = SocketAddr::new(other.ip(), other.port() + 1);
        session.agree(
            Time::ZERO,
            MediaPlan {
                remote: other,
                remote_rtcp: Some(rtcp),
                protection,
                ..plan()
            },
        );
        session.begin_talk();
        session
    }

    /// Carries packets both ways with `delay` milliseconds and every `lost`-th one lost; a packet
    /// and its arrival at a time.
    fn talk(seconds: u64, delay: u64, lost: u64) -> (Figures, Figures) {
        let left = session(1, RIGHT.into(), 700.0);
        let right = session(2, LEFT.into(), 425.0);
        talk_of(left, right, seconds, delay, lost)
    }

    fn talk_of(
        mut left: MediaSession,
        mut right: MediaSession,
        seconds: u64,
        delay: u64,
        lost: u64,
    ) -> (Figures, Figures) {
        let mut wire: VecDeque<(u64, bool, SocketAddr, Vec<u8>)> = VecDeque::new();
        let mut count = 0;
        for now in 0..seconds * 1_000 {
            while let Some((_, to_left, from, mut bytes)) =
                wire.pop_front_if(|(due, ..)| *due <= now)
            {
                let end = if to_left { &mut left } else { &mut right };
                end.received(at(now), from, &mut bytes);
            }
            for (session, own, to_left) in [(&mut left, LEFT, false), (&mut right, RIGHT, true)] {
                session.tick(at(now));
                while let Some(output) = session.poll() {
                    let MediaOutput::Send { bytes, control, .. } = output else {
                        continue;
                    };
                    count += 1;
                    if control || lost == 0 || count % lost != 0 {
                        let port = own.1 + u16::from(control);
                        wire.push_back((now + delay, to_left, (own.0, port).into(), bytes));
                    }
                }
            }
        }
        (left.figures(), right.figures())
    }

    #[test]
    fn two_ends_hear_each_others_tone_and_know_how_good_the_line_is() {
        let (left, right) = talk(8, 30, 0);
        let tone = left.tone.expect("a tone").frequency_hz;
        assert!((tone - 425.0).abs() < 2.0, "{tone}");
        let tone = right.tone.expect("a tone").frequency_hz;
        assert!((tone - 700.0).abs() < 2.0, "{tone}");
        assert_eq!((left.packets_sent, left.packets_lost), (400, 0));
        assert!(left.packets_received >= 397, "{left:?}");
        let trip = left.round_trip_ms.expect("RTCP tells it");
        assert!((58.0..63.0).contains(&trip), "{trip}");
        assert!(left.heard.clone().expect("heard").mos > 4.3);
        assert!(left.sent.clone().expect("RTCP tells it").mos > 4.3);
    }

    fn key(suite: Suite, byte: u8) -> MasterKey {
        MasterKey::new(suite, &vec![byte; suite.inline_bytes()]).expect("a key")
    }

    #[test]
    fn protected_voice_is_heard_and_its_reports_are_read() {
        for suite in [Suite::AesCm128HmacSha1_80, Suite::AeadAes256Gcm] {
            let keys = |ours, theirs| {
                let (ours, theirs) = (key(suite, ours), key(suite, theirs));
                Some(Protection { ours, theirs })
            };
            let left = protected(1, RIGHT.into(), 700.0, keys(1, 2));
            let right = protected(2, LEFT.into(), 425.0, keys(2, 1));
            let (left, right) = talk_of(left, right, 8, 30, 0);
            for (figures, hertz) in [(&left, 425.0), (&right, 700.0)] {
                let tone = figures.tone.expect("a tone").frequency_hz;
                assert!((tone - hertz).abs() < 2.0, "{tone}");
                assert_eq!(figures.packets_unauthentic, 0);
            }
            assert!(left.round_trip_ms.is_some(), "{left:?}");
        }
    }

    #[test]
    fn what_is_not_made_with_the_key_is_dropped_and_counted() {
        let suite = Suite::AesCm128HmacSha1_80;
        let keys = |ours, theirs| {
            let (ours, theirs) = (key(suite, ours), key(suite, theirs));
            Some(Protection { ours, theirs })
        };
        for other in [None, keys(2, 3), keys(3, 1)] {
            let left = protected(1, RIGHT.into(), 700.0, keys(1, 2));
            let right = protected(2, LEFT.into(), 425.0, other.clone());
            let (left, right) = talk_of(left, right, 4, 10, 0);
            let deceived = other.is_some_and(|keys| keys.ours == key(suite, 2));
            assert_eq!(left.packets_received > 0, deceived);
            if !deceived {
                // The voice, and a report.
                assert!(left.packets_unauthentic > 198, "{left:?}");
                assert_eq!((left.level_dbfs, left.remote_packets_lost), (None, None));
            }
            assert_eq!(left.packets_dropped, 0);
            assert!(right.packets_sent >= 199);
        }
    }

    #[test]
    fn loss_is_counted_and_named() {
        let (left, _) = talk(8, 10, 7);
        let ratio = left.packets_lost as f64 / (left.packets_received + left.packets_lost) as f64;
        assert!((0.1..0.18).contains(&ratio), "{ratio}");
        let heard = left.heard.clone().expect("heard");
        assert!(
            heard.mos < 4.2 && heard.cause.contains("not heard"),
            "{heard:?}"
        );
        assert!(
            left.remote_packets_lost.is_some_and(|lost| lost > 5),
            "{left:?}"
        );
    }

    #[test]
    fn nothing_is_sent_on_hold_and_after_the_end() {
        let mut session = session(1, RIGHT.into(), 700.0);
        session.tick(at(0));
        assert!(matches!(
            session.poll(),
            Some(MediaOutput::Send { control: false, .. })
        ));
        let held = MediaPlan {
            remote: RIGHT.into(),
            direction: fernamt_sdp::Direction::RecvOnly,
            ..plan()
        };
        session.agree(at(20).time, held);
        session.tick(at(60));
        assert_eq!(session.poll(), None);
        session.end(at(80));
        assert!(matches!(
            session.poll(),
            Some(MediaOutput::Send { control: true, .. })
        ));
        session.tick(at(20_000));
        session.received(at(20_000), RIGHT.into(), &mut [0x80; 40]);
        assert_eq!((session.poll(), session.due()), (None, None));
    }

    #[test]
    fn a_clock_that_stood_still_is_not_made_up_for() {
        let mut session = session(1, RIGHT.into(), 700.0);
        session.tick(at(0));
        session.tick(at(3_600_000));
        let mut packets = 0;
        while let Some(output) = session.poll() {
            packets += u32::from(matches!(output, MediaOutput::Send { control: false, .. }));
        }
        assert_eq!(packets, 2);
    }
}
