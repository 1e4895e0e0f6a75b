//! Both sides against each other, and what they must refuse.

use core::time::Duration;

use super::*;
use crate::time::UnixTime;

const NOW: UnixTime = UnixTime::from_micros(1_764_000_000_000_000);
const REGISTER: &str = "REGISTER";
const URI: &str = "sip:fernamt.example";

fn server_with(change: impl FnOnce(&mut DigestServerSettings)) -> DigestServer {
    let mut settings = DigestServerSettings::new("fernamt");
    settings.algorithms = Algorithm::STRONGEST_FIRST.to_vec();
    change(&mut settings);
    DigestServer::new(settings, &[42; 32], 1).unwrap()
}

fn server() -> DigestServer {
    server_with(|_| {})
}

fn phone() -> DigestClient {
    DigestClient::with_password("alice", "secret", "fernamt.example", None)
}

fn ha1() -> Ha1 {
    Ha1::new("alice", "fernamt", "secret")
}

fn challenge(server: &mut DigestServer, now: UnixTime) -> Vec<String> {
    server
        .challenge(now, false)
        .map(|challenge| challenge.to_string())
        .collect()
}

fn take(client: &mut DigestClient, challenges: &[String]) -> Result<(), ChallengeRefusal> {
    let values = challenges.iter().map(String::as_str);
    client.challenged("fernamt.example", Challenger::Server, values, 0)
}

fn answer(client: &mut DigestClient) -> String {
    client
        .authorize("fernamt.example", REGISTER, URI, "c0ffee")
        .unwrap()
        .value
}

fn verify(server: &mut DigestServer, value: &str, ha1: &Ha1, now: UnixTime) -> Verdict {
    let credentials = server.find([value]).unwrap().unwrap();
    server.verify(&credentials, REGISTER, URI, ha1, now)
}

#[test]
fn challenges_are_written_in_the_order_of_the_settings_with_one_nonce() {
    let mut server = server();
    let values = challenge(&mut server, NOW);
    let parsed: Vec<_> = values
        .iter()
        .map(|value| Challenge::parse(value).unwrap().unwrap())
        .collect();
    let algorithms: Vec<_> = parsed.iter().map(|challenge| challenge.algorithm).collect();
    assert_eq!(algorithms, Algorithm::STRONGEST_FIRST);
    assert!(
        parsed
            .iter()
            .all(|challenge| challenge.nonce == parsed[0].nonce)
    );
    assert!(
        parsed
            .iter()
            .all(|challenge| challenge.realm == "fernamt" && challenge.qop_auth)
    );
    let stale: Vec<_> = server
        .challenge(NOW, true)
        .map(|value| value.to_string())
        .collect();
    assert!(
        stale
            .iter()
            .all(|value| Challenge::parse(value).unwrap().unwrap().stale)
    );
}

#[test]
fn a_client_with_the_password_is_admitted_with_the_strongest_algorithm() {
    let (mut server, mut phone) = (server(), phone());
    take(&mut phone, &challenge(&mut server, NOW)).unwrap();
    let value = answer(&mut phone);
    assert!(
        value.contains("algorithm=SHA-512-256, qop=auth, nc=00000001"),
        "{value}"
    );
    assert_eq!(server.find([&*value]).unwrap().unwrap().username(), "alice");
    assert_eq!(verify(&mut server, &value, &ha1(), NOW), Verdict::Ok);
}

#[test]
fn every_offered_algorithm_works_both_ways() {
    for algorithm in Algorithm::STRONGEST_FIRST {
        let mut server = server_with(|settings| settings.algorithms = vec![algorithm]);
        let mut phone = DigestClient::with_ha1("alice", ha1(), "fernamt.example", "fernamt");
        take(&mut phone, &challenge(&mut server, NOW)).unwrap();
        let value = answer(&mut phone);
        assert_eq!(verify(&mut server, &value, &ha1(), NOW), Verdict::Ok);
    }
}

#[test]
fn an_algorithm_that_was_not_offered_is_refused() {
    let mut offering = server();
    let mut strict = server_with(|settings| settings.algorithms = vec![Algorithm::Sha256]);
    let mut phone = phone();
    let weakest: Vec<_> = challenge(&mut offering, NOW).pop().into_iter().collect();
    take(&mut phone, &weakest).unwrap();
    let value = answer(&mut phone);
    assert_eq!(
        verify(&mut strict, &value, &ha1(), NOW),
        Verdict::Wrong(Wrong::Algorithm)
    );
    let unknown = value.replace("algorithm=MD5", "algorithm=MD5-sess");
    assert_eq!(
        verify(&mut offering, &unknown, &ha1(), NOW),
        Verdict::Wrong(Wrong::Algorithm)
    );
}

#[test]
fn a_nonce_serves_many_requests_and_each_count_once() {
    let (mut server, mut phone) = (server(), phone());
    take(&mut phone, &challenge(&mut server, NOW)).unwrap();
    for expected in ["nc=00000001", "nc=00000002", "nc=00000003"] {
        let value = answer(&mut phone);
        assert!(value.contains(expected));
        assert_eq!(verify(&mut server, &value, &ha1(), NOW), Verdict::Ok);
        assert_eq!(
            verify(&mut server, &value, &ha1(), NOW),
            Verdict::Stale(Stale::Replayed)
        );
    }
}

#[test]
fn an_old_nonce_is_stale_and_says_nothing_about_a_wrong_password() {
    let mut server = server_with(|settings| settings.nonce_life = Duration::from_secs(60));
    let mut phone = phone();
    take(&mut phone, &challenge(&mut server, NOW)).unwrap();
    let value = answer(&mut phone);
    let later = NOW + Duration::from_secs(60);
    assert_eq!(
        verify(&mut server, &value, &ha1(), later),
        Verdict::Stale(Stale::Expired)
    );
    let guess = Ha1::new("alice", "fernamt", "guess");
    assert_eq!(
        verify(&mut server, &value, &guess, later),
        Verdict::Wrong(Wrong::Response)
    );
    let just_before = NOW + Duration::from_millis(59_999);
    assert_eq!(
        verify(&mut server, &value, &ha1(), just_before),
        Verdict::Ok
    );
}

#[test]
fn a_nonce_from_far_in_the_future_is_stale() {
    let (mut server, mut phone) = (server(), phone());
    take(
        &mut phone,
        &challenge(&mut server, NOW + Duration::from_secs(600)),
    )
    .unwrap();
    let value = answer(&mut phone);
    assert_eq!(
        verify(&mut server, &value, &ha1(), NOW),
        Verdict::Stale(Stale::Expired)
    );
}

#[test]
fn a_nonce_survives_a_restart_of_the_server() {
    let (mut before, mut phone) = (server(), phone());
    take(&mut phone, &challenge(&mut before, NOW)).unwrap();
    let _ = answer(&mut phone);
    let settings = DigestServerSettings {
        algorithms: Algorithm::STRONGEST_FIRST.to_vec(),
        ..DigestServerSettings::new("fernamt")
    };
    let mut after = DigestServer::new(settings.clone(), &[42; 32], 2).unwrap();
    let value = answer(&mut phone);
    assert_eq!(verify(&mut after, &value, &ha1(), NOW), Verdict::Ok);
    let mut other = DigestServer::new(settings, &[43; 32], 2).unwrap();
    assert_eq!(
        verify(&mut other, &value, &ha1(), NOW),
        Verdict::Stale(Stale::Unknown)
    );
}

#[test]
fn credentials_are_good_for_their_method_and_target_only() {
    let (mut server, mut phone) = (server(), phone());
    take(&mut phone, &challenge(&mut server, NOW)).unwrap();
    let value = answer(&mut phone);
    let credentials = server.find([&*value]).unwrap().unwrap();
    let mut verify = |method, uri| server.verify(&credentials, method, uri, &ha1(), NOW);
    assert_eq!(verify("INVITE", URI), Verdict::Wrong(Wrong::Response));
    assert_eq!(
        verify(REGISTER, "sip:other.example"),
        Verdict::Wrong(Wrong::Uri)
    );
    assert_eq!(
        verify(REGISTER, "sip:fernamt.example;transport=tls"),
        Verdict::Ok
    );
}

#[test]
fn credentials_without_qop_are_refused_unless_allowed_and_then_used_once() {
    let template = "Digest realm=\"fernamt\", nonce=\"N\", algorithm=MD5";
    for allowed in [false, true] {
        let mut server = server_with(|settings| settings.allow_without_qop = allowed);
        let issued = challenge(&mut server, NOW);
        let nonce = Challenge::parse(&issued[0]).unwrap().unwrap().nonce;
        let mut phone = phone();
        take(&mut phone, &[template.replace('N', nonce)]).unwrap();
        let value = answer(&mut phone);
        assert!(!value.contains("nc=") && !value.contains("cnonce"));
        if allowed {
            assert_eq!(verify(&mut server, &value, &ha1(), NOW), Verdict::Ok);
            assert_eq!(
                verify(&mut server, &value, &ha1(), NOW),
                Verdict::Stale(Stale::Replayed)
            );
        } else {
            assert_eq!(
                verify(&mut server, &value, &ha1(), NOW),
                Verdict::Wrong(Wrong::WithoutQop)
            );
        }
    }
}

#[test]
fn an_unknown_user_looks_like_a_wrong_password() {
    let (mut server, mut phone) = (server(), phone());
    take(&mut phone, &challenge(&mut server, NOW)).unwrap();
    let value = answer(&mut phone);
    let wrong = verify(
        &mut server,
        &value,
        &Ha1::new("alice", "fernamt", "other"),
        NOW,
    );
    let decoy = server.decoy();
    assert_eq!(verify(&mut server, &value, &decoy, NOW), wrong);
    assert_eq!(wrong, Verdict::Wrong(Wrong::Response));
    assert_ne!(decoy, Ha1::new("", "fernamt", ""));
}

#[test]
fn responses_in_capitals_are_accepted_and_others_than_digits_are_malformed() {
    let (mut server, mut phone) = (server(), phone());
    take(&mut phone, &challenge(&mut server, NOW)).unwrap();
    let value = answer(&mut phone);
    let given = server.find([&*value]).unwrap().unwrap().response.to_owned();
    let odd = value.replace(&given, &"x".repeat(given.len()));
    assert_eq!(
        verify(&mut server, &odd, &ha1(), NOW),
        Verdict::Malformed(Malformed::Response)
    );
    for wrong in [
        "",
        "00",
        &"0".repeat(64),
        &"0".repeat(65),
        &"0".repeat(1000),
    ] {
        let value = value.replace(&format!("\"{given}\""), &format!("\"{wrong}\""));
        let verdict = verify(&mut server, &value, &ha1(), NOW);
        assert_eq!(verdict, Verdict::Wrong(Wrong::Response));
    }
    let capitals = value.replace(&given, &given.to_uppercase());
    assert_eq!(verify(&mut server, &capitals, &ha1(), NOW), Verdict::Ok);
}

#[test]
fn credentials_for_other_realms_are_passed_over() {
    let (mut server, mut phone) = (server(), phone());
    take(&mut phone, &challenge(&mut server, NOW)).unwrap();
    let own = answer(&mut phone);
    let foreign = own.replace("realm=\"fernamt\"", "realm=\"provider\"");
    assert_eq!(
        server
            .find([&*foreign, "Basic x", &*own])
            .unwrap()
            .unwrap()
            .realm(),
        "fernamt"
    );
    assert!(server.find([&*foreign]).unwrap().is_none());
    assert!(server.find([]).unwrap().is_none());
    assert_eq!(server.find(["Digest ;"]).unwrap_err(), Malformed::Syntax);
    let credentials = Credentials::parse(&foreign).unwrap().unwrap();
    let verdict = server.verify(&credentials, REGISTER, URI, &ha1(), NOW);
    assert_eq!(verdict, Verdict::Wrong(Wrong::Realm));
}

#[test]
fn realms_that_cannot_be_quoted_are_refused() {
    let new = |realm: &str| DigestServer::new(DigestServerSettings::new(realm), &[0; 32], 0);
    assert!(new(&"r".repeat(MAX_REALM_BYTES)).is_ok());
    for realm in [
        "",
        "a\"b",
        "a\\b",
        "a\r\nb",
        &"r".repeat(MAX_REALM_BYTES + 1),
    ] {
        assert_eq!(new(realm).err(), Some(BadRealm));
    }
}

#[test]
fn digest_leak_gateway() {
    // A trunk account of ours is asked by a gateway that is not the trunk's server.
    let (mut server, mut trunk) = (server(), phone());
    let values = challenge(&mut server, NOW);
    let values = || values.iter().map(String::as_str);
    assert_eq!(
        trunk.challenged("192.0.2.66", Challenger::Proxy, values(), 0),
        Err(ChallengeRefusal::ForeignServer)
    );
    assert_eq!(trunk.authorize("fernamt.example", "INVITE", URI, "c"), None);
    trunk
        .challenged("FERNAMT.example.", Challenger::Proxy, values(), 0)
        .unwrap();
    assert_eq!(trunk.authorize("192.0.2.66", "INVITE", URI, "c"), None);
    let answer = trunk
        .authorize("fernamt.example", "INVITE", URI, "c")
        .unwrap();
    assert_eq!(answer.name, "Proxy-Authorization");
}

#[test]
fn digest_leak_phone() {
    // After registration, a peer answers our BYE with a challenge for a realm of its choice, or
    // with the realm of the server, straight or through the server.
    let (mut server, mut phone) = (server(), phone());
    take(&mut phone, &challenge(&mut server, NOW)).unwrap();
    let foreign = "Digest realm=\"evil\", nonce=\"n\", algorithm=MD5";
    let own = "Digest realm=\"fernamt\", nonce=\"n\", algorithm=MD5";
    for (asked, value, refusal) in [
        ("192.0.2.66", own, ChallengeRefusal::ForeignServer),
        ("192.0.2.66", foreign, ChallengeRefusal::ForeignServer),
        ("fernamt.example", foreign, ChallengeRefusal::ForeignRealm),
    ] {
        assert_eq!(
            phone.challenged(asked, Challenger::Proxy, [value], 0),
            Err(refusal)
        );
    }
}

#[test]
fn a_rejected_password_is_not_tried_again_but_a_stale_nonce_is() {
    let mut phone = phone();
    let host = "fernamt.example";
    let plain = ["Digest realm=\"fernamt\", nonce=\"n\""];
    let stale = ["Digest realm=\"fernamt\", nonce=\"n\", stale=true"];
    let mut take = |values, answered| phone.challenged(host, Challenger::Server, values, answered);
    assert_eq!(take(plain, 0), Ok(()));
    assert_eq!(take(stale, 1), Ok(()));
    assert_eq!(take(stale, 2), Err(ChallengeRefusal::Rejected));
    assert_eq!(take(plain, 1), Err(ChallengeRefusal::Rejected));
    assert_eq!(phone.authorize(host, REGISTER, URI, "c"), None);
}

#[test]
fn a_client_passes_over_what_it_cannot_answer() {
    let mut phone = phone();
    let host = "fernamt.example";
    let challenges = [
        "Digest realm=\"fernamt\", nonce=\"n\", algorithm=SHA-999",
        "Negotiate",
        "Digest broken",
        "Digest realm=\"fernamt\", nonce=\"n\", opaque=\"o\", qop=\"auth,auth-int\"",
    ];
    phone
        .challenged(host, Challenger::Server, challenges, 0)
        .unwrap();
    let value = phone.authorize(host, REGISTER, URI, "c").unwrap().value;
    assert!(
        value.ends_with(", qop=auth, nc=00000001, cnonce=\"c\", opaque=\"o\""),
        "{value}"
    );
    assert!(!value.contains("algorithm"));
    assert_eq!(
        phone.challenged(host, Challenger::Server, ["Basic realm=\"fernamt\""], 0),
        Err(ChallengeRefusal::NothingUsable)
    );
}

#[test]
fn quotes_in_a_user_name_are_escaped_and_in_a_uri_refused() {
    let mut client = DigestClient::with_password("a\"b\\c", "p", "host", None);
    client
        .challenged(
            "host",
            Challenger::Server,
            ["Digest realm=\"r\", nonce=\"n\""],
            0,
        )
        .unwrap();
    let value = client
        .authorize("host", REGISTER, "sip:host", "c")
        .unwrap()
        .value;
    assert_eq!(
        Credentials::parse(&value).unwrap().unwrap().username(),
        "a\"b\\c"
    );
    assert_eq!(
        client.authorize("host", REGISTER, "sip:\", nc=\"", "c"),
        None
    );
    assert_eq!(
        client.authorize("host", REGISTER, "sip:host", "c\r\nX: y"),
        None
    );
}

/// Not part of the ordinary run:
/// `cargo test --release -p fernamt-sip digest_speed -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
fn digest_speed() {
    use std::time::Instant;
    const ROUNDS: usize = 20_000;
    let ha1 = ha1();
    for algorithm in Algorithm::STRONGEST_FIRST {
        let mut server = server_with(|settings| {
            settings.algorithms = vec![algorithm];
            settings.remembered_nonces = ROUNDS;
        });
        // The best of several runs, because other work may run on the machine.
        let mut best = [u128::MAX; 2];
        for run in 0..5 {
            let now = NOW + Duration::from_millis(run);
            let started = Instant::now();
            let challenges: Vec<_> = (0..ROUNDS)
                .map(|_| challenge(&mut server, now).remove(0))
                .collect();
            best[0] = best[0].min(started.elapsed().as_nanos());
            let values: Vec<_> = challenges
                .into_iter()
                .map(|challenge| {
                    let mut phone = phone();
                    take(&mut phone, &[challenge]).unwrap();
                    answer(&mut phone)
                })
                .collect();
            let started = Instant::now();
            for value in &values {
                assert_eq!(verify(&mut server, value, &ha1, now), Verdict::Ok);
            }
            best[1] = best[1].min(started.elapsed().as_nanos());
        }
        let [challenging, verifying] = best.map(|nanos| nanos / ROUNDS as u128);
        let name = algorithm.name();
        println!("{name}: a challenge {challenging} ns, a verification {verifying} ns");
    }
}
