//! Who gets an answer, and who gets what was asked for (RFC 8489 section 9.2).
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

mod desk;

use std::time::Duration;

use desk::*;
use fernamt_stun::credential::Credentials;
use fernamt_stun::message::algorithm::PasswordAlgorithm;
use fernamt_stun::message::{Integrity, Key, attribute};
use fernamt_stun::server::settings::{MAX_QUESTIONS, MAX_REQUEST_BYTES, QUESTION_LIFE};
use fernamt_stun::server::{Event, Flow};
use fernamt_stun::{Message, Method};

#[test]
fn a_binding_request_is_answered_without_credentials() {
    let mut desk = Desk::new(|_| {});
    let request = desk.bare(Method::BINDING, |it| it.fingerprint());
    let bytes = answer(&desk.put(flow(CLIENT), &request));
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.mapped_address(), Some(address(CLIENT)));
    assert!(message.has(attribute::FINGERPRINT));
    let request = desk.bare(Method::BINDING, |it| it.attribute(0x0024, &[0; 4]));
    let bytes = answer(&desk.put(flow(CLIENT), &request));
    assert_eq!(code(&bytes), 420);
}

#[test]
fn answers_indications_and_garbage_are_not_answered() {
    let mut desk = Desk::new(|_| {});
    let request = desk.bare(Method::BINDING, |it| it);
    for first in [1, 0x40, 0x80] {
        let mut bytes = request.clone();
        bytes[0] |= first;
        assert!(desk.put(flow(CLIENT), &bytes).is_empty());
    }
    let mut indication = request.clone();
    indication[1] |= 0x10;
    assert!(desk.put(flow(CLIENT), &indication).is_empty());
    assert!(desk.put(flow(CLIENT), &[]).is_empty());
}

#[test]
fn a_relay_is_given_to_who_knows_a_password() {
    let mut desk = Desk::new(|_| {});
    let (_, relayed) = desk.allocate(flow(CLIENT));
    assert_eq!(relayed.ip(), address(SERVER).ip());
    assert!((61_000..=65_535).contains(&relayed.port()));
    assert_eq!(desk.server.figures().allocations, 1);
}

#[test]
fn a_wrong_password_and_an_unknown_user_look_the_same() {
    let mut desk = Desk::new(|_| {});
    let wrong = desk.signed(flow(CLIENT), ("anna", "guess"), Method::ALLOCATE, udp);
    let wrong = answer(&desk.put(flow(CLIENT), &wrong));
    let unknown = desk.signed(flow(CLIENT), ("nemo", "secret"), Method::ALLOCATE, udp);
    let unknown = answer(&desk.put(flow(CLIENT), &unknown));
    assert_eq!(code(&wrong), 401);
    // All but the transaction.
    assert_eq!(wrong[..8], unknown[..8]);
    assert_eq!(wrong[20..], unknown[20..]);
    assert_eq!(desk.server.figures().authentication_failures, 2);
}

#[test]
fn sha256_is_offered_and_taken() {
    let mut desk = Desk::new(|_| {});
    let nonce = desk.nonce(flow(CLIENT));
    let key = Key::long_term(PasswordAlgorithm::Sha256, "anna", REALM, "secret");
    let offered = [0, 2, 0, 0, 0, 1, 0, 0];
    let signed = |desk: &mut Desk, offered: &[u8], chosen: Option<PasswordAlgorithm>| {
        let request = desk.bare(Method::ALLOCATE, |it| {
            let it = udp(it)
                .text(attribute::USERNAME, "anna")
                .text(attribute::REALM, REALM)
                .text(attribute::NONCE, &nonce)
                .attribute(attribute::PASSWORD_ALGORITHMS, offered);
            let it = match chosen {
                Some(chosen) => it.attribute(attribute::PASSWORD_ALGORITHM, &chosen.value()),
                None => it,
            };
            it.integrity(Integrity::Sha256, &key)
        });
        answer(&desk.put(flow(CLIENT), &request))
    };
    // Somebody on the way has taken the stronger one out.
    let weaker = signed(&mut desk, &offered[4..], Some(PasswordAlgorithm::Md5));
    assert_eq!(code(&weaker), 400);
    assert_eq!(code(&signed(&mut desk, &offered, None)), 400);
    let good = signed(&mut desk, &offered, Some(PasswordAlgorithm::Sha256));
    let message = Message::parse(&good).unwrap();
    assert_eq!(message.verify(&key), Some(Integrity::Sha256));
    assert_eq!(code(&good), 0);
}

#[test]
fn credentials_without_a_part_are_a_bad_request() {
    let mut desk = Desk::new(|_| {});
    let nonce = desk.nonce(flow(CLIENT));
    for missing in 0..3 {
        let parts = [
            (attribute::USERNAME, "anna"),
            (attribute::REALM, REALM),
            (attribute::NONCE, &nonce),
        ];
        let request = desk.bare(Method::ALLOCATE, |it| {
            let parts = parts.iter().enumerate().filter(|(at, _)| *at != missing);
            parts
                .fold(udp(it), |it, (_, (kind, text))| it.text(*kind, text))
                .integrity(Integrity::Sha1, &key("anna", "secret"))
        });
        let bytes = answer(&desk.put(flow(CLIENT), &request));
        assert_eq!(code(&bytes), 400);
    }
}

#[test]
fn an_old_nonce_is_renewed_and_one_of_another_flow_is_worth_nothing() {
    let mut desk = Desk::new(|it| it.nonce_life = Duration::from_secs(60));
    let request = desk.signed(flow(CLIENT), ("anna", "secret"), Method::ALLOCATE, udp);
    let copied = answer(&desk.put(client(40001), &request));
    assert_eq!(code(&copied), 438);
    desk.pass(60);
    let late = answer(&desk.put(flow(CLIENT), &request));
    assert_eq!(code(&late), 438);
    assert_eq!(desk.server.figures().allocations, 0);
}

#[test]
fn a_credential_is_good_for_its_time_and_its_device() {
    let mut desk = Desk::new(|it| it.credential_secret = [3; 32]);
    let now = desk.now.unix_ms / 1000;
    let credentials = Credentials::new(&[3; 32]);
    let mut try_it = |remote: u16, user: &str, expires: u64, change: &str| {
        let credential = credentials.issue(user, expires);
        let password = credential.password + change;
        let pair = (&*credential.username, &*password);
        let request = desk.signed(client(remote), pair, Method::ALLOCATE, udp);
        code(&answer(&desk.put(client(remote), &request)))
    };
    assert_eq!(try_it(1, "anna", now + 1, ""), 0);
    assert_eq!(try_it(2, "anna", now, ""), 401);
    assert_eq!(try_it(3, "anna", now + 1, "x"), 401);
    // A device that was removed takes its credentials with it.
    assert_eq!(try_it(4, "nemo", now + 1, ""), 401);
}

#[test]
fn a_credential_and_the_password_of_a_device_are_the_same_user() {
    let mut desk = Desk::new(|it| it.max_allocations_per_user = 1);
    let expires = desk.now.unix_ms / 1000 + 100;
    let credential = Credentials::new(&[0; 32]).issue("anna", expires);
    desk.allocate(client(1));
    let pair = (&*credential.username, &*credential.password);
    let second = desk.signed(client(2), pair, Method::ALLOCATE, udp);
    assert_eq!(code(&answer(&desk.put(client(2), &second))), 486);
    let refresh = desk.signed(client(1), pair, Method::REFRESH, |it| it);
    assert_eq!(code(&answer(&desk.put(client(1), &refresh))), 0);
}

#[test]
fn a_source_that_guesses_is_ignored_and_told_of() {
    let mut desk = Desk::new(|it| it.failures_before_ban = 3);
    let mut events = Vec::new();
    for _ in 0..3 {
        let wrong = desk.signed(flow(CLIENT), ("anna", "guess"), Method::ALLOCATE, udp);
        let outs = desk.put(flow(CLIENT), &wrong);
        events.extend(outs.into_iter().filter(|out| matches!(out, Out::Event(_))));
    }
    let failed = Out::Event(Event::AuthenticationFailed(address(CLIENT)));
    let ignored = Out::Event(Event::Ignored(address(CLIENT)));
    assert_eq!(events, [failed.clone(), failed.clone(), failed, ignored]);
    let request = desk.bare(Method::ALLOCATE, udp);
    assert!(desk.put(flow(CLIENT), &request).is_empty());
    // Somebody else who writes that address into the sender's place does not get it ignored.
    let victim = flow("203.0.113.77:1");
    let request = desk.bare(Method::ALLOCATE, |it| {
        udp(it)
            .text(attribute::USERNAME, "anna")
            .text(attribute::REALM, REALM)
            .text(attribute::NONCE, "forged")
            .integrity(Integrity::Sha1, &key("anna", "guess"))
    });
    for _ in 0..10 {
        desk.put(victim, &request);
    }
    desk.allocate(victim);
    desk.pass(600);
    desk.allocate(flow(CLIENT));
}

#[test]
fn a_forged_source_gets_few_answers() {
    let mut desk = Desk::new(|it| it.unauthenticated_per_second = 5);
    let request = desk.bare(Method::ALLOCATE, udp);
    let count = |desk: &mut Desk, flow: Flow| {
        (0..20)
            .filter(|_| !desk.put(flow, &request).is_empty())
            .count()
    };
    assert_eq!(count(&mut desk, flow(CLIENT)), 5);
    let stream = Flow {
        connection: Some(1),
        ..flow(CLIENT)
    };
    assert_eq!(count(&mut desk, stream), 20);
}

#[test]
fn as_many_requests_wait_for_keys_as_the_limit_and_not_one_more() {
    let mut desk = Desk::new(|it| it.unauthenticated_per_second = 10_000);
    let requests: Vec<(Flow, Vec<u8>)> = (0..=MAX_QUESTIONS)
        .map(|number| {
            let flow = client(u16::try_from(number + 1).unwrap());
            let pair = ("anna", "secret");
            (flow, desk.signed(flow, pair, Method::ALLOCATE, udp))
        })
        .collect();
    desk.answers = false;
    for (flow, request) in &requests {
        assert_eq!(desk.server.figures().not_answered, 0);
        desk.put(*flow, request);
    }
    assert_eq!(desk.server.figures().not_answered, 1);
    // Questions that nobody answers do not hold their place for ever.
    desk.pass(QUESTION_LIFE.as_secs() + 1);
    desk.answers = true;
    let (flow, request) = &requests[0];
    assert_eq!(desk.put(*flow, request).len(), 1);
}

#[test]
fn a_request_has_a_longest_length() {
    let mut desk = Desk::new(|_| {});
    let mut ask = |length: usize| {
        let request = desk.signed(flow(CLIENT), ("anna", "secret"), Method::REFRESH, |it| {
            it.attribute(0x9000, &vec![0; length])
        });
        let code = code(&answer(&desk.put(flow(CLIENT), &request)));
        (request.len(), code)
    };
    let (rest, _) = ask(0);
    assert_eq!(ask(MAX_REQUEST_BYTES - rest), (MAX_REQUEST_BYTES, 437));
    assert_eq!(
        ask(MAX_REQUEST_BYTES - rest + 4),
        (MAX_REQUEST_BYTES + 4, 400)
    );
}
