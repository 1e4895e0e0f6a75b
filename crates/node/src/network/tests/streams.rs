use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fernamt_sip::stream::{Frame, Framer};
use fernamt_sip::transport::Transport;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::double::{Options, PATIENCE, Seen, TestNetwork, request};
use crate::config::Listen;
use crate::error::NodeError;
use crate::transport::stream::Times;

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Reads until `count` messages have come.
fn messages(stream: &mut impl Read, count: usize) -> Vec<String> {
    let mut framer = Framer::new();
    let mut messages = Vec::new();
    let mut buffer = [0; 4096];
    while messages.len() < count {
        let length = stream.read(&mut buffer).unwrap();
        assert_ne!(length, 0, "closed after {messages:?}");
        framer.push(&buffer[..length]).unwrap();
        while let Some(frame) = framer.next_frame().unwrap() {
            if let Frame::Message(bytes) = frame {
                messages.push(String::from_utf8(bytes.to_vec()).unwrap());
            }
        }
    }
    messages
}

fn is_closed(stream: &mut impl Read) -> bool {
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => true,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

fn tls_client(network: &TestNetwork) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(network.certificate()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    StreamOwned::new(connection, connect(network.address(Transport::Tls)))
}

#[test]
fn split_and_pipelined_messages_are_answered_one_by_one() {
    let network = TestNetwork::start(Options::loopback());
    let mut stream = connect(network.address(Transport::Tcp));
    let two = format!("{}{}", request("first"), request("second"));
    for piece in two.as_bytes().chunks(7) {
        stream.write_all(piece).unwrap();
    }
    let answers = messages(&mut stream, 2);
    assert!(
        answers[0].starts_with("SIP/2.0 200 0 TCP 127.0.0.1:"),
        "{answers:?}"
    );
}

#[test]
fn a_ping_is_answered_with_a_pong() {
    let network = TestNetwork::start(Options::loopback());
    let mut stream = connect(network.address(Transport::Tcp));
    stream.write_all(b"\r\n\r\n").unwrap();
    let mut pong = [0; 2];
    stream.read_exact(&mut pong).unwrap();
    assert_eq!(&pong, b"\r\n");
}

#[test]
fn wrong_framing_closes_the_connection() {
    let network = TestNetwork::start(Options::loopback());
    for wrong in [
        "OPTIONS sip:x SIP/2.0\r\n\r\n",
        "\x16\x03\x01\x02\x00",
        "OPTIONS sip:x SIP/2.0\r\nl: -1\r\n\r\n",
    ] {
        let mut stream = connect(network.address(Transport::Tcp));
        stream.write_all(wrong.as_bytes()).unwrap();
        assert!(is_closed(&mut stream), "{wrong:?}");
    }
}

#[test]
fn everyone_hears_once_that_a_connection_is_closed() {
    let mut options = Options::loopback();
    options.shards = 2;
    let network = TestNetwork::start(options);
    let mut stream = connect(network.address(Transport::Tcp));
    stream.write_all(request("").as_bytes()).unwrap();
    messages(&mut stream, 1);
    let Seen::Message { flow, .. } = network.next() else {
        panic!()
    };
    drop(stream);
    let mut closed = [network.next(), network.next()];
    closed.sort_by_key(|seen| matches!(seen, Seen::Closed(1, _)));
    let id = flow.connection.unwrap();
    assert_eq!(closed, [Seen::Closed(0, id), Seen::Closed(1, id)]);
    assert!(
        network
            .seen
            .recv_timeout(Duration::from_millis(100))
            .is_err()
    );
}

#[test]
fn a_connection_that_never_spoke_is_news_to_nobody() {
    let network = TestNetwork::start(Options::loopback());
    drop(connect(network.address(Transport::Tcp)));
    assert!(
        network
            .seen
            .recv_timeout(Duration::from_millis(200))
            .is_err()
    );
}

#[test]
fn tls_with_the_certificate_made_at_first_start() {
    let network = TestNetwork::start(Options::loopback());
    let mut stream = tls_client(&network);
    stream.write_all(request("").as_bytes()).unwrap();
    assert!(messages(&mut stream, 1)[0].starts_with("SIP/2.0 200 0 TLS 127.0.0.1:"));
}

#[test]
fn a_connection_is_opened_for_a_message_and_used_again() {
    let network = TestNetwork::start(Options::loopback());
    let peer = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut stream = connect(network.address(Transport::Tcp));
    let open = request(&format!("OPEN tcp {}", peer.local_addr().unwrap()));
    stream
        .write_all(format!("{open}{open}").as_bytes())
        .unwrap();
    let (mut accepted, _) = peer.accept().unwrap();
    accepted.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(messages(&mut accepted, 2).len(), 2);
    accepted.write_all(request("back").as_bytes()).unwrap();
    assert_eq!(messages(&mut accepted, 1).len(), 1);
}

#[test]
fn a_connection_that_cannot_be_opened_is_reported() {
    let network = TestNetwork::start(Options::loopback());
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut stream = connect(network.address(Transport::Tcp));
    stream
        .write_all(request(&format!("OPEN tcp {nobody}")).as_bytes())
        .unwrap();
    loop {
        match network.next() {
            Seen::SendFailed(flow) => break assert_eq!(flow.remote, nobody),
            Seen::Message { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_certificate_for_another_name_is_refused() {
    let server = TestNetwork::start(Options::loopback());
    let mut options = Options::loopback();
    options.authorities = Some(server.certificate());
    let client = TestNetwork::start(options);
    let mut stream = connect(client.address(Transport::Tcp));
    let address = server.address(Transport::Tls);
    stream
        .write_all(request(&format!("OPEN tls {address} localhost")).as_bytes())
        .unwrap();
    assert!(matches!(server.next(), Seen::Message { .. }));
    stream
        .write_all(request(&format!("OPEN tls {address} other.example")).as_bytes())
        .unwrap();
    let failed = loop {
        match client.next() {
            Seen::SendFailed(flow) => break flow,
            Seen::Message { .. } => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(failed.remote, address);
    assert!(
        server
            .seen
            .recv_timeout(Duration::from_millis(100))
            .is_err()
    );
}

#[test]
fn tcp_close_race() {
    let network = TestNetwork::start(Options::loopback());
    let address = network.address(Transport::Tcp);
    for number in 0..200 {
        let mut stream = connect(address);
        stream.write_all(request("").as_bytes()).unwrap();
        match number % 3 {
            0 => drop(stream),
            1 => stream.shutdown(Shutdown::Both).unwrap(),
            _ => stream.shutdown(Shutdown::Read).unwrap(),
        }
    }
    let mut opened = std::collections::HashSet::new();
    let mut closed = std::collections::HashSet::new();
    while closed.len() < 200 {
        match network.next() {
            Seen::Message { flow, .. } => assert!(opened.insert(flow.connection.unwrap())),
            Seen::Closed(_, id) => {
                assert!(opened.contains(&id), "{id:?} {opened:?}");
                assert!(closed.insert(id), "{id:?} closed twice");
            }
            Seen::SendFailed(_) => {}
        }
    }
    let mut stream = connect(address);
    stream.write_all(request("").as_bytes()).unwrap();
    assert_eq!(messages(&mut stream, 1).len(), 1);
}

#[test]
fn one_connection_more_than_a_source_may_have_is_closed() {
    let mut options = Options::loopback();
    options.trusted = false;
    options.limits.per_source = 5;
    let network = TestNetwork::start(options);
    let address = network.address(Transport::Tcp);
    let mut kept: Vec<TcpStream> = (0..5).map(|_| connect(address)).collect();
    for stream in &mut kept {
        stream.write_all(request("").as_bytes()).unwrap();
        messages(stream, 1);
    }
    assert!(is_closed(&mut connect(address)));
    kept[0].write_all(request("").as_bytes()).unwrap();
    messages(&mut kept[0], 1);
}

/// As many as the limit of open files allows: both ends are in this process.
#[test]
fn ten_thousand_half_open_connections_do_no_harm() {
    let mut options = Options::loopback();
    options.limits.total = 5_000;
    let network = TestNetwork::start(options);
    let address = network.address(Transport::Tcp);
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let wanted = (files.unwrap_or(65_536) as usize)
        .saturating_sub(6_000)
        .min(10_000);
    eprintln!("half-open connections: {wanted} of 10,000 (limit of open files {files:?})");
    let mut idle = Vec::new();
    for number in 0..wanted {
        let mut stream = connect(address);
        if number % 2 == 0 {
            let _ = stream.write_all(b"OPTIONS sip:x SIP/2.0\r\nCall-ID: ");
        }
        idle.push(stream);
    }
    assert!(network.network.streams.open_connections() <= 5_000);
    let start = Instant::now();
    let mut stream = connect(address);
    stream.write_all(request("").as_bytes()).unwrap();
    messages(&mut stream, 1);
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
    // Those that were given up for newer ones are the oldest.
    if wanted > 6_000 {
        assert!(is_closed(&mut idle[0]));
    }
}

#[test]
fn half_a_tls_handshake_does_no_harm() {
    let network = TestNetwork::start(Options::loopback());
    let mut halves = Vec::new();
    for _ in 0..200 {
        let mut stream = connect(network.address(Transport::Tls));
        // The first bytes of a ClientHello of 512 bytes.
        stream
            .write_all(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
            .unwrap();
        halves.push(stream);
    }
    let mut stream = tls_client(&network);
    stream.write_all(request("").as_bytes()).unwrap();
    messages(&mut stream, 1);
    drop(halves);
}

/// Short times for everything that a peer can drag out.
fn impatient() -> Options {
    let mut options = Options::loopback();
    let short = Duration::from_millis(300);
    options.times = Times {
        handshake: short,
        first_message: short,
        message: short,
        write: short,
    };
    options
}

#[test]
fn a_peer_that_drags_out_a_handshake_or_a_message_is_closed() {
    let network = TestNetwork::start(impatient());
    let mut half_hello = connect(network.address(Transport::Tls));
    half_hello.write_all(b"\x16\x03\x01\x02\x00\x01").unwrap();
    let mut half_request = connect(network.address(Transport::Ws));
    half_request.write_all(b"GET /sip HTTP/1.1\r\n").unwrap();
    let mut silent = connect(network.address(Transport::Tcp));
    let mut only_pings = connect(network.address(Transport::Tcp));
    only_pings.write_all(b"\r\n\r\n").unwrap();
    for stream in [
        &mut half_hello,
        &mut half_request,
        &mut silent,
        &mut only_pings,
    ] {
        assert!(is_closed(stream));
    }
    // One byte at a time keeps no message alive either, also on a connection that has proved itself.
    let mut slow = connect(network.address(Transport::Tcp));
    slow.write_all(request("").as_bytes()).unwrap();
    messages(&mut slow, 1);
    let start = Instant::now();
    for byte in request("").bytes().cycle() {
        // The last byte of a message is never sent.
        let byte = if byte == b'\n' { b' ' } else { byte };
        if slow.write_all(&[byte]).is_err() {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "it is still open");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(network.network.streams.open_connections(), 0);
}

#[test]
fn a_connection_on_which_nothing_comes_is_closed_after_the_idle_time() {
    let mut options = Options::loopback();
    options.limits.idle = Duration::from_millis(500);
    let network = TestNetwork::start(options);
    let mut stream = connect(network.address(Transport::Tcp));
    for _ in 0..4 {
        std::thread::sleep(Duration::from_millis(200));
        stream.write_all(request("").as_bytes()).unwrap();
        messages(&mut stream, 1);
    }
    assert!(is_closed(&mut stream));
}

#[test]
fn a_peer_that_does_not_read_is_closed() {
    let network = TestNetwork::start(impatient());
    let mut stream = connect(network.address(Transport::Tcp));
    stream
        .set_write_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let many = request("").repeat(1000);
    let start = Instant::now();
    while stream.write_all(many.as_bytes()).is_ok() {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "it is still open"
        );
    }
}

#[test]
fn a_tcp_port_in_use_is_an_error_and_a_tls_port_beside_it_is_not() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut options = Options::loopback();
    options.listen.udp = false;
    options.listen.sip = vec![holder.local_addr().unwrap()];
    assert!(matches!(
        TestNetwork::try_start(options).err(),
        Some(NodeError::PortTaken {
            transport: Transport::Tcp,
            ..
        })
    ));
    // The same port, now as the one beside the SIP port.
    let beside = holder.local_addr().unwrap();
    let sip = SocketAddr::new(beside.ip(), beside.port() - 1);
    let mut options = Options::loopback();
    options.listen.sip = vec![sip];
    if let Ok(network) = TestNetwork::try_start(options) {
        let served = &network.network.addresses;
        assert!(
            !served
                .iter()
                .any(|(transport, _)| *transport == Transport::Tls)
        );
        assert!(
            served
                .iter()
                .any(|(transport, _)| *transport == Transport::Tcp)
        );
    }
    let mut options = Options::loopback();
    options.listen.tls = Listen::At(vec![beside]);
    assert!(matches!(
        TestNetwork::try_start(options).err(),
        Some(NodeError::PortTaken {
            transport: Transport::Tls,
            ..
        })
    ));
}
