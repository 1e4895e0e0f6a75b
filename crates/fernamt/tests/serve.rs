//! An exchange that is started, used and stopped from the command line.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests may"
)]

mod support;

use serde_json::{Value, json};
use support::{Office, free_port, wait_until};

#[test]
fn a_first_start_makes_two_devices_that_call_each_other() {
    let office = Office::new();
    let exchange = office.serve("--first-devices 2");
    assert!(exchange.welcome.contains("*43"), "{}", exchange.welcome);
    let (server, ten, eleven) = (
        exchange.server(),
        exchange.password("10"),
        exchange.password("11"),
    );
    let heard = office.path("heard.wav");
    let answering = office.start(&format!(
        "call --answer --as 11 --password {eleven} --server {server} --tone 425 --wait 30 --json \
         --record {}",
        heard.display()
    ));
    wait_until("a registration", || {
        office.run("registrations --json").json()[0]["user"] == "11"
    });
    let registration = office.run("registrations --json").json();
    assert_eq!(registration[0]["transport"], "UDP");
    office.run("device show 11").ends_with(0).says("UDP");
    office.run("route 10 11").ends_with(0).says("rings at 11");

    let call = office.run(&format!(
        "call 11 --as 10 --password {ten} --server {server} --tone 700 --seconds 3 --json"
    ));
    let call = call.ends_with(0).json();
    let tone = call["tone"]["frequency_hz"].as_f64().expect("a tone");
    assert!((tone - 425.0).abs() < 3.0, "{call}");
    assert_eq!(call["codec"], "PCMA/8000");
    assert!(
        call["duration"]
            .as_f64()
            .is_some_and(|seconds| (2.9..4.0).contains(&seconds))
    );
    let answered = answering.end().ends_with(0).json();
    let tone = answered["tone"]["frequency_hz"].as_f64().expect("a tone");
    assert!((tone - 700.0).abs() < 3.0, "{answered}");
    let recorded = std::fs::metadata(&heard).expect("a recording").len();
    assert!(recorded > 2 * 16_000, "{recorded}");

    let records = office.run("cdr --json").ends_with(0).json();
    let record = &records[0];
    assert_eq!(records.as_array().map(Vec::len), Some(1), "{records}");
    assert_eq!(
        (&record["caller"], &record["callee"]),
        (&json!("10"), &json!("11"))
    );
    assert_eq!(
        (&record["cause"], &record["released_by"]),
        (&json!(16), &json!("caller"))
    );
    assert_eq!(record["legs"][0]["call_id"], call["call_id"]);
    assert_eq!(record["legs"][1]["call_id"], answered["call_id"]);
    assert!(
        record["duration"]
            .as_f64()
            .is_some_and(|seconds| (2.9..4.0).contains(&seconds))
    );
    for time in ["start", "answer", "end"] {
        let text = record[time].as_str().expect("a time");
        assert!(text.len() == 27 && text.ends_with('Z'), "{time}: {text}");
    }
    assert_eq!(office.run("cdr --json --number 11").json(), records);
    assert_eq!(office.run("cdr --json --number 12").json(), json!([]));
    assert_eq!(office.run("cdr --json --since 1h").json(), records);
    assert_eq!(
        office.run("cdr --json --since 2999-01-01").json(),
        json!([])
    );
    office.run("cdr").ends_with(0).says("Normal call clearing");
    how_it_was_protected(&office, &records);

    explained(&office, record["call"].as_str().expect("a reference"));
    explained(&office, call["call_id"].as_str().expect("a Call-ID"));
    explained(&office, answered["call_id"].as_str().expect("a Call-ID"));
    office
        .run("explain ffffffffffffffff")
        .ends_with(3)
        .complains("no record of a call");
    exchange.stop();
    assert_eq!(office.run("cdr --json").json(), records);
}

/// Both phones of the command encrypt where they can, and their keys have crossed over UDP.
fn how_it_was_protected(office: &Office, records: &Value) {
    let protection = json!({
        "kind": "sdes",
        "suite": "AES_CM_128_HMAC_SHA1_80",
        "signalling_encrypted": false,
    });
    let record = &records[0];
    assert_eq!(record["encrypted"], true);
    for leg in [0, 1] {
        assert_eq!(record["legs"][leg]["protection"], protection, "{record}");
    }
    office.run("cdr").says("  exposed/exposed  16 ");
    assert_eq!(office.run("cdr --json --unencrypted").json(), json!([]));
    assert_eq!(&office.run("cdr --json --exposed").json(), records);
    assert_eq!(
        office.run("cdr --json --until 1h").json(),
        json!([]),
        "it is not that old"
    );
    office.run("cdr --exposed --unencrypted").ends_with(2);
    let call = record["call"].as_str().expect("a reference");
    office
        .run(&format!("explain {call}"))
        .says("media SRTP, AES_CM_128_HMAC_SHA1_80, keys (SDES) over unencrypted signalling");
}

fn explained(office: &Office, call: &str) {
    let picture = office.path("call.svg");
    let line = format!("explain {call} --svg {}", picture.display());
    let said = office.run(&line).ends_with(0);
    for part in [
        "INVITE",
        "180 Ringing",
        "200 OK",
        "BYE",
        "Normal call clearing",
    ] {
        assert!(said.out.contains(part), "{part}: {}", said.out);
    }
    let svg = std::fs::read_to_string(&picture).expect("a picture");
    assert!(svg.starts_with("<svg") || svg.starts_with("<?xml"), "{svg}");
    let json = office
        .run(&format!("explain {call} --json"))
        .ends_with(0)
        .json();
    assert!(
        json["journal"]
            .as_array()
            .is_some_and(|lines| lines.len() > 8)
    );
}

#[test]
fn the_echo_number_plays_back_and_calls_that_go_nowhere_say_why() {
    let office = Office::new();
    let exchange = office.serve("--first-devices 2");
    let own = format!(
        "--as 10 --password {} --server {}",
        exchange.password("10"),
        exchange.server()
    );
    let call = office
        .run(&format!("call *43 {own} --tone 1000 --seconds 2 --json"))
        .ends_with(0)
        .json();
    let tone = call["tone"]["frequency_hz"].as_f64().expect("a tone");
    assert!((tone - 1_000.0).abs() < 3.0, "{call}");
    office
        .run(&format!("call 999 {own} --wait 20"))
        .ends_with(10)
        .says("nobody has this number");
    office
        .run(&format!("call 11 {own}"))
        .ends_with(18)
        .says("not there");
    let server = exchange.server();
    let wrong = format!("--as 10 --password wrong --server {server}");
    office
        .run(&format!("call *43 {wrong}"))
        .ends_with(11)
        .says("does not accept");
    office
        .run(&format!("call *43 --server {server}"))
        .ends_with(11)
        .says("--password");
    let said = office
        .run(&format!("call --answer {wrong} --wait 5"))
        .ends_with(11);
    assert!(said.out.contains("not registered"), "{said:?}");
    exchange.stop();
}

#[test]
fn tls_is_refused_without_trust_and_the_remedy_is_told() {
    let office = Office::new();
    let exchange = office.serve("--first-devices 1");
    let password = exchange.password("10");
    let server = format!("127.0.0.1:{};transport=tls", exchange.port + 1);
    let line = format!("call *43 --as 10 --password {password} --server {server} --seconds 0.5");
    office.run(&line).ends_with(13).says("--insecure");
    office.run(&format!("{line} --insecure")).ends_with(0);
    let certificate = office.data().join("tls/certificate.pem");
    office
        .run(&format!("{line} --ca {}", certificate.display()))
        .ends_with(0);
    let server = format!("127.0.0.1:{};transport=tcp", exchange.port);
    let line = format!("call *43 --as 10 --password {password} --server {server} --seconds 0.5");
    office.run(&line).ends_with(0);
    exchange.stop();
}

#[test]
fn two_phones_over_tls_hear_each_other_encrypted() {
    let office = Office::new();
    let exchange = office.serve("--first-devices 2");
    let server = format!("127.0.0.1:{};transport=tls", exchange.port + 1);
    let own = |user: &str| {
        let password = exchange.password(user);
        format!("--as {user} --password {password} --server {server} --insecure")
    };
    let waiting = office.start(&format!("call --answer {} --tone 440 --json", own("11")));
    wait_until("a registration", || {
        let listed = office.run("registrations --json").json();
        listed.as_array().is_some_and(|all| !all.is_empty())
    });
    let line = format!("call 11 {} --tone 700 --seconds 3", own("10"));
    let called = office.run(&format!("{line} --json")).ends_with(0).json();
    let answered = waiting.end().ends_with(0).json();
    for (said, hertz) in [(&called, 440.0), (&answered, 700.0)] {
        let tone = said["tone"]["frequency_hz"].as_f64().expect("a tone");
        assert!((tone - hertz).abs() < 3.0, "{said}");
        assert_eq!(said["encrypted"], true);
        assert_eq!(said["crypto_suite"], "AES_CM_128_HMAC_SHA1_80");
        assert_eq!(said["packets_unauthentic"], 0);
    }
    // Over TLS the exchange insists.
    let call = format!("call *43 {} --encryption never", own("10"));
    office
        .run(&call)
        .ends_with(12)
        .says("encrypted media are required");
    let line = format!("call *43 {} --seconds 0.5 --trace", own("10"));
    let said = office.run(&line).ends_with(0);
    assert!(said.out.contains("encrypted (SRTP, AES_CM_128"), "{said:?}");
    assert!(said.err.contains("a=crypto: (left out)"), "{said:?}");
    assert!(!said.err.contains("inline:"), "{said:?}");
    exchange.stop();
}

#[test]
fn devices_change_while_the_exchange_runs() {
    let office = Office::new();
    let exchange = office.serve("");
    let server = exchange.server();
    office.run("device add anna --password x1").ends_with(0);
    let call = format!("call *43 --as anna --password x1 --server {server} --seconds 0.2");
    office.run(&call).ends_with(0);
    office.run("device remove anna").ends_with(0);
    office.run(&call).ends_with(11);
    let status = office.run("status --json").ends_with(0).json();
    assert_eq!(
        (&status["devices"], &status["calls"]),
        (&json!(0), &json!(0))
    );
    office.run("status").ends_with(0).says("UDP 127.0.0.1:");
    exchange.stop();
}

#[test]
fn calls_in_progress_are_listed() {
    let office = Office::new();
    let exchange = office.serve("--first-devices 1");
    let own = format!(
        "--as 10 --password {} --server {}",
        exchange.password("10"),
        exchange.server()
    );
    assert_eq!(office.run("calls --json").ends_with(0).json(), json!([]));
    office.run("calls").ends_with(0).says("No calls.");
    let call = office.start(&format!("call *43 {own}"));
    wait_until("a call in progress", || {
        office.run("calls --json").ends_with(0).json()[0]["answer"].is_string()
    });
    let listed = office.run("calls --json").json();
    assert_eq!(
        (&listed[0]["caller"], &listed[0]["dialled"]),
        (&json!("10"), &json!("*43"))
    );
    office.run("calls").ends_with(0).says("*43");
    call.signal("INT");
    call.end().ends_with(0).says("hung up here");
    exchange.stop();
}

#[test]
fn a_port_or_folder_that_is_taken_is_an_error_that_names_it() {
    let office = Office::new();
    let exchange = office.serve("");
    let port = exchange.port;
    office
        .run(&format!("serve --sip 127.0.0.1:{}", free_port()))
        .ends_with(5)
        .complains("already runs");
    let other = Office::new();
    let said = other
        .run(&format!("serve --sip 127.0.0.1:{port}"))
        .ends_with(5);
    let said = said.complains(&port.to_string()).complains("--sip");
    assert!(!said.err.contains("panicked"), "{said:?}");
    exchange.stop();
}

#[test]
fn a_wrong_settings_file_is_an_error_that_names_line_and_key() {
    let office = Office::new();
    let file = office.file("bad.toml", "[calls]\necho_numer = \"*43\"\n");
    let said = office
        .run(&format!("serve --config {}", file.display()))
        .ends_with(6);
    said.complains("bad.toml")
        .complains("2")
        .complains("echo_numer");
    office
        .run("serve --config missing.toml")
        .ends_with(6)
        .complains("missing.toml");
    office
        .run("serve --log loud")
        .ends_with(2)
        .complains("loud");
    office
        .run("serve --media 127.0.0.1:1")
        .ends_with(2)
        .complains("LOW-HIGH");
}

#[test]
fn the_settings_file_of_the_data_folder_is_used() {
    let office = Office::new();
    std::fs::create_dir(office.data()).expect("a folder");
    std::fs::write(
        office.data().join("fernamt.toml"),
        "[calls]\necho_number = \"*99\"\n",
    )
    .expect("a file");
    let exchange = office.serve("--first-devices 1");
    assert!(
        exchange.welcome.contains("call *99"),
        "{}",
        exchange.welcome
    );
    exchange.stop();
}

#[test]
fn devices_are_made_on_the_first_start_only() {
    let office = Office::new();
    let exchange = office.serve("--first-devices 2");
    assert_eq!(
        exchange.welcome.matches("password").count(),
        4,
        "{}",
        exchange.welcome
    );
    exchange.stop();
    let exchange = office.serve("--first-devices 2");
    assert!(
        !exchange.welcome.contains("These passwords"),
        "{}",
        exchange.welcome
    );
    exchange.stop();
    let list = office.run("device list --json").json();
    assert_eq!(list.as_array().map(Vec::len), Some(2));
}
