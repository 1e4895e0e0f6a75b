//! A media plane without packets: it keeps what it was ordered, and says of a packet whether it may
//! pass, and to where.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use core::time::Duration;

use fernamt_exchange::media::{
    Command, EndpointId, Event, MediaPort, Protection, Refusal, Remote, SrtpKey, SrtpKeys,
    Statistics,
};
use fernamt_sdp::CryptoSuite;
use fernamt_sip::time::Time;

/// The first port that is given out.
const FIRST_PORT: u16 = 20_000;

/// How long a source from before a move of the party is not taken for the party.
const FORMER_PAUSE: Duration = Duration::from_secs(2);

/// The double.
#[derive(Debug, Default)]
pub(super) struct Media {
    endpoints: BTreeMap<EndpointId, Endpoint>,
    by_address: BTreeMap<SocketAddr, EndpointId>,
    /// Ports are given out one after the other, so that an old one is not taken for a new one.
    given: u16,
    /// Nothing more can be opened.
    pub(super) full: bool,
    /// Endpoints that were never opened; who has not heard of it yet may still close them.
    refused: BTreeSet<EndpointId>,
}

#[derive(Debug)]
struct Endpoint {
    shard: usize,
    rtp: SocketAddr,
    remote: Option<Remote>,
    bridged: Option<EndpointId>,
    echo: bool,
    /// Where the party's packets really come from.
    latched: Option<SocketAddr>,
    /// Where they came from before the party moved.
    former: Option<SocketAddr>,
    opened_at: Time,
    heard_at: Time,
    told_silent: bool,
    /// A handshake has been made.
    secured: bool,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passage {
    /// There is no such endpoint (any more).
    NoEndpoint,
    /// The endpoint does not take it.
    Dropped(&'static str),
    /// It goes out to there.
    To(SocketAddr),
}

impl Media {
    /// Carries out an order. An order that makes no sense is an error.
    pub(super) fn execute(
        &mut self,
        now: Time,
        shard: usize,
        command: &Command,
    ) -> Result<Option<Event>, String> {
        match command {
            Command::Open {
                endpoint,
                local,
                port,
            } => {
                return self.open(now, shard, *endpoint, *local, *port).map(Some);
            }
            Command::Close { endpoint } => {
                let Some(closed) = self.endpoints.remove(endpoint) else {
                    if self.refused.remove(endpoint) {
                        return Ok(None);
                    }
                    return Err(format!("an unknown endpoint is closed: {endpoint:?}"));
                };
                self.by_address.remove(&closed.rtp);
                let statistics = Statistics::default();
                return Ok(Some(Event::Closed {
                    endpoint: *endpoint,
                    statistics,
                }));
            }
            Command::Remote { endpoint, remote } => {
                let found = self.endpoint(*endpoint)?;
                if found
                    .remote
                    .as_ref()
                    .is_none_or(|old| old.rtp != remote.rtp)
                {
                    found.former = found.latched.take();
                    found.opened_at = now;
                }
                if found
                    .remote
                    .as_ref()
                    .is_none_or(|old| old.sends != remote.sends)
                {
                    found.heard_at = now;
                }
                found.remote = Some(Remote::clone(remote));
                if let Protection::Dtls(dtls) = &remote.protection
                    && dtls.established.is_none()
                    && !std::mem::replace(&mut found.secured, true)
                {
                    let endpoint = *endpoint;
                    let keys = keys_of(endpoint);
                    return Ok(Some(Event::Secured {
                        endpoint,
                        port: MediaPort::Rtp,
                        keys,
                    }));
                }
            }
            Command::Bridge { a, b } => {
                self.endpoint(*a)?.bridged = Some(*b);
                self.endpoint(*b)?.bridged = Some(*a);
            }
            Command::Offered { endpoint, .. } => {
                self.endpoint(*endpoint)?;
            }
            Command::Candidates { .. } | Command::Bundle { .. } => {}
            Command::Echo { endpoint } => self.endpoint(*endpoint)?.echo = true,
            Command::Play { endpoint, .. } => {
                self.endpoint(*endpoint)?;
                return Ok(Some(Event::Played {
                    endpoint: *endpoint,
                }));
            }
        }
        Ok(None)
    }

    fn open(
        &mut self,
        now: Time,
        shard: usize,
        endpoint: EndpointId,
        local: IpAddr,
        port: Option<u16>,
    ) -> Result<Event, String> {
        if self.endpoints.contains_key(&endpoint) {
            return Err(format!("an endpoint is opened twice: {endpoint:?}"));
        }
        if self.full {
            self.refused.insert(endpoint);
            return Ok(Event::Refused {
                endpoint,
                reason: Refusal::NoPort,
            });
        }
        let port = port.unwrap_or_else(|| {
            self.given += 1;
            FIRST_PORT + 2 * self.given
        });
        let rtp = SocketAddr::new(local, port);
        if self.by_address.contains_key(&rtp) {
            return Err(format!("a port that is taken is asked for: {rtp}"));
        }
        self.by_address.insert(rtp, endpoint);
        let opened = Endpoint {
            shard,
            rtp,
            remote: None,
            bridged: None,
            echo: false,
            latched: None,
            former: None,
            opened_at: now,
            heard_at: now,
            told_silent: false,
            secured: false,
        };
        self.endpoints.insert(endpoint, opened);
        Ok(Event::Opened { endpoint, rtp })
    }

    fn endpoint(&mut self, endpoint: EndpointId) -> Result<&mut Endpoint, String> {
        self.endpoints
            .get_mut(&endpoint)
            .ok_or_else(|| format!("an order for an unknown endpoint: {endpoint:?}"))
    }

    /// A packet from `from` has come to our address `to`.
    pub(super) fn packet(&mut self, now: Time, from: SocketAddr, to: SocketAddr) -> Passage {
        let Some(endpoint) = self
            .by_address
            .get(&to)
            .and_then(|id| self.endpoints.get_mut(id))
        else {
            return Passage::NoEndpoint;
        };
        let Some(remote) = &endpoint.remote else {
            return Passage::Dropped("no party");
        };
        if !remote.sends {
            return Passage::Dropped("the party may not send");
        }
        let exact = from == remote.rtp;
        let is_former =
            endpoint.former == Some(from) && now.since(endpoint.opened_at) < FORMER_PAUSE;
        let welcome = match endpoint.latched {
            Some(latched) => latched == from || (latched.ip() == from.ip() && exact),
            None => exact || (from.ip() == remote.signalling && !is_former),
        };
        if !welcome {
            return Passage::Dropped("not from the party");
        }
        endpoint.latched = Some(from);
        endpoint.heard_at = now;
        endpoint.told_silent = false;
        if endpoint.echo {
            return Passage::To(from);
        }
        let other = endpoint
            .bridged
            .and_then(|other| self.endpoints.get(&other));
        let Some(other) = other else {
            return Passage::Dropped("no bridge");
        };
        match &other.remote {
            Some(remote) if remote.receives => Passage::To(other.latched.unwrap_or(remote.rtp)),
            _ => Passage::Dropped("the other party does not receive"),
        }
    }

    /// How packets of the party at our address `to` are protected.
    pub(super) fn protection_at(&self, to: SocketAddr) -> Option<&Protection> {
        let endpoint = self.endpoints.get(self.by_address.get(&to)?)?;
        Some(&endpoint.remote.as_ref()?.protection)
    }

    /// How packets are protected that go out to a party at `to` from what has come in at `at`.
    pub(super) fn protection_behind(&self, at: SocketAddr) -> Option<&Protection> {
        let endpoint = self.endpoints.get(self.by_address.get(&at)?)?;
        let other = self.endpoints.get(&endpoint.bridged?)?;
        Some(&other.remote.as_ref()?.protection)
    }

    /// Endpoints whose party may send and has not for too long; each is told once.
    pub(super) fn silent(&mut self, now: Time) -> Vec<(usize, Event)> {
        let mut silent = Vec::new();
        for (id, endpoint) in &mut self.endpoints {
            let Some(remote) = endpoint.remote.as_ref().filter(|remote| remote.sends) else {
                continue;
            };
            let limit: Duration = remote.silence.unwrap_or(Duration::MAX);
            if !endpoint.told_silent && now.since(endpoint.heard_at) > limit {
                endpoint.told_silent = true;
                silent.push((endpoint.shard, Event::Silent { endpoint: *id }));
            }
        }
        silent
    }

    /// The process is gone, and every port with it.
    pub(super) fn crash(&mut self) {
        self.endpoints.clear();
        self.by_address.clear();
        self.refused.clear();
        self.full = false;
    }

    /// Where the endpoints that are open listen.
    pub(super) fn open_addresses(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.by_address.keys().copied()
    }
}

/// What a handshake on an endpoint comes to.
fn keys_of(EndpointId(endpoint): EndpointId) -> SrtpKeys {
    let key = |direction: u8| SrtpKey {
        suite: CryptoSuite::AesCm128HmacSha1_80,
        key_and_salt: endpoint
            .to_le_bytes()
            .into_iter()
            .chain([direction; 22])
            .collect(),
        identifier: Box::default(),
        lifetime_packets: None,
    };
    SrtpKeys {
        ours: key(1),
        theirs: key(2),
    }
}
