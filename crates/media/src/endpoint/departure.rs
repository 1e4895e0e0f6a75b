//! What an endpoint lets out to its party, in which form, and where to. The sockets are the caller's.

use core::net::SocketAddr;

use fernamt_exchange::media::{EndpointId, Format};
use fernamt_rtp::extension::{put_element, remove_extension};
use fernamt_rtp::rtcp::feedback::{FeedbackKind, Left, behind_report, retain_feedback};
use fernamt_sdp::Feedback;

use super::Endpoint;
use crate::config::MAX_DATAGRAM_BYTES;
use crate::gate::Gate;
use crate::socket::{Channel, Room};

impl Endpoint {
    /// Whether an RTP packet goes on to the party. While something is played it hears nothing else:
    /// one stream at a time.
    #[inline]
    pub(crate) fn lets_out(&mut self, payload_type: u8) -> bool {
        let Some(gate) = &self.gate else {
            return false;
        };
        if self.playing.is_some() || !gate.receives() || self.format != Format::Rtp {
            return false;
        }
        if !gate.knows(payload_type) {
            self.packets_withheld += 1;
            return false;
        }
        true
    }

    /// Gives a packet the identification tag of the party in place of that of the side it comes from,
    /// whose extensions are not meant for the party. Its length then.
    #[inline]
    pub(crate) fn with_own_tag(
        &self,
        mid_mark: u64,
        room: &mut Room,
        length: usize,
    ) -> Option<usize> {
        match mid_mark == self.mid_mark {
            true => Some(length),
            false => self.change_tag(mid_mark, room, length),
        }
    }

    #[inline(never)]
    fn change_tag(&self, mid_mark: u64, room: &mut Room, length: usize) -> Option<usize> {
        let length = match mid_mark {
            0 => length,
            _ => remove_extension(room.datagram(length))?,
        };
        match &self.mid {
            Some((id, mid)) => put_element(room.whole(), length, *id, mid.as_bytes()),
            None => Some(length),
        }
    }

    /// Takes out of a datagram of RTCP in `room` what the party does not take, and gives it the form
    /// that it takes: its length then; `None`: nothing is left.
    pub(crate) fn fit_rtcp(&self, room: &mut [u8], length: usize) -> Option<usize> {
        if self.format != Format::Rtp {
            return None;
        }
        let takes = |kind| self.feedback.contains(named(kind));
        match retain_feedback(room.get_mut(..length)?, takes).ok()? {
            Left::Nothing => None,
            Left::Compound(length) => Some(length),
            Left::ReducedSize(length) if self.reduced_size => Some(length),
            Left::ReducedSize(length) => behind_report(room.get_mut(..MAX_DATAGRAM_BYTES)?, length),
        }
    }

    /// Whether what is not RTP goes on to the party.
    pub(crate) fn lets_out_other(&self) -> bool {
        let receives = self.gate.as_ref().is_some_and(Gate::receives);
        self.format == Format::Udptl && receives
    }

    /// Where RTP goes, when the party wants to receive.
    #[inline]
    pub(crate) fn rtp_destination(&self) -> Option<SocketAddr> {
        self.gate.as_ref()?.rtp_destination()
    }

    /// Whether the party wants to receive.
    pub(crate) fn receives(&self) -> bool {
        self.gate.as_ref().is_some_and(Gate::receives)
    }

    /// Where media of those that share our ports go, for which we are not asked whether we receive.
    pub(crate) fn media_destination(&self) -> Option<SocketAddr> {
        self.gate.as_ref()?.media_destination()
    }

    /// On which channel and where RTCP for the party goes.
    pub(crate) fn rtcp_way_out(&self) -> Option<(Channel, SocketAddr)> {
        let gate = self.gate.as_ref()?;
        Some((gate.rtcp_channel()?, gate.rtcp_destination()?))
    }

    /// Protects a packet for the party, in place: its length then. `None`: it must not be sent.
    #[inline]
    pub(crate) fn seal_rtp(&mut self, room: &mut [u8], length: usize) -> Option<usize> {
        match self.shield.is_clear() {
            true => Some(length),
            false => self.shield.seal_rtp(room, length),
        }
    }

    /// The same for RTCP.
    pub(crate) fn seal_rtcp(
        &mut self,
        channel: Channel,
        room: &mut [u8],
        length: usize,
    ) -> Option<usize> {
        self.shield.seal_rtcp(channel, room, length)
    }

    /// Whether another endpoint shares our ports; when it does, its source is remembered, so that
    /// what is reported on it finds back.
    pub(crate) fn carries(&mut self, rider: EndpointId, ssrc: Option<u32>) -> bool {
        let Some(bundle) = &mut self.bundle else {
            return false;
        };
        if let Some(ssrc) = ssrc {
            bundle.sends(rider, ssrc);
        }
        bundle.has(rider)
    }

    /// Makes a packet of the party ready to be sent back to it.
    #[inline]
    pub(crate) fn mask_echo(&self, datagram: &mut [u8]) {
        let ssrc = datagram
            .get_mut(8..12)
            .and_then(|bytes| bytes.first_chunk_mut::<4>());
        if let Some(ssrc) = ssrc {
            *ssrc = (u32::from_be_bytes(*ssrc) ^ self.echo_mask).to_be_bytes();
        }
    }

    /// Stands for the identification tag of the party's packets.
    #[inline]
    pub(crate) fn mid_mark(&self) -> u64 {
        self.mid_mark
    }
}

/// What session descriptions call a kind of feedback.
const fn named(kind: FeedbackKind) -> Feedback {
    match kind {
        FeedbackKind::Nack => Feedback::Nack,
        FeedbackKind::Tmmbr | FeedbackKind::Tmmbn => Feedback::BitRate,
        FeedbackKind::TransportWide => Feedback::TransportWide,
        FeedbackKind::PictureLoss => Feedback::PictureLoss,
        FeedbackKind::SliceLoss => Feedback::SliceLoss,
        FeedbackKind::ReferencePicture => Feedback::ReferencePicture,
        FeedbackKind::FullIntra => Feedback::FullIntra,
        FeedbackKind::TradeoffRequest | FeedbackKind::TradeoffNotification => Feedback::Tradeoff,
        FeedbackKind::VideoBackChannel => Feedback::VideoBackChannel,
        FeedbackKind::Remb => Feedback::Remb,
        FeedbackKind::Other => Feedback::Other,
    }
}
