//! How the protection of a leg's media stands in its row: as three columns.

use fernamt_charging::{Listeners, MediaProtection};
use fernamt_sdp::CryptoSuite;

use super::database::Failure;
use crate::error::StoreError;

const CLEAR: i32 = 0;
const SDES: i32 = 1;
const DTLS: i32 = 2;

/// The columns `protection`, `suite` and `signalling_encrypted`; in this order everywhere.
pub(super) type Columns<'a> = (Option<i32>, Option<&'a str>, Option<bool>);

/// What stands in the columns.
pub(super) fn columns(protection: Option<MediaProtection>) -> Columns<'static> {
    let Some(protection) = protection else {
        return (None, None, None);
    };
    let kind = match protection {
        MediaProtection::Clear => CLEAR,
        MediaProtection::Sdes { .. } => SDES,
        MediaProtection::Dtls { .. } => DTLS,
    };
    let suite = protection.suite().map(CryptoSuite::as_str);
    (Some(kind), suite, protection.signalling_encrypted())
}

/// Reads what stands in the columns.
pub(super) fn from_columns(columns: Columns<'_>) -> Result<Option<MediaProtection>, Failure> {
    let unreadable = || {
        let detail = format!("the protection of a leg's media is {columns:?}").into();
        Failure::from(StoreError::Unreadable {
            what: "record of a call",
            detail,
        })
    };
    let (Some(kind), suite, signalling_encrypted) = columns else {
        return Ok(None);
    };
    let suite = suite
        .map(|name| CryptoSuite::from_name(name).ok_or_else(unreadable))
        .transpose()?;
    Ok(Some(match (kind, suite, signalling_encrypted) {
        (CLEAR, ..) => MediaProtection::Clear,
        (SDES, Some(suite), Some(signalling_encrypted)) => MediaProtection::Sdes {
            suite,
            signalling_encrypted,
        },
        (DTLS, suite, Some(signalling_encrypted)) => MediaProtection::Dtls {
            suite,
            signalling_encrypted,
        },
        _ => return Err(unreadable()),
    }))
}

/// The condition on the leg `l` that so many can listen to it, or more.
pub(super) const fn condition(listeners: Listeners) -> &'static str {
    match listeners {
        Listeners::Everybody => "l.protection = 0",
        Listeners::ReadersOfSignalling => {
            "(l.protection = 0 OR l.protection = 1 AND NOT l.signalling_encrypted)"
        }
        Listeners::Nobody => "l.protection IS NOT NULL",
    }
}
