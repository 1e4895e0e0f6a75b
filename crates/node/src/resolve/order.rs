//! In which order servers are tried: NAPTR by order and preference (RFC 3403 section 4.1), SRV by
//! priority and weight (RFC 2782). Pure: the random source is passed in.

use fernamt_sip::transport::Transport;

/// A NAPTR record, as far as RFC 3263 uses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Naptr {
    pub(crate) order: u16,
    pub(crate) preference: u16,
    pub(crate) flags: Box<str>,
    pub(crate) service: Box<str>,
    /// The name that is asked next; records with a regular expression are not for us.
    pub(crate) replacement: Box<str>,
}

/// An SRV record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Srv {
    pub(crate) priority: u16,
    pub(crate) weight: u16,
    pub(crate) port: u16,
    /// The host, without the dot at its end; empty where the service is decidedly not there.
    pub(crate) target: Box<str>,
}

/// The transport that a NAPTR service stands for, where we can connect by it.
fn transport_of(service: &str) -> Option<Transport> {
    [
        ("SIP+D2U", Transport::Udp),
        ("SIP+D2T", Transport::Tcp),
        ("SIPS+D2T", Transport::Tls),
    ]
    .into_iter()
    .find(|(name, _)| name.eq_ignore_ascii_case(service))
    .map(|(_, transport)| transport)
}

/// The SRV names to ask, best first: records that end in an SRV name (flag `s`) for a transport that
/// we have, and with `secure` only for TLS (RFC 3263 section 4.1).
pub(crate) fn services(mut records: Vec<Naptr>, secure: bool) -> Vec<(Transport, Box<str>)> {
    records.sort_by_key(|record| (record.order, record.preference));
    records
        .into_iter()
        .filter(|record| record.flags.eq_ignore_ascii_case("s") && !record.replacement.is_empty())
        .filter_map(|record| Some((transport_of(&record.service)?, record.replacement)))
        .filter(|(transport, _)| !secure || transport.is_secure())
        .collect()
}

/// Servers in the order to try them: lower priorities first; among equals each one is drawn with a
/// chance in proportion to its weight. `random(n)` gives a number from 0 to `n`, both included.
pub(crate) fn servers(mut records: Vec<Srv>, random: &mut dyn FnMut(u32) -> u32) -> Vec<Srv> {
    records.retain(|record| !record.target.is_empty());
    // Weight zero first, so that these keep a small chance against the others (RFC 2782).
    records.sort_by_key(|record| (record.priority, record.weight != 0));
    let mut ordered = Vec::with_capacity(records.len());
    while let Some(priority) = records.first().map(|record| record.priority) {
        let group = || {
            records
                .iter()
                .take_while(|record| record.priority == priority)
        };
        let sum: u32 = group().map(|record| u32::from(record.weight)).sum();
        let drawn = random(sum);
        let mut running = 0;
        let chosen = group()
            .position(|record| {
                running += u32::from(record.weight);
                running >= drawn
            })
            .unwrap_or(0);
        ordered.push(records.remove(chosen));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn srv(priority: u16, weight: u16, target: &str) -> Srv {
        Srv {
            priority,
            weight,
            port: 5060,
            target: target.into(),
        }
    }

    fn names(servers: &[Srv]) -> Vec<&str> {
        servers.iter().map(|server| &*server.target).collect()
    }

    #[test]
    fn a_lower_priority_comes_first_whatever_its_weight() {
        let records = vec![
            srv(20, 65535, "second"),
            srv(10, 0, "first"),
            srv(30, 1, "third"),
        ];
        assert_eq!(
            names(&servers(records, &mut |n| n)),
            ["first", "second", "third"]
        );
    }

    #[test]
    fn among_equals_the_running_sum_decides() {
        let records = || vec![srv(1, 10, "a"), srv(1, 30, "b"), srv(1, 60, "c")];
        let first = |drawn: u32| {
            let mut draws = [drawn].into_iter();
            servers(records(), &mut |_| draws.next().unwrap_or(0))[0]
                .target
                .clone()
        };
        assert_eq!(&*first(0), "a");
        assert_eq!(&*first(10), "a");
        assert_eq!(&*first(11), "b");
        assert_eq!(&*first(40), "b");
        assert_eq!(&*first(41), "c");
        assert_eq!(&*first(100), "c");
    }

    #[test]
    fn over_many_draws_the_shares_are_those_of_the_weights() {
        let mut state = 1u64;
        let mut random = |n: u32| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            u32::try_from((state >> 33) % (u64::from(n) + 1)).unwrap()
        };
        let mut heavy = 0;
        for _ in 0..10_000 {
            let order = servers(vec![srv(1, 1, "light"), srv(1, 3, "heavy")], &mut random);
            assert_eq!(order.len(), 2);
            heavy += u32::from(&*order[0].target == "heavy");
        }
        // RFC 2782 draws from 0 to the sum inclusive: 2 in 5 for the first, 3 in 5 for the other.
        assert!((5_700..6_300).contains(&heavy), "{heavy}");
    }

    #[test]
    fn weight_zero_is_taken_only_when_zero_is_drawn() {
        let records = || vec![srv(1, 5, "some"), srv(1, 0, "none")];
        assert_eq!(names(&servers(records(), &mut |_| 0)), ["none", "some"]);
        assert_eq!(
            names(&servers(records(), &mut |n| n.min(1))),
            ["some", "none"]
        );
    }

    #[test]
    fn a_target_of_a_single_dot_means_that_there_is_no_service() {
        assert!(servers(vec![srv(0, 0, "")], &mut |_| 0).is_empty());
    }

    fn naptr(order: u16, preference: u16, service: &str) -> Naptr {
        let replacement = format!("_{service}.example.org").into();
        Naptr {
            order,
            preference,
            flags: "s".into(),
            service: service.into(),
            replacement,
        }
    }

    #[test]
    fn services_come_by_order_and_then_by_preference() {
        let records = vec![
            naptr(2, 0, "SIP+D2U"),
            naptr(1, 20, "SIP+D2T"),
            naptr(1, 10, "sips+d2t"),
            naptr(0, 0, "E2U+sip"),
            Naptr {
                flags: "u".into(),
                ..naptr(0, 0, "SIP+D2U")
            },
        ];
        let transports: Vec<_> = services(records.clone(), false)
            .into_iter()
            .map(|s| s.0)
            .collect();
        assert_eq!(transports, [Transport::Tls, Transport::Tcp, Transport::Udp]);
        let secure: Vec<_> = services(records, true).into_iter().map(|s| s.0).collect();
        assert_eq!(secure, [Transport::Tls]);
    }
}
