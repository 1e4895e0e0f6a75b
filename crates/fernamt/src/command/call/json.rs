//! The one JSON object of `fernamt call --json`.

use core::time::Duration;

use fernamt_phone::media::Figures;
use fernamt_phone::shell::{Happening, Report};
use serde::Serialize;

use super::ending::Ending;
use super::lines;
use crate::output;

/// A call as programs see it.
#[derive(Debug, Serialize)]
pub(super) struct Call<'a> {
    outcome: &'static str,
    exit_code: u8,
    reason: &'a str,
    status: Option<u16>,
    released_by: Option<&'static str>,
    call_id: Option<&'a str>,
    from: Option<&'a str>,
    start: Option<String>,
    answer: Option<String>,
    end: String,
    ringing_after: Option<f64>,
    setup: Option<f64>,
    duration: Option<f64>,
    codec: Option<&'static str>,
    remote_media: Option<String>,
    /// Whether the voice was encrypted; `None` without any.
    encrypted: Option<bool>,
    /// The crypto suite, as `a=crypto` names it.
    crypto_suite: Option<&'static str>,
    #[serde(flatten)]
    figures: Option<&'a Figures>,
    events: Vec<Event>,
}

/// Something that happened.
#[derive(Debug, Serialize)]
pub(super) struct Event {
    at: String,
    text: String,
}

impl Event {
    pub(super) fn of(happening: &Happening) -> Event {
        Event {
            at: output::rfc3339(happening.unix),
            text: lines::words(&happening.what),
        }
    }
}

impl<'a> Call<'a> {
    pub(super) fn of(report: &'a Report, ending: &'a Ending, events: Vec<Event>) -> Call<'a> {
        let seconds = |duration: Option<Duration>| duration.map(output::seconds);
        Call {
            outcome: ending.outcome,
            exit_code: ending.exit as u8,
            reason: &ending.words,
            status: ending.status,
            released_by: ending.released_by,
            call_id: report.call_id.as_deref(),
            from: report.from.as_deref(),
            start: report.start.map(output::rfc3339),
            answer: report.answer.map(output::rfc3339),
            end: output::rfc3339(report.end),
            ringing_after: seconds(report.ringing_after),
            setup: seconds(report.setup),
            duration: seconds(report.talk),
            codec: report.media.as_ref().map(|plan| plan.voice.name()),
            remote_media: report.media.as_ref().map(|plan| plan.remote.to_string()),
            encrypted: report.media.as_ref().map(|plan| plan.protection.is_some()),
            crypto_suite: report.media.as_ref().and_then(lines::suite),
            figures: report.figures.as_ref(),
            events,
        }
    }
}
