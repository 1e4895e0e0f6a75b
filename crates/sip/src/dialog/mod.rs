//! Dialogs (RFC 3261 section 12): what both ends of a call know of each other's messages. What the
//! call is about, and when to send what, is up to the user.
//!
//! A [`Dialog`] is a plain value that can be written down and picked up again; its version is that
//! of the value which contains it. Beside it are small values for what happens within dialogs:
//! [`glare`] (RFC 3261 section 14, RFC 3311), [`reliable`] (RFC 3262) and [`session_timer`]
//! (RFC 4028).

pub mod glare;
pub mod reliable;
mod request;
pub mod session_timer;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::header::NameAddr;
use crate::message::{HeaderError, Message, Method, Name};

/// The most hops that a dialog keeps in its route set.
pub const MAX_ROUTES: usize = 32;

/// Which end of the dialog is ours; this never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Role {
    /// We sent the request that made the dialog.
    Caller,
    /// We answered it.
    Callee,
}

/// How far a dialog has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Stage {
    /// Made by a provisional response.
    Early,
    /// Made or confirmed by a 2xx.
    Confirmed,
}

/// One end of a dialog.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Party {
    /// The URI in From or To, without display name.
    pub uri: Box<str>,
    /// The tag; empty for a peer of RFC 2543 that has none.
    pub tag: Box<str>,
}

/// The state of one dialog (RFC 3261 section 12).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dialog {
    /// Which end is ours.
    pub role: Role,
    /// Early or confirmed.
    pub stage: Stage,
    /// Whether every hop must be protected: the dialog was made with a `sips` URI over TLS.
    pub is_secure: bool,
    /// The Call-ID.
    pub call_id: Box<str>,
    /// Our end.
    pub local: Party,
    /// The other end.
    pub remote: Party,
    /// Where requests go in the end: the peer's contact.
    pub remote_target: Box<str>,
    /// The way there: the values for Route, in order, each in angle brackets.
    pub route_set: Box<[Box<str>]>,
    /// The CSeq number of our last request; zero before the first.
    pub local_cseq: u32,
    /// The CSeq number of the peer's last request.
    pub remote_cseq: Option<u32>,
}

/// Why a message makes no dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialogError {
    /// The message lacks what a dialog needs: answer a request with 400.
    #[error("the message makes no dialog: {0}")]
    Header(#[from] HeaderError),
    /// More than [`MAX_ROUTES`] hops want to stay on the way.
    #[error("more than {MAX_ROUTES} hops in Record-Route")]
    TooManyRoutes,
    /// A response that makes no dialog: a 100, one without To tag, or one of failure.
    #[error("the response makes no dialog")]
    NoDialog,
    /// The response speaks of another Call-ID or From tag than the request.
    #[error("the response does not belong to the request")]
    Mismatch,
}

/// Whether the CSeq of a request is in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CSeqOrder {
    /// It is, and was remembered.
    InOrder,
    /// It is lower than one before: answer with 500 (RFC 3261 section 12.2.2), with Retry-After,
    /// and change nothing. A BYE out of order ends no call.
    OutOfOrder,
}

impl Dialog {
    /// The dialog that a request makes when we answer it with this tag (RFC 3261 section 12.1.1).
    ///
    /// `is_over_tls` says whether the request came over TLS. The dialog is [`Stage::Early`] until
    /// [`Dialog::confirm`].
    ///
    /// # Errors
    /// When the request lacks From, To, Call-ID, CSeq or a contact.
    pub fn from_request(
        request: &Message<'_>,
        local_tag: &str,
        is_over_tls: bool,
    ) -> Result<Dialog, DialogError> {
        let (from, to) = (request.from()?, request.to()?);
        let contact = request
            .contact()?
            .ok_or(HeaderError::Missing(Name::Contact))?;
        Ok(Dialog {
            role: Role::Callee,
            stage: Stage::Early,
            is_secure: is_over_tls && request.request_uri().is_some_and(is_sips),
            call_id: request.call_id()?.into(),
            local: Party {
                uri: to.uri_text().into(),
                tag: local_tag.into(),
            },
            remote: party(&from),
            remote_target: target(&contact),
            route_set: route_set(request, false)?,
            local_cseq: 0,
            remote_cseq: Some(request.cseq()?.number),
        })
    }

    /// The dialog that a response makes for our request (RFC 3261 section 12.1.2): early by a
    /// provisional response with a tag, confirmed by a 2xx. Every To tag makes its own.
    ///
    /// `is_over_tls` says whether the request was sent over TLS. A provisional response without
    /// contact leaves the target where it was.
    ///
    /// # Errors
    /// When the response makes no dialog, or is not one to this request.
    pub fn from_response(
        request: &Message<'_>,
        response: &Message<'_>,
        is_over_tls: bool,
    ) -> Result<Dialog, DialogError> {
        let status = response.status().ok_or(DialogError::NoDialog)?;
        let (local, remote) = (party(&request.from()?), party(&response.to()?));
        // A final response of an RFC 2543 peer may lack the tag; a provisional one then only says
        // that something happens.
        if !(101..300).contains(&status) || (status < 200 && remote.tag.is_empty()) {
            return Err(DialogError::NoDialog);
        }
        let call_id = request.call_id()?;
        let echoed_tag = response.from()?.tag().unwrap_or("");
        if response.call_id()? != call_id || echoed_tag != &*local.tag {
            return Err(DialogError::Mismatch);
        }
        let request_uri = request.request_uri().unwrap_or("");
        Ok(Dialog {
            role: Role::Caller,
            stage: if status < 200 {
                Stage::Early
            } else {
                Stage::Confirmed
            },
            is_secure: is_over_tls && is_sips(request_uri),
            call_id: call_id.into(),
            local,
            remote: Party {
                uri: request.to()?.uri_text().into(),
                tag: remote.tag,
            },
            remote_target: response
                .contact()?
                .map_or_else(|| request_uri.into(), |it| target(&it)),
            route_set: route_set(response, true)?,
            local_cseq: request.cseq()?.number,
            remote_cseq: None,
        })
    }

    /// Our 2xx was sent.
    pub fn confirm(&mut self) {
        self.stage = Stage::Confirmed;
    }

    /// Takes over what the 2xx to our request says (RFC 3261 section 13.2.2.4): while the dialog is
    /// early the route set is computed anew, and the target is refreshed.
    ///
    /// # Errors
    /// When contact or Record-Route cannot be read; the dialog is not changed then.
    pub fn confirm_by(&mut self, response: &Message<'_>) -> Result<(), DialogError> {
        let contact = response.contact()?;
        if self.stage == Stage::Early {
            self.route_set = route_set(response, true)?;
            self.stage = Stage::Confirmed;
        }
        if let Some(contact) = contact {
            self.remote_target = target(&contact);
        }
        Ok(())
    }

    /// Whether a message from the peer belongs to this dialog (RFC 3261 section 12.2.2): a request
    /// carries our tag in To, a response in From. A missing tag is an empty one.
    pub fn matches(&self, message: &Message<'_>) -> bool {
        let (Ok(from), Ok(to), Ok(call_id)) = (message.from(), message.to(), message.call_id())
        else {
            return false;
        };
        let (local, remote) = if message.is_request() {
            (to, from)
        } else {
            (from, to)
        };
        call_id == &*self.call_id
            && local.tag().unwrap_or("") == &*self.local.tag
            && remote.tag().unwrap_or("") == &*self.remote.tag
    }

    /// Checks the CSeq of a request of the peer, and remembers it (RFC 3261 section 12.2.2).
    ///
    /// ACK and CANCEL repeat the number of their INVITE and are always in order. An equal number is
    /// taken too: retransmissions do not come here, and some telephones repeat a request with
    /// credentials under the same number.
    ///
    /// # Errors
    /// When there is no CSeq that can be read.
    pub fn check_cseq(&mut self, request: &Message<'_>) -> Result<CSeqOrder, HeaderError> {
        let cseq = request.cseq()?;
        if matches!(cseq.method, Method::Ack | Method::Cancel) {
            return Ok(CSeqOrder::InOrder);
        }
        if self.remote_cseq.is_some_and(|last| cseq.number < last) {
            return Ok(CSeqOrder::OutOfOrder);
        }
        self.remote_cseq = Some(cseq.number);
        Ok(CSeqOrder::InOrder)
    }

    /// Takes the contact of a message over as the target when it is one that refreshes the target:
    /// a request with INVITE, UPDATE, SUBSCRIBE, NOTIFY or REFER, or a 2xx to one. Returns whether
    /// the target has changed.
    ///
    /// # Errors
    /// When the contact cannot be read.
    pub fn refresh_target(&mut self, message: &Message<'_>) -> Result<bool, HeaderError> {
        let is_successful = message
            .status()
            .is_none_or(|status| (200..300).contains(&status));
        if !is_successful || !refreshes_target(message.method()) {
            return Ok(false);
        }
        let Some(contact) = message.contact()? else {
            return Ok(false);
        };
        let target = target(&contact);
        let has_changed = self.remote_target != target;
        self.remote_target = target;
        Ok(has_changed)
    }
}

/// Whether requests with this method can move the target of a dialog (RFC 3261 section 12.2,
/// RFC 3311, RFC 6665, RFC 3515).
pub fn refreshes_target(method: Method<'_>) -> bool {
    matches!(
        method,
        Method::Invite | Method::Update | Method::Subscribe | Method::Notify | Method::Refer
    )
}

fn party(address: &NameAddr<'_>) -> Party {
    Party {
        uri: address.uri_text().into(),
        tag: address.tag().unwrap_or("").into(),
    }
}

/// The URI of a contact without header fields, which a request URI cannot have (RFC 3261 section
/// 19.1.1).
fn target(contact: &NameAddr<'_>) -> Box<str> {
    let uri = contact.uri_text();
    uri.split_once('?').map_or(uri, |(uri, _)| uri).into()
}

fn is_sips(uri: &str) -> bool {
    uri.get(..5)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("sips:"))
}

/// The Record-Route of a message as a route set; that of a response is read from its end.
fn route_set(message: &Message<'_>, is_reversed: bool) -> Result<Box<[Box<str>]>, DialogError> {
    let mut routes: Vec<Box<str>> = Vec::new();
    for route in message.record_routes() {
        if routes.len() == MAX_ROUTES {
            return Err(DialogError::TooManyRoutes);
        }
        let route = route?;
        routes.push(format!("<{}>{}", route.uri_text(), route.params().as_str()).into());
    }
    if is_reversed {
        routes.reverse();
    }
    Ok(routes.into())
}
