//! Crypto suites (RFC 4568 section 6.2, RFC 6188, RFC 7714): their names and sizes, nothing of their
//! working.

/// Cipher, authentication and tag lengths, as they are negotiated together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Suite {
    /// AES in counter mode with 128 bits, HMAC-SHA1 with tags of 80 bits.
    AesCm128HmacSha1_80,
    /// The same with tags of 32 bits for RTP, and of 80 bits for RTCP.
    AesCm128HmacSha1_32,
    /// AES in counter mode with 256 bits, HMAC-SHA1 with tags of 80 bits (RFC 6188).
    AesCm256HmacSha1_80,
    /// The same with tags of 32 bits for RTP, and of 80 bits for RTCP.
    AesCm256HmacSha1_32,
    /// AES-GCM with 128 bits, tags of 128 bits (RFC 7714).
    AeadAes128Gcm,
    /// AES-GCM with 256 bits, tags of 128 bits (RFC 7714).
    AeadAes256Gcm,
}

/// Bytes of the SRTCP index with its E bit.
pub(super) const INDEX_BYTES: usize = 4;

impl Suite {
    /// All of them, the strongest first.
    pub const ALL: [Suite; 6] = [
        Suite::AeadAes256Gcm,
        Suite::AeadAes128Gcm,
        Suite::AesCm256HmacSha1_80,
        Suite::AesCm128HmacSha1_80,
        Suite::AesCm256HmacSha1_32,
        Suite::AesCm128HmacSha1_32,
    ];

    /// The name in `a=crypto`.
    pub const fn name(self) -> &'static str {
        match self {
            Suite::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Suite::AesCm128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
            Suite::AesCm256HmacSha1_80 => "AES_256_CM_HMAC_SHA1_80",
            Suite::AesCm256HmacSha1_32 => "AES_256_CM_HMAC_SHA1_32",
            Suite::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Suite::AeadAes256Gcm => "AEAD_AES_256_GCM",
        }
    }

    /// The suite of a name in `a=crypto`.
    pub fn from_name(name: &str) -> Option<Suite> {
        Suite::ALL
            .into_iter()
            .find(|suite| suite.name().eq_ignore_ascii_case(name))
    }

    /// Bytes of the master key, and of the session keys of the cipher.
    pub const fn key_bytes(self) -> usize {
        match self {
            Suite::AesCm128HmacSha1_80 | Suite::AesCm128HmacSha1_32 | Suite::AeadAes128Gcm => 16,
            Suite::AesCm256HmacSha1_80 | Suite::AesCm256HmacSha1_32 | Suite::AeadAes256Gcm => 32,
        }
    }

    /// Bytes of the master salt, and of the session salts.
    pub const fn salt_bytes(self) -> usize {
        match self.is_aead() {
            true => 12,
            false => 14,
        }
    }

    /// Bytes of master key and master salt together, as SDES carries them.
    pub const fn inline_bytes(self) -> usize {
        self.key_bytes() + self.salt_bytes()
    }

    /// Bytes that a DTLS session exports: key and salt of client and server (RFC 5764 section 4.2).
    pub const fn exported_bytes(self) -> usize {
        2 * self.inline_bytes()
    }

    /// Bytes of the tag of a packet of RTP.
    pub const fn rtp_tag_bytes(self) -> usize {
        match self {
            Suite::AesCm128HmacSha1_80 | Suite::AesCm256HmacSha1_80 => 10,
            Suite::AesCm128HmacSha1_32 | Suite::AesCm256HmacSha1_32 => 4,
            Suite::AeadAes128Gcm | Suite::AeadAes256Gcm => 16,
        }
    }

    /// Bytes of the tag of a packet of RTCP: never as short as 32 bits (RFC 3711 section 5.2,
    /// RFC 4568 section 6.2.2).
    pub const fn rtcp_tag_bytes(self) -> usize {
        match self.is_aead() {
            true => 16,
            false => 10,
        }
    }

    /// Whether one operation encrypts and authenticates.
    pub const fn is_aead(self) -> bool {
        matches!(self, Suite::AeadAes128Gcm | Suite::AeadAes256Gcm)
    }
}
