//! Bare SIP over UDP and TCP, as a hostile or clumsy peer would send it. No user agent: nothing is
//! retransmitted, and an answer is only text.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use crate::wait::SOON;

/// How long one attempt to get an answer takes; UDP may lose a packet when the machine is busy.
const ATTEMPT: Duration = Duration::from_secs(2);

/// The longest answer that is looked at.
const LONGEST_ANSWER: usize = 65_535;

/// A well-formed OPTIONS request to a server; `mark` tells one from another.
pub fn options(server: SocketAddr, transport: &str, own: SocketAddr, mark: &str) -> String {
    format!(
        "OPTIONS sip:{server} SIP/2.0\r\n\
         Via: SIP/2.0/{transport} {own};branch=z9hG4bK-{mark};rport\r\n\
         Max-Forwards: 70\r\n\
         From: <sip:probe@{own}>;tag={mark}\r\n\
         To: <sip:{server}>\r\n\
         Call-ID: {mark}@probe\r\n\
         CSeq: 1 OPTIONS\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

/// A socket of its own that talks to one server.
///
/// # Panics
/// When there is none.
pub fn udp(server: SocketAddr) -> UdpSocket {
    let own: SocketAddr = match server {
        SocketAddr::V4(_) => ([127, 0, 0, 1], 0).into(),
        SocketAddr::V6(_) => ([0u16, 0, 0, 0, 0, 0, 0, 1], 0).into(),
    };
    let socket = UdpSocket::bind(own).expect("a UDP socket can be made");
    socket.connect(server).expect("a UDP socket can be aimed");
    socket
}

/// Receives one datagram.
pub fn receive(socket: &UdpSocket, within: Duration) -> Option<String> {
    socket
        .set_read_timeout(Some(within.max(Duration::from_millis(1))))
        .expect("a timeout can be set");
    let mut buffer = vec![0; LONGEST_ANSWER];
    let length = socket.recv(&mut buffer).ok()?;
    Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
}

/// The status of an answer.
pub fn status(answer: &str) -> Option<u16> {
    let rest = answer.strip_prefix("SIP/2.0 ")?;
    rest.get(..3)?.parse().ok()
}

/// The server must answer OPTIONS by UDP.
///
/// # Panics
/// When it does not.
#[track_caller]
pub fn assert_alive_by_udp(server: SocketAddr) {
    let socket = udp(server);
    let own = socket.local_addr().expect("a socket has an address");
    let deadline = Instant::now() + SOON;
    let mut attempt = 0;
    while Instant::now() < deadline {
        attempt += 1;
        let mark = format!("alive-{}-{attempt}", own.port());
        let request = options(server, "UDP", own, &mark);
        let _ = socket.send(request.as_bytes());
        if receive(&socket, ATTEMPT).is_some_and(|answer| status(&answer) == Some(200)) {
            return;
        }
    }
    panic!("{server} does not answer OPTIONS by UDP");
}

/// Opens a TCP connection.
///
/// # Panics
/// When it is refused.
#[track_caller]
pub fn tcp(server: SocketAddr) -> TcpStream {
    TcpStream::connect_timeout(&server, SOON)
        .unwrap_or_else(|error| panic!("no TCP connection to {server}: {error}"))
}

/// Reads from a stream until the text satisfies, the stream ends, or the time is over.
pub fn read_until(
    stream: &mut impl std::io::Read,
    deadline: Duration,
    satisfies: impl Fn(&str) -> bool,
) -> String {
    let end = Instant::now() + deadline;
    let mut text = String::new();
    let mut buffer = vec![0; LONGEST_ANSWER];
    while !satisfies(&text) && Instant::now() < end {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => text.push_str(&String::from_utf8_lossy(&buffer[..length])),
            Err(error) if is_timeout(&error) => {}
            Err(_) => break,
        }
    }
    text
}

fn is_timeout(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), WouldBlock | TimedOut | Interrupted)
}

/// The server must answer OPTIONS on this connection.
///
/// # Panics
/// When it does not.
#[track_caller]
pub fn assert_alive_on(stream: &mut TcpStream, mark: &str) {
    let server = stream.peer_addr().expect("a connection has an end");
    let own = stream.local_addr().expect("a connection has an end");
    stream
        .set_read_timeout(Some(Duration::from_millis(100)))
        .expect("a timeout can be set");
    stream
        .write_all(options(server, "TCP", own, mark).as_bytes())
        .unwrap_or_else(|error| panic!("the connection to {server} is gone: {error}"));
    let answer = read_until(stream, SOON, |text| {
        text.contains(mark) && text.ends_with("\r\n")
    });
    assert!(
        answer.contains("SIP/2.0 200 ") && answer.contains(mark),
        "{server} does not answer OPTIONS on this connection: {answer:?}"
    );
}

/// The server must answer OPTIONS on a new TCP connection.
///
/// # Panics
/// When it does not.
#[track_caller]
pub fn assert_alive_by_tcp(server: SocketAddr) {
    assert_alive_on(&mut tcp(server), "alive-by-tcp");
}

/// Whether the other side closes the connection in time.
pub fn is_closed_within(stream: &mut TcpStream, deadline: Duration) -> bool {
    stream
        .set_read_timeout(Some(Duration::from_millis(100)))
        .expect("a timeout can be set");
    let end = Instant::now() + deadline;
    let mut buffer = [0; 4096];
    while Instant::now() < end {
        match stream.read(&mut buffer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) if is_timeout(&error) => {}
            Err(_) => return true,
        }
    }
    false
}
