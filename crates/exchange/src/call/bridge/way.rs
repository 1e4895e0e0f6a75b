//! What media show of the way between a phone and us, in words: where they really come from, against
//! what the phone has described. Where its signalling shows nothing, as that of a browser, this does.

use std::net::SocketAddr;

use super::Bridge;
use crate::media::{EndpointId, IceCandidateKind, Remote};
use crate::registrar::is_private;

impl Bridge {
    /// Media of a party come from this address.
    pub(in crate::call) fn source_in_words(&self, endpoint: EndpointId, rtp: SocketAddr) -> String {
        match self.remote_at(endpoint) {
            Some(remote) if remote.ice.is_none() => source_in_words(remote.rtp, rtp),
            // Which of its addresses that is, the checks have told.
            _ => format!("Media comes from {rtp}."),
        }
    }

    /// Checks have found the way to a party.
    pub(in crate::call) fn way_in_words(
        &self,
        endpoint: EndpointId,
        rtp: SocketAddr,
        kind: IceCandidateKind,
    ) -> String {
        let ice = self
            .remote_at(endpoint)
            .and_then(|remote| remote.ice.as_ref());
        let names_its_own = ice.is_some_and(|ice| {
            let mut hosts = ice.candidates.iter();
            hosts.any(|candidate| {
                candidate.kind == IceCandidateKind::Host
                    && candidate.address.is_ipv4() == rtp.is_ipv4()
            })
        });
        let kind = kind_in_words(kind, names_its_own);
        format!("Media go to {rtp}, {kind}.")
    }

    /// What is agreed on with the party of an endpoint.
    fn remote_at(&self, endpoint: EndpointId) -> Option<&Remote> {
        let mut ends = self.all().flat_map(|ends| ends.ends.iter().flatten());
        let end = ends.find(|end| end.id == endpoint)?;
        end.agreed.as_ref().map(|talk| &talk.remote)
    }
}

fn source_in_words(described: SocketAddr, source: SocketAddr) -> String {
    let (own, seen) = (described.ip().to_canonical(), source.ip().to_canonical());
    let what = if own == seen && described.port() == source.port() {
        "as the phone has described".to_owned()
    } else if own.is_unspecified() {
        return format!("Media comes from {source}.");
    } else if own == seen {
        let port = described.port();
        format!("from another port than the described {port}")
    } else if is_private(own) && !is_private(seen) {
        format!("and the phone has described {described}: it is behind a NAT")
    } else {
        format!("and the phone has described {described}")
    };
    format!("Media comes from {source}, {what}.")
}

/// How the way to a party was found, and what follows from it; `names_its_own`: it has told which
/// addresses it has itself. Browsers often keep them to themselves.
const fn kind_in_words(kind: IceCandidateKind, names_its_own: bool) -> &'static str {
    match (kind, names_its_own) {
        (IceCandidateKind::Host, _) => "an address of its own: no NAT is in between",
        (IceCandidateKind::ServerReflexive, _) => {
            "the address that a STUN server saw: the phone is behind a NAT"
        }
        (IceCandidateKind::PeerReflexive, true) => {
            "the address that a check came from, which the phone does not know: it is behind a NAT"
        }
        (IceCandidateKind::PeerReflexive, false) => {
            "the address that a check came from: whether a NAT is in between is not known, as the phone \
             does not tell its own addresses"
        }
        (IceCandidateKind::Relayed, _) => "a TURN server, and nothing is seen of what is behind it",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_media_come_from_is_told_against_what_was_described() {
        for (described, source, words) in [
            (
                "198.51.100.7:4000",
                "198.51.100.7:4000",
                ", as the phone has described.",
            ),
            (
                "198.51.100.7:4000",
                "198.51.100.7:4100",
                ", from another port than the described 4000.",
            ),
            (
                "192.168.1.9:4000",
                "198.51.100.7:4000",
                ", and the phone has described 192.168.1.9:4000: it is behind a NAT.",
            ),
            (
                "203.0.113.9:4000",
                "198.51.100.7:4000",
                ", and the phone has described 203.0.113.9:4000.",
            ),
            (
                "192.168.1.9:4000",
                "192.168.1.1:4000",
                ", and the phone has described 192.168.1.9:4000.",
            ),
            ("0.0.0.0:9", "198.51.100.7:4000", "."),
        ] {
            let told = source_in_words(described.parse().unwrap(), source.parse().unwrap());
            assert_eq!(told, format!("Media comes from {source}{words}"));
        }
    }

    #[test]
    fn every_way_that_checks_find_has_its_verdict() {
        use IceCandidateKind::{Host, PeerReflexive, Relayed, ServerReflexive};
        for (kind, names_its_own, verdict) in [
            (Host, true, "no NAT"),
            (ServerReflexive, true, "is behind a NAT"),
            (PeerReflexive, true, "is behind a NAT"),
            (PeerReflexive, false, "is not known"),
            (Relayed, false, "nothing is seen"),
        ] {
            assert!(kind_in_words(kind, names_its_own).contains(verdict));
        }
    }
}
