//! Master key, master salt and MKI (RFC 3711 section 3.2.1), as the signalling agreed on them; not the
//! session keys.

use core::fmt;

use zeroize::Zeroizing;

use super::MAX_RTP_PACKETS;
use super::error::MasterKeyError;
use super::suite::Suite;

/// The longest master key identifier (RFC 4568 section 6.1).
pub const MAX_MKI_BYTES: usize = 128;

/// The longest master key with its salt.
const MAX_INLINE_BYTES: usize = 32 + 14;

/// A secret, wiped when it is dropped. `Debug` shows the suite only.
#[derive(Clone)]
pub struct MasterKey {
    suite: Suite,
    bytes: Zeroizing<[u8; MAX_INLINE_BYTES]>,
    mki: Box<[u8]>,
    lifetime_packets: u64,
}

impl MasterKey {
    /// Of key and salt in one, as SDES carries them (RFC 4568 section 6.1).
    ///
    /// # Errors
    /// [`MasterKeyError::Length`] when they have another length than [`Suite::inline_bytes`].
    pub fn new(suite: Suite, key_and_salt: &[u8]) -> Result<MasterKey, MasterKeyError> {
        match key_and_salt.split_at_checked(suite.key_bytes()) {
            Some((key, salt)) => MasterKey::from_parts(suite, key, salt),
            None => Err(MasterKeyError::Length),
        }
    }

    /// Of key and salt apart, as DTLS-SRTP exports them (RFC 5764 section 4.2).
    ///
    /// # Errors
    /// [`MasterKeyError::Length`] when one of them has not the length of the suite.
    pub fn from_parts(suite: Suite, key: &[u8], salt: &[u8]) -> Result<MasterKey, MasterKeyError> {
        if key.len() != suite.key_bytes() || salt.len() != suite.salt_bytes() {
            return Err(MasterKeyError::Length);
        }
        let mut bytes = Zeroizing::new([0; MAX_INLINE_BYTES]);
        for (to, from) in bytes.iter_mut().zip(key.iter().chain(salt)) {
            *to = *from;
        }
        Ok(MasterKey {
            suite,
            bytes,
            mki: Box::default(),
            lifetime_packets: MAX_RTP_PACKETS,
        })
    }

    /// The keys of client and server out of what a DTLS session exports for SRTP, which has
    /// [`Suite::exported_bytes`]: both keys, then both salts (RFC 5764 section 4.2). A client sends with
    /// the first one and receives with the second.
    ///
    /// # Errors
    /// [`MasterKeyError::Length`] when it has another length.
    pub fn pair_from_dtls(
        suite: Suite,
        exported: &[u8],
    ) -> Result<(MasterKey, MasterKey), MasterKeyError> {
        let (keys, salts) = exported
            .split_at_checked(2 * suite.key_bytes())
            .ok_or(MasterKeyError::Length)?;
        let (client, server) = keys
            .split_at_checked(suite.key_bytes())
            .ok_or(MasterKeyError::Length)?;
        let (client_salt, server_salt) = salts
            .split_at_checked(suite.salt_bytes())
            .ok_or(MasterKeyError::Length)?;
        Ok((
            MasterKey::from_parts(suite, client, client_salt)?,
            MasterKey::from_parts(suite, server, server_salt)?,
        ))
    }

    /// The same key with an identifier that every packet carries.
    ///
    /// # Errors
    /// [`MasterKeyError::Mki`] when it is empty or longer than [`MAX_MKI_BYTES`].
    pub fn with_mki(mut self, mki: &[u8]) -> Result<MasterKey, MasterKeyError> {
        if mki.is_empty() || mki.len() > MAX_MKI_BYTES {
            return Err(MasterKeyError::Mki);
        }
        self.mki = mki.into();
        Ok(self)
    }

    /// The same key for no more than so many packets of RTP, and as many of RTCP (RFC 4568 section
    /// 6.1). Without this it is good for as many as SRTP allows.
    ///
    /// # Errors
    /// [`MasterKeyError::Lifetime`] when that is none, or more than [`MAX_RTP_PACKETS`].
    pub fn with_lifetime(mut self, packets: u64) -> Result<MasterKey, MasterKeyError> {
        if packets == 0 || packets > MAX_RTP_PACKETS {
            return Err(MasterKeyError::Lifetime);
        }
        self.lifetime_packets = packets;
        Ok(self)
    }

    /// For how many packets it is good.
    pub const fn lifetime_packets(&self) -> u64 {
        self.lifetime_packets
    }

    /// The suite that it is for.
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// Key and salt in one. Where this goes, the call is readable.
    pub fn inline(&self) -> &[u8] {
        self.bytes
            .get(..self.suite.inline_bytes())
            .unwrap_or_default()
    }

    /// The identifier; empty when packets carry none.
    pub const fn mki(&self) -> &[u8] {
        &self.mki
    }

    pub(super) fn key(&self) -> &[u8] {
        self.bytes.get(..self.suite.key_bytes()).unwrap_or_default()
    }

    pub(super) fn salt(&self) -> &[u8] {
        self.inline()
            .get(self.suite.key_bytes()..)
            .unwrap_or_default()
    }
}

/// Takes the same time whatever the keys are: with it, a re-INVITE tells whether its key is new. The
/// same key with another lifetime is no new key.
impl PartialEq for MasterKey {
    fn eq(&self, other: &MasterKey) -> bool {
        let differing = self
            .bytes
            .iter()
            .zip(other.bytes.iter())
            .fold(0, |bits, (one, two)| bits | (one ^ two));
        self.suite == other.suite && self.mki == other.mki && core::hint::black_box(differing) == 0
    }
}

impl Eq for MasterKey {}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MasterKey")
            .field("suite", &self.suite)
            .finish_non_exhaustive()
    }
}
