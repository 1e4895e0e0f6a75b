//! The bridge as version 2 of the written state had it, whose keys had no life of their own. It is read
//! and goes on as today's; it is never written.

use core::time::Duration;
use std::net::{IpAddr, SocketAddr};

use fernamt_sdp::{CryptoSuite, FeedbackSet, PayloadMap, SessionState, TransportDescription};
use serde::{Deserialize, Serialize};

use super::ends::{End, Ends, Talk};
use super::{Bridge, Side};
use crate::encryption::Policy;
use crate::media::{
    Dtls, DtlsRole, EndpointId, Fingerprint, Format, Ice, Protection, Remote, Rollovers, SrtpKey,
    SrtpKeys, StreamPosition, Translation,
};

/// The bridge of version 2.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::call) struct SecondBridge {
    direct: bool,
    caller: SecondEnds,
    callee: Vec<SecondEnds>,
    closing: Vec<(EndpointId, Side)>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SecondEnds {
    leg: u8,
    local: IpAddr,
    signalling: IpAddr,
    session: SessionState,
    policy: Policy,
    ends: Vec<Option<SecondEnd>>,
    told: Box<str>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SecondEnd {
    id: EndpointId,
    rtp: Option<SocketAddr>,
    opening: bool,
    agreed: Option<SecondTalk>,
    proposed: Option<SecondTalk>,
    offered: Option<TransportDescription>,
    established: Option<SecondKeys>,
    rollovers: SecondRollovers,
    carrier: Option<usize>,
    bridged: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct SecondTalk {
    remote: SecondRemote,
    ours: Option<TransportDescription>,
    theirs: Option<TransportDescription>,
    usable: bool,
    numbers: PayloadMap,
}

#[derive(Debug, Serialize, Deserialize)]
struct SecondRemote {
    rtp: SocketAddr,
    rtcp: Option<SocketAddr>,
    signalling: IpAddr,
    sends: bool,
    receives: bool,
    payload_types: Vec<u8>,
    silence: Option<Duration>,
    format: Format,
    feedback: bool,
    protection: SecondProtection,
    rollovers: SecondRollovers,
    ice: Option<Ice>,
    mid: Option<(u8, Box<str>)>,
    translations: Vec<Translation>,
}

#[derive(Debug, Serialize, Deserialize)]
enum SecondProtection {
    None,
    Sdes(SecondKeys),
    Dtls {
        role: DtlsRole,
        fingerprints: Vec<Fingerprint>,
        established: Option<SecondKeys>,
    },
}

/// Without `Debug` of its own fields: a secret never reaches a log.
#[derive(Serialize, Deserialize)]
struct SecondKey {
    suite: CryptoSuite,
    key_and_salt: Box<[u8]>,
    identifier: Box<[u8]>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SecondKeys {
    ours: SecondKey,
    theirs: SecondKey,
}

#[derive(Debug, Serialize, Deserialize)]
struct SecondRollovers {
    ours: Vec<StreamPosition>,
    theirs: Vec<StreamPosition>,
    rtcp: u32,
}

impl core::fmt::Debug for SecondKey {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(formatter, "SecondKey({:?}, not shown)", self.suite)
    }
}

impl From<SecondBridge> for Bridge {
    fn from(second: SecondBridge) -> Bridge {
        Bridge {
            direct: second.direct,
            caller: second.caller.into(),
            callee: second.callee.into_iter().map(Ends::from).collect(),
            closing: second.closing,
            between: None,
            direct_offer: None,
        }
    }
}

impl From<SecondEnds> for Ends {
    fn from(second: SecondEnds) -> Ends {
        let ends = second.ends.into_iter();
        Ends {
            leg: second.leg,
            local: second.local,
            signalling: second.signalling,
            session: second.session,
            policy: second.policy,
            ends: ends.map(|end| end.map(End::from)).collect(),
            told: second.told,
            offer: None,
            offered_numbers: Vec::new(),
        }
    }
}

impl From<SecondEnd> for End {
    fn from(second: SecondEnd) -> End {
        End {
            rtp: second.rtp,
            opening: second.opening,
            agreed: second.agreed.map(Talk::from),
            proposed: second.proposed.map(Talk::from),
            offered: second.offered,
            established: second.established.map(SrtpKeys::from),
            rollovers: second.rollovers.into(),
            carrier: second.carrier,
            bridged: second.bridged,
            ..End::new(second.id)
        }
    }
}

impl From<SecondTalk> for Talk {
    fn from(second: SecondTalk) -> Talk {
        let mut remote = Remote::from(second.remote);
        // What the descriptions say of the life of keys is as true as ever.
        if let Protection::Sdes(keys) = &mut remote.protection {
            for (key, said) in [
                (&mut keys.ours, &second.ours),
                (&mut keys.theirs, &second.theirs),
            ] {
                key.lifetime_packets = said.as_ref().and_then(|said| lifetime_of(key, said));
            }
        }
        Talk {
            remote,
            ours: second.ours,
            theirs: second.theirs,
            usable: second.usable,
            numbers: second.numbers,
        }
    }
}

fn lifetime_of(key: &SrtpKey, said: &TransportDescription) -> Option<u64> {
    let mut keys = said.cryptos.iter().flat_map(|crypto| &crypto.keys);
    let said = keys.find(|said| said.master.key_and_salt() == key.key_and_salt)?;
    said.lifetime_packets
}

impl From<SecondRemote> for Remote {
    fn from(second: SecondRemote) -> Remote {
        Remote {
            rtcp: second.rtcp,
            signalling: second.signalling,
            sends: second.sends,
            receives: second.receives,
            payload_types: second.payload_types,
            silence: second.silence,
            format: second.format,
            feedback: match second.feedback {
                true => FeedbackSet::EVERY,
                false => FeedbackSet::NONE,
            },
            protection: second.protection.into(),
            rollovers: second.rollovers.into(),
            ice: second.ice,
            mid: second.mid,
            translations: second.translations,
            ..Remote::plain(second.rtp)
        }
    }
}

impl From<SecondProtection> for Protection {
    fn from(second: SecondProtection) -> Protection {
        match second {
            SecondProtection::None => Protection::None,
            SecondProtection::Sdes(keys) => Protection::Sdes(keys.into()),
            SecondProtection::Dtls {
                role,
                fingerprints,
                established,
            } => Protection::Dtls(Dtls {
                role,
                fingerprints,
                established: established.map(SrtpKeys::from),
                established_rtcp: None,
            }),
        }
    }
}

impl From<SecondKeys> for SrtpKeys {
    fn from(second: SecondKeys) -> SrtpKeys {
        let key = |second: SecondKey| SrtpKey {
            suite: second.suite,
            key_and_salt: second.key_and_salt,
            identifier: second.identifier,
            lifetime_packets: None,
        };
        SrtpKeys {
            ours: key(second.ours),
            theirs: key(second.theirs),
        }
    }
}

impl From<SecondRollovers> for Rollovers {
    fn from(second: SecondRollovers) -> Rollovers {
        Rollovers {
            ours: second.ours,
            theirs: second.theirs,
            rtcp: second.rtcp,
            ..Rollovers::default()
        }
    }
}
