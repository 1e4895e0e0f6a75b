//! Calls between phones: what each hears, and what the record says.

use fernamt_interop::baresip::{BARESIP, Baresip};
use fernamt_interop::exchange::{Exchange, TALK_SECONDS};
use fernamt_interop::lab::Lab;
use fernamt_interop::linphone::{LINPHONE, Linphone};
use fernamt_interop::phone::Phone;
use fernamt_interop::records::Record;
use fernamt_interop::sound::HEARD_SECONDS;
use fernamt_interop::wait::{SOON, until_true};

/// What the record of an answered call must say, whoever hung up.
#[track_caller]
fn assert_answered(record: &Record, caller: &str, callee: &str, released_by: &str) {
    assert_eq!(record.caller.as_deref(), Some(caller));
    assert_eq!(record.callee.as_deref(), Some(callee));
    assert_eq!(record.dialled, callee);
    assert_eq!(record.cause, 16, "{record:?}");
    assert_eq!(record.cause_text, "Normal call clearing");
    assert_eq!(record.released_by, released_by);
    assert_eq!(record.status, None);
    assert!(record.answer.is_some());
    assert_eq!(record.leg("caller").user.as_deref(), Some(caller));
    assert_eq!(record.leg("callee").user.as_deref(), Some(callee));
    let (one, other) = (&record.leg("caller").call_id, &record.leg("callee").call_id);
    assert!(!one.is_empty() && !other.is_empty() && one != other);
}

/// Two baresips talk; the one that is told to hang up does.
fn baresip_to_baresip(caller_hangs_up: bool) {
    let Some(lab) = Lab::with(&[BARESIP]) else {
        return;
    };
    let exchange = Exchange::start(&lab);
    let (anna, bert) = (exchange.add_device("anna"), exchange.add_device("bert"));
    let mut answering = Baresip::start(&lab, &bert, exchange.sip(), 440);
    let mut calling = Baresip::start(&lab, &anna, exchange.sip(), 700);
    calling.dial("bert");
    let established = calling.wait_event("CALL_ESTABLISHED");
    answering.wait_event("CALL_ESTABLISHED");
    exchange.let_talk(TALK_SECONDS);
    let hanging_up = if caller_hangs_up {
        &mut calling
    } else {
        &mut answering
    };
    hanging_up.hang_up();
    let staying = if caller_hangs_up {
        &mut answering
    } else {
        &mut calling
    };
    staying.wait_event("CALL_CLOSED");
    let record = &exchange.wait_records(1)[0];
    let released_by = if caller_hangs_up { "caller" } else { "callee" };
    assert_answered(record, "anna", "bert", released_by);
    assert!((TALK_SECONDS..TALK_SECONDS + 5.0).contains(&record.duration));
    assert_eq!(record.codec.as_deref(), Some("PCMA/8000"));
    assert_eq!(established["id"], record.leg("caller").call_id.as_str());
    calling.quit_and(|heard| heard.assert_tone(440, HEARD_SECONDS));
    answering.quit_and(|heard| heard.assert_tone(700, HEARD_SECONDS));
    until_true("both to be unregistered", SOON, || {
        exchange.registration_count() == 0
    });
    exchange.finish();
}

#[test]
fn two_baresips_hear_each_other_and_the_caller_hangs_up() {
    baresip_to_baresip(true);
}

#[test]
fn two_baresips_hear_each_other_and_the_called_side_hangs_up() {
    baresip_to_baresip(false);
}

#[test]
fn a_baresip_and_a_linphone_hear_each_other() {
    let Some(lab) = Lab::with(&[BARESIP, LINPHONE]) else {
        return;
    };
    let exchange = Exchange::start(&lab);
    let (anna, lina) = (exchange.add_device("anna"), exchange.add_device("lina"));
    let mut linphone = Linphone::start(&lab, &lina, exchange.sip(), 440);
    let mut baresip = Baresip::start(&lab, &anna, exchange.sip(), 700);
    baresip.dial("lina");
    baresip.wait_event("CALL_ESTABLISHED");
    exchange.let_talk(TALK_SECONDS);
    linphone.hang_up();
    baresip.wait_event("CALL_CLOSED");
    let record = &exchange.wait_records(1)[0];
    assert_answered(record, "anna", "lina", "callee");
    baresip.quit_and(|heard| heard.assert_tone(440, HEARD_SECONDS));
    linphone.quit().assert_tone(700, HEARD_SECONDS);
    exchange.finish();
}

#[test]
fn a_linphone_calls_a_baresip_and_both_hear_each_other() {
    let Some(lab) = Lab::with(&[BARESIP, LINPHONE]) else {
        return;
    };
    let exchange = Exchange::start(&lab);
    let (lina, bert) = (exchange.add_device("lina"), exchange.add_device("bert"));
    let mut baresip = Baresip::start(&lab, &bert, exchange.sip(), 440);
    let mut linphone = Linphone::start(&lab, &lina, exchange.sip(), 700);
    linphone.call("bert");
    baresip.wait_event("CALL_ESTABLISHED");
    exchange.let_talk(TALK_SECONDS);
    linphone.hang_up();
    baresip.wait_event("CALL_CLOSED");
    let record = &exchange.wait_records(1)[0];
    assert_answered(record, "lina", "bert", "caller");
    baresip.quit_and(|heard| heard.assert_tone(700, HEARD_SECONDS));
    linphone.quit().assert_tone(440, HEARD_SECONDS);
    exchange.finish();
}

#[test]
fn a_phone_that_calls_the_echo_number_hears_its_own_tone() {
    let lab = Lab::new();
    let exchange = Exchange::start(&lab);
    let anna = exchange.add_device("anna");
    let server = exchange.sip().to_string();
    let options = ["--tone", "700", "--seconds", "3"];
    let mut phone = Phone::call(&lab, &anna, &server, "*43", &options);
    let story = phone.finish();
    assert_eq!((story.outcome.as_str(), story.exit_code), ("completed", 0));
    let tone = story.tone.expect("a tone stood out");
    assert!((tone.frequency_hz - 700.0).abs() < 5.0, "{tone:?}");
    assert_eq!(story.packets_lost, Some(0));
    phone.heard().assert_tone(700, HEARD_SECONDS);
    let record = &exchange.wait_records(1)[0];
    assert_eq!(record.dialled, "*43");
    assert_eq!(record.callee, None);
    assert_eq!((record.cause, record.released_by.as_str()), (16, "caller"));
    assert!((3.0..4.0).contains(&record.duration), "{record:?}");
    exchange.finish();
}

#[test]
fn two_phones_of_fernamt_hear_each_other() {
    let lab = Lab::new();
    let exchange = Exchange::start(&lab);
    let (anna, bert) = (exchange.add_device("anna"), exchange.add_device("bert"));
    let server = exchange.sip().to_string();
    let mut answering = Phone::answer(&lab, &bert, &server, &["--tone", "440", "--ring", "0.5"]);
    exchange.wait_registered("bert");
    let options = ["--tone", "700", "--seconds", "3"];
    let mut calling = Phone::call(&lab, &anna, &server, "bert", &options);
    let (called, answered) = (calling.finish(), answering.finish());
    assert_eq!(called.exit_code, 0, "{called:?}");
    assert_eq!(answered.exit_code, 0, "{answered:?}");
    assert_eq!(called.released_by.as_deref(), Some("here"));
    assert_eq!(answered.released_by.as_deref(), Some("there"));
    calling.heard().assert_tone(440, HEARD_SECONDS);
    answering.heard().assert_tone(700, HEARD_SECONDS);
    let record = &exchange.wait_records(1)[0];
    assert_answered(record, "anna", "bert", "caller");
    assert_eq!(called.call_id, Some(record.leg("caller").call_id.clone()));
    assert_eq!(answered.call_id, Some(record.leg("callee").call_id.clone()));
    let talked = called.duration.expect("they talked");
    assert!(
        (record.duration - talked).abs() < 0.5,
        "{record:?}, {called:?}"
    );
    exchange.finish();
}

#[test]
fn an_unknown_number_is_answered_with_a_spoken_announcement_and_404() {
    let lab = Lab::new();
    let exchange = Exchange::start(&lab);
    let anna = exchange.add_device("anna");
    let server = exchange.sip().to_string();
    let mut phone = Phone::call(&lab, &anna, &server, "nobody", &[]);
    let story = phone.finish();
    assert_eq!(
        (story.outcome.as_str(), story.status),
        ("unknown", Some(404))
    );
    assert_eq!(story.exit_code, 10);
    assert!(
        phone.heard().audible_seconds() >= 1.0,
        "it was not spoken to"
    );
    let record = &exchange.wait_records(1)[0];
    assert_eq!((record.cause, record.status), (1, Some(404)));
    assert_eq!((record.answer.as_ref(), record.duration), (None, 0.0));
    assert_eq!(record.released_by, "exchange");
    exchange.finish();
}

#[test]
fn a_wrong_password_and_an_unknown_user_are_refused_alike() {
    let lab = Lab::new();
    let exchange = Exchange::start(&lab);
    let mut anna = exchange.add_device("anna");
    let server = exchange.sip().to_string();
    anna.password = "guessed".to_owned();
    let mut nobody = anna.clone();
    nobody.user = "nobody".to_owned();
    let mut stories = Vec::new();
    for account in [&anna, &nobody] {
        let story = Phone::call(&lab, account, &server, "*43", &[]).finish();
        assert_eq!(story.exit_code, 11, "{story:?}");
        stories.push((story.outcome, story.status, story.reason));
        let story = Phone::answer(&lab, account, &server, &["--wait", "10"]).finish();
        assert_eq!(story.exit_code, 11, "{story:?}");
        stories.push((story.outcome, story.status, story.reason));
    }
    assert_eq!(stories[0], stories[2], "calls tell the two apart");
    assert_eq!(stories[1], stories[3], "registrations tell the two apart");
    assert_eq!(exchange.registration_count(), 0);
    exchange.wait_records(0);
    exchange.finish();
}

#[test]
fn a_device_that_is_busy_declines_or_is_away_is_told_with_its_cause() {
    let lab = Lab::new();
    let exchange = Exchange::start(&lab);
    let (anna, bert) = (exchange.add_device("anna"), exchange.add_device("bert"));
    let server = exchange.sip().to_string();
    for (status, exit_code, cause) in [("486", 17, 17), ("603", 21, 21)] {
        let mut answering = Phone::answer(&lab, &bert, &server, &["--reject", status]);
        exchange.wait_registered("bert");
        let story = Phone::call(&lab, &anna, &server, "bert", &[]).finish();
        assert_eq!(story.exit_code, exit_code, "{story:?}");
        assert_eq!(
            story.status.map(|it| it.to_string()).as_deref(),
            Some(status)
        );
        answering.finish();
        let record = exchange.records().pop().expect("a record");
        assert_eq!(record.cause, cause, "{record:?}");
        until_true("bert to be gone", SOON, || {
            exchange.registration_count() == 0
        });
    }
    let story = Phone::call(&lab, &anna, &server, "bert", &[]).finish();
    assert_eq!(
        (story.exit_code, story.status),
        (18, Some(480)),
        "{story:?}"
    );
    exchange.wait_records(3);
    exchange.finish();
}
