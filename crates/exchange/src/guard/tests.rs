use proptest::prelude::*;

use super::*;
use crate::config::Network;

fn seconds(seconds: f64) -> Time {
    Time::from_micros((seconds * 1e6) as u64)
}

fn config() -> Config {
    let guard = GuardConfig {
        messages_per_second: 10,
        burst: 20,
        failures_before_ban: 3,
        failure_window: Duration::from_secs(60),
        ban: Duration::from_secs(600),
    };
    Config {
        guard,
        ..Config::default()
    }
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn network(text: &str) -> Network {
    let (address, bits) = text.split_once('/').unwrap();
    Network {
        address: address.parse().unwrap(),
        bits: bits.parse().unwrap(),
    }
}

fn admitted(guard: &mut Guard, now: Time, source: &str, messages: usize) -> usize {
    let source = address(source);
    (0..messages)
        .filter(|_| guard.admit(now, source, false) == Verdict::Admit)
        .count()
}

#[test]
fn a_burst_is_let_in_and_the_next_message_is_not() {
    let mut guard = Guard::new(&config());
    assert_eq!(admitted(&mut guard, seconds(0.0), "192.0.2.1", 21), 20);
    assert_eq!(
        guard.admit(seconds(0.0), address("192.0.2.1"), false),
        Verdict::Drop(DropReason::RateLimited)
    );
    assert_eq!(
        admitted(&mut guard, seconds(0.0), "192.0.2.2", 1),
        1,
        "others are not touched"
    );
}

#[test]
fn after_a_burst_the_rate_is_let_in() {
    let mut guard = Guard::new(&config());
    admitted(&mut guard, seconds(0.0), "192.0.2.1", 20);
    assert_eq!(admitted(&mut guard, seconds(0.099), "192.0.2.1", 1), 0);
    assert_eq!(admitted(&mut guard, seconds(0.1), "192.0.2.1", 2), 1);
    let over_ten_seconds: usize = (0..1000)
        .map(|n| {
            admitted(
                &mut guard,
                seconds(0.1 + f64::from(n) * 0.01),
                "192.0.2.1",
                1,
            )
        })
        .sum();
    assert!((99..=101).contains(&over_ten_seconds), "{over_ten_seconds}");
}

#[test]
fn a_bucket_never_holds_more_than_the_burst() {
    let mut guard = Guard::new(&config());
    assert_eq!(admitted(&mut guard, seconds(0.0), "192.0.2.1", 5), 5);
    assert_eq!(admitted(&mut guard, seconds(1e9), "192.0.2.1", 30), 20);
}

#[test]
fn a_forged_flood_does_not_slow_down_a_connection() {
    let mut guard = Guard::new(&config());
    admitted(&mut guard, seconds(0.0), "192.0.2.1", 1000);
    assert_eq!(
        guard.admit(seconds(0.0), address("192.0.2.1"), true),
        Verdict::Admit
    );
}

#[test]
fn an_ipv6_network_is_one_source_and_a_mapped_address_is_its_ipv4_address() {
    let mut guard = Guard::new(&config());
    let over_the_network: usize = (0..100)
        .map(|n| admitted(&mut guard, seconds(0.0), &format!("2001:db8::{n:x}"), 1))
        .sum();
    assert_eq!(over_the_network, 20);
    assert_eq!(admitted(&mut guard, seconds(0.0), "2001:db8:0:1::1", 1), 1);

    admitted(&mut guard, seconds(0.0), "192.0.2.1", 20);
    assert_eq!(admitted(&mut guard, seconds(0.0), "::ffff:192.0.2.1", 1), 0);
}

#[test]
fn trusted_sources_are_exempt_and_denied_ones_refused_always() {
    let mut config = config();
    config.trusted_sources.push(network("10.0.0.0/8"));
    config.denied_sources = vec![network("10.66.0.0/16"), network("2001:db8:bad::/48")];
    let mut guard = Guard::new(&config);
    assert_eq!(
        admitted(&mut guard, seconds(0.0), "10.1.2.3", 10_000),
        10_000
    );
    assert_eq!(
        admitted(&mut guard, seconds(0.0), "127.0.0.1", 10_000),
        10_000
    );
    assert_eq!(admitted(&mut guard, seconds(0.0), "::1", 10_000), 10_000);
    for _ in 0..100 {
        assert_eq!(
            guard.authentication_failed(seconds(0.0), address("10.1.2.3")),
            None
        );
    }
    assert_eq!(
        guard.ban(seconds(0.0), address("127.0.0.1"), seconds(9.0)),
        None
    );
    for denied in [
        "10.66.0.1",
        "10.66.255.255",
        "::ffff:10.66.0.1",
        "2001:db8:bad:1::1",
    ] {
        let verdict = guard.admit(seconds(0.0), address(denied), true);
        assert_eq!(verdict, Verdict::Drop(DropReason::Denied), "{denied}");
    }
    assert_eq!(admitted(&mut guard, seconds(0.0), "10.67.0.0", 1), 1);
    assert_eq!(guard.counters().denied, 4);
}

#[test]
fn networks_may_overlap_touch_and_be_everything() {
    let networks = Networks::new(&[
        network("192.0.2.128/25"),
        network("192.0.2.0/25"),
        network("192.0.2.0/24"),
        network("198.51.100.7/32"),
    ]);
    for (text, inside) in [
        ("192.0.2.0", true),
        ("192.0.2.255", true),
        ("192.0.3.0", false),
        ("192.0.1.255", false),
        ("198.51.100.7", true),
        ("198.51.100.8", false),
        ("2001:db8::1", false),
    ] {
        assert_eq!(networks.contain(address(text)), inside, "{text}");
    }
    let all_of_ipv4 = Networks::new(&[network("0.0.0.0/0")]);
    assert!(all_of_ipv4.contain(address("255.255.255.255")));
    assert!(!all_of_ipv4.contain(address("::1")));
    let everything = Networks::new(&[network("::/0"), network("10.0.0.0/99")]);
    assert!(everything.contain(address("ffff::")) && everything.contain(address("1.2.3.4")));
    assert!(!Networks::default().contain(address("1.2.3.4")));
}

#[test]
fn one_failure_too_many_bans_and_the_ban_ends() {
    let mut guard = Guard::new(&config());
    let source = address("192.0.2.1");
    assert_eq!(guard.authentication_failed(seconds(0.0), source), None);
    assert_eq!(guard.authentication_failed(seconds(1.0), source), None);
    let ban = guard.authentication_failed(seconds(2.0), source).unwrap();
    assert_eq!(ban.until, seconds(602.0));
    assert_eq!(
        guard.admit(seconds(601.9), source, true),
        Verdict::Drop(DropReason::Banned)
    );
    assert_eq!(guard.banned(seconds(601.9)).collect::<Vec<_>>(), [ban]);
    assert_eq!(guard.admit(seconds(602.0), source, true), Verdict::Admit);
    assert_eq!(guard.banned(seconds(602.0)).count(), 0);
}

#[test]
fn failures_that_lie_far_apart_do_not_ban() {
    let mut guard = Guard::new(&config());
    for n in 0..100 {
        let now = seconds(f64::from(n) * 31.0);
        assert_eq!(
            guard.authentication_failed(now, address("192.0.2.1")),
            None,
            "{n}"
        );
    }
}

#[test]
fn a_ban_is_lifted_and_a_longer_one_is_not_made_shorter() {
    let mut guard = Guard::new(&config());
    let source = address("2001:db8::1");
    guard.ban(seconds(0.0), source, seconds(100.0));
    let ban = guard.ban(seconds(0.0), source, seconds(50.0)).unwrap();
    assert_eq!(ban.until, seconds(100.0));
    assert_eq!(ban.source.to_string(), "2001:db8::/64");
    assert!(guard.lift(seconds(1.0), address("2001:db8::2")));
    assert!(!guard.lift(seconds(1.0), source));
    assert_eq!(guard.admit(seconds(1.0), source, false), Verdict::Admit);
}

#[test]
fn register_bruteforce() {
    let mut guard = Guard::new(&Config::default());
    let scanner = address("203.0.113.66");
    let mut guesses = 0;
    // 69 guesses a second for an hour.
    for n in 0..69 * 3600_u32 {
        let now = seconds(f64::from(n) / 69.0);
        if guard.admit(now, scanner, false) == Verdict::Admit {
            guesses += 1;
            guard.authentication_failed(now, scanner);
        }
    }
    assert_eq!(guesses, 60, "ten guesses in ten minutes");
}

#[test]
fn flood_memory() {
    let mut guard = Guard::new(&config());
    let flood = |n: u32| IpAddr::from(core::net::Ipv4Addr::from_bits(0x0b00_0000 + n));
    guard.ban(seconds(0.0), address("192.0.2.66"), seconds(1e6));
    // 90 s of messages, every one from another source, each also failing to authenticate.
    for n in 0..300_000 {
        let now = seconds(f64::from(n) * 0.0003);
        guard.admit(now, flood(n), false);
        guard.authentication_failed(now, flood(n));
    }
    assert_eq!(guard.rates.len(), MAX_SOURCES);
    assert_eq!(guard.failures.len(), MAX_FAILING_SOURCES);
    let verdict = guard.admit(seconds(90.0), address("192.0.2.66"), false);
    assert_eq!(
        verdict,
        Verdict::Drop(DropReason::Banned),
        "a flood flushes no ban"
    );
}

#[test]
fn a_full_table_of_bans_loses_the_one_that_ends_first() {
    let mut bans = Bans::new(3);
    let source = |n: u8| Source::of(IpAddr::from([192, 0, 2, n]));
    for (n, until) in [(1, 30.0), (2, 10.0), (3, 20.0), (4, 40.0)] {
        bans.insert(seconds(0.0), source(n), seconds(until));
    }
    let left: Vec<Source> = bans.iter(seconds(0.0)).map(|ban| ban.source).collect();
    assert_eq!(left, [source(3), source(1), source(4)]);
    bans.insert(seconds(35.0), source(5), seconds(50.0));
    assert_eq!(
        bans.iter(seconds(0.0)).count(),
        2,
        "those that ended are gone"
    );
}

#[test]
fn the_source_seen_longest_ago_goes() {
    let mut sources: Sources<u8, u32> = Sources::new(3);
    for key in [1, 2, 3] {
        *sources.entry(key, || 0) += u32::from(key);
    }
    sources.entry(1, || 99);
    sources.entry(4, || 4);
    assert_eq!(*sources.entry(2, || 77), 77, "2 was the oldest and went");
    assert_eq!(*sources.entry(1, || 99), 1);
    sources.remove(1);
    sources.remove(1);
    assert_eq!(sources.len(), 2);
    for key in 5..50 {
        sources.entry(key, || 0);
        assert!(sources.len() <= 3);
    }
    assert_eq!(sources.slots(), 3);
}

proptest! {
    #[test]
    fn the_table_of_sources_forgets_the_oldest_like_a_plain_list(
        steps in prop::collection::vec((0..12_u8, prop::bool::weighted(0.2)), 0..200)
    ) {
        let mut sources: Sources<u8, u32> = Sources::new(5);
        let mut list: Vec<(u8, u32)> = Vec::new();
        for (number, (key, is_removal)) in steps.into_iter().enumerate() {
            let known = list.iter().position(|(known, _)| *known == key).map(|at| list.remove(at));
            if is_removal {
                sources.remove(key);
            } else {
                let expected = known.unwrap_or((key, number as u32));
                if list.len() == 5 {
                    list.remove(0);
                }
                list.push(expected);
                prop_assert_eq!(*sources.entry(key, || number as u32), expected.1);
            }
            prop_assert_eq!(sources.len(), list.len());
        }
    }

    #[test]
    fn a_set_of_networks_contains_what_one_of_them_contains(
        networks in prop::collection::vec((any::<u32>(), 20..=32_u8), 0..8),
        near in prop::collection::vec((0..8_usize, -300..300_i64), 0..20),
    ) {
        let set: Vec<Network> = networks
            .iter()
            .map(|&(bits, length)| Network { address: IpAddr::V4(bits.into()), bits: length })
            .collect();
        let merged = Networks::new(&set);
        for (index, offset) in near {
            let Some(&(bits, _)) = networks.get(index) else { continue };
            let probe = (i64::from(bits) + offset).rem_euclid(1 << 32) as u32;
            let inside = |&(bits, length): &(u32, u8)| {
                u64::from(bits) >> (32 - length) == u64::from(probe) >> (32 - length)
            };
            let expected = networks.iter().any(inside);
            prop_assert_eq!(merged.contain(IpAddr::V4(probe.into())), expected);
        }
    }
}
