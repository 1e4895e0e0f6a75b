//! What can be seen of the exchange from outside: every message that it gets and sends, leg by leg.
//! It is the ground truth with which records are compared, and it knows some rules of the protocol
//! that no message may break. It knows nothing of the inside of the exchange.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use fernamt_sdp::SessionDescription;
use fernamt_sip::message::{Message, Method, Name};
use fernamt_sip::time::Time;

/// What is known of all legs, by their Call-ID.
#[derive(Debug, Default)]
pub(super) struct Observer {
    pub(super) legs: BTreeMap<Box<str>, Leg>,
    /// Which legs were told to send their media there.
    pub(super) media: BTreeMap<SocketAddr, BTreeSet<Box<str>>>,
    /// The final responses of the exchange to each INVITE, by its branch: status and tag.
    finals: BTreeMap<Box<str>, BTreeSet<(u16, Box<str>)>>,
    /// Which leg was given which key.
    keys: BTreeMap<Box<str>, Box<str>>,
    /// The exchange has been killed, and has forgotten what was not on disk.
    pub(super) has_restarted: bool,
    /// It could not write down what it had picked up before it was killed again.
    pub(super) has_lost_states: bool,
    pub(super) counts: super::Counts,
    complaints: Vec<String>,
}

/// One leg, as its messages show it.
#[derive(Debug)]
pub(super) struct Leg {
    /// The INVITE came from the phone.
    pub(super) incoming: bool,
    /// When the exchange received the 2xx, or sent it.
    pub(super) answered_at: Option<Time>,
    /// When it ended: by BYE or CANCEL either way, or by a refusal.
    pub(super) over_at: Option<Time>,
    /// When the phone's BYE was received first, which is not answered before the record is on disk.
    pub(super) bye_heard: Option<Time>,
    /// When the phone's BYE was received that was accepted.
    pub(super) bye_received: Option<Time>,
    pub(super) bye_sent: Option<Time>,
    pub(super) cancelled_at: Option<Time>,
    pub(super) final_status: Option<u16>,
    pub(super) last_at: Time,
    invite_cseq: u32,
    /// The exchange's own tag, where the INVITE came from the phone.
    tag: Box<str>,
    /// The highest number of the exchange's requests in each dialog, by its two tags.
    sent_cseq: BTreeMap<Box<str>, u32>,
    /// Their branches: what has been sent before is sent again.
    branches: BTreeSet<Box<str>>,
}

impl Leg {
    /// The exchange answers with another tag: after a restart an INVITE that is repeated is a new
    /// call, whatever became of the first.
    fn begin_again(&mut self, tag: &str) {
        if &*self.tag != tag {
            self.tag = tag.into();
            self.answered_at = None;
            self.over_at = None;
            self.bye_heard = None;
            self.bye_received = None;
            self.bye_sent = None;
            self.final_status = None;
        }
    }
}

impl Observer {
    /// The exchange is about to be given this message.
    pub(super) fn received(&mut self, now: Time, bytes: &[u8]) {
        let Ok(message) = Message::parse(bytes) else {
            return;
        };
        let (Ok(call_id), Ok(cseq)) = (message.call_id(), message.cseq()) else {
            return;
        };
        let has_tag = message.to().is_ok_and(|to| to.tag().is_some());
        self.count(&message, has_tag);
        if message.is_request() && message.method() == Method::Invite && !has_tag {
            let leg = self.leg(now, call_id, true);
            if leg.invite_cseq < cseq.number {
                leg.invite_cseq = cseq.number;
                leg.final_status = None;
                leg.over_at = None;
            }
        }
        let Some(leg) = self.legs.get_mut(call_id) else {
            return;
        };
        leg.last_at = now;
        match message.method() {
            Method::Cancel if message.is_request() && leg.incoming => {
                leg.cancelled_at.get_or_insert(now);
            }
            Method::Bye if message.is_request() => {
                leg.bye_heard.get_or_insert(now);
            }
            _ => {}
        }
        if let Some(status) = message.status()
            && cseq.method == Method::Invite
            && !leg.incoming
            && cseq.number == leg.invite_cseq
        {
            match status {
                200..=299 => {
                    leg.answered_at.get_or_insert(now);
                }
                300.. if leg.answered_at.is_none() => {
                    leg.over_at.get_or_insert(now);
                    leg.final_status.get_or_insert(status);
                }
                _ => {}
            }
        }
    }

    /// Counts what has come, so that it can be seen what a run was about.
    fn count(&mut self, message: &Message<'_>, has_tag: bool) {
        let counter = match (message.method(), message.status()) {
            (Method::Cancel, None) => &mut self.counts.cancels,
            (Method::Prack, None) => &mut self.counts.pracks,
            (Method::Invite, None) if has_tag => &mut self.counts.changes,
            (Method::Update, None) => &mut self.counts.changes,
            (_, Some(491)) => &mut self.counts.glares,
            (_, Some(302)) => &mut self.counts.redirects,
            _ => return,
        };
        *counter += 1;
    }

    /// The exchange sends this message to a phone.
    pub(super) fn sent(&mut self, now: Time, bytes: &[u8]) {
        let message = match Message::parse(bytes) {
            Ok(message) => message,
            Err(error) => {
                return self
                    .complaints
                    .push(format!("it sends no message: {error}"));
            }
        };
        let (Ok(call_id), Ok(cseq)) = (message.call_id(), message.cseq()) else {
            return;
        };
        self.note_media(call_id, message.body());
        match message.status() {
            Some(status) => self.response_sent(now, call_id, status, &message),
            None => {
                let has_tag = message.to().is_ok_and(|to| to.tag().is_some());
                if message.method() == Method::Invite && !has_tag {
                    let leg = self.leg(now, call_id, false);
                    if leg.invite_cseq < cseq.number {
                        // Once more on the same leg: with other media, say, after a refusal.
                        leg.invite_cseq = cseq.number;
                        leg.final_status = None;
                        leg.over_at = None;
                    }
                }
                self.request_sent(now, call_id, &message);
            }
        }
    }

    fn response_sent(&mut self, now: Time, call_id: &str, status: u16, response: &Message<'_>) {
        let Ok(cseq) = response.cseq() else { return };
        if cseq.method == Method::Invite && status >= 200 {
            let branch = response
                .top_via()
                .ok()
                .and_then(|via| via.branch())
                .unwrap_or("");
            let tag = response.to().ok().and_then(|to| to.tag()).unwrap_or("");
            let finals = self.finals.entry(branch.into()).or_default();
            finals.insert((status, tag.into()));
        }
        let Some(leg) = self.legs.get_mut(call_id) else {
            return;
        };
        leg.last_at = now;
        let is_setup = cseq.method == Method::Invite && cseq.number == leg.invite_cseq;
        if is_setup && leg.incoming && status > 100 && self.has_restarted {
            let tag = response.to().ok().and_then(|to| to.tag()).unwrap_or("");
            leg.begin_again(tag);
        }
        match (cseq.method, status) {
            // What was refused before a restart may be tried again after it.
            (Method::Invite, 101..=199) if leg.incoming && leg.answered_at.is_none() => {
                leg.over_at = None;
            }
            (Method::Invite, 200..=299) if leg.incoming && cseq.number == leg.invite_cseq => {
                if leg.answered_at.is_none() {
                    // What was refused before a restart may be accepted after it.
                    leg.over_at = None;
                    leg.final_status = Some(status);
                }
                leg.answered_at.get_or_insert(now);
            }
            (Method::Invite, 300..)
                if leg.incoming && cseq.number == leg.invite_cseq && leg.answered_at.is_none() =>
            {
                leg.final_status.get_or_insert(status);
                leg.over_at.get_or_insert(now);
            }
            (Method::Bye, 200..=299) => {
                let heard = leg.bye_heard.unwrap_or(now);
                leg.bye_received.get_or_insert(heard);
                leg.over_at.get_or_insert(heard);
            }
            // Its record was on disk just before the exchange was killed.
            (Method::Bye, 481) if self.has_restarted => {
                if let Some(heard) = leg.bye_heard {
                    leg.bye_received.get_or_insert(heard);
                    leg.over_at.get_or_insert(heard);
                }
            }
            (Method::Bye, 300..) => leg.bye_heard = None,
            _ => {}
        }
    }

    fn request_sent(&mut self, now: Time, call_id: &str, request: &Message<'_>) {
        let Ok(cseq) = request.cseq() else { return };
        let branch = request
            .top_via()
            .ok()
            .and_then(|via| via.branch())
            .unwrap_or("");
        let remote = request.to().ok().and_then(|to| to.tag()).unwrap_or("");
        let Some(leg) = self.legs.get_mut(call_id) else {
            return;
        };
        leg.last_at = now;
        let has_said_bye = leg.bye_sent.is_some();
        match request.method() {
            Method::Bye => {
                leg.bye_sent.get_or_insert(now);
                leg.over_at.get_or_insert(now);
            }
            Method::Cancel => {
                leg.cancelled_at.get_or_insert(now);
                if leg.answered_at.is_none() {
                    leg.over_at.get_or_insert(now);
                }
            }
            _ => {}
        }
        if matches!(request.method(), Method::Ack | Method::Cancel) || remote.is_empty() {
            return;
        }
        // RFC 3261 section 12.2.1.1: each new request within a dialog has a higher number.
        if !leg.branches.insert(branch.into()) {
            return;
        }
        let local = request
            .from()
            .ok()
            .and_then(|from| from.tag())
            .unwrap_or("");
        let dialog = format!("{local} {remote}").into();
        let last = leg.sent_cseq.entry(dialog).or_insert(0);
        // What is sent to an answer that nobody remembers has no number to build on.
        let unknown = cseq.number == *last || has_said_bye || self.has_restarted;
        let forgotten = request.method() == Method::Bye && unknown;
        if cseq.number <= *last && !forgotten && !self.has_lost_states {
            let what = format!(
                "{} {} in {call_id} is not above {last} before it",
                cseq.number, cseq.method
            );
            return self.complaints.push(what);
        }
        *last = cseq.number;
    }

    fn leg(&mut self, now: Time, call_id: &str, incoming: bool) -> &mut Leg {
        self.legs.entry(call_id.into()).or_insert_with(|| Leg {
            incoming,
            answered_at: None,
            over_at: None,
            bye_heard: None,
            bye_received: None,
            bye_sent: None,
            cancelled_at: None,
            final_status: None,
            last_at: now,
            invite_cseq: 0,
            tag: "".into(),
            sent_cseq: BTreeMap::new(),
            branches: BTreeSet::new(),
        })
    }

    fn note_media(&mut self, call_id: &str, body: &[u8]) {
        if body.is_empty() {
            return;
        }
        let text = core::str::from_utf8(body).unwrap_or("");
        for key in text.lines().filter_map(|line| line.split_once(" inline:")) {
            let owner = self
                .keys
                .entry(key.1.into())
                .or_insert_with(|| call_id.into());
            if **owner != *call_id {
                let complaint = format!("{owner} and {call_id} are given the same key");
                self.complaints.push(complaint);
            }
        }
        let Ok(parsed) = SessionDescription::parse(body) else {
            return;
        };
        for address in parsed.media().iter().filter_map(|media| media.address()) {
            self.media
                .entry(address)
                .or_default()
                .insert(call_id.into());
        }
    }

    /// Rules that were broken since the last time.
    pub(super) fn drain_complaints(&mut self) -> Vec<String> {
        std::mem::take(&mut self.complaints)
    }

    /// INVITEs that have got more than one final response: their branches, with the statuses.
    pub(super) fn answered_twice(&self) -> impl Iterator<Item = (&str, Vec<u16>)> {
        self.finals
            .iter()
            .filter(|(_, finals)| finals.len() > 1)
            .map(|(branch, finals)| {
                (
                    &**branch,
                    finals.iter().map(|(status, _)| *status).collect(),
                )
            })
    }

    /// When the legs that were told this address were over, if all of them are.
    pub(super) fn released_at(&self, address: SocketAddr) -> Option<Vec<Time>> {
        let legs = self.media.get(&address)?;
        legs.iter().map(|leg| self.legs.get(leg)?.over_at).collect()
    }

    /// The Call-ID of a message, for the trace.
    pub(super) fn title(bytes: &[u8]) -> String {
        let Ok(message) = Message::parse(bytes) else {
            return "no message".to_owned();
        };
        let cseq = message.value(Name::CSeq).unwrap_or("");
        let call_id = message.value(Name::CallId).unwrap_or("");
        let branch = message
            .top_via()
            .ok()
            .and_then(|via| via.branch())
            .unwrap_or("");
        let tail = branch.len().saturating_sub(5);
        let branch = branch.get(tail..).unwrap_or("");
        let body = fernamt_exchange::journal::body_summary(message.body());
        format!("{message}  (CSeq {cseq}, {call_id}, …{branch})  {body}")
    }
}
