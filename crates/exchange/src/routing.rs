//! Where a call goes, and why: a pure function of who calls, what was dialled, and what directory
//! and registrar say about it. Nothing is looked up and nothing is sent here.

mod dialled;
mod own;

use std::sync::Arc;

use fernamt_sip::escape::Escaped;
use fernamt_sip::transport::Flow;
use fernamt_sip::uri::Host;

use crate::cause::Cause;
use crate::config::Config;
use crate::directory::Device;
use crate::interface::Destination;
use crate::registrar::Binding;

pub use dialled::{Dialled, MAX_DIALLED_BYTES};
pub use own::{is_in_the_open, is_ours};

/// All that the way of a call depends on.
#[derive(Clone, Copy, Debug)]
pub struct RouteRequest<'a> {
    /// The settings of the exchange.
    pub config: &'a Config,
    /// The device that calls, where it is one of ours.
    pub caller: Option<&'a Arc<Device>>,
    /// The flow on which the call came; `None` when nobody has called yet (a question of a person).
    pub caller_flow: Option<&'a Flow>,
    /// What was dialled: the user part of the request URI, unescaped, or a whole `tel` URI.
    pub dialled: &'a str,
    /// Host of the request URI; `None` where there is none (a `tel` URI) or where it was found to be
    /// ours already.
    pub host: Option<Host<'a>>,
    /// Port of the request URI, where it has one.
    pub port: Option<u16>,
    /// What [`Answer::Destination`](crate::interface::Answer::Destination) said about it.
    pub destination: Option<&'a Destination>,
}

/// The way of a call, and why it is this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where it goes.
    pub outcome: Outcome,
    /// Why: one full sentence a step, in the order in which it was decided, safe to show.
    pub reasons: Vec<Box<str>>,
}

/// Where a call goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// To the number that plays back what one says.
    Echo,
    /// To a device.
    Device {
        /// Which one.
        device: Arc<Device>,
        /// Its bindings to try: all of a group at once, the groups one after the other. There is at
        /// least one group, and none is empty.
        groups: Vec<Vec<Arc<Binding>>>,
    },
    /// Nobody has this name or number: the announcement, then 404.
    Unknown,
    /// The device exists and is not registered.
    Offline {
        /// Which one.
        device: Arc<Device>,
    },
    /// The call is not put through.
    Refused {
        /// Why.
        cause: Cause,
    },
}

impl Outcome {
    /// The cause that the caller is told when the call goes nowhere; `None` when it goes somewhere.
    pub const fn cause(&self) -> Option<Cause> {
        match self {
            Outcome::Echo | Outcome::Device { .. } => None,
            Outcome::Unknown => Some(Cause::UNALLOCATED_NUMBER),
            Outcome::Offline { .. } => Some(Cause::SUBSCRIBER_ABSENT),
            Outcome::Refused { cause } => Some(*cause),
        }
    }
}

/// Finds the way of a call.
pub fn route(request: &RouteRequest<'_>) -> Route {
    let mut reasons = Vec::new();
    let outcome = decide(request, &mut reasons);
    Route {
        outcome,
        reasons: reasons.into_iter().map(String::into_boxed_str).collect(),
    }
}

fn decide(request: &RouteRequest<'_>, reasons: &mut Vec<String>) -> Outcome {
    let config = request.config;
    let dialled = Escaped(request.dialled);
    if request.dialled.len() > MAX_DIALLED_BYTES {
        reasons.push(format!(
            "What was dialled is longer than {MAX_DIALLED_BYTES} bytes."
        ));
        return Outcome::Refused {
            cause: Cause::ADDRESS_INCOMPLETE,
        };
    }
    if let Some(host) = request.host
        && !is_ours(host, request.port, config)
    {
        reasons.push(format!(
            "{host} is not a name or address of this exchange, and calls to other networks are not \
             put through."
        ));
        return Outcome::Refused {
            cause: Cause::NO_ROUTE_TO_DESTINATION,
        };
    }
    if request.dialled.is_empty() {
        reasons.push("Nobody was named before the @ of the address that was called.".to_owned());
        return Outcome::Refused {
            cause: Cause::ADDRESS_INCOMPLETE,
        };
    }
    if let Some(destination) = request.destination {
        reasons.push(describe_match(request, &destination.device));
        return to_device(request, destination, reasons);
    }
    if request.dialled == &*config.echo_number {
        reasons.push(format!(
            "{dialled} is the echo number, which plays back what one says."
        ));
        return Outcome::Echo;
    }
    reasons.push(describe_miss(request));
    Outcome::Unknown
}

fn describe_match(request: &RouteRequest<'_>, device: &Device) -> String {
    let user = Escaped(&device.user);
    match Dialled::of(request.dialled, request.config.country_code.as_deref()) {
        _ if request.dialled == &*device.user => format!("{user} is the user name of a device."),
        Dialled::Number(number) if device.numbers.contains(&number) => {
            let written = number.to_string();
            let meant = if written == request.dialled {
                String::new()
            } else {
                format!("{} means {written}. ", Escaped(request.dialled))
            };
            format!("{meant}{written} is a number of the device {user}.")
        }
        _ => format!(
            "The directory gives {} to the device {user}.",
            Escaped(request.dialled)
        ),
    }
}

fn describe_miss(request: &RouteRequest<'_>) -> String {
    let dialled = Escaped(request.dialled);
    match Dialled::of(request.dialled, request.config.country_code.as_deref()) {
        Dialled::Number(number) => format!(
            "{dialled} was read as the number {number}; no device has this number, and none has \
             the user name {dialled}."
        ),
        Dialled::National => format!(
            "{dialled} is a national number, and no country code is set, so it can be nobody's \
             number; no device has it as its user name."
        ),
        Dialled::Name => {
            format!("{dialled} is no telephone number, and no device has this user name.")
        }
    }
}

fn to_device(
    request: &RouteRequest<'_>,
    destination: &Destination,
    reasons: &mut Vec<String>,
) -> Outcome {
    let device = &destination.device;
    let user = Escaped(&device.user);
    if destination.bindings.is_empty() {
        reasons.push(format!("{user} is not registered at the moment."));
        return Outcome::Offline {
            device: Arc::clone(device),
        };
    }
    let mut bindings: Vec<Arc<Binding>> = destination.bindings.clone();
    let calls_itself = request
        .caller
        .is_some_and(|caller| caller.user == device.user);
    if calls_itself {
        bindings.retain(|binding| {
            !request
                .caller_flow
                .is_some_and(|flow| is_behind(binding, flow))
        });
        if bindings.is_empty() {
            reasons.push(format!(
                "{user} calls itself and has no other phone that could ring, so it is busy."
            ));
            return Outcome::Refused {
                cause: Cause::USER_BUSY,
            };
        }
        reasons.push(format!("{user} calls itself: only its other phones ring."));
    }
    let groups = group_by_preference(bindings);
    reasons.push(describe_groups(&device.user, &groups));
    Outcome::Device {
        device: Arc::clone(device),
        groups,
    }
}

/// Whether the phone of this binding is the one behind this flow.
pub(crate) fn is_behind(binding: &Binding, flow: &Flow) -> bool {
    match (binding.connection, flow.connection) {
        (Some(one), Some(other)) => one == other,
        _ => binding.transport == flow.transport && binding.received == flow.remote,
    }
}

/// Bindings of equal q ring at once; the next lower q follows when they have all failed (RFC 3261
/// section 16.6).
fn group_by_preference(mut bindings: Vec<Arc<Binding>>) -> Vec<Vec<Arc<Binding>>> {
    bindings.sort_by_key(|binding| core::cmp::Reverse(binding.q));
    bindings
        .chunk_by(|one, other| one.q == other.q)
        .map(<[_]>::to_vec)
        .collect()
}

fn describe_groups(user: &str, groups: &[Vec<Arc<Binding>>]) -> String {
    let user = Escaped(user);
    let where_to = |group: &Vec<Arc<Binding>>| {
        let addresses: Vec<String> = group
            .iter()
            .map(|binding| format!("{} {}", binding.transport, binding.received))
            .collect();
        addresses.join(" and ")
    };
    match groups {
        [] => format!("{user} has no phone that could ring."),
        [only] if only.len() == 1 => format!("{user} is registered from {}.", where_to(only)),
        [only] => format!(
            "{user} is registered from {} places with equal preference, which ring at once: {}.",
            only.len(),
            where_to(only)
        ),
        several => {
            let steps: Vec<String> = several.iter().map(where_to).collect();
            format!(
                "{user} is registered with {} preferences, tried one after the other: {}.",
                several.len(),
                steps.join(", then ")
            )
        }
    }
}

#[cfg(test)]
mod tests;
