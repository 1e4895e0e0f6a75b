//! The promises of the exchange, over many seeds.
//!
//! `FERNAMT_SIM_SEEDS` is how many (for a soak run), `FERNAMT_SIM_FIRST` where to begin.

use std::panic::catch_unwind;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use fernamt_sim::{Counts, Options, run};

/// Seeds of an ordinary test run.
const SEEDS: u64 = 3_000;

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(otherwise)
}

/// What broke with one seed; nothing when all is well.
fn breaches_of(seed: u64) -> (Vec<String>, Counts) {
    match catch_unwind(|| run(seed, Options::default())) {
        Ok(report) => (report.breaches, report.counts),
        Err(_) => (vec!["it panics".to_owned()], Counts::default()),
    }
}

#[test]
fn no_seed_breaks_a_promise() {
    let first = number("FERNAMT_SIM_FIRST", 0);
    let end = first + number("FERNAMT_SIM_SEEDS", SEEDS);
    let next = AtomicU64::new(first);
    let broken = Mutex::new(Vec::new());
    let total = Mutex::new(Counts::default());
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    let (breaches, counts) = breaches_of(seed);
                    total.lock().unwrap().add(counts);
                    if !breaches.is_empty() {
                        broken.lock().unwrap().push((seed, breaches));
                    }
                }
            });
        }
    });
    let mut broken = broken.into_inner().unwrap();
    broken.sort();
    let total = total.into_inner().unwrap();
    println!("{} seeds: {total:?}", end - first);
    for (seed, breaches) in broken.iter().take(20) {
        println!("seed {seed}: {}", breaches.join("\n    "));
        println!("    replay: cargo run -p fernamt-sim -- --seed {seed} --trace");
    }
    assert!(broken.is_empty(), "{} seeds break a promise", broken.len());
    // A simulation in which nothing happens proves nothing.
    let seeds = end - first;
    assert!(
        total.answered > seeds / 2 && total.packets > seeds,
        "{total:?}"
    );
    assert!(
        total.cancels > seeds / 4 && total.changes > seeds / 4,
        "{total:?}"
    );
    assert!(
        total.pracks > seeds / 20 && total.glares > seeds / 50,
        "{total:?}"
    );
    assert!(
        total.restarts > seeds / 10 && total.redirects > seeds / 50,
        "{total:?}"
    );
}

#[test]
fn a_seed_is_the_same_world_every_time() {
    for seed in [3, 7, 11, 13, 17, 29, 31, 37, 41, 43] {
        let first = run(seed, Options::default());
        let second = run(
            seed,
            Options {
                trace: true,
                ..Options::default()
            },
        );
        assert_eq!(first.digest, second.digest, "seed {seed}");
        assert_eq!(first.counts, second.counts, "seed {seed}");
        assert!(!second.trace.is_empty());
    }
}
