//! What happened, line by line, and the summary at the end, for people.

use std::fmt::Write as _;
use std::path::Path;

use fernamt_phone::agent::{EndKind, Hint, Side};
use fernamt_phone::media::{Figures, MediaPlan, Protection, Score};
use fernamt_phone::shell::{Happening, Report, What};

use super::ending::Ending;
use crate::folder::shown;
use crate::output;

/// A tone that was heard for a smaller share of the call is part of speech or music.
const SHARE_OF_A_TONE: f64 = 0.3;

/// One line, with its time of day.
pub(super) fn of(happening: &Happening) -> String {
    format!(
        "{}  {}",
        output::clock(happening.unix),
        words(&happening.what)
    )
}

/// What has happened, in words.
pub(super) fn words(what: &What) -> String {
    match what {
        What::Listening(address) => format!("waiting for a call on {address}"),
        What::Registered { expires_seconds } => format!("registered for {expires_seconds} s"),
        What::RegistrationFailed(refusal) => {
            let (status, reason) = (refusal.status, &refusal.reason);
            format!("registration failed: {status} {reason}")
                .trim_end()
                .to_owned()
        }
        What::Calling { uri, to } => format!("calling {} by {to}", output::safe(uri)),
        What::Progress {
            status,
            reason,
            reliable,
        } => {
            let reliable = if *reliable { ", acknowledged" } else { "" };
            format!("{status} {reason}{reliable}")
        }
        What::Incoming { from } => format!("a call from {from}"),
        What::Answered { setup } => format!("answered after {:.2} s", setup.as_secs_f64()),
        What::Media(plan) => format!("voice: {}", agreed(plan)),
        What::Key(key) => format!("the other side pressed {key}"),
        What::NetworkTrouble(reason) => format!("network: {}", output::safe(reason)),
        What::RecordingFailed(reason) => format!("the recording ends here: {reason}"),
        What::Interrupted => "interrupted".to_owned(),
        What::Ended(ended) => match (&ended.kind, ended.by) {
            (EndKind::Released, Side::Here) => "hung up".to_owned(),
            (EndKind::Released, Side::There) => "the other side has hung up".to_owned(),
            (EndKind::Cancelled, Side::Here) => "given up".to_owned(),
            (EndKind::Cancelled, Side::There) => "the caller has given up".to_owned(),
            (EndKind::Refused(refusal), _) => match refusal.hint {
                Some(hint @ (Hint::NoAnswer | Hint::NotSent)) => hint.to_string(),
                _ => format!("{} {}", refusal.status, refusal.reason)
                    .trim_end()
                    .to_owned(),
            },
            (EndKind::Rejected(status), _) => format!("refused with {status}"),
            (EndKind::Vanished(how), _) => format!("ended: {how}"),
            (EndKind::NotUnderstood(why), _) => format!("ended: {why}"),
        },
        What::Trace { text, .. } => text.clone(),
    }
}

fn agreed(plan: &MediaPlan) -> String {
    let way = match (plan.direction.sends(), plan.direction.receives()) {
        (true, true) => "both ways with",
        (true, false) => "only to",
        (false, true) => "only from",
        (false, false) => "held, neither to nor from",
    };
    let encrypted = suite(plan).map_or_else(String::new, |suite| format!(", encrypted ({suite})"));
    format!("{} {way} {}{encrypted}", plan.voice.name(), plan.remote)
}

/// The crypto suite of the voice.
pub(super) fn suite(plan: &MediaPlan) -> Option<&'static str> {
    plan.protection.as_ref().map(Protection::suite)
}

/// A SIP message, set off from the lines.
pub(super) fn trace(sent: bool, peer: &str, text: &str) -> String {
    let (arrow, way) = if sent { (">>>", "to") } else { ("<<<", "from") };
    format!("{arrow} {way} {peer}\n{text}")
}

/// How it went, in a few lines.
pub(super) fn summary(report: &Report, ending: &Ending, recording: Option<&Path>) -> String {
    let mut text = String::from("\n");
    let talk = report.talk.map_or_else(String::new, |talk| {
        format!(", after {:.1} s of conversation", talk.as_secs_f64())
    });
    row(&mut text, "ended", &format!("{}{talk}", ending.words));
    if let Some(setup) = report.setup {
        let ringing = report.ringing_after.map_or_else(String::new, |ringing| {
            format!("; it rang after {:.2} s", ringing.as_secs_f64())
        });
        row(
            &mut text,
            "set up",
            &format!("in {:.2} s{ringing}", setup.as_secs_f64()),
        );
    }
    if let Some(plan) = &report.media {
        let encrypted = match suite(plan) {
            Some(suite) => format!("encrypted (SRTP, {suite})"),
            None => "not encrypted".to_owned(),
        };
        row(&mut text, "voice", &encrypted);
    }
    if let Some(figures) = &report.figures {
        figures_rows(&mut text, figures);
    }
    if let (Some(path), None) = (recording, &report.recording_error) {
        row(&mut text, "recorded", &shown(path));
    }
    text
}

fn figures_rows(text: &mut String, figures: &Figures) {
    let expected = figures.packets_received + figures.packets_lost;
    let percent = 100.0 * figures.packets_lost as f64 / expected.max(1) as f64;
    let mut heard = format!(
        "{} packets, {} lost ({percent:.1} %), {} late; jitter {:.1} ms, at most {:.1} ms",
        figures.packets_received,
        figures.packets_lost,
        figures.packets_late,
        figures.jitter_ms,
        figures.jitter_max_ms,
    );
    if figures.packets_dropped > 0 {
        // Writing to a string does not fail.
        let _ = write!(
            heard,
            "; {} dropped, from strangers",
            figures.packets_dropped
        );
    }
    if figures.packets_unauthentic > 0 {
        let _ = write!(
            heard,
            "; {} dropped, not made with the key",
            figures.packets_unauthentic
        );
    }
    row(text, "heard", &heard);
    let remote = match (figures.remote_packets_lost, figures.remote_jitter_ms) {
        (Some(lost), Some(jitter)) => {
            format!("; the other side misses {lost}, sees {jitter:.1} ms of jitter")
        }
        _ => "; the other side reports nothing".to_owned(),
    };
    row(
        text,
        "sent",
        &format!("{} packets{remote}", figures.packets_sent),
    );
    let trip = figures
        .round_trip_ms
        .map_or_else(|| "not known".to_owned(), |trip| format!("{trip:.1} ms"));
    let buffer = figures.playout_delay_ms;
    row(
        text,
        "delay",
        &format!("round trip {trip}, jitter buffer {buffer:.0} ms"),
    );
    let level = figures
        .level_dbfs
        .map(|level| format!("{level:.1} dBFS on the whole"));
    let tone = figures
        .tone
        .filter(|tone| tone.share >= SHARE_OF_A_TONE)
        .map(|tone| {
            let (hertz, level, share) = (tone.frequency_hz, tone.level_dbfs, tone.share * 100.0);
            format!("{hertz:.0} Hz at {level:.1} dBFS in {share:.0} % of the time; ")
        });
    let sound = format!(
        "{}{}",
        tone.unwrap_or_default(),
        level.unwrap_or_else(|| "nothing was heard".to_owned())
    );
    row(text, "sound", &sound);
    if !figures.keys.is_empty() {
        row(text, "keys", &figures.keys);
    }
    quality(text, "quality", "heard here", figures.heard.as_ref());
    quality(text, "", "heard there", figures.sent.as_ref());
}

fn quality(text: &mut String, title: &str, whose: &str, score: Option<&Score>) {
    if let Some(score) = score {
        row(
            text,
            title,
            &format!("{whose}: MOS {:.2}, {}", score.mos, score.cause),
        );
    }
}

fn row(text: &mut String, title: &str, words: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{title:<9} {words}");
}
