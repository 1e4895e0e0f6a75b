//! The procedure of RFC 3263 section 4: from a host to the list of places to try. Asks through a
//! small interface, so that it is the same for the real name service and for a table in a test.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use fernamt_exchange::interface::{HostQuery, Target};
use fernamt_sip::transport::Transport;

use super::order::{Naptr, Srv, servers, services};

/// Places to try, at most.
pub(crate) const MAX_TARGETS: usize = 16;
/// Records of one answer that are looked at, at most.
pub(crate) const MAX_RECORDS: usize = 32;
/// Addresses of one host that are tried, at most.
pub(crate) const MAX_ADDRESSES_PER_HOST: usize = 8;

/// The name service gave no answer, neither yes nor no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unanswered;

/// Look-ups in the name service. An empty list is a definite no.
pub(crate) trait Lookup: Sync {
    /// NAPTR records of a name.
    fn naptr(&self, name: &str) -> impl Future<Output = Result<Vec<Naptr>, Unanswered>> + Send;
    /// SRV records of a name.
    fn srv(&self, name: &str) -> impl Future<Output = Result<Vec<Srv>, Unanswered>> + Send;
    /// Addresses of a host, of both families, in the order to try them.
    fn addresses(&self, host: &str)
    -> impl Future<Output = Result<Vec<IpAddr>, Unanswered>> + Send;
}

/// Which families of addresses we can send to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Families {
    pub(crate) ipv4: bool,
    pub(crate) ipv6: bool,
}

impl Families {
    fn has(self, address: IpAddr) -> bool {
        if address.is_ipv4() {
            self.ipv4
        } else {
            self.ipv6
        }
    }
}

/// Where the host takes requests, best first; empty when the name leads nowhere.
pub(crate) async fn targets<L: Lookup>(
    lookup: &L,
    query: &HostQuery,
    families: Families,
    random: &mut (dyn FnMut(u32) -> u32 + Send),
) -> Result<Vec<Target>, Unanswered> {
    let mut list = List {
        query,
        families,
        targets: Vec::new(),
    };
    let wanted = match wanted_transport(query) {
        Ok(wanted) => wanted,
        // `sips` over a transport that has no TLS leads nowhere.
        Err(NoSuchTransport) => return Ok(Vec::new()),
    };
    if let Some(port) = query.port {
        let transport = wanted.unwrap_or_else(|| default_transport(query));
        list.add_host(lookup, transport, &query.host, port).await?;
        return Ok(list.targets);
    }
    let names = match wanted {
        Some(transport) => vec![(transport, srv_name(transport, &query.host))],
        None => {
            let mut records = lookup.naptr(&query.host).await?;
            records.truncate(MAX_RECORDS);
            let named = services(records, query.secure);
            if named.is_empty() {
                all_services(query)
            } else {
                named
            }
        }
    };
    let mut any = false;
    for (transport, name) in names {
        let mut records = lookup.srv(&name).await?;
        any |= !records.is_empty();
        records.truncate(MAX_RECORDS);
        for server in servers(records, random) {
            list.add_host(lookup, transport, &server.target, server.port)
                .await?;
        }
    }
    if !any {
        let transport = wanted.unwrap_or_else(|| default_transport(query));
        list.add_host(lookup, transport, &query.host, transport.default_port())
            .await?;
    }
    Ok(list.targets)
}

struct NoSuchTransport;

/// The transport that the query asks for, if it does; a secure one in place of TCP for `sips`.
/// A WebSocket is opened by browsers, never by us.
fn wanted_transport(query: &HostQuery) -> Result<Option<Transport>, NoSuchTransport> {
    match (query.transport, query.secure) {
        (None, _) => Ok(None),
        (Some(Transport::Tls), _) | (Some(Transport::Tcp), true) => Ok(Some(Transport::Tls)),
        (Some(transport @ (Transport::Udp | Transport::Tcp)), false) => Ok(Some(transport)),
        _ => Err(NoSuchTransport),
    }
}

fn default_transport(query: &HostQuery) -> Transport {
    if query.secure {
        Transport::Tls
    } else {
        Transport::Udp
    }
}

fn srv_name(transport: Transport, host: &str) -> Box<str> {
    let prefix = match transport {
        Transport::Udp => "_sip._udp",
        Transport::Tls | Transport::Wss => "_sips._tcp",
        Transport::Tcp | Transport::Ws => "_sip._tcp",
    };
    format!("{prefix}.{host}").into()
}

/// Without NAPTR records every transport that we have is asked for, best first.
fn all_services(query: &HostQuery) -> Vec<(Transport, Box<str>)> {
    let transports: &[Transport] = if query.secure {
        &[Transport::Tls]
    } else {
        &[Transport::Udp, Transport::Tcp, Transport::Tls]
    };
    transports
        .iter()
        .map(|transport| (*transport, srv_name(*transport, &query.host)))
        .collect()
}

struct List<'a> {
    query: &'a HostQuery,
    families: Families,
    targets: Vec<Target>,
}

impl List<'_> {
    async fn add_host<L: Lookup>(
        &mut self,
        lookup: &L,
        transport: Transport,
        host: &str,
        port: u16,
    ) -> Result<(), Unanswered> {
        if self.targets.len() >= MAX_TARGETS {
            return Ok(());
        }
        let addresses = match host.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) => match lookup.addresses(host).await {
                Ok(addresses) => addresses,
                // Another server of the list may still be found.
                Err(Unanswered) if !self.targets.is_empty() => return Ok(()),
                Err(Unanswered) => return Err(Unanswered),
            },
        };
        // The certificate must carry the name that was asked for, not where SRV led (RFC 5922 4).
        let server_name: Option<Arc<str>> =
            Some(Arc::from(&*self.query.host)).filter(|_| transport.is_secure());
        let families = self.families;
        let usable = addresses.into_iter().map(|address| address.to_canonical());
        for address in usable
            .filter(|address| families.has(*address))
            .take(MAX_ADDRESSES_PER_HOST)
        {
            let target = Target {
                transport,
                address: SocketAddr::new(address, port),
                server_name: server_name.clone(),
            };
            if self.targets.len() < MAX_TARGETS && !self.targets.contains(&target) {
                self.targets.push(target);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
