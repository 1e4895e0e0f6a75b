//! RTCP through the plane: what is whole passes, what lies does not, and everybody gets what it takes in
//! the form that it takes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails shall panic"
)]

mod common;

use common::secure::Cipher;
use common::{Exchange, Party, assert_speaking};
use fernamt_exchange::media::{EndpointId, Remote};
use fernamt_media::MAX_DATAGRAM_BYTES;
use fernamt_sdp::CryptoSuite::{AeadAes256Gcm, AesCm128HmacSha1_80};
use fernamt_sdp::{Feedback, FeedbackSet};

fn packet(packet_type: u8, count: u8, body: &[u8]) -> Vec<u8> {
    let words = (body.len() / 4) as u16;
    [&[0x80 | count, packet_type][..], &words.to_be_bytes(), body].concat()
}

fn feedback(party: &Party, packet_type: u8, format: u8, control: &[u8]) -> Vec<u8> {
    let parties = [party.ssrc.to_be_bytes(), [0, 0, 0, 2]].concat();
    packet(packet_type, format, &[&parties[..], control].concat())
}

fn picture_loss(party: &Party) -> Vec<u8> {
    feedback(party, 206, 1, &[])
}

/// The time of a receiver and figures of its line (RFC 3611 sections 4.4 and 4.7).
fn extended_report(party: &Party) -> Vec<u8> {
    let time = [4, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8];
    let figures = [&[7, 0, 0, 8][..], &[9; 32]].concat();
    let source = party.ssrc.to_be_bytes();
    packet(207, 0, &[&source[..], &time, &figures].concat())
}

/// Two phones; what the second takes of RTCP is said.
fn call(feedback: FeedbackSet, reduced_size: bool) -> (Exchange, Party, Party, EndpointId) {
    let exchange = Exchange::start();
    let (a, b, at_a, at_b) = exchange.call();
    exchange.set_remote(
        at_b,
        Remote {
            feedback,
            reduced_size,
            ..b.remote()
        },
    );
    (exchange, a, b, at_a)
}

/// GHSA-vhxv-phmx-g52q: feedback that is shorter than its own fields, or than its length says, reaches
/// nobody, whatever the party takes, alone or behind a report.
#[test]
fn rtcp_fb_oob() {
    let (exchange, mut a, mut b, at_a) = call(FeedbackSet::EVERY, true);
    let mut broken = Vec::new();
    for packet_type in [205, 206] {
        broken.push(packet(packet_type, 1, &[]));
        broken.push(packet(packet_type, 1, &[0; 4]));
        let announced = [&[0x81, packet_type, 0, 9][..], &[0; 8]].concat();
        broken.push(announced);
        let padded = [&[0xa1, packet_type, 0, 2][..], &[0; 7], &[9]].concat();
        broken.push(padded);
    }
    for datagram in &broken {
        a.send_rtcp(datagram);
        a.send_rtcp(&[a.report(), datagram.clone()].concat());
    }
    // Whole packets whose control information has not the size of its kind go alone.
    for control in [&[][..], &[0; 12]] {
        let full_intra = feedback(&a, 206, 4, control);
        a.send_rtcp(&[a.report(), full_intra].concat());
        assert_eq!(b.hear_rtcp(), a.report());
    }
    a.send_rtcp(&picture_loss(&a));
    assert_eq!(b.hear_rtcp(), picture_loss(&a));
    assert_speaking(&mut a, &mut b);
    assert!(b.hears_nothing());
    let dropped = exchange.close(at_a).packets_dropped;
    assert_eq!(dropped, 2 * broken.len() as u64);
}

#[test]
fn rtcp_that_lies_about_its_lengths_reaches_nobody() {
    let (exchange, mut a, mut b, at_a) = call(FeedbackSet::NONE, false);
    let source = a.ssrc.to_be_bytes();
    let item_too_long = [&source[..], &[1, 9, b'a', b'b']].concat();
    let block_too_long = [&source[..], &[4, 0, 0, 3], &[0; 8]].concat();
    let broken = [
        packet(201, 1, &source),
        packet(200, 0, &source),
        packet(202, 1, &item_too_long),
        packet(203, 2, &source),
        packet(204, 0, &source),
        packet(207, 0, &block_too_long),
    ];
    for datagram in &broken {
        a.send_rtcp(datagram);
        a.send_rtcp(&[a.report(), datagram.clone()].concat());
    }
    a.send_rtcp(&packet(203, 0, &[]));
    let report = a.report();
    a.send_rtcp(&report);
    assert_eq!(b.hear_rtcp(), report, "all before it has been looked at");
    assert_speaking(&mut a, &mut b);
    assert!(b.hears_nothing());
    let dropped = exchange.close(at_a).packets_dropped;
    assert_eq!(dropped, 2 * broken.len() as u64 + 1, "one is of nobody");
}

#[test]
fn rtcp_that_lies_is_authentic_for_nothing() {
    let (exchange, mut a, mut b, at_a) = call(FeedbackSet::EVERY, true);
    let mut cipher = exchange.protect(at_a, &a, AesCm128HmacSha1_80, 1);
    let broken = packet(206, 1, &a.ssrc.to_be_bytes());
    a.send_rtcp(&cipher.seal_rtcp(&broken));
    a.send_rtcp(&cipher.seal_rtcp(&a.report()));
    assert_eq!(b.hear_rtcp(), a.report());
    let said = cipher.speak(&mut a);
    assert_eq!(b.hear(), said);
    assert!(b.hears_nothing());
    b.speak();
    let statistics = exchange.close(at_a);
    assert_eq!(
        (statistics.packets_dropped, statistics.packets_unauthentic),
        (1, 0)
    );
}

#[test]
fn a_party_gets_the_feedback_that_it_has_named_and_no_other() {
    let named = FeedbackSet::NONE
        .with(Feedback::PictureLoss)
        .with(Feedback::BitRate);
    let (_exchange, a, b, _) = call(named, true);
    let nack = feedback(&a, 205, 1, &[0; 4]);
    let limit = feedback(&a, 205, 3, &[0; 8]);
    let accepted = feedback(&a, 205, 4, &[0; 8]);
    let full_intra = feedback(&a, 206, 4, &[0; 8]);
    let of_an_application = feedback(&a, 206, 15, b"TEST");
    let all = [
        a.report(),
        nack.clone(),
        picture_loss(&a),
        full_intra,
        limit.clone(),
        of_an_application,
        accepted.clone(),
    ];
    a.send_rtcp(&all.concat());
    let expected = [a.report(), picture_loss(&a), limit, accepted];
    assert_eq!(b.hear_rtcp(), expected.concat());
    a.send_rtcp(&nack);
    a.send_rtcp(&a.report());
    assert_eq!(b.hear_rtcp(), a.report(), "nothing of the others is left");
}

#[test]
fn what_begins_with_no_report_gets_one_for_a_party_that_has_not_agreed_to_less() {
    let named = FeedbackSet::NONE.with(Feedback::PictureLoss);
    for (reduced_size, feedback_taken) in
        [(true, named), (false, named), (false, FeedbackSet::NONE)]
    {
        let (_exchange, a, b, _) = call(feedback_taken, reduced_size);
        let alone = picture_loss(&a);
        let goodbye = packet(203, 1, &a.ssrc.to_be_bytes());
        let report = if reduced_size { vec![] } else { a.report() };
        if feedback_taken != FeedbackSet::NONE {
            a.send_rtcp(&alone);
            assert_eq!(b.hear_rtcp(), [report.clone(), alone.clone()].concat());
        }
        a.send_rtcp(&[alone, goodbye.clone()].concat());
        let left = match feedback_taken == FeedbackSet::NONE {
            true => goodbye,
            false => [picture_loss(&a), goodbye].concat(),
        };
        assert_eq!(b.hear_rtcp(), [report, left].concat());
    }
}

#[test]
fn what_has_no_room_for_a_report_before_it_is_not_sent() {
    let (_exchange, a, b, _) = call(FeedbackSet::NONE, false);
    let application = |bytes: usize| {
        let mut body = a.ssrc.to_be_bytes().to_vec();
        body.resize(bytes - 4, b'x');
        packet(204, 0, &body)
    };
    a.send_rtcp(&application(MAX_DATAGRAM_BYTES - 4));
    let longest = application(MAX_DATAGRAM_BYTES - 8);
    a.send_rtcp(&longest);
    assert_eq!(b.hear_rtcp(), [a.report(), longest].concat());
    assert!(b.hears_nothing());
}

#[test]
fn a_report_is_put_before_feedback_of_a_protected_party_and_protected_again() {
    let named = FeedbackSet::NONE.with(Feedback::PictureLoss);
    let exchange = Exchange::start();
    let (a, b, at_a, at_b) = exchange.call();
    let mut of_a = exchange.protect(at_a, &a, AesCm128HmacSha1_80, 1);
    let mut of_b = Cipher::new(AeadAes256Gcm, 5);
    let remote = Remote {
        feedback: named,
        ..of_b.remote(&b)
    };
    exchange.set_remote(at_b, remote);
    a.send_rtcp(&of_a.seal_rtcp(&picture_loss(&a)));
    let expected = [a.report(), picture_loss(&a)].concat();
    assert_eq!(of_b.open_rtcp(b.hear_rtcp()), expected);
}

#[test]
fn extended_reports_pass_in_clear_and_protected() {
    let (exchange, a, b, at_a) = call(FeedbackSet::NONE, false);
    let compound = [a.report(), extended_report(&a)].concat();
    a.send_rtcp(&compound);
    assert_eq!(b.hear_rtcp(), compound);
    // Browsers that have agreed to reduced size send them alone.
    a.send_rtcp(&extended_report(&a));
    assert_eq!(b.hear_rtcp(), compound);
    b.send_rtcp(&[b.report(), extended_report(&b)].concat());
    assert_eq!(a.hear_rtcp(), [b.report(), extended_report(&b)].concat());
    for suite in [AesCm128HmacSha1_80, AeadAes256Gcm] {
        let mut cipher = exchange.protect(at_a, &a, suite, 1);
        a.send_rtcp(&cipher.seal_rtcp(&compound));
        assert_eq!(b.hear_rtcp(), compound);
        let answer = [b.report(), extended_report(&b)].concat();
        b.send_rtcp(&answer);
        assert_eq!(cipher.open_rtcp(a.hear_rtcp()), answer);
    }
}
