//! Which hosts of a request URI mean this exchange, and which phones can be reached by their own
//! address.

use fernamt_sip::uri::{Host, Uri};

use crate::config::Config;
use crate::registrar::Binding;

/// Whether a URI with this host and port leads to this exchange.
///
/// Our names, and the address that others use where a router stands before us, are ours with any
/// port: it is the router who knows which ports it forwards. Our own addresses are ours without a
/// port, or with one that we listen on; with another port it may be a phone on the same machine.
pub fn is_ours(host: Host<'_>, port: Option<u16>, config: &Config) -> bool {
    let Some(address) = host.ip().map(|address| address.to_canonical()) else {
        let name = host.name().unwrap_or_default();
        let name = name.strip_suffix('.').unwrap_or(name);
        let is_domain = config
            .domains
            .iter()
            .any(|domain| domain.eq_ignore_ascii_case(name));
        return is_domain
            || (name.eq_ignore_ascii_case("localhost")
                && listens_on_loopback(config)
                && has_port(port, config));
    };
    if config
        .advertised
        .is_some_and(|advertised| advertised.to_canonical() == address)
    {
        return true;
    }
    let is_address = config
        .addresses
        .iter()
        .any(|own| own.to_canonical() == address)
        || config
            .listeners
            .iter()
            .any(|(_, local)| local.ip().to_canonical() == address)
        || (address.is_loopback() && listens_on_loopback(config));
    is_address && !address.is_unspecified() && has_port(port, config)
}

/// Whether a phone's own address is the one that its registration came from, so that there is no NAT
/// in between as far as can be seen from here.
pub fn is_in_the_open(binding: &Binding) -> bool {
    let Ok(contact) = Uri::parse(&binding.contact) else {
        return false;
    };
    contact
        .host()
        .ip()
        .is_some_and(|own| own.to_canonical() == binding.received.ip().to_canonical())
}

fn has_port(port: Option<u16>, config: &Config) -> bool {
    match port {
        None => true,
        Some(port) => {
            config.listeners.is_empty()
                || config
                    .listeners
                    .iter()
                    .any(|(_, local)| local.port() == port)
        }
    }
}

fn listens_on_loopback(config: &Config) -> bool {
    config
        .listeners
        .iter()
        .any(|(_, local)| local.ip().is_unspecified() || local.ip().is_loopback())
}
