//! Reliable provisional responses (RFC 3262 section 3).

use super::*;

fn reliably(shard: &mut Shard, server: ServerId, rseq: u32) -> Result<(), ResponseRefusal> {
    let bytes = response(183, "INVITE", "b", "to").into_bytes();
    shard
        .transactions
        .respond_reliably(shard.now, server, bytes, rseq)
}

#[test]
fn a_reliable_response_is_repeated_on_every_transport_until_no_prack_comes() {
    for flow in [udp(), tcp()] {
        let mut shard = Shard::new();
        let server = shard.accept(flow, &request("INVITE", "b"), 5);
        reliably(&mut shard, server, 17).unwrap();
        assert_eq!(shard.drain(), ["183"]);
        let mut expected = times(&[500, 1500, 3500, 7500, 15_500, 31_500], "183");
        expected.push("32000 no prack 5 17".to_owned());
        assert_eq!(shard.run_until(100_000), expected);
        shard.respond(server, 504).unwrap();
        assert_eq!(shard.drain(), ["504"]);
    }
}

#[test]
fn prack_stops_the_repetition_of_its_own_response_only() {
    let mut shard = Shard::new();
    let server = shard.accept(udp(), &request("INVITE", "b"), 5);
    reliably(&mut shard, server, 1).unwrap();
    shard.drain();
    shard.run_until(100);
    reliably(&mut shard, server, 2).unwrap();
    shard.drain();
    assert!(!shard.transactions.prack_received(server, 3));
    assert!(shard.transactions.prack_received(server, 1));
    assert!(!shard.transactions.prack_received(server, 1));
    assert_eq!(shard.run_until(1_700), ["600 183", "1600 183"]);
    assert!(shard.transactions.prack_received(server, 2));
    assert_eq!(shard.run_until(100_000), [""; 0]);
    assert_eq!(shard.transactions.server_count(), 1);
}

#[test]
fn a_final_response_ends_the_repetition() {
    let mut shard = Shard::new();
    let server = shard.accept(tcp(), &request("INVITE", "b"), 5);
    reliably(&mut shard, server, 1).unwrap();
    shard.respond(server, 486).unwrap();
    assert_eq!(shard.drain(), ["183", "486"]);
    assert_eq!(shard.run_until(31_999), [""; 0]);
    assert!(!shard.transactions.prack_received(server, 1));
    assert_eq!(
        reliably(&mut shard, server, 2),
        Err(ResponseRefusal::AlreadyFinal)
    );
}

#[test]
fn an_unreliable_response_between_does_not_stop_the_repetition() {
    let mut shard = Shard::new();
    let server = shard.accept(udp(), &request("INVITE", "b"), 5);
    reliably(&mut shard, server, 1).unwrap();
    shard.respond(server, 180).unwrap();
    shard.drain();
    assert_eq!(shard.run_until(600), ["500 183"]);
    assert_eq!(
        shard.receive(&request("INVITE", "b")),
        Disposition::Absorbed
    );
    assert_eq!(shard.drain(), ["180"]);
}

#[test]
fn at_most_so_many_wait_for_their_prack_and_only_for_invite() {
    let mut shard = Shard::new();
    let server = shard.accept(udp(), &request("INVITE", "b"), 5);
    for rseq in 0..MAX_UNACKNOWLEDGED_PROVISIONALS as u32 {
        reliably(&mut shard, server, rseq).unwrap();
    }
    let refusal = reliably(&mut shard, server, 99);
    assert_eq!(refusal, Err(ResponseRefusal::TooManyUnacknowledged));
    assert!(shard.transactions.prack_received(server, 0));
    reliably(&mut shard, server, 99).unwrap();
    let options = shard.accept(udp(), &request("OPTIONS", "b"), 5);
    assert_eq!(
        reliably(&mut shard, options, 1),
        Err(ResponseRefusal::NotInvite)
    );
}
