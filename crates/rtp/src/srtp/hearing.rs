//! What is received while the key of the sender may change (RFC 4568 section 7.1.4): with the new key,
//! and for a while with the one before; no socket, no clock.

use super::error::UnprotectError;
use super::master_key::MasterKey;
use super::unprotector::Unprotector;

/// How long the key before a change is still heard, in microseconds, when the new one is not: as long as
/// a sender may wait for the answer that tells it to change (RFC 3261 section 17.1.1.2, 64 times T1).
pub const FORMER_KEY_MICROS: u64 = 32_000_000;

/// The key that was agreed on last, and the one before until the new one is heard.
pub struct Hearing {
    key: MasterKey,
    current: Unprotector,
    former: Option<Box<Former>>,
}

/// The key before a change.
struct Former {
    key: MasterKey,
    unprotector: Unprotector,
    until_micros: u64,
}

impl Hearing {
    /// With one key. Derives the session keys.
    pub fn new(master: &MasterKey) -> Hearing {
        Hearing {
            key: master.clone(),
            current: Unprotector::new(master),
            former: None,
        }
    }

    /// The key that was agreed on last.
    pub const fn key(&self) -> &MasterKey {
        &self.key
    }

    /// What is received with it.
    pub const fn current(&self) -> &Unprotector {
        &self.current
    }

    /// What is received with it.
    pub const fn current_mut(&mut self) -> &mut Unprotector {
        &mut self.current
    }

    /// Another key was agreed on. The one before is heard until a packet with the new one has come, for
    /// [`FORMER_KEY_MICROS`] at most. The same key goes on where it stands, with its new lifetime; so does
    /// one that comes back before the next was used.
    pub fn change(&mut self, master: &MasterKey, now_micros: u64) {
        if self.key == *master {
            return self.current.set_lifetime(master.lifetime_packets());
        }
        // While there is one before, nothing was heard with the one agreed on last.
        let before = self.former.take();
        let before = before.filter(|former| now_micros < former.until_micros);
        let key = core::mem::replace(&mut self.key, master.clone());
        let mut former = match before {
            Some(former) if former.key == *master => {
                self.current = former.unprotector;
                return self.current.set_lifetime(master.lifetime_packets());
            }
            Some(former) => {
                self.current = Unprotector::new(master);
                former
            }
            None => Box::new(Former {
                key,
                unprotector: core::mem::replace(&mut self.current, Unprotector::new(master)),
                until_micros: 0,
            }),
        };
        former.until_micros = now_micros.saturating_add(FORMER_KEY_MICROS);
        self.former = Some(former);
    }

    /// [`Unprotector::unprotect_rtp`] with the key that the packet is for.
    ///
    /// # Errors
    /// [`UnprotectError`]; the datagram is as it was.
    #[inline]
    pub fn unprotect_rtp(
        &mut self,
        datagram: &mut [u8],
        now_micros: u64,
    ) -> Result<usize, UnprotectError> {
        let opened = self.current.unprotect_rtp(datagram);
        if self.former.is_none() {
            return opened;
        }
        self.or_with_former(opened, now_micros, |former| former.unprotect_rtp(datagram))
    }

    /// [`Unprotector::unprotect_rtcp`] with the key that the datagram is for.
    ///
    /// # Errors
    /// [`UnprotectError`]; the datagram is as it was.
    pub fn unprotect_rtcp(
        &mut self,
        datagram: &mut [u8],
        now_micros: u64,
    ) -> Result<usize, UnprotectError> {
        let opened = self.current.unprotect_rtcp(datagram);
        if self.former.is_none() {
            return opened;
        }
        self.or_with_former(opened, now_micros, |former| former.unprotect_rtcp(datagram))
    }

    #[inline(never)]
    fn or_with_former(
        &mut self,
        opened: Result<usize, UnprotectError>,
        now_micros: u64,
        open: impl FnOnce(&mut Unprotector) -> Result<usize, UnprotectError>,
    ) -> Result<usize, UnprotectError> {
        let is_over = |former: &Former| now_micros >= former.until_micros;
        if opened.is_ok() || self.former.as_deref().is_none_or(is_over) {
            self.former = None;
            return opened;
        }
        // Nothing has been heard with the new key yet, so that it cannot be a repetition.
        match &mut self.former {
            Some(former) => open(&mut former.unprotector),
            None => opened,
        }
    }
}
