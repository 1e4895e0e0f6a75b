//! SIP over connections: TCP, TLS, WebSocket and secure WebSocket.

use std::process::Command;

use fernamt_interop::baresip::{self, BARESIP, Baresip};
use fernamt_interop::exchange::{Exchange, Setup};
use fernamt_interop::lab::{Lab, find};
use fernamt_interop::process::run;
use fernamt_interop::sipp::{self, SIPP, Sipp};
use fernamt_interop::wait::{SOON, until_true};

use crate::load::{LOAD_TIME, answering, call_lines};

const OPENSSL: (&str, &str) = ("openssl", "openssl");

/// Debian's Python: its package python3-websockets belongs to this one.
const PYTHON: (&str, &str) = ("/usr/bin/python3", "python3");

/// A SIP phone over WebSocket, made of Python's `websockets`.
const WEBSOCKET_PHONE: &str = include_str!("../../scripts/websocket_phone.py");

/// Two baresips that use a connection talk for two seconds.
fn baresips_talk_over(transport: &'static str, is_verified: bool) {
    let Some(lab) = Lab::with(&[BARESIP]) else {
        return;
    };
    let exchange = Exchange::start(&lab);
    // These speak in clear, which devices on encrypted signalling must be allowed to.
    let clear = ["--encryption", "offered"];
    let add = |user| exchange.add_device_with(user, &clear);
    let (anna, bert) = (add("anna"), add("bert"));
    let server = if transport == "tls" {
        exchange.tls()
    } else {
        exchange.sip()
    };
    let setup = |account, tone_hz| baresip::Setup {
        transport,
        authority: is_verified.then(|| exchange.certificate()),
        ..baresip::Setup::new(account, server, tone_hz)
    };
    let mut answering = Baresip::start_as(&lab, &setup(&bert, 440));
    let mut calling = Baresip::start_as(&lab, &setup(&anna, 700));
    assert_eq!(exchange.wait_registered("bert"), transport.to_uppercase());
    calling.dial("bert");
    calling.wait_event("CALL_ESTABLISHED");
    exchange.let_talk(2.0);
    answering.hang_up();
    calling.wait_event("CALL_CLOSED");
    let record = &exchange.wait_records(1)[0];
    assert_eq!((record.cause, record.released_by.as_str()), (16, "callee"));
    let peer = format!("{} ", transport.to_uppercase());
    assert!(record.leg("caller").peer.starts_with(&peer), "{record:?}");
    assert!(record.leg("callee").peer.starts_with(&peer), "{record:?}");
    calling.quit_and(|heard| heard.assert_tone(440, 1.0));
    answering.quit_and(|heard| heard.assert_tone(700, 1.0));
    exchange.finish();
}

#[test]
fn two_baresips_talk_with_signalling_by_tcp() {
    baresips_talk_over("tcp", false);
}

#[test]
fn two_baresips_talk_with_signalling_by_tls() {
    baresips_talk_over("tls", false);
}

#[test]
fn two_baresips_that_trust_the_certificate_of_the_exchange_talk_by_tls() {
    baresips_talk_over("tls", true);
}

#[test]
fn calls_of_sipp_by_tcp_all_succeed() {
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
    let mut callees = answering(&lab, server, "b", 10, CALLS, "callee", "t1");
    let setup = sipp::Setup {
        lines: call_lines("a", "b", 10),
        calls: CALLS,
        rate: 50,
        transport: "t1",
        ..sipp::Setup::new(&lab, "caller", server)
    };
    Sipp::run(&lab, "caller", &setup, LOAD_TIME);
    callees.finish_all(CALLS, LOAD_TIME);
    for record in exchange.wait_records(CALLS) {
        assert_eq!(record.cause, 16, "{record:?}");
        assert!(record.leg("caller").peer.starts_with("TCP "), "{record:?}");
    }
    exchange.finish();
}

#[test]
fn openssl_shakes_hands_and_trusts_the_certificate_in_the_data_folder() {
    let Some(lab) = Lab::with(&[OPENSSL]) else {
        return;
    };
    let exchange = Exchange::start(&lab);
    let server = exchange.tls();
    for version in ["-tls1_2", "-tls1_3"] {
        let mut command = Command::new(OPENSSL.0);
        command
            .args(["s_client", "-connect", &server.to_string(), version])
            .args([
                "-verify_return_error",
                "-verify_ip",
                &server.ip().to_string(),
            ])
            .arg("-CAfile")
            .arg(exchange.certificate());
        let ended = run(&lab, &format!("openssl{version}"), &mut command, SOON);
        let said = ended.out + &ended.err;
        assert_eq!(ended.code, Some(0), "{said}");
        assert!(said.contains("Verification: OK"), "{said}");
    }
    let mut command = Command::new(OPENSSL.0);
    command.args(["s_client", "-connect", &server.to_string(), "-tls1_1"]);
    let ended = run(&lab, "openssl-old", &mut command, SOON);
    assert_ne!(ended.code, Some(0), "TLS 1.1 is broken and must be refused");
    exchange.finish();
}

/// A phone of Python's `websockets` registers, asks for OPTIONS and keeps the connection alive.
fn websocket_phone(is_secure: bool) {
    let Some(lab) = Lab::with(&[PYTHON]) else {
        return;
    };
    let exchange = Exchange::start(&lab);
    let wanda = exchange.add_device("wanda");
    let address = if is_secure {
        exchange.secure_websocket()
    } else {
        exchange.websocket()
    };
    let scheme = if is_secure { "wss" } else { "ws" };
    let script = lab.write("websocket_phone.py", WEBSOCKET_PHONE);
    let mut command = Command::new(PYTHON.0);
    command
        .arg(script)
        .arg(format!("{scheme}://{address}/"))
        .arg(&wanda.user)
        .arg(&wanda.password)
        .arg(exchange.certificate());
    let ended = run(&lab, "websocket-phone", &mut command, SOON);
    assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.err);
    for line in [
        "subprotocol sip",
        "OPTIONS 200",
        "REGISTER 401",
        "REGISTER 200",
        "contact of its own",
        "keep-alive answered",
        "closed in good order",
    ] {
        assert!(
            ended.out.lines().any(|said| said == line),
            "{line}: {}",
            ended.out
        );
    }
    until_true("the binding to go with its connection", SOON, || {
        exchange.registration_count() == 0
    });
    exchange.finish();
}

#[test]
fn a_phone_of_pythons_websockets_registers_by_websocket() {
    websocket_phone(false);
}

#[test]
fn a_phone_of_pythons_websockets_registers_by_secure_websocket() {
    websocket_phone(true);
}

#[test]
fn sipsak_gets_options_answered_and_registers() {
    const SIPSAK: (&str, &str) = ("sipsak", "sipsak");
    let Some(lab) = Lab::with(&[SIPSAK]) else {
        return;
    };
    assert!(find(SIPSAK.0).is_some());
    let exchange = Exchange::start(&lab);
    let anna = exchange.add_device("anna");
    let server = exchange.sip();
    let sipsak = |name: &str, words: &[&str]| {
        let mut command = Command::new(SIPSAK.0);
        command.args(words);
        run(&lab, name, &mut command, SOON)
    };
    let target = format!("sip:{server}");
    let ended = sipsak("sipsak-options", &["-vv", "-s", &target]);
    assert_eq!(ended.code, Some(0), "{}", ended.out);
    assert!(ended.out.contains("SIP/2.0 200 OK"), "{}", ended.out);
    let target = format!("sip:anna@{server}");
    let ended = sipsak(
        "sipsak-register",
        &[
            "-vv",
            "-U",
            "-s",
            &target,
            "-u",
            "anna",
            "-a",
            &anna.password,
            "-x",
            "300",
        ],
    );
    assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.err);
    assert_eq!(exchange.wait_registered("anna"), "UDP");
    let ended = sipsak(
        "sipsak-wrong",
        &[
            "-U", "-s", &target, "-u", "anna", "-a", "guessed", "-x", "300",
        ],
    );
    assert_ne!(ended.code, Some(0), "{}", ended.out);
    exchange.finish();
}
