//! The server transaction of everything but INVITE (RFC 3261 figure 8).

use super::*;

fn respond(shard: &mut Shard, server: ServerId, status: u16) -> Result<(), ResponseRefusal> {
    let bytes = response(status, "OPTIONS", "b", "to").into_bytes();
    shard.transactions.respond(shard.now, server, bytes, status)
}

#[test]
fn a_repeated_request_gets_the_last_response_until_timer_j_fires() {
    let mut shard = Shard::new();
    let options = request("OPTIONS", "b");
    let server = shard.accept(udp(), &options, 5);
    assert_eq!(shard.receive(&options), Disposition::Absorbed);
    assert_eq!(shard.drain(), [""; 0]);
    respond(&mut shard, server, 100).unwrap();
    assert_eq!(shard.receive(&options), Disposition::Absorbed);
    assert_eq!(shard.drain(), ["100", "100"]);
    respond(&mut shard, server, 200).unwrap();
    assert_eq!(shard.drain(), ["200"]);
    assert_eq!(
        respond(&mut shard, server, 200),
        Err(ResponseRefusal::AlreadyFinal)
    );
    assert_eq!(shard.run_until(31_999), [""; 0]);
    assert_eq!(shard.receive(&options), Disposition::Absorbed);
    assert_eq!(shard.drain(), ["200"]);
    assert_eq!(shard.run_until(32_000), [""; 0]);
    shard.assert_empty();
    assert_eq!(shard.receive(&options), Disposition::New);
}

#[test]
fn on_a_reliable_transport_timer_j_is_zero() {
    let mut shard = Shard::new();
    let server = shard.accept(tcp(), &request("OPTIONS", "b"), 5);
    respond(&mut shard, server, 200).unwrap();
    assert_eq!(shard.drain(), ["200"]);
    shard.assert_empty();
    assert_eq!(respond(&mut shard, server, 200), Err(ResponseRefusal::Gone));
}

#[test]
fn a_forgotten_request_ends_when_its_peer_has_given_up() {
    let mut shard = Shard::new();
    let server = shard.accept(udp(), &request("OPTIONS", "b"), 5);
    respond(&mut shard, server, 100).unwrap();
    shard.drain();
    assert_eq!(shard.run_until(100_000), ["32000 gone 5 Unanswered"]);
    shard.assert_empty();
}

#[test]
fn requests_with_one_branch_and_other_methods_or_hosts_are_others() {
    let mut shard = Shard::new();
    shard.accept(udp(), &request("OPTIONS", "b"), 5);
    assert_eq!(shard.receive(&request("INFO", "b")), Disposition::New);
    let other_host = request("OPTIONS", "b").replace("192.0.2.2:5070", "192.0.2.3:5070");
    assert_eq!(shard.receive(&other_host), Disposition::New);
}

#[test]
fn a_request_that_came_another_way_before_is_merged() {
    let mut shard = Shard::new();
    let first = request("MESSAGE", "first");
    let merged = |shard: &Shard, text: &str| {
        shard
            .transactions
            .is_merged(&Message::parse(text.as_bytes()).unwrap())
    };
    assert!(!merged(&shard, &first));
    let server = shard.accept(udp(), &first, 5);
    assert!(!merged(&shard, &first));
    let second = request("MESSAGE", "second");
    assert!(merged(&shard, &second));
    for other in [
        request_with("MESSAGE", "second", ";tag=x"),
        second.replace("Call-ID: call", "Call-ID: other"),
        second.replace("CSeq: 1", "CSeq: 2"),
        second.replace("tag=from", "tag=other"),
        request("OPTIONS", "second"),
    ] {
        assert!(!merged(&shard, &other));
    }
    respond(&mut shard, server, 200).unwrap();
    shard.drain();
    assert!(merged(&shard, &second));
    // A copy that is served all the same does not hide the first one, nor itself.
    shard.accept(udp(), &second, 5);
    assert!(merged(&shard, &second));
    assert!(!merged(&shard, &first));
    shard.run_until(40_000);
    shard.drain();
    assert!(!merged(&shard, &second));
}

#[test]
fn a_request_that_cannot_be_matched_is_malformed() {
    let mut shard = Shard::new();
    let text = "OPTIONS sip:x SIP/2.0\r\nCall-ID: x\r\n\r\n";
    assert!(matches!(shard.receive(text), Disposition::Malformed(_)));
    let message = Message::parse(text.as_bytes()).unwrap();
    let refusal = shard.transactions.accept(Time::ZERO, udp(), &message, 5);
    assert!(matches!(refusal, Err(Refusal::Malformed(_))));
    shard.assert_empty();
}

#[test]
fn requests_that_arrive_between_receive_and_accept_are_not_mixed_up() {
    let mut shard = Shard::new();
    let texts = [
        request("OPTIONS", "a"),
        request("INFO", "a"),
        request("OPTIONS", "b"),
        request("OPTIONS", "a").replace(";branch=z9hG4bKa", ";branch=a"),
        request("OPTIONS", "a")
            .replace(";branch=z9hG4bKa", ";branch=a")
            .replace("tag=from", "tag=x"),
    ];
    for text in &texts {
        assert_eq!(shard.receive(text), Disposition::New);
    }
    for (user, text) in texts.iter().enumerate() {
        let message = Message::parse(text.as_bytes()).unwrap();
        shard
            .transactions
            .accept(shard.now, udp(), &message, user as u32)
            .unwrap();
    }
    for text in &texts {
        assert_eq!(shard.receive(text), Disposition::Absorbed);
    }
    assert_eq!(shard.transactions.server_count(), texts.len());
}
