//! What happens to phones in real life: they lose their mains, come back on another address, sleep
//! through a restart of the exchange, or are attacked.

use std::net::IpAddr;

use fernamt_interop::baresip::{BARESIP, Baresip};
use fernamt_interop::exchange::{Account, Exchange, Setup};
use fernamt_interop::lab::{Lab, skip};
use fernamt_interop::network::{EXCHANGE, Nat, prefix};
use fernamt_interop::phone::{Phone, Story};
use fernamt_interop::wait::{SOON, until_true};

#[test]
fn a_phone_that_vanishes_in_mid_call_is_noticed_and_the_other_side_released() {
    let Some(lab) = Lab::with(&[BARESIP]) else {
        return;
    };
    let exchange = Exchange::start_as(
        &lab,
        Setup {
            settings: Some("[calls]\nmedia_silence_seconds = 3\n".to_owned()),
            ..Setup::default()
        },
    );
    let (anna, bert) = (exchange.add_device("anna"), exchange.add_device("bert"));
    let mut vanishing = Baresip::start(&lab, &bert, exchange.sip(), 440);
    let mut calling = Baresip::start(&lab, &anna, exchange.sip(), 700);
    calling.dial("bert");
    calling.wait_event("CALL_ESTABLISHED");
    exchange.let_talk(1.0);
    vanishing.kill();
    calling.wait_event("CALL_CLOSED");
    let record = &exchange.wait_records(1)[0];
    assert_eq!(record.released_by, "exchange", "{record:?}");
    assert_eq!(record.cause, 102, "recovery on timer expiry: {record:?}");
    let journal = format!("{:?}", exchange.journal(&record.call));
    let sentence = "No media has come from the called party for too long.";
    assert!(journal.contains(sentence), "{journal}");
    assert!(record.answer.is_some());
    assert!((3.0..20.0).contains(&record.duration), "{record:?}");
    exchange.finish();
}

#[test]
fn a_phone_that_comes_back_on_another_port_is_reached_there_at_once() {
    let Some(lab) = Lab::with(&[BARESIP]) else {
        return;
    };
    let exchange = Exchange::start(&lab);
    let (anna, bert) = (exchange.add_device("anna"), exchange.add_device("bert"));
    let mut before = Baresip::start(&lab, &bert, exchange.sip(), 440);
    before.kill();
    let _now = Baresip::start(&lab, &bert, exchange.sip(), 440);
    let server = exchange.sip().to_string();
    let options = ["--tone", "700", "--seconds", "2"];
    let mut calling = Phone::call(&lab, &anna, &server, "bert", &options);
    let story = calling.finish();
    assert_eq!(story.exit_code, 0, "{story:?}");
    calling.heard().assert_tone(440, 1.5);
    let record = &exchange.wait_records(1)[0];
    assert_eq!(record.cause, 16);
    exchange.finish();
}

#[test]
fn a_registered_phone_is_reached_after_a_restart_without_registering_again() {
    let Some(lab) = Lab::with(&[BARESIP]) else {
        return;
    };
    let mut exchange = Exchange::start(&lab);
    let (anna, bert) = (exchange.add_device("anna"), exchange.add_device("bert"));
    let _answering = Baresip::start(&lab, &bert, exchange.sip(), 440);
    let before = exchange.ask_json(&["registrations"]);
    exchange.terminate();
    assert_eq!(
        exchange.ask_json(&["registrations"]),
        before,
        "not shown without the exchange"
    );
    exchange.start_again();
    assert_eq!(exchange.ask_json(&["registrations"]), before);
    let server = exchange.sip().to_string();
    let mut calling = Phone::call(&lab, &anna, &server, "bert", &["--seconds", "2"]);
    assert_eq!(calling.finish().exit_code, 0);
    calling.heard().assert_tone(440, 1.5);
    exchange.wait_records(1);
    exchange.finish();
}

#[test]
fn a_removed_device_can_neither_call_nor_be_called() {
    let lab = Lab::new();
    let exchange = Exchange::start(&lab);
    let (anna, bert) = (exchange.add_device("anna"), exchange.add_device("bert"));
    let server = exchange.sip().to_string();
    let _answering = Phone::answer(&lab, &bert, &server, &[]);
    exchange.wait_registered("bert");
    assert_eq!(exchange.ask(&["device", "remove", "bert"]).code, Some(0));
    let story = Phone::call(&lab, &anna, &server, "bert", &[]).finish();
    assert_eq!(story.status, Some(404), "{story:?}");
    let story = Phone::call(&lab, &bert, &server, "anna", &[]).finish();
    assert_eq!(story.exit_code, 11, "{story:?}");
    assert_eq!(exchange.registration_count(), 0);
    exchange.finish();
}

#[test]
fn register_bruteforce_bans_the_guessing_source_for_a_while_and_nobody_else() {
    let lab = Lab::new();
    let nat = match Nat::build() {
        Ok(nat) => nat,
        Err(why) => return skip(&format!("no networks can be made here: {why}")),
    };
    const FAILURES: u64 = 5;
    let settings = format!("[limits]\nfailures_before_ban = {FAILURES}\nban_seconds = 20\n");
    let address: IpAddr = EXCHANGE.into();
    let exchange = Exchange::start_as(
        &lab,
        Setup {
            addresses: vec![address],
            media: address,
            settings: Some(settings),
            prefix: prefix(&nat.exchange),
            ..Setup::default()
        },
    );
    let anna = exchange.add_device("anna");
    let server = exchange.sip().to_string();
    let echo = |own: &Account, namespace: &str| -> Story {
        let options = ["*43", "--seconds", "0.2", "--wait", "2"];
        Phone::start(&lab, "phone", own, &server, &options, &prefix(namespace)).finish()
    };
    assert_eq!(echo(&anna, &nat.outside).exit_code, 0);
    let mut guessing = anna.clone();
    guessing.password = "123456".to_owned();
    let mut guesses = 0;
    until_true("a ban", SOON, || {
        guesses += 1;
        echo(&guessing, &nat.outside).exit_code != 11
    });
    // Each shard counts for itself; a ban holds for all of them.
    let most = exchange.status("shards") * (FAILURES - 1) + 2;
    assert!(
        (FAILURES..=most).contains(&guesses),
        "{guesses} guesses were free"
    );
    assert_eq!(exchange.status("bans"), 1);
    assert_ne!(
        echo(&anna, &nat.outside).exit_code,
        0,
        "the source is not banned"
    );
    assert_eq!(
        echo(&anna, &nat.inside).exit_code,
        0,
        "others are banned too"
    );
    until_true("the end of the ban", SOON * 2, || {
        echo(&anna, &nat.outside).exit_code == 0
    });
    exchange.finish();
}
