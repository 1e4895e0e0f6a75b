//! A party whose RTCP has a port and a handshake of its own, and one that shares the port of RTP.

use fernamt_exchange::media::{
    Dtls, DtlsRole, Event, MediaPort, Protection, Remote, Rollovers, SrtpKey, SrtpKeys,
};
use fernamt_rtp::srtp::RTCP_INDEX_STEP;
use fernamt_sdp::CryptoSuite;

use super::phone::{Phone, hello, offer, offering, told};
use super::protected::{Party, keys, protected};
use super::rig::{Rig, certificate};
use super::*;
use crate::dtls::{Certificate, Identity};

const SIGNALLING: &str = "192.0.2.10";
const OTHER: &str = "198.51.100.9:7000";
const REPORT: [u8; 8] = *b"\x80\xc9\x00\x01\x00\x00\x00\x07";

fn rtcp_address(phone: &Phone) -> SocketAddr {
    SocketAddr::new(phone.at.ip(), phone.at.port() + 1)
}

fn on_two_ports(phone: &Phone) -> Remote {
    Remote {
        rtcp: Some(rtcp_address(phone)),
        ..phone.remote()
    }
}

/// A phone that has made its handshakes on both ports, and the keys of each as the exchange has them.
fn agreed() -> (Rig, Phone, [SrtpKeys; 2]) {
    let (rig, _, phone, keys) = agreed_with();
    (rig, phone, keys)
}

/// The same, with the certificate of the exchange.
fn agreed_with() -> (Rig, Certificate, Phone, [SrtpKeys; 2]) {
    let (mut rig, own) = offering(SIGNALLING);
    let mut phone = Phone::new(PARTY, &own);
    rig.set_remote(&on_two_ports(&phone));
    let keys = shake_hands(&mut rig, &mut phone);
    (rig, own, phone, keys)
}

fn shake_hands(rig: &mut Rig, phone: &mut Phone) -> [SrtpKeys; 2] {
    for channel in [Channel::Rtp, Channel::Rtcp] {
        phone.begin(rig, channel);
        phone.go_on(rig);
    }
    secured(rig)
}

/// The keys that are told for each port, in this order.
#[track_caller]
fn secured(rig: &mut Rig) -> [SrtpKeys; 2] {
    match &told(rig)[..] {
        [
            Event::Secured {
                port: MediaPort::Rtp,
                keys: rtp,
                ..
            },
            Event::Secured {
                port: MediaPort::Rtcp,
                keys: rtcp,
                ..
            },
        ] => [rtp.clone(), rtcp.clone()],
        other => panic!("{other:?}"),
    }
}

/// A report for the party on the port of RTCP.
fn report(rig: &mut Rig) -> Vec<u8> {
    let mut room = [&REPORT[..], &[0; 100]].concat();
    let length = rig.endpoint.seal_rtcp(Channel::Rtcp, &mut room, 8).unwrap();
    room.truncate(length);
    room
}

/// The index in a packet of RTCP under this key.
fn index_of(key: &SrtpKey, sealed: &[u8]) -> u32 {
    // RFC 7714 section 9.2, RFC 3711 section 3.4: what comes behind it.
    let tag_bytes = match key.suite {
        CryptoSuite::AeadAes128Gcm | CryptoSuite::AeadAes256Gcm => 0,
        _ => 10,
    };
    let word = sealed[..sealed.len() - tag_bytes].last_chunk().unwrap();
    u32::from_be_bytes(*word) & 0x7fff_ffff
}

/// What the party makes of it.
fn heard(party: &mut Party, mut sealed: Vec<u8>) -> Vec<u8> {
    let length = party.unprotector.unprotect_rtcp(&mut sealed).unwrap();
    sealed.truncate(length);
    sealed
}

/// A report of the party.
fn said(party: &mut Party) -> Vec<u8> {
    let mut room = [&REPORT[..], &[0; 100]].concat();
    let length = party.protector.protect_rtcp(&mut room, 8).unwrap();
    room.truncate(length);
    room
}

/// The description of a phone after a restart of the exchange.
fn after_restart(phone: &Phone, keys: &[SrtpKeys; 2], role: DtlsRole) -> Remote {
    let [rtp, rtcp] = keys.clone();
    let dtls = Dtls {
        role,
        fingerprints: vec![phone.own.fingerprint()],
        established: Some(rtp),
        established_rtcp: Some(rtcp),
    };
    Remote {
        protection: Protection::Dtls(dtls),
        ..on_two_ports(phone)
    }
}

/// What the endpoint tells of its positions after this many reports.
fn moved_after(rig: &mut Rig, party: &mut Party, reports: u32) -> Rollovers {
    let mut moved = None;
    for _ in 0..reports {
        let sealed = report(rig);
        assert_eq!(heard(party, sealed), REPORT);
        moved = rig.endpoint.take_moved().or(moved);
    }
    moved.unwrap()
}

/// RFC 3711 section 9.1: an index that is used twice under one key gives its keystream away.
#[test]
fn no_index_of_rtcp_with_its_own_keys_is_used_again_after_a_restart() {
    for reports in [
        1,
        RTCP_INDEX_STEP,
        RTCP_INDEX_STEP + 1,
        3 * RTCP_INDEX_STEP - 1,
    ] {
        let (mut before, phone, keys) = agreed();
        assert_ne!(keys[0], keys[1]);
        let mut party = Party::new(&keys[1]);
        let rollovers = moved_after(&mut before, &mut party, reports);
        assert_eq!(rollovers.rtcp, 0, "the other keys have done nothing");
        let written = rollovers.rtcp_alone.sent;
        assert!(written > 0 && reports - written < RTCP_INDEX_STEP);
        for role in [DtlsRole::Client, DtlsRole::Server] {
            let mut after = Rig::new();
            after.identity = Identity::new(&certificate());
            after.set_remote(&Remote {
                rollovers: rollovers.clone(),
                ..after_restart(&phone, &keys, role)
            });
            assert_eq!(after.sent, [], "there is no new handshake on either port");
            let sealed = report(&mut after);
            assert!(index_of(&keys[1].ours, &sealed) >= reports);
            assert_eq!(told(&mut after), []);
            if role == DtlsRole::Client {
                assert_eq!(heard(&mut party, sealed), REPORT);
                continue;
            }
            let from = rtcp_address(&phone);
            let said = said(&mut party);
            let (arrival, clear) = after.arrive(Channel::Rtcp, &said, from);
            assert_eq!((arrival, &clear[..]), (RTCP, &REPORT[..]));
        }
    }
}

#[test]
fn what_the_party_s_key_for_rtcp_has_proved_goes_on_counting() {
    let (mut rig, phone, keys) = agreed();
    let mut party = Party::new(&keys[1]);
    let from = rtcp_address(&phone);
    for _ in 0..3 {
        let said = said(&mut party);
        assert_eq!(rig.arrive(Channel::Rtcp, &said, from).0, RTCP);
    }
    report(&mut rig);
    let rollovers = rig.endpoint.take_moved().unwrap();
    assert_eq!(rollovers.rtcp_alone.heard, 3);
    assert_eq!(rollovers.heard_packets, (0, 0));
    let mut after = Rig::new();
    after.set_remote(&Remote {
        rollovers,
        ..after_restart(&phone, &keys, DtlsRole::Server)
    });
    let said = said(&mut party);
    assert_eq!(after.arrive(Channel::Rtcp, &said, from).0, RTCP);
    let moved = (0..RTCP_INDEX_STEP).find_map(|_| {
        report(&mut after);
        after.endpoint.take_moved()
    });
    assert_eq!(moved.unwrap().rtcp_alone.heard, 4);
}

/// A second description of the same party, and one of a party that answers, too.
#[test]
fn keys_for_rtcp_are_told_again_with_how_far_they_have_been_used() {
    let (mut rig, own, one, keys) = agreed_with();
    let mut party = Party::new(&keys[1]);
    moved_after(&mut rig, &mut party, 10);
    rig.set_remote(&on_two_ports(&one));
    assert_eq!(told(&mut rig), []);
    assert_eq!(index_of(&keys[1].ours, &report(&mut rig)), 10);
    let mut other = Phone::new(OTHER, &own);
    rig.set_remote(&on_two_ports(&other));
    let others = shake_hands(&mut rig, &mut other);
    assert_ne!(others[1], keys[1]);
    assert_eq!(index_of(&others[1].ours, &report(&mut rig)), 0);
    rig.take_events();
    rig.set_remote(&on_two_ports(&one));
    let last = rig.events.last().cloned();
    assert_eq!(secured(&mut rig), keys);
    let Some(Event::RolledOver { rollovers, .. }) = last else {
        panic!("{last:?}")
    };
    assert_eq!(rollovers.rtcp_alone.sent, 11);
    assert_eq!(index_of(&keys[1].ours, &report(&mut rig)), 11);
}

/// RFC 5761: where both share one port there is one handshake, whatever the phone has tried before it
/// answered.
#[test]
fn a_hello_on_the_port_of_rtcp_leads_to_nothing_where_that_is_not_used() {
    for is_early in [false, true] {
        let (mut rig, own) = offering(SIGNALLING);
        let mut phone = Phone::new(PARTY, &own);
        if is_early {
            phone.begin(&mut rig, Channel::Rtcp);
        }
        hello(&mut phone, &mut rig);
        rig.set_remote(&phone.remote());
        if !is_early {
            phone.begin(&mut rig, Channel::Rtcp);
        }
        assert!(
            rig.sent
                .iter()
                .all(|(channel, ..)| *channel == Channel::Rtp)
        );
        phone.go_on(&mut rig);
        assert_eq!(told(&mut rig), [super::phone::secured(&phone)]);
        // It may be that of another party, which has not answered yet.
        let mut other = Phone::new(OTHER, &own);
        other.begin(&mut rig, Channel::Rtcp);
        rig.set_remote(&on_two_ports(&other));
        assert!(
            rig.sent
                .iter()
                .any(|(channel, ..)| *channel == Channel::Rtcp)
        );
        offer(&mut rig, None);
    }
}

#[test]
fn keys_from_a_description_are_for_both_ports() {
    let (mut rig, phone, _) = agreed();
    let suite = CryptoSuite::AesCm128HmacSha1_80;
    rig.set_remote(&Remote {
        rtp: phone.at,
        rtcp: Some(rtcp_address(&phone)),
        ..protected(keys(suite))
    });
    let mut party = Party::new(&keys(suite));
    let sealed = report(&mut rig);
    assert_eq!(heard(&mut party, sealed), REPORT);
}
