//! `fernamt cdr`: the records of calls that are over.

use fernamt_charging::{CallRecord, LegRecord, LegRole, Listeners, MediaProtection};
use fernamt_store::records::{CallQuery, MAX_PAGE};
use serde::Serialize;

use super::Listing;
use crate::exit::{Exit, Failure, Outcome};
use crate::folder::{Location, Office};
use crate::output::{self, Since, Table, local, rfc3339, safe, seconds, talk_time};

/// List call records: who, whom, when, how long, how it ended
///
/// Oldest first. Works beside a running exchange and without one.
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER_HELP)]
pub(crate) struct Options {
    /// Only calls that came in at this time or later
    #[arg(long, value_name = "T")]
    since: Option<Since>,

    /// Only calls that came in before this time
    #[arg(long, value_name = "T")]
    until: Option<Since>,

    /// Only calls from or to this number or user name
    #[arg(long, value_name = "N")]
    number: Option<String>,

    /// Only calls that were in clear, at least at times, on at least one leg
    #[arg(long)]
    unencrypted: bool,

    /// The same, and those whose keys crossed unencrypted signalling on at least one leg
    #[arg(long, conflicts_with = "unencrypted")]
    exposed: bool,

    #[command(flatten)]
    listing: Listing,
}

const AFTER_HELP: &str = "\
TIMES
    --since and --until take 2026-11-22T14:00:00Z, 2026-11-22 (midnight here), or how long ago:
    90s, 30m, 2h, 1d, 2w.

MEDIA
    How the media of each leg were protected while the call was answered, the caller's first. Of
    several streams, and of changes in mid call, the weakest counts.
    clear    not at all
    exposed  SRTP whose keys crossed unencrypted signalling (SDES): who has seen that can listen
    sdes     SRTP with keys that crossed encrypted signalling
    dtls     SRTP with keys from a handshake on the media path
    -        not known: nobody answered, there were no media, or the record is from a version that
             did not note it. --unencrypted and --exposed pass over such legs; the last example
             finds the answered calls that have them.

JSON
    One array. Each record: call (its reference), start, answer and end (RFC 3339, UTC, with
    microseconds; answer is null for a call that nobody answered), duration (seconds as a decimal
    number), cause and cause_text (ITU-T Q.850), status (the SIP status the caller was given, null
    for an answered call), released_by (caller, callee, exchange), codec, caller, caller_number,
    dialled, callee, encrypted (true: on every leg; false: at least one was in clear; null: not
    known), and legs: role, call_id (the SIP Call-ID as the peer saw it), user, peer, protection.
    That is null where it is not known, otherwise kind (clear, sdes, dtls), suite (the crypto
    suite; null where there is none or it is not known) and signalling_encrypted (of the signalling
    that carried keys or fingerprints; null for clear).

EXAMPLES
    fernamt cdr --since 1d
    fernamt cdr --number +493012345 --json | jq '.[].duration'
    fernamt cdr --since 2026-11-01 --until 2026-12-01 --unencrypted
    fernamt cdr --json | jq '.[] | select(.answer and .encrypted == null) | .call'";

impl Options {
    fn listeners(&self) -> Option<Listeners> {
        match (self.unencrypted, self.exposed) {
            (true, _) => Some(Listeners::Everybody),
            (false, true) => Some(Listeners::ReadersOfSignalling),
            (false, false) => None,
        }
    }
}

/// Lists the records.
pub(crate) fn run(data: &Location, options: &Options) -> Outcome {
    let office = data.open()?;
    office.settle_calls()?;
    let query = CallQuery {
        since: options.since.map(|since| since.0),
        until: options.until.map(|until| until.0),
        number: options.number.as_deref().map(Into::into),
        listeners: options.listeners(),
        limit: Some(MAX_PAGE),
        ..CallQuery::default()
    };
    let records = all(&office, query)?;
    if options.listing.json {
        let shown: Vec<Shown<'_>> = records.iter().map(Shown::of).collect();
        output::json(&shown)?;
    } else {
        output::raw(&table(&records).to_text("No calls."))?;
    }
    Ok(Exit::Done)
}

/// All records that fit, oldest first; the pages come newest first.
fn all(office: &Office, mut query: CallQuery) -> Result<Vec<CallRecord>, Failure> {
    let mut pages = Vec::new();
    loop {
        let page = office.ask(|records| {
            let query = query.clone();
            async move { records.calls(&query).await }
        })?;
        pages.push(page.records);
        query.before = page.older;
        if query.before.is_none() {
            return Ok(pages.into_iter().rev().flatten().collect());
        }
    }
}

fn table(records: &[CallRecord]) -> Table {
    let mut table = Table::new(&[
        "CALL", "START", "FROM", "DIALLED", "TO", "TALK", "CODEC", "MEDIA", "END", "BY",
    ]);
    for record in records {
        let from = record.caller.as_deref().unwrap_or(&record.caller_number);
        let talk = record.answer.map(|_| talk_time(record.duration));
        table.row([
            record.call.to_string(),
            local(record.start),
            safe(from),
            safe(&record.dialled),
            safe(record.callee.as_deref().unwrap_or("-")),
            talk.unwrap_or_else(|| "-".to_owned()),
            safe(record.codec.as_deref().unwrap_or("-")),
            media(record),
            format!("{} {}", record.cause, safe(&record.cause_text)),
            word_of(&record.released_by),
        ]);
    }
    table
}

/// How the media of each leg were protected, in a word for each; one for all where nobody answered.
fn media(record: &CallRecord) -> String {
    if record.answer.is_none() || record.legs.is_empty() {
        return "-".to_owned();
    }
    let legs = record.legs.iter().map(|leg| word_of_leg(leg.protection));
    legs.collect::<Vec<_>>().join("/")
}

fn word_of_leg(protection: Option<MediaProtection>) -> &'static str {
    match protection {
        None => "-",
        Some(protection) if protection.listeners() == Listeners::ReadersOfSignalling => "exposed",
        Some(protection) => kind_of(protection),
    }
}

const fn kind_of(protection: MediaProtection) -> &'static str {
    match protection {
        MediaProtection::Clear => "clear",
        MediaProtection::Sdes { .. } => "sdes",
        MediaProtection::Dtls { .. } => "dtls",
    }
}

/// The word that stands for a value in JSON.
fn word_of(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

/// A record for programs.
#[derive(Serialize)]
pub(crate) struct Shown<'a> {
    call: String,
    start: String,
    answer: Option<String>,
    end: String,
    duration: f64,
    cause: u8,
    cause_text: &'a str,
    status: Option<u16>,
    released_by: String,
    codec: Option<&'a str>,
    caller: Option<&'a str>,
    caller_number: &'a str,
    dialled: &'a str,
    callee: Option<&'a str>,
    encrypted: Option<bool>,
    legs: Vec<ShownLeg<'a>>,
}

/// A leg for programs.
#[derive(Serialize)]
struct ShownLeg<'a> {
    role: LegRole,
    call_id: &'a str,
    user: Option<&'a str>,
    peer: &'a str,
    protection: Option<ShownProtection>,
}

#[derive(Serialize)]
struct ShownProtection {
    kind: &'static str,
    suite: Option<&'static str>,
    signalling_encrypted: Option<bool>,
}

impl<'a> ShownLeg<'a> {
    fn of(leg: &'a LegRecord) -> ShownLeg<'a> {
        let protection = |protection: MediaProtection| ShownProtection {
            kind: kind_of(protection),
            suite: protection.suite().map(|suite| suite.as_str()),
            signalling_encrypted: protection.signalling_encrypted(),
        };
        ShownLeg {
            role: leg.role,
            call_id: &leg.call_id,
            user: leg.user.as_deref(),
            peer: &leg.peer,
            protection: leg.protection.map(protection),
        }
    }
}

impl<'a> Shown<'a> {
    pub(crate) fn of(record: &'a CallRecord) -> Shown<'a> {
        Shown {
            call: record.call.to_string(),
            start: rfc3339(record.start),
            answer: record.answer.map(rfc3339),
            end: rfc3339(record.end),
            duration: seconds(record.duration),
            cause: record.cause,
            cause_text: &record.cause_text,
            status: record.status,
            released_by: word_of(&record.released_by),
            codec: record.codec.as_deref(),
            caller: record.caller.as_deref(),
            caller_number: &record.caller_number,
            dialled: &record.dialled,
            callee: record.callee.as_deref(),
            encrypted: record.is_encrypted(),
            legs: record.legs.iter().map(ShownLeg::of).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use fernamt_sdp::CryptoSuite;

    use super::*;

    #[test]
    fn keys_that_anybody_could_read_are_not_called_encryption() {
        let suite = CryptoSuite::AesCm128HmacSha1_80;
        let sdes = |signalling_encrypted| MediaProtection::Sdes {
            suite,
            signalling_encrypted,
        };
        let dtls = MediaProtection::Dtls {
            suite: None,
            signalling_encrypted: false,
        };
        for (protection, word) in [
            (None, "-"),
            (Some(MediaProtection::Clear), "clear"),
            (Some(sdes(false)), "exposed"),
            (Some(sdes(true)), "sdes"),
            (Some(dtls), "dtls"),
        ] {
            assert_eq!(word_of_leg(protection), word);
        }
    }
}
