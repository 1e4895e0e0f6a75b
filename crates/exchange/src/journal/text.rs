//! A journal as text, one line an entry, under the figures of its call record.

use core::fmt::Write as _;

use fernamt_charging::{CallRecord, LegRole, Releaser};

use super::Entry;
use super::diagram::{Diagram, EXCHANGE, Row};
use super::words::{cells, civil, duration, plain, since_start, wrap};
use crate::cause::Cause;

/// Where lines are broken.
const WIDTH_CELLS: usize = 100;

/// The journal of a call as text for people. No text of a peer can leave its line.
pub fn text(entries: &[Entry], record: &CallRecord) -> String {
    let mut text = String::new();
    write_record(&mut text, record);
    text.push('\n');
    write_entries(&mut text, entries);
    text
}

fn line(text: &mut String, name: &str, value: &str) {
    // Writing to a String does not fail.
    let _ = writeln!(text, "  {name:<10}{value}");
}

fn write_record(text: &mut String, record: &CallRecord) {
    let _ = writeln!(text, "Call {}", record.call);
    let number = plain(&record.caller_number);
    let from = match &record.caller {
        Some(user) if **user != *record.caller_number => {
            format!("{}, shown as {number}", plain(user))
        }
        Some(user) => plain(user),
        None => number,
    };
    line(text, "from", &from);
    let dialled = plain(&record.dialled);
    let to = match &record.callee {
        Some(user) if **user != *record.dialled => format!("{}, dialled as {dialled}", plain(user)),
        _ => dialled,
    };
    line(text, "to", &to);
    line(text, "started", &civil(record.start));
    match record.answer {
        Some(answer) => {
            let waited = duration(answer.since(record.start));
            line(
                text,
                "answered",
                &format!("{}, after {waited}", civil(answer)),
            );
            let lasted = duration(record.duration);
            line(
                text,
                "ended",
                &format!("{}, having lasted {lasted}", civil(record.end)),
            );
        }
        None => {
            let lasted = duration(record.end.since(record.start));
            line(
                text,
                "ended",
                &format!("{}, unanswered after {lasted}", civil(record.end)),
            );
        }
    }
    let who = match record.released_by {
        Releaser::Caller => "by the caller",
        Releaser::Callee => "by the called party",
        Releaser::Exchange => "by the exchange",
    };
    let status = record
        .status
        .map(|status| format!(", SIP status {status}"))
        .unwrap_or_default();
    let cause = Cause(record.cause);
    line(text, "released", &format!("{who}: {cause}{status}"));
    if let Some(codec) = &record.codec {
        line(text, "codec", &plain(codec));
    }
    for leg in &record.legs {
        let name = match leg.role {
            LegRole::Caller => "caller",
            LegRole::Callee => "called",
        };
        let user = leg.user.as_deref().map(plain).unwrap_or_default();
        let call_id = if leg.call_id.is_empty() {
            String::new()
        } else {
            format!("Call-ID {}", plain(&leg.call_id))
        };
        let parts = [user, plain(&leg.peer), call_id];
        let said: Vec<&str> = parts
            .iter()
            .map(String::as_str)
            .filter(|part| !part.is_empty())
            .collect();
        line(text, name, &said.join(", "));
        if let Some(protection) = leg.protection {
            line(text, "", &format!("media {protection}"));
        }
    }
}

fn write_entries(text: &mut String, entries: &[Entry]) {
    let diagram = Diagram::of(entries);
    let Some(start) = diagram.start() else { return };
    let name = |column: usize| match column {
        EXCHANGE => "exchange",
        column => diagram
            .columns
            .get(column)
            .map_or("", |column| &*column.name),
    };
    let lines: Vec<(String, String, String)> = diagram
        .rows
        .iter()
        .map(|row| match row {
            Row::Arrow {
                at,
                from,
                to,
                message,
                body,
            } => {
                let way = format!("{} → {}", name(*from), name(*to));
                let gap = if body.is_empty() { "" } else { "  " };
                (
                    since_start(start, *at),
                    way,
                    format!("{message}{gap}{body}"),
                )
            }
            Row::Note {
                at,
                column,
                kind,
                text,
            } => {
                let who = match *column {
                    EXCHANGE => kind.name().to_owned(),
                    column => format!("{} {}", kind.name(), name(column)),
                };
                (since_start(start, *at), who, text.clone())
            }
        })
        .collect();
    let widest =
        |texts: &mut dyn Iterator<Item = &String>| texts.map(|t| cells(t)).max().unwrap_or(0);
    let time_width = widest(&mut lines.iter().map(|line| &line.0));
    let who_width = widest(&mut lines.iter().map(|line| &line.1)).min(40);
    for (time, who, what) in &lines {
        let indent = time_width.saturating_sub(cells(time));
        let gap = who_width.saturating_sub(cells(who));
        let _ = write!(text, "  {:indent$}{time}  {who}{:gap$}  ", "", "");
        let margin = time_width + who_width + 6;
        let parts = wrap(what, WIDTH_CELLS.saturating_sub(margin));
        let _ = writeln!(text, "{}", parts.join(&format!("\n{:margin$}", "")));
    }
}
