//! What an offer and its answer have settled about one stream, in the words of the media plane. No
//! description is read here.

use std::net::SocketAddr;

use fernamt_sdp::{
    Candidate, CandidateKind, CandidateTransport, Crypto, IceDescription, InlineKey, Settled,
    SettledKeying, Setup, TransportDescription, TransportError,
};

use super::ends::Talk;
use crate::config::Config;
use crate::encryption::{Demand, Policy};
use crate::media::{
    Dtls, DtlsRole, Fingerprint, Ice, IceCandidate, IceCandidateKind, IceCredentials, Protection,
    SrtpKey, SrtpKeys,
};

/// The component of RTP, and of RTCP where both share a port (RFC 8445 section 13).
const RTP_COMPONENT: u16 = 1;

/// Who made the offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Both {
    /// We did, and the party has answered.
    WeOffered,
    /// The party did, and we have answered.
    TheyOffered,
}

/// Completes what is known about a stream by what its offer and its answer have settled.
pub(super) fn settle(
    config: &Config,
    policy: Policy,
    before: Option<&Talk>,
    talk: &mut Talk,
    both: Both,
) -> Result<(), TransportError> {
    let (Some(ours), Some(theirs)) = (&talk.ours, &talk.theirs) else {
        return match policy.demand {
            Demand::Required => Err(TransportError::EncryptionRequired),
            _ => Ok(()),
        };
    };
    let settled = match both {
        Both::WeOffered => Settled::new(ours, theirs)?,
        Both::TheyOffered => Settled::new(theirs, ours)?,
    };
    if settled.keying == SettledKeying::None && policy.demand == Demand::Required {
        return Err(TransportError::EncryptionRequired);
    }
    let remote = &mut talk.remote;
    remote.protection = protection(ours, theirs, settled.keying, both)?;
    if settled.rtcp_mux {
        remote.rtcp = Some(remote.rtp);
    }
    remote.ice = match (&ours.ice, &theirs.ice) {
        (Some(own), Some(their)) if settled.ice => {
            let before = before.and_then(|before| before.remote.ice.as_ref());
            Some(ice(config, own, their, before, both))
        }
        _ => None,
    };
    let extension = ours
        .mid_extension
        .filter(|_| theirs.mid_extension.is_some());
    remote.mid = extension.zip(theirs.mid.clone());
    if both == Both::WeOffered {
        keep_what_was_chosen(talk, &settled);
    }
    Ok(())
}

/// Of what we have offered only what the party has chosen goes on.
fn keep_what_was_chosen(talk: &mut Talk, settled: &Settled) {
    let Some(ours) = &mut talk.ours else { return };
    ours.rtcp_mux = settled.rtcp_mux;
    ours.rtcp = None;
    if let Some(ice) = ours.ice.as_mut().filter(|_| settled.rtcp_mux) {
        ice.candidates.retain(|own| own.component == RTP_COMPONENT);
    }
    match settled.keying {
        SettledKeying::None => {
            ours.cryptos.clear();
            ours.fingerprints.clear();
            ours.setup = None;
        }
        SettledKeying::Sdes { offered, .. } => {
            let chosen = ours.cryptos.get(offered).cloned();
            ours.cryptos = chosen.into_iter().collect();
        }
        SettledKeying::Dtls { offerer_is_client } => {
            let part = if offerer_is_client {
                Setup::Active
            } else {
                Setup::Passive
            };
            ours.setup = Some(part);
        }
    }
}

fn protection(
    ours: &TransportDescription,
    theirs: &TransportDescription,
    keying: SettledKeying,
    both: Both,
) -> Result<Protection, TransportError> {
    match keying {
        SettledKeying::None => Ok(Protection::None),
        SettledKeying::Sdes { offered, answered } => {
            let (own, their) = match both {
                Both::WeOffered => (offered, answered),
                Both::TheyOffered => (answered, offered),
            };
            let own = ours.cryptos.get(own).and_then(srtp_key);
            let their = theirs.cryptos.get(their).and_then(srtp_key);
            let (Some(ours), Some(theirs)) = (own, their) else {
                return Err(TransportError::NoKeys);
            };
            Ok(Protection::Sdes(SrtpKeys { ours, theirs }))
        }
        SettledKeying::Dtls { offerer_is_client } => {
            let we_offered = both == Both::WeOffered;
            let role = match offerer_is_client == we_offered {
                true => DtlsRole::Client,
                false => DtlsRole::Server,
            };
            let fingerprints = theirs
                .fingerprints
                .iter()
                .filter(|fingerprint| !fingerprint.function().is_weak())
                .map(|fingerprint| Fingerprint {
                    function: fingerprint.function().as_str().into(),
                    hash: fingerprint.hash().into(),
                });
            Ok(Protection::Dtls(Dtls {
                role,
                fingerprints: fingerprints.collect(),
                established: None,
                established_rtcp: None,
            }))
        }
    }
}

fn srtp_key(crypto: &Crypto) -> Option<SrtpKey> {
    let key: &InlineKey = crypto.key()?;
    let identifier = key.identifier.map(|identifier| identifier.to_bytes());
    Some(SrtpKey {
        suite: crypto.suite,
        key_and_salt: key.master.key_and_salt(),
        identifier: identifier.unwrap_or_default(),
        lifetime_packets: key.lifetime_packets,
    })
}

fn ice(
    config: &Config,
    own: &IceDescription,
    their: &IceDescription,
    before: Option<&Ice>,
    both: Both,
) -> Ice {
    let local = IceCredentials::from(&own.credentials);
    let remote = IceCredentials::from(&their.credentials);
    // The parts are settled once, and anew with every restart (RFC 8445 section 6.1.1).
    let same = before.filter(|before| before.local == local && before.remote == remote);
    let controlling = match (same, own.lite, their.lite) {
        (Some(before), ..) => before.controlling,
        (None, false, true) => true,
        (None, true, false) => false,
        (None, ..) => both == Both::WeOffered,
    };
    Ice {
        local,
        remote,
        controlling,
        lite: own.lite,
        remote_lite: their.lite,
        candidates: their.candidates.iter().filter_map(candidate).collect(),
        advertised: config.advertised,
    }
}

impl From<&fernamt_sdp::IceCredentials> for IceCredentials {
    fn from(described: &fernamt_sdp::IceCredentials) -> IceCredentials {
        IceCredentials {
            fragment: described.ufrag().into(),
            password: described.password().into(),
        }
    }
}

/// A candidate of the party that a check can be sent to: an address, over UDP.
pub(super) fn candidate(candidate: &Candidate) -> Option<IceCandidate> {
    let address: SocketAddr = candidate.socket_address()?;
    let kind = match &candidate.kind {
        CandidateKind::Host => IceCandidateKind::Host,
        CandidateKind::ServerReflexive => IceCandidateKind::ServerReflexive,
        CandidateKind::PeerReflexive => IceCandidateKind::PeerReflexive,
        CandidateKind::Relayed => IceCandidateKind::Relayed,
        CandidateKind::Other(_) => return None,
    };
    let component = u8::try_from(candidate.component).ok()?;
    let fits = candidate.transport == CandidateTransport::Udp && (1..=2).contains(&component);
    fits.then(|| IceCandidate {
        component,
        foundation: candidate.foundation.clone(),
        priority: candidate.priority,
        address,
        kind,
    })
}
