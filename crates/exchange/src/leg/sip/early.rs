//! What happens between our INVITE and its final response: provisional responses, the early dialogs
//! that they make, and PRACK (RFC 3262).

use fernamt_sip::dialog::Dialog;
use fernamt_sip::message::{Message, Method, Name};

use super::outgoing::Outgoing;
use super::transaction_use::{Purpose, TransactionUse};
use super::write::SDP;
use super::{Context, Phase, SipLeg};
use crate::leg::{Description, LegEvent, Progress};

/// Early dialogs that one INVITE may have.
const MAX_EARLY_DIALOGS: usize = 8;

/// An early dialog.
#[derive(Debug)]
pub(super) struct Early {
    pub(super) dialog: Dialog,
    /// RSeq of the last reliable response.
    pub(super) rseq: Option<u32>,
    /// A reliable response has carried a description.
    pub(super) agreed: bool,
    /// A reliable response with an offer whose PRACK needs an answer: its RSeq and CSeq.
    pub(super) owing: Option<(u32, u32)>,
}

impl Outgoing {
    /// The first early dialog.
    pub(super) fn first_early(&mut self) -> Option<&mut Dialog> {
        self.early.first_mut().map(|early| &mut early.dialog)
    }

    /// Whether offer and answer are complete, confirmed by PRACK.
    pub(super) fn has_agreed(&self) -> bool {
        self.early
            .first()
            .is_some_and(|early| early.agreed && early.owing.is_none())
    }

    /// The early dialog with this tag of the peer.
    pub(super) fn early_with(&mut self, remote_tag: &str) -> Option<&mut Dialog> {
        let mut early = self.early.iter_mut().map(|early| &mut early.dialog);
        early.find(|dialog| &*dialog.remote.tag == remote_tag)
    }

    /// Whether there is an early dialog with this tag of the peer.
    pub(super) fn has_early(&self, remote_tag: &str) -> bool {
        self.early
            .iter()
            .any(|early| &*early.dialog.remote.tag == remote_tag)
    }
}

impl SipLeg {
    /// 101 to 199.
    pub(super) fn early_response(
        &mut self,
        cx: &mut Context<'_>,
        response: &Message<'_>,
        status: u16,
    ) {
        self.abilities.add(response);
        let is_over_tls = self.flow.transport.is_secure();
        let Phase::Outgoing(outgoing) = &mut self.phase else {
            return;
        };
        let rseq = response.rseq().ok().flatten();
        let reliable = rseq.filter(|_| response.require().has_option("100rel"));
        let offered = outgoing
            .request
            .as_ref()
            .is_some_and(|request| request.description.is_some());
        let described = response.has_content_type(SDP) && !response.body().is_empty();
        let mut description: Option<Description> = described.then(|| response.body().into());
        let mut offer = false;
        if let Some(early) = early_dialog(outgoing, response, is_over_tls)
            && let Some(rseq) = reliable
        {
            if early.rseq.is_some_and(|last| rseq != last + 1) {
                return;
            }
            early.rseq = Some(rseq);
            early.agreed |= described;
            let cseq = response.cseq().map_or(0, |cseq| cseq.number);
            offer = described && !offered;
            if offer {
                early.owing = Some((rseq, cseq));
            } else {
                self.send_prack(cx, response, rseq, cseq, None);
            }
        }
        if !offered && !offer {
            // Without an offer of ours this describes nothing that could be agreed on.
            description = None;
        }
        let alerting = status == 180;
        if alerting || description.is_some() {
            let progress = Progress {
                alerting,
                description,
                offer,
            };
            cx.stack.emit(self.id, LegEvent::Progress(progress));
        }
    }

    fn send_prack(
        &mut self,
        cx: &mut Context<'_>,
        response: &Message<'_>,
        rseq: u32,
        cseq: u32,
        answer: Option<&[u8]>,
    ) {
        let remote_tag = response
            .to()
            .ok()
            .and_then(|to| to.tag())
            .unwrap_or("")
            .to_owned();
        self.bring_early_to_front(&remote_tag);
        let usage = TransactionUse::Leg(self.id, Purpose::Prack);
        let body = answer.map(|answer| (SDP, answer));
        self.request_in_dialog(cx, Method::Prack, usage, body, |builder| {
            builder.header(Name::RAck, format_args!("{rseq} {cseq} INVITE"));
        });
    }

    fn bring_early_to_front(&mut self, remote_tag: &str) {
        if let Phase::Outgoing(outgoing) = &mut self.phase {
            let found = outgoing
                .early
                .iter()
                .position(|early| &*early.dialog.remote.tag == remote_tag);
            if let Some(found) = found {
                outgoing.early.swap(0, found);
            }
        }
    }

    /// Confirms an offer of the called party with our answer: in PRACK or in ACK.
    pub(super) fn confirm(&mut self, cx: &mut Context<'_>, description: Option<Description>) {
        match &mut self.phase {
            Phase::OwingAck(owing) => {
                let (client, cseq) = (owing.client, owing.cseq);
                let to_tag = std::mem::take(&mut owing.to_tag);
                self.phase = Phase::Established;
                self.send_ack(cx, client, cseq, &to_tag, description.as_deref());
                self.described = description;
            }
            Phase::Outgoing(outgoing) => {
                let Some(early) = outgoing.early.first_mut() else {
                    return;
                };
                let Some((rseq, cseq)) = early.owing.take() else {
                    return;
                };
                let usage = TransactionUse::Leg(self.id, Purpose::Prack);
                let body = description.as_deref().map(|answer| (SDP, answer));
                self.request_in_dialog(cx, Method::Prack, usage, body, |builder| {
                    builder.header(Name::RAck, format_args!("{rseq} {cseq} INVITE"));
                });
                if let Phase::Outgoing(outgoing) = &mut self.phase
                    && let Some(request) = &mut outgoing.request
                {
                    // From here on offer and answer are complete, as if we had offered.
                    request.description.clone_from(&description);
                }
                self.described = description;
            }
            _ => self.confirm_offer(cx, description),
        }
    }
}

/// The early dialog of a provisional response with a tag; made when it is new.
fn early_dialog<'o>(
    outgoing: &'o mut Outgoing,
    response: &Message<'_>,
    is_over_tls: bool,
) -> Option<&'o mut Early> {
    let remote_tag = response.to().ok()?.tag()?;
    let found = outgoing
        .early
        .iter()
        .position(|early| &*early.dialog.remote.tag == remote_tag);
    let index = match found {
        Some(index) => index,
        None if outgoing.early.len() >= MAX_EARLY_DIALOGS => return None,
        None => {
            let invite = outgoing.sent.as_deref()?.message();
            let dialog = Dialog::from_response(&invite, response, is_over_tls).ok()?;
            outgoing.early.push(Early {
                dialog,
                rseq: None,
                agreed: false,
                owing: None,
            });
            outgoing.early.len() - 1
        }
    };
    outgoing.early.get_mut(index)
}
