//! Video, and who is offered which feedback for it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod rig;

use fernamt_exchange::media::Remote;
use fernamt_sdp::{Feedback, FeedbackSet};
use rig::sdp::{Kind, profile_of};
use rig::secure::config;
use rig::{Rig, body};

/// A section of video.
fn video(profile: &str, port: u16, lines: &[&str]) -> String {
    let mut text = format!("m=video {port} {profile} 96\r\na=rtpmap:96 VP8/90000\r\n");
    for line in lines {
        text += &format!("a={line}\r\n");
    }
    text
}

/// What a browser says of its video.
const OF_BROWSERS: [&str; 6] = [
    "rtcp-fb:96 goog-remb",
    "rtcp-fb:96 transport-cc",
    "rtcp-fb:96 ccm fir",
    "rtcp-fb:96 nack",
    "rtcp-fb:96 nack pli",
    "rtcp-rsize",
];

/// What most phones say of theirs.
const OF_PHONES: [&str; 1] = ["rtcp-fb:* nack pli"];

/// A call with video, and what the second called was offered, the first was answered, and the media
/// plane was told of the video of each.
fn call(rig: &mut Rig, offer: &str, answer: &str) -> (String, String, Remote, Remote) {
    let (mut anna, bert) = rig::two_phones(rig);
    anna.invite(rig, "sip:bert@192.0.2.1", "", offer);
    let invite = bert.expect(rig, "INVITE");
    bert.respond(rig, &invite, "200 OK", "", answer);
    bert.expect(rig, "ACK");
    let answered = body(&anna.expect(rig, "SIP/2.0 200"));
    let of_port = |port: u16| {
        let remotes = rig.remotes();
        let found = remotes.into_iter().find(|(_, it)| it.rtp.port() == port);
        found.unwrap().1
    };
    (body(&invite), answered, of_port(4002), of_port(5002))
}

fn plain(address: &str, port: u16) -> String {
    Kind::Plain.offer(address, port)
}

/// A browser has called a phone that says this of its video, and there is no encryption.
fn browser_calls(lines: &[&str]) -> (Rig, String, String, Remote, Remote) {
    let mut rig = Rig::with(config());
    rig.wish("bert", "never", "automatic");
    let offer = plain("198.51.100.7", 4000) + &video("RTP/AVPF", 4002, &OF_BROWSERS);
    let answer = plain("198.51.100.8", 5000) + &video("RTP/AVP", 5002, lines);
    let (offered, answered, caller, callee) = call(&mut rig, &offer, &answer);
    (rig, offered, answered, caller, callee)
}

#[test]
fn a_phone_is_offered_feedback_beside_the_profile_that_every_phone_has() {
    let (_, offered, answered, caller, callee) = browser_calls(&OF_PHONES);
    assert!(offered.contains(" RTP/AVP 96\r\n"), "{offered}");
    // The one that phones want comes first: some read no other.
    let lines: Vec<_> = offered
        .lines()
        .filter_map(|line| line.strip_prefix("a=rtcp-fb:"))
        .collect();
    assert_eq!(lines, ["* nack pli", "* ccm fir", "* nack", "* goog-remb"]);
    assert!(!offered.contains("rtcp-rsize"), "{offered}");
    assert!(answered.contains(" RTP/AVPF 96\r\n"), "{answered}");
    assert!(answered.contains("a=rtcp-fb:* nack pli\r\n"), "{answered}");
    let picture_loss = FeedbackSet::NONE.with(Feedback::PictureLoss);
    assert_eq!(
        (callee.feedback, callee.reduced_size),
        (picture_loss, false)
    );
    for kind in [Feedback::Nack, Feedback::TransportWide, Feedback::FullIntra] {
        assert!(caller.feedback.contains(kind), "{kind:?}");
    }
    assert!(!caller.feedback.contains(Feedback::BitRate));
    assert!(caller.reduced_size, "both have said so");
}

#[test]
fn a_phone_that_names_no_feedback_gets_none() {
    let (_, _, answered, _, callee) = browser_calls(&[]);
    assert_eq!(callee.feedback, FeedbackSet::NONE);
    assert!(!answered.contains("rtcp-fb"), "{answered}");
}

#[test]
fn a_phone_that_calls_with_feedback_beside_rtp_avp_is_answered_so() {
    let mut rig = Rig::with(config());
    rig.wish("bert", "never", "feedback");
    let offer = plain("198.51.100.7", 4000) + &video("RTP/AVP", 4002, &OF_PHONES);
    let answer = plain("198.51.100.8", 5000).replace("RTP/AVP", "RTP/AVPF")
        + &video("RTP/AVPF", 5002, &["rtcp-fb:96 nack pli"]);
    let (offered, answered, caller, callee) = call(&mut rig, &offer, &answer);
    assert!(offered.contains(" RTP/AVPF 96\r\n"), "{offered}");
    assert!(offered.contains("a=rtcp-fb:* nack pli\r\n"), "{offered}");
    assert!(answered.contains(" RTP/AVP 96\r\n"), "{answered}");
    assert!(answered.contains("a=rtcp-fb:* nack pli\r\n"), "{answered}");
    let picture_loss = FeedbackSet::NONE.with(Feedback::PictureLoss);
    assert_eq!(
        (caller.feedback, callee.feedback),
        (picture_loss, picture_loss)
    );
    assert!(!caller.reduced_size && !callee.reduced_size);
}

#[test]
fn what_was_agreed_of_reduced_size_survives_a_restart() {
    let (mut rig, _, _, caller, callee) = browser_calls(&OF_PHONES);
    rig.crash(config());
    let after: Vec<_> = rig.remotes().into_iter().map(|(_, it)| it).collect();
    for before in [caller, callee] {
        let found = after.iter().find(|it| it.rtp == before.rtp).unwrap();
        assert_eq!(
            (found.feedback, found.reduced_size),
            (before.feedback, before.reduced_size)
        );
    }
}

#[test]
fn a_browser_is_offered_rtcp_of_reduced_size() {
    let mut rig = Rig::with(config());
    rig.wish("bert", "automatic", "webrtc");
    let (mut anna, bert) = rig::two_phones(&mut rig);
    anna.invite(
        &mut rig,
        "sip:bert@192.0.2.1",
        "",
        &plain("198.51.100.7", 4000),
    );
    let offered = body(&bert.expect(&mut rig, "INVITE"));
    assert!(offered.contains("a=rtcp-rsize\r\n"), "{offered}");
}

#[test]
fn a_device_that_refuses_the_profile_with_feedback_is_offered_the_one_without() {
    for (encryption, profiles) in [
        ("never", &["RTP/AVPF", "RTP/AVP"][..]),
        ("offered", &["RTP/AVPF", "RTP/AVP", "RTP/SAVP", "RTP/AVP"]),
        ("required", &["RTP/SAVPF", "RTP/SAVP"]),
    ] {
        let mut rig = Rig::with(config());
        rig.wish("bert", encryption, "feedback");
        let (mut anna, bert) = rig::two_phones(&mut rig);
        anna.invite(
            &mut rig,
            "sip:bert@192.0.2.1",
            "",
            &plain("198.51.100.7", 4000),
        );
        for profile in profiles {
            let invite = bert.expect(&mut rig, "INVITE");
            assert_eq!(profile_of(&body(&invite)), *profile);
            bert.respond(&mut rig, &invite, "488 Not Acceptable Here", "", "");
            bert.expect(&mut rig, "ACK");
        }
        bert.expect_nothing(&mut rig);
        anna.expect(&mut rig, "SIP/2.0 488");
        let words = rig.words();
        let told = words.contains("refuses the offer with feedback (488)");
        assert!(told, "{words}");
    }
}
