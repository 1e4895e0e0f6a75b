//! Which transport answers an offer (RFC 4568, RFC 5763, RFC 5761, RFC 8643), and what offer and
//! answer together have settled. No socket, no key is made.

use serde::{Deserialize, Serialize};

use super::{Profile, TransportDescription};
use crate::crypto::CryptoSuite;
use crate::error::Blame;
use crate::setup::Setup;

/// What is wanted of a party.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Encryption {
    /// Packets go in clear.
    Never,
    /// Packets are protected when the party can.
    #[default]
    Offered,
    /// Without protection there is no call.
    Required,
}

/// What we can do and want.
#[derive(Clone, Copy, Debug)]
pub struct AnswerPolicy<'p> {
    /// Whether packets are protected.
    pub encryption: Encryption,
    /// The suites that we have, in any order: the offerer's counts (RFC 4568 section 5.1.2).
    pub suites: &'p [CryptoSuite],
    /// Whether we can make a handshake on the media path.
    pub dtls: bool,
    /// Whether we speak ICE.
    pub ice: bool,
    /// Whether RTCP may share the port of RTP.
    pub rtcp_mux: bool,
}

/// How keys come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Keying {
    /// There are none.
    None,
    /// By `a=crypto`: the line of the offer in this place, an index into
    /// [`TransportDescription::cryptos`], is chosen. [`crate::Crypto::answer`] answers it.
    Sdes {
        /// The chosen line.
        offered: usize,
    },
    /// By a handshake.
    Dtls {
        /// What our answer says.
        setup: Setup,
    },
}

/// What an answer must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransportAnswer {
    /// That of the offer (RFC 3264 section 6).
    pub profile: Profile,
    /// How keys come about.
    pub keying: Keying,
    /// Whether the answer has credentials and candidates.
    pub ice: bool,
    /// Whether the answer has `a=rtcp-mux`. It never has `a=rtcp-mux-only`: that is for offers
    /// (RFC 8858 section 3).
    pub rtcp_mux: bool,
    /// Whether the answer has `a=rtcp-rsize`.
    pub rtcp_reduced_size: bool,
}

impl TransportAnswer {
    /// Whether packets are protected.
    pub const fn is_protected(&self) -> bool {
        !matches!(self.keying, Keying::None)
    }
}

/// Why there is no transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum TransportError {
    /// The profile is a protected one, and no key in it can be used.
    #[error("the media are to be encrypted, but no key is offered that can be used here")]
    NoKeys,
    /// All fingerprints are made with functions that prove nothing.
    #[error("the certificate is named by a weak hash only; sha-256 is needed")]
    WeakFingerprint,
    /// The policy asks for protection, and the offer has none.
    #[error("encrypted media are required here, and the offer has none")]
    EncryptionRequired,
    /// The policy forbids protection, and the offer has nothing else.
    #[error("encrypted media are switched off here, and the offer has nothing else")]
    EncryptionForbidden,
    /// The offer wants RTCP on the port of RTP and nowhere else.
    #[error("RTCP cannot share the port of RTP here, and the offer has nothing else")]
    MuxRequired,
    /// The offer was protected, the answer is not.
    #[error("the answer has {answered} where {offered} was offered")]
    Profile {
        /// The profile of the offer.
        offered: Profile,
        /// The profile of the answer.
        answered: Profile,
    },
    /// The answer has a crypto line that was not offered.
    #[error("the answer chooses a crypto line that was not offered")]
    CryptoNotOffered,
    /// The answer's `a=setup` does not answer that of the offer.
    #[error("the answer has setup:{answered} where setup:{offered} was offered")]
    Setup {
        /// What was offered.
        offered: Setup,
        /// What was answered.
        answered: Setup,
    },
}

impl TransportError {
    /// Who is to act.
    pub const fn blame(self) -> Blame {
        match self {
            TransportError::NoKeys
            | TransportError::WeakFingerprint
            | TransportError::EncryptionRequired
            | TransportError::EncryptionForbidden
            | TransportError::MuxRequired => Blame::Unsupported,
            TransportError::Profile { .. }
            | TransportError::CryptoNotOffered
            | TransportError::Setup { .. } => Blame::Peer,
        }
    }
}

/// Without `a=setup` an offerer begins (RFC 4145 section 4.1).
const DEFAULT_OFFER: Setup = Setup::Active;

/// Without `a=setup` an answerer waits.
const DEFAULT_ANSWER: Setup = Setup::Passive;

impl TransportDescription {
    /// What the answer to this offer must have. Keys from a handshake come before keys in the
    /// description: those who carry the signalling do not see them.
    ///
    /// # Errors
    /// [`TransportError`] when no answer but a refusal is possible.
    pub fn answer(&self, policy: &AnswerPolicy<'_>) -> Result<TransportAnswer, TransportError> {
        if self.rtcp_mux_only && !policy.rtcp_mux {
            return Err(TransportError::MuxRequired);
        }
        let keying = self.keying(policy)?;
        if keying == Keying::None && policy.encryption == Encryption::Required {
            return Err(TransportError::EncryptionRequired);
        }
        Ok(TransportAnswer {
            profile: self.profile,
            keying,
            ice: policy.ice && self.ice.is_some(),
            rtcp_mux: policy.rtcp_mux && (self.rtcp_mux || self.rtcp_mux_only),
            rtcp_reduced_size: self.rtcp_reduced_size && self.feedback(),
        })
    }

    fn keying(&self, policy: &AnswerPolicy<'_>) -> Result<Keying, TransportError> {
        let secure = self.profile.is_secure();
        if policy.encryption == Encryption::Never {
            return match secure {
                true => Err(TransportError::EncryptionForbidden),
                false => Ok(Keying::None),
            };
        }
        if policy.dtls && self.has_strong_fingerprint() {
            let setup = self.setup.unwrap_or(DEFAULT_OFFER).answer();
            return Ok(Keying::Dtls { setup });
        }
        let offered = self.cryptos.iter().position(|crypto| {
            policy.suites.contains(&crypto.suite) && crypto.objection().is_none()
        });
        match offered.filter(|_| !self.profile.is_dtls()) {
            Some(offered) => Ok(Keying::Sdes { offered }),
            None if !secure => Ok(Keying::None),
            None if policy.dtls && !self.fingerprints.is_empty() => {
                Err(TransportError::WeakFingerprint)
            }
            None => Err(TransportError::NoKeys),
        }
    }

    /// Whether a fingerprint proves something.
    pub fn has_strong_fingerprint(&self) -> bool {
        let mut fingerprints = self.fingerprints.iter();
        fingerprints.any(|fingerprint| !fingerprint.function().is_weak())
    }
}

/// How keys come about, as both sides agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SettledKeying {
    /// There are none.
    None,
    /// By `a=crypto`.
    Sdes {
        /// The line of the offer, an index into [`TransportDescription::cryptos`]: its key is that
        /// of what the offerer sends.
        offered: usize,
        /// The line of the answer: its key is that of what the answerer sends.
        answered: usize,
    },
    /// By a handshake.
    Dtls {
        /// Who begins it.
        offerer_is_client: bool,
    },
}

/// What offer and answer have settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// How keys come about.
    pub keying: SettledKeying,
    /// Whether both have ICE.
    pub ice: bool,
    /// Whether RTCP shares the port of RTP.
    pub rtcp_mux: bool,
}

impl Settled {
    /// What this offer and this answer settle. Lenient where phones are known to differ: an answer
    /// may lack the feedback of the offer's profile or name a protected one that was offered
    /// opportunistically.
    ///
    /// # Errors
    /// [`TransportError`] when the answer does not fit the offer.
    pub fn new(
        offer: &TransportDescription,
        answer: &TransportDescription,
    ) -> Result<Settled, TransportError> {
        let profiles = TransportError::Profile {
            offered: offer.profile,
            answered: answer.profile,
        };
        if offer.profile.is_secure() && !answer.profile.is_secure() {
            return Err(profiles);
        }
        let keying = settled_keying(offer, answer)?;
        if keying == SettledKeying::None && answer.profile.is_secure() {
            return Err(match offer.profile.is_secure() {
                true => TransportError::NoKeys,
                false => profiles,
            });
        }
        let rtcp_mux = answer.rtcp_mux && (offer.rtcp_mux || offer.rtcp_mux_only);
        if offer.rtcp_mux_only && !rtcp_mux {
            return Err(TransportError::MuxRequired);
        }
        // An answerer that has seen changed addresses wants no ICE (RFC 8839 section 5.3).
        let usable_ice = answer.ice.as_ref().is_some_and(|ice| !ice.mismatch);
        Ok(Settled {
            keying,
            ice: offer.ice.is_some() && usable_ice,
            rtcp_mux,
        })
    }
}

fn settled_keying(
    offer: &TransportDescription,
    answer: &TransportDescription,
) -> Result<SettledKeying, TransportError> {
    if !offer.fingerprints.is_empty() && !answer.fingerprints.is_empty() {
        if !answer.has_strong_fingerprint() || !offer.has_strong_fingerprint() {
            return Err(TransportError::WeakFingerprint);
        }
        return settled_roles(offer, answer);
    }
    if answer.cryptos.is_empty() || answer.profile.is_dtls() {
        return Ok(SettledKeying::None);
    }
    let chosen = answer
        .cryptos
        .iter()
        .enumerate()
        .find_map(|(at, answered)| {
            let same = |offered: &crate::Crypto| {
                offered.tag == answered.tag && offered.suite == answered.suite
            };
            let offered = offer.cryptos.iter().position(same)?;
            Some((offered, at, answered))
        });
    match chosen {
        Some((_, _, answered)) if answered.objection().is_some() => Err(TransportError::NoKeys),
        Some((offered, answered, _)) => Ok(SettledKeying::Sdes { offered, answered }),
        None => Err(TransportError::CryptoNotOffered),
    }
}

fn settled_roles(
    offer: &TransportDescription,
    answer: &TransportDescription,
) -> Result<SettledKeying, TransportError> {
    let offered = offer.setup.unwrap_or(DEFAULT_OFFER);
    let answered = answer.setup.unwrap_or(DEFAULT_ANSWER);
    if !answered.may_answer(offered) {
        return Err(TransportError::Setup { offered, answered });
    }
    Ok(SettledKeying::Dtls {
        offerer_is_client: answered == Setup::Passive,
    })
}
