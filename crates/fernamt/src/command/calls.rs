//! `fernamt calls`: the calls in progress.

use core::time::Duration;
use std::io::IsTerminal as _;

use fernamt_node::control::{Call, Client, Request, Response};
use fernamt_sip::time::UnixTime;
use serde::Serialize;

use super::Listing;
use crate::exit::{Exit, Failure, Outcome};
use crate::folder::{self, Location};
use crate::output::{self, Table, local, now, rfc3339, safe, seconds, talk_time};

/// List the calls in progress
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Show the list again every second, until Ctrl-C
    #[arg(long, conflicts_with = "json")]
    watch: bool,

    #[command(flatten)]
    listing: Listing,
}

/// How often a list that is watched is shown.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// Clears the terminal and goes to its upper left corner.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// Lists the calls.
pub(crate) fn run(data: &Location, options: &Options) -> Outcome {
    let mut exchange = data.exchange()?;
    if options.listing.json {
        let calls = calls(&mut exchange)?;
        let shown: Vec<Shown<'_>> = calls.iter().map(Shown::of).collect();
        output::json(&shown)?;
        return Ok(Exit::Done);
    }
    let clear = if std::io::stdout().is_terminal() {
        CLEAR
    } else {
        ""
    };
    loop {
        let text = table(&calls(&mut exchange)?).to_text("No calls.");
        if !options.watch {
            output::raw(&text)?;
            return Ok(Exit::Done);
        }
        output::raw(&format!(
            "{clear}{}  every second, Ctrl-C ends\n\n{text}",
            local(now())
        ))?;
        std::thread::sleep(WATCH_INTERVAL);
    }
}

fn calls(exchange: &mut Client) -> Result<Vec<Call>, Failure> {
    let call = |item| match item {
        Response::Call(call) => Some(call),
        _ => None,
    };
    Ok(folder::list(exchange, &Request::Calls)?
        .into_iter()
        .filter_map(call)
        .collect())
}

fn table(calls: &[Call]) -> Table {
    let mut table = Table::new(&["CALL", "FROM", "DIALLED", "STATE", "SINCE", "TALK", "CODEC"]);
    for call in calls {
        let talk = call.answer.map(|answer| talk_time(now().since(answer)));
        table.row([
            call.call.to_string(),
            safe(&call.caller),
            safe(&call.dialled),
            safe(&call.state),
            local(call.start),
            talk.unwrap_or_else(|| "-".to_owned()),
            safe(call.codec.as_deref().unwrap_or("-")),
        ]);
    }
    table
}

/// A call for programs.
#[derive(Serialize)]
struct Shown<'a> {
    call: String,
    caller: &'a str,
    dialled: &'a str,
    state: &'a str,
    start: String,
    answer: Option<String>,
    /// Of the conversation so far, in seconds.
    duration: Option<f64>,
    codec: Option<&'a str>,
}

impl<'a> Shown<'a> {
    fn of(call: &'a Call) -> Shown<'a> {
        let since = |answer: UnixTime| seconds(now().since(answer));
        Shown {
            call: call.call.to_string(),
            caller: &call.caller,
            dialled: &call.dialled,
            state: &call.state,
            start: rfc3339(call.start),
            answer: call.answer.map(rfc3339),
            duration: call.answer.map(since),
            codec: call.codec.as_deref(),
        }
    }
}
