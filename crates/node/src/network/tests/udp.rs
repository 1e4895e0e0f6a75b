use std::net::{SocketAddr, UdpSocket};

use fernamt_sip::transport::{Flow, Transport};

use std::time::Duration;

use super::double::{Options, PATIENCE, Seen, TestNetwork, reply, request};
use crate::config::{Listen, ListenConfig};
use crate::error::NodeError;
use crate::shard::MAX_BATCHES;
use crate::transport::udp::BATCH;

/// Nothing more comes after this.
const IDLE: Duration = Duration::from_millis(500);

fn udp_only(address: &str) -> Options {
    let mut options = Options::loopback();
    options.listen = ListenConfig {
        sip: vec![address.parse().unwrap()],
        udp: true,
        tcp: false,
        tls: Listen::Off,
        websocket: Listen::Off,
        secure_websocket: Listen::Off,
    };
    options
}

fn client(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

fn receive(socket: &UdpSocket) -> (String, SocketAddr) {
    let mut buffer = [0; 2048];
    let (length, from) = socket.recv_from(&mut buffer).unwrap();
    (String::from_utf8(buffer[..length].to_vec()).unwrap(), from)
}

fn flow(local: SocketAddr, remote: SocketAddr) -> Flow {
    Flow {
        transport: Transport::Udp,
        local,
        remote,
        connection: None,
    }
}

#[test]
fn a_datagram_is_answered_over_ipv4_and_ipv6() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let network = TestNetwork::start(udp_only(address));
        let server = network.address(Transport::Udp);
        let client = client(address);
        client.send_to(request("").as_bytes(), server).unwrap();
        let flow = flow(server, client.local_addr().unwrap());
        assert_eq!(receive(&client), (reply(0, &flow), server));
    }
}

#[test]
fn on_all_addresses_the_answer_comes_from_the_one_that_was_asked() {
    let network = TestNetwork::start(udp_only("0.0.0.0:0"));
    let port = network.address(Transport::Udp).port();
    let client = client("127.0.0.1:0");
    for last in [1, 2, 77] {
        let server = SocketAddr::from(([127, 0, 0, last], port));
        client.send_to(request("").as_bytes(), server).unwrap();
        let flow = flow(server, client.local_addr().unwrap());
        assert_eq!(receive(&client), (reply(0, &flow), server));
    }
}

#[test]
fn on_all_ipv6_addresses_too_and_ipv4_does_not_come_in_there() {
    let network = TestNetwork::start(udp_only("[::]:0"));
    let port = network.address(Transport::Udp).port();
    let six = client("[::1]:0");
    let server = SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], port));
    six.send_to(request("").as_bytes(), server).unwrap();
    let flow = flow(server, six.local_addr().unwrap());
    assert_eq!(receive(&six), (reply(0, &flow), server));
    let four = client("127.0.0.1:0");
    let _ = four.send_to(request("").as_bytes(), ("127.0.0.1", port));
    six.send_to(request("").as_bytes(), server).unwrap();
    receive(&six);
    let seen: Vec<Seen> = network.seen.try_iter().collect();
    assert_eq!(seen.len(), 2, "{seen:?}");
}

#[test]
fn a_message_reaches_its_shard_whoever_receives_it() {
    let mut options = udp_only("127.0.0.1:0");
    options.shards = 3;
    let network = TestNetwork::start(options);
    let server = network.address(Transport::Udp);
    for number in 0..30 {
        // Each client is a flow of its own, which the system gives to one of the sockets.
        let client = client("127.0.0.1:0");
        let shard = number % 3;
        client
            .send_to(request(&format!("shard={shard}")).as_bytes(), server)
            .unwrap();
        let flow = flow(server, client.local_addr().unwrap());
        assert_eq!(receive(&client).0, reply(shard, &flow));
    }
}

/// Under load from elsewhere the loopback device drops some, which is not what is tested.
#[test]
fn messages_keep_their_order_within_a_burst() {
    let network = TestNetwork::start(udp_only("127.0.0.1:0"));
    let server = network.address(Transport::Udp);
    let client = client("127.0.0.1:0");
    for number in 0..100 {
        let padding = "x".repeat(number);
        client
            .send_to(request(&padding).as_bytes(), server)
            .unwrap();
    }
    let mut lengths = Vec::new();
    while let Ok(Seen::Message { bytes, .. }) = network.seen.recv_timeout(IDLE) {
        lengths.push(bytes.len());
    }
    assert!(!lengths.is_empty() && lengths.is_sorted(), "{lengths:?}");
}

#[test]
fn keep_alives_are_not_messages() {
    let network = TestNetwork::start(udp_only("127.0.0.1:0"));
    let server = network.address(Transport::Udp);
    let client = client("127.0.0.1:0");
    for keep_alive in [&b""[..], b"\r\n\r\n", b"\0", b"\0\0\0\0"] {
        client.send_to(keep_alive, server).unwrap();
    }
    client.send_to(b"\r\n\r\nx", server).unwrap();
    assert!(matches!(network.next(), Seen::Message { bytes, .. } if bytes == b"\r\n\r\nx"));
}

#[test]
fn the_largest_datagram_comes_in_whole() {
    let network = TestNetwork::start(udp_only("127.0.0.1:0"));
    let client = client("127.0.0.1:0");
    let largest = vec![b'x'; 65_507];
    client
        .send_to(&largest, network.address(Transport::Udp))
        .unwrap();
    assert!(matches!(network.next(), Seen::Message { bytes, .. } if bytes == largest));
}

#[test]
fn one_datagram_more_than_a_turn_takes_is_answered_too() {
    let network = TestNetwork::start(udp_only("127.0.0.1:0"));
    let server = network.address(Transport::Udp);
    let client = client("127.0.0.1:0");
    let flow = flow(server, client.local_addr().unwrap());
    let burst = MAX_BATCHES * BATCH + 1;
    for _ in 0..burst {
        client.send_to(request("").as_bytes(), server).unwrap();
    }
    for _ in 0..burst {
        assert_eq!(receive(&client), (reply(0, &flow), server));
    }
}

#[test]
fn what_cannot_be_sent_is_reported() {
    let network = TestNetwork::start(udp_only("127.0.0.1:0"));
    let client = client("127.0.0.1:0");
    let server = network.address(Transport::Udp);
    // No route leads from loopback to this address.
    client
        .send_to(request("OPEN udp 192.0.2.1:5060").as_bytes(), server)
        .unwrap();
    let reported = loop {
        match network.next() {
            Seen::SendFailed(flow) => break flow,
            Seen::Message { .. } => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(
        reported.remote,
        "192.0.2.1:5060".parse::<SocketAddr>().unwrap()
    );
}

#[test]
fn a_closed_port_is_reported_as_nobody_there() {
    for (address, shards) in [("127.0.0.1:0", 1), ("[::1]:0", 1), ("127.0.0.1:0", 3)] {
        let mut options = udp_only(address);
        options.shards = shards;
        let network = TestNetwork::start(options);
        let server = network.address(Transport::Udp);
        let nobody = UdpSocket::bind(address).unwrap().local_addr().unwrap();
        let client = client(address);
        client
            .send_to(request(&format!("OPEN udp {nobody}")).as_bytes(), server)
            .unwrap();
        let reported = loop {
            match network.next() {
                Seen::SendFailed(flow) => break flow,
                Seen::Message { .. } => {}
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(reported.remote, nobody);
        // What comes and goes afterwards is not disturbed.
        client.send_to(request("").as_bytes(), server).unwrap();
        assert!(receive(&client).0.starts_with("SIP/2.0 200 0 UDP"));
    }
}

#[test]
fn a_port_that_is_in_use_is_an_error_that_names_port_and_holder() {
    let holder = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap();
    let Err(error) = TestNetwork::try_start(udp_only(&address.to_string())) else {
        panic!("started")
    };
    assert!(matches!(error, NodeError::PortTaken { .. }));
    let text = error.to_string();
    assert!(
        text.contains(&format!("UDP port {}", address.port())),
        "{text}"
    );
    assert!(
        text.contains(&format!("process {}", std::process::id())),
        "{text}"
    );
    assert!(text.contains("--sip"), "{text}");
}

#[test]
fn two_networks_do_not_share_a_port() {
    let first = TestNetwork::start(udp_only("127.0.0.1:0"));
    let address = first.address(Transport::Udp).to_string();
    assert!(matches!(
        TestNetwork::try_start(udp_only(&address)).err(),
        Some(NodeError::PortTaken { .. })
    ));
}
