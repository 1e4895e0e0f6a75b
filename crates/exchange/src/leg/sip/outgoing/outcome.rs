//! What becomes of an INVITE of ours: its responses, and their not coming.

use fernamt_sip::dialog::{Dialog, DialogError};
use fernamt_sip::message::Message;
use fernamt_sip::transport::Transport;

use crate::cause::Cause;
use crate::journal::Journal;
use crate::leg::sip::acknowledgement::OwingAck;
use crate::leg::sip::session::policy;
use crate::leg::sip::write::SDP;
use crate::leg::sip::{Context, Phase, SipLeg};
use crate::leg::{Description, LegEvent};
use crate::stack::Stack;

/// Contacts of a 3xx that are looked at.
const MAX_REDIRECT_CONTACTS: usize = 8;

impl SipLeg {
    /// A response to our INVITE.
    pub(in crate::leg::sip) fn invite_response(
        &mut self,
        cx: &mut Context<'_>,
        response: &Message<'_>,
    ) {
        let status = response.status().unwrap_or(500);
        match (&mut self.phase, status) {
            (_, 100) => {}
            (Phase::Outgoing(outgoing), 101..=199) if !outgoing.released => {
                // Whoever has come so far does not refuse because of the offer any more.
                let _ = outgoing.takes_another_offer();
                cx.received(self.id, response);
                self.early_response(cx, response, status);
            }
            (Phase::Outgoing(_), 200..=299) => {
                cx.received(self.id, response);
                self.accepted(cx, response);
            }
            (Phase::Outgoing(_), _) => {
                cx.received(self.id, response);
                self.invite_failed(cx, response, status);
            }
            (_, 200..=299) => self.answered_twice(cx, response),
            _ => {}
        }
    }

    /// 200 to 299: the device has answered.
    fn accepted(&mut self, cx: &mut Context<'_>, response: &Message<'_>) {
        self.abilities.add(response);
        let Phase::Outgoing(outgoing) = &mut self.phase else {
            return;
        };
        let Some(client) = outgoing.client else {
            return;
        };
        let (cseq, released) = (outgoing.cseq, outgoing.released);
        let offered = outgoing
            .request
            .as_ref()
            .is_some_and(|request| request.description.is_some());
        let is_over_tls = self.flow.transport.is_secure();
        let sent = outgoing.sent.clone();
        let remote_tag = response.to().ok().and_then(|to| to.tag()).unwrap_or("");
        let early = outgoing
            .early
            .iter()
            .position(|early| &*early.dialog.remote.tag == remote_tag);
        let known = early.map(|index| outgoing.early.swap_remove(index).dialog);
        let made = match known {
            Some(mut dialog) => dialog.confirm_by(response).map(|()| dialog),
            None => sent
                .ok_or(DialogError::NoDialog)
                .and_then(|invite| Dialog::from_response(&invite.message(), response, is_over_tls)),
        };
        let Ok(dialog) = made else {
            return self.rejected(cx, Cause::PROTOCOL_ERROR, Some(502));
        };
        self.dialog = Some(Box::new(dialog));
        let described = response.has_content_type(SDP) && !response.body().is_empty();
        let description: Option<Description> = described.then(|| response.body().into());
        if released {
            // Our CANCEL came too late (RFC 3261 section 9.1).
            self.phase = Phase::Established;
            self.send_ack(cx, client, cseq, remote_tag, None);
            self.say_bye(cx, Cause::NORMAL_CLEARING);
            return self.finish(cx);
        }
        self.answered = true;
        self.agree_on_session_as_client(cx.stack, response);
        if offered || description.is_none() {
            self.phase = Phase::Established;
            self.send_ack(cx, client, cseq, remote_tag, None);
        } else {
            self.phase = Phase::OwingAck(OwingAck {
                client: Some(client),
                cseq,
                to_tag: remote_tag.into(),
            });
        }
        cx.stack.emit(self.id, LegEvent::Answered { description });
    }

    /// 300 to 699, or no response at all.
    fn invite_failed(&mut self, cx: &mut Context<'_>, response: &Message<'_>, status: u16) {
        let Phase::Outgoing(outgoing) = &mut self.phase else {
            return;
        };
        if outgoing.released {
            return self.finish(cx);
        }
        match status {
            300..=399 => {
                let contacts: Vec<Box<str>> = response
                    .contacts()
                    .flatten()
                    .take(MAX_REDIRECT_CONTACTS)
                    .map(|contact| contact.uri_text().into())
                    .collect();
                self.phase = Phase::Over;
                cx.stack.tags.remove(&self.tag);
                cx.stack.emit(self.id, LegEvent::Redirected { contacts });
            }
            // RFC 4028 section 7.3: again, with the interval that it wants.
            422 if outgoing.session_offer.is_none() => {
                let policy = policy(&cx.stack.config);
                let wanted = response.min_se().ok().flatten().unwrap_or(0);
                outgoing.session_offer = policy.offer_after_422(policy.offer(), wanted);
                if outgoing.session_offer.is_none() {
                    return self.rejected(cx, Cause::from_status(status), Some(status));
                }
                outgoing.cseq += 1;
                self.send_invite(cx);
            }
            // RFC 3261 section 8.1.3.5: again, with other media.
            415 | 488 | 606 if outgoing.takes_another_offer() => {
                cx.stack
                    .emit(self.id, LegEvent::DescriptionRefused { status });
            }
            503 if !outgoing.targets.is_empty() => {
                self.try_next_target(cx);
            }
            _ => {
                let cause = Cause::of_message(response).unwrap_or(Cause::from_status(status));
                self.rejected(cx, cause, Some(status));
            }
        }
    }

    /// Calls the device once more with another offer, after it has refused the one before. `another`:
    /// there is one more.
    pub(crate) fn invite_again(
        &mut self,
        stack: &mut Stack,
        journal: &mut Journal,
        description: Option<Description>,
        another: bool,
    ) {
        let Phase::Outgoing(outgoing) = &mut self.phase else {
            return;
        };
        if let Some(request) = &mut outgoing.request {
            request.description = description;
            request.another_offer = another;
        }
        outgoing.cseq += 1;
        outgoing.early.clear();
        self.send_invite(&mut Context { stack, journal });
    }

    /// Nothing has come back at all: no response, or no way to the device.
    pub(crate) fn invite_lost(&mut self, cx: &mut Context<'_>, no_way: bool) {
        let Phase::Outgoing(outgoing) = &mut self.phase else {
            return;
        };
        if outgoing.released {
            return self.finish(cx);
        }
        let datagram_enlarged = self.flow.transport == Transport::Tcp
            && outgoing.destination.flow.transport == Transport::Udp
            && outgoing.destination.flow.remote == self.flow.remote;
        if no_way && datagram_enlarged {
            outgoing.datagram_anyway = true;
            self.flow.transport = Transport::Udp;
            return self.send_invite(cx);
        }
        if self.try_next_target(cx) {
            return;
        }
        let why = if no_way {
            "The device cannot be reached."
        } else {
            "The device does not respond."
        };
        cx.journal.decided(cx.stack.now.unix, why);
        // The device is registered and not there any more.
        self.rejected(cx, Cause::NO_USER_RESPONDING, Some(480));
    }
}
