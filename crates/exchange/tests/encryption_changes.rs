//! What becomes of keys and ways when a call changes: hold, restarts of ICE and of the exchange, late
//! offers, other media, failures on the media path.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod rig;

use fernamt_exchange::media::{
    self, Command, Dtls, Format, IceCandidateKind, MadeUpNames, MediaPort, Protection,
    ProtectionFailure, Remote, Rollovers, RtcpPosition,
};
use fernamt_sdp::{CryptoSuite, FeedbackSet};
use rig::sdp::{KEY, Kind, NEW_KEY, answer, crypto, line, profile_of};
use rig::secure::{Talking, config, keys, position, talking};
use rig::{ANSWER, OFFER, Rig, body, call_late};

#[test]
fn keys_stay_when_a_call_is_held_and_go_when_the_party_changes_its_own() {
    let mut call = talking(Kind::Sdes, "required");
    let (before, _) = call.sides();
    let held = call.offer.replace("1 1 IN", "1 2 IN") + "a=sendonly\r\n";
    let (offered, answered) = call.reoffer(&held);
    assert_eq!(
        crypto(&offered),
        crypto(&call.offered),
        "the chosen line alone"
    );
    assert_eq!(offered.matches("a=crypto").count(), 1);
    assert_eq!(crypto(&answered), crypto(&call.answered));
    let (after, _) = call.sides();
    assert_eq!(before.protection, after.protection);
    let changed = call.offer.replace("1 1 IN", "1 3 IN").replace(KEY, NEW_KEY);
    call.reoffer(&changed);
    let (Protection::Sdes(old), Protection::Sdes(new)) =
        (before.protection, call.sides().0.protection)
    else {
        panic!()
    };
    assert_ne!(old.theirs, new.theirs);
}

#[test]
fn a_browser_that_restarts_ice_keeps_its_keys_and_gets_other_credentials() {
    let mut call = talking(Kind::Browser, "never");
    let (before, _) = call.sides();
    let (_, answered) = call.reoffer(&call.offer.replace("1 1 IN", "1 2 IN"));
    assert_eq!(
        line(&answered, "a=ice-ufrag:"),
        line(&call.answered, "a=ice-ufrag:")
    );
    assert!(answered.contains("a=setup:active"));
    let restart = call
        .offer
        .replace("1 1 IN", "1 3 IN")
        .replace("abcd", "wxyz");
    let (_, answered) = call.reoffer(&restart);
    assert_ne!(
        line(&answered, "a=ice-ufrag:"),
        line(&call.answered, "a=ice-ufrag:")
    );
    let (after, _) = call.sides();
    assert_eq!(before.protection, after.protection, "the handshake goes on");
    assert_ne!(before.ice, after.ice);
}

#[test]
fn a_party_that_moves_in_mid_call_keeps_its_keys() {
    let mut call = talking(Kind::Sdes, "required");
    let (before, _) = call.sides();
    let moved = call
        .offer
        .replace("198.51.100.7", "203.0.113.7")
        .replace("1 1 IN", "1 2 IN");
    call.reoffer(&moved);
    let (after, _) = call.sides();
    assert_eq!(after.rtp.ip().to_string(), "203.0.113.7");
    assert_eq!(before.protection, after.protection);
}

#[test]
fn keys_and_counters_survive_a_restart() {
    let mut call = talking(Kind::Browser, "required");
    let endpoint = call.rig.remotes()[0].0;
    let agreed = |first| keys(CryptoSuite::AesCm128HmacSha1_80, first);
    for (port, first) in [(MediaPort::Rtp, 1), (MediaPort::Rtcp, 3)] {
        call.media(media::Event::Secured {
            endpoint,
            port,
            keys: agreed(first),
        });
    }
    let rollovers = Rollovers {
        ours: vec![position(7)],
        theirs: vec![position(8)],
        rtcp: 9,
        sent_packets: 10,
        heard_packets: (11, 12),
        made_up_names: Some(MadeUpNames {
            first: 13,
            count: 14,
        }),
        rtcp_alone: RtcpPosition {
            sent: 15,
            heard: 16,
        },
    };
    call.media(media::Event::RolledOver {
        endpoint,
        rollovers: rollovers.clone(),
    });
    let (_, before) = call.sides();
    call.rig.crash(config());
    let (caller, callee) = call.sides();
    let Protection::Dtls(Dtls {
        established,
        established_rtcp,
        ..
    }) = caller.protection
    else {
        panic!()
    };
    assert_eq!(established, Some(agreed(1)));
    assert_eq!(established_rtcp, Some(agreed(3)));
    assert_eq!(caller.rollovers, rollovers);
    assert!(caller.ice.is_some());
    assert_eq!(callee.protection, before.protection);
    // And the call can still change.
    let offer = call.offer.replace("1 1 IN", "1 2 IN");
    let (offered, answered) = call.reoffer(&offer);
    assert_eq!(crypto(&offered), crypto(&call.offered));
    assert_eq!(
        line(&answered, "a=ice-ufrag:"),
        line(&call.answered, "a=ice-ufrag:")
    );
}

#[test]
fn what_version_2_has_written_is_picked_up_with_all_feedback_or_none() {
    // RTP/AVPF calls RTP/AVP.
    let state = include_bytes!("data/feedback-version-2.bin");
    let rig = Rig::recovered(config(), 2, &[state]);
    let remotes = rig.remotes();
    let feedback: Vec<_> = remotes.iter().map(|(_, it)| it.feedback).collect();
    assert_eq!(feedback, [FeedbackSet::EVERY, FeedbackSet::NONE]);
}

#[test]
fn what_version_1_has_written_is_picked_up_in_clear() {
    let state = include_bytes!("data/answered-version-1.bin");
    let rig = Rig::recovered(config(), 1, &[state]);
    let remotes = rig.remotes();
    assert_eq!(remotes.len(), 2, "{:?}", rig.events);
    for (_, remote) in remotes {
        assert_eq!(remote.protection, Protection::None);
        assert!(remote.sends && remote.receives);
    }
    assert_eq!(rig.exchange.call_count(), 1);
    let state = include_bytes!("data/ringing-version-1.bin");
    let rig = Rig::recovered(config(), 1, &[state]);
    assert_eq!(rig.records.len(), 1);
    assert_eq!(
        rig.wire.len(),
        2,
        "the caller and the called phone are told"
    );
}

#[test]
fn another_certificate_than_the_negotiated_one_ends_the_call() {
    let mut call = talking(Kind::Dtls, "never");
    let endpoint = call.rig.remotes()[0].0;
    call.media(media::Event::Unprotected {
        endpoint,
        reason: ProtectionFailure::WrongFingerprint,
    });
    call.bert.expect(&mut call.rig, "BYE");
    call.anna.expect(&mut call.rig, "BYE");
    assert!(call.rig.open_ports.is_empty());
    let words = call.rig.words();
    let told = words.contains("the certificate on the media path is not");
    assert!(told, "{words}");
}

#[test]
fn what_cannot_be_protected_ends_a_call_that_must_be_encrypted_and_no_other() {
    for reason in [
        ProtectionFailure::Handshake,
        ProtectionFailure::KeyExhausted,
        ProtectionFailure::PartyKeyExhausted,
        ProtectionFailure::Key,
    ] {
        for (wish, ends) in [("offered", false), ("required", true)] {
            let mut call = talking(Kind::Plain, wish);
            let endpoint = call.rig.remotes()[1].0;
            call.media(media::Event::Unprotected { endpoint, reason });
            assert_eq!(call.rig.open_ports.is_empty(), ends, "{wish}");
            if ends {
                call.bert.expect(&mut call.rig, "BYE");
                call.anna.expect(&mut call.rig, "BYE");
                assert!(call.rig.words().contains(&reason.to_string()));
            } else {
                call.bert.expect_nothing(&mut call.rig);
            }
        }
    }
}

#[test]
fn the_journal_says_how_the_way_was_found() {
    let mut call = talking(Kind::Browser, "never");
    let endpoint = call.rig.remotes()[0].0;
    call.media(media::Event::Connected {
        endpoint,
        rtp: "203.0.113.9:4711".parse().unwrap(),
        kind: IceCandidateKind::PeerReflexive,
    });
    call.media(media::Event::Disconnected { endpoint });
    call.hang_up();
    let words = call.rig.words();
    assert!(words.contains("203.0.113.9:4711"), "{words}");
    assert!(
        words.contains("the address that a check came from"),
        "{words}"
    );
    assert!(words.contains("The way to the party is lost."), "{words}");
}

#[test]
fn a_late_offer_is_answered_in_the_way_of_each_side() {
    for kind in [Kind::Plain, Kind::Sdes, Kind::Dtls, Kind::Browser] {
        let mut rig = Rig::with(config());
        rig.wish("anna", "required", "sdes");
        let (mut anna, bert) = rig::two_phones(&mut rig);
        let offer = kind.offer("198.51.100.8", 5000);
        let (mut talk, offered) = call_late(&mut rig, &mut anna, &bert, &offer);
        assert_eq!(profile_of(&offered), "RTP/SAVP");
        let hers = answer(&offered, "198.51.100.7", 4000, true);
        anna.confirm(&mut rig, &mut talk, &hers);
        let ack = bert.expect(&mut rig, "ACK");
        assert_eq!(profile_of(&body(&ack)), kind.profile());
        let remotes = rig.remotes();
        assert!(matches!(remotes[0].1.protection, Protection::Sdes(_)));
        assert_eq!(
            remotes[1].1.protection != Protection::None,
            kind.is_encrypted()
        );
    }
}

#[test]
fn early_media_and_the_answer_have_the_same_keys() {
    let mut rig = Rig::with(config());
    rig.wish("bert", "required", "automatic");
    let (mut anna, bert) = rig::two_phones(&mut rig);
    let offer = Kind::Browser.offer("198.51.100.7", 4000);
    anna.invite(&mut rig, "sip:bert@192.0.2.1", "", &offer);
    let invite = bert.expect(&mut rig, "INVITE");
    let his = answer(&body(&invite), "198.51.100.8", 5000, true);
    bert.respond(&mut rig, &invite, "183 Session Progress", "", &his);
    let early = body(&anna.expect(&mut rig, "SIP/2.0 183"));
    bert.respond(&mut rig, &invite, "200 OK", "", &his);
    bert.expect(&mut rig, "ACK");
    let last = body(&anna.expect(&mut rig, "SIP/2.0 200"));
    assert_eq!(early, last);
}

#[test]
fn a_fax_is_relayed_in_mid_call_and_voice_comes_back() {
    let mut call = talking(Kind::Plain, "never");
    let fax = OFFER
        .replace(
            "m=audio 4000 RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\n",
            "m=image 4000 udptl t38\r\na=T38FaxVersion:0\r\n",
        )
        .replace("1 1 IN", "1 2 IN");
    let reinvite = call.anna.in_dialog(&mut call.hers, "INVITE", "", &fax);
    call.rig.media.clear();
    call.anna.send(&mut call.rig, &reinvite);
    call.anna.expect(&mut call.rig, "SIP/2.0 100");
    let invite = call.bert.expect(&mut call.rig, "INVITE");
    let offered = body(&invite);
    assert!(
        offered.contains("m=image 3") && offered.contains(" udptl t38\r\na=T38FaxVersion:0"),
        "{offered}"
    );
    let his = fax
        .replace("198.51.100.7", "198.51.100.8")
        .replace("4000", "5000");
    call.bert
        .respond(&mut call.rig, &invite, "200 OK", "", &his);
    call.bert.expect(&mut call.rig, "ACK");
    let ok = call.anna.expect(&mut call.rig, "SIP/2.0 200");
    assert!(body(&ok).contains("m=image 3"), "{ok}");
    call.anna.confirm(&mut call.rig, &mut call.hers, "");
    let (caller, callee) = call.sides();
    for remote in [&caller, &callee] {
        assert_eq!((remote.format, remote.rtcp), (Format::Udptl, None));
        assert_eq!(remote.silence, None);
    }
    let voice = OFFER.replace("1 1 IN", "1 3 IN");
    call.reoffer(&voice);
    assert_eq!(call.sides().0.format, Format::Rtp);
}

#[test]
fn a_fax_has_no_way_where_encryption_is_required() {
    let mut call = talking(Kind::Plain, "required");
    let fax = "v=0\r\no=p 1 2 IN IP4 198.51.100.8\r\ns=-\r\nc=IN IP4 198.51.100.8\r\nt=0 0\r\nm=image 5000 udptl t38\r\n";
    let reinvite = call.bert.in_dialog(&mut call.his, "INVITE", "", fax);
    call.bert.send(&mut call.rig, &reinvite);
    call.bert.expect(&mut call.rig, "SIP/2.0 100");
    let refused = call.bert.expect(&mut call.rig, "SIP/2.0 488");
    assert!(refused.contains("Warning: 399"), "{refused}");
}

const VIDEO: &str = "m=video 6000 RTP/AVPF 96\r\na=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack pli\r\nm=application 6100 UDP/BFCP *\r\n";

#[test]
fn video_is_relayed_and_what_nobody_knows_is_refused() {
    let mut rig = Rig::with(config());
    rig.wish("bert", "never", "automatic");
    let (mut anna, bert) = rig::two_phones(&mut rig);
    let offer = OFFER.to_owned() + VIDEO;
    anna.invite(&mut rig, "sip:bert@192.0.2.1", "", &offer);
    let invite = bert.expect(&mut rig, "INVITE");
    let offered = body(&invite);
    assert!(offered.contains("m=application 0 "), "{offered}");
    assert!(offered.contains("a=rtcp-fb:* nack pli\r\n"), "{offered}");
    assert_eq!(rig.open_ports.len(), 4);
    let his = ANSWER.to_owned()
        + "m=video 6002 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\nm=application 0 UDP/BFCP *\r\n";
    bert.respond(&mut rig, &invite, "200 OK", "", &his);
    bert.expect(&mut rig, "ACK");
    let answered = body(&anna.expect(&mut rig, "SIP/2.0 200"));
    assert!(
        answered.contains("m=video 3") && answered.contains("RTP/AVPF 96"),
        "{answered}"
    );
    let bridges = rig
        .media
        .iter()
        .filter(|order| matches!(order, Command::Bridge { .. }));
    assert_eq!(bridges.count(), 2);
}

#[test]
fn the_streams_of_a_browser_share_one_port_and_those_of_a_phone_do_not() {
    let mut rig = Rig::with(config());
    rig.wish("bert", "never", "automatic");
    let (mut anna, bert) = rig::two_phones(&mut rig);
    let offer = Kind::Browser
        .offer("198.51.100.7", 4000)
        .replace("a=group:BUNDLE 0\r\n", "a=group:BUNDLE 0 1\r\n");
    let section = offer[offer.find("m=audio").unwrap()..]
        .replace(
            "m=audio 4000 UDP/TLS/RTP/SAVPF 8 0 101\r\na=rtpmap:101 telephone-event/8000",
            "m=video 4000 UDP/TLS/RTP/SAVPF 96\r\na=rtpmap:96 VP8/90000",
        )
        .replace("a=mid:0", "a=mid:1");
    anna.invite(&mut rig, "sip:bert@192.0.2.1", "", &(offer + &section));
    let invite = bert.expect(&mut rig, "INVITE");
    assert!(
        !body(&invite).contains("BUNDLE") && !body(&invite).contains("a=mid"),
        "{invite}"
    );
    let his = ANSWER.to_owned() + "m=video 6002 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n";
    bert.respond(&mut rig, &invite, "200 OK", "", &his);
    bert.expect(&mut rig, "ACK");
    let answered = body(&anna.expect(&mut rig, "SIP/2.0 200"));
    assert!(answered.contains("a=group:BUNDLE 0 1"), "{answered}");
    let ports: Vec<&str> = answered
        .lines()
        .filter(|line| line.starts_with("m="))
        .map(|line| line.split(' ').nth(1).unwrap())
        .collect();
    assert_eq!(ports[0], ports[1], "{answered}");
    let bundle = rig.media.iter().find_map(|order| match order {
        Command::Bundle { carrier, riders } => Some((*carrier, riders.clone())),
        _ => None,
    });
    let (carrier, riders) = bundle.unwrap();
    assert_eq!((carrier.0 & 0xff, riders.len()), (1, 1));
}

#[test]
fn candidates_that_come_later_are_for_the_media_plane_and_not_for_the_other_party() {
    let mut call = talking(Kind::Browser, "never");
    let fragment = |ufrag: &str| {
        format!(
            "a=ice-ufrag:{ufrag}\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n\
             a=candidate:1 1 udp 2130706431 198.51.100.7 4000 typ host\r\n\
             a=candidate:2 1 udp 1694498815 203.0.113.9 5555 typ srflx raddr 198.51.100.7 rport 4000\r\n"
        )
    };
    let send = |call: &mut Talking, body: &str| {
        let extra = "Info-Package: trickle-ice\r\n";
        let info = call.anna.in_dialog(&mut call.hers, "INFO", extra, body);
        let info = info.replace("application/sdp", "application/trickle-ice-sdpfrag");
        call.rig.media.clear();
        call.anna.send(&mut call.rig, &info);
    };
    send(&mut call, &fragment("gone"));
    call.anna.expect(&mut call.rig, "SIP/2.0 200");
    assert!(call.rig.media.is_empty(), "those of another generation");
    send(&mut call, &fragment("abcd"));
    call.anna.expect(&mut call.rig, "SIP/2.0 200");
    let [Command::Candidates { candidates, .. }] = &call.rig.media[..] else {
        panic!("{:?}", call.rig.media)
    };
    assert_eq!(candidates.len(), 1, "the one that was not known");
    assert_eq!(candidates[0].address.to_string(), "203.0.113.9:5555");
    call.bert.expect_nothing(&mut call.rig);
    // A phone without ICE has no use for them.
    let mut call = talking(Kind::Plain, "never");
    send(&mut call, &fragment("abcd"));
    call.anna.expect(&mut call.rig, "SIP/2.0 469");
}

#[test]
fn a_long_offer_in_a_datagram_has_one_suite_and_a_short_one_has_three() {
    for (padding, suites) in [(0, 3), (400, 1)] {
        let mut rig = Rig::with(config());
        let (mut anna, bert) = rig::two_phones(&mut rig);
        let offer = format!("{OFFER}a=x-long:{}\r\n", "y".repeat(padding));
        anna.invite(&mut rig, "sip:bert@192.0.2.1", "", &offer);
        let invite = bert.expect(&mut rig, "INVITE");
        assert_eq!(body(&invite).matches("a=crypto:").count(), suites);
    }
}

#[test]
fn direct_media_pass_as_they_are_and_what_is_required_is_looked_for() {
    for (wish, kind, status) in [
        ("offered", Kind::Plain, "200"),
        ("required", Kind::Sdes, "200"),
        ("required", Kind::Plain, "488"),
    ] {
        let mut rig = Rig::with(config());
        rig.wish("anna", wish, "automatic");
        rig.wish("bert", wish, "automatic");
        for user in ["anna", "bert"] {
            rig.allow_direct_media(user);
        }
        let (mut anna, bert) = rig::two_phones(&mut rig);
        let offer = kind.offer("198.51.100.7", 4000)
            + "a=candidate:1 1 udp 2130706431 198.51.100.7 4000 typ host\r\n";
        let sent = anna.invite(&mut rig, "sip:bert@192.0.2.1", "", &offer);
        if status != "200" {
            anna.expect(&mut rig, &format!("SIP/2.0 {status}"));
            continue;
        }
        let invite = bert.expect(&mut rig, "INVITE");
        assert!(body(&invite).contains("a=candidate:1 1 udp"), "{invite}");
        let has_key = kind == Kind::Sdes;
        assert_eq!(body(&invite).contains(KEY), has_key);
        let shown = if has_key { "direct" } else { "none" };
        let shown = format!("\r\nMedia-Encryption: {shown}\r\n");
        assert!(invite.contains(&shown), "{invite}");
        bert.accept(&mut rig, &invite, true);
        bert.expect(&mut rig, "ACK");
        let ok = anna.expect(&mut rig, "SIP/2.0 200");
        assert!(ok.contains(&shown), "{ok}");
        let mut hers = anna.talk_as_caller(&sent, &ok);
        anna.hang_up(&mut rig, &mut hers);
        let journal = rig.journal();
        // The key went over UDP, and nobody is left to think that it did not.
        let said = journal.contains("keys crossed an unencrypted signalling path (UDP)");
        assert_eq!(said, has_key, "{journal}");
    }
}

#[test]
fn an_answerer_with_numbers_of_its_own_is_understood() {
    let mut rig = Rig::with(config());
    rig.wish("bert", "never", "automatic");
    let (mut anna, bert) = rig::two_phones(&mut rig);
    anna.invite(&mut rig, "sip:bert@192.0.2.1", "", OFFER);
    let invite = bert.expect(&mut rig, "INVITE");
    let his = ANSWER.replace("8 101", "8 96").replace(":101 ", ":96 ");
    bert.respond(&mut rig, &invite, "200 OK", "", &his);
    bert.expect(&mut rig, "ACK");
    let answered = body(&anna.expect(&mut rig, "SIP/2.0 200"));
    assert!(answered.contains("RTP/AVP 8 101\r\n"), "{answered}");
    assert!(answered.contains("a=rtpmap:101 telephone-event/8000"));
    let remotes = rig.remotes();
    let of = |remote: &Remote| -> Vec<(u8, u8)> {
        let pairs = remote.translations.iter();
        pairs.map(|it| (it.from, it.to)).collect()
    };
    assert_eq!(of(&remotes[0].1), [(101, 96)], "hers go on as his");
    assert_eq!(of(&remotes[1].1), [(96, 101)], "his go on as hers");
}
