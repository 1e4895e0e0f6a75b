use core::time::Duration;

use fernamt_charging::{CallRecord, CallReference, LegRecord, LegRole, MediaProtection, Releaser};
use proptest::prelude::*;

use super::*;

fn at(millis: i64) -> UnixTime {
    UnixTime::from_micros(1_790_000_000_000_000 + millis * 1_000)
}

const OFFER: &str = "audio PCMA PCMU telephone-event at 198.51.100.1:4000";
const ANSWER: &str = "audio PCMA telephone-event at 198.51.100.2:6000";

/// A call from anna to ben, who has two phones: the second one answers.
fn ordinary() -> Journal {
    let mut journal = Journal::new(at(0));
    journal.party(at(0), 0, "anna", "UDP 198.51.100.1:5060");
    journal.received(at(0), 0, "INVITE", OFFER);
    journal.sent(at(0), 0, "100 Trying", "");
    journal.sent(at(1), 0, "407 Proxy Authentication Required", "");
    journal.received(at(21), 0, "ACK", "");
    journal.received(at(22), 0, "INVITE", OFFER);
    journal.decided(
        at(22),
        "03067890 means +493067890. +493067890 is a number of the device ben.",
    );
    journal.decided(
        at(22),
        "ben is registered from 2 places with equal preference, which ring at once: UDP \
         198.51.100.2:5060 and TLS [2001:db8::22]:5061.",
    );
    journal.party(at(23), 1, "ben", "UDP 198.51.100.2:5060");
    journal.sent(
        at(23),
        1,
        "INVITE",
        "audio PCMA PCMU telephone-event at 192.0.2.1:20000",
    );
    journal.party(at(23), 2, "ben", "TLS [2001:db8::22]:5061");
    journal.sent(
        at(23),
        2,
        "INVITE",
        "audio PCMA PCMU telephone-event at 192.0.2.1:20002",
    );
    journal.received(at(40), 1, "180 Ringing", "");
    journal.sent(at(40), 0, "180 Ringing", "");
    journal.received(at(61), 2, "180 Ringing", "");
    journal.received(at(4_700), 2, "200 OK", ANSWER);
    journal.decided(at(4_700), "ben has answered with PCMA/8000.");
    journal.sent(at(4_701), 2, "ACK", "");
    journal.sent(
        at(4_703),
        0,
        "200 OK",
        "audio PCMA telephone-event at 192.0.2.1:20004",
    );
    journal.sent(at(4_703), 1, "CANCEL", "");
    journal.received(at(4_721), 0, "ACK", "");
    journal.received(at(4_730), 1, "487 Request Terminated", "");
    journal.media(
        at(4_760),
        0,
        "Media comes from 203.0.113.7:31000, behind a NAT.",
    );
    journal.media(at(4_790), 2, "Media comes from [2001:db8::22]:6000.");
    journal.received(at(64_700), 2, "BYE", "");
    journal.sent(at(64_700), 2, "200 OK", "");
    journal.sent(at(64_701), 0, "BYE", "");
    journal.released(at(64_701), 16, "The called party hung up");
    journal.received(at(64_720), 0, "200 OK", "");
    journal
}

fn record() -> CallRecord {
    CallRecord {
        call: CallReference(0x0123_4567_89ab_cdef),
        caller: Some("anna".into()),
        caller_number: "+493012345".into(),
        dialled: "03067890".into(),
        callee: Some("ben".into()),
        start: at(0),
        answer: Some(at(4_703)),
        end: at(64_701),
        duration: Duration::from_micros(59_998_000),
        cause: 16,
        cause_text: "Normal call clearing".into(),
        status: None,
        released_by: Releaser::Callee,
        codec: Some("PCMA/8000".into()),
        legs: vec![LegRecord {
            role: LegRole::Caller,
            call_id: "a84b4c76e66710@198.51.100.1".into(),
            user: Some("anna".into()),
            peer: "UDP 198.51.100.1:5060".into(),
            protection: Some(MediaProtection::Clear),
        }],
    }
}

#[test]
fn an_ordinary_journal_takes_less_than_three_kilobytes() {
    let journal = ordinary();
    assert!(journal.len() >= 25);
    assert!(
        journal.memory_bytes() < 3 * 1024 - size_of::<Journal>(),
        "{}",
        journal.memory_bytes()
    );
}

#[test]
fn a_journal_survives_being_written_down_with_its_call() {
    let mut journal = ordinary();
    let saved = postcard::to_allocvec(&journal).unwrap();
    let mut restored: Journal = postcard::from_bytes(&saved).unwrap();
    assert_eq!(restored, journal);
    restored.recovered(at(70_000));
    journal.recovered(at(70_000));
    assert_eq!(restored.entries(), journal.entries());
    assert_eq!(restored.entries().last().unwrap().event, Event::Recovered);
}

#[test]
fn a_full_journal_keeps_its_beginning_and_its_end_and_says_so() {
    let full = |entries: usize| {
        let mut journal = Journal::new(at(0));
        for n in 0..entries {
            journal.sent(at(n as i64), 1, &n.to_string(), "");
        }
        journal
    };
    let journal = full(MAX_ENTRIES);
    assert_eq!(journal.entries().len(), MAX_ENTRIES);
    let note = |entry: &Entry| match &entry.event {
        Event::Decided { why } => Some(why.clone()),
        _ => None,
    };
    assert!(journal.entries().iter().all(|entry| note(entry).is_none()));

    let journal = full(MAX_ENTRIES + 1);
    let entries = journal.entries();
    assert_eq!(journal.len(), MAX_ENTRIES);
    assert_eq!(entries.len(), MAX_ENTRIES + 1);
    let notes: Vec<_> = entries.iter().filter_map(note).collect();
    assert_eq!(notes.len(), 1);
    assert!(notes[0].starts_with("1 entry was left out"), "{}", notes[0]);
    assert_eq!(entries.first().unwrap().at, at(0));
    assert_eq!(entries.last().unwrap().at, at(MAX_ENTRIES as i64));

    let journal = full(1_000_000);
    assert!(
        journal.memory_bytes() < 16 * 1024,
        "{}",
        journal.memory_bytes()
    );
}

#[test]
fn a_text_is_cut_at_the_limit_and_at_no_half_character() {
    let mut journal = Journal::new(at(0));
    journal.decided(at(0), &"a".repeat(MAX_TEXT_BYTES));
    journal.decided(at(0), &"a".repeat(MAX_TEXT_BYTES + 1));
    journal.decided(at(0), &"ä".repeat(MAX_TEXT_BYTES));
    journal.decided(at(0), &format!("a{}", "ä".repeat(MAX_TEXT_BYTES)));
    let lengths: Vec<usize> = journal
        .entries()
        .iter()
        .map(|entry| match &entry.event {
            Event::Decided { why } => why.len(),
            _ => 0,
        })
        .collect();
    let most = MAX_TEXT_BYTES;
    assert_eq!(lengths, [most, most, most, most - 1]);
}

#[test]
fn a_clock_that_jumps_back_harms_nothing() {
    let mut journal = Journal::new(at(1_000));
    journal.decided(at(0), "a");
    journal.decided(UnixTime::from_micros(i64::MIN), "b");
    journal.decided(UnixTime::from_micros(i64::MAX), "c");
    assert_eq!(journal.entries().len(), 3);
    assert_eq!(journal.entries()[0].at, at(0));
    ladder(&journal.entries());
    svg(&journal.entries());
    text(&journal.entries(), &record());
}

fn event() -> impl Strategy<Value = Event> {
    let text = || "[ -~äß日\u{202e}]{0,20}".prop_map(String::into_boxed_str);
    let party = 0..6_u8;
    prop_oneof![
        (party.clone(), text(), text()).prop_map(|(party, name, address)| Event::Party {
            party,
            name,
            address
        }),
        (party.clone(), text(), text()).prop_map(|(party, message, body)| Event::Received {
            party,
            message,
            body
        }),
        (party.clone(), text(), text()).prop_map(|(party, message, body)| Event::Sent {
            party,
            message,
            body
        }),
        text().prop_map(|why| Event::Decided { why }),
        (party, text()).prop_map(|(party, what)| Event::Media { party, what }),
        Just(Event::Recovered),
        (any::<u8>(), text()).prop_map(|(cause, why)| Event::Released { cause, why }),
    ]
}

fn write_down(journal: &mut Journal, at: UnixTime, event: &Event) {
    match event {
        Event::Party {
            party,
            name,
            address,
        } => journal.party(at, *party, name, address),
        Event::Received {
            party,
            message,
            body,
        } => journal.received(at, *party, message, body),
        Event::Sent {
            party,
            message,
            body,
        } => journal.sent(at, *party, message, body),
        Event::Decided { why } => journal.decided(at, why),
        Event::Media { party, what } => journal.media(at, *party, what),
        Event::Recovered => journal.recovered(at),
        Event::Released { cause, why } => journal.released(at, *cause, why),
    }
}

proptest! {
    #[test]
    fn what_is_written_down_is_read_again(
        events in prop::collection::vec((0..100_000_i64, event()), 0..30)
    ) {
        let mut journal = Journal::new(at(0));
        for (millis, event) in &events {
            write_down(&mut journal, at(*millis), event);
        }
        let expected: Vec<Entry> =
            events.into_iter().map(|(millis, event)| Entry { at: at(millis), event }).collect();
        prop_assert_eq!(journal.entries(), expected);
    }

    #[test]
    fn every_journal_can_be_shown(
        events in prop::collection::vec((0..100_000_i64, event()), 0..40)
    ) {
        let entries: Vec<Entry> =
            events.into_iter().map(|(millis, event)| Entry { at: at(millis), event }).collect();
        let lines = ladder(&entries);
        prop_assert!(lines.lines().all(|line| words::cells(line) <= 170));
        let picture = svg(&entries);
        prop_assert!(picture.starts_with("<svg") && picture.ends_with("</svg>\n"));
        text(&entries, &record());
    }

    #[test]
    fn any_body_has_a_short_summary(body in prop::collection::vec(any::<u8>(), 0..400)) {
        body_summary(&body);
    }
}

/// How people see it; a change of the picture is to be looked at, not only accepted.
#[test]
fn the_ladder_is_aligned() {
    let lines = ladder(&ordinary().entries());
    assert!(
        lines.lines().all(|line| words::cells(line) <= 120),
        "{lines}"
    );
    let arrows: Vec<&str> = lines
        .lines()
        .filter(|line| line.contains(['▶', '◀']))
        .collect();
    assert_eq!(arrows.len(), 20, "{lines}");
    let columns = |line: &str| -> Vec<usize> {
        line.chars()
            .enumerate()
            .filter(|(_, c)| "│┼┊".contains(*c))
            .map(|(at, _)| at)
            .collect()
    };
    let lifelines = columns(arrows[0]);
    assert_eq!(lifelines.len(), 4, "{lines}");
    for arrow in arrows {
        assert_eq!(columns(arrow), lifelines, "{arrow}\n{lines}");
    }
}

#[test]
fn the_text_tells_the_whole_call() {
    let text = text(&ordinary().entries(), &record());
    for part in [
        "Call 0123456789abcdef",
        "from      anna, shown as +493012345",
        "to        ben, dialled as 03067890",
        "started   2026-09-21 14:13:20.000 UTC",
        "after 4.703 s",
        "lasted 59.998 s",
        "by the called party: Normal call clearing (16)",
        "codec     PCMA/8000",
        "caller    anna, UDP 198.51.100.1:5060, Call-ID a84b4c76e66710@198.51.100.1",
        "            media in clear\n",
        "0.000  anna → exchange",
        "1:04.700  ben (2) → exchange",
    ] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
}

/// Names that want to be markup, lines of their own, or terminal commands.
fn hostile() -> Vec<Entry> {
    let evil = "</text><script>alert(1)</script>&\"'\r\n2026 forged line\u{1b}[2J\u{202e}\u{0}";
    let mut journal = Journal::new(at(0));
    journal.party(at(0), 0, evil, evil);
    journal.received(at(0), 0, evil, evil);
    journal.sent(at(0), 1, evil, evil);
    journal.decided(at(0), evil);
    journal.media(at(0), 1, evil);
    journal.released(at(0), 16, evil);
    journal.entries()
}

#[test]
fn monitoring_xss() {
    let picture = svg(&hostile());
    assert!(!picture.contains("<script"), "{picture}");
    assert!(
        !picture.contains(|c: char| c.is_control() && c != '\n'),
        "{picture}"
    );
    let outside_tags: String = {
        let mut inside = false;
        let keep = |c: &char| {
            let was_inside = inside;
            inside = (inside || *c == '<') && *c != '>';
            !was_inside && *c != '<'
        };
        picture.chars().filter(keep).collect()
    };
    assert!(
        !outside_tags
            .replace("&amp;", "")
            .replace("&lt;", "")
            .contains(">alert")
    );
    for reference in ["href", "url(", "onload", "<image", "<foreignObject"] {
        assert!(!picture.contains(reference), "{reference}");
    }
}

#[test]
fn log_injection() {
    let mut record = record();
    record.dialled = "x\r\nreleased by nobody\u{1b}[2J".into();
    for shown in [ladder(&hostile()), text(&hostile(), &record)] {
        assert!(
            !shown.contains(|c: char| c.is_control() && c != '\n'),
            "{shown}"
        );
        assert!(!shown.contains('\u{202e}'));
        let forged = |line: &str| line.starts_with("2026") || line.starts_with("released");
        assert!(!shown.lines().any(forged), "{shown}");
    }
}

#[test]
fn a_description_is_summed_up() {
    let sdp = "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=-\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n\
               m=audio 4000 RTP/AVP 9 8 0 101\r\na=rtpmap:9 G722/8000\r\n\
               a=rtpmap:101 telephone-event/8000\r\na=sendonly\r\nm=video 0 RTP/AVP 96\r\n";
    assert_eq!(
        body_summary(sdp.as_bytes()),
        "audio G722 PCMA PCMU telephone-event at 192.0.2.7:4000, sendonly; video refused"
    );
    let held = "v=0\r\nc=IN IP4 0.0.0.0\r\na=inactive\r\nm=audio 4000 RTP/AVP 8\r\n";
    assert_eq!(body_summary(held.as_bytes()), "audio PCMA, held, inactive");
    let ipv6 = "c=IN IP6 2001:db8::7\r\nm=audio 4000 RTP/AVP 8\r\n";
    assert_eq!(
        body_summary(ipv6.as_bytes()),
        "audio PCMA at [2001:db8::7]:4000"
    );
    assert_eq!(body_summary(b""), "");
    assert_eq!(body_summary(b"Signal=5\r\nDuration=160\r\n"), "24 bytes");
    assert_eq!(body_summary(&[0xff; 10]), "10 bytes");
}

#[test]
fn a_thousand_media_lines_have_a_short_summary() {
    let line = format!("m=audio 4000 RTP/AVP {}\r\n", "8 ".repeat(1000));
    let summary = body_summary(line.repeat(1000).as_bytes());
    assert!(summary.len() < 400, "{summary}");
}

#[test]
fn dates_are_those_of_the_calendar() {
    for (seconds, written) in [
        (0, "1970-01-01 00:00:00.000 UTC"),
        (951_782_400, "2000-02-29 00:00:00.000 UTC"),
        (1_709_251_199, "2024-02-29 23:59:59.000 UTC"),
        (4_107_542_400, "2100-03-01 00:00:00.000 UTC"),
        (-1, "1969-12-31 23:59:59.000 UTC"),
    ] {
        assert_eq!(
            words::civil(UnixTime::from_micros(seconds * 1_000_000)),
            written
        );
    }
}

#[test]
fn times_and_texts_are_written_for_people() {
    assert_eq!(words::since_start(at(0), at(65_001)), "1:05.001");
    assert_eq!(words::since_start(at(0), at(3_600_000)), "1:00:00.000");
    assert_eq!(
        words::duration(Duration::from_millis(3_723_004)),
        "1 h 2 min 3 s"
    );
    assert_eq!(
        words::wrap("aa bbb cccccccc d", 6),
        ["aa bbb", "cccccc", "cc d"]
    );
    assert_eq!(words::cells("日本"), 4);
    assert_eq!(words::shorten("日本語です", 7), "日本語…");
}
