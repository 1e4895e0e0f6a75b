//! What happens when the places are taken, and how much memory a place is.

use super::super::client::Clients;
use super::super::server::Servers;
use super::*;

fn small() -> Shard {
    Shard::with(|settings| {
        settings.max_servers = 3;
        settings.max_clients = 2;
    })
}

fn try_accept(shard: &mut Shard, branch: &str) -> Result<ServerId, Refusal> {
    let text = request("INVITE", branch);
    let message = Message::parse(text.as_bytes()).unwrap();
    shard.transactions.accept(shard.now, udp(), &message, 1)
}

#[test]
fn requests_that_are_being_served_keep_their_place() {
    let mut shard = small();
    for branch in ["a", "b"] {
        try_accept(&mut shard, branch).unwrap();
    }
    let answered = try_accept(&mut shard, "c").unwrap();
    assert_eq!(try_accept(&mut shard, "d"), Err(Refusal::Full));
    // A 2xx that waits for its ACK belongs to a call.
    shard.respond(answered, 200).unwrap();
    assert_eq!(try_accept(&mut shard, "d"), Err(Refusal::Full));
    shard.transactions.acknowledged(answered);
    assert!(try_accept(&mut shard, "d").is_ok());
    assert_eq!(try_accept(&mut shard, "e"), Err(Refusal::Full));
    assert_eq!(shard.transactions.server_count(), 3);
}

#[test]
fn the_oldest_half_open_transaction_goes_first() {
    let mut shard = small();
    for branch in ["a", "b", "c"] {
        let server = try_accept(&mut shard, branch).unwrap();
        shard.respond(server, 401).unwrap();
    }
    shard.drain();
    assert_eq!(shard.receive(&request("ACK", "b")), Disposition::Absorbed);
    for branch in ["d", "e"] {
        try_accept(&mut shard, branch).unwrap();
    }
    assert_eq!(shard.drain(), ["gone 1 Displaced"]);
    assert_eq!(shard.receive(&request("INVITE", "a")), Disposition::New);
    assert_eq!(
        shard.receive(&request("INVITE", "c")),
        Disposition::Absorbed
    );
}

#[test]
fn flood_memory() {
    let mut shard = Shard::with(|settings| settings.max_servers = 100);
    for number in 0..10_000 {
        let server = try_accept(&mut shard, &number.to_string()).unwrap();
        shard.respond(server, 401).unwrap();
        while shard.transactions.poll().is_some() {}
        assert!(shard.transactions.server_count() <= 100);
    }
    shard.run_until(100_000);
    shard.assert_empty();
}

#[test]
fn requests_of_ours_end_at_their_limit_and_cancel_has_always_a_place() {
    let mut shard = small();
    let first = shard.request(udp(), "INVITE", "a", 1);
    shard.request(udp(), "INVITE", "b", 2);
    let refusal = shard.transactions.request(
        shard.now,
        udp(),
        request("INVITE", "c").into_bytes(),
        Method::Invite,
        "z9hG4bKc",
        3,
    );
    assert_eq!(refusal, Err(Refusal::Full));
    shard.receive(&response(180, "INVITE", "a", "x"));
    shard.drain();
    assert_eq!(
        shard.transactions.cancel(shard.now, first, None),
        Cancelling::Sent
    );
    assert_eq!(shard.drain(), ["CANCEL"]);
}

#[test]
fn a_branch_or_a_request_is_not_used_twice_and_ack_makes_no_transaction() {
    let mut shard = Shard::new();
    try_accept(&mut shard, "a").unwrap();
    assert_eq!(try_accept(&mut shard, "a"), Err(Refusal::Exists));
    shard.request(udp(), "INFO", "b", 1);
    let bytes = request("INFO", "b").into_bytes();
    let now = shard.now;
    let again = shard
        .transactions
        .request(now, udp(), bytes, Method::Info, "z9hG4bKb", 3);
    assert_eq!(again, Err(Refusal::Exists));
    let ack = request("ACK", "c");
    let sent = shard.transactions.request(
        now,
        udp(),
        ack.clone().into_bytes(),
        Method::Ack,
        "z9hG4bKc",
        3,
    );
    assert_eq!(sent, Err(Refusal::Ack));
    let message = Message::parse(ack.as_bytes()).unwrap();
    assert_eq!(
        shard.transactions.accept(now, udp(), &message, 1),
        Err(Refusal::Ack)
    );
}

#[test]
fn a_transaction_takes_about_two_hundred_bytes_beside_its_messages() {
    let (server, client) = (Servers::<u32>::BYTES, Clients::<u32>::BYTES);
    assert!(server <= 208 && client <= 240, "{server}, {client}");
}

#[test]
fn retransmissions_share_their_bytes() {
    let mut shard = Shard::new();
    let server = try_accept(&mut shard, "a").unwrap();
    shard.respond(server, 180).unwrap();
    shard.receive(&request("INVITE", "a"));
    let sent: Vec<_> = std::iter::from_fn(|| shard.transactions.poll())
        .map(|output| match output {
            Output::Send { bytes, .. } => bytes,
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(Arc::ptr_eq(&sent[0], &sent[1]));
}
