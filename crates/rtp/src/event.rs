//! Keys pressed during a call as named events (RFC 4733 section 2); no audible tones.

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
