//! The INVITE client transaction (RFC 3261 figure 5, RFC 6026 figure 1).

use super::*;

fn news(client: ClientId) -> Disposition<u32> {
    Disposition::Response { client, user: 9 }
}

#[test]
fn timer_a_doubles_until_timer_b_fires() {
    let mut shard = Shard::new();
    shard.request(udp(), "INVITE", "b", 9);
    assert_eq!(shard.drain(), ["INVITE"]);
    let mut expected = times(&[500, 1500, 3500, 7500, 15_500, 31_500], "INVITE");
    expected.push("32000 failed 9 408".to_owned());
    assert_eq!(shard.run_until(100_000), expected);
    shard.assert_empty();
}

#[test]
fn on_a_reliable_transport_only_timer_b_runs() {
    let mut shard = Shard::new();
    shard.request(tcp(), "INVITE", "b", 9);
    assert_eq!(shard.drain(), ["INVITE"]);
    assert_eq!(shard.run_until(100_000), ["32000 failed 9 408"]);
    shard.assert_empty();
}

#[test]
fn a_provisional_response_ends_timers_a_and_b() {
    for flow in [udp(), tcp()] {
        let mut shard = Shard::new();
        let client = shard.request(flow, "INVITE", "b", 9);
        shard.drain();
        assert_eq!(
            shard.receive(&response(100, "INVITE", "b", "")),
            news(client)
        );
        assert_eq!(shard.run_until(600_000), [""; 0]);
        assert_eq!(
            shard.receive(&response(180, "INVITE", "b", "x")),
            news(client)
        );
        assert_eq!(
            shard.receive(&response(180, "INVITE", "b", "x")),
            news(client)
        );
        assert_eq!(shard.transactions.client_count(), 1);
    }
}

#[test]
fn a_failure_is_acknowledged_and_again_until_timer_d_fires() {
    for early in [false, true] {
        let mut shard = Shard::new();
        let client = shard.request(udp(), "INVITE", "b", 9);
        shard.drain();
        if early {
            shard.receive(&response(180, "INVITE", "b", "x"));
        }
        let busy = response(486, "INVITE", "b", "x");
        assert_eq!(shard.receive(&busy), news(client));
        assert_eq!(shard.drain(), ["ACK"]);
        assert_eq!(shard.run_until(31_999), [""; 0]);
        assert_eq!(shard.receive(&busy), Disposition::Absorbed);
        assert_eq!(shard.drain(), ["ACK"]);
        assert_eq!(
            shard.receive(&response(180, "INVITE", "b", "x")),
            Disposition::Absorbed
        );
        assert_eq!(
            shard.receive(&response(200, "INVITE", "b", "y")),
            Disposition::Stray
        );
        assert_eq!(shard.run_until(32_000), [""; 0]);
        assert_eq!(shard.receive(&busy), Disposition::Stray);
        shard.assert_empty();
    }
}

#[test]
fn on_a_reliable_transport_timer_d_is_zero() {
    let mut shard = Shard::new();
    let client = shard.request(tcp(), "INVITE", "b", 9);
    shard.drain();
    assert_eq!(
        shard.receive(&response(486, "INVITE", "b", "x")),
        news(client)
    );
    assert_eq!(shard.drain(), ["ACK"]);
    shard.assert_empty();
}

#[test]
fn the_ack_to_a_failure_carries_the_tag_and_branch_that_belong_to_it() {
    let mut shard = Shard::new();
    shard.request(udp(), "INVITE", "b", 9);
    shard.drain();
    shard.receive(&response(486, "INVITE", "b", "remote"));
    let Some(Output::Send { flow, bytes }) = shard.transactions.poll() else {
        panic!("no ACK")
    };
    let ack = Message::parse(&bytes).unwrap();
    assert_eq!(flow, udp());
    assert_eq!(ack.to().unwrap().tag(), Some("remote"));
    assert_eq!(ack.top_via().unwrap().branch(), Some("z9hG4bKb"));
    assert_eq!(ack.cseq().unwrap().to_string(), "1 ACK");
}

#[test]
fn a_2xx_is_news_until_its_ack_is_stored_and_then_acknowledged_by_timer_m() {
    for flow in [udp(), tcp()] {
        let mut shard = Shard::new();
        let client = shard.request(flow, "INVITE", "b", 9);
        shard.drain();
        let ok = response(200, "INVITE", "b", "x");
        assert_eq!(shard.receive(&ok), news(client));
        assert_eq!(shard.receive(&ok), news(client));
        let ack = request_with("ACK", "other", ";tag=x").into_bytes();
        assert!(shard.transactions.acknowledge(client, flow, ack, "x"));
        assert_eq!(shard.drain(), ["ACK"]);
        assert_eq!(shard.run_until(31_999), [""; 0]);
        assert_eq!(shard.receive(&ok), Disposition::Absorbed);
        assert_eq!(shard.drain(), ["ACK"]);
        assert_eq!(shard.run_until(32_000), [""; 0]);
        assert_eq!(shard.receive(&ok), Disposition::Stray);
        shard.assert_empty();
    }
}

#[test]
fn every_fork_is_news_and_has_an_ack_of_its_own() {
    let mut shard = Shard::new();
    let client = shard.request(udp(), "INVITE", "b", 9);
    shard.drain();
    for (count, tag) in ["x", "y"].into_iter().enumerate() {
        let ok = response(200, "INVITE", "b", tag);
        assert_eq!(shard.receive(&ok), news(client));
        let ack = request_with("ACK", "other", &format!(";tag={tag}")).into_bytes();
        assert!(shard.transactions.acknowledge(client, udp(), ack, tag));
        assert_eq!(shard.drain(), ["ACK"]);
        assert_eq!(shard.receive(&ok), Disposition::Absorbed);
        let Some(Output::Send { bytes, .. }) = shard.transactions.poll() else {
            panic!("no ACK for fork {count}");
        };
        assert_eq!(
            Message::parse(&bytes).unwrap().to().unwrap().tag(),
            Some(tag)
        );
    }
    for status in [180, 486] {
        let late = response(status, "INVITE", "b", "z");
        assert_eq!(shard.receive(&late), Disposition::Absorbed);
    }
    assert_eq!(shard.drain(), [""; 0]);
}

#[test]
fn acks_beyond_the_limit_are_sent_once() {
    let mut shard = Shard::new();
    let client = shard.request(udp(), "INVITE", "b", 9);
    shard.receive(&response(200, "INVITE", "b", "0"));
    let ack = |shard: &mut Shard, fork: usize| {
        let tag = fork.to_string();
        let ack = request_with("ACK", "other", "").into_bytes();
        shard.transactions.acknowledge(client, udp(), ack, &tag)
    };
    for fork in 0..MAX_STORED_ACKS {
        assert!(ack(&mut shard, fork));
    }
    assert!(ack(&mut shard, 0));
    assert!(!ack(&mut shard, MAX_STORED_ACKS));
    let sent = shard.drain().iter().filter(|event| *event == "ACK").count();
    assert_eq!(sent, MAX_STORED_ACKS + 2);
}

#[test]
fn an_ack_after_the_transaction_is_sent_once() {
    let mut shard = Shard::new();
    let client = shard.request(udp(), "INVITE", "b", 9);
    shard.receive(&response(200, "INVITE", "b", "x"));
    shard.drain();
    shard.run_until(40_000);
    let ack = request_with("ACK", "other", "").into_bytes();
    assert!(!shard.transactions.acknowledge(client, udp(), ack, "x"));
    assert_eq!(shard.drain(), ["ACK"]);
}

#[test]
fn timer_c_fires_as_set_by_the_user_and_ends_nothing() {
    let mut shard = Shard::new();
    let client = shard.request(udp(), "INVITE", "b", 9);
    shard.drain();
    shard.receive(&response(180, "INVITE", "b", "x"));
    let within = |shard: &mut Shard, seconds: Option<u64>| {
        let within = seconds.map(Duration::from_secs);
        shard.transactions.expect_final(shard.now, client, within);
    };
    within(&mut shard, Some(180));
    assert_eq!(shard.run_until(100_000), [""; 0]);
    within(&mut shard, Some(180));
    assert_eq!(shard.run_until(300_000), ["280000 overdue 9"]);
    within(&mut shard, Some(180));
    within(&mut shard, None);
    assert_eq!(shard.run_until(600_000), [""; 0]);
    within(&mut shard, Some(1));
    shard.receive(&response(200, "INVITE", "b", "x"));
    within(&mut shard, Some(1));
    assert_eq!(shard.run_until(700_000), [""; 0]);
    shard.assert_empty();
}

#[test]
fn responses_without_a_transaction_are_stray() {
    let mut shard = Shard::new();
    shard.request(udp(), "INVITE", "b", 9);
    for text in [
        response(200, "INVITE", "c", "x"),
        response(200, "BYE", "b", "x"),
        response(200, "CANCEL", "b", "x"),
        response(200, "INVITE", "b", "x").replace(";branch=z9hG4bKb", ""),
    ] {
        assert_eq!(shard.receive(&text), Disposition::Stray);
    }
    let headless = "SIP/2.0 200 OK\r\nCSeq: 1 INVITE\r\n\r\n";
    assert!(matches!(shard.receive(headless), Disposition::Malformed(_)));
}
