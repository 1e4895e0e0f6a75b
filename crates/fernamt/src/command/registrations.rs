//! `fernamt registrations`: who is registered, from where, until when, by what transport.

use fernamt_exchange::registrar::Binding;
use fernamt_node::control::{Registration, Request, Response};
use fernamt_sip::time::UnixTime;
use serde::Serialize;

use super::Listing;
use crate::exit::{Exit, Failure, Outcome};
use crate::folder::{self, Location};
use crate::output::{self, Table, local, rfc3339, safe};

/// List who is registered: from where, until when, by what transport
///
/// Asks the running exchange; without one, shows what was registered when it stopped.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    listing: Listing,
}

/// Lists the registrations.
pub(crate) fn run(data: &Location, options: &Options) -> Outcome {
    let registrations = registered(data, None)?;
    if options.listing.json {
        output::json(&registrations)?;
    } else {
        output::raw(&table(&registrations).to_text("Nobody is registered."))?;
    }
    Ok(Exit::Done)
}

/// A registration for programs.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Registered {
    user: String,
    contact: String,
    /// Transport of the REGISTER.
    transport: String,
    /// Where it came from.
    received: String,
    expires: String,
    #[serde(skip)]
    expires_at: UnixTime,
    /// Preference, 0 to 1.
    q: f64,
    user_agent: Option<String>,
    /// What lies between the phone and the exchange.
    nat: String,
    #[serde(skip)]
    nat_in_words: String,
}

/// What is registered: as the running exchange says, or else as it was last written down.
pub(crate) fn registered(data: &Location, user: Option<&str>) -> Result<Vec<Registered>, Failure> {
    if let Some(mut exchange) = data.exchange_if_running()? {
        let request = Request::Registrations {
            user: user.map(str::to_owned),
        };
        let items = folder::list(&mut exchange, &request)?;
        let registration = |item| match item {
            Response::Registration(registration) => Some(Registered::from(registration)),
            _ => None,
        };
        return Ok(items.into_iter().filter_map(registration).collect());
    }
    let saved = data.open()?.ask(|records| records.bindings())?;
    let wanted = saved
        .iter()
        .filter(|of| user.is_none_or(|user| *of.user == *user));
    Ok(wanted
        .flat_map(|of| {
            of.bindings
                .iter()
                .map(|binding| Registered::of(&of.user, binding))
        })
        .collect())
}

/// The registrations as a table.
pub(crate) fn table(registrations: &[Registered]) -> Table {
    let mut table = Table::new(&[
        "USER",
        "TRANSPORT",
        "FROM",
        "UNTIL",
        "CONTACT",
        "PHONE",
        "WAY",
    ]);
    for it in registrations {
        table.row([
            safe(&it.user),
            it.transport.clone(),
            it.received.clone(),
            local(it.expires_at),
            safe(&it.contact),
            safe(it.user_agent.as_deref().unwrap_or("-")),
            it.nat_in_words.clone(),
        ]);
    }
    table
}

impl From<Registration> for Registered {
    fn from(it: Registration) -> Registered {
        Registered {
            user: it.user,
            contact: it.contact,
            transport: it.transport,
            received: it.received.to_string(),
            expires: rfc3339(it.expires),
            expires_at: it.expires,
            q: f64::from(it.q) / 1_000.0,
            user_agent: it.user_agent,
            nat: it.nat.0,
            nat_in_words: it.nat.1,
        }
    }
}

impl Registered {
    fn of(user: &str, binding: &Binding) -> Registered {
        Registered {
            user: user.to_owned(),
            contact: binding.contact.to_string(),
            transport: binding.transport.to_string(),
            received: binding.received.to_string(),
            expires: rfc3339(binding.expires),
            expires_at: binding.expires,
            q: f64::from(binding.q) / 1_000.0,
            user_agent: binding.user_agent.as_deref().map(str::to_owned),
            nat: binding.nat().as_str().to_owned(),
            nat_in_words: binding.nat().to_string(),
        }
    }
}
