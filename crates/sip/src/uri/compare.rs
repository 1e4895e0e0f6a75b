//! When two URIs name the same resource (RFC 3261 section 19.1.4, RFC 3966 section 4).

use super::{Scheme, Uri, unescaped_bytes};
use crate::header::{Param, Params};

pub(super) fn are_equivalent(one: &Uri<'_>, other: &Uri<'_>) -> bool {
    if one.scheme != other.scheme {
        return false;
    }
    match one.scheme {
        Scheme::Sip | Scheme::Sips => {
            same_optional(one.user, other.user, same_case)
                && same_optional(one.password, other.password, same_case)
                && one.host == other.host
                && one.port == other.port
                && params_agree(one.params, other.params)
                && params_agree(other.params, one.params)
                && headers_agree(one, other)
                && headers_agree(other, one)
        }
        Scheme::Tel => {
            digits(one.user).eq(digits(other.user))
                && is_global(one) == is_global(other)
                && tel_params_agree(one.params, other.params)
                && tel_params_agree(other.params, one.params)
        }
        Scheme::Other => one.text == other.text,
    }
}

fn same_optional(
    one: Option<&str>,
    other: Option<&str>,
    same: impl Fn(&str, &str) -> bool,
) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => same(one, other),
        (None, None) => true,
        _ => false,
    }
}

fn same_case(one: &str, other: &str) -> bool {
    unescaped_bytes(one).eq(unescaped_bytes(other))
}

fn same_any_case(one: &str, other: &str) -> bool {
    let lower = |byte: u8| byte.to_ascii_lowercase();
    unescaped_bytes(one)
        .map(lower)
        .eq(unescaped_bytes(other).map(lower))
}

fn same_value(one: &Param<'_>, other: &Param<'_>) -> bool {
    same_any_case(one.value.unwrap_or(""), other.value.unwrap_or(""))
}

/// Whether `params` holds `wanted` with the same value; `None` when it holds no such name.
fn holds(params: Params<'_>, wanted: &Param<'_>) -> Option<bool> {
    let mut named = params
        .iter()
        .filter(|param| same_any_case(param.name, wanted.name))
        .peekable();
    named.peek()?;
    Some(named.any(|param| same_value(&param, wanted)))
}

/// A parameter in both must have the same value; those that change what is reached must be in both
/// or in none.
fn params_agree(one: Params<'_>, other: Params<'_>) -> bool {
    const DECISIVE: [&str; 5] = ["user", "ttl", "method", "maddr", "transport"];
    one.iter().all(|param| {
        holds(other, &param)
            .unwrap_or_else(|| !DECISIVE.iter().any(|name| same_any_case(param.name, name)))
    })
}

/// Header fields are never ignored, whatever their order.
fn headers_agree(one: &Uri<'_>, other: &Uri<'_>) -> bool {
    one.headers().count() == other.headers().count()
        && one.headers().all(|(name, value)| {
            other.headers().any(|(other_name, other_value)| {
                same_any_case(name, other_name) && same_case(value, other_value)
            })
        })
}

fn digits(number: Option<&str>) -> impl Iterator<Item = u8> + '_ {
    let is_separator = |byte: &u8| matches!(byte, b'-' | b'.' | b'(' | b')');
    number
        .unwrap_or("")
        .bytes()
        .filter(move |byte| !is_separator(byte))
        .map(|byte| byte.to_ascii_lowercase())
}

fn is_global(uri: &Uri<'_>) -> bool {
    uri.user.is_some_and(|number| number.starts_with('+'))
}

/// All parameters of a telephone number count, in any order.
fn tel_params_agree(one: Params<'_>, other: Params<'_>) -> bool {
    one.iter().all(|param| holds(other, &param) == Some(true))
}
