//! The media of a call as version 1 of the written state had them: relayed in clear, nothing else was
//! known. They are read and go on as that; they are never written.

use core::time::Duration;
use std::net::{IpAddr, SocketAddr};

use fernamt_sdp::{PayloadMap, Profile, SessionState, TransportDescription};
use fernamt_sip::transport::Transport;
use serde::{Deserialize, Serialize};

use super::ends::{End, Ends, Talk};
use super::{Bridge, Side};
use crate::encryption::{Demand, Keying, Policy};
use crate::media::{EndpointId, Remote};

/// The bridge of version 1.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::call) struct FirstBridge {
    direct: bool,
    caller: FirstEnds,
    callee: Vec<FirstEnds>,
    opening: u16,
    closing: Vec<(EndpointId, Side)>,
}

#[derive(Debug, Serialize, Deserialize)]
struct FirstEnds {
    local: IpAddr,
    signalling: IpAddr,
    session: SessionState,
    ends: Vec<Option<FirstEnd>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct FirstEnd {
    id: EndpointId,
    rtp: Option<SocketAddr>,
    remote: Option<FirstRemote>,
    proposed: Option<FirstRemote>,
}

#[derive(Debug, Serialize, Deserialize)]
struct FirstRemote {
    rtp: SocketAddr,
    rtcp: Option<SocketAddr>,
    signalling: IpAddr,
    sends: bool,
    receives: bool,
    payload_types: Vec<u8>,
    silence: Option<Duration>,
}

impl From<FirstBridge> for Bridge {
    fn from(first: FirstBridge) -> Bridge {
        Bridge {
            direct: first.direct,
            caller: first.caller.into_ends(0),
            callee: (1..)
                .zip(first.callee)
                .map(|(leg, ends)| ends.into_ends(leg))
                .collect(),
            closing: first.closing,
            between: None,
            direct_offer: None,
        }
    }
}

impl FirstEnds {
    fn into_ends(self, leg: u8) -> Ends {
        Ends {
            leg,
            local: self.local,
            signalling: self.signalling,
            session: self.session,
            // The call has begun in clear, and may become better but not worse.
            policy: Policy {
                demand: Demand::Offered,
                keying: Keying::Sdes,
                signalling: Transport::Udp,
                ice: false,
                strict: false,
            },
            ends: self
                .ends
                .into_iter()
                .map(|end| end.map(End::from))
                .collect(),
            told: Box::default(),
            offer: None,
            offered_numbers: Vec::new(),
        }
    }
}

impl From<FirstEnd> for End {
    fn from(first: FirstEnd) -> End {
        End {
            rtp: first.rtp,
            agreed: first.remote.map(Talk::from),
            proposed: first.proposed.map(Talk::from),
            ..End::new(first.id)
        }
    }
}

impl From<FirstRemote> for Talk {
    fn from(first: FirstRemote) -> Talk {
        let clear = Some(TransportDescription::new(Profile::Avp));
        Talk {
            remote: Remote {
                rtcp: first.rtcp,
                signalling: first.signalling,
                sends: first.sends,
                receives: first.receives,
                payload_types: first.payload_types,
                silence: first.silence,
                ..Remote::plain(first.rtp)
            },
            ours: clear.clone(),
            theirs: clear,
            usable: true,
            numbers: PayloadMap::default(),
        }
    }
}
