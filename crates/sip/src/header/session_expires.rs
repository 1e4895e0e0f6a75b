//! `Session-Expires` and `Min-SE` (RFC 4028).

use core::fmt;

use super::name_addr::delta_seconds;
use super::{Malformed, Params};
use crate::text;

/// Who refreshes the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refresher {
    /// The side that sent the request.
    Uac,
    /// The side that answered it.
    Uas,
}

/// How long a session lasts unless it is refreshed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionExpires {
    /// The interval, in seconds.
    pub seconds: u32,
    /// Who refreshes, once that is agreed.
    pub refresher: Option<Refresher>,
}

impl SessionExpires {
    /// Reads the value of a Session-Expires field.
    ///
    /// # Errors
    /// When it is no number with parameters, or the refresher is neither side.
    pub fn parse(value: &str) -> Result<SessionExpires, Malformed> {
        let malformed = Malformed("Session-Expires");
        let (seconds, params) = seconds_with_params(value).ok_or(malformed)?;
        let refresher = match params.get("refresher") {
            None => None,
            Some(side) if side.eq_ignore_ascii_case("uac") => Some(Refresher::Uac),
            Some(side) if side.eq_ignore_ascii_case("uas") => Some(Refresher::Uas),
            Some(_) => return Err(malformed),
        };
        Ok(SessionExpires { seconds, refresher })
    }
}

/// Reads the value of a Min-SE field, in seconds.
///
/// # Errors
/// When it is no number with parameters.
pub fn parse_min_se(value: &str) -> Result<u32, Malformed> {
    seconds_with_params(value)
        .map(|(seconds, _)| seconds)
        .ok_or(Malformed("Min-SE"))
}

fn seconds_with_params(value: &str) -> Option<(u32, Params<'_>)> {
    let value = text::trim(value);
    let (seconds, params) = text::split_params(value);
    let params = Params::new(params);
    params
        .are_well_formed()
        .then_some((delta_seconds(text::trim(seconds))?, params))
}

impl SessionExpires {
    /// What stands behind the seconds.
    pub(crate) const fn refresher_parameter(&self) -> &'static str {
        match self.refresher {
            None => "",
            Some(Refresher::Uac) => ";refresher=uac",
            Some(Refresher::Uas) => ";refresher=uas",
        }
    }
}

impl fmt::Display for SessionExpires {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}", self.seconds, self.refresher_parameter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interval_and_refresher_are_read_and_written() {
        let uas = SessionExpires {
            seconds: 1800,
            refresher: Some(Refresher::Uas),
        };
        assert_eq!(SessionExpires::parse("1800 ; Refresher = UAS"), Ok(uas));
        assert_eq!(uas.to_string(), "1800;refresher=uas");
        assert_eq!(parse_min_se("90;x"), Ok(90));
        for value in ["", "x", "1800;refresher=me", "-1", "1800;;"] {
            assert!(SessionExpires::parse(value).is_err(), "{value}");
        }
    }
}
