//! Which way a request goes to a device, and which address of ours stands in it.

use std::net::SocketAddr;
use std::sync::Arc;

use fernamt_sip::transport::{Flow, Transport};
use fernamt_sip::uri::{Host, Uri};

use crate::config::Config;
use crate::registrar::Binding;

/// The flow to the device of a binding.
///
/// A stream that the device has opened is used as long as it stands (RFC 5626). Over UDP the
/// contact is right when it names the address that the REGISTER came from, whatever the port, and
/// where it names another one there is a NAT in between, which only lets in what comes to the
/// address that the REGISTER came from.
pub(crate) fn binding_flow(binding: &Binding) -> Flow {
    let contact = Uri::parse(&binding.contact).ok();
    let named = contact.as_ref().and_then(|uri| {
        let ip = match uri.host() {
            Host::V4(ip) => ip.into(),
            Host::V6(ip) => ip.into(),
            Host::Name(_) => return None,
        };
        Some(SocketAddr::new(
            ip,
            uri.port().unwrap_or(binding.transport.default_port()),
        ))
    });
    let remote = match (binding.connection, named) {
        (None, Some(named)) if named.ip() == binding.received.ip() => named,
        _ => binding.received,
    };
    Flow {
        transport: binding.transport,
        local: binding.local,
        remote,
        connection: binding.connection,
    }
}

/// The flow for requests inside a dialog, given the flow that its last request came on.
///
/// As with a binding: where the remote target names the address that the peer's messages come from,
/// its port counts.
pub(super) fn request_flow(flow: Flow, remote_target: &str) -> Flow {
    if flow.transport != Transport::Udp {
        return flow;
    }
    let Ok(uri) = Uri::parse(remote_target) else {
        return flow;
    };
    let same_host = match uri.host() {
        Host::V4(ip) => flow.remote.ip() == ip,
        Host::V6(ip) => flow.remote.ip() == ip,
        Host::Name(_) => false,
    };
    let port = uri.port().unwrap_or(flow.transport.default_port());
    match same_host {
        true => Flow {
            remote: SocketAddr::new(flow.remote.ip(), port),
            ..flow
        },
        false => flow,
    }
}

/// The binding of a device through which the peer of a dialog can be reached again: one with an open
/// connection, with the dialog's remote target as contact, or else the only one (RFC 5626
/// section 5.3).
pub(super) fn binding_of_peer<'b>(
    bindings: &'b [Arc<Binding>],
    remote_target: &str,
) -> Option<&'b Binding> {
    let connected = || {
        bindings
            .iter()
            .filter(|binding| binding.connection.is_some())
    };
    let same = connected().find(|binding| &*binding.contact == remote_target);
    let only = || connected().next().filter(|_| connected().count() == 1);
    same.or_else(only).map(Arc::as_ref)
}

/// The address of ours that a peer on a flow is to send to: the advertised one where there is one,
/// and the port on which we listen, which is not that of a connection that we opened.
pub(crate) fn public_address(
    config: &Config,
    transport: Transport,
    local: SocketAddr,
) -> SocketAddr {
    let ip = match config.advertised {
        Some(advertised) if advertised.is_ipv4() == local.is_ipv4() => advertised,
        _ => local.ip(),
    };
    let same_transport = || {
        config
            .listeners
            .iter()
            .filter(|(kind, _)| *kind == transport)
    };
    let is_ours = |listener: &SocketAddr| {
        listener.ip() == local.ip()
            || (listener.ip().is_unspecified() && listener.is_ipv4() == local.is_ipv4())
    };
    let listener = same_transport()
        .find(|(_, listener)| *listener == local)
        .or_else(|| same_transport().find(|(_, listener)| is_ours(listener)));
    SocketAddr::new(
        ip,
        listener.map_or(local.port(), |(_, listener)| listener.port()),
    )
}
