//! Registrations as version 1 of their stored form had them: nothing was known of ICE. They are read
//! and never written.

use std::net::SocketAddr;

use fernamt_exchange::registrar::Binding;
use fernamt_sip::time::UnixTime;
use fernamt_sip::transport::Transport;
use serde::{Deserialize, Serialize};

/// A binding of version 1.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct FirstBinding {
    contact: Box<str>,
    q: u16,
    expires: UnixTime,
    call_id: Box<str>,
    cseq: u32,
    instance: Option<Box<str>>,
    reg_id: u32,
    path: Vec<Box<str>>,
    user_agent: Option<Box<str>>,
    transport: Transport,
    local: SocketAddr,
    received: SocketAddr,
}

impl From<FirstBinding> for Binding {
    fn from(first: FirstBinding) -> Binding {
        Binding {
            contact: first.contact,
            q: first.q,
            expires: first.expires,
            call_id: first.call_id,
            cseq: first.cseq,
            instance: first.instance,
            reg_id: first.reg_id,
            path: first.path,
            user_agent: first.user_agent,
            transport: first.transport,
            local: first.local,
            received: first.received,
            // Its next REGISTER tells.
            ice: false,
            connection: None,
            nat: Default::default(),
        }
    }
}

#[cfg(test)]
impl FirstBinding {
    pub(super) fn of(binding: &Binding) -> FirstBinding {
        let binding = binding.clone();
        FirstBinding {
            contact: binding.contact,
            q: binding.q,
            expires: binding.expires,
            call_id: binding.call_id,
            cseq: binding.cseq,
            instance: binding.instance,
            reg_id: binding.reg_id,
            path: binding.path,
            user_agent: binding.user_agent,
            transport: binding.transport,
            local: binding.local,
            received: binding.received,
        }
    }
}
