//! `Event` and `Subscription-State` (RFC 6665 sections 8.2.1 and 8.2.3).

use super::name_addr::delta_seconds;
use super::{Malformed, Params};
use crate::text;

/// What is subscribed to or notified about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Event<'a> {
    /// For example `message-summary`; case matters.
    pub package: &'a str,
    /// All parameters.
    pub params: Params<'a>,
}

/// How a subscription stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SubscriptionState<'a> {
    /// `active`, `pending`, `terminated` or an extension.
    pub state: &'a str,
    /// All parameters.
    pub params: Params<'a>,
}

impl<'a> Event<'a> {
    /// Reads the value of an Event field.
    ///
    /// # Errors
    /// When it is no token with parameters.
    pub fn parse(value: &'a str) -> Result<Event<'a>, Malformed> {
        let (package, params) = token_with_params(value).ok_or(Malformed("Event"))?;
        Ok(Event { package, params })
    }

    /// Tells subscriptions in one dialog apart.
    pub fn id(&self) -> Option<&'a str> {
        self.params.get("id")
    }
}

impl<'a> SubscriptionState<'a> {
    /// Reads the value of a Subscription-State field.
    ///
    /// # Errors
    /// When it is no token with parameters.
    pub fn parse(value: &'a str) -> Result<SubscriptionState<'a>, Malformed> {
        let (state, params) = token_with_params(value).ok_or(Malformed("Subscription-State"))?;
        Ok(SubscriptionState { state, params })
    }

    /// How long the subscription lasts, in seconds.
    pub fn expires_seconds(&self) -> Option<u32> {
        delta_seconds(self.params.get("expires")?)
    }

    /// Whether it is over.
    pub fn is_terminated(&self) -> bool {
        self.state.eq_ignore_ascii_case("terminated")
    }
}

/// Splits `token;params` and checks both.
pub(super) fn token_with_params(value: &str) -> Option<(&str, Params<'_>)> {
    let value = text::trim(value);
    let (token, params) = text::split_params(value);
    let token = text::trim(token);
    let params = Params::new(params);
    (text::is_token(token) && params.are_well_formed()).then_some((token, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_and_states_are_read() {
        let event = Event::parse("refer ; id=93809824").unwrap();
        assert_eq!((event.package, event.id()), ("refer", Some("93809824")));
        let state = SubscriptionState::parse("terminated;reason=noresource;expires=12").unwrap();
        assert!(state.is_terminated());
        assert_eq!(state.expires_seconds(), Some(12));
        assert!(Event::parse("").is_err());
        assert!(Event::parse("a b").is_err());
        assert!(SubscriptionState::parse("active;;").is_err());
    }
}
