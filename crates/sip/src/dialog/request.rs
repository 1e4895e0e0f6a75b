//! Requests within a dialog (RFC 3261 section 12.2.1.1).

use super::Dialog;
use crate::builder::RequestBuilder;
use crate::header::NameAddr;
use crate::message::{Method, Name};
use crate::uri::Uri;

/// Max-Forwards of a new request (RFC 3261 section 8.1.1.6).
const MAX_FORWARDS: u8 = 70;

/// Where a request is addressed to, and the way there.
struct Way<'a> {
    request_uri: &'a str,
    routes: &'a [Box<str>],
    /// With a strict router first, the target stands at the end of the routes.
    last_route: Option<&'a str>,
}

impl Dialog {
    /// The URI to which requests are sent next: the first hop, or the target when there is none.
    pub fn next_hop(&self) -> &str {
        match self.route_set.first() {
            Some(route) => uri_of(route),
            None => &self.remote_target,
        }
    }

    /// Begins a request with the next CSeq number: request line, the Via that `via` writes,
    /// Max-Forwards, Route, From, To, Call-ID and CSeq. Contact and body are left to the caller,
    /// who must finish the message.
    ///
    /// For ACK see [`Dialog::ack_for`]; CANCEL belongs to its transaction.
    pub fn request<'b>(
        &mut self,
        out: &'b mut Vec<u8>,
        method: Method<'_>,
        via: impl FnOnce(&mut RequestBuilder<'b>),
    ) -> RequestBuilder<'b> {
        // Numbers end at 2**31 (RFC 3261 section 8.1.1.5); no dialog lives for so many requests.
        self.local_cseq = self.local_cseq.saturating_add(1);
        self.write(out, method, self.local_cseq, via)
    }

    /// Begins the ACK for a 2xx to our INVITE with this CSeq number (RFC 3261 section 13.2.2.4).
    pub fn ack_for<'b>(
        &self,
        out: &'b mut Vec<u8>,
        invite_cseq: u32,
        via: impl FnOnce(&mut RequestBuilder<'b>),
    ) -> RequestBuilder<'b> {
        self.write(out, Method::Ack, invite_cseq, via)
    }

    fn write<'b>(
        &self,
        out: &'b mut Vec<u8>,
        method: Method<'_>,
        cseq: u32,
        via: impl FnOnce(&mut RequestBuilder<'b>),
    ) -> RequestBuilder<'b> {
        let way = self.way();
        let mut request = RequestBuilder::new(out, method, way.request_uri);
        via(&mut request);
        request.header(Name::MaxForwards, MAX_FORWARDS);
        for route in way.routes {
            request.header(Name::Route, route);
        }
        if let Some(target) = way.last_route {
            request.header(Name::Route, ["<", target, ">"]);
        }
        for (name, party) in [(Name::From, &self.local), (Name::To, &self.remote)] {
            let (uri, tag) = (&party.uri, &party.tag);
            if tag.is_empty() {
                request.header(name, ["<", uri, ">"]);
            } else {
                request.header(name, ["<", uri, ">;tag=", tag]);
            }
        }
        request.header(Name::CallId, &self.call_id);
        request.header(Name::CSeq, (cseq, [" ", method.as_str()]));
        request
    }

    fn way(&self) -> Way<'_> {
        let target = &*self.remote_target;
        match self.route_set.split_first() {
            Some((first, rest)) if !is_loose(first) => {
                let hop = uri_of(first);
                let request_uri = hop.split_once('?').map_or(hop, |(uri, _)| uri);
                Way {
                    request_uri,
                    routes: rest,
                    last_route: Some(target),
                }
            }
            _ => Way {
                request_uri: target,
                routes: &self.route_set,
                last_route: None,
            },
        }
    }
}

fn uri_of(route: &str) -> &str {
    NameAddr::parse(route).map_or("", |route| route.uri_text())
}

/// Whether a hop leaves the request URI alone (RFC 3261 section 19.1.1, parameter `lr`).
fn is_loose(route: &str) -> bool {
    Uri::parse(uri_of(route)).is_ok_and(|uri| uri.has_param("lr"))
}
