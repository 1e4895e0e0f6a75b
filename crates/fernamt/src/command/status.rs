//! `fernamt status`: whether the exchange runs, and how it is.

use core::time::Duration;

use fernamt_node::control::{Request, Response, Status};
use serde_json::{Map, json};

use super::Listing;
use crate::exit::{Exit, Failure, Outcome};
use crate::folder::{Location, of_control, shown};
use crate::output::{self, talk_time};

/// Say whether the exchange runs, where it listens, and what it carries
#[derive(Debug, clap::Args)]
#[command(after_long_help = "EXIT CODES\n    0  it runs    4  it does not run in this data folder")]
pub(crate) struct Options {
    #[command(flatten)]
    listing: Listing,
}

/// Tells the status.
pub(crate) fn run(data: &Location, options: &Options) -> Outcome {
    let answer = data
        .exchange()?
        .ask(&Request::Status, |_| {})
        .map_err(of_control)?;
    let Response::Status(status) = answer else {
        return Err(Failure::new(
            Exit::Failed,
            "the exchange gave an answer to another question",
        ));
    };
    let folder = shown(&data.path()?);
    if options.listing.json {
        output::json(&for_programs(&status, &folder))?;
        return Ok(Exit::Done);
    }
    let listeners: Vec<String> = status
        .listeners
        .iter()
        .map(|listener| format!("{} {}", listener.transport, listener.address))
        .collect();
    let draining = if status.draining {
        "; takes no new calls"
    } else {
        ""
    };
    let uptime = talk_time(Duration::from_secs(status.uptime_seconds));
    for (title, value) in [
        (
            "running",
            format!(
                "version {}, process {}, for {uptime}{draining}",
                status.version, status.process
            ),
        ),
        ("data", folder),
        ("listening", listeners.join(", ")),
        ("shards", status.shards.to_string()),
        (
            "devices",
            format!("{}, {} registered", status.devices, status.bindings),
        ),
        ("calls", format!("{} in progress", status.calls)),
        (
            "streams",
            format!("{} connections open", status.connections),
        ),
    ] {
        output::line(&format!("{title:<10} {value}"))?;
    }
    for (name, count) in &status.counters {
        output::line(&format!("{:<10} {count:>12}  {}", "", output::safe(name)))?;
    }
    Ok(Exit::Done)
}

fn for_programs(status: &Status, folder: &str) -> serde_json::Value {
    let counters: Map<_, _> = status
        .counters
        .iter()
        .map(|(name, count)| (name.clone(), json!(count)))
        .collect();
    json!({
        "version": status.version,
        "process": status.process,
        "uptime_seconds": status.uptime_seconds,
        "data": folder,
        "listeners": status.listeners,
        "shards": status.shards,
        "devices": status.devices,
        "registrations": status.bindings,
        "calls": status.calls,
        "draining": status.draining,
        "connections": status.connections,
        "counters": counters,
    })
}
