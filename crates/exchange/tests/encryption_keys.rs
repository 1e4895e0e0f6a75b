//! How long keys last, which of them are taken, and how others are agreed on in mid call.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod rig;

use fernamt_exchange::interface::Input;
use fernamt_exchange::media::{self, EndpointId, Protection, Rollovers, SrtpKeys, StreamPosition};
use rig::sdp::{KEY, Kind, NEW_KEY, OTHER_KEY, answer, crypto};
use rig::secure::{Talking, config, position, talking};
use rig::{Rig, body};

fn keys(protection: &Protection) -> SrtpKeys {
    match protection {
        Protection::Sdes(keys) => keys.clone(),
        other => panic!("{other:?}"),
    }
}

fn endpoint_of_bert(call: &Talking) -> EndpointId {
    call.rig.remotes()[1].0
}

/// The journal of the call, which ends.
fn words_at_the_end(call: &mut Talking) -> String {
    call.hang_up();
    let bye = call.bert.expect(&mut call.rig, "BYE");
    call.bert.respond(&mut call.rig, &bye, "200 OK", "", "");
    call.rig.words()
}

#[test]
fn a_party_whose_key_is_old_is_offered_another_and_the_other_party_hears_nothing() {
    for changes_its_own in [true, false] {
        let mut call = talking(Kind::Plain, "required");
        let (other_before, before) = call.sides();
        let endpoint = endpoint_of_bert(&call);
        call.media(media::Event::RolledOver {
            endpoint,
            rollovers: Rollovers {
                ours: vec![StreamPosition {
                    ssrc: 1,
                    index: 1 << 20,
                    shift: 0,
                }],
                sent_packets: 1 << 20,
                heard_packets: (1 << 20, 5),
                rtcp: 64,
                ..Rollovers::default()
            },
        });
        call.media(media::Event::KeyOld { endpoint });
        let invite = call.bert.expect(&mut call.rig, "INVITE");
        let offered = body(&invite);
        assert!(offered.contains("RTP/SAVP 8"), "{offered}");
        assert_eq!(offered.matches("a=crypto").count(), 1, "{offered}");
        assert_ne!(crypto(&offered), crypto(&call.offered));
        // While it is open nothing else is begun.
        call.media(media::Event::KeyOld { endpoint });
        let his = answer(&offered, "198.51.100.8", 5000, true);
        let his = match changes_its_own {
            true => his.replace(OTHER_KEY, NEW_KEY),
            false => his,
        };
        call.bert
            .respond(&mut call.rig, &invite, "200 OK", "", &his);
        call.bert.expect(&mut call.rig, "ACK");
        call.anna.expect_nothing(&mut call.rig);
        let (other_after, after) = call.sides();
        assert_eq!(other_before.protection, other_after.protection);
        let (before, now) = (keys(&before.protection), keys(&after.protection));
        assert_ne!(before.ours, now.ours);
        assert_eq!(before.theirs != now.theirs, changes_its_own);
        // A new key begins anew, one that stays goes on.
        assert_eq!(after.rollovers.sent_packets, 0);
        assert_eq!((after.rollovers.ours.len(), after.rollovers.rtcp), (0, 0));
        assert_eq!(
            after.rollovers.heard_packets,
            if changes_its_own {
                (0, 0)
            } else {
                (1 << 20, 5)
            }
        );
        // All of it is in the written state.
        call.rig.crash(config());
        assert_eq!(keys(&call.sides().1.protection), now);
        let words = words_at_the_end(&mut call);
        assert!(words.contains("Other keys are in use."), "{words}");
    }
}

#[test]
fn the_caller_is_offered_other_keys_as_the_called_party_is() {
    let mut call = talking(Kind::Sdes, "never");
    let before = call.sides().0;
    let endpoint = call.rig.remotes()[0].0;
    call.media(media::Event::KeyOld { endpoint });
    let invite = call.anna.expect(&mut call.rig, "INVITE");
    let offered = body(&invite);
    assert_ne!(crypto(&offered), crypto(&call.answered));
    assert!(!offered.contains(KEY));
    let hers = answer(&offered, "198.51.100.7", 4000, true).replace(OTHER_KEY, NEW_KEY);
    call.anna
        .respond(&mut call.rig, &invite, "200 OK", "", &hers);
    call.anna.expect(&mut call.rig, "ACK");
    call.bert.expect_nothing(&mut call.rig);
    let (before, now) = (keys(&before.protection), keys(&call.sides().0.protection));
    assert_ne!(before.ours, now.ours);
    assert_ne!(before.theirs, now.theirs);
    // And the call can still change: what was agreed on last stays.
    let held = hers.replace("1 1 IN", "1 2 IN") + "a=sendonly\r\n";
    let (_, answered) = call.reoffer(&held);
    assert_eq!(
        crypto(&answered).split(' ').nth(2),
        crypto(&offered).split(' ').nth(2)
    );
    assert_eq!(keys(&call.sides().0.protection), now);
}

#[test]
fn a_party_that_takes_no_other_key_keeps_those_in_use_and_is_asked_again() {
    let mut call = talking(Kind::Plain, "required");
    let endpoint = endpoint_of_bert(&call);
    let before = call.sides().1;
    for _ in 0..2 {
        call.media(media::Event::KeyOld { endpoint });
        let invite = call.bert.expect(&mut call.rig, "INVITE");
        call.bert
            .respond(&mut call.rig, &invite, "488 Not Acceptable Here", "", "");
        call.bert.expect(&mut call.rig, "ACK");
        call.bert.expect_nothing(&mut call.rig);
    }
    // One that answers with something that does not fit is no better.
    call.media(media::Event::KeyOld { endpoint });
    let invite = call.bert.expect(&mut call.rig, "INVITE");
    let clear = answer(&body(&invite), "198.51.100.8", 5000, false).replace("SAVP", "AVP");
    call.bert
        .respond(&mut call.rig, &invite, "200 OK", "", &clear);
    call.bert.expect(&mut call.rig, "ACK");
    assert_eq!(keys(&before.protection), keys(&call.sides().1.protection));
    // What the other party wants is still done, with the keys in use.
    let offer = call.offer.replace("1 1 IN", "1 2 IN");
    let (offered, _) = call.reoffer(&offer);
    assert_eq!(crypto(&offered), crypto(&call.offered));
    let words = words_at_the_end(&mut call);
    assert!(words.contains("(488): those in use stay"), "{words}");
}

#[test]
fn an_offer_of_the_other_party_waits_until_the_keys_are_agreed_on() {
    let mut call = talking(Kind::Plain, "required");
    let endpoint = endpoint_of_bert(&call);
    call.media(media::Event::KeyOld { endpoint });
    let renewal = call.bert.expect(&mut call.rig, "INVITE");
    let offer = call.offer.replace("1 1 IN", "1 2 IN");
    let reinvite = call.anna.in_dialog(&mut call.hers, "INVITE", "", &offer);
    call.anna.send(&mut call.rig, &reinvite);
    call.anna.expect(&mut call.rig, "SIP/2.0 100");
    call.anna.expect(&mut call.rig, "SIP/2.0 491");
    call.bert.accept(&mut call.rig, &renewal, true);
    call.bert.expect(&mut call.rig, "ACK");
    let (offered, _) = call.reoffer(&call.offer.replace("1 1 IN", "1 3 IN"));
    assert_eq!(crypto(&offered), crypto(&body(&renewal)));
}

#[test]
fn keys_of_a_handshake_and_media_in_clear_have_none_to_be_offered() {
    for kind in [Kind::Plain, Kind::Dtls, Kind::Browser] {
        let mut call = talking(kind, "never");
        let endpoint = call.rig.remotes()[0].0;
        call.media(media::Event::KeyOld { endpoint });
        call.anna.expect_nothing(&mut call.rig);
        call.bert.expect_nothing(&mut call.rig);
    }
}

#[test]
fn who_talks_with_the_exchange_itself_is_offered_other_keys_too() {
    let mut rig = Rig::with(config());
    let (mut anna, _) = rig::two_phones(&mut rig);
    rig::call_echo(&mut rig, &mut anna, &Kind::Sdes.offer("198.51.100.7", 4000));
    let (endpoint, before) = rig.remotes().pop().unwrap();
    rig.input(Input::Media(media::Event::KeyOld { endpoint }));
    let invite = anna.expect(&mut rig, "INVITE");
    let new = answer(&body(&invite), "198.51.100.7", 4000, true).replace(OTHER_KEY, NEW_KEY);
    anna.respond(&mut rig, &invite, "200 OK", "", &new);
    anna.expect(&mut rig, "ACK");
    let (before, now) = (
        keys(&before.protection),
        keys(&rig.remotes()[0].1.protection),
    );
    assert_ne!(before.ours, now.ours);
    assert_ne!(before.theirs, now.theirs);
}

#[test]
fn the_life_and_the_name_of_a_key_reach_the_media_plane_and_those_of_ours_stay_what_they_are() {
    let mut rig = Rig::with(config());
    rig.wish("bert", "required", "automatic");
    let (mut anna, bert) = rig::two_phones(&mut rig);
    let offer = Kind::Sdes
        .offer("198.51.100.7", 4000)
        .replace(KEY, &format!("{KEY}|2^31|5:2"));
    anna.invite(&mut rig, "sip:bert@192.0.2.1", "", &offer);
    let invite = bert.expect(&mut rig, "INVITE");
    let his = answer(&body(&invite), "198.51.100.8", 5000, true)
        .replace(OTHER_KEY, &format!("{OTHER_KEY}|1066:4"));
    bert.respond(&mut rig, &invite, "200 OK", "", &his);
    bert.expect(&mut rig, "ACK");
    anna.expect(&mut rig, "SIP/2.0 200");
    let remotes = rig.remotes();
    let hers = keys(&remotes[0].1.protection);
    assert_eq!(hers.theirs.lifetime_packets, Some(1 << 31));
    assert_eq!(*hers.theirs.identifier, [0, 5]);
    assert_eq!(
        (hers.ours.lifetime_packets, hers.ours.identifier.len()),
        (None, 0)
    );
    let his = keys(&remotes[1].1.protection);
    assert_eq!(his.theirs.lifetime_packets, None);
    assert_eq!(
        *his.theirs.identifier,
        [0, 0, 1066_u16.to_be_bytes()[0], 42]
    );
}

#[test]
fn of_several_lines_one_that_can_be_honoured_is_taken() {
    let line = |tag: u8, keys: &str| format!("a=crypto:{tag} AES_CM_128_HMAC_SHA1_80 {keys}\r\n");
    let several = line(1, &format!("inline:{KEY}|1:4;inline:{OTHER_KEY}|2:4"));
    let short = line(2, &format!("inline:{KEY}|1000"));
    let good = line(3, &format!("inline:{NEW_KEY}"));
    for (lines, status, tag) in [
        ([&several, &short, &good], "200", 3),
        ([&good, &short, &several], "200", 3),
        ([&several, &short, &short], "488", 0),
    ] {
        let mut rig = Rig::with(config());
        rig.wish("bert", "never", "automatic");
        let (mut anna, bert) = rig::two_phones(&mut rig);
        let lines = lines.map(String::as_str).concat();
        let offer = Kind::Sdes.offer("198.51.100.7", 4000);
        let at = offer.find("a=crypto").unwrap();
        let offer = offer[..at].to_owned() + &lines;
        anna.invite(&mut rig, "sip:bert@192.0.2.1", "", &offer);
        if status == "200" {
            let invite = bert.expect(&mut rig, "INVITE");
            bert.accept(&mut rig, &invite, true);
            bert.expect(&mut rig, "ACK");
        }
        let response = anna.expect(&mut rig, &format!("SIP/2.0 {status}"));
        if status == "200" {
            let answered = body(&response);
            assert!(answered.contains(&format!("a=crypto:{tag} ")), "{answered}");
        }
    }
}

#[test]
fn what_version_2_has_written_is_picked_up_with_its_keys_and_where_they_stood() {
    let state = include_bytes!("data/encrypted-version-2.bin");
    let mut rig = Rig::recovered(config(), 2, &[state]);
    let remotes = rig.remotes();
    assert_eq!(remotes.len(), 2, "{:?}", rig.events);
    let hers = keys(&remotes[0].1.protection);
    assert_eq!(hers.theirs.lifetime_packets, None);
    let his = &remotes[1].1;
    assert_eq!(keys(&his.protection).theirs.lifetime_packets, Some(1 << 20));
    assert_eq!(*keys(&his.protection).theirs.identifier, [0, 0, 0, 1]);
    let known = Rollovers {
        ours: vec![position(7)],
        theirs: vec![position(8)],
        rtcp: 9,
        ..Rollovers::default()
    };
    assert_eq!(his.rollovers, known);
    // It is written as today's, and read once more.
    assert_eq!(rig.states[0].1[0], 3);
    rig.crash(config());
    assert_eq!(rig.remotes().len(), 2);
    assert_eq!(rig.remotes()[1].1.rollovers, known);
}
