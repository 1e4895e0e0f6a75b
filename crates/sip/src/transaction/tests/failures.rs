//! Transports that break.

use super::*;
use crate::transport::ConnectionId;

#[test]
fn tcp_close_race() {
    // The peer closes in the middle of everything: what waits fails once, what comes late does no
    // harm, and what is answered later ends by itself.
    let mut shard = Shard::new();
    let invite = shard.request(tcp(), "INVITE", "a", 1);
    shard.receive(&response(180, "INVITE", "a", "x"));
    shard.request(tcp(), "OPTIONS", "b", 2);
    shard.request(tcp(), "INVITE", "c", 3);
    shard.receive(&response(200, "INVITE", "c", "x"));
    let server = shard.accept(tcp(), &request("INVITE", "d"), 4);
    shard.drain();
    shard.transactions.transport_failed(tcp());
    assert_eq!(shard.drain(), ["failed 1 503", "failed 2 503"]);
    shard.transactions.transport_failed(tcp());
    shard.transactions.client_failed(invite);
    assert_eq!(shard.drain(), [""; 0]);
    assert_eq!(
        shard.receive(&response(200, "INVITE", "a", "x")),
        Disposition::Stray
    );
    assert_eq!(cancel(&mut shard, invite), Cancelling::TooLate);
    shard.respond(server, 200).unwrap();
    assert_eq!(shard.run_until(100_000).last().unwrap(), "32000 no ack 4");
    shard.assert_empty();
}

fn cancel(shard: &mut Shard, client: ClientId) -> Cancelling {
    shard.transactions.cancel(shard.now, client, None)
}

#[test]
fn only_what_is_on_the_failed_flow_fails() {
    let mut shard = Shard::new();
    let other_remote = Flow {
        remote: "192.0.2.3:5060".parse().unwrap(),
        ..udp()
    };
    let other_local = Flow {
        local: "192.0.2.9:5060".parse().unwrap(),
        ..udp()
    };
    let other_connection = Flow {
        connection: Some(ConnectionId(8)),
        ..tcp()
    };
    let to_be_opened = Flow {
        connection: None,
        ..tcp()
    };
    let flows = [
        udp(),
        other_remote,
        other_local,
        tcp(),
        other_connection,
        to_be_opened,
    ];
    for (user, flow) in flows.into_iter().enumerate() {
        shard.request(flow, "OPTIONS", &user.to_string(), user as u32);
    }
    shard.drain();
    let mut fail = |flow: Flow| {
        shard.transactions.transport_failed(flow);
        shard.drain()
    };
    assert_eq!(fail(udp()), ["failed 0 503"]);
    assert_eq!(fail(tcp()), ["failed 3 503", "failed 5 503"]);
    assert_eq!(fail(to_be_opened), ["failed 4 503"]);
    assert_eq!(fail(other_remote), ["failed 1 503"]);
    assert_eq!(fail(other_local), ["failed 2 503"]);
    shard.assert_empty();
}

#[test]
fn one_request_that_cannot_be_sent_fails_alone() {
    let mut shard = Shard::new();
    let first = shard.request(udp(), "INVITE", "a", 1);
    shard.request(udp(), "INVITE", "b", 2);
    shard.drain();
    shard.transactions.client_failed(first);
    assert_eq!(shard.drain(), ["failed 1 503"]);
    assert_eq!(shard.transactions.client_count(), 1);
}

#[test]
fn a_cancel_that_cannot_be_sent_fails_in_silence() {
    let mut shard = Shard::new();
    let client = shard.request(tcp(), "INVITE", "b", 9);
    shard.receive(&response(180, "INVITE", "b", "x"));
    cancel(&mut shard, client);
    shard.drain();
    shard.transactions.transport_failed(tcp());
    assert_eq!(shard.drain(), ["failed 9 503"]);
    shard.assert_empty();
}
