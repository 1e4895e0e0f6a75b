//! The exchange is killed, or told to stop, and started again, while people talk.

use std::collections::HashMap;
use std::time::Duration;

use fernamt_interop::baresip::{BARESIP, Baresip};
use fernamt_interop::exchange::{Exchange, Setup};
use fernamt_interop::lab::{Lab, skip};
use fernamt_interop::phone::Phone;
use fernamt_interop::records::Record;
use fernamt_interop::sipp::{self, SIPP, Sipp};
use fernamt_interop::wait::{SOON, until_true};

use crate::load::{LOAD_TIME, answering, call_lines};

/// Devices on each side; each of them has several calls.
const DEVICES: usize = 50;

/// Calls that are still ringing when it happens.
const RINGING: usize = 5;

/// How many seconds a recorded duration may be off.
const TOLERANCE_SECONDS: f64 = 1.0;

/// How many calls are in progress: fewer where nothing is optimised.
fn call_count() -> usize {
    let wanted = std::env::var("FERNAMT_INTEROP_CALLS").ok();
    let wanted = wanted.map(|text| text.parse().expect("FERNAMT_INTEROP_CALLS is a number"));
    wanted.unwrap_or(if cfg!(debug_assertions) { 200 } else { 1_000 })
}

fn start(lab: &Lab, calls: usize) -> Exchange<'_> {
    let ports = u16::try_from(4 * calls + 600).expect("fewer calls than ports");
    let setup = Setup {
        media_ports: ports,
        ..Setup::default()
    };
    let exchange = Exchange::start_as(lab, setup);
    exchange.import_devices("a", DEVICES);
    exchange.import_devices("b", DEVICES);
    exchange.import_devices("r", 1);
    exchange
}

/// What SIPp logged: the length of each talk in seconds, by Call-ID, as the caller measured it.
fn talks(log: &str) -> HashMap<String, f64> {
    let mut begun: HashMap<&str, f64> = HashMap::new();
    let mut talks = HashMap::new();
    for line in log.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let milliseconds = |word: &str| word.parse::<f64>().expect("a clock tick");
        match words[..] {
            ["answered", call, tick, ..] => {
                begun.entry(call).or_insert_with(|| milliseconds(tick));
            }
            ["ended", call, tick] => {
                let length = milliseconds(tick) - begun[call];
                talks.insert(call.to_owned(), length / 1_000.0);
            }
            _ => {}
        }
    }
    talks
}

/// Each answered call has exactly one record, with the right length.
#[track_caller]
fn assert_recorded(records: &[Record], talks: &HashMap<String, f64>) {
    let mut by_call_id: HashMap<&str, Vec<&Record>> = HashMap::new();
    for record in records {
        let call_id = record.leg("caller").call_id.as_str();
        by_call_id.entry(call_id).or_default().push(record);
    }
    for (call_id, seconds) in talks {
        let found = by_call_id.get(call_id.as_str());
        let [record] = found.map_or(&[][..], Vec::as_slice) else {
            panic!("the call {call_id} has these records: {found:?}");
        };
        assert!(record.answer.is_some(), "{record:?}");
        assert_eq!(record.cause, 16, "{record:?}");
        assert!(
            (record.duration - seconds).abs() <= TOLERANCE_SECONDS,
            "the caller talked {seconds} s: {record:?}"
        );
    }
}

/// How many calls could not be picked up because another program of this machine took their ports
/// while the exchange was down.
fn stolen_ports(exchange: &Exchange<'_>) -> usize {
    exchange.log().matches("cannot be taken up again").count()
}

/// Calls are in progress, some are ringing, people talk; then `end` ends the exchange, and it is
/// started again.
fn survives(end: impl FnOnce(&mut Exchange<'_>)) {
    let Some(lab) = Lab::with(&[SIPP, BARESIP]) else {
        return;
    };
    let calls = call_count();
    let mut exchange = start(&lab, calls);
    let server = exchange.sip();
    let phones = ["anna", "bert", "carl", "dora"].map(|user| exchange.add_device(user));
    let [anna, bert, carl, dora] = &phones;

    // People who talk.
    let mut hearing = Baresip::start(&lab, bert, server, 440);
    let mut speaking = Baresip::start(&lab, anna, server, 700);
    speaking.dial("bert");
    speaking.wait_event("CALL_ESTABLISHED");
    let mut answering_phone = Phone::answer(&lab, dora, &server.to_string(), &["--tone", "900"]);
    exchange.wait_registered("dora");
    let mut calling_phone =
        Phone::call(&lab, carl, &server.to_string(), "dora", &["--tone", "1200"]);

    // Calls that ring, and calls that were answered.
    let _ringing = answering(&lab, server, "r", 1, RINGING, "ringing", "u1");
    let mut callees = answering(&lab, server, "b", DEVICES, calls, "callee", "u1");
    let setup = sipp::Setup {
        lines: call_lines("a", "r", 1),
        calls: RINGING,
        ..sipp::Setup::new(&lab, "refused", server)
    };
    let mut refused = Sipp::start(&lab, "refused", &setup);
    let setup = sipp::Setup {
        lines: call_lines("a", "b", DEVICES),
        calls,
        rate: 100,
        pause: Duration::from_secs(20),
        ..sipp::Setup::new(&lab, "caller", server)
    };
    let mut callers = Sipp::start(&lab, "caller", &setup);
    exchange.wait_calls((calls + RINGING + 2) as u64, SOON);
    until_true("all calls to be answered", SOON, || {
        callers.log().matches("answered ").count() == calls
    });

    end(&mut exchange);
    exchange.start_again();
    if stolen_ports(&exchange) > 0 {
        return skip("other programs took media ports of the exchange while it was down");
    }
    exchange.wait_calls((calls + 2) as u64, Duration::from_secs(5));

    // Whoever was waiting for an answer gets one, and talks end as if nothing had been.
    refused.finish_all(RINGING, SOON);
    callers.finish_all(calls, LOAD_TIME);
    callees.finish_all(calls, LOAD_TIME);
    speaking.hang_up();
    hearing.wait_event("CALL_CLOSED");
    calling_phone.interrupt();
    assert_eq!(calling_phone.finish().exit_code, 0);
    assert_eq!(answering_phone.finish().exit_code, 0);
    speaking.quit_and(|heard| heard.last_seconds(5.0).assert_tone(440, 4.0));
    hearing.quit_and(|heard| heard.last_seconds(5.0).assert_tone(700, 4.0));
    calling_phone
        .heard()
        .last_seconds(5.0)
        .assert_tone(900, 4.0);
    answering_phone
        .heard()
        .last_seconds(5.0)
        .assert_tone(1200, 4.0);

    let records = exchange.wait_records(calls + RINGING + 2);
    let talks = talks(&callers.log());
    assert_eq!(talks.len(), calls);
    assert_recorded(&records, &talks);
    let unanswered = records.iter().filter(|record| record.answer.is_none());
    assert_eq!(unanswered.count(), RINGING);
    exchange.finish();
}

#[test]
fn calls_survive_a_kill_of_the_exchange() {
    survives(|exchange| exchange.kill());
}

#[test]
fn calls_survive_a_restart_in_good_order() {
    let expected = call_count() + RINGING + 2;
    survives(|exchange| {
        let ended = exchange.terminate();
        assert!(
            ended.err.contains(&format!("calls={expected}")),
            "it does not tell how many calls are left: {}",
            ended.err
        );
    });
}

#[test]
fn a_kill_while_calls_are_being_answered_loses_none_of_them() {
    let Some(lab) = Lab::with(&[SIPP]) else {
        return;
    };
    let calls = call_count();
    let mut exchange = start(&lab, calls);
    let server = exchange.sip();
    let mut callees = answering(&lab, server, "b", DEVICES, calls, "callee", "u1");
    let setup = sipp::Setup {
        lines: call_lines("a", "b", DEVICES),
        calls,
        rate: 100,
        pause: Duration::from_secs(8),
        patience: Some(Duration::from_secs(30)),
        ..sipp::Setup::new(&lab, "caller", server)
    };
    let mut callers = Sipp::start(&lab, "caller", &setup);
    until_true("half of the calls to be answered", SOON, || {
        callers.log().matches("answered ").count() >= calls / 2
    });
    exchange.kill();
    exchange.start_again();
    // Those that came in just then may fail; those that were answered may not.
    let count = callers.finish(LOAD_TIME);
    callees.kill();
    let log = callers.log();
    let talks = talks(&log);
    assert_eq!(talks.len() as u64, count.successful, "{count:?}");
    let lost = log.matches("answered ").count() - talks.len();
    assert!(
        lost <= stolen_ports(&exchange),
        "{lost} answered calls were not ended by their callers: {count:?}"
    );
    assert!(
        count.failed <= calls as u64 / 10,
        "too many calls came to nothing: {count:?}"
    );
    until_true("all calls to be over", LOAD_TIME, || {
        exchange.status("calls") == 0
    });
    assert_recorded(&exchange.records(), &talks);
    assert_eq!(exchange.status("media_endpoints"), 0, "media is left over");
    exchange.finish();
}
