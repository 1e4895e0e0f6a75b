//! What is done wrong on purpose is found: a promise that nothing can break proves nothing.

use fernamt_sim::{Options, Sabotage, run};

/// The breaches in the first seeds when something is done wrong on purpose.
fn found(sabotage: Sabotage) -> Vec<String> {
    let options = Options {
        sabotage: Some(sabotage),
        ..Options::default()
    };
    (0..60)
        .flat_map(|seed| run(seed, options).breaches)
        .collect()
}

fn assert_found(sabotage: Sabotage, words: &str) {
    let breaches = found(sabotage);
    let count = breaches
        .iter()
        .filter(|breach| breach.contains(words))
        .count();
    assert!(
        count > 0,
        "{sabotage:?} is not found; there is {breaches:#?}"
    );
}

#[test]
fn a_record_that_is_lost_is_missed() {
    assert_found(Sabotage::LoseRecords, "was answered and has 0 records");
    assert_found(Sabotage::LoseRecords, "is still in the journal");
}

#[test]
fn a_record_that_is_written_twice_is_noticed() {
    assert_found(Sabotage::RepeatRecords, "has two records");
}

#[test]
fn a_duration_that_is_wrong_is_noticed() {
    assert_found(Sabotage::StretchRecords, "its times say");
}

#[test]
fn a_record_that_says_nothing_of_the_encryption_is_noticed() {
    assert_found(Sabotage::ClearRecords, "was protected as Some(Clear)");
}

#[test]
fn a_call_that_is_forgotten_in_a_crash_is_missed() {
    assert_found(Sabotage::LoseStates, "was answered and has 0 records");
}

#[test]
fn media_that_flow_after_the_release_are_noticed() {
    assert_found(Sabotage::KeepEndpoints, "media flow after the release");
    assert_found(Sabotage::KeepEndpoints, "was never closed");
}

#[test]
fn a_voice_that_reaches_the_wrong_phone_is_noticed() {
    assert_found(Sabotage::CrossWires, "and is heard by");
}

#[test]
fn an_invite_without_a_final_response_is_noticed() {
    assert_found(Sabotage::SwallowRefusals, "no final response");
}

#[test]
fn a_leg_that_outlives_its_peer_is_noticed() {
    assert_found(Sabotage::SwallowByes, "is still in a call with");
}

#[test]
fn a_voice_that_should_be_encrypted_and_is_not_is_noticed() {
    assert_found(
        Sabotage::LoseProtection,
        "must be encrypted and is heard in clear",
    );
    assert_found(Sabotage::LoseProtection, "says goes out in clear to");
}

#[test]
fn a_key_that_two_legs_are_given_is_noticed() {
    assert_found(Sabotage::RepeatKeys, "are given the same key");
    assert_found(Sabotage::RepeatKeys, "have different keys");
}
