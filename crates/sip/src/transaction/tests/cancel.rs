//! CANCEL of both sides (RFC 3261 section 9).

use super::*;

fn cancel(shard: &mut Shard, client: ClientId) -> Cancelling {
    shard
        .transactions
        .cancel(shard.now, client, Some("Q.850;cause=16"))
}

#[test]
fn cancel_waits_for_the_first_provisional_response() {
    let mut shard = Shard::new();
    let client = shard.request(tcp(), "INVITE", "b", 9);
    shard.drain();
    assert_eq!(cancel(&mut shard, client), Cancelling::Waiting);
    assert_eq!(cancel(&mut shard, client), Cancelling::Waiting);
    assert_eq!(shard.drain(), [""; 0]);
    shard.receive(&response(100, "INVITE", "b", ""));
    assert_eq!(shard.drain(), ["CANCEL"]);
    shard.receive(&response(180, "INVITE", "b", "x"));
    assert_eq!(shard.drain(), [""; 0]);
}

#[test]
fn cancel_is_sent_at_once_after_a_provisional_response_and_repeated_on_its_own() {
    let mut shard = Shard::new();
    let client = shard.request(udp(), "INVITE", "b", 9);
    shard.receive(&response(180, "INVITE", "b", "x"));
    shard.drain();
    assert_eq!(cancel(&mut shard, client), Cancelling::Sent);
    assert_eq!(cancel(&mut shard, client), Cancelling::Sent);
    let Some(Output::Send { flow, bytes }) = shard.transactions.poll() else {
        panic!("nothing")
    };
    let message = Message::parse(&bytes).unwrap();
    assert_eq!((flow, message.method()), (udp(), Method::Cancel));
    assert_eq!(message.top_via().unwrap().branch(), Some("z9hG4bKb"));
    assert_eq!(
        message.reason().and_then(|reason| reason.q850_cause()),
        Some(16)
    );
    assert_eq!(shard.run_until(1_500), ["500 CANCEL", "1500 CANCEL"]);
    // Nobody but us needs to know that it was answered.
    assert_eq!(
        shard.receive(&response(200, "CANCEL", "b", "x")),
        Disposition::Absorbed
    );
    assert_eq!(shard.run_until(3_000), [""; 0]);
    let terminated = response(487, "INVITE", "b", "x");
    assert_eq!(
        shard.receive(&terminated),
        Disposition::Response { client, user: 9 }
    );
    assert_eq!(shard.drain(), ["ACK"]);
    assert_eq!(shard.run_until(40_000), [""; 0]);
    shard.assert_empty();
}

#[test]
fn a_peer_that_ignores_cancel_is_given_up() {
    let mut shard = Shard::new();
    let client = shard.request(tcp(), "INVITE", "b", 9);
    shard.receive(&response(180, "INVITE", "b", "x"));
    shard.drain();
    cancel(&mut shard, client);
    shard.drain();
    assert_eq!(shard.run_until(100_000), ["32000 failed 9 487"]);
    shard.assert_empty();
}

#[test]
fn a_2xx_that_crosses_cancel_is_news() {
    let mut shard = Shard::new();
    let client = shard.request(udp(), "INVITE", "b", 9);
    shard.receive(&response(180, "INVITE", "b", "x"));
    cancel(&mut shard, client);
    shard.drain();
    let ok = response(200, "INVITE", "b", "x");
    assert_eq!(
        shard.receive(&ok),
        Disposition::Response { client, user: 9 }
    );
    assert_eq!(cancel(&mut shard, client), Cancelling::TooLate);
}

#[test]
fn an_invite_that_nobody_answers_is_not_cancelled_but_times_out() {
    let mut shard = Shard::new();
    let client = shard.request(tcp(), "INVITE", "b", 9);
    shard.drain();
    cancel(&mut shard, client);
    assert_eq!(shard.run_until(100_000), ["32000 failed 9 408"]);
    shard.assert_empty();
}

#[test]
fn a_final_response_before_any_provisional_one_makes_cancel_needless() {
    let mut shard = Shard::new();
    let client = shard.request(udp(), "INVITE", "b", 9);
    cancel(&mut shard, client);
    shard.drain();
    shard.receive(&response(486, "INVITE", "b", "x"));
    assert_eq!(shard.drain(), ["ACK"]);
    assert_eq!(shard.run_until(100_000), [""; 0]);
    assert_eq!(cancel(&mut shard, client), Cancelling::TooLate);
    let options = shard.request(udp(), "OPTIONS", "c", 9);
    assert_eq!(cancel(&mut shard, options), Cancelling::TooLate);
}

#[test]
fn a_cancel_from_the_peer_names_its_invite_and_is_a_request_of_its_own() {
    let mut shard = Shard::new();
    let invite = shard.accept(udp(), &request("INVITE", "b"), 5);
    let text = request("CANCEL", "b");
    let found = Disposition::Cancel {
        server: invite,
        user: 5,
    };
    assert_eq!(shard.receive(&text), found);
    let message = Message::parse(text.as_bytes()).unwrap();
    let own = shard
        .transactions
        .accept(shard.now, udp(), &message, 6)
        .unwrap();
    let ok = response(200, "CANCEL", "b", "to").into_bytes();
    shard.transactions.respond(shard.now, own, ok, 200).unwrap();
    shard.respond(invite, 487).unwrap();
    assert_eq!(shard.drain(), ["200", "487"]);
    assert_eq!(shard.receive(&text), Disposition::Absorbed);
    assert_eq!(shard.drain(), ["200"]);
}

#[test]
fn a_cancel_that_meets_no_invite_is_new() {
    let mut shard = Shard::new();
    shard.accept(udp(), &request("INVITE", "b"), 5);
    shard.accept(udp(), &request("OPTIONS", "o"), 5);
    assert_eq!(shard.receive(&request("CANCEL", "other")), Disposition::New);
    assert_eq!(shard.receive(&request("CANCEL", "o")), Disposition::New);
}
