//! CreatePermission and ChannelBind (RFC 8656 sections 10 and 12).

use std::net::SocketAddr;

use super::Server;
use super::allocate::unknown;
use super::allocation::{Refused, RelayId};
use super::authentication::Caller;
use crate::frame::CHANNELS_TAKEN;
use crate::message::address::{Family, read_masked};
use crate::message::{ErrorCode, MAX_ATTRIBUTES, Message, attribute};
use crate::time::Now;

impl Server {
    pub(super) fn create_permission(
        &mut self,
        now: Now,
        request: &Message<'_>,
        caller: &Caller<'_>,
    ) {
        let unknown = unknown(request, [attribute::XOR_PEER_ADDRESS]);
        if !unknown.is_empty() {
            return self.refuse_unknown(&caller.reply, unknown.kinds());
        }
        match self.permit_all(now, request, caller) {
            Ok(()) => self.succeed(&caller.reply, |answer| answer),
            Err(code) => self.refuse(&caller.reply, code),
        }
    }

    /// All of the peers get a permission, or none.
    fn permit_all(
        &mut self,
        now: Now,
        request: &Message<'_>,
        caller: &Caller<'_>,
    ) -> Result<(), ErrorCode> {
        let id = self.own_allocation(caller)?;
        let mut peers = Vec::new();
        let mut values = request.attributes();
        while let Some(value) = values.find(|it| it.kind == attribute::XOR_PEER_ADDRESS) {
            let peer = read_masked(value.value, request.transaction());
            peers.push(peer.ok_or(ErrorCode::BAD_REQUEST)?);
        }
        debug_assert!(peers.len() <= MAX_ATTRIBUTES);
        if peers.is_empty() {
            return Err(ErrorCode::BAD_REQUEST);
        }
        for peer in &peers {
            self.check_peer(id, *peer)?;
        }
        let held = self.allocation_mut(id).ok_or(ErrorCode::SERVER_ERROR)?;
        if !held.has_room_for(now, &peers) {
            return Err(ErrorCode::INSUFFICIENT_CAPACITY);
        }
        for peer in &peers {
            held.permit(now, peer.ip())
                .map_err(|_| ErrorCode::INSUFFICIENT_CAPACITY)?;
        }
        Ok(())
    }

    /// Whether a peer may get a permission at all.
    fn check_peer(&self, id: RelayId, peer: SocketAddr) -> Result<(), ErrorCode> {
        let held = self.allocation(id).ok_or(ErrorCode::SERVER_ERROR)?;
        if held.family() != Family::of(&peer) {
            return Err(ErrorCode::PEER_ADDRESS_FAMILY_MISMATCH);
        }
        if self.settings.peers.may_permit(peer.ip()) {
            Ok(())
        } else {
            Err(ErrorCode::FORBIDDEN)
        }
    }

    pub(super) fn channel_bind(&mut self, now: Now, request: &Message<'_>, caller: &Caller<'_>) {
        let known = [attribute::CHANNEL_NUMBER, attribute::XOR_PEER_ADDRESS];
        let unknown = unknown(request, known);
        if !unknown.is_empty() {
            return self.refuse_unknown(&caller.reply, unknown.kinds());
        }
        match self.bind_channel(now, request, caller) {
            Ok(()) => self.succeed(&caller.reply, |answer| answer),
            Err(code) => self.refuse(&caller.reply, code),
        }
    }

    fn bind_channel(
        &mut self,
        now: Now,
        request: &Message<'_>,
        caller: &Caller<'_>,
    ) -> Result<(), ErrorCode> {
        let id = self.own_allocation(caller)?;
        let bad = ErrorCode::BAD_REQUEST;
        let Some([high, low, _, _]) = request.find(attribute::CHANNEL_NUMBER) else {
            return Err(bad);
        };
        let number = u16::from_be_bytes([*high, *low]);
        let peer = request.masked_address(attribute::XOR_PEER_ADDRESS);
        let peer = peer.ok_or(bad)?;
        if !CHANNELS_TAKEN.contains(&number) {
            return Err(bad);
        }
        self.check_peer(id, peer)?;
        if !self.may_reach(peer) {
            return Err(ErrorCode::FORBIDDEN);
        }
        let held = self.allocation_mut(id).ok_or(ErrorCode::SERVER_ERROR)?;
        held.bind(now, number, peer)
            .map_err(|refused| match refused {
                Refused::Bound => bad,
                Refused::Full => ErrorCode::INSUFFICIENT_CAPACITY,
            })
    }
}
