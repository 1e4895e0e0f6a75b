//! G.711 A-law and µ-law: octets to linear samples and back, bit-exact; no packets.
//!
//! The A-law octets carry the inversion of the even bits and the µ-law octets that of all bits, as
//! they are sent on the line and in RTP (RFC 3551 section 4.5.14). Linear samples fill the 16 bits
//! as in ITU-T G.191.

mod conversion;
mod tables;

use self::tables::{A_OF_LINEAR, A_TO_MU, LINEAR_OF_A, LINEAR_OF_MU, MU_OF_LINEAR, MU_TO_A};

/// Which of the two laws.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Law {
    /// A-law, in RTP `PCMA`, payload type 8.
    A,
    /// µ-law, in RTP `PCMU`, payload type 0.
    Mu,
}

impl Law {
    /// The law of a static RTP payload type (RFC 3551 table 4).
    pub const fn from_payload_type(payload_type: u8) -> Option<Law> {
        match payload_type {
            0 => Some(Law::Mu),
            8 => Some(Law::A),
            _ => None,
        }
    }

    /// The static RTP payload type (RFC 3551 table 4).
    pub const fn payload_type(self) -> u8 {
        match self {
            Law::A => 8,
            Law::Mu => 0,
        }
    }

    /// The name in SDP.
    pub const fn encoding_name(self) -> &'static str {
        match self {
            Law::A => "PCMA",
            Law::Mu => "PCMU",
        }
    }

    /// The octet for one linear sample.
    #[inline]
    pub fn encode_sample(self, sample: i16) -> u8 {
        match self {
            Law::A => encode_a(sample),
            Law::Mu => encode_mu(sample),
        }
    }

    /// The linear sample for one octet.
    #[inline]
    pub fn decode_sample(self, octet: u8) -> i16 {
        match self {
            Law::A => decode_a(octet),
            Law::Mu => decode_mu(octet),
        }
    }

    /// Encodes samples into octets, as many as fit into the shorter of both; returns how many.
    pub fn encode(self, samples: &[i16], octets: &mut [u8]) -> usize {
        let pairs = octets.iter_mut().zip(samples);
        match self {
            Law::A => pairs.for_each(|(octet, &sample)| *octet = encode_a(sample)),
            Law::Mu => pairs.for_each(|(octet, &sample)| *octet = encode_mu(sample)),
        }
        samples.len().min(octets.len())
    }

    /// Decodes octets into samples, as many as fit into the shorter of both; returns how many.
    pub fn decode(self, octets: &[u8], samples: &mut [i16]) -> usize {
        let pairs = samples.iter_mut().zip(octets);
        match self {
            Law::A => pairs.for_each(|(sample, &octet)| *sample = decode_a(octet)),
            Law::Mu => pairs.for_each(|(sample, &octet)| *sample = decode_mu(octet)),
        }
        samples.len().min(octets.len())
    }

    /// The octet of the other law for the same sound (G.711 tables 3 and 4).
    #[inline]
    pub fn to_other(self, octet: u8) -> u8 {
        let table = match self {
            Law::A => &A_TO_MU,
            Law::Mu => &MU_TO_A,
        };
        table.get(usize::from(octet)).copied().unwrap_or(0)
    }

    /// Turns octets of this law into octets of the other in place.
    pub fn transcode(self, octets: &mut [u8]) {
        octets
            .iter_mut()
            .for_each(|octet| *octet = self.to_other(*octet));
    }

    /// The octet of silence.
    pub const fn silence(self) -> u8 {
        match self {
            Law::A => 0xd5,
            Law::Mu => 0xff,
        }
    }
}

#[inline]
fn encode_a(sample: i16) -> u8 {
    A_OF_LINEAR
        .get(usize::from(sample.cast_unsigned() >> 4))
        .copied()
        .unwrap_or(0)
}

#[inline]
fn encode_mu(sample: i16) -> u8 {
    MU_OF_LINEAR
        .get(usize::from(sample.cast_unsigned() >> 2))
        .copied()
        .unwrap_or(0)
}

#[inline]
fn decode_a(octet: u8) -> i16 {
    LINEAR_OF_A.get(usize::from(octet)).copied().unwrap_or(0)
}

#[inline]
fn decode_mu(octet: u8) -> i16 {
    LINEAR_OF_MU.get(usize::from(octet)).copied().unwrap_or(0)
}
