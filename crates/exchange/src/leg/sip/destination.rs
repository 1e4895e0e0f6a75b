//! Where the INVITE of a called leg goes: to a registered contact, along its Path, or to an address
//! that a device has named in a 3xx.

use std::borrow::Cow;

use fernamt_sip::name_addr::NameAddr;
use fernamt_sip::transport::{Flow, Transport};
use fernamt_sip::uri::{Host, Scheme, Uri};

use super::binding_flow;
use super::outgoing::without_params;
use crate::interface::HostQuery;
use crate::registrar::Binding;
use crate::stack::Stack;

/// Where a called leg goes.
#[derive(Debug)]
pub(crate) struct Destination {
    pub(super) flow: Flow,
    /// The request URI.
    pub(super) uri: Box<str>,
    /// The Path that its REGISTER came along (RFC 3327).
    pub(super) path: Vec<Box<str>>,
    /// The host has to be looked up first.
    pub(super) lookup: Option<HostQuery>,
    /// Whoever is there says that it speaks ICE.
    pub(crate) ice: bool,
}

impl Destination {
    /// A registered contact.
    pub(crate) fn of_binding(binding: &Binding, _stack: &Stack) -> Destination {
        let mut destination = Destination {
            flow: binding_flow(binding),
            uri: binding.contact.clone(),
            path: binding.path.clone(),
            lookup: None,
            ice: binding.ice,
        };
        if let Some(first) = binding.path.first() {
            let uri = NameAddr::parse(first).map(|path| path.uri_text().to_owned());
            if let Some((flow, lookup)) = uri.ok().and_then(|uri| way_to(&uri, destination.flow)) {
                // The proxy that added the Path is the way, whatever the contact says.
                if lookup.is_some() || destination.flow.connection.is_none() {
                    destination.flow = flow;
                    destination.lookup = lookup;
                }
            }
        }
        destination
    }

    /// A contact that a device has named in a 3xx; `None` when it is nothing that we can call.
    pub(crate) fn of_redirect(contact: &str, stack: &Stack) -> Option<Destination> {
        let (_, local) = stack.config.listeners.first()?;
        let like = Flow {
            transport: Transport::Udp,
            local: *local,
            remote: *local,
            connection: None,
        };
        let (flow, lookup) = way_to(contact, like)?;
        Some(Destination {
            flow,
            uri: contact.into(),
            path: Vec::new(),
            lookup,
            ice: false,
        })
    }

    /// What whoever is there is called, where that is nobody of ours: the contact without what is for
    /// its phone alone, as the journal may show it.
    pub(crate) fn name(&self) -> Box<str> {
        without_params(&without_password(&self.uri)).into()
    }
}

/// A contact as the journal may show it.
pub(crate) fn without_password(contact: &str) -> Cow<'_, str> {
    match Uri::parse(contact) {
        Ok(uri) => uri.without_password(),
        Err(_) => Cow::Borrowed(contact),
    }
}

/// The flow to the host of a URI, or the question that must be asked first.
fn way_to(uri: &str, like: Flow) -> Option<(Flow, Option<HostQuery>)> {
    let parsed = Uri::parse(uri).ok().filter(Uri::is_sip)?;
    let named = parsed
        .param("transport")
        .and_then(|transport| transport.parse().ok());
    let secure = parsed.scheme() == Scheme::Sips;
    let transport = named.unwrap_or(if secure {
        Transport::Tls
    } else {
        Transport::Udp
    });
    let port = parsed.port().unwrap_or(transport.default_port());
    let ip = match parsed.host() {
        Host::V4(ip) => ip.into(),
        Host::V6(ip) => ip.into(),
        Host::Name(host) => {
            let query = HostQuery {
                host: host.into(),
                port: parsed.port(),
                transport: named,
                secure,
            };
            return Some((
                Flow {
                    connection: None,
                    ..like
                },
                Some(query),
            ));
        }
    };
    let remote = std::net::SocketAddr::new(ip, port);
    Some((
        Flow {
            transport,
            remote,
            connection: None,
            ..like
        },
        None,
    ))
}
