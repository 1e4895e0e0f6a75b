use std::net::UdpSocket;
use std::path::Path;

use fernamt_charging::CallReference;
use fernamt_exchange::registrar::{Binding, ContactChange, RegisterChange};
use fernamt_store::records::{NewDevice, Secret};

use fernamt_store::{DataFolder, Records};

use super::*;
use crate::clock;
use crate::config::Listen;
use crate::control::{Client, ControlError, Request, Response, Status};

const PATIENCE: Duration = Duration::from_secs(10);

fn config(data: &Path) -> NodeConfig {
    let mut config = NodeConfig {
        data: data.to_path_buf(),
        shards: Some(2),
        signals: false,
        ..NodeConfig::default()
    };
    config.listen.sip = vec!["127.0.0.1:0".parse().unwrap()];
    config.listen.websocket = Listen::Off;
    config
}

fn udp_address(node: &RunningNode) -> SocketAddr {
    node.addresses()
        .iter()
        .find(|(transport, _)| *transport == Transport::Udp)
        .unwrap()
        .1
}

fn status(client: &mut Client) -> Status {
    match client.ask(&Request::Status, |_| {}).unwrap() {
        Response::Status(status) => status,
        other => panic!("{other:?}"),
    }
}

fn add_device(data: &Path, user: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let records = Records::open(&DataFolder::open(data).unwrap())
            .await
            .unwrap();
        let device = NewDevice {
            user: user.into(),
            name: None,
            numbers: Vec::new(),
            direct_media: false,
            encryption: Default::default(),
            media_transport: Default::default(),
            secret: Secret::Password("secret".into()),
        };
        records.add_device(device).await.unwrap();
    });
}

fn register(node: &RunningNode, user: &str) {
    let address = SocketAddr::from(([192, 0, 2, 1], 5060));
    let binding = Binding {
        contact: "sip:anna@192.0.2.1".into(),
        q: 1000,
        expires: clock::now().unix,
        call_id: "1".into(),
        cseq: 1,
        instance: None,
        reg_id: 0,
        path: Vec::new(),
        user_agent: Some("phone".into()),
        transport: Transport::Udp,
        local: address,
        received: address,
        ice: false,
        connection: None,
        nat: Default::default(),
    };
    let change = ContactChange {
        binding,
        lasts: Duration::from_secs(600),
    };
    let services = &node.parts.as_ref().unwrap().running.services;
    let change = RegisterChange::Update(vec![change]);
    services
        .locations
        .apply(clock::now().unix, user, change)
        .unwrap();
}

#[test]
fn a_node_answers_options_and_tells_its_status() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(config(folder.path())).unwrap();
    let server = udp_address(&node);
    let phone = UdpSocket::bind("127.0.0.1:0").unwrap();
    phone.set_read_timeout(Some(PATIENCE)).unwrap();
    let own = phone.local_addr().unwrap();
    let request = format!(
        "OPTIONS sip:{server} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bKnode1;rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:x@{own}>;tag=1\r\nTo: <sip:{server}>\r\nCall-ID: options\r\n\
         CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    );
    phone.send_to(request.as_bytes(), server).unwrap();
    let mut buffer = [0; 4096];
    let (length, from) = phone.recv_from(&mut buffer).unwrap();
    let answer = String::from_utf8_lossy(&buffer[..length]);
    assert!(answer.starts_with("SIP/2.0 "), "{answer}");
    assert_eq!(from, server);
    let mut client = Client::connect(folder.path()).unwrap();
    let status = status(&mut client);
    assert_eq!((status.shards, status.devices, status.calls), (2, 0, 0));
    assert!(
        status
            .listeners
            .iter()
            .any(|listener| listener.address == server)
    );
    assert!(client.list(&Request::Calls).unwrap().is_empty());
}

#[test]
fn a_device_that_is_added_is_known_after_a_reload() {
    let folder = tempfile::tempdir().unwrap();
    let _node = Node::start(config(folder.path())).unwrap();
    let mut client = Client::connect(folder.path()).unwrap();
    let route = Request::Route {
        from: "anna".into(),
        to: "*43".into(),
    };
    assert!(matches!(
        client.ask(&route, |_| {}),
        Err(ControlError::Refused(_))
    ));
    add_device(folder.path(), "anna");
    client.order(&Request::Reload).unwrap();
    assert_eq!(status(&mut client).devices, 1);
    let Response::Route { route, reasons } = client.ask(&route, |_| {}).unwrap() else {
        panic!()
    };
    assert_eq!(route["to"], "echo");
    assert_eq!(reasons.len(), 1);
    assert_eq!(client.order(&Request::Flush).unwrap(), 0);
    let release = Request::Release {
        call: CallReference(7),
    };
    assert_eq!(client.order(&release).unwrap(), 0);
    let source = IpAddr::from([192, 0, 2, 9]);
    assert_eq!(client.order(&Request::Lift { source }).unwrap(), 0);
    assert_eq!(client.order(&Request::Drain).unwrap(), 0);
    assert!(status(&mut client).draining);
}

#[test]
fn a_restart_forgets_no_binding_and_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    add_device(folder.path(), "anna");
    let node = Node::start(config(folder.path())).unwrap();
    register(&node, "anna");
    let secret = node.parts.as_ref().unwrap().running.services.config.secret;
    node.shutdown();
    assert!(Client::connect(folder.path()).is_err());
    let node = Node::start(config(folder.path())).unwrap();
    assert_eq!(
        node.parts.as_ref().unwrap().running.services.config.secret,
        secret
    );
    let mut client = Client::connect(folder.path()).unwrap();
    let listed = client.list(&Request::Registrations { user: None }).unwrap();
    let [Response::Registration(registration)] = &listed[..] else {
        panic!("{listed:?}")
    };
    assert_eq!(registration.user, "anna");
    assert_eq!(
        registration.received,
        SocketAddr::from(([192, 0, 2, 1], 5060))
    );
    let one = client
        .list(&Request::Registrations {
            user: Some("anna".into()),
        })
        .unwrap();
    assert_eq!(one, listed);
    let none = Request::Registrations {
        user: Some("berta".into()),
    };
    assert!(client.list(&none).unwrap().is_empty());
}

#[test]
fn a_second_node_on_the_same_folder_or_port_is_refused_with_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let node = Node::start(config(folder.path())).unwrap();
    let error = Node::start(config(folder.path()))
        .err()
        .unwrap()
        .to_string();
    assert!(error.contains("already runs"), "{error}");
    let other = tempfile::tempdir().unwrap();
    let mut taken = config(other.path());
    taken.listen.sip = vec![udp_address(&node)];
    let error = Node::start(taken).err().unwrap();
    assert!(matches!(error, NodeError::PortTaken { .. }), "{error}");
}

#[test]
fn a_corrupt_database_is_an_error_that_names_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    DataFolder::open(folder.path()).unwrap();
    let database = folder.path().join("fernamt.db");
    std::fs::write(&database, vec![0xa5; 8192]).unwrap();
    let error = Node::start(config(folder.path())).err().unwrap();
    assert!(matches!(error, NodeError::Data { .. }));
    assert!(
        error
            .to_string()
            .contains(&*folder.path().to_string_lossy()),
        "{error}"
    );
}

#[test]
fn a_bad_line_on_the_control_socket_is_answered_and_a_long_one_ends_it() {
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::net::UnixStream;

    let folder = tempfile::tempdir().unwrap();
    let _node = Node::start(config(folder.path())).unwrap();
    let path = folder.path().join(crate::control::SOCKET_NAME);
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"{\"request\":\"explode\"}\n").unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert!(line.contains("not understood"), "{line}");
    let _ = stream.write_all(&vec![b'x'; crate::control::MAX_LINE_BYTES + 1]);
    line.clear();
    assert_eq!(reader.read_line(&mut line).unwrap_or(0), 0, "{line}");
}

#[test]
fn a_stop_waits_for_nothing_when_no_call_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    config.drain = Duration::from_secs(3600);
    let node = Node::start(config).unwrap();
    let start = Instant::now();
    node.shutdown();
    assert!(
        start.elapsed() < Duration::from_secs(30),
        "{:?}",
        start.elapsed()
    );
}
