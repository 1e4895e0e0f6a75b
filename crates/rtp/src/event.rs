//! Keys pressed during a call as named events (RFC 4733 section 2): packets, sending, receiving; no
//! audible tones.

pub mod translation;

/// Bytes of one event in a payload.
pub const EVENT_BYTES: usize = 4;

/// The highest event code that is a key: `D` is 15.
pub const LAST_KEY_EVENT: u8 = 15;

/// The state of one event, as one packet reports it (RFC 4733 section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Which event; 0 to 15 are keys (section 3.2).
    pub code: u8,
    /// The last report of this event.
    pub end: bool,
    /// Power below 0 dBm0, in decibels, 0 to 63.
    pub volume: u8,
    /// How long it has lasted, in ticks of the RTP clock.
    pub duration: u16,
}

impl Event {
    /// Reads the first event of a payload; `None` when it is too short.
    pub fn parse(payload: &[u8]) -> Option<Event> {
        let &[code, flags, d0, d1] = payload.first_chunk::<EVENT_BYTES>()?;
        Some(Event {
            code,
            end: flags & 0x80 != 0,
            volume: flags & 0x3f,
            duration: u16::from_be_bytes([d0, d1]),
        })
    }

    /// The event as a payload.
    pub fn to_bytes(self) -> [u8; EVENT_BYTES] {
        let [d0, d1] = self.duration.to_be_bytes();
        [
            self.code,
            (u8::from(self.end) << 7) | self.volume.min(63),
            d0,
            d1,
        ]
    }

    /// The key, when the event is one.
    pub fn key(self) -> Option<char> {
        key_of(self.code)
    }
}

/// The key of an event code (RFC 4733 table 3).
pub fn key_of(code: u8) -> Option<char> {
    match code {
        0..=9 => Some(char::from(b'0' + code)),
        10 => Some('*'),
        11 => Some('#'),
        12..=15 => Some(char::from(b'A' + code - 12)),
        _ => None,
    }
}

/// The event code of a key.
pub fn code_of(key: char) -> Option<u8> {
    match key {
        '0'..='9' => Some(key as u8 - b'0'),
        '*' => Some(10),
        '#' => Some(11),
        'A'..='D' => Some(key as u8 - b'A' + 12),
        'a'..='d' => Some(key as u8 - b'a' + 12),
        _ => None,
    }
}

/// Ticks of a packet of 20 ms at 8,000 Hz.
const STEP_TICKS: u16 = 160;

/// How often the end is told, since nobody asks again when it is lost (RFC 4733 section 2.5.1.4).
const END_REPORTS: u8 = 3;

/// The longest key press that is sent, in milliseconds: what the duration field holds at 8,000 Hz.
pub const MAX_KEY_MILLISECONDS: u32 = 8_000;

/// The power that is told for our keys, below 0 dBm0.
const VOLUME: u8 = 10;

/// A packet of an event to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventPacket {
    /// The payload.
    pub event: Event,
    /// Set on the first packet of an event.
    pub marker: bool,
    /// When the event began: the same in all its packets.
    pub timestamp: u32,
}

/// Sends one key press, a packet every 20 ms (RFC 4733 section 2.5.1).
#[derive(Clone, Debug)]
pub struct KeySender {
    code: u8,
    timestamp: u32,
    length: u16,
    passed: u16,
    ends_left: u8,
}

impl KeySender {
    /// A key that is pressed at `timestamp` for so long; `None` when it is no key. Too long a
    /// press is shortened to [`MAX_KEY_MILLISECONDS`].
    pub fn new(key: char, milliseconds: u32, timestamp: u32) -> Option<KeySender> {
        let code = code_of(key)?;
        let ticks = milliseconds.min(MAX_KEY_MILLISECONDS) * 8;
        let length = u16::try_from(ticks).unwrap_or(u16::MAX).max(STEP_TICKS);
        Some(KeySender {
            code,
            timestamp,
            length,
            passed: 0,
            ends_left: END_REPORTS,
        })
    }

    /// The packet of the next 20 ms; `None` when the key is released and that has been told.
    pub fn next_packet(&mut self) -> Option<EventPacket> {
        let marker = self.passed == 0;
        self.passed = self.passed.saturating_add(STEP_TICKS).min(self.length);
        let end = self.passed == self.length;
        if end {
            self.ends_left = self.ends_left.checked_sub(1)?;
        }
        let event = Event {
            code: self.code,
            end,
            volume: VOLUME,
            duration: self.passed,
        };
        Some(EventPacket {
            event,
            marker,
            timestamp: self.timestamp,
        })
    }
}

/// Finds key presses in event packets, which tell each of them many times.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyReceiver {
    /// When the last event began, and whether its end was told.
    last: Option<(u32, bool)>,
}

/// What happened to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyChange {
    /// It went down.
    Pressed(char),
    /// It came up after so many ticks.
    Released(char, u16),
    /// It went down and came up; nothing was received between.
    Typed(char, u16),
}

impl KeyReceiver {
    /// Nothing received so far.
    pub const fn new() -> KeyReceiver {
        KeyReceiver { last: None }
    }

    /// Takes an event packet with its RTP timestamp; tells what is new in it.
    pub fn push(&mut self, timestamp: u32, event: Event) -> Option<KeyChange> {
        let key = event.key()?;
        match self.last {
            Some((begun, ended)) if begun == timestamp => {
                if ended || !event.end {
                    return None;
                }
                self.last = Some((timestamp, true));
                Some(KeyChange::Released(key, event.duration))
            }
            // A packet of an earlier event that was overtaken.
            Some((begun, _)) if timestamp.wrapping_sub(begun).cast_signed() < 0 => None,
            _ => {
                self.last = Some((timestamp, event.end));
                Some(match event.end {
                    true => KeyChange::Typed(key, event.duration),
                    false => KeyChange::Pressed(key),
                })
            }
        }
    }
}
