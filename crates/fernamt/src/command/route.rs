//! `fernamt route`: what would happen to a call, without placing it.

use std::sync::Arc;

use fernamt_exchange::directory::Directory;
use fernamt_exchange::interface::Destination;
use fernamt_exchange::routing::{Outcome as Way, RouteRequest, route};
use fernamt_node::NodeConfig;
use fernamt_node::control::{Request, Response};
use fernamt_store::records::Revision;
use serde_json::{Value, json};

use super::Listing;
use crate::command::serve::config_file;
use crate::exit::{Exit, ExitWith as _, Failure, Outcome};
use crate::folder::{Location, of_control};
use crate::output::{self, safe};

/// Say what would happen to a call, and why, without placing it
///
/// Asks the running exchange; without one, decides from the records alone (nobody is registered
/// then, so a device shows as offline).
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
EXAMPLES
    fernamt route anna bert
    fernamt route anna 030123456
    fernamt route anna '*43'")]
pub(crate) struct Options {
    /// The calling device's user name
    #[arg(value_name = "FROM")]
    from: String,

    /// What it dials
    #[arg(value_name = "TO")]
    to: String,

    #[command(flatten)]
    listing: Listing,
}

/// Tells the route.
pub(crate) fn run(data: &Location, options: &Options) -> Outcome {
    let answered = match data.exchange_if_running()? {
        Some(mut exchange) => {
            let request = Request::Route {
                from: options.from.clone(),
                to: options.to.clone(),
            };
            exchange.ask(&request, |_| {}).map_err(of_control)?
        }
        None => decide_here(data, &options.from, &options.to)?,
    };
    let Response::Route { route, reasons } = answered else {
        return Err(Failure::new(
            Exit::Failed,
            "the exchange gave an answer to another question",
        ));
    };
    if options.listing.json {
        output::json(&json!({ "route": route, "reasons": reasons }))?;
    } else {
        output::line(&headline(&route, &options.from, &options.to))?;
        for reason in &reasons {
            output::line(&format!("  {}", safe(reason)))?;
        }
    }
    Ok(Exit::Done)
}

/// Where the call would go, in one line.
fn headline(route: &Value, from: &str, to: &str) -> String {
    let text = |key: &str| safe(route.get(key).and_then(Value::as_str).unwrap_or(""));
    let goes = match text("to").as_str() {
        "echo" => "is answered by the echo".to_owned(),
        "device" => format!("rings at {}", text("user")),
        "offline" => format!("goes to {}, which is not registered", text("user")),
        "unknown" => "goes to nobody".to_owned(),
        _ => "is refused".to_owned(),
    };
    let cause = match text("cause") {
        cause if cause.is_empty() => cause,
        cause => format!(" ({cause})"),
    };
    format!("A call from {} to {} {goes}{cause}.", safe(from), safe(to))
}

/// Decides from the records alone, as an exchange would with which nobody is registered.
fn decide_here(data: &Location, from: &str, to: &str) -> Result<Response, Failure> {
    let config = match config_file(None, &data.path()?) {
        Some(file) => NodeConfig::load(&file).exit_with(Exit::BadInput)?.exchange,
        None => NodeConfig::default().exchange,
    };
    let changes = data
        .open()?
        .ask(|records| records.devices_changed_since(Revision::default()))?;
    let mut directory = Directory::default();
    for stored in changes.changed {
        directory.insert(stored.device);
    }
    let caller = directory.device(from).map(Arc::clone).ok_or_else(|| {
        Failure::new(
            Exit::NotFound,
            format!(
                "there is no device {}; `fernamt device list` shows all",
                safe(from)
            ),
        )
    })?;
    let destination = directory
        .destination(to, config.country_code.as_deref())
        .map(|device| Destination {
            device,
            bindings: Vec::new(),
        });
    let found = route(&RouteRequest {
        config: &config,
        caller: Some(&caller),
        caller_flow: None,
        dialled: to,
        host: None,
        port: None,
        destination: destination.as_ref(),
    });
    let cause = found.outcome.cause().map(|cause| cause.to_string());
    let shape = match &found.outcome {
        Way::Echo => json!({ "to": "echo" }),
        Way::Device { device, .. } => json!({ "to": "device", "user": device.user }),
        Way::Offline { device } => {
            json!({ "to": "offline", "user": device.user, "cause": cause })
        }
        Way::Unknown => json!({ "to": "unknown", "cause": cause }),
        Way::Refused { .. } => json!({ "to": "refused", "cause": cause }),
    };
    let mut reasons: Vec<String> = found.reasons.into_iter().map(Into::into).collect();
    reasons.push("The exchange does not run, so nobody is registered.".to_owned());
    Ok(Response::Route {
        route: shape,
        reasons,
    })
}
