//! A bell that other threads ring to wake the phone's loop: interrupts arrive this way.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

/// Rings the bell of one phone; may be given to a signal handler's thread.
#[derive(Clone, Debug)]
pub struct Interrupter(Arc<UnixStream>);

impl Interrupter {
    /// Ends what the phone does in good order: hangs up, cancels, finishes the recording. A second
    /// ring ends it at once.
    pub fn interrupt(&self) {
        // A full pipe has been rung often enough.
        let _ = (&*self.0).write(&[1]);
    }
}

/// The ear for the bell.
#[derive(Debug)]
pub(super) struct Wake {
    ear: UnixStream,
    bell: Interrupter,
}

impl Wake {
    /// A new bell.
    pub(super) fn new() -> io::Result<Wake> {
        let (ear, bell) = UnixStream::pair()?;
        ear.set_nonblocking(true)?;
        bell.set_nonblocking(true)?;
        Ok(Wake {
            ear,
            bell: Interrupter(Arc::new(bell)),
        })
    }

    /// One more rope of the bell.
    pub(super) fn interrupter(&self) -> Interrupter {
        self.bell.clone()
    }

    /// To be polled for reading.
    pub(super) fn ear(&self) -> &UnixStream {
        &self.ear
    }

    /// How often it was rung since the last time.
    pub(super) fn rings(&mut self) -> usize {
        let mut buffer = [0; 16];
        self.ear.read(&mut buffer).unwrap_or(0)
    }
}
