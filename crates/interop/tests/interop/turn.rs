//! The relay (TURN): the client of coturn counts packets over every transport, what must not be
//! reached is not, and phones behind routers talk through it.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use fernamt_interop::baresip::{self, BARESIP, Baresip};
use fernamt_interop::exchange::{Exchange, Setup, TALK_SECONDS};
use fernamt_interop::lab::{Lab, skip};
use fernamt_interop::network::{EXCHANGE, INSIDE, INSIDE_OTHER, TwoNats, prefix};
use fernamt_interop::process::{Ended, Process, run};
use fernamt_interop::wait::{SOON, until_true};

const CLIENT: (&str, &str) = ("turnutils_uclient", "coturn");
const STUN_CLIENT: (&str, &str) = ("turnutils_stunclient", "coturn");
const PEER: (&str, &str) = ("turnutils_peer", "coturn");

/// The client waits some seconds before it sends and after it has.
const CLIENT_TIME: Duration = Duration::from_secs(90);

/// What one client sends.
const MESSAGES: u64 = 50;

/// An exchange with TURN on ports of this test, and a peer that sends everything back.
struct Relay<'lab> {
    lab: &'lab Lab,
    exchange: Exchange<'lab>,
    plain: SocketAddr,
    tls: SocketAddr,
    peer: SocketAddr,
    _peer: Process,
}

impl<'lab> Relay<'lab> {
    fn start(lab: &'lab Lab, more_settings: &str) -> Relay<'lab> {
        // The client binds the port after the peer's as well.
        let port = lab.few_ports(4);
        let at = |offset| SocketAddr::from(([127, 0, 0, 1], port + offset));
        let (plain, tls, peer) = (at(0), at(1), at(2));
        let settings = format!("[turn]\nlisten = \"{plain}\"\ntls = \"{tls}\"\n{more_settings}\n");
        let exchange = Exchange::start_as(
            lab,
            Setup {
                settings: Some(settings),
                ..Setup::default()
            },
        );
        let mut command = Command::new(PEER.0);
        command.args(["-L", "127.0.0.1", "-p", &peer.port().to_string()]);
        Relay {
            lab,
            exchange,
            plain,
            tls,
            peer,
            _peer: Process::start(lab, "peer", &mut command),
        }
    }

    /// Runs the client of coturn as a user.
    fn run(&self, user: &str, password: &str, server: SocketAddr, options: &[&str]) -> Ended {
        let name = self.lab.unique("client");
        let mut command = Command::new(CLIENT.0);
        command
            .args(["-u", user, "-w", password])
            .args(["-n", &MESSAGES.to_string(), "-c"])
            .args(["-e", "127.0.0.1", "-r", &self.peer.port().to_string()])
            .args(["-p", &server.port().to_string()])
            .args(options)
            .arg(server.ip().to_string());
        run(self.lab, &name, &mut command, CLIENT_TIME)
    }

    /// Lets the client send, and counts what came back and what the exchange relayed.
    fn assert_carries(&self, server: SocketAddr, options: &[&str]) {
        let counted = || {
            let status = |name| self.exchange.status(name);
            (
                status("turn_packets_to_peers"),
                status("turn_packets_to_clients"),
            )
        };
        let before = counted();
        let ended = self.run("anna", "secret-of-anna", server, options);
        let said = ended.out + &ended.err;
        assert_eq!(ended.code, Some(0), "{options:?}: {said}");
        // Between two clients each message passes once.
        let sent = if options.contains(&"-y") {
            2 * MESSAGES
        } else {
            MESSAGES
        };
        let counts = format!("tot_send_msgs={sent}, tot_recv_msgs={sent}");
        assert!(said.contains(&counts), "{options:?}: {said}");
        assert!(
            said.contains("Total lost packets 0 "),
            "{options:?}: {said}"
        );
        let after = counted();
        assert!(
            after.0 - before.0 >= sent,
            "{options:?}: {before:?} {after:?}"
        );
        assert!(
            after.1 - before.1 >= sent,
            "{options:?}: {before:?} {after:?}"
        );
    }
}

fn lab() -> Option<Lab> {
    Lab::with(&[CLIENT, PEER])
}

const LOOPBACK_ALLOWED: &str = "allow_peers = [\"127.0.0.0/8\"]";

#[test]
fn the_client_of_coturn_gets_every_packet_back_over_every_transport() {
    let Some(lab) = lab() else { return };
    let relay = Relay::start(&lab, LOOPBACK_ALLOWED);
    relay.exchange.add_device("anna");
    // Over channels, then with indications.
    relay.assert_carries(relay.plain, &[]);
    relay.assert_carries(relay.plain, &["-s"]);
    relay.assert_carries(relay.plain, &["-t"]);
    relay.assert_carries(relay.tls, &["-t", "-S"]);
    relay.exchange.finish();
}

#[test]
fn the_stun_client_of_coturn_learns_its_address() {
    let Some(lab) = Lab::with(&[CLIENT, PEER, STUN_CLIENT]) else {
        return;
    };
    let relay = Relay::start(&lab, "");
    let mut command = Command::new(STUN_CLIENT.0);
    let port = relay.plain.port().to_string();
    command.args(["-p", &port, "127.0.0.1"]);
    let ended = run(&lab, "stun", &mut command, SOON);
    let said = ended.out + &ended.err;
    assert!(said.contains("UDP reflexive addr: 127.0.0.1:"), "{said}");
    until_true("a Binding request to be counted", SOON, || {
        relay.exchange.status("stun_bindings") > 0
    });
    relay.exchange.finish();
}

#[test]
fn two_clients_of_coturn_reach_each_other_through_their_relays() {
    let Some(lab) = lab() else { return };
    let relay = Relay::start(&lab, LOOPBACK_ALLOWED);
    relay.exchange.add_device("anna");
    relay.assert_carries(relay.plain, &["-y"]);
    relay.assert_carries(relay.plain, &["-y", "-t", "-s"]);
    relay.exchange.finish();
}

#[test]
fn a_time_limited_credential_is_as_good_as_the_password() {
    let Some(lab) = lab() else { return };
    let relay = Relay::start(&lab, LOOPBACK_ALLOWED);
    relay.exchange.add_device("anna");
    let made = relay.exchange.ask_json(&["turn", "anna", "--hours", "1"]);
    let uri = format!("turn:{}?transport=udp", relay.plain);
    assert_eq!(made["uris"][0], uri.as_str());
    let (user, password) = (&made["username"], &made["password"]);
    let (user, password) = (user.as_str().unwrap(), password.as_str().unwrap());
    let ended = relay.run(user, password, relay.plain, &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    // It is that device's and nobody else's.
    let other = user.replace("anna", "bert");
    let ended = relay.run(&other, password, relay.plain, &[]);
    assert_ne!(ended.code, Some(0));
    assert_eq!(relay.exchange.ask(&["turn", "nobody"]).code, Some(3));
    relay.exchange.finish();
}

#[test]
fn a_wrong_password_and_an_unknown_user_get_no_relay() {
    let Some(lab) = lab() else { return };
    let relay = Relay::start(&lab, LOOPBACK_ALLOWED);
    relay.exchange.add_device("anna");
    for (user, password) in [("anna", "guess"), ("nobody", "secret-of-anna")] {
        for (server, options) in [(relay.plain, &[][..]), (relay.plain, &["-t"])] {
            let ended = relay.run(user, password, server, options);
            assert_ne!(ended.code, Some(0), "{user}: {}", ended.out);
        }
    }
    assert_eq!(relay.exchange.status("turn_allocated"), 0);
    until_true("four failures", SOON, || {
        relay.exchange.status("authentication_failures") >= 4
    });
    relay.exchange.finish();
}

/// CVE-2020-26262.
#[test]
fn turn_loopback() {
    let Some(lab) = lab() else { return };
    let relay = Relay::start(&lab, "");
    relay.exchange.add_device("anna");
    for options in [&[][..], &["-s"], &["-t"]] {
        let ended = relay.run("anna", "secret-of-anna", relay.plain, options);
        let said = ended.out + &ended.err;
        assert!(!said.contains("tot_recv_msgs=50"), "{options:?}: {said}");
        // What is sent without a channel is not answered, so that the client sends on.
        let is_told = said.contains("403") || options.contains(&"-s");
        assert!(is_told, "{options:?}: {said}");
    }
    assert!(relay.exchange.status("turn_packets_dropped") >= MESSAGES);
    assert_eq!(relay.exchange.status("turn_packets_to_peers"), 0);
    relay.exchange.finish();
}

/// A call between two phones, each behind a router that lets out nothing but signalling and what
/// goes to the port of the relay. Whether they hear each other depends on the relay; `way` is how
/// baresip gets to it.
fn call_through_two_nats(way: Option<&'static str>) {
    let with_relay = way.is_some();
    let Some(lab) = Lab::with(&[BARESIP]) else {
        return;
    };
    let nats = match TwoNats::build() {
        Ok(nats) => nats,
        Err(why) => return skip(&format!("no networks can be made here: {why}")),
    };
    let server = SocketAddr::from((EXCHANGE, 3478));
    let exchange = Exchange::start_as(
        &lab,
        Setup {
            addresses: vec![EXCHANGE.into()],
            media: EXCHANGE.into(),
            prefix: prefix(&nats.exchange),
            ..Setup::default()
        },
    );
    let open = [exchange.sip().port(), server.port()];
    nats.close_all_ports_but(open)
        .expect("who can translate addresses can filter them");
    let phone = |user, tone_hz, address: Ipv4Addr, namespace: &str| {
        let account = exchange.add_device(user);
        let setup = baresip::Setup {
            address: address.into(),
            namespace: Some(namespace.to_owned()),
            nat: way,
            nat_server: with_relay.then(|| format!("turn:{server}")),
            ..baresip::Setup::new(&account, exchange.sip(), tone_hz)
        };
        Baresip::start_as(&lab, &setup)
    };
    let mut anna = phone("anna", 700, INSIDE, &nats.phones[0]);
    let mut bert = phone("bert", 440, INSIDE_OTHER, &nats.phones[1]);
    anna.dial("bert");
    anna.wait_event("CALL_ESTABLISHED");
    exchange.let_talk(TALK_SECONDS);
    let relayed = || exchange.status("turn_packets_to_clients");
    if with_relay {
        // With ICE the voice begins when all shorter ways have failed.
        until_true("four seconds of talk", SOON, || relayed() >= 400);
    }
    // RTP and RTCP of both.
    let relays = exchange.status("turn_allocations");
    assert_eq!(relays, if with_relay { 4 } else { 0 });
    assert_eq!(relayed() > 0, with_relay, "{} packets", relayed());
    bert.hang_up();
    anna.wait_event("CALL_CLOSED");
    assert_eq!(exchange.wait_records(1)[0].cause, 16);
    until_true("the relays to end", SOON, || {
        exchange.status("turn_allocations") == 0
    });
    if with_relay {
        anna.quit_and(|heard| heard.assert_tone(440, 2.0));
        bert.quit_and(|heard| heard.assert_tone(700, 2.0));
    } else {
        for phone in [anna, bert] {
            phone.quit_and(|heard| assert!(heard.audible_seconds() < 0.1));
        }
    }
    exchange.finish();
}

#[test]
fn a_call_gets_through_two_nats_by_relays() {
    call_through_two_nats(Some("turn"));
}

#[test]
fn a_call_with_ice_gets_through_two_nats_by_relays() {
    call_through_two_nats(Some("ice"));
}

#[test]
fn a_call_does_not_get_through_two_strict_nats_without_relays() {
    call_through_two_nats(None);
}
