//! Registration, challenges, and who gets no answer to them.

use fernamt_sip::builder::ResponseBuilder;
use fernamt_sip::digest::{Challenger, DigestServer, DigestServerSettings, Ha1, Verdict};
use fernamt_sip::message::{Message, Name};
use fernamt_sip::time::UnixTime;

use super::super::{AgentSettings, Command, EndKind, Event, Hint, Home, Identity};
use super::world::{LEFT, World, address, udp};

const SERVER: &str = "192.0.2.200:5060";
const NOW: UnixTime = UnixTime::from_micros(1_764_000_000_000_000);

fn settings(password: &str) -> AgentSettings {
    AgentSettings {
        identity: Some(Identity {
            user: "anna".into(),
            password: Some(password.into()),
        }),
        home: Some(Home {
            server: "exchange.example".parse().expect("a server"),
            flow: udp(address(LEFT), address(SERVER)),
        }),
        ..AgentSettings::default()
    }
}

/// A server that challenges and then says yes, by script.
struct Server {
    digest: DigestServer,
    challenger: Challenger,
    seen: usize,
    /// What it says to REGISTER besides the status.
    registered: &'static str,
}

impl Server {
    fn new(realm: &str, challenger: Challenger) -> Server {
        let settings = DigestServerSettings::new(realm);
        let digest = DigestServer::new(settings, &[7; 32], 1).expect("a realm");
        Server {
            digest,
            challenger,
            seen: 0,
            registered: "",
        }
    }

    /// Answers everything that has been delivered to it.
    fn serve(&mut self, world: &mut World) {
        world.run(core::time::Duration::from_millis(50));
        while let Some((from, to, text)) = world.delivered.get(self.seen).cloned() {
            self.seen += 1;
            if let Some(answer) = self.answer(&text) {
                world.inject(
                    &to.to_string(),
                    &from.to_string(),
                    &answer.replace('\r', ""),
                );
            }
            world.run(core::time::Duration::from_millis(50));
        }
    }

    fn answer(&mut self, text: &str) -> Option<String> {
        let request = Message::parse(text.as_bytes()).expect("a request");
        let method = request.method();
        if method.as_str() == "ACK" {
            return None;
        }
        let status = if self.is_admitted(&request) {
            200
        } else {
            self.challenger.status()
        };
        let mut bytes = Vec::new();
        let mut response =
            ResponseBuilder::for_request(&mut bytes, &request, status, None, Some("srv"), None);
        if status != 200 {
            for challenge in self.digest.challenge(NOW, false) {
                response.header_raw(self.challenger.challenge_header(), &challenge.to_string());
            }
        } else if method.as_str() == "REGISTER" {
            response.copy(&request, Name::Contact);
            if !self.registered.is_empty() {
                response.header_raw("Expires", self.registered);
            }
        }
        response.finish();
        Some(String::from_utf8(bytes).expect("text"))
    }

    fn is_admitted(&mut self, request: &Message<'_>) -> bool {
        let name = match self.challenger {
            Challenger::Server => Name::Authorization,
            Challenger::Proxy => Name::ProxyAuthorization,
        };
        let realm = self.digest.realm().to_owned();
        let Ok(Some(credentials)) = self.digest.find(request.values(name)) else {
            return false;
        };
        let ha1 = Ha1::new("anna", &realm, "secret");
        let method = request.method();
        let uri = request.request_uri().unwrap_or("");
        let verdict = self
            .digest
            .verify(&credentials, method.as_str(), uri, &ha1, NOW);
        matches!(verdict, Verdict::Ok)
    }
}

fn world_of_one(password: &str) -> World {
    let mut world = World::new();
    world.add(LEFT, settings(password));
    world
}

#[test]
fn the_phone_registers_with_its_password_and_stays_registered() {
    let mut world = world_of_one("secret");
    let mut server = Server::new("fernamt", Challenger::Server);
    server.registered = "100";
    world.command(0, Command::Register);
    server.serve(&mut world);
    assert!(
        world.has(
            0,
            &Event::Registered {
                expires_seconds: 100
            }
        ),
        "{:?}",
        world.log
    );
    assert_eq!(world.logged("REGISTER"), 2);
    world.seconds(80);
    server.serve(&mut world);
    assert_eq!(world.logged("REGISTER"), 4);
    world.command(0, Command::Unregister);
    server.serve(&mut world);
    assert!(world.has(0, &Event::Unregistered));
    assert!(world.phones[0].agent.is_quiet());
}

#[test]
fn a_wrong_password_is_told_and_not_tried_again() {
    let mut world = world_of_one("guess");
    let mut server = Server::new("fernamt", Challenger::Server);
    world.command(0, Command::Register);
    server.serve(&mut world);
    world.seconds(600);
    let failed = world.phones[0].events.iter().find_map(|event| match event {
        Event::RegistrationFailed(refusal) => refusal.hint,
        _ => None,
    });
    assert_eq!(failed, Some(Hint::CredentialsRefused));
    assert_eq!(world.logged("REGISTER"), 2);
}

#[test]
fn a_call_answers_the_challenge_of_the_exchange_with_one_more_invite() {
    let mut world = world_of_one("secret");
    let mut server = Server::new("fernamt", Challenger::Proxy);
    let flow = world.flow(0, SERVER);
    world.command(
        0,
        Command::Call {
            uri: "sip:bert@exchange.example".into(),
            flow,
        },
    );
    server.serve(&mut world);
    assert_eq!(world.logged("INVITE"), 2);
    // The script's 200 has no description, so that the call ends; its ACK has the credentials.
    assert!(
        world.delivered.iter().any(|(_, _, text)| {
            text.starts_with("ACK") && text.contains("CSeq: 2 ACK") && text.contains("Proxy-Auth")
        }),
        "{:?}",
        world.log
    );
    assert!(matches!(world.ended(0).kind, EndKind::NotUnderstood(_)));
}

#[test]
fn without_credentials_the_person_is_told_what_is_missing() {
    let mut world = World::new();
    world.add(
        LEFT,
        AgentSettings {
            identity: None,
            ..settings("")
        },
    );
    let mut server = Server::new("fernamt", Challenger::Server);
    let flow = world.flow(0, SERVER);
    world.command(
        0,
        Command::Call {
            uri: "sip:bert@exchange.example".into(),
            flow,
        },
    );
    server.serve(&mut world);
    let EndKind::Refused(refusal) = &world.ended(0).kind else {
        panic!()
    };
    assert_eq!(
        (refusal.status, refusal.hint),
        (401, Some(Hint::CredentialsNeeded))
    );
}

/// Whoever is called directly, or by his own address, gets no answer to a challenge, whatever
/// realm he claims; nor does a foreign realm at our own server.
#[test]
fn digest_leak_phone() {
    let mut world = world_of_one("secret");
    let mut server = Server::new("fernamt", Challenger::Server);
    world.command(0, Command::Register);
    server.serve(&mut world);
    let before = world.delivered.len();

    let mut thief = Server::new("fernamt", Challenger::Proxy);
    thief.seen = before;
    let flow = world.flow(0, "203.0.113.66:5060");
    world.command(
        0,
        Command::Call {
            uri: "sip:x@203.0.113.66".into(),
            flow,
        },
    );
    thief.serve(&mut world);
    let EndKind::Refused(refusal) = &world.ended(0).kind else {
        panic!()
    };
    assert_eq!(refusal.hint, Some(Hint::ForeignChallenge));

    world.phones[0].events.clear();
    let mut gateway = Server::new("elsewhere", Challenger::Proxy);
    gateway.seen = world.delivered.len();
    let flow = world.flow(0, SERVER);
    world.command(
        0,
        Command::Call {
            uri: "sip:x@exchange.example".into(),
            flow,
        },
    );
    gateway.serve(&mut world);
    let EndKind::Refused(refusal) = &world.ended(0).kind else {
        panic!()
    };
    assert_eq!(refusal.hint, Some(Hint::ForeignChallenge));

    let stolen = world
        .delivered
        .iter()
        .skip(before)
        .any(|(_, _, text)| text.contains("Authorization: Digest"));
    assert!(!stolen);
}
