//! Peers that send what they should not, and machines that lack what they should have. The exchange
//! goes on serving, or says clearly why it cannot.

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use fernamt_interop::exchange::{Exchange, Setup};
use fernamt_interop::lab::{Lab, skip};
use fernamt_interop::phone::Phone;
use fernamt_interop::process::{Ended, run};
use fernamt_interop::sipp::{self, SIPP, Sipp};
use fernamt_interop::wait::{SOON, until_true};
use fernamt_interop::wire::{
    assert_alive_by_tcp, assert_alive_by_udp, assert_alive_on, is_closed_within, options,
    read_until, tcp, udp,
};

use crate::load::{LOAD_TIME, own_line};

/// The largest payload of a UDP datagram over IPv4.
const LARGEST_DATAGRAM: usize = 65_507;

/// How many connections are left half open, where this process may open so many files.
const HALF_OPEN: usize = 10_000;

/// How many connections the exchange takes meanwhile.
const CONNECTIONS: usize = 2_000;

/// The messages of RFC 4475, by name.
fn torture_messages() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sip/tests/rfc4475");
    let mut messages: Vec<(String, Vec<u8>)> = fs::read_dir(folder)
        .expect("the messages of RFC 4475 are in the crate sip")
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "dat"))
        // The archive of the RFC has one more, which none of its sections speaks of.
        .filter(|path| path.file_stem().is_some_and(|name| name != "test"))
        .map(|path| {
            let name = path
                .file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            (name, fs::read(&path).expect("a message can be read"))
        })
        .collect();
    messages.sort();
    assert_eq!(messages.len(), 49, "RFC 4475 has 49 messages");
    messages
}

/// Everything that a peer needs still works.
#[track_caller]
fn assert_well(exchange: &mut Exchange<'_>) {
    assert!(exchange.is_running(), "the exchange has ended");
    assert_alive_by_udp(exchange.sip());
    assert_alive_by_tcp(exchange.sip());
}

#[test]
fn the_exchange_goes_on_after_the_messages_of_rfc_4475_by_udp() {
    let lab = Lab::new();
    let mut exchange = Exchange::start(&lab);
    for (name, message) in torture_messages() {
        udp(exchange.sip())
            .send(&message)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_alive_by_udp(exchange.sip());
    }
    assert_well(&mut exchange);
    exchange.wait_calls(0, SOON);
    exchange.finish();
}

#[test]
fn the_exchange_goes_on_after_the_messages_of_rfc_4475_by_tcp() {
    let lab = Lab::new();
    let mut exchange = Exchange::start(&lab);
    for (_, message) in torture_messages() {
        let mut stream = tcp(exchange.sip());
        stream.write_all(&message).expect("a message can be sent");
        assert_alive_by_tcp(exchange.sip());
    }
    assert_well(&mut exchange);
    exchange.wait_calls(0, SOON);
    exchange.finish();
}

#[test]
fn oversized_and_empty_datagrams_change_nothing() {
    let lab = Lab::new();
    let mut exchange = Exchange::start(&lab);
    let socket = udp(exchange.sip());
    let own = socket.local_addr().expect("an address");
    let request = options(exchange.sip(), "UDP", own, "large");
    let endless = request.replace(
        "Max-Forwards",
        &format!("X-Endless: {}\r\nMax-Forwards", "x".repeat(60_000)),
    );
    let crowded = request.replace(
        "Max-Forwards",
        &format!("{}Max-Forwards", "X-Many: 1\r\n".repeat(5_000)),
    );
    for datagram in [
        vec![0; LARGEST_DATAGRAM],
        vec![b'A'; LARGEST_DATAGRAM],
        "INVITE ".repeat(9_000).into_bytes(),
        endless.into_bytes(),
        crowded.into_bytes(),
        Vec::new(),
        b"\r\n\r\n".to_vec(),
    ] {
        for _ in 0..20 {
            socket.send(&datagram).expect("a datagram can be sent");
        }
        assert_alive_by_udp(exchange.sip());
    }
    assert_well(&mut exchange);
    exchange.finish();
}

#[test]
fn a_wrong_content_length_by_tcp_ends_that_connection_and_no_other() {
    let lab = Lab::new();
    let mut exchange = Exchange::start(&lab);
    let mut good = tcp(exchange.sip());
    assert_alive_on(&mut good, "before");
    let own = good.local_addr().expect("an address");
    let request = options(exchange.sip(), "TCP", own, "wrong");
    for wrong in [
        "-1",
        "4294967296",
        "18446744073709551616",
        "99999999",
        "abc",
        "1 2",
        "",
    ] {
        let mut stream = tcp(exchange.sip());
        let text = request.replace("Content-Length: 0", &format!("Content-Length: {wrong}"));
        stream
            .write_all(text.as_bytes())
            .expect("a message can be sent");
        assert!(
            is_closed_within(&mut stream, SOON),
            "Content-Length: {wrong} leaves the connection open"
        );
        assert_alive_on(&mut good, &format!("after{}", wrong.len()));
    }
    // Too long by a few bytes: the rest may still come, and then it is a message.
    let mut slow = tcp(exchange.sip());
    let text = request.replace("Content-Length: 0", "Content-Length: 5");
    slow.write_all(text.as_bytes())
        .expect("a message can be sent");
    assert_alive_on(&mut good, "meanwhile");
    slow.write_all(b"hello").expect("the rest can be sent");
    slow.set_read_timeout(Some(Duration::from_millis(100)))
        .expect("a timeout can be set");
    let answer = read_until(&mut slow, SOON, |text| text.contains("SIP/2.0 "));
    assert!(answer.starts_with("SIP/2.0 "), "{answer}");
    assert_well(&mut exchange);
    exchange.finish();
}

#[test]
fn messages_in_pieces_and_several_at_once_by_tcp_are_all_answered() {
    let lab = Lab::new();
    let exchange = Exchange::start(&lab);
    let mut stream = tcp(exchange.sip());
    stream
        .set_read_timeout(Some(Duration::from_millis(100)))
        .expect("a timeout can be set");
    let own = stream.local_addr().expect("an address");
    let text: String = (0..20)
        .map(|number| options(exchange.sip(), "TCP", own, &format!("piece{number}")) + "\r\n\r\n")
        .collect();
    for piece in text.as_bytes().chunks(97) {
        stream.write_all(piece).expect("a piece can be sent");
    }
    let count = |text: &str| text.matches("SIP/2.0 200 ").count();
    let answers = read_until(&mut stream, SOON, |text| count(text) == 20);
    assert_eq!(count(&answers), 20, "{answers}");
    exchange.finish();
}

#[test]
fn thousands_of_half_open_connections_keep_nobody_out() {
    let lab = Lab::new();
    let settings =
        format!("[limits]\nconnections = {CONNECTIONS}\nconnections_per_source = {HALF_OPEN}\n");
    let mut exchange = Exchange::start_as(
        &lab,
        Setup {
            settings: Some(settings),
            ..Setup::default()
        },
    );
    let count = HALF_OPEN.min(open_files().saturating_sub(200));
    assert!(
        count > CONNECTIONS,
        "this process may not open enough files"
    );
    let server = exchange.sip();
    let mut half_open: Vec<TcpStream> = Vec::with_capacity(count);
    for number in 0..count {
        let mut stream = tcp(server);
        // Some say nothing, some begin a message that they never end.
        if number % 2 == 0 {
            stream
                .write_all(b"OPTIONS sip:example.org SIP/2.0\r\nVia: SIP/2.0/TCP ")
                .expect("a beginning can be sent");
        }
        half_open.push(stream);
    }
    assert_well(&mut exchange);
    assert!(exchange.status("connections") <= CONNECTIONS as u64);
    let anna = exchange.add_device("anna");
    let by_tcp = format!("{server};transport=tcp");
    let story = Phone::call(&lab, &anna, &by_tcp, "*43", &["--seconds", "1"]).finish();
    assert_eq!(story.exit_code, 0, "{story:?}");
    drop(half_open);
    until_true("the connections to be gone", SOON, || {
        exchange.status("connections") <= 1
    });
    assert_well(&mut exchange);
    exchange.finish();
}

/// How many files this process may open, once it has asked for as many as it can get.
fn open_files() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if setrlimit(Resource::Nofile, raised).is_ok() {
        limit = raised;
    }
    limit.current.map_or(usize::MAX, |files| {
        usize::try_from(files).unwrap_or(usize::MAX)
    })
}

#[test]
fn half_a_tls_handshake_is_ended_and_others_are_served_meanwhile() {
    let lab = Lab::new();
    let mut exchange = Exchange::start(&lab);
    // A record that announces a ClientHello of 512 bytes, and its beginning.
    let beginning = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 1, 2, 3, 4];
    let mut halves: Vec<TcpStream> = (0..100)
        .map(|number| {
            let mut stream = tcp(exchange.tls());
            let said: &[u8] = if number % 3 == 0 { &[] } else { &beginning };
            stream.write_all(said).expect("a beginning can be sent");
            stream
        })
        .collect();
    let mut plain = tcp(exchange.tls());
    plain
        .write_all(options(exchange.tls(), "TLS", exchange.sip(), "plain").as_bytes())
        .expect("plain text can be sent");
    assert!(
        is_closed_within(&mut plain, SOON),
        "plain text on the TLS port is kept waiting"
    );
    let anna = exchange.add_device("anna");
    let by_tls = format!("{};transport=tls", exchange.tls());
    let options = ["--seconds", "1", "--insecure"];
    let story = Phone::call(&lab, &anna, &by_tls, "*43", &options).finish();
    assert_eq!(story.exit_code, 0, "{story:?}");
    for half in &mut halves {
        assert!(
            is_closed_within(half, SOON * 2),
            "half a handshake is kept for ever"
        );
    }
    assert_well(&mut exchange);
    exchange.finish();
}

#[test]
fn an_offer_with_a_thousand_media_lines_is_refused() {
    let Some(lab) = Lab::with(&[SIPP]) else {
        return;
    };
    let mut exchange = Exchange::start(&lab);
    exchange.import_devices("a", 1);
    let setup = sipp::Setup {
        lines: vec![format!("{};*43;9", own_line("a", 0))],
        replaced: vec![(
            "m=audio [field3] RTP/AVP 8 0\n".to_owned(),
            "m=audio 9 RTP/AVP 8 0\n".repeat(1_000),
        )],
        ..sipp::Setup::new(&lab, "refused", exchange.sip())
    };
    let mut sipp = Sipp::start(&lab, "refused", &setup);
    sipp.finish_all(1, LOAD_TIME);
    assert!(sipp.log().contains(" 400"), "{}", sipp.log());
    assert_well(&mut exchange);
    exchange.wait_calls(0, SOON);
    exchange.finish();
}

#[test]
fn a_call_that_finds_no_media_port_is_refused_and_the_others_go_on() {
    let lab = Lab::new();
    // One call has two sides of two ports each; the echo has one side.
    let exchange = Exchange::start_as(
        &lab,
        Setup {
            media_ports: 4,
            ..Setup::default()
        },
    );
    let server = exchange.sip().to_string();
    let phones = ["anna", "bert", "carl"].map(|user| exchange.add_device(user));
    let mut talking: Vec<Phone> = phones[..2]
        .iter()
        .map(|own| {
            Phone::call(
                &lab,
                own,
                &server,
                "*43",
                &["--tone", "700", "--seconds", "5"],
            )
        })
        .collect();
    exchange.wait_calls(2, SOON);
    let story = Phone::call(&lab, &phones[2], &server, "*43", &[]).finish();
    assert_eq!(
        (story.exit_code, story.status),
        (14, Some(503)),
        "{story:?}"
    );
    for phone in &mut talking {
        assert_eq!(phone.finish().exit_code, 0);
        phone.heard().assert_tone(700, 4.0);
    }
    // Ports rest for a short time after a call, so that nobody hears the end of another one.
    let mut refused = 1;
    until_true("a port to be given back", SOON, || {
        let last = Phone::call(&lab, &phones[2], &server, "*43", &["--seconds", "1"]).finish();
        refused += usize::from(last.exit_code == 14);
        last.exit_code == 0
    });
    let records = exchange.wait_records(3 + refused);
    let record = records.iter().find(|record| record.status == Some(503));
    let journal = exchange.journal(&record.expect("the refused call has a record").call);
    let decided: Vec<String> = journal.iter().map(ToString::to_string).collect();
    assert!(
        decided.iter().any(|line| line.contains("port")),
        "the journal does not tell why: {decided:?}"
    );
    exchange.finish();
}

/// Starts an exchange that must fail; what it said.
#[track_caller]
fn start_in_vain(lab: &Lab, exchange: &Exchange<'_>, exit_code: i32) -> String {
    let Ended { code, out, err } = run(lab, "in-vain", &mut exchange.serve_command(), SOON);
    assert_eq!(code, Some(exit_code), "{out}{err}");
    assert!(!err.contains("panicked"), "{err}");
    err.lines().last().unwrap_or("").to_owned()
}

#[test]
fn a_port_in_use_is_told_with_the_remedy() {
    let lab = Lab::new();
    let exchange = Exchange::prepare(&lab, Setup::default());
    let server = exchange.sip();
    let _other = std::net::UdpSocket::bind(server).expect("the port is free");
    let said = start_in_vain(&lab, &exchange, 5);
    assert!(said.contains(&server.port().to_string()), "{said}");
    assert!(said.contains("already in use"), "{said}");
    assert!(said.contains("--sip"), "{said}");
}

#[test]
fn a_data_folder_in_use_is_told_and_left_alone() {
    let lab = Lab::new();
    let mut exchange = Exchange::start(&lab);
    let other = Exchange::prepare(&lab, Setup::default());
    let said = start_in_vain(&lab, &other, 5);
    assert!(
        said.contains(&exchange.data().display().to_string()),
        "{said}"
    );
    assert_well(&mut exchange);
    exchange.finish();
}

#[test]
fn a_wrong_key_in_the_settings_is_told_with_file_and_line() {
    let lab = Lab::new();
    let settings = "[listen]\nudp = true\n\n[identity]\nrealmm = \"office\"\n";
    let exchange = Exchange::prepare(
        &lab,
        Setup {
            settings: Some(settings.to_owned()),
            ..Setup::default()
        },
    );
    let said = start_in_vain(&lab, &exchange, 6);
    for part in ["settings.toml", "5", "realmm"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(
        !exchange.data().join("fernamt.db").exists(),
        "it began nevertheless"
    );
}

#[test]
fn a_corrupt_database_is_told_and_left_as_it_is() {
    let lab = Lab::new();
    let mut exchange = Exchange::start(&lab);
    exchange.add_device("anna");
    exchange.terminate();
    let database = exchange.data().join("fernamt.db");
    for ending in ["-wal", "-shm"] {
        let _ = fs::remove_file(exchange.data().join(format!("fernamt.db{ending}")));
    }
    let whole = fs::read(&database).expect("the database can be read");
    let mut corrupt = whole.clone();
    for byte in corrupt.iter_mut().take(2_000) {
        *byte = 0x5a;
    }
    fs::write(&database, &corrupt).expect("the database can be written");
    let said = start_in_vain(&lab, &exchange, 1);
    assert!(said.contains("fernamt.db"), "{said}");
    assert_eq!(fs::read(&database).expect("it is still there"), corrupt);
    fs::write(&database, &whole).expect("the database can be written");
    exchange.start_again();
    assert_eq!(exchange.ask_json(&["device", "list"])[0]["user"], "anna");
    exchange.finish();
}

/// A small disk that is there until the end of a test.
struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Makes one; an error says why this machine does not allow it.
    fn make(lab: &Lab, megabytes: u32) -> Result<SmallDisk, String> {
        let folder = lab.make_folder("disk");
        let mut command = Command::new("mount");
        command
            .args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"])
            .arg(&folder);
        let ended = run(lab, "mount", &mut command, SOON);
        match ended.code {
            Some(0) => Ok(SmallDisk { folder }),
            _ => Err(ended.err),
        }
    }

    /// Fills it to the last byte; the file that does.
    fn fill(&self) -> PathBuf {
        let path = self.folder.join("filler");
        let mut file = fs::File::create(&path).expect("a file can be made");
        for size in [65_536, 4_096, 512, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.folder).output();
    }
}

#[test]
fn a_full_disk_refuses_calls_that_could_not_be_recorded_and_loses_nothing() {
    let lab = Lab::new();
    let disk = match SmallDisk::make(&lab, 48) {
        Ok(disk) => disk,
        Err(why) => return skip(&format!("no small disk can be made here: {why}")),
    };
    let mut exchange = Exchange::start_as(
        &lab,
        Setup {
            data: Some(disk.folder.join("data")),
            ..Setup::default()
        },
    );
    let anna = exchange.add_device("anna");
    let server = exchange.sip().to_string();
    let echo =
        |seconds: &str| Phone::call(&lab, &anna, &server, "*43", &["--seconds", seconds]).finish();
    assert_eq!(echo("1").exit_code, 0);
    let filler = disk.fill();
    // A journal may have been given its room before; it is used up first.
    let mut refused = None;
    for _ in 0..200 {
        let story = echo("0");
        if story.exit_code != 0 {
            refused = Some(story);
            break;
        }
    }
    let refused = refused.expect("calls are answered that cannot be recorded");
    assert_eq!(refused.status, Some(503), "{refused:?}");
    assert_well(&mut exchange);
    let log = exchange.log();
    assert!(
        log.contains("No space left") || log.contains("full"),
        "the log does not tell: {log}"
    );
    fs::remove_file(filler).expect("a file can be removed");
    until_true("calls to be answered again", SOON, || {
        echo("1").exit_code == 0
    });
    exchange.wait_calls(0, SOON);
    let answered = exchange
        .records()
        .iter()
        .filter(|it| it.answer.is_some())
        .count() as u64;
    assert_eq!(
        answered,
        exchange.status("calls_answered"),
        "records were lost"
    );
    exchange.terminate_quietly();
}
