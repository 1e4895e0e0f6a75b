//! How long a message takes. Not part of the ordinary run:
//! `cargo test --release -p fernamt-sip transaction_speed -- --ignored --nocapture`
//!
//! Each message is parsed just before, as in an exchange, so that it lies in the cache; the time
//! for that is measured alone and taken off. Only the time of this thread counts, where the system
//! tells it, because other work may run on the machine.

use std::time::Instant;

use super::*;

const WARM_UP: usize = 200_000;
const ROUNDS: usize = 300_000;

/// Time that this thread has been running.
struct Stopwatch(u128);

impl Stopwatch {
    fn start() -> Stopwatch {
        Stopwatch(Self::nanos())
    }

    fn nanos() -> u128 {
        static ORIGIN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        std::fs::read_to_string("/proc/thread-self/schedstat")
            .ok()
            .and_then(|text| text.split_whitespace().next()?.parse().ok())
            .unwrap_or_else(|| ORIGIN.get_or_init(Instant::now).elapsed().as_nanos())
    }

    fn per(&self, rounds: usize) -> u128 {
        (Self::nanos() - self.0) / rounds as u128
    }
}

/// A text with a number in it that changes from message to message.
struct Numbered {
    text: Vec<u8>,
    places: Vec<usize>,
}

impl Numbered {
    fn new(text: &str) -> Numbered {
        let places = text
            .match_indices("00000000")
            .map(|(place, _)| place)
            .collect();
        Numbered {
            text: text.as_bytes().to_vec(),
            places,
        }
    }

    fn with(&mut self, number: usize) -> Message<'_> {
        let digits = format!("{number:08}");
        for place in &self.places {
            self.text[*place..place + 8].copy_from_slice(digits.as_bytes());
        }
        Message::parse(&self.text).unwrap()
    }
}

/// Nanoseconds a round, after the warm-up.
fn measure(mut round: impl FnMut(usize)) -> u128 {
    for number in 0..WARM_UP {
        round(number);
    }
    let stopwatch = Stopwatch::start();
    for number in WARM_UP..WARM_UP + ROUNDS {
        round(number);
    }
    stopwatch.per(ROUNDS)
}

fn report(what: &str, round: u128, of_that: u128) {
    println!("{what}: {} ns", round.saturating_sub(of_that));
}

#[test]
#[ignore = "a measurement"]
fn transaction_speed() {
    use super::super::{client::Clients, server::Servers};
    println!(
        "server transaction without response: {} bytes",
        Servers::<u64>::BYTES
    );
    println!(
        "client transaction without request: {} bytes",
        Clients::<u64>::BYTES
    );
    server_speed();
    client_speed();
    timer_speed();
}

/// Registrations over UDP at 5,000 a second, so that 160,000 wait for timer J.
fn server_speed() {
    let text = request("REGISTER", "00000000-abcdef");
    let text = text.replace("Call-ID: call", "Call-ID: 00000000@192.0.2.7");
    let mut texts = Numbered::new(&text);
    let ok: Arc<[u8]> = response(200, "REGISTER", "b", "to").into_bytes().into();
    let mut shard = Shard::with(|settings| settings.hash_seed = [1, 2]);
    let parsing = measure(|number| assert!(texts.with(number).is_request()));
    let serving = measure(|number| {
        let message = texts.with(number);
        let now = Time::from_micros(number as u64 * 200);
        shard.transactions.expire(now);
        assert_eq!(shard.transactions.receive(now, &message), Disposition::New);
        let server = shard.transactions.accept(now, udp(), &message, 1).unwrap();
        shard
            .transactions
            .respond(now, server, Arc::clone(&ok), 200)
            .unwrap();
        while shard.transactions.poll().is_some() {}
    });
    println!(
        "server transactions alive: {}",
        shard.transactions.server_count()
    );
    report(
        "server: receive, accept, respond, timer J",
        serving,
        parsing,
    );
    let repeating = measure(|number| {
        let message = texts.with(WARM_UP + ROUNDS - 100_000 + number % 100_000);
        assert_eq!(
            shard.transactions.receive(shard.now, &message),
            Disposition::Absorbed
        );
        while shard.transactions.poll().is_some() {}
    });
    report("server: a retransmission", repeating, parsing);
}

/// Requests over UDP that are answered at once, at 20,000 a second, so that 100,000 wait for
/// timer K.
fn client_speed() {
    let mut texts = Numbered::new(&response(200, "OPTIONS", "00000000-abcdef", "x"));
    let bytes: Arc<[u8]> = request("OPTIONS", "b").into_bytes().into();
    let mut shard = Shard::with(|settings| settings.hash_seed = [1, 2]);
    let parsing = measure(|number| assert!(!texts.with(number).is_request()));
    let requesting = measure(|number| {
        let message = texts.with(number);
        let now = Time::from_micros(number as u64 * 50);
        shard.transactions.expire(now);
        let branch = message.top_via().unwrap().branch().unwrap();
        let bytes = Arc::clone(&bytes);
        shard
            .transactions
            .request(now, udp(), bytes, Method::Options, branch, 1)
            .unwrap();
        let disposition = shard.transactions.receive(now, &message);
        assert!(matches!(disposition, Disposition::Response { .. }));
        while shard.transactions.poll().is_some() {}
    });
    println!(
        "client transactions alive: {}",
        shard.transactions.client_count()
    );
    report(
        "client: request, final response, timer K",
        requesting,
        parsing,
    );
}

fn timer_speed() {
    const TIMERS: usize = 1_000_000;
    let mut queue = crate::timer::TimerQueue::new();
    let stopwatch = Stopwatch::start();
    let mut timers: Vec<_> = (0..TIMERS)
        .map(|number| queue.insert(millis(32_000 + number as u64 / 30), number))
        .collect();
    report("timer: insert, up to a million", stopwatch.per(TIMERS), 0);
    let stopwatch = Stopwatch::start();
    for place in 0..TIMERS {
        // In an order that the cache does not foresee.
        let timer = &mut timers[place * 7_919 % TIMERS];
        queue.cancel(*timer);
        *timer = queue.insert(millis(40_000 + place as u64 / 10), place);
    }
    report(
        "timer: cancel and insert among a million",
        stopwatch.per(TIMERS),
        0,
    );
    let stopwatch = Stopwatch::start();
    while let Some(deadline) = queue.next_deadline() {
        while queue.pop_due(deadline).is_some() {}
    }
    report("timer: pop", stopwatch.per(TIMERS), 0);
}
