//! A dialog as a phone sees it, and what it sends in it.

use fernamt_sip::message::{Message, Name};

use super::{Phone, Rig};

/// A dialog as the phone sees it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Talk {
    pub(crate) call_id: String,
    pub(crate) local: String,
    pub(crate) remote: String,
    pub(crate) target: String,
    pub(crate) cseq: u32,
    pub(crate) invite: String,
}

impl Phone {
    /// The dialog of an INVITE that we sent and of a response with a tag.
    pub(crate) fn talk_as_caller(&self, invite: &str, response: &str) -> Talk {
        let (invite_text, invite) = (invite, Message::parse(invite.as_bytes()).unwrap());
        let response = Message::parse(response.as_bytes()).unwrap();
        Talk {
            call_id: invite.call_id().unwrap().to_owned(),
            local: invite.value(Name::From).unwrap().to_owned(),
            remote: response.value(Name::To).unwrap().to_owned(),
            target: response.contact().unwrap().unwrap().uri_text().to_owned(),
            cseq: invite.cseq().unwrap().number,
            invite: invite_text.to_owned(),
        }
    }

    /// The dialog of an INVITE that came.
    pub(crate) fn talk_as_callee(&self, invite: &str) -> Talk {
        let (invite_text, invite) = (invite, Message::parse(invite.as_bytes()).unwrap());
        Talk {
            call_id: invite.call_id().unwrap().to_owned(),
            local: format!(
                "{};tag=callee-{}",
                invite.value(Name::To).unwrap(),
                self.user
            ),
            remote: invite.value(Name::From).unwrap().to_owned(),
            target: invite.contact().unwrap().unwrap().uri_text().to_owned(),
            cseq: 0,
            invite: invite_text.to_owned(),
        }
    }

    pub(crate) fn in_dialog(
        &self,
        talk: &mut Talk,
        method: &str,
        extra: &str,
        body: &str,
    ) -> String {
        if method != "ACK" {
            talk.cseq += 1;
        }
        let content_type = if body.is_empty() {
            ""
        } else {
            "Content-Type: application/sdp\r\n"
        };
        format!(
            "{method} {} SIP/2.0\r\nVia: SIP/2.0/{} {};branch=z9hG4bK{}{}{method};rport\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {} {method}\r\nContact: <sip:{}@{}>\r\n{content_type}{extra}Content-Length: {}\r\n\r\n{body}",
            talk.target,
            self.transport,
            self.address,
            self.user,
            talk.cseq,
            talk.local,
            talk.remote,
            talk.call_id,
            talk.cseq,
            self.user,
            self.address,
            body.len()
        )
    }

    /// Acknowledges a 2xx; `answer` is empty where the offer was in the INVITE.
    pub(crate) fn confirm(&self, rig: &mut Rig, talk: &mut Talk, answer: &str) {
        let ack = self.in_dialog(talk, "ACK", "", answer);
        self.send(rig, &ack);
    }

    pub(crate) fn hang_up(&self, rig: &mut Rig, talk: &mut Talk) {
        let bye = self.in_dialog(talk, "BYE", "", "");
        self.send(rig, &bye);
    }
}
