//! Opening and closing: limits, ports, what is left after a call, and calls that outlive a crash.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails shall panic"
)]

mod common;

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::{A, B, Exchange, Party, assert_speaking, fresh_local};
use fernamt_exchange::media::{Command, EndpointId, Event, Refusal, Remote, Statistics};
use fernamt_media::{Plane, PlaneConfig, StartError};

/// The call ends for the bill but not for the voice (BYE-delay fraud, 2018): both phones go on
/// sending at full speed, and from the moment of closing not one packet passes.
#[test]
fn bye_delay() {
    let exchange = Exchange::with(|config| PlaneConfig {
        threads: 2,
        ..config
    });
    let (mut a, mut b, at_a, at_b) = exchange.call();
    assert_speaking(&mut a, &mut b);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let flood = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                a.speak();
                b.speak();
                std::thread::sleep(Duration::from_micros(200));
            }
            (a, b)
        });
        exchange.wait_for(at_a, |statistics| statistics.packets_received > 50);
        let closed = [exchange.close(at_a), exchange.close(at_b)];
        std::thread::sleep(Duration::from_millis(200));
        stop.store(true, Ordering::Relaxed);
        let (a, b) = flood.join().unwrap();
        // What is counted is all that was ever sent: nothing came after the count was given.
        let heard = [&a, &b].map(|party| {
            let mut heard = 1; // in assert_speaking
            party.rtp.set_nonblocking(true).unwrap();
            while party.rtp.recv(&mut [0; 2_048]).is_ok() {
                heard += 1;
            }
            heard
        });
        assert!(
            heard.iter().all(|&heard| heard > 10),
            "the flood has begun: {heard:?}"
        );
        assert_eq!(heard, closed.map(|statistics| statistics.packets_sent));
    });
}

#[test]
fn closing_one_side_ends_the_other_too() {
    let exchange = Exchange::start();
    let (mut a, mut b, mut c) = (Party::new(A), Party::new(B), Party::new(30));
    let (at_a, at_b) = exchange.connect(&mut a, &mut b);
    assert_speaking(&mut a, &mut b);
    exchange.close(at_b);
    a.speak();
    exchange.wait_for(at_a, |statistics| statistics.packets_received == 2);
    let at_c = exchange.face(&mut c);
    exchange.bridge(at_a, at_c);
    assert_speaking(&mut a, &mut c);
    assert!(b.hears_nothing());
}

#[test]
fn every_pair_of_the_range_is_given_and_the_one_after_is_refused() {
    let exchange = Exchange::with(|config| PlaneConfig {
        ports: 20_001..=20_021,
        ..config
    });
    let mut ports: Vec<u16> = (0..10).map(|_| exchange.open().1.port()).collect();
    ports.sort_unstable();
    assert_eq!(
        ports,
        (20_002..20_022).step_by(2).collect::<Vec<u16>>()[..10].to_vec()
    );
    assert_eq!(exchange.open_at(exchange.local, None), Err(Refusal::NoPort));
    // Another address has ports of its own.
    assert!(exchange.open_at(fresh_local(), None).is_ok());
}

#[test]
fn the_endpoint_above_the_limit_is_refused_until_one_closes() {
    let exchange = Exchange::with(|config| PlaneConfig {
        endpoints: 3,
        ..config
    });
    let open = [(); 3].map(|()| exchange.open().0);
    assert_eq!(
        exchange.open_at(exchange.local, None),
        Err(Refusal::TooMany)
    );
    assert_eq!(exchange.plane.usage().endpoints, 3);
    exchange.close(open[0]);
    assert!(exchange.open_at(exchange.local, None).is_ok());
}

#[test]
fn the_local_address_above_the_limit_is_refused() {
    let exchange = Exchange::start();
    for host in 1..=64 {
        let local = IpAddr::V4(Ipv4Addr::new(127, 1, 1, host));
        assert!(exchange.open_at(local, None).is_ok(), "{local}");
    }
    let one_more = IpAddr::V4(Ipv4Addr::new(127, 1, 1, 65));
    assert_eq!(exchange.open_at(one_more, None), Err(Refusal::CannotBind));
}

#[test]
fn an_address_that_is_not_ours_cannot_be_bound() {
    let exchange = Exchange::start();
    let elsewhere = "192.0.2.1".parse().unwrap();
    assert_eq!(exchange.open_at(elsewhere, None), Err(Refusal::CannotBind));
    assert_eq!(exchange.plane.usage().endpoints, 0);
}

#[test]
fn ports_that_other_programs_hold_are_passed_over() {
    let local = fresh_local();
    let _theirs = [20_000, 20_003].map(|port| UdpSocket::bind((local, port)).unwrap());
    let exchange = Exchange::on(local, |config| PlaneConfig {
        ports: 20_000..=20_005,
        ..config
    });
    assert_eq!(exchange.open().1.port(), 20_004);
    assert_eq!(exchange.open_at(local, None), Err(Refusal::NoPort));
}

#[test]
fn a_closed_pair_rests_and_then_serves_again_without_new_sockets() {
    let exchange = Exchange::with(|config| PlaneConfig {
        ports: 20_000..=20_001,
        quarantine: Duration::from_millis(400),
        ..config
    });
    let mut a = Party::new(A);
    let first = exchange.face(&mut a);
    let rtp = a.relay.unwrap();
    a.speak();
    exchange.wait_for(first, |statistics| statistics.packets_received == 1);
    exchange.close(first);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(exchange.open_at(exchange.local, None), Err(Refusal::NoPort));
    std::thread::sleep(Duration::from_millis(250));
    assert_eq!(exchange.plane.usage().ready_pairs, 1);
    assert_eq!(exchange.open().1, rtp);
}

#[test]
fn a_pair_where_nothing_arrived_rests_a_quarter_of_the_time() {
    let exchange = Exchange::with(|config| PlaneConfig {
        ports: 20_000..=20_001,
        quarantine: Duration::from_secs(2),
        ..config
    });
    exchange.close(exchange.open().0);
    assert_eq!(exchange.open_at(exchange.local, None), Err(Refusal::NoPort));
    std::thread::sleep(Duration::from_millis(550));
    exchange.open();
}

/// The new call must not hear the old one: not what lay in the queue, not what is still coming.
#[test]
fn packets_of_an_old_call_never_reach_the_next_one_on_the_same_port() {
    let exchange = Exchange::with(|config| PlaneConfig {
        ports: 20_000..=20_003,
        quarantine: Duration::ZERO,
        ..config
    });
    let (mut a, mut b) = (Party::new(A), Party::new(B));
    for _ in 0..20 {
        let (at_a, at_b) = exchange.connect(&mut a, &mut b);
        assert_speaking(&mut a, &mut b);
        exchange.close(at_a);
        exchange.close(at_b);
        let (mut c, mut d) = (Party::new(30), Party::new(50));
        a.speak();
        b.speak();
        a.send_rtcp(&a.report());
        let (at_c, at_d) = exchange.connect(&mut c, &mut d);
        for _ in 0..10 {
            a.speak();
            b.speak();
        }
        assert_speaking(&mut c, &mut d);
        assert!([&a, &b, &c, &d].into_iter().all(Party::hears_nothing));
        let statistics = exchange.close(at_c);
        assert_eq!(
            (statistics.packets_received, statistics.packets_sent),
            (1, 1)
        );
        exchange.close(at_d);
    }
}

#[test]
fn pairs_above_those_to_be_kept_are_unbound() {
    let exchange = Exchange::with(|config| PlaneConfig {
        quarantine: Duration::ZERO,
        idle_pairs: 2,
        ..config
    });
    let open: Vec<EndpointId> = (0..10).map(|_| exchange.open().0).collect();
    for endpoint in open {
        exchange.close(endpoint);
    }
    let end = Instant::now() + Duration::from_secs(10);
    while exchange.plane.usage().ready_pairs != 2 {
        assert!(Instant::now() < end, "{:?}", exchange.plane.usage());
        std::thread::sleep(Duration::from_millis(5));
    }
    let bound = (20_000..21_000_u16)
        .filter(|&port| UdpSocket::bind((exchange.local, port)).is_err())
        .count();
    assert_eq!(bound, 4);
}

#[test]
fn pairs_are_prepared_for_the_first_calls() {
    let local = fresh_local();
    let exchange = Exchange::on(local, |config| PlaneConfig {
        prepared_addresses: vec![local],
        prepared_pairs: 5,
        ..config
    });
    assert_eq!(exchange.plane.usage().ready_pairs, 5);
    exchange.open();
    assert_eq!(exchange.plane.usage().ready_pairs, 4);
}

/// After a crash the ports of the calls are taken up again and the phones notice nothing.
#[test]
fn a_call_goes_on_at_the_same_ports_after_a_restart() {
    let local = fresh_local();
    let exchange = Exchange::on(local, |config| config);
    let (mut a, mut b, ..) = exchange.call();
    assert_speaking(&mut a, &mut b);
    drop(exchange);

    let exchange = Exchange::on(local, |config| PlaneConfig {
        prepared_addresses: vec![local],
        prepared_pairs: 500,
        ..config
    });
    let [at_a, at_b] = [&a, &b].map(|party| {
        let rtp = party.relay.unwrap();
        let (endpoint, opened) = exchange.open_at(local, Some(rtp.port())).unwrap();
        assert_eq!(opened, rtp);
        exchange.set_remote(endpoint, party.remote());
        endpoint
    });
    exchange.bridge(at_a, at_b);
    for _ in 0..5 {
        assert_speaking(&mut a, &mut b);
    }
}

#[test]
fn the_ports_of_a_thousand_calls_are_taken_up_quickly() {
    let exchange = Exchange::with(|config| PlaneConfig {
        ports: 10_000..=59_999,
        ..config
    });
    let begin = Instant::now();
    for port in (20_000..24_000).step_by(2) {
        exchange.open_at(exchange.local, Some(port)).unwrap();
    }
    let taken = begin.elapsed();
    assert!(taken < Duration::from_secs(2), "{taken:?}");
    assert_eq!(exchange.plane.usage().endpoints, 2_000);
}

#[test]
fn a_port_to_be_taken_up_that_is_taken_odd_or_in_use_is_refused() {
    let exchange = Exchange::start();
    let _theirs = UdpSocket::bind((exchange.local, 20_101)).unwrap();
    let (_, rtp) = exchange.open();
    for port in [20_100, 20_103, 0, rtp.port()] {
        let refused = exchange.open_at(exchange.local, Some(port));
        assert_eq!(refused, Err(Refusal::CannotBind), "{port}");
    }
    // One outside the range is taken: the range may have been changed since.
    let (outside, rtp) = exchange.open_at(exchange.local, Some(40_000)).unwrap();
    assert_eq!(rtp.port(), 40_000);
    exchange.close(outside);
    assert!(
        UdpSocket::bind((exchange.local, 40_000)).is_ok(),
        "and given back at once"
    );
}

#[test]
fn orders_on_endpoints_that_are_not_open_do_nothing() {
    let exchange = Exchange::start();
    let (known, rtp) = exchange.open();
    let nobody = EndpointId(99);
    exchange.bridge(known, nobody);
    exchange.bridge(nobody, known);
    exchange.bridge(known, known);
    exchange.plane.execute(Command::Echo { endpoint: nobody });
    exchange.set_remote(nobody, Party::new(A).remote());
    assert_eq!(exchange.close(nobody), Statistics::default());
    assert_eq!(exchange.plane.statistics(nobody), None);
    // Opening twice is opening once.
    let again = Command::Open {
        endpoint: known,
        local: exchange.local,
        port: None,
    };
    assert_eq!(
        exchange.plane.execute(again),
        Some(Event::Opened {
            endpoint: known,
            rtp
        })
    );
    assert_eq!(exchange.plane.usage().endpoints, 1);
}

#[test]
fn a_party_that_falls_silent_is_reported_once_until_it_is_heard_again() {
    let exchange = Exchange::start();
    let (mut a, _b, at_a, _) = exchange.call();
    let silence = Some(Duration::from_millis(150));
    exchange.set_remote(
        at_a,
        Remote {
            silence,
            ..a.remote()
        },
    );
    for _ in 0..2 {
        a.speak();
        let spoken = Instant::now();
        while exchange.event() != (Event::Silent { endpoint: at_a }) {}
        assert!(spoken.elapsed() >= Duration::from_millis(140));
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(exchange.events(), []);
    }
}

#[test]
fn a_range_without_a_pair_does_not_start() {
    for ports in [20_001..=20_002, 20_000..=20_000, 0..=1] {
        let config = PlaneConfig {
            ports,
            ..PlaneConfig::default()
        };
        assert!(matches!(
            Plane::start(config, |_| {}),
            Err(StartError::NoPorts { .. })
        ));
    }
}

#[test]
fn a_plane_that_is_dropped_gives_back_its_ports() {
    let exchange = Exchange::start();
    let (_, rtp) = exchange.open();
    let handle = exchange.plane.clone();
    drop(exchange);
    assert!(UdpSocket::bind(rtp).is_err(), "a handle is left");
    drop(handle);
    assert!(UdpSocket::bind(rtp).is_ok());
}

#[test]
fn many_threads_open_and_close_without_losing_a_port() {
    let exchange = Exchange::with(|config| PlaneConfig {
        ports: 20_000..=20_127,
        quarantine: Duration::ZERO,
        idle_pairs: 8,
        threads: 2,
        ..config
    });
    std::thread::scope(|scope| {
        for shard in 1..=4_u64 {
            let (plane, local) = (exchange.plane.clone(), exchange.local);
            scope.spawn(move || {
                for call in 0..300_u64 {
                    let ids = [0, 1].map(|side| EndpointId(shard << 48 | call << 1 | side));
                    for endpoint in ids {
                        let opened = plane.execute(Command::Open {
                            endpoint,
                            local,
                            port: None,
                        });
                        assert!(matches!(opened, Some(Event::Opened { .. })), "{opened:?}");
                    }
                    plane.execute(Command::Bridge {
                        a: ids[0],
                        b: ids[1],
                    });
                    for endpoint in ids {
                        plane.execute(Command::Close { endpoint });
                    }
                }
            });
        }
    });
    assert_eq!(exchange.plane.usage().endpoints, 0);
    let all = (0..64)
        .map(|_| exchange.open().1)
        .collect::<std::collections::HashSet<_>>();
    assert_eq!(all.len(), 64);
}

/// Ports of one plane say nothing of those of another, not even of one that was started together with it.
#[test]
fn every_plane_draws_its_ports_from_a_source_of_its_own() {
    let ports = || {
        let exchange = Exchange::start();
        let port = |_| exchange.open().1.port();
        (0..8).map(port).collect::<Vec<u16>>()
    };
    // Of 500 ports; that two orders of eight are the same happens once in 10^21.
    assert_ne!(ports(), ports());
}
