//! The client transaction of everything but INVITE (RFC 3261 figure 6).

use super::*;

#[test]
fn timer_e_doubles_up_to_t2_until_timer_f_fires() {
    let mut shard = Shard::new();
    shard.request(udp(), "OPTIONS", "b", 9);
    assert_eq!(shard.drain(), ["OPTIONS"]);
    let mut expected = times(&UP_TO_T2, "OPTIONS");
    expected.push("32000 failed 9 408".to_owned());
    assert_eq!(shard.run_until(100_000), expected);
    shard.assert_empty();
}

#[test]
fn on_a_reliable_transport_only_timer_f_runs() {
    let mut shard = Shard::new();
    shard.request(tcp(), "OPTIONS", "b", 9);
    assert_eq!(shard.drain(), ["OPTIONS"]);
    assert_eq!(shard.run_until(100_000), ["32000 failed 9 408"]);
    shard.assert_empty();
}

#[test]
fn after_a_provisional_response_timer_e_is_t2_and_timer_f_goes_on() {
    let mut shard = Shard::new();
    let client = shard.request(udp(), "OPTIONS", "b", 9);
    shard.drain();
    let trying = response(100, "OPTIONS", "b", "");
    assert_eq!(
        shard.receive(&trying),
        Disposition::Response { client, user: 9 }
    );
    let mut expected = times(
        &[500, 4500, 8500, 12_500, 16_500, 20_500, 24_500, 28_500],
        "OPTIONS",
    );
    expected.push("32000 failed 9 408".to_owned());
    assert_eq!(shard.run_until(100_000), expected);
}

#[test]
fn a_final_response_is_news_once_and_absorbed_until_timer_k_fires() {
    for (early, status) in [(false, 200), (true, 200), (false, 404), (true, 503)] {
        let mut shard = Shard::new();
        let client = shard.request(udp(), "OPTIONS", "b", 9);
        shard.drain();
        if early {
            shard.receive(&response(100, "OPTIONS", "b", ""));
        }
        let text = response(status, "OPTIONS", "b", "x");
        assert_eq!(
            shard.receive(&text),
            Disposition::Response { client, user: 9 }
        );
        assert_eq!(shard.run_until(4_999), [""; 0]);
        assert_eq!(shard.receive(&text), Disposition::Absorbed);
        assert_eq!(
            shard.receive(&response(100, "OPTIONS", "b", "")),
            Disposition::Absorbed
        );
        assert_eq!(shard.run_until(5_000), [""; 0]);
        assert_eq!(shard.receive(&text), Disposition::Stray);
        shard.assert_empty();
    }
}

#[test]
fn on_a_reliable_transport_timer_k_is_zero() {
    let mut shard = Shard::new();
    let client = shard.request(tcp(), "OPTIONS", "b", 9);
    let text = response(200, "OPTIONS", "b", "x");
    assert_eq!(
        shard.receive(&text),
        Disposition::Response { client, user: 9 }
    );
    shard.assert_empty();
    assert_eq!(shard.receive(&text), Disposition::Stray);
}

#[test]
fn the_timers_follow_the_settings() {
    let mut shard = Shard::with(|settings| {
        settings.t1 = Duration::from_millis(100);
        settings.t2 = Duration::from_millis(150);
    });
    shard.request(udp(), "OPTIONS", "b", 9);
    shard.drain();
    let events = shard.run_until(7_000);
    assert_eq!(&events[..3], ["100 OPTIONS", "250 OPTIONS", "400 OPTIONS"]);
    assert_eq!(events.last().map(String::as_str), Some("6400 failed 9 408"));
    // A time that cannot be kept does not make time stand still.
    let mut shard = Shard::with(|settings| {
        settings.t1 = Duration::ZERO;
        settings.t2 = Duration::ZERO;
    });
    shard.request(udp(), "OPTIONS", "b", 9);
    shard.transactions.expire(millis(1));
    assert_eq!(
        shard.drain().last().map(String::as_str),
        Some("failed 9 408")
    );
}
