use std::net::{SocketAddr, UdpSocket};
use std::thread;

use fernamt_exchange::interface::Target;
use fernamt_sip::transport::Transport;
use hickory_resolver::proto::op::{Message, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, NAPTR, SOA, SRV};
use hickory_resolver::proto::rr::{Name, RData, Record};

use super::*;

/// A name server on loopback that knows these records and counts questions.
fn name_server(records: Vec<(&'static str, RData)>) -> (SocketAddr, &'static AtomicUsize) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let asked: &'static AtomicUsize = Box::leak(Box::default());
    thread::spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok((length, client)) = socket.recv_from(&mut buffer) {
            let question = Message::from_vec(&buffer[..length]).unwrap();
            asked.fetch_add(1, Ordering::SeqCst);
            let query = question.queries[0].clone();
            let mut answer = Message::response(question.metadata.id, OpCode::Query);
            answer.metadata.recursion_available = true;
            for (owner, data) in &records {
                let owner = Name::from_utf8(owner).unwrap();
                if owner == *query.name() && data.record_type() == query.query_type() {
                    answer.add_answer(Record::from_rdata(owner, 60, data.clone()));
                }
            }
            if answer.answers.is_empty() {
                answer.metadata.response_code = ResponseCode::NXDomain;
                // Says how long the "no" holds (RFC 2308 section 5).
                let (zone, timer) = (name("org."), 60);
                let soa = SOA::new(zone.clone(), zone.clone(), 1, timer, timer, timer, 60);
                answer.add_authority(Record::from_rdata(zone, 60, RData::SOA(soa)));
            }
            answer.add_query(query);
            socket.send_to(&answer.to_vec().unwrap(), client).unwrap();
        }
    });
    (address, asked)
}

fn name(text: &str) -> Name {
    Name::from_utf8(text).unwrap()
}

fn records() -> Vec<(&'static str, RData)> {
    let srv = |priority, port, host| RData::SRV(SRV::new(priority, 1, port, name(host)));
    let service = |order, service: &str, to| {
        let (flags, service) = (Box::from(*b"s"), service.as_bytes().into());
        RData::NAPTR(NAPTR::new(
            order,
            0,
            flags,
            service,
            Box::default(),
            name(to),
        ))
    };
    vec![
        (
            "example.org.",
            service(2, "SIP+D2U", "_sip._udp.example.org."),
        ),
        (
            "example.org.",
            service(1, "SIP+D2T", "_sip._tcp.example.org."),
        ),
        ("_sip._udp.example.org.", srv(20, 5082, "b.example.org.")),
        ("_sip._udp.example.org.", srv(10, 5081, "a.example.org.")),
        ("_sip._tcp.example.org.", srv(10, 5080, "a.example.org.")),
        ("a.example.org.", RData::A(A::new(192, 0, 2, 1))),
        ("b.example.org.", RData::A(A::new(192, 0, 2, 2))),
    ]
}

fn resolver(servers: &[SocketAddr]) -> Resolver {
    Resolver::new(
        servers,
        Families {
            ipv4: true,
            ipv6: true,
        },
        7,
    )
}

fn query(host: &str) -> HostQuery {
    HostQuery {
        host: host.into(),
        port: None,
        transport: None,
        secure: false,
    }
}

fn shown(targets: &[Target]) -> Vec<String> {
    targets
        .iter()
        .map(|target| format!("{} {}", target.transport, target.address))
        .collect()
}

#[tokio::test]
async fn a_real_name_server_is_asked_and_its_answers_come_in_the_order_to_try() {
    let (server, _) = name_server(records());
    let Answer::Targets(found) = resolver(&[server]).resolve(&query("example.org")).await else {
        panic!("no answer");
    };
    assert_eq!(
        shown(&found),
        [
            "TCP 192.0.2.1:5080",
            "UDP 192.0.2.1:5081",
            "UDP 192.0.2.2:5082"
        ]
    );
    assert_eq!(found[0].server_name, None);
}

#[tokio::test]
async fn yes_and_no_are_both_remembered() {
    let (server, asked) = name_server(records());
    let resolver = resolver(&[server]);
    resolver.resolve(&query("example.org")).await;
    let transport = Some(Transport::Udp);
    let nowhere = HostQuery {
        transport,
        port: Some(1),
        ..query("nowhere.example.org")
    };
    assert!(matches!(resolver.resolve(&nowhere).await, Answer::Targets(found) if found.is_empty()));
    let first = asked.load(Ordering::SeqCst);
    resolver.resolve(&query("example.org")).await;
    resolver.resolve(&nowhere).await;
    assert_eq!(asked.load(Ordering::SeqCst), first);
}

#[tokio::test]
async fn a_server_that_is_silent_is_not_a_no() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let resolver = resolver(&[silent.local_addr().unwrap()]);
    assert!(matches!(
        resolver.resolve(&query("example.org")).await,
        Answer::Unavailable
    ));
}

#[tokio::test]
async fn localhost_is_known_without_asking_anybody() {
    let (server, _) = name_server(Vec::new());
    let local = HostQuery {
        port: Some(5060),
        ..query("localhost")
    };
    let Answer::Targets(found) = resolver(&[server]).resolve(&local).await else {
        panic!("no answer");
    };
    assert!(
        found.iter().any(|target| target.address.ip().is_loopback()),
        "{found:?}"
    );
}

#[tokio::test]
async fn what_is_no_name_leads_nowhere() {
    let (server, _) = name_server(Vec::new());
    let resolver = resolver(&[server]);
    for host in ["", "a..b", "\0", &"x".repeat(300), "ex ample"] {
        let answer = resolver.resolve(&query(host)).await;
        assert!(
            matches!(&answer, Answer::Targets(found) if found.is_empty()),
            "{host}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn one_question_more_than_the_limit_is_answered_with_not_now() {
    let (server, _) = name_server(records());
    let resolver = resolver(&[server]);
    resolver.pending.store(MAX_PENDING, Ordering::Relaxed);
    assert!(matches!(
        resolver.resolve(&query("example.org")).await,
        Answer::Unavailable
    ));
    resolver.pending.store(MAX_PENDING - 1, Ordering::Relaxed);
    assert!(matches!(
        resolver.resolve(&query("example.org")).await,
        Answer::Targets(_)
    ));
}
