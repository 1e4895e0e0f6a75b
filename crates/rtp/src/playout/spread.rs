//! How far apart packets come, seen over a while: what a delay has to cover; no packets.

/// Packets of one window: five seconds at 20 ms.
const WINDOW_PACKETS: u32 = 250;

/// How early packets came, from the latest to the earliest, in samples before they were due.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    least: i32,
    most: i32,
}

impl Window {
    const EMPTY: Window = Window {
        least: i32::MAX,
        most: i32::MIN,
    };

    const fn is_empty(&self) -> bool {
        self.least > self.most
    }

    fn shift(&mut self, samples: i32) {
        if !self.is_empty() {
            self.least = self.least.saturating_add(samples);
            self.most = self.most.saturating_add(samples);
        }
    }

    /// From the latest to the earliest packet, in samples.
    pub(super) fn width(&self) -> u32 {
        if self.is_empty() {
            0
        } else {
            self.most.abs_diff(self.least)
        }
    }

    /// How early the latest packet came; 0 when it was late.
    pub(super) fn least_ahead(&self) -> u32 {
        if self.is_empty() {
            0
        } else {
            self.least.max(0).unsigned_abs()
        }
    }
}

/// The present window and the one before it.
#[derive(Clone, Debug)]
pub(super) struct Spread {
    now: Window,
    before: Window,
    packets: u32,
}

impl Spread {
    pub(super) const fn new() -> Spread {
        Spread {
            now: Window::EMPTY,
            before: Window::EMPTY,
            packets: 0,
        }
    }

    /// Takes note of a packet; returns the window when it is full.
    pub(super) fn note(&mut self, ahead: i32) -> Option<Window> {
        self.now.least = self.now.least.min(ahead);
        self.now.most = self.now.most.max(ahead);
        self.packets += 1;
        if self.packets < WINDOW_PACKETS {
            return None;
        }
        self.before = core::mem::replace(&mut self.now, Window::EMPTY);
        self.packets = 0;
        Some(self.before)
    }

    /// The delay has grown by so much, or shrunk.
    pub(super) fn shift(&mut self, samples: i32) {
        self.now.shift(samples);
        self.before.shift(samples);
    }

    /// How early the earliest packet came, lately.
    pub(super) fn most_ahead(&self) -> u32 {
        self.now.most.max(self.before.most).max(0).unsigned_abs()
    }

    /// From the latest to the earliest packet of the present window.
    pub(super) fn width(&self) -> u32 {
        self.now.width()
    }
}
