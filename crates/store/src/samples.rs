//! Values for tests.

use std::time::Duration;

use fernamt_charging::{CallRecord, CallReference, LegRecord, LegRole, MediaProtection, Releaser};
use fernamt_exchange::encryption::{Encryption, MediaTransport};
use fernamt_exchange::interface::{Ticket, Write};
use fernamt_exchange::journal::{Entry, Event, Journal};
use fernamt_sdp::CryptoSuite;
use fernamt_sip::time::UnixTime;

use crate::folder::DataFolder;
use crate::records::{NewDevice, Secret};

/// A folder that vanishes with the first value.
pub(crate) fn folder() -> (tempfile::TempDir, DataFolder) {
    let outer = tempfile::tempdir().unwrap();
    let folder = DataFolder::open(outer.path().join("data")).unwrap();
    (outer, folder)
}

pub(crate) fn device(user: &str, numbers: &[&str]) -> NewDevice {
    NewDevice {
        user: user.into(),
        name: None,
        numbers: numbers
            .iter()
            .map(|number| number.parse().unwrap())
            .collect(),
        direct_media: false,
        encryption: Encryption::default(),
        media_transport: MediaTransport::default(),
        secret: Secret::Password("secret".into()),
    }
}

pub(crate) fn at(seconds: i64) -> UnixTime {
    UnixTime::from_micros(seconds * 1_000_000)
}

/// The record of a call that came in at that second.
pub(crate) fn record(call: u64, start_seconds: i64) -> CallRecord {
    let leg = |role, name: &str, protection| LegRecord {
        role,
        call_id: format!("{name}-{call:x}@192.0.2.1").into(),
        user: Some(name.into()),
        peer: "UDP 192.0.2.7:5060".into(),
        protection: Some(protection),
    };
    let sdes = MediaProtection::Sdes {
        suite: CryptoSuite::AesCm128HmacSha1_80,
        signalling_encrypted: true,
    };
    CallRecord {
        call: CallReference(call),
        caller: Some("anna".into()),
        caller_number: "+4930100".into(),
        dialled: "bert".into(),
        callee: Some("bert".into()),
        start: at(start_seconds),
        answer: Some(at(start_seconds + 2)),
        end: at(start_seconds + 12),
        duration: Duration::from_secs(10),
        cause: 16,
        cause_text: "normal call clearing".into(),
        status: None,
        released_by: Releaser::Callee,
        codec: Some("PCMA/8000".into()),
        legs: vec![
            leg(LegRole::Caller, "anna", sdes),
            leg(LegRole::Callee, "bert", MediaProtection::Clear),
        ],
    }
}

pub(crate) fn entries() -> Vec<Entry> {
    let sent = |message: &str| Event::Sent {
        party: 0,
        message: message.into(),
        body: "".into(),
    };
    let event = [sent("100 Trying"), sent("200 OK"), Event::Recovered];
    event
        .into_iter()
        .map(|event| Entry { at: at(1), event })
        .collect()
}

/// The course that consists of [`entries`].
pub(crate) fn course() -> Journal {
    let mut course = Journal::new(at(1));
    course.sent(at(1), 0, "100 Trying", "");
    course.sent(at(1), 0, "200 OK", "");
    course.recovered(at(1));
    course
}

pub(crate) fn closed(call: u64) -> Write {
    awaited(call, None)
}

/// The same, for which somebody waits.
pub(crate) fn awaited(call: u64, ticket: Option<u64>) -> Write {
    Write::Closed {
        record: Box::new(record(call, call as i64)),
        journal: course(),
        ticket: ticket.map(Ticket),
    }
}

pub(crate) fn state(call: u64, state: &[u8], ticket: Option<u64>) -> Write {
    let ticket = ticket.map(Ticket);
    Write::State {
        call: CallReference(call),
        state: state.to_vec(),
        ticket,
    }
}
