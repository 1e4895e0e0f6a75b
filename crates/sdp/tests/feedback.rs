//! Feedback that a party takes: what lines name, and what follows from lines and profile together.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use fernamt_sdp::{Feedback, FeedbackSet, SessionDescription};

const KINDS: [(Feedback, &str); 10] = [
    (Feedback::PictureLoss, "nack pli"),
    (Feedback::FullIntra, "ccm fir"),
    (Feedback::Nack, "nack"),
    (Feedback::SliceLoss, "nack sli"),
    (Feedback::ReferencePicture, "nack rpsi"),
    (Feedback::BitRate, "ccm tmmbr smaxpr=120"),
    (Feedback::Tradeoff, "ccm tstr"),
    (Feedback::VideoBackChannel, "ccm vbcm 1 2"),
    (Feedback::Remb, "goog-remb"),
    (Feedback::TransportWide, "transport-cc"),
];

/// What a party takes whose section has this profile and these lines.
fn taken(profile: &str, lines: &[&str]) -> FeedbackSet {
    let mut text = format!(
        "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\nm=video 4000 {profile} 96 97\n"
    );
    for line in lines {
        text += &format!("a=rtcp-fb:{line}\n");
    }
    let description = SessionDescription::parse(text.as_bytes()).unwrap();
    FeedbackSet::of(description.media().first().unwrap())
}

#[test]
fn every_kind_is_named_by_its_line_and_by_no_other() {
    for (kind, line) in KINDS {
        let set = taken("RTP/AVPF", &[&format!("96 {line}")]);
        assert_eq!(set, FeedbackSet::NONE.with(kind));
        for (other, _) in KINDS {
            assert_eq!(set.contains(other), other == kind, "{line} {other:?}");
        }
        assert!(!set.contains(Feedback::Other));
    }
    let acknowledged = taken("RTP/AVPF", &["96 ack rpsi"]);
    assert!(acknowledged.contains(Feedback::ReferencePicture));
    for unknown in ["nack rai", "ccm pause nowait", "app x", "NACK pli"] {
        let set = taken("RTP/AVPF", &[&format!("* {unknown}")]);
        assert_eq!(set, FeedbackSet::NONE.with(Feedback::Other), "{unknown}");
    }
}

#[test]
fn what_any_payload_type_of_the_section_has_is_taken() {
    let set = taken(
        "RTP/AVP",
        &["* nack pli", "97 nack", "98 ccm fir", "x nack sli"],
    );
    let expected = FeedbackSet::NONE
        .with(Feedback::PictureLoss)
        .with(Feedback::Nack);
    assert_eq!(set, expected);
}

#[test]
fn without_lines_the_profile_decides() {
    for profile in ["RTP/AVPF", "RTP/SAVPF", "UDP/TLS/RTP/SAVPF"] {
        assert_eq!(taken(profile, &[]), FeedbackSet::EVERY);
        // What is listed is all there is.
        assert_eq!(taken(profile, &["* trr-int 5000"]), FeedbackSet::NONE);
        assert_eq!(taken(profile, &["8 nack"]), FeedbackSet::NONE);
    }
    for profile in ["RTP/AVP", "RTP/SAVP", "UDP/TLS/RTP/SAVP"] {
        assert_eq!(taken(profile, &[]), FeedbackSet::NONE);
    }
    assert!(FeedbackSet::EVERY.contains(Feedback::Other));
    assert!(!FeedbackSet::NONE.contains(Feedback::Nack));
}
