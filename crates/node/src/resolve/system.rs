//! The name service: hosts file, configured servers, a cache by time to live. The library asks and
//! caches; what the records mean is decided elsewhere.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, RData, RecordType};

use super::find::{Lookup, MAX_RECORDS, Unanswered};
use super::order::{Naptr, Srv};

/// One question to one server may take this long.
const QUERY_TIME: Duration = Duration::from_millis(1500);
/// How often a question is asked.
const ATTEMPTS: usize = 2;
/// Answers that are kept.
const CACHE_ANSWERS: u64 = 4096;
/// A "no" is believed for this long at most, a "yes" for this long at most.
const NEGATIVE_TIME: Duration = Duration::from_secs(60);
const POSITIVE_TIME: Duration = Duration::from_secs(3600);

/// The system's name service.
pub(super) struct System {
    resolver: Option<TokioResolver>,
}

impl System {
    pub(super) fn new(servers: &[SocketAddr]) -> System {
        let resolver = if servers.is_empty() {
            TokioResolver::builder_tokio()
        } else {
            let servers = servers.iter().map(|address| server(*address)).collect();
            let config = ResolverConfig::from_parts(None, Vec::new(), servers);
            Ok(TokioResolver::builder_with_config(
                config,
                TokioRuntimeProvider::default(),
            ))
        };
        let built = resolver.and_then(|mut builder| {
            limit(builder.options_mut());
            builder.build()
        });
        match built {
            Ok(resolver) => System {
                resolver: Some(resolver),
            },
            Err(error) => {
                tracing::warn!(%error, "host names cannot be looked up: no usable name service");
                System { resolver: None }
            }
        }
    }

    async fn records(&self, name: &str, kind: RecordType) -> Result<Vec<RData>, Unanswered> {
        let resolver = self.resolver.as_ref().ok_or(Unanswered)?;
        let Ok(mut name) = Name::from_utf8(name) else {
            return Ok(Vec::new());
        };
        name.set_fqdn(true);
        match resolver.lookup(name, kind).await {
            Ok(lookup) => Ok(lookup
                .answers()
                .iter()
                .filter(|record| record.record_type() == kind)
                .take(MAX_RECORDS)
                .map(|record| record.data.clone())
                .collect()),
            Err(error) => definite_no(&error),
        }
    }
}

fn server(address: SocketAddr) -> NameServerConfig {
    let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
    for connection in &mut connections {
        connection.port = address.port();
    }
    NameServerConfig::new(address.ip(), true, connections)
}

fn limit(options: &mut ResolverOpts) {
    options.timeout = QUERY_TIME;
    options.attempts = ATTEMPTS;
    options.cache_size = CACHE_ANSWERS;
    options.negative_max_ttl = Some(NEGATIVE_TIME);
    options.positive_max_ttl = Some(POSITIVE_TIME);
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
}

fn definite_no<T>(error: &NetError) -> Result<Vec<T>, Unanswered> {
    if error.is_no_records_found() || error.is_nx_domain() {
        Ok(Vec::new())
    } else {
        Err(Unanswered)
    }
}

/// A name without the dot at its end; empty for the root.
fn text(name: &Name) -> Box<str> {
    name.to_utf8().trim_end_matches('.').into()
}

fn ascii(bytes: &[u8]) -> Box<str> {
    String::from_utf8_lossy(bytes).into()
}

impl Lookup for System {
    async fn naptr(&self, name: &str) -> Result<Vec<Naptr>, Unanswered> {
        let records = self.records(name, RecordType::NAPTR).await?;
        Ok(records
            .into_iter()
            .filter_map(|record| match record {
                RData::NAPTR(naptr) if naptr.regexp.is_empty() => Some(Naptr {
                    order: naptr.order,
                    preference: naptr.preference,
                    flags: ascii(&naptr.flags),
                    service: ascii(&naptr.services),
                    replacement: text(&naptr.replacement),
                }),
                _ => None,
            })
            .collect())
    }

    async fn srv(&self, name: &str) -> Result<Vec<Srv>, Unanswered> {
        let records = self.records(name, RecordType::SRV).await?;
        Ok(records
            .into_iter()
            .filter_map(|record| match record {
                RData::SRV(srv) => Some(Srv {
                    priority: srv.priority,
                    weight: srv.weight,
                    port: srv.port,
                    target: text(&srv.target),
                }),
                _ => None,
            })
            .collect())
    }

    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, Unanswered> {
        let resolver = self.resolver.as_ref().ok_or(Unanswered)?;
        if Name::from_utf8(host).is_err() {
            return Ok(Vec::new());
        }
        // Through the hosts file, and for names without a dot through the search list.
        match resolver.lookup_ip(host).await {
            Ok(found) => Ok(found.iter().take(MAX_RECORDS).collect()),
            Err(error) => definite_no(&error),
        }
    }
}
