//! Keys and ways in every kind of offer and answer there is besides INVITE and 200: reliable progress and
//! PRACK (RFC 3262), UPDATE (RFC 3311), a re-INVITE from another network, and one that repeats itself.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod rig;

use fernamt_exchange::media::{Dtls, DtlsRole, Event, MediaPort, Protection, Remote, SrtpKeys};
use fernamt_sdp::MAX_FORMATS;
use fernamt_sip::message::Name;
use rig::sdp::{KEY, Kind, NEW_KEY, OTHER_KEY, answer, crypto, line, profile_of};
use rig::secure::{Talking, config, talking};
use rig::{OFFER, Phone, Rig, Talk, body, header, two_phones};

/// Where somebody is who has left home.
const ELSEWHERE: &str = "203.0.113.7";

fn sdes(remote: &Remote) -> &SrtpKeys {
    match &remote.protection {
        Protection::Sdes(keys) => keys,
        other => panic!("{other:?}"),
    }
}

fn dtls(remote: &Remote) -> &Dtls {
    match &remote.protection {
        Protection::Dtls(dtls) => dtls,
        other => panic!("{other:?}"),
    }
}

/// Confirms a reliable response.
fn prack(rig: &mut Rig, phone: &Phone, talk: &mut Talk, invite: &str, response: &str, sdp: &str) {
    let rseq = header(response, Name::RSeq);
    let rack = format!("RAck: {rseq} {}\r\n", header(invite, Name::CSeq));
    let prack = phone.in_dialog(talk, "PRACK", &rack, sdp);
    phone.send(rig, &prack);
    phone.expect(rig, "SIP/2.0 200");
}

/// The keys of both sides are there before anybody has answered, and the 200 changes none.
#[test]
fn an_answer_in_a_reliable_progress_carries_keys_and_ways() {
    for kind in [Kind::Sdes, Kind::Dtls, Kind::Browser] {
        for transport in ["sdes", "webrtc"] {
            let mut rig = Rig::with(config());
            rig.wish("bert", "required", transport);
            let (mut anna, bert) = two_phones(&mut rig);
            let offer = kind.offer("198.51.100.7", 4000);
            let supported = "Supported: 100rel\r\n";
            let sent = anna.invite(&mut rig, "sip:bert@192.0.2.1", supported, &offer);
            let invite = bert.expect(&mut rig, "INVITE");
            let his = answer(&body(&invite), "198.51.100.8", 5000, true);
            let reliable = "Require: 100rel\r\nRSeq: 7\r\n";
            bert.respond(&mut rig, &invite, "183 Session Progress", reliable, &his);
            let confirmed = bert.expect(&mut rig, "PRACK");
            assert!(body(&confirmed).is_empty());
            bert.respond(&mut rig, &confirmed, "200 OK", "", "");
            let progress = anna.expect(&mut rig, "SIP/2.0 183");
            let answered = body(&progress);
            assert_eq!(profile_of(&answered), kind.profile());
            let (caller, callee) = rig.sides();
            match kind {
                Kind::Sdes => {
                    assert!(!crypto(&answered).contains(KEY));
                    sdes(&caller);
                }
                _ => {
                    assert!(answered.contains("a=fingerprint:sha-256 07:07"));
                    assert!(answered.contains("a=setup:active"), "{answered}");
                    assert_eq!(dtls(&caller).role, DtlsRole::Client);
                }
            }
            let has_ice = kind == Kind::Browser;
            assert_eq!(answered.contains("a=ice-ufrag:"), has_ice, "{answered}");
            assert_eq!(caller.ice.is_some(), has_ice);
            match transport {
                "sdes" => assert!(sdes(&callee).theirs.key_and_salt.starts_with(&[0x1e, 0x1d])),
                _ => {
                    assert_eq!(dtls(&callee).role, DtlsRole::Server, "he is active");
                    assert!(callee.ice.is_some());
                }
            }
            let mut talk = anna.talk_as_caller(&sent, &progress);
            prack(&mut rig, &anna, &mut talk, &sent, &progress, "");
            bert.respond(&mut rig, &invite, "200 OK", "", "");
            bert.expect(&mut rig, "ACK");
            let ok = anna.expect(&mut rig, "SIP/2.0 200");
            assert!(body(&ok).is_empty() || body(&ok) == answered, "{ok}");
            anna.confirm(&mut rig, &mut talk, "");
            assert_eq!(rig.sides(), (caller, callee), "{kind:?} {transport}");
        }
    }
}

/// The called phone offers in its 183; the answer to it is in PRACK, with keys of either side's kind.
#[test]
fn a_late_offer_in_a_reliable_progress_is_answered_with_keys() {
    for kind in [Kind::Sdes, Kind::Dtls, Kind::Browser] {
        let mut rig = Rig::with(config());
        rig.wish("anna", "required", "sdes");
        let (mut anna, bert) = two_phones(&mut rig);
        let supported = "Supported: 100rel\r\n";
        let sent = anna.invite(&mut rig, "sip:bert@192.0.2.1", supported, "");
        let invite = bert.expect(&mut rig, "INVITE");
        let offer = kind.offer("198.51.100.8", 5000);
        let reliable = "Require: 100rel\r\nRSeq: 1\r\n";
        bert.respond(&mut rig, &invite, "183 Session Progress", reliable, &offer);
        let progress = anna.expect(&mut rig, "SIP/2.0 183");
        assert_eq!(profile_of(&body(&progress)), "RTP/SAVP");
        let hers = answer(&body(&progress), "198.51.100.7", 4000, true);
        let mut talk = anna.talk_as_caller(&sent, &progress);
        prack(&mut rig, &anna, &mut talk, &sent, &progress, &hers);
        let confirmed = bert.expect(&mut rig, "PRACK");
        assert_eq!(profile_of(&body(&confirmed)), kind.profile());
        assert!(!body(&confirmed).contains(KEY), "his own key");
        bert.respond(&mut rig, &confirmed, "200 OK", "", "");
        let (caller, callee) = rig.sides();
        sdes(&caller);
        match kind {
            Kind::Sdes => assert_ne!(sdes(&callee).ours, sdes(&caller).ours),
            _ => assert_eq!(dtls(&callee).role, DtlsRole::Client),
        }
        assert_eq!(callee.ice.is_some(), kind == Kind::Browser);
        bert.respond(&mut rig, &invite, "200 OK", "", "");
        bert.expect(&mut rig, "ACK");
        anna.expect(&mut rig, "SIP/2.0 200");
        assert_eq!(rig.sides(), (caller, callee));
    }
}

/// One side changes its keys by UPDATE, the other sees a new offer with the keys that it has.
#[test]
fn update_changes_the_keys_of_one_side_and_of_no_other() {
    let mut call = talking(Kind::Sdes, "required");
    let (before, his_before) = call.sides();
    let changed = call.offer.replace("1 1 IN", "1 2 IN").replace(KEY, NEW_KEY);
    let (offered, answered) = reoffer_by_update(&mut call, &changed);
    assert_eq!(crypto(&offered), crypto(&call.offered), "his are the same");
    assert!(!answered.contains(NEW_KEY) && !offered.contains(NEW_KEY));
    let (after, his_after) = call.sides();
    assert_ne!(sdes(&before).theirs, sdes(&after).theirs);
    assert_eq!(sdes(&after).theirs.key_and_salt[0], 0x20);
    assert_eq!(his_before.protection, his_after.protection);
    // What was answered is what the media plane uses.
    let ours = &sdes(&after).ours;
    assert_eq!(
        *ours == sdes(&before).ours,
        crypto(&answered) == crypto(&call.answered)
    );
}

/// Before anybody has answered, as soon as offer and answer are complete (RFC 3311 section 5.1).
#[test]
fn update_changes_keys_while_it_still_rings() {
    let mut rig = Rig::with(config());
    rig.wish("bert", "required", "sdes");
    let (mut anna, bert) = two_phones(&mut rig);
    let offer = Kind::Sdes.offer("198.51.100.7", 4000);
    let supported = "Supported: 100rel\r\n";
    let sent = anna.invite(&mut rig, "sip:bert@192.0.2.1", supported, &offer);
    let invite = bert.expect(&mut rig, "INVITE");
    let his = answer(&body(&invite), "198.51.100.8", 5000, true);
    let reliable = "Require: 100rel\r\nRSeq: 7\r\n";
    bert.respond(&mut rig, &invite, "183 Session Progress", reliable, &his);
    let confirmed = bert.expect(&mut rig, "PRACK");
    bert.respond(&mut rig, &confirmed, "200 OK", "", "");
    let progress = anna.expect(&mut rig, "SIP/2.0 183");
    let mut talk = anna.talk_as_caller(&sent, &progress);
    prack(&mut rig, &anna, &mut talk, &sent, &progress, "");
    let (before, his_before) = rig.sides();
    let changed = offer.replace("1 1 IN", "1 2 IN").replace(KEY, NEW_KEY);
    let update = anna.in_dialog(&mut talk, "UPDATE", "", &changed);
    anna.send(&mut rig, &update);
    let carried = bert.expect(&mut rig, "UPDATE");
    assert!(!body(&carried).contains(NEW_KEY), "{carried}");
    bert.accept(&mut rig, &carried, true);
    let ok = anna.expect(&mut rig, "SIP/2.0 200");
    assert!(header(&ok, Name::CSeq).ends_with("UPDATE"));
    assert_eq!(profile_of(&body(&ok)), "RTP/SAVP");
    let (after, his_after) = rig.sides();
    assert_eq!(sdes(&after).theirs.key_and_salt[0], 0x20);
    assert_ne!(sdes(&before).theirs, sdes(&after).theirs);
    assert_eq!(his_before.protection, his_after.protection);
    bert.respond(&mut rig, &invite, "200 OK", "", "");
    bert.expect(&mut rig, "ACK");
    let ok = anna.expect(&mut rig, "SIP/2.0 200");
    assert!(header(&ok, Name::CSeq).ends_with("INVITE"));
    assert_eq!(rig.sides(), (after, his_after));
}

/// A new certificate is a new association (RFC 8842 section 4), and none of the old keys is carried on.
#[test]
fn update_with_another_certificate_needs_another_handshake() {
    let mut call = talking(Kind::Browser, "required");
    let endpoint = call.rig.remotes()[0].0;
    let (before, his_before) = call.sides();
    let keys = sdes(&his_before).clone();
    for port in [MediaPort::Rtp, MediaPort::Rtcp] {
        let keys = keys.clone();
        call.media(Event::Secured {
            endpoint,
            port,
            keys,
        });
    }
    let changed = call
        .offer
        .replace("1 1 IN", "1 2 IN")
        .replace("11:11", "22:22")
        .replace("abcd", "wxyz");
    let (_, answered) = reoffer_by_update(&mut call, &changed);
    assert_ne!(
        line(&answered, "a=ice-ufrag:"),
        line(&call.answered, "a=ice-ufrag:")
    );
    let (after, his_after) = call.sides();
    assert_ne!(dtls(&before).fingerprints, dtls(&after).fingerprints);
    assert_eq!(dtls(&after).established, None);
    assert_eq!(dtls(&after).established_rtcp, None);
    assert_ne!(before.ice, after.ice);
    assert_eq!(his_before.protection, his_after.protection);
}

/// What she answers in mid call: with the key and in the role that she has (RFC 8842 section 5.4).
fn her_answer(invite: &str) -> String {
    answer(&body(invite), "198.51.100.7", 4000, true)
        .replace(OTHER_KEY, KEY)
        .replace("a=setup:active", "a=setup:passive")
}

fn reoffer_by_update(call: &mut Talking, offer: &str) -> (String, String) {
    let Talking {
        rig,
        anna,
        bert,
        hers,
        ..
    } = call;
    let update = anna.in_dialog(hers, "UPDATE", "", offer);
    anna.send(rig, &update);
    let invite = bert.expect(rig, "INVITE");
    bert.accept(rig, &invite, true);
    bert.expect(rig, "ACK");
    let ok = anna.expect(rig, "SIP/2.0 200");
    assert!(header(&ok, Name::CSeq).ends_with("UPDATE"));
    (body(&invite), body(&ok))
}

/// The phone has another address and speaks from there, signalling and media; behind another NAT it
/// names an address that only its signalling tells the truth about. The other side keeps all it has.
#[test]
fn an_encrypted_side_moves_to_another_network() {
    for kind in [Kind::Sdes, Kind::Dtls, Kind::Browser] {
        for moves_by in ["INVITE", "UPDATE"] {
            let mut call = talking(kind, "required");
            let (before, his_before) = call.sides();
            call.anna.address = format!("{ELSEWHERE}:5062").parse().unwrap();
            let moved = call
                .offer
                .replace("1 1 IN", "1 2 IN")
                .replace("198.51.100.7", "10.0.0.5")
                .replace("abcd", "wxyz");
            let (offered, _) = match moves_by {
                "INVITE" => call.reoffer(&moved),
                _ => reoffer_by_update(&mut call, &moved),
            };
            assert_eq!(crypto(&offered), crypto(&call.offered));
            let (after, his_after) = call.sides();
            assert_eq!(after.signalling.to_string(), ELSEWHERE);
            assert_eq!(after.rtp.to_string(), "10.0.0.5:4000");
            assert_eq!(before.protection, after.protection, "{kind:?} {moves_by}");
            assert_eq!(before.ice != after.ice, kind == Kind::Browser);
            assert_eq!(his_before, his_after);
            // What comes next finds it where it is now.
            call.bert.hang_up(&mut call.rig, &mut call.his);
            call.anna.expect(&mut call.rig, "BYE");
        }
    }
}

/// The same the other way round: the called side moves, and it had been given the keys.
#[test]
fn the_called_side_moves_to_another_network_and_keeps_its_keys() {
    let mut call = talking(Kind::Browser, "required");
    let (hers_before, before) = call.sides();
    call.bert.address = format!("{ELSEWHERE}:5062").parse().unwrap();
    let key = line(&call.offered, "a=crypto:").unwrap();
    let suite = key.split(' ').nth(1).unwrap();
    let moved = Kind::Sdes
        .offer("10.0.0.6", 5000)
        .replace("AES_CM_128_HMAC_SHA1_80", suite)
        .replace(KEY, OTHER_KEY);
    let reinvite = call.bert.in_dialog(&mut call.his, "INVITE", "", &moved);
    call.bert.send(&mut call.rig, &reinvite);
    call.bert.expect(&mut call.rig, "SIP/2.0 100");
    let invite = call.anna.expect(&mut call.rig, "INVITE");
    let hers = her_answer(&invite);
    call.anna
        .respond(&mut call.rig, &invite, "200 OK", "", &hers);
    call.anna.expect(&mut call.rig, "ACK");
    let ok = call.bert.expect(&mut call.rig, "SIP/2.0 200");
    assert_eq!(profile_of(&body(&ok)), "RTP/SAVP");
    let (hers_after, after) = call.sides();
    assert_eq!(after.signalling.to_string(), ELSEWHERE);
    assert_eq!(sdes(&before).theirs, sdes(&after).theirs);
    assert_eq!(hers_before.protection, hers_after.protection);
}

/// CVE-2026-57162 and others: formats that are named twice, under one number or under several.
#[test]
fn sdp_duplicate_codec_reinvite() {
    let lines = [
        "8 8 0 0 101 101",
        "8 0 97 98 101",
        "8 0 101 8 0 101 8 0 101",
        "101 101 101 101",
    ];
    let attributes = [
        "a=rtpmap:8 PCMA/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:8 PCMU/8000\r\n",
        "a=rtpmap:97 PCMA/8000\r\na=rtpmap:98 PCMA/8000\r\na=rtpmap:97 PCMU/8000\r\na=fmtp:97 x\r\na=fmtp:97 y\r\n",
        "a=rtpmap:101 telephone-event/8000\r\na=rtpmap:101 telephone-event/48000\r\n",
    ];
    for kind in [Kind::Plain, Kind::Sdes, Kind::Browser] {
        let mut call = talking(kind, "required");
        let mut version = 1;
        for formats in lines {
            for attribute in attributes {
                version += 1;
                let offer = call
                    .offer
                    .replace("1 1 IN", &format!("1 {version} IN"))
                    .replace("8 0 101\r\n", &format!("{formats}\r\n{attribute}"));
                let (_, answered) = call.reoffer(&offer);
                assert_eq!(profile_of(&answered), kind.profile());
                assert_unambiguous(&call);
            }
        }
        // The same from the other side.
        let wild = Kind::Sdes.offer("198.51.100.8", 5000).replace(
            "8 0 101\r\n",
            "8 8 97 8 101 101\r\na=rtpmap:97 PCMA/8000\r\n",
        );
        let reinvite = call.bert.in_dialog(&mut call.his, "INVITE", "", &wild);
        call.bert.send(&mut call.rig, &reinvite);
        call.bert.expect(&mut call.rig, "SIP/2.0 100");
        let invite = call.anna.expect(&mut call.rig, "INVITE");
        let hers = her_answer(&invite);
        let hers = hers.replace(" 8 101\r\n", " 8 8 101 101\r\n");
        call.anna
            .respond(&mut call.rig, &invite, "200 OK", "", &hers);
        call.anna.expect(&mut call.rig, "ACK");
        call.bert.expect(&mut call.rig, "SIP/2.0 200");
        call.bert.confirm(&mut call.rig, &mut call.his, "");
        assert_unambiguous(&call);
        // And all is as it was when the offer is.
        let offer = call
            .offer
            .replace("1 1 IN", &format!("1 {} IN", version + 1));
        let before = call.sides();
        call.reoffer(&offer);
        let after = call.sides();
        assert_eq!(before.0.protection, after.0.protection);
        assert_eq!(after.0.translations, []);
        call.hang_up();
        call.anna.expect(&mut call.rig, "SIP/2.0 200");
    }
}

/// Each number means one thing on its way to the other side, and no number is lost twice.
fn assert_unambiguous(call: &Talking) {
    let (caller, callee) = call.sides();
    for remote in [&caller, &callee] {
        let mut from: Vec<u8> = remote.translations.iter().map(|it| it.from).collect();
        let all = from.len();
        from.sort_unstable();
        from.dedup();
        assert_eq!(from.len(), all, "{:?}", remote.translations);
        assert!(remote.payload_types.len() <= 16, "{remote:?}");
    }
}

/// As many as a description may have are answered, one more makes it unreadable, and the call lives.
#[test]
fn sdp_duplicate_codec_reinvite_at_the_limit() {
    let mut call = talking(Kind::Plain, "never");
    let offer = |count: usize| {
        let formats = vec!["8"; count].join(" ");
        OFFER
            .replace("1 1 IN", &format!("1 {count} IN"))
            .replace("8 0 101", &formats)
    };
    let (_, answered) = call.reoffer(&offer(MAX_FORMATS));
    assert!(answered.contains(" RTP/AVP 8 101\r\n"), "{answered}");
    assert_unambiguous(&call);
    let too_many = offer(MAX_FORMATS + 1);
    let reinvite = call.anna.in_dialog(&mut call.hers, "INVITE", "", &too_many);
    call.anna.send(&mut call.rig, &reinvite);
    call.anna.expect(&mut call.rig, "SIP/2.0 100");
    call.anna.expect(&mut call.rig, "SIP/2.0 400");
    call.bert.expect_nothing(&mut call.rig);
    call.hang_up();
    call.anna.expect(&mut call.rig, "SIP/2.0 200");
}
