//! Calls between two phones, from the first message to the record.

mod rig;

use std::time::Duration;

use fernamt_charging::Releaser;
use fernamt_exchange::media::Command;
use fernamt_sip::message::Name;
use rig::{ANSWER, OFFER, Phone, Rig, body, header, talking, two_phones};

#[test]
fn a_call_is_set_up_relayed_released_and_recorded() {
    let mut rig = Rig::new();
    let (mut anna, bert) = two_phones(&mut rig);
    let sent = anna.invite(&mut rig, "sip:bert@192.0.2.1", "", OFFER);
    let invite = bert.expect(&mut rig, "INVITE sip:bert@198.51.100.8:5060 SIP/2.0");
    assert!(body(&invite).contains("c=IN IP4 192.0.2.1"), "{invite}");
    assert!(
        !invite.contains("198.51.100.7"),
        "the topology shows: {invite}"
    );
    assert!(header(&invite, Name::From).starts_with("\"anna at home\" <sip:anna@192.0.2.1"));
    bert.respond(&mut rig, &invite, "180 Ringing", "", "");
    let ringing = anna.expect(&mut rig, "SIP/2.0 180 Ringing");
    assert!(!ringing.contains("198.51.100.8"));
    bert.respond(&mut rig, &invite, "200 OK", "", ANSWER);
    bert.expect(&mut rig, "ACK");
    let answer = anna.expect(&mut rig, "SIP/2.0 200 OK");
    assert!(body(&answer).contains("c=IN IP4 192.0.2.1"));
    assert!(!answer.contains("198.51.100.8"));
    assert!(
        rig.media
            .iter()
            .any(|order| matches!(order, Command::Bridge { .. }))
    );
    let mut talk = anna.talk_as_caller(&sent, &answer);
    anna.confirm(&mut rig, &mut talk, "");
    assert_eq!(rig.states.len(), 1);
    rig.pass(Duration::from_millis(7_300));
    anna.hang_up(&mut rig, &mut talk);
    anna.expect(&mut rig, "SIP/2.0 200");
    let bye = bert.expect(&mut rig, "BYE");
    bert.respond(&mut rig, &bye, "200 OK", "", "");
    assert!(rig.open_ports.is_empty());
    assert!(rig.states.is_empty());
    let (record, journal) = rig.records.pop().unwrap();
    assert!(rig.records.is_empty());
    assert_eq!(record.duration, Duration::from_millis(7_300));
    assert_eq!((record.cause, record.released_by), (16, Releaser::Caller));
    assert_eq!(record.codec.as_deref(), Some("PCMA/8000"));
    assert_eq!(*record.legs[0].call_id, anna.call_id());
    assert_eq!(&*record.legs[1].call_id, header(&invite, Name::CallId));
    assert!(journal.len() > 10);
    rig.pass(Duration::from_secs(60));
    assert_eq!(rig.exchange.call_count(), 0);
    assert_eq!(rig.exchange.transaction_counts(), (0, 0));
}

#[test]
fn a_caller_who_gives_up_stops_the_ringing() {
    let mut rig = Rig::new();
    let (mut anna, bert) = two_phones(&mut rig);
    let sent = anna.invite(&mut rig, "sip:bert@192.0.2.1", "", OFFER);
    let invite = bert.expect(&mut rig, "INVITE");
    bert.respond(&mut rig, &invite, "180 Ringing", "", "");
    anna.expect(&mut rig, "SIP/2.0 180");
    let cancel = anna.cancel(&sent);
    anna.send(&mut rig, &cancel);
    anna.expect(&mut rig, "SIP/2.0 200");
    anna.expect(&mut rig, "SIP/2.0 487");
    let cancel = bert.expect(&mut rig, "CANCEL");
    bert.respond(&mut rig, &cancel, "200 OK", "", "");
    bert.respond(&mut rig, &invite, "487 Request Terminated", "", "");
    bert.expect(&mut rig, "ACK");
    let (record, _) = rig.records.pop().unwrap();
    assert_eq!(record.answer, None);
    assert_eq!(record.status, Some(487), "what the caller was given");
    assert_eq!(record.released_by, Releaser::Caller);
    assert!(rig.open_ports.is_empty());
}

#[test]
fn busy_offline_and_unknown_have_the_right_status() {
    let mut rig = Rig::new();
    let (mut anna, bert) = two_phones(&mut rig);
    anna.invite(&mut rig, "sip:bert@192.0.2.1", "", OFFER);
    let invite = bert.expect(&mut rig, "INVITE");
    bert.respond(&mut rig, &invite, "486 Busy Here", "", "");
    let busy = anna.expect(&mut rig, "SIP/2.0 486");
    assert!(header(&busy, Name::Reason).contains("Q.850;cause=17"));
    bert.expect(&mut rig, "ACK");
    anna.invite(&mut rig, "sip:carla@192.0.2.1", "", OFFER);
    let offline = anna.expect(&mut rig, "SIP/2.0 480");
    assert!(header(&offline, Name::Reason).contains("cause=20"));
    anna.invite(&mut rig, "sip:nobody@192.0.2.1", "", OFFER);
    anna.expect(&mut rig, "SIP/2.0 183");
    assert!(
        rig.media
            .iter()
            .any(|order| matches!(order, Command::Play { .. }))
    );
    rig.pass(Duration::from_secs(20));
    let unknown = anna.expect(&mut rig, "SIP/2.0 404");
    assert!(header(&unknown, Name::Reason).contains("cause=1;"));
    assert!(rig.open_ports.is_empty());
}

#[test]
fn the_echo_answers_by_itself() {
    let mut rig = Rig::new();
    let (mut anna, _) = two_phones(&mut rig);
    let sent = anna.invite(&mut rig, "sip:*43@192.0.2.1", "", OFFER);
    let answer = anna.expect(&mut rig, "SIP/2.0 200");
    assert!(body(&answer).contains("m=audio"));
    assert!(
        rig.media
            .iter()
            .any(|order| matches!(order, Command::Echo { .. }))
    );
    let mut talk = anna.talk_as_caller(&sent, &answer);
    anna.confirm(&mut rig, &mut talk, "");
    anna.hang_up(&mut rig, &mut talk);
    anna.expect(&mut rig, "SIP/2.0 200");
    assert_eq!(rig.records.len(), 1);
    assert!(rig.open_ports.is_empty());
}

#[test]
fn hold_and_resume_are_carried_across() {
    let mut rig = Rig::new();
    let (mut anna, bert) = two_phones(&mut rig);
    let (mut hers, _) = talking(&mut rig, &mut anna, &bert);
    let hold = OFFER.replace("1 1 IN", "1 2 IN") + "a=sendonly\r\n";
    let reinvite = anna.in_dialog(&mut hers, "INVITE", "", &hold);
    anna.send(&mut rig, &reinvite);
    anna.expect(&mut rig, "SIP/2.0 100");
    let invite = bert.expect(&mut rig, "INVITE");
    assert!(body(&invite).contains("a=sendonly"));
    bert.respond(
        &mut rig,
        &invite,
        "200 OK",
        "",
        &(ANSWER.to_owned() + "a=recvonly\r\n"),
    );
    bert.expect(&mut rig, "ACK");
    let held = anna.expect(&mut rig, "SIP/2.0 200");
    assert!(body(&held).contains("a=recvonly"));
    anna.confirm(&mut rig, &mut hers, "");
    let order = rig.media.iter().rev().find_map(|order| match order {
        Command::Remote { remote, .. } if !remote.sends => Some(remote.clone()),
        _ => None,
    });
    assert!(order.is_some());
}

#[test]
fn both_sides_offering_at_once_get_491() {
    let mut rig = Rig::new();
    let (mut anna, bert) = two_phones(&mut rig);
    let (mut hers, mut his) = talking(&mut rig, &mut anna, &bert);
    let reinvite = anna.in_dialog(&mut hers, "INVITE", "", OFFER);
    anna.send(&mut rig, &reinvite);
    anna.expect(&mut rig, "SIP/2.0 100");
    let forwarded = bert.expect(&mut rig, "INVITE");
    let reinvite = bert.in_dialog(&mut his, "INVITE", "", ANSWER);
    bert.send(&mut rig, &reinvite);
    bert.expect(&mut rig, "SIP/2.0 491");
    bert.confirm(&mut rig, &mut his, "");
    bert.respond(&mut rig, &forwarded, "200 OK", "", ANSWER);
    bert.expect(&mut rig, "ACK");
    anna.expect(&mut rig, "SIP/2.0 200");
}

#[test]
fn bye_low_cseq() {
    let mut rig = Rig::new();
    let (mut anna, bert) = two_phones(&mut rig);
    let (mut hers, _) = talking(&mut rig, &mut anna, &bert);
    hers.cseq = 0;
    anna.hang_up(&mut rig, &mut hers);
    anna.expect(&mut rig, "SIP/2.0 500");
    bert.expect_nothing(&mut rig);
    assert!(rig.records.is_empty());
    assert_eq!(rig.open_ports.len(), 2);
}

#[test]
fn a_call_survives_a_crash() {
    let mut rig = Rig::new();
    let (mut anna, bert) = two_phones(&mut rig);
    let (mut hers, _) = talking(&mut rig, &mut anna, &bert);
    rig.pass(Duration::from_secs(5));
    rig.crash(rig::config());
    assert_eq!(rig.open_ports.len(), 2);
    assert!(
        rig.media
            .iter()
            .any(|order| matches!(order, Command::Bridge { .. }))
    );
    rig.pass(Duration::from_secs(5));
    rig.wire.clear();
    anna.hang_up(&mut rig, &mut hers);
    anna.expect(&mut rig, "SIP/2.0 200");
    bert.expect(&mut rig, "BYE");
    let (record, _) = rig.records.pop().unwrap();
    assert_eq!(record.duration, Duration::from_secs(10));
    assert!(rig.open_ports.is_empty());
    assert!(rig.states.is_empty());
}

#[test]
fn a_call_that_rings_during_a_crash_is_ended_on_both_sides() {
    let mut rig = Rig::new();
    let (mut anna, bert) = two_phones(&mut rig);
    anna.invite(&mut rig, "sip:bert@192.0.2.1", "", OFFER);
    let invite = bert.expect(&mut rig, "INVITE");
    bert.respond(&mut rig, &invite, "180 Ringing", "", "");
    rig.crash(rig::config());
    anna.expect(&mut rig, "SIP/2.0 503");
    let cancel = bert.expect(&mut rig, "CANCEL");
    assert_eq!(header(&cancel, Name::Via), header(&invite, Name::Via));
    assert_eq!(rig.records.len(), 1);
    bert.respond(&mut rig, &invite, "200 OK", "", ANSWER);
    bert.expect(&mut rig, "ACK");
    bert.expect(&mut rig, "BYE");
}

#[test]
fn a_full_disk_refuses_the_call_and_hangs_up_on_the_callee() {
    let mut rig = Rig::new();
    let (mut anna, bert) = two_phones(&mut rig);
    rig.disk_full = true;
    anna.invite(&mut rig, "sip:bert@192.0.2.1", "", OFFER);
    let invite = bert.expect(&mut rig, "INVITE");
    bert.respond(&mut rig, &invite, "200 OK", "", ANSWER);
    anna.expect(&mut rig, "SIP/2.0 503");
    bert.expect(&mut rig, "ACK");
    bert.expect(&mut rig, "BYE");
    assert!(rig.open_ports.is_empty());
    assert_eq!(rig.records.pop().unwrap().0.answer, None);
}

#[test]
fn whoever_hangs_up_is_told_so_when_the_record_is_on_disk() {
    for disk_full in [false, true] {
        let mut rig = Rig::new();
        let (mut anna, bert) = two_phones(&mut rig);
        let (mut hers, _) = talking(&mut rig, &mut anna, &bert);
        (rig.disk_slow, rig.disk_full) = (true, disk_full);
        let bye = anna.in_dialog(&mut hers, "BYE", "", "");
        anna.send(&mut rig, &bye);
        // The other party and the media do not wait.
        let other = bert.expect(&mut rig, "BYE");
        bert.respond(&mut rig, &other, "200 OK", "", "");
        assert!(rig.open_ports.is_empty());
        rig.pass(Duration::from_millis(500));
        anna.send(&mut rig, &bye);
        anna.expect_nothing(&mut rig);
        rig.finish_writing();
        anna.expect(&mut rig, "SIP/2.0 200");
        assert_eq!(rig.records.len(), 1);
        rig.pass(Duration::from_secs(60));
        anna.expect_nothing(&mut rig);
        assert_eq!(rig.exchange.call_count(), 0);
        assert_eq!(rig.exchange.transaction_counts(), (0, 0));
    }
}

#[test]
fn a_full_media_range_refuses_the_call() {
    let mut rig = Rig::new();
    let (mut anna, bert) = two_phones(&mut rig);
    rig.media_full = true;
    anna.invite(&mut rig, "sip:bert@192.0.2.1", "", OFFER);
    anna.expect(&mut rig, "SIP/2.0 503");
    bert.expect_nothing(&mut rig);
    assert_eq!(rig.records.len(), 1);
}

#[test]
fn nobody_calls_or_registers_without_the_right_password() {
    let mut rig = Rig::new();
    let mut anna = Phone::new("anna", "198.51.100.7:5060");
    for user in ["anna", "nobody"] {
        anna.user = user;
        let first = anna.request("REGISTER", "sip:192.0.2.1", "Expires: 600\r\n", "");
        anna.send(&mut rig, &first);
        let challenge = anna.expect(&mut rig, "SIP/2.0 401");
        let credentials = anna.credentials_with("wrong", &challenge, "REGISTER", "sip:192.0.2.1");
        let second = anna.request("REGISTER", "sip:192.0.2.1", &credentials, "");
        anna.send(&mut rig, &second);
        anna.expect(&mut rig, "SIP/2.0 401");
    }
    assert!(rig.location.bindings(rig.now.unix, "anna").is_empty());
}

#[test]
fn an_answer_that_a_crash_kept_from_the_caller_is_sent_after_it() {
    let mut rig = Rig::new();
    let (mut anna, bert) = two_phones(&mut rig);
    let sent = anna.invite(&mut rig, "sip:bert@192.0.2.1", "", OFFER);
    let invite = bert.expect(&mut rig, "INVITE");
    bert.respond(&mut rig, &invite, "200 OK", "", ANSWER);
    // The crash comes between the disk and the wire.
    rig.crash(rig::config());
    let answer = anna.expect(&mut rig, "SIP/2.0 200");
    let mut talk = anna.talk_as_caller(&sent, &answer);
    anna.confirm(&mut rig, &mut talk, "");
    anna.hang_up(&mut rig, &mut talk);
    anna.expect(&mut rig, "SIP/2.0 200");
    bert.expect(&mut rig, "BYE");
}

#[test]
fn nobody_is_expected_to_send_what_the_other_does_not_receive() {
    let mut rig = Rig::new();
    let (mut anna, bert) = two_phones(&mut rig);
    let (mut hers, _) = talking(&mut rig, &mut anna, &bert);
    rig.media.clear();
    let reinvite = anna.in_dialog(&mut hers, "INVITE", "", &OFFER.replace("1 1 IN", "1 2 IN"));
    anna.send(&mut rig, &reinvite);
    anna.expect(&mut rig, "SIP/2.0 100");
    let invite = bert.expect(&mut rig, "INVITE");
    let inactive = ANSWER.to_owned() + "a=inactive\r\n";
    bert.respond(&mut rig, &invite, "200 OK", "", &inactive);
    anna.expect(&mut rig, "SIP/2.0 200");
    let remotes: Vec<_> = rig
        .media
        .iter()
        .filter_map(|order| match order {
            Command::Remote { remote, .. } => Some(remote),
            _ => None,
        })
        .collect();
    assert_eq!(remotes.len(), 2);
    for remote in remotes {
        assert!(
            !remote.sends && !remote.receives && remote.silence.is_none(),
            "{remote:?}"
        );
    }
}

#[test]
fn requests_after_a_second_crash_are_numbered_higher_than_after_the_first() {
    let mut rig = Rig::new();
    let (mut anna, bert) = two_phones(&mut rig);
    talking(&mut rig, &mut anna, &bert);
    let mut last = 0;
    for _ in 0..2 {
        rig.crash(rig::config());
        rig.pass(Duration::from_secs(61));
        let request = bert.expect(&mut rig, "OPTIONS");
        let cseq: u32 = header(&request, Name::CSeq)
            .split(' ')
            .next()
            .unwrap()
            .parse()
            .unwrap();
        assert!(cseq > last, "{cseq} after {last}");
        last = cseq;
        bert.respond(&mut rig, &request, "200 OK", "", "");
    }
}

#[test]
fn a_peer_that_hears_nothing_of_refreshes_is_given_up() {
    let mut rig = Rig::new();
    let (mut anna, bert) = two_phones(&mut rig);
    talking(&mut rig, &mut anna, &bert);
    for _ in 0..2_000 {
        rig.pass(Duration::from_secs(1));
        while let Some((flow, _)) = rig.wire.pop_front() {
            rig.input(fernamt_exchange::interface::Input::SendFailed { flow });
        }
    }
    assert_eq!(rig.records.len(), 1);
    assert!(rig.open_ports.is_empty());
}

#[test]
fn a_phone_that_reconnects_after_a_crash_is_found_again() {
    let mut rig = Rig::new();
    let mut anna = Phone::new("anna", "198.51.100.7:40001");
    let bert = Phone::new("bert", "198.51.100.8:5060");
    anna.transport = fernamt_sip::transport::Transport::Tcp;
    anna.connection = Some(1);
    anna.register(&mut rig);
    let mut bert = bert;
    bert.register(&mut rig);
    talking(&mut rig, &mut anna, &bert);
    rig.crash(rig::config());
    rig.location
        .connection_closed(fernamt_sip::transport::ConnectionId(1));
    anna.connection = Some(2);
    anna.address.set_port(40_002);
    anna.register(&mut rig);
    rig.wire.clear();
    let mut found = false;
    for _ in 0..120 {
        rig.pass(Duration::from_secs(1));
        while let Some((flow, text)) = rig.wire.pop_front() {
            let gone = flow.transport.is_reliable() && flow.connection != anna.flow().connection;
            if gone {
                rig.input(fernamt_exchange::interface::Input::SendFailed { flow });
            } else {
                let phone = if flow.transport.is_reliable() {
                    &anna
                } else {
                    &bert
                };
                found |= phone.user == "anna";
                phone.respond(&mut rig, &text, "200 OK", "", "");
            }
        }
    }
    assert!(found);
    assert!(rig.records.is_empty(), "{:?}", rig.records);
}

#[test]
fn media_are_relayed_between_ipv4_and_ipv6_even_where_both_want_them_direct() {
    let mut rig = Rig::new();
    let (mut anna, mut bert) = (
        Phone::new("anna", "198.51.100.7:5060"),
        Phone::new("bert", "[2001:db8::8]:5060"),
    );
    for user in ["anna", "bert"] {
        rig.allow_direct_media(user);
    }
    anna.register(&mut rig);
    bert.register(&mut rig);
    anna.invite(&mut rig, "sip:bert@192.0.2.1", "", OFFER);
    bert.expect(&mut rig, "INVITE");
    assert!(!rig.open_ports.is_empty());
}

#[test]
fn media_flow_directly_where_both_want_it_and_nothing_is_in_between() {
    let mut rig = Rig::new();
    for user in ["anna", "bert"] {
        rig.allow_direct_media(user);
    }
    let (mut anna, bert) = two_phones(&mut rig);
    anna.invite(&mut rig, "sip:bert@192.0.2.1", "", OFFER);
    let invite = bert.expect(&mut rig, "INVITE");
    assert!(rig.open_ports.is_empty());
    assert!(body(&invite).contains("c=IN IP4 198.51.100.7"));
}

#[test]
fn rtcp_keeps_a_port_of_its_own() {
    let mut rig = Rig::new();
    let (mut anna, bert) = two_phones(&mut rig);
    let offer = format!("{OFFER}a=rtcp-mux\r\n");
    anna.invite(&mut rig, "sip:bert@192.0.2.1", "", &offer);
    let invite = bert.expect(&mut rig, "INVITE");
    assert!(!body(&invite).contains("rtcp-mux"));
    bert.respond(&mut rig, &invite, "200 OK", "", ANSWER);
    let rtcp: Vec<_> = rig
        .media
        .iter()
        .filter_map(|order| match order {
            Command::Remote { remote, .. } => {
                Some((remote.rtp.port(), remote.rtcp.map(|it| it.port())))
            }
            _ => None,
        })
        .collect();
    assert_eq!(rtcp, [(4000, Some(4001)), (5000, Some(5001))]);
}

#[test]
fn an_invite_that_is_repeated_after_a_crash_gets_the_same_answer_again() {
    let mut rig = Rig::new();
    let (mut anna, bert) = two_phones(&mut rig);
    let sent = anna.invite(&mut rig, "sip:bert@192.0.2.1", "", OFFER);
    let invite = bert.expect(&mut rig, "INVITE");
    bert.respond(&mut rig, &invite, "200 OK", "", ANSWER);
    rig.crash(rig::config());
    let first = anna.expect(&mut rig, "SIP/2.0 200");
    anna.send(&mut rig, &sent);
    assert_eq!(anna.expect(&mut rig, "SIP/2.0 200"), first);
    bert.expect_nothing(&mut rig);
    rig.pass(Duration::from_millis(600));
    assert_eq!(anna.expect(&mut rig, "SIP/2.0 200"), first);
    let mut talk = anna.talk_as_caller(&sent, &first);
    anna.confirm(&mut rig, &mut talk, "");
    rig.pass(Duration::from_secs(10));
    anna.expect_nothing(&mut rig);
    assert_eq!(rig.exchange.call_count(), 1);
}
