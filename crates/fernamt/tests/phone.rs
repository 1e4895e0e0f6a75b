//! `fernamt call`: two of them call each other, without an exchange between.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests may"
)]

mod support;

use support::{Office, fernamt, free_port, write_tone};

/// One phone waits, the other calls it.
fn pair(answer: &str, call: &str) -> (support::Said, support::Said) {
    let office = Office::new();
    let port = free_port();
    let wait = if answer.contains("--wait") {
        ""
    } else {
        "--wait 30"
    };
    let waiting = office.start(&format!(
        "call --answer --listen 127.0.0.1:{port} {wait} {answer}"
    ));
    support::wait_until("a phone that listens", || {
        std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    let called = office.run(&call.replace("PORT", &port.to_string()));
    (waiting.end(), called)
}

#[test]
fn two_phones_hear_each_others_tone_and_files() {
    let office = Office::new();
    let (played, heard) = (office.path("played.wav"), office.path("heard.wav"));
    write_tone(&played, 44_100, 1_200.0, 5);
    let (answered, called) = pair(
        &format!("--play {} --loop --json", played.display()),
        &format!(
            "call sip:x@127.0.0.1:PORT --tone 700 --seconds 3 --record {} --json",
            heard.display()
        ),
    );
    let (answered, called) = (answered.ends_with(0).json(), called.ends_with(0).json());
    let tone = called["tone"]["frequency_hz"].as_f64().expect("a tone");
    assert!((tone - 1_200.0).abs() < 3.0, "{called}");
    let tone = answered["tone"]["frequency_hz"].as_f64().expect("a tone");
    assert!((tone - 700.0).abs() < 3.0, "{answered}");
    assert_eq!(called["outcome"], "completed");
    assert_eq!(
        (&called["released_by"], &answered["released_by"]),
        (&"here".into(), &"there".into())
    );
    assert!(
        called["packets_received"]
            .as_u64()
            .is_some_and(|count| count > 100),
        "{called}"
    );
    assert!(
        called["heard"]["mos"].as_f64().is_some_and(|mos| mos > 3.5),
        "{called}"
    );
    assert!(called["heard"]["cause"].is_string() && called["setup"].is_number());
    assert_eq!(called["call_id"], answered["call_id"]);
    let bytes = std::fs::read(&heard).expect("a recording");
    assert_eq!(bytes.get(..4), Some(&b"RIFF"[..]));
    assert!(bytes.len() > 2 * 16_000, "{}", bytes.len());
}

#[test]
fn the_lines_tell_what_happened_and_how_good_it_was() {
    let (answered, called) = pair("--ring 0.3", "call sip:x@127.0.0.1:PORT --seconds 1");
    let called = called.ends_with(0);
    for part in [
        "calling sip:x@",
        "180 Ringing",
        "answered after",
        "hung up",
        "MOS",
        "jitter",
    ] {
        assert!(called.out.contains(part), "{part}: {}", called.out);
    }
    let answered = answered.ends_with(0);
    for part in [
        "waiting for a call on",
        "a call from",
        "the other side hung up",
        "MOS",
    ] {
        assert!(answered.out.contains(part), "{part}: {}", answered.out);
    }
}

#[test]
fn a_call_over_tcp_is_like_one_over_udp() {
    let (answered, called) = pair("", "call sip:x@127.0.0.1:PORT;transport=tcp --seconds 0.5");
    called.ends_with(0).says("by TCP");
    answered.ends_with(0);
}

#[test]
fn two_phones_encrypt_unless_one_of_them_is_told_not_to() {
    let suite = "AES_CM_128_HMAC_SHA1_80";
    for (answer, call, encrypted) in [
        ("", "", true),
        ("--encryption required", "--encryption required", true),
        ("--encryption never", "", false),
    ] {
        let (answered, called) = pair(
            &format!("{answer} --json"),
            &format!("call sip:x@127.0.0.1:PORT {call} --tone 700 --seconds 1 --json"),
        );
        let (answered, called) = (answered.ends_with(0).json(), called.ends_with(0).json());
        for said in [&answered, &called] {
            assert_eq!(said["encrypted"], encrypted, "{said}");
            assert_eq!(said["crypto_suite"].as_str(), encrypted.then_some(suite));
            assert_eq!(said["packets_unauthentic"], 0);
        }
        let tone = answered["tone"]["frequency_hz"].as_f64().expect("a tone");
        assert!((tone - 700.0).abs() < 3.0, "{answered}");
    }
    let (_, called) = pair(
        "--encryption required --wait 3",
        "call sip:x@127.0.0.1:PORT --encryption never",
    );
    called.ends_with(12).says("no encryption in common");
}

#[test]
fn busy_declined_and_no_codec_have_their_exit_codes() {
    let (answered, called) = pair("--reject 486", "call sip:x@127.0.0.1:PORT");
    called.ends_with(17).says("busy");
    answered.ends_with(21).says("refused as asked");
    let (_, called) = pair("--reject 603", "call sip:x@127.0.0.1:PORT");
    called.ends_with(21).says("declined");
    let (_, called) = pair(
        "--codec pcma --wait 3",
        "call sip:x@127.0.0.1:PORT --codec pcmu --json",
    );
    let called = called.ends_with(12).json();
    assert_eq!(
        (&called["outcome"], &called["status"]),
        (&"not_acceptable".into(), &488.into())
    );
}

#[test]
fn a_caller_who_gives_up_cancels_the_ringing() {
    let (answered, called) = pair("--ring 20", "call sip:x@127.0.0.1:PORT --wait 1");
    called.ends_with(19).says("it rang, but nobody answered");
    answered.ends_with(20).says("the caller gave up");
}

#[test]
fn an_interrupted_phone_hangs_up_and_finishes_its_recording() {
    let office = Office::new();
    let port = free_port();
    let heard = office.path("heard.wav");
    let waiting = office.start(&format!(
        "call --answer --listen 127.0.0.1:{port} --tone 500 --record {}",
        heard.display()
    ));
    let calling = office.start(&format!("call sip:x@127.0.0.1:{port} --tone 700 --json"));
    support::wait_until("a recording", || {
        std::fs::metadata(&heard).is_ok_and(|file| file.len() > 16_000)
    });
    waiting.signal("INT");
    waiting.end().ends_with(0).says("hung up here");
    let called = calling.end().ends_with(0).json();
    assert_eq!(called["released_by"], "there");
    let bytes = std::fs::read(&heard).expect("a recording");
    let length = u32::from_le_bytes(bytes[40..44].try_into().expect("four bytes"));
    assert_eq!(length as usize, bytes.len() - 44);
}

#[test]
fn nobody_calls_and_nobody_is_there() {
    let office = Office::new();
    let port = free_port();
    let said = office.run(&format!(
        "call --answer --listen 127.0.0.1:{port} --wait 0.5"
    ));
    said.ends_with(19).says("nobody called");
    let said = office.run(&format!("call sip:x@127.0.0.1:{port} --wait 1"));
    said.ends_with(18);
    let said = office.run(&format!("call sip:x@127.0.0.1:{port};transport=tcp"));
    said.ends_with(13).complains("cannot connect");
    office
        .run("call sip:x@name.invalid")
        .ends_with(13)
        .complains("name.invalid");
}

#[test]
fn what_cannot_be_done_is_told_before_anything_is_sent() {
    let office = Office::new();
    let wav = office.file("text.wav", "no sound");
    let to = "call sip:x@127.0.0.1:9";
    office
        .run(&format!("{to} --play {}", wav.display()))
        .ends_with(1)
        .complains("text.wav");
    office
        .run(&format!("{to} --play missing.wav"))
        .ends_with(1)
        .complains("missing.wav");
    office
        .run(&format!("{to} --record /nowhere/x.wav"))
        .ends_with(1)
        .complains("/nowhere/x.wav");
    office.run("call anna").ends_with(2).complains("--server");
    office
        .run("call sip:@")
        .ends_with(2)
        .complains("no SIP address");
    office
        .run(&format!("{to};transport=sctp"))
        .ends_with(2)
        .complains("sctp");
    office
        .run("call --answer")
        .ends_with(2)
        .complains("--listen");
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("its number").port();
    let said = office.run(&format!("call --answer --listen 127.0.0.1:{port}"));
    said.ends_with(5).complains(&port.to_string());
    fernamt(&["call"]).ends_with(2).complains("URI");
}

#[test]
fn a_trace_shows_messages_without_credentials() {
    let (_, called) = pair("", "call sip:x@127.0.0.1:PORT --seconds 0.2 --trace");
    let called = called.ends_with(0);
    assert!(
        called.err.contains(">>> to UDP") && called.err.contains("INVITE sip:x@"),
        "{called:?}"
    );
    assert!(
        called.err.contains("<<< from UDP") && called.err.contains("200 OK"),
        "{called:?}"
    );
}
