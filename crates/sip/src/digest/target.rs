//! Whether the `uri` of credentials means the target of the request (RFC 7616 section 3.4.6).
//! This is no URI comparison of RFC 3261 section 19.1.4: only what decides the target counts.

/// How close the `uri` parameter must be to the Request-URI.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UriRule {
    /// The same text.
    Exact,
    /// The same user at the same host: parameters, headers, the scheme `sip` or `sips`, and a port
    /// that only one of both names do not matter, and the credentials may name the server alone.
    /// User agents differ in all of these.
    #[default]
    SameTarget,
    /// Not compared, for peers behind a proxy that rewrites the Request-URI.
    Any,
}

impl UriRule {
    /// Whether credentials for `uri` may be used in a request to `request_uri`.
    pub(super) fn admits(self, uri: &str, request_uri: &str) -> bool {
        match self {
            UriRule::Any => true,
            UriRule::Exact => uri == request_uri,
            UriRule::SameTarget => uri == request_uri || same_target(uri, request_uri),
        }
    }
}

fn same_target(left: &str, right: &str) -> bool {
    match (Target::of(left), Target::of(right)) {
        (Some(left), Some(right)) => left.is(&right),
        _ => false,
    }
}

struct Target<'a> {
    user: Option<&'a str>,
    host: &'a str,
    port: Option<&'a str>,
}

impl<'a> Target<'a> {
    fn of(uri: &'a str) -> Option<Target<'a>> {
        let (scheme, rest) = uri.split_once(':')?;
        if !scheme.eq_ignore_ascii_case("sip") && !scheme.eq_ignore_ascii_case("sips") {
            return None;
        }
        // A user part may contain `;` and `?`, so that it is cut off first.
        let (user, rest) = match rest.rsplit_once('@') {
            Some((user, rest)) => (Some(user), rest),
            None => (None, rest),
        };
        let end = rest.find([';', '?']).unwrap_or(rest.len());
        let (host_and_port, _) = rest.split_at_checked(end)?;
        let port_at = match host_and_port.rfind(']') {
            Some(bracket) => host_and_port
                .get(bracket..)?
                .find(':')
                .map(|colon| bracket + colon),
            None => host_and_port.find(':'),
        };
        let (host, port) = match port_at {
            Some(colon) => (host_and_port.get(..colon)?, host_and_port.get(colon + 1..)),
            None => (host_and_port, None),
        };
        Some(Target { user, host, port })
    }

    fn is(&self, other: &Target<'_>) -> bool {
        let ports_agree = match (self.port, other.port) {
            (Some(left), Some(right)) => left == right,
            _ => true,
        };
        let users_agree = self.user.is_none() || self.user == other.user;
        users_agree && self.host.eq_ignore_ascii_case(other.host) && ports_agree
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_target_may_be_written_differently() {
        for (uri, request_uri) in [
            ("sip:fernamt.example", "sip:fernamt.example"),
            ("sip:Fernamt.example", "sip:fernamt.example;transport=tcp"),
            (
                "sip:alice@host:5060",
                "sips:alice@HOST;user=phone?Subject=x",
            ),
            (
                "sip:alice;a=b@[2001:db8::1]",
                "sip:alice;a=b@[2001:DB8::1]:5070",
            ),
            ("tel:+4930123", "tel:+4930123"),
        ] {
            assert!(
                UriRule::SameTarget.admits(uri, request_uri),
                "{uri} {request_uri}"
            );
            assert!(UriRule::Any.admits(uri, request_uri));
            assert_eq!(UriRule::Exact.admits(uri, request_uri), uri == request_uri);
        }
    }

    #[test]
    fn another_target_is_refused() {
        for (uri, request_uri) in [
            ("sip:alice@host", "sip:bob@host"),
            ("sip:alice@host", "sip:Alice@host"),
            ("sip:alice@host", "sip:alice@other"),
            ("sip:alice@host:5060", "sip:alice@host:5061"),
            ("sip:alice@[::1]", "sip:alice@[::2]"),
            ("alice", "sip:alice"),
            ("tel:+4930123", "tel:+49900123"),
            ("", "sip:host"),
        ] {
            assert!(
                !UriRule::SameTarget.admits(uri, request_uri),
                "{uri} {request_uri}"
            );
        }
    }
}
