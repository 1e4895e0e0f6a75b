//! How the voice of one call is protected (RFC 4568, RFC 8643): the keys of this phone, the lines
//! that are offered and answered, and what both sides have settled. No description is written here,
//! and no packet is protected.

use fernamt_rtp::srtp;
use fernamt_sdp::{
    AnswerPolicy, Crypto, CryptoSuite, Encryption, Keying, MasterKey, Profile, Settled,
    SettledKeying, TransportAnswer, TransportDescription, TransportError,
};
use fernamt_sip::transport::Transport;
use zeroize::Zeroizing;

use super::random::Random;
use crate::media::Protection;

/// What is offered, in this order: every phone with SRTP has the first, and in a datagram it is the
/// only one, so that an INVITE with credentials stays within it (RFC 3261 section 18.1.1). Whatever
/// else there is is only accepted.
const OFFERED: [CryptoSuite; 3] = [
    CryptoSuite::AesCm128HmacSha1_80,
    CryptoSuite::AeadAes256Gcm,
    CryptoSuite::AeadAes128Gcm,
];

/// Room for the longest key with its salt, in whole words of the random source.
const MAX_KEY_AND_SALT_BYTES: usize = 48;

/// The keys of this phone in one call, and how its end is transported.
#[derive(Clone)]
pub(super) struct Keys {
    encryption: Encryption,
    /// One for each suite, for as long as the call lasts: whatever is negotiated anew, this phone
    /// never changes its key, and never uses one for two suites.
    own: Vec<(CryptoSuite, MasterKey)>,
    /// What we offer, and from an agreement on what we have agreed to.
    ours: TransportDescription,
}

impl Keys {
    /// Fresh keys. Where signalling is encrypted, or the person insists, the profile asks for
    /// protection; elsewhere keys stand beside a profile that every phone has (RFC 8643).
    pub(super) fn new(encryption: Encryption, way: Transport, random: &mut Random) -> Keys {
        let own: Vec<_> = match encryption {
            Encryption::Never => Vec::new(),
            Encryption::Offered | Encryption::Required => CryptoSuite::ALL
                .into_iter()
                .filter_map(|suite| Some((suite, fresh(suite, random)?)))
                .collect(),
        };
        let profile = match (encryption, way.is_secure()) {
            (Encryption::Never, _) | (Encryption::Offered, false) => Profile::Avp,
            (Encryption::Offered, true) | (Encryption::Required, _) => Profile::Savp,
        };
        let mut ours = TransportDescription::new(profile);
        let count = match way {
            Transport::Udp => 1,
            _ => OFFERED.len(),
        };
        let lines = (1..).zip(OFFERED).take(count).filter_map(|(tag, suite)| {
            let key = own.iter().find(|(of, _)| *of == suite)?.1.clone();
            Some(Crypto::new(tag, suite, key))
        });
        ours.cryptos = lines.collect();
        Keys {
            encryption,
            own,
            ours,
        }
    }

    /// Profile and crypto lines of what we offer or have answered last.
    pub(super) const fn ours(&self) -> &TransportDescription {
        &self.ours
    }

    /// Whether an offer that is transported so can be answered, and how.
    pub(super) fn judge(
        &self,
        theirs: &TransportDescription,
    ) -> Result<TransportAnswer, TransportError> {
        theirs.answer(&AnswerPolicy {
            encryption: self.encryption,
            suites: &CryptoSuite::ALL,
            dtls: false,
            ice: false,
            rtcp_mux: true,
        })
    }

    /// Answers an offer that was judged so.
    pub(super) fn answer(
        &mut self,
        theirs: &TransportDescription,
        answer: &TransportAnswer,
    ) -> Result<Option<Protection>, TransportError> {
        let mut ours = TransportDescription::new(answer.profile);
        let mut protection = None;
        if let Keying::Sdes { offered } = answer.keying {
            let line = theirs.cryptos.get(offered);
            let line = line.ok_or(TransportError::NoKeys)?;
            let own = line.answer(self.key(line.suite)?.clone());
            protection = Some(protection_of(&own, line)?);
            ours.cryptos.push(own);
        }
        self.ours = ours;
        Ok(protection)
    }

    /// Takes how the answer to our offer is transported. What was chosen is offered from now on.
    pub(super) fn settle(
        &mut self,
        theirs: &TransportDescription,
    ) -> Result<Option<Protection>, TransportError> {
        let settled = Settled::new(&self.ours, theirs)?;
        let protection = match settled.keying {
            SettledKeying::Sdes { offered, answered } => {
                let own = self.ours.cryptos.get(offered).cloned();
                let (own, line) = own
                    .zip(theirs.cryptos.get(answered))
                    .ok_or(TransportError::NoKeys)?;
                let protection = protection_of(&own, line)?;
                self.ours.cryptos = vec![own];
                Some(protection)
            }
            SettledKeying::None | SettledKeying::Dtls { .. } => {
                if self.encryption == Encryption::Required {
                    return Err(TransportError::EncryptionRequired);
                }
                self.ours.cryptos.clear();
                None
            }
        };
        Ok(protection)
    }

    fn key(&self, suite: CryptoSuite) -> Result<&MasterKey, TransportError> {
        let own = self.own.iter().find(|(of, _)| *of == suite);
        own.map(|(_, key)| key).ok_or(TransportError::NoKeys)
    }
}

fn fresh(suite: CryptoSuite, random: &mut Random) -> Option<MasterKey> {
    let mut bytes = Zeroizing::new([0; MAX_KEY_AND_SALT_BYTES]);
    for part in bytes.chunks_exact_mut(8) {
        part.copy_from_slice(&random.number().to_le_bytes());
    }
    MasterKey::new(suite, bytes.get(..suite.key_and_salt_bytes())?)
}

fn protection_of(own: &Crypto, theirs: &Crypto) -> Result<Protection, TransportError> {
    let keys = master_key(own).zip(master_key(theirs));
    let (ours, theirs) = keys.ok_or(TransportError::NoKeys)?;
    Ok(Protection { ours, theirs })
}

/// The key of a line, in the words of the packets.
fn master_key(line: &Crypto) -> Option<srtp::MasterKey> {
    let suite = srtp::Suite::from_name(line.suite.as_str())?;
    let key = line.key()?;
    let master = srtp::MasterKey::from_parts(suite, key.master.key(), key.master.salt()).ok()?;
    match key.identifier {
        Some(identifier) => master.with_mki(&identifier.to_bytes()).ok(),
        None => Some(master),
    }
}
