//! The INVITE server transaction (RFC 3261 figure 7, RFC 6026 figure 2) and the repetition of 2xx.

use super::*;

fn ringing(shard: &mut Shard, flow: Flow) -> ServerId {
    let server = shard.accept(flow, &request("INVITE", "b"), 5);
    shard.respond(server, 180).unwrap();
    assert_eq!(shard.drain(), ["180"]);
    server
}

#[test]
fn a_repeated_invite_gets_the_last_provisional_response() {
    let mut shard = Shard::new();
    let invite = request("INVITE", "b");
    let server = shard.accept(udp(), &invite, 5);
    assert_eq!(shard.receive(&invite), Disposition::Absorbed);
    assert_eq!(shard.drain(), [""; 0]);
    for status in [100, 180, 183] {
        shard.respond(server, status).unwrap();
        assert_eq!(shard.receive(&invite), Disposition::Absorbed);
        assert_eq!(shard.drain(), [status.to_string(), status.to_string()]);
    }
}

#[test]
fn a_failure_is_repeated_by_timer_g_until_timer_h_fires() {
    let mut shard = Shard::new();
    let server = ringing(&mut shard, udp());
    shard.respond(server, 486).unwrap();
    assert_eq!(shard.drain(), ["486"]);
    let mut expected = times(&UP_TO_T2, "486");
    expected.push("32000 gone 5 NoAck".to_owned());
    assert_eq!(shard.run_until(100_000), expected);
    shard.assert_empty();
}

#[test]
fn on_a_reliable_transport_a_failure_is_sent_once_and_timer_h_runs() {
    let mut shard = Shard::new();
    let server = ringing(&mut shard, tcp());
    shard.respond(server, 486).unwrap();
    assert_eq!(shard.drain(), ["486"]);
    assert_eq!(shard.run_until(100_000), ["32000 gone 5 NoAck"]);
    shard.assert_empty();
}

#[test]
fn the_ack_to_a_failure_is_absorbed_until_timer_i_fires() {
    let mut shard = Shard::new();
    let server = ringing(&mut shard, udp());
    shard.respond(server, 486).unwrap();
    shard.drain();
    let (ack, invite) = (request_with("ACK", "b", ";tag=to"), request("INVITE", "b"));
    assert_eq!(shard.receive(&invite), Disposition::Absorbed);
    assert_eq!(shard.drain(), ["486"]);
    assert_eq!(shard.receive(&ack), Disposition::Absorbed);
    assert_eq!(shard.run_until(4_999), [""; 0]);
    assert_eq!(shard.receive(&ack), Disposition::Absorbed);
    assert_eq!(shard.receive(&invite), Disposition::Absorbed);
    assert_eq!(shard.drain(), [""; 0]);
    assert_eq!(shard.run_until(5_000), [""; 0]);
    shard.assert_empty();
    assert_eq!(shard.receive(&ack), Disposition::Ack { server: None });
}

#[test]
fn on_a_reliable_transport_timer_i_is_zero() {
    let mut shard = Shard::new();
    let server = ringing(&mut shard, tcp());
    shard.respond(server, 486).unwrap();
    assert_eq!(shard.receive(&request("ACK", "b")), Disposition::Absorbed);
    shard.drain();
    shard.assert_empty();
}

#[test]
fn a_2xx_is_repeated_on_every_transport_until_it_is_clear_that_no_ack_comes() {
    for flow in [udp(), tcp()] {
        let mut shard = Shard::new();
        let server = ringing(&mut shard, flow);
        shard.respond(server, 200).unwrap();
        assert_eq!(shard.drain(), ["200"]);
        let mut expected = times(&UP_TO_T2, "200");
        expected.push("32000 no ack 5".to_owned());
        assert_eq!(shard.run_until(100_000), expected);
        shard.assert_empty();
    }
}

#[test]
fn an_acknowledged_2xx_is_not_repeated_and_the_invite_absorbed_until_timer_l_fires() {
    let mut shard = Shard::new();
    let server = ringing(&mut shard, udp());
    shard.respond(server, 200).unwrap();
    shard.drain();
    let invite = request("INVITE", "b");
    assert_eq!(shard.receive(&invite), Disposition::Absorbed);
    assert_eq!(
        shard.receive(&request("ACK", "other")),
        Disposition::Ack { server: None }
    );
    assert!(shard.transactions.acknowledged(server));
    assert!(!shard.transactions.acknowledged(server));
    assert_eq!(shard.run_until(31_999), [""; 0]);
    assert_eq!(shard.receive(&invite), Disposition::Absorbed);
    assert_eq!(shard.run_until(32_000), [""; 0]);
    shard.assert_empty();
}

#[test]
fn on_a_reliable_transport_nothing_is_left_after_the_ack_to_a_2xx() {
    let mut shard = Shard::new();
    let server = ringing(&mut shard, tcp());
    shard.respond(server, 200).unwrap();
    assert!(shard.transactions.acknowledged(server));
    shard.drain();
    shard.assert_empty();
}

#[test]
fn an_ack_to_a_2xx_with_the_branch_of_the_invite_tells_which_invite_it_means() {
    let mut shard = Shard::new();
    let server = ringing(&mut shard, udp());
    let ack = request_with("ACK", "b", ";tag=to");
    assert_eq!(shard.receive(&ack), Disposition::Absorbed);
    shard.respond(server, 200).unwrap();
    assert_eq!(
        shard.receive(&ack),
        Disposition::Ack {
            server: Some(server)
        }
    );
    shard.transactions.acknowledged(server);
    assert_eq!(
        shard.receive(&ack),
        Disposition::Ack {
            server: Some(server)
        }
    );
}

#[test]
fn there_is_one_final_response_and_nothing_after_it() {
    let mut shard = Shard::new();
    for (first, branch) in [(200, "x"), (404, "y")] {
        let server = shard.accept(udp(), &request("INVITE", branch), 5);
        shard.respond(server, first).unwrap();
        shard.drain();
        for status in [180, 200, 500] {
            assert_eq!(
                shard.respond(server, status),
                Err(ResponseRefusal::AlreadyFinal)
            );
        }
        assert_eq!(shard.drain(), [""; 0]);
    }
    let server = ringing(&mut shard, tcp());
    shard.respond(server, 200).unwrap();
    shard.transactions.acknowledged(server);
    assert_eq!(shard.respond(server, 200), Err(ResponseRefusal::Gone));
}

#[test]
fn the_automatic_100_is_sent_after_200_ms_unless_the_user_was_faster() {
    let automatic =
        || Shard::with(|settings| settings.automatic_trying = Some(Duration::from_millis(200)));
    let mut shard = automatic();
    let server = shard.accept(udp(), &request("INVITE", "b"), 5);
    assert_eq!(shard.drain(), [""; 0]);
    assert_eq!(shard.run_until(10_000), ["200 100"]);
    assert_eq!(
        shard.receive(&request("INVITE", "b")),
        Disposition::Absorbed
    );
    assert_eq!(shard.drain(), ["100"]);
    shard.respond(server, 180).unwrap();
    assert_eq!(shard.drain(), ["180"]);

    let mut shard = automatic();
    ringing(&mut shard, udp());
    assert_eq!(shard.run_until(10_000), [""; 0]);
    // Only INVITE has one.
    shard.accept(udp(), &request("OPTIONS", "c"), 5);
    assert_eq!(shard.run_until(11_000), [""; 0]);
}

#[test]
fn a_forgotten_invite_ends_some_time() {
    let mut shard = Shard::new();
    ringing(&mut shard, udp());
    assert_eq!(shard.run_until(10_000_000), ["3600000 gone 5 Unanswered"]);
    shard.assert_empty();
}

#[test]
fn a_peer_of_rfc_2543_is_matched_without_a_branch() {
    let old = |text: String| text.replace(";branch=z9hG4bKb", "");
    let mut shard = Shard::new();
    let invite = old(request("INVITE", "b"));
    let server = shard.accept(udp(), &invite, 5);
    assert_eq!(shard.receive(&invite), Disposition::Absorbed);
    let cancel = old(request("CANCEL", "b"));
    assert_eq!(
        shard.receive(&cancel),
        Disposition::Cancel { server, user: 5 }
    );
    shard.respond(server, 487).unwrap();
    let ack = old(request_with("ACK", "b", ";tag=to"));
    assert_eq!(shard.receive(&ack), Disposition::Absorbed);
    shard.drain();
    assert_eq!(shard.run_until(5_000), [""; 0]);
    shard.assert_empty();
}
