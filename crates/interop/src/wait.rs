//! Waiting for something to become true, with a deadline; no fixed sleeps.

use std::thread;
use std::time::{Duration, Instant};

/// How long something may take that usually takes well under a second. Generous, because the
/// machine may be busy with other tests.
pub const SOON: Duration = Duration::from_secs(30);

/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Asks again and again until there is an answer; `what` completes the sentence "waited for …".
///
/// # Panics
/// When the deadline passes first.
#[track_caller]
pub fn until<T>(what: &str, deadline: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(
            start.elapsed() < deadline,
            "waited {} s in vain for {what}",
            deadline.as_secs()
        );
        thread::sleep(LOOK_EVERY);
    }
}

/// Waits until a condition holds.
///
/// # Panics
/// When the deadline passes first.
#[track_caller]
pub fn until_true(what: &str, deadline: Duration, mut holds: impl FnMut() -> bool) {
    until(what, deadline, || holds().then_some(()));
}
