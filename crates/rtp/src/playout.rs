//! The jitter buffer: packets in as they come, one frame of 20 ms out at every pull; no clock, no
//! decoder.
//!
//! It works on decoded samples at 8,000 Hz, so packets of any length fit. Whoever pulls is the
//! clock. In the adaptive mode the delay grows at once when packets come too late, by frames
//! that the listener conceals, and shrinks slowly, by leaving out quiet frames, when packets
//! have come early for a while. A clock that runs faster or slower at the sender is followed by
//! the same means.

mod ring;
mod spread;

use core::time::Duration;

use self::ring::{CAPACITY, Ring};
use self::spread::Spread;

/// Samples of one frame: 20 ms at 8,000 Hz.
pub const FRAME_SAMPLES: usize = 160;

/// The longest packet that is taken, in samples: 120 ms.
pub const MAX_PACKET_SAMPLES: usize = 960;

/// The longest delay there may be, in frames: 400 ms.
pub const MAX_DELAY_FRAMES: u32 = 20;

const FRAME: u32 = FRAME_SAMPLES as u32;

/// Packets in a row that come too late before the stream begins anew with the next: whatever the
/// reason, silence for ever is no answer.
const MAX_LATE_IN_A_ROW: u32 = 25;

/// Pulls after which a loud frame is left out, when no quiet one came.
const SHRINK_PATIENCE_PULLS: u32 = 50;

/// A frame whose samples stay below is quiet: about −36 dBFS.
const QUIET_PEAK: u16 = 512;

/// How the delay is chosen, in frames of 20 ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delay {
    /// Always the same.
    Fixed(u32),
    /// Begins with the first and never exceeds the second.
    Adaptive(u32, u32),
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Played {
    /// What the peer sent.
    Voice,
    /// The peer sent something that is not here: to be concealed.
    Lost,
    /// The peer sent nothing.
    Silence,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Inserted {
    /// It will be heard.
    InTime,
    /// Its time is over.
    Late,
    /// It has no place near the others: the stream begins anew with it.
    Restarted,
    /// It is empty or longer than [`MAX_PACKET_SAMPLES`].
    Refused,
}

/// What has happened so far, in packets and frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets that came too late.
    pub late_packets: u64,
    /// Frames with voice.
    pub voice_frames: u64,
    /// Frames to be concealed, those for a longer delay included.
    pub lost_frames: u64,
    /// Frames in which the peer sent nothing.
    pub silent_frames: u64,
    /// Frames by which the delay grew.
    pub stretched_frames: u64,
    /// Frames left out to shorten the delay.
    pub skipped_frames: u64,
    /// Jumps of the peer's timestamps.
    pub restarts: u64,
}

/// The buffer of one stream.
#[derive(Clone, Debug)]
pub struct Playout {
    ring: Ring,
    delay: Delay,
    started: bool,
    /// The timestamp that is heard next.
    play: u32,
    /// Where the present talk began; before it there is silence, not loss.
    talk_begin: u32,
    /// Behind the newest sample.
    newest_end: u32,
    target: u32,
    spread: Spread,
    /// Frames that are still to be put in, and to be left out.
    stretch_due: u32,
    skip_due: u32,
    skip_waits: u32,
    late_in_a_row: u32,
    counters: Counters,
}

impl Playout {
    /// An empty buffer. Delays are limited to [`MAX_DELAY_FRAMES`].
    pub fn new(delay: Delay) -> Playout {
        let delay = match delay {
            Delay::Fixed(frames) => Delay::Fixed(frames.min(MAX_DELAY_FRAMES)),
            Delay::Adaptive(first, most) => {
                let most = most.min(MAX_DELAY_FRAMES);
                Delay::Adaptive(first.min(most), most)
            }
        };
        let (Delay::Fixed(first) | Delay::Adaptive(first, _)) = delay;
        Playout {
            ring: Ring::new(),
            delay,
            started: false,
            play: 0,
            talk_begin: 0,
            newest_end: 0,
            target: first * FRAME,
            spread: Spread::new(),
            stretch_due: 0,
            skip_due: 0,
            skip_waits: 0,
            late_in_a_row: 0,
            counters: Counters::default(),
        }
    }

    /// Takes a packet's samples. `marker` says that talk begins after silence (RFC 3551
    /// section 4.1).
    pub fn insert(&mut self, timestamp: u32, marker: bool, samples: &[i16]) -> Inserted {
        if samples.is_empty() || samples.len() > MAX_PACKET_SAMPLES {
            return Inserted::Refused;
        }
        let length = samples.len() as u32;
        if !self.started {
            self.begin(timestamp, samples);
            return Inserted::InTime;
        }
        let ahead = timestamp.wrapping_sub(self.play).cast_signed();
        let far_away = ahead.unsigned_abs() > (CAPACITY - MAX_PACKET_SAMPLES) as u32;
        if far_away || self.late_in_a_row == MAX_LATE_IN_A_ROW {
            self.counters.restarts += 1;
            self.begin(timestamp, samples);
            return Inserted::Restarted;
        }
        self.observe(ahead);
        if ahead.saturating_add_unsigned(length) <= 0 {
            self.counters.late_packets += 1;
            self.late_in_a_row += 1;
            return Inserted::Late;
        }
        self.late_in_a_row = 0;
        let talk_begins = marker && ahead >= 0 && !self.has_voice_ahead();
        if talk_begins && matches!(self.delay, Delay::Adaptive(..)) {
            // Nobody hears silence being longer or shorter.
            self.play = timestamp.wrapping_sub(self.target);
        }
        if talk_begins {
            self.talk_begin = timestamp;
        }
        let past = usize::try_from(ahead.min(0).unsigned_abs()).unwrap_or(0);
        let rest = samples.get(past..).unwrap_or_default();
        self.store(timestamp.wrapping_add(past as u32), rest);
        Inserted::InTime
    }

    fn begin(&mut self, timestamp: u32, samples: &[i16]) {
        self.ring.clear();
        self.started = true;
        self.play = timestamp.wrapping_sub(self.target);
        self.talk_begin = timestamp;
        self.newest_end = timestamp;
        self.spread = Spread::new();
        self.stretch_due = 0;
        self.skip_due = 0;
        self.late_in_a_row = 0;
        self.store(timestamp, samples);
    }

    fn store(&mut self, timestamp: u32, samples: &[i16]) {
        self.ring.write(timestamp, samples);
        let end = timestamp.wrapping_add(samples.len() as u32);
        if end.wrapping_sub(self.newest_end).cast_signed() > 0 {
            self.newest_end = end;
        }
    }

    /// Learns from how early or late a packet came.
    fn observe(&mut self, ahead: i32) {
        let Delay::Adaptive(_, most) = self.delay else {
            return;
        };
        // What is due already counts: several packets may be late by one delay.
        let ahead = ahead.saturating_add_unsigned(self.stretch_due * FRAME);
        let window = self.spread.note(ahead);
        if ahead < 0 {
            let missing = ahead.unsigned_abs().div_ceil(FRAME);
            let room = (most * FRAME).saturating_sub(self.spread.most_ahead()) / FRAME;
            let more = missing.min(room);
            self.stretch_due += more;
            self.skip_due = 0;
            self.spread.shift((more * FRAME).cast_signed());
            self.target = self.target.max(self.spread.width()).min(most * FRAME);
        }
        if let Some(window) = window {
            self.target = window
                .width()
                .next_multiple_of(FRAME)
                .clamp(FRAME, most.max(1) * FRAME);
            // One frame has to stay, since pulls and packets come at different moments.
            self.skip_due = (window.least_ahead() / FRAME).saturating_sub(1);
        }
    }

    fn has_voice_ahead(&self) -> bool {
        self.newest_end.wrapping_sub(self.play).cast_signed() > 0
    }

    /// The next 20 ms; where nothing is there, zeros.
    pub fn pull(&mut self, frame: &mut [i16; FRAME_SAMPLES]) -> Played {
        let played = self.next_frame(frame);
        match played {
            Played::Voice => self.counters.voice_frames += 1,
            Played::Lost => self.counters.lost_frames += 1,
            Played::Silence => self.counters.silent_frames += 1,
        }
        played
    }

    fn next_frame(&mut self, frame: &mut [i16; FRAME_SAMPLES]) -> Played {
        if !self.started {
            frame.fill(0);
            return Played::Silence;
        }
        if self.stretch_due > 0 {
            self.stretch_due -= 1;
            self.counters.stretched_frames += 1;
            frame.fill(0);
            return Played::Lost;
        }
        let played = self.take(frame);
        if self.skip_due == 0 {
            return played;
        }
        let quiet = frame
            .iter()
            .all(|sample| sample.unsigned_abs() < QUIET_PEAK);
        if !quiet && self.skip_waits < SHRINK_PATIENCE_PULLS {
            self.skip_waits += 1;
            return played;
        }
        self.skip_waits = 0;
        self.skip_due -= 1;
        self.counters.skipped_frames += 1;
        self.spread.shift(-FRAME.cast_signed());
        self.take(frame)
    }

    fn take(&mut self, frame: &mut [i16; FRAME_SAMPLES]) -> Played {
        let there = self.ring.take(self.play, frame);
        let frame_begin = self.play;
        let before_talk = self.talk_begin.wrapping_sub(frame_begin).cast_signed();
        let voice_ahead = self.has_voice_ahead();
        self.play = self.play.wrapping_add(FRAME);
        if there * 2 >= FRAME_SAMPLES {
            return Played::Voice;
        }
        let in_talk = before_talk < FRAME.cast_signed() / 2;
        if in_talk && voice_ahead {
            Played::Lost
        } else {
            Played::Silence
        }
    }

    /// How long what is here will be heard.
    pub fn buffered(&self) -> Duration {
        let samples = self.newest_end.wrapping_sub(self.play).cast_signed().max(0);
        Duration::from_micros(u64::from(samples.unsigned_abs()) * 125)
    }

    /// The delay the buffer means to keep.
    pub fn delay(&self) -> Duration {
        Duration::from_micros(u64::from(self.target) * 125)
    }

    /// What has happened so far.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }
}
