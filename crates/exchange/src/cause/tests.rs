use super::*;

/// RFC 3398 section 8.2.6.1, without the lines that it leaves open.
const STATUS_TO_CAUSE: &[(u16, u8)] = &[
    (400, 41),
    (401, 21),
    (402, 21),
    (403, 21),
    (404, 1),
    (405, 63),
    (406, 79),
    (407, 21),
    (408, 102),
    (410, 22),
    (413, 127),
    (414, 127),
    (415, 79),
    (416, 127),
    (420, 127),
    (421, 127),
    (423, 127),
    (481, 41),
    (482, 25),
    (483, 25),
    (484, 28),
    (485, 1),
    (486, 17),
    (500, 41),
    (501, 79),
    (502, 38),
    (503, 41),
    (504, 102),
    (505, 127),
    (513, 127),
    (600, 17),
    (603, 21),
    (604, 1),
];

/// RFC 3398 section 7.2.4.1.
const CAUSE_TO_STATUS: &[(u8, u16)] = &[
    (1, 404),
    (2, 404),
    (3, 404),
    (17, 486),
    (18, 408),
    (19, 480),
    (20, 480),
    (21, 403),
    (22, 410),
    (23, 410),
    (26, 404),
    (27, 502),
    (28, 484),
    (29, 501),
    (31, 480),
    (34, 503),
    (38, 503),
    (41, 503),
    (42, 503),
    (47, 503),
    (55, 403),
    (57, 403),
    (58, 503),
    (65, 488),
    (70, 488),
    (79, 501),
    (87, 403),
    (102, 504),
    (111, 500),
    (127, 500),
];

#[test]
fn a_status_becomes_the_cause_of_rfc_3398() {
    for &(status, cause) in STATUS_TO_CAUSE {
        assert_eq!(Cause::from_status(status), Cause(cause), "{status}");
    }
    assert_eq!(
        Cause::from_status(480),
        Cause::SUBSCRIBER_ABSENT,
        "as in Q.1912.5"
    );
    assert_eq!(Cause::from_status(487), Cause::NORMAL_CLEARING);
}

#[test]
fn a_cause_becomes_the_status_of_rfc_3398() {
    for &(cause, status) in CAUSE_TO_STATUS {
        assert_eq!(Cause(cause).status(), status, "{cause}");
    }
}

#[test]
fn every_cause_is_a_final_failure_and_every_status_a_cause() {
    for value in 0..=255 {
        assert!((400..700).contains(&Cause(value).status()), "{value}");
    }
    for status in 0..1000 {
        assert!(Cause::from_status(status).is_known(), "{status}");
    }
}

#[test]
fn a_reason_is_read_as_it_is_written() {
    assert_eq!(
        Cause::USER_BUSY.reason().to_string(),
        "Q.850;cause=17;text=\"User busy\""
    );
    for &cause in Cause::ALL {
        assert_eq!(Cause::from_reason(&cause.reason().to_string()), Some(cause));
    }
}

#[test]
fn a_reason_of_strangers_is_read_with_care() {
    assert_eq!(
        Cause::from_reason("q.850 ; cause=16 ; text=\"a;cause=3\""),
        Some(Cause(16))
    );
    for value in [
        "",
        "Q.850",
        "Q.850;cause=",
        "Q.850;cause=0",
        "Q.850;cause=128",
        "Q.850;cause=99999999999",
        "Q.850;cause=x",
        "SIP;cause=200",
        "Q.850;text=\"cause=17\"",
    ] {
        assert_eq!(Cause::from_reason(value), None, "{value}");
    }
}

#[test]
fn the_reason_of_a_message_prefers_q850() {
    let message = |reason: &str| {
        format!("BYE sip:a@b SIP/2.0\r\nReason: {reason}\r\nContent-Length: 0\r\n\r\n")
    };
    let cause = |reason: &str| {
        let text = message(reason);
        Cause::of_message(&Message::parse(text.as_bytes()).unwrap())
    };
    assert_eq!(cause("SIP;cause=486, Q.850;cause=19"), Some(Cause(19)));
    assert_eq!(
        cause("SIP ;cause=600 ;text=\"Busy, Everywhere\""),
        Some(Cause(17))
    );
    assert_eq!(cause("preemption;cause=1"), None);
}

fn best(statuses: &[u16]) -> u16 {
    let rejections: Vec<Rejection> = statuses
        .iter()
        .map(|&s| Rejection::from_status(s))
        .collect();
    best_rejection(&rejections).unwrap().status.unwrap()
}

#[test]
fn what_a_person_did_counts_more_than_what_a_machine_did() {
    assert_eq!(best(&[486, 603, 480]), 603);
    assert_eq!(best(&[408, 486, 503]), 486);
    assert_eq!(best(&[404, 480]), 480);
    assert_eq!(best(&[600, 603]), 603);
    assert_eq!(best(&[500, 488]), 488);
    assert_eq!(best(&[408, 500]), 500);
    assert_eq!(best_rejection(&[]), None);
}

#[test]
fn no_answer_counts_more_than_a_phone_that_is_not_there() {
    let rang = Rejection::from_cause(Cause::NO_ANSWER);
    let gone = Rejection::from_status(480);
    assert_eq!(best_rejection(&[gone, rang]), Some(rang.for_caller()));
}

#[test]
fn a_challenge_of_the_callee_is_never_passed_on() {
    for status in [401, 407] {
        let passed = Rejection::from_status(status).for_caller();
        assert_eq!(
            (passed.status, passed.cause),
            (Some(403), Cause::CALL_REJECTED)
        );
    }
    assert_eq!(best(&[407, 408]), 403);
    assert_eq!(best(&[401, 486]), 486);
}

#[test]
fn the_caller_never_learns_what_only_concerns_the_exchange() {
    for status in 0..1000 {
        let passed = Rejection::from_status(status).for_caller().status.unwrap();
        assert!((400..700).contains(&passed), "{status} became {passed}");
        assert!(
            !matches!(passed, 401 | 407 | 420 | 421 | 481 | 491 | 503),
            "{status}: {passed}"
        );
    }
}
