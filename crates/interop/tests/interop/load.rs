//! Many devices and many calls at a time, played by SIPp.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use fernamt_interop::exchange::{Exchange, Setup};
use fernamt_interop::lab::Lab;
use fernamt_interop::sipp::{self, SIPP, Sipp, authentication};

/// What a load test may take.
pub(crate) const LOAD_TIME: Duration = Duration::from_secs(120);

/// Registrations per second while a test prepares itself.
const REGISTER_RATE: usize = 500;

/// The line with which device `PREFIXn` authenticates itself.
pub(crate) fn own_line(prefix: &str, number: usize) -> String {
    let user = format!("{prefix}{number}");
    let proof = authentication(&user, &format!("pw-{user}"));
    format!("{user};{proof}")
}

/// Registers devices `PREFIX0` and up at the exchange; all of them are reached at `own`.
#[track_caller]
pub(crate) fn register(
    lab: &Lab,
    server: SocketAddr,
    own: SocketAddr,
    prefix: &str,
    count: usize,
    transport: &'static str,
) {
    let line = |number| format!("{};{}", own_line(prefix, number), own.port());
    let setup = sipp::Setup {
        lines: (0..count).map(line).collect(),
        calls: count,
        rate: REGISTER_RATE,
        transport,
        ..sipp::Setup::new(lab, "register", server)
    };
    Sipp::run(lab, &format!("register-{prefix}"), &setup, LOAD_TIME);
}

/// A SIPp that answers `calls` calls; the devices `PREFIX0` and up are registered there.
#[track_caller]
pub(crate) fn answering(
    lab: &Lab,
    server: SocketAddr,
    prefix: &str,
    devices: usize,
    calls: usize,
    scenario: &'static str,
    transport: &'static str,
) -> Sipp {
    let setup = sipp::Setup {
        // Nobody listens there; media is not what these tests are about.
        lines: vec!["9".to_owned()],
        calls,
        transport,
        ..sipp::Setup::new(lab, scenario, server)
    };
    register(lab, server, setup.own, prefix, devices, transport);
    Sipp::start(lab, &format!("{scenario}-{prefix}"), &setup)
}

/// The lines of callers: device `FROMn` calls device `TOn`, around and around.
pub(crate) fn call_lines(from: &str, to: &str, devices: usize) -> Vec<String> {
    let line = |number| format!("{};{to}{number};9", own_line(from, number));
    (0..devices).map(line).collect()
}

#[test]
fn two_thousand_devices_from_a_file_register() {
    let Some(lab) = Lab::with(&[SIPP]) else {
        return;
    };
    let exchange = Exchange::start(&lab);
    exchange.import_devices("d", 2_000);
    assert_eq!(
        exchange
            .ask_json(&["device", "list"])
            .as_array()
            .map(Vec::len),
        Some(2_000)
    );
    let own = SocketAddr::new(exchange.sip().ip(), lab.few_ports(1));
    register(&lab, exchange.sip(), own, "d", 2_000, "u1");
    assert_eq!(exchange.registration_count(), 2_000);
    assert_eq!(exchange.status("authentication_failures"), 0);
    exchange.finish();
}

#[test]
fn two_thousand_calls_in_ten_seconds_all_succeed_and_have_one_record_each() {
    const CALLS: usize = 2_000;
    const DEVICES: usize = 50;
    let Some(lab) = Lab::with(&[SIPP]) else {
        return;
    };
    let setup = Setup {
        media_ports: 1_000,
        log: "warn".to_owned(),
        ..Setup::default()
    };
    let exchange = Exchange::start_as(&lab, setup);
    exchange.import_devices("a", DEVICES);
    exchange.import_devices("b", DEVICES);
    let server = exchange.sip();
    let mut callees = answering(&lab, server, "b", DEVICES, CALLS, "callee", "u1");
    let setup = sipp::Setup {
        lines: call_lines("a", "b", DEVICES),
        calls: CALLS,
        rate: 200,
        ..sipp::Setup::new(&lab, "caller", server)
    };
    let mut callers = Sipp::start(&lab, "caller", &setup);
    callers.finish_all(CALLS, LOAD_TIME);
    callees.finish_all(CALLS, LOAD_TIME);
    let records = exchange.wait_records(CALLS);
    let recorded: BTreeSet<&str> = records
        .iter()
        .map(|record| record.leg("caller").call_id.as_str())
        .collect();
    let placed: Vec<String> = (1..=CALLS).map(|number| callers.call_id(number)).collect();
    assert_eq!(recorded, placed.iter().map(String::as_str).collect());
    for record in &records {
        assert_eq!(
            (record.cause, record.released_by.as_str()),
            (16, "caller"),
            "{record:?}"
        );
        assert!((0.09..2.0).contains(&record.duration), "{record:?}");
    }
    assert_eq!(exchange.status("media_endpoints"), 0, "media is left over");
    exchange.finish();
}

#[test]
fn callers_that_give_up_while_it_rings_end_the_ringing_and_are_recorded() {
    const CALLS: usize = 200;
    let Some(lab) = Lab::with(&[SIPP]) else {
        return;
    };
    let exchange = Exchange::start_as(
        &lab,
        Setup {
            media_ports: 400,
            ..Setup::default()
        },
    );
    exchange.import_devices("a", 10);
    exchange.import_devices("b", 10);
    let server = exchange.sip();
    let mut callees = answering(&lab, server, "b", 10, CALLS, "ringing", "u1");
    let setup = sipp::Setup {
        lines: call_lines("a", "b", 10),
        calls: CALLS,
        rate: 100,
        ..sipp::Setup::new(&lab, "impatient", server)
    };
    Sipp::run(&lab, "impatient", &setup, LOAD_TIME);
    callees.finish_all(CALLS, LOAD_TIME);
    for record in exchange.wait_records(CALLS) {
        assert_eq!(record.answer, None, "{record:?}");
        assert_eq!(
            (record.duration, record.released_by.as_str()),
            (0.0, "caller"),
            "{record:?}"
        );
    }
    exchange.finish();
}
