//! A phone: it speaks all the time, counts what it hears, and finds its way to us as phones of its kind
//! do. It does not know what is between it and us.

use core::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use fernamt_exchange::media::{
    DtlsRole, Ice, IceCandidate, IceCandidateKind, IceCredentials, Protection, Remote, SrtpKeys,
};
use fernamt_rtp::{Kind as Datagram, classify};
use fernamt_sim::nat::realms::HostId;
use fernamt_sim::random::Random;
use fernamt_stun::client::{self, Client, ClientSettings, Output};
use fernamt_stun::message::address::Family;
use is::stun::{StunMessage, StunPacket};
use is::{Candidate, IceAgent, IceAgentEvent, IceCreds, Protocol};

use super::desk::{Desk, Sent, Turn, turn_now};
use super::keys::{Cipher, certificates, dtls, keys};
use crate::dtls::{Agreement, Clock, HandshakeDatagram, Identity, KeyAgreement};
use crate::socket::Channel;

/// From packet to packet.
pub(super) const PACKET_MICROS: u64 = 20_000;

/// After what time without a word a phone that has only its relay takes another one and says so.
const RESTART_MICROS: u64 = 5_000_000;

const PAYLOAD_TYPE: u8 = 8;

/// How a phone finds its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It sends to where we say, and hears where it sends from (RFC 4961).
    Plain,
    /// The same with keys of the description (RFC 4568).
    Secured,
    /// By connectivity checks.
    Ice,
    /// By connectivity checks through a relay, which is all it has.
    Relay,
    /// As [`Kind::Plain`], with keys of a handshake (RFC 5763).
    Handshake,
    /// By connectivity checks, with keys of a handshake.
    Browser,
}

/// Without handshakes, which say nothing of ways.
pub(super) const KINDS: [Kind; 4] = [Kind::Plain, Kind::Secured, Kind::Ice, Kind::Relay];

pub(super) const ALL_KINDS: [Kind; 6] = [
    Kind::Plain,
    Kind::Secured,
    Kind::Ice,
    Kind::Relay,
    Kind::Handshake,
    Kind::Browser,
];

impl Kind {
    pub(super) fn has_checks(self) -> bool {
        matches!(self, Kind::Ice | Kind::Relay | Kind::Browser)
    }

    pub(super) fn has_handshake(self) -> bool {
        matches!(self, Kind::Handshake | Kind::Browser)
    }
}

pub(super) struct Phone {
    pub(super) host: HostId,
    pub(super) socket: SocketAddr,
    /// Until when it has said where it is and does nothing else.
    pub(super) asleep_until_micros: u64,
    /// Whether it says nothing, not even silence.
    pub(super) is_muted: bool,
    /// When it has heard the other phone.
    pub(super) heard_micros: Vec<u64>,
    /// What it has heard of somebody else.
    pub(super) heard_of_others: usize,
    kind: Kind,
    side: usize,
    /// Its place in what it says: who it is.
    voice: u8,
    ssrc: u32,
    sequence: u16,
    next_micros: u64,
    /// Where it sends to.
    pub(super) desk: SocketAddr,
    start: Instant,
    cipher: Option<Cipher>,
    agreement: Option<KeyAgreement>,
    checks: Option<IceAgent>,
    is_controlling: bool,
    /// The way that its checks have found, from and to.
    way: Option<(SocketAddr, SocketAddr)>,
    relay: Option<Client>,
    turn: SocketAddr,
    relayed: Option<SocketAddr>,
    /// How often it has begun to look for a way.
    generation: u32,
    begun_micros: u64,
    /// It has something new to say about itself.
    is_to_be_described: bool,
    random: Random,
}

impl Phone {
    /// A phone on one side of the call, which leads the checks or does not.
    pub(super) fn new(
        kind: Kind,
        side: usize,
        (host, address): (HostId, IpAddr),
        desk: &Desk,
        is_controlling: bool,
        mut random: Random,
    ) -> Phone {
        let mut phone = Phone {
            host,
            socket: SocketAddr::new(address, 40_000),
            asleep_until_micros: 0,
            is_muted: false,
            heard_micros: Vec::new(),
            heard_of_others: 0,
            kind,
            side,
            voice: 0xa0 + side as u8,
            ssrc: random.below(1 << 32) as u32,
            sequence: random.below(1 << 16) as u16,
            next_micros: 1_000 * random.below(20),
            desk: desk.media(side),
            start: desk.start(),
            cipher: (kind == Kind::Secured).then(|| {
                let SrtpKeys { ours, theirs } = keys(side);
                Cipher::new(&SrtpKeys {
                    ours: theirs,
                    theirs: ours,
                })
            }),
            agreement: None,
            checks: None,
            is_controlling,
            way: None,
            relay: None,
            turn: desk.turn.address(),
            relayed: None,
            generation: 0,
            begun_micros: 0,
            is_to_be_described: false,
            random,
        };
        phone.begin(0);
        phone
    }

    /// Begins to look for a way.
    fn begin(&mut self, now_micros: u64) {
        self.generation += 1;
        self.begun_micros = now_micros;
        self.way = None;
        self.is_to_be_described = self.kind != Kind::Relay;
        if self.kind.has_handshake() {
            let (role, desk) = (self.role(), &certificates()[1]);
            let identity = Identity::new(&certificates()[0]).unwrap();
            self.cipher = None;
            self.agreement = Some(KeyAgreement::new(&identity, &dtls(role, desk)));
        }
        if self.kind.has_checks() {
            let mut checks = IceAgent::new(self.words("phone"));
            checks.set_remote_credentials(self.words("desk"));
            checks.set_controlling(self.is_controlling);
            checks.add_remote_candidate(Candidate::host(self.desk, "udp").unwrap());
            if self.kind != Kind::Relay {
                checks.add_local_candidate(Candidate::host(self.socket, "udp").unwrap());
            }
            self.checks = Some(checks);
        }
        if self.kind == Kind::Relay {
            let credential = Turn::credential(&format!("phone{}", self.side));
            let settings = ClientSettings {
                server: self.turn,
                is_stream: false,
                username: credential.username.into(),
                password: credential.password.into(),
                family: match self.turn {
                    SocketAddr::V4(_) => Family::V4,
                    SocketAddr::V6(_) => Family::V6,
                },
            };
            let seed = core::array::from_fn(|_| self.random.below(256) as u8);
            let mut relay = Client::new(settings, seed);
            relay.allocate(turn_now(now_micros));
            self.relay = Some(relay);
            self.relayed = None;
        }
    }

    /// Who offers waits for the hello (RFC 5763 section 5), unless it may not be reached by one.
    fn role(&self) -> DtlsRole {
        match self.is_controlling && self.kind.has_checks() {
            true => DtlsRole::Server,
            false => DtlsRole::Client,
        }
    }

    fn words(&self, whose: &str) -> IceCreds {
        let (side, generation) = (self.side, self.generation);
        IceCreds {
            ufrag: format!("{whose}{side}x{generation}"),
            pass: format!("{whose}-{side}-{generation}-of-enough-letters"),
        }
    }

    /// Takes a new socket, and begins again from there.
    fn restart(&mut self, now_micros: u64) {
        self.socket.set_port(self.socket.port() + 1);
        self.begin(now_micros);
    }

    /// What the phone says of itself, when there is something new; its signalling comes from there.
    pub(super) fn take_description(&mut self, signalling: IpAddr) -> Option<Remote> {
        if !core::mem::take(&mut self.is_to_be_described) {
            return None;
        }
        Some(self.description(signalling))
    }

    /// What the phone says of itself.
    pub(super) fn description(&self, signalling: IpAddr) -> Remote {
        let rtp = self.relayed.unwrap_or(self.socket);
        let credentials = |words: IceCreds| IceCredentials {
            fragment: words.ufrag.into(),
            password: words.pass.into(),
        };
        let kind = match self.kind {
            Kind::Relay => IceCandidateKind::Relayed,
            _ => IceCandidateKind::Host,
        };
        let candidate = IceCandidate {
            component: 1,
            foundation: "1".into(),
            priority: 100 << 24 | 65_535 << 8 | 255,
            address: rtp,
            kind,
        };
        let ice = self.checks.is_some().then(|| Ice {
            local: credentials(self.words("desk")),
            remote: credentials(self.words("phone")),
            controlling: !self.is_controlling,
            lite: false,
            remote_lite: false,
            candidates: vec![candidate],
            advertised: None,
        });
        let protection = match self.kind {
            Kind::Secured => Protection::Sdes(keys(self.side)),
            Kind::Handshake | Kind::Browser => {
                let role = match self.role() {
                    DtlsRole::Client => DtlsRole::Server,
                    DtlsRole::Server => DtlsRole::Client,
                };
                Protection::Dtls(dtls(role, &certificates()[0]))
            }
            _ => Protection::None,
        };
        Remote {
            rtcp: Some(rtp),
            signalling,
            payload_types: vec![PAYLOAD_TYPE],
            ice,
            protection,
            ..Remote::plain(rtp)
        }
    }

    /// A datagram arrives.
    pub(super) fn arrive(&mut self, from: SocketAddr, bytes: &[u8], now_micros: u64) -> Sent {
        if now_micros < self.asleep_until_micros {
            return Sent::new();
        }
        match &mut self.relay {
            Some(relay) => {
                let source = from;
                relay.handle(
                    turn_now(now_micros),
                    client::Input::Received { source, bytes },
                );
                self.drain_relay(now_micros)
            }
            None => {
                let mut sent = self.hear(from, self.socket, bytes, now_micros);
                sent.extend(self.drain(now_micros));
                sent
            }
        }
    }

    /// Hears what has come to an address of it.
    fn hear(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8], now_micros: u64) -> Sent {
        match (classify(bytes), &mut self.checks) {
            (Datagram::Stun, Some(checks)) => {
                let packet = StunPacket {
                    proto: Protocol::Udp,
                    source: from,
                    destination: to,
                    message: StunMessage::parse(bytes).unwrap(),
                };
                checks.handle_packet(self.start + Duration::from_micros(now_micros), packet);
            }
            (Datagram::Rtp, _) => self.listen(bytes, now_micros),
            (Datagram::Dtls, _) => return self.shake_hands(from, Some(bytes), now_micros),
            _ => {}
        }
        Sent::new()
    }

    /// Goes on with the handshake, when there is one, and begins it, when there is a way.
    fn shake_hands(&mut self, from: SocketAddr, bytes: Option<&[u8]>, now_micros: u64) -> Sent {
        let mut sent = Sent::new();
        let Some(agreement) = &mut self.agreement else {
            return sent;
        };
        let clock = Clock {
            start: self.start,
            now_micros,
        };
        let socket = self.socket;
        let mut send = |_: Channel, to: SocketAddr, bytes: &[u8]| {
            sent.push((socket, to, bytes.to_vec()));
        };
        let agreed = match bytes {
            Some(datagram) => {
                let arrival = HandshakeDatagram {
                    channel: Channel::Rtp,
                    datagram,
                    from,
                    is_one_party: true,
                    is_negotiated: true,
                };
                agreement.handle(&arrival, clock, &mut send)
            }
            None => agreement.on_time(clock, &mut send),
        };
        let way = self.way.map(|(_, to)| to);
        let way = way.or(self.checks.is_none().then_some(self.desk));
        let begun = way.and_then(|to| agreement.begin(Channel::Rtp, to, clock, &mut send));
        for agreed in [agreed, begun].into_iter().flatten() {
            if let Agreement::Keys(_, _, keys) = agreed {
                self.cipher = Some(Cipher::new(&keys));
            }
        }
        sent
    }

    fn listen(&mut self, bytes: &[u8], now_micros: u64) {
        if self.has_no_keys() {
            return;
        }
        let mut room = bytes.to_vec();
        if let Some(cipher) = &mut self.cipher {
            let Ok(length) = cipher.theirs.unprotect_rtp(&mut room) else {
                return;
            };
            room.truncate(length);
        }
        match room.get(12) == Some(&(0xa1 - self.side as u8)) {
            true => self.heard_micros.push(now_micros),
            false => self.heard_of_others += 1,
        }
    }

    /// Says what it has to say, and lets time pass.
    pub(super) fn work(&mut self, now_micros: u64) -> Sent {
        if now_micros < self.asleep_until_micros {
            self.next_micros = self.asleep_until_micros;
            return Sent::new();
        }
        let mut sent = self.look_after_relay(now_micros);
        if let Some(checks) = &mut self.checks {
            let now = self.start + Duration::from_micros(now_micros);
            if checks.poll_timeout().is_none_or(|at| at <= now) {
                checks.handle_timeout(now);
            }
        }
        sent.extend(self.shake_hands(self.desk, None, now_micros));
        if now_micros >= self.next_micros {
            self.next_micros += PACKET_MICROS;
            sent.extend(self.speak(now_micros));
        }
        sent.extend(self.drain(now_micros));
        sent
    }

    fn look_after_relay(&mut self, now_micros: u64) -> Sent {
        let Some(relay) = &mut self.relay else {
            return Sent::new();
        };
        if relay.deadline().is_some_and(|at| at <= now_micros) {
            relay.handle(turn_now(now_micros), client::Input::Elapsed);
        }
        let heard_micros = self.heard_micros.last().copied();
        let was_heard = heard_micros.is_some_and(|heard| heard >= self.begun_micros);
        let last_micros = heard_micros.unwrap_or(0).max(self.begun_micros);
        let patience = if was_heard {
            RESTART_MICROS
        } else {
            8 * RESTART_MICROS
        };
        if now_micros >= last_micros + patience {
            self.restart(now_micros);
        }
        self.drain_relay(now_micros)
    }

    /// Whether it waits for the end of a handshake.
    fn has_no_keys(&self) -> bool {
        self.agreement.is_some() && self.cipher.is_none()
    }

    fn speak(&mut self, now_micros: u64) -> Sent {
        if self.is_muted || self.has_no_keys() {
            return Sent::new();
        }
        self.sequence = self.sequence.wrapping_add(1);
        let mut packet = voice_packet(self.voice, self.ssrc, self.sequence);
        if let Some(cipher) = &mut self.cipher {
            let length = packet.len();
            packet.resize(length + 200, 0);
            let length = cipher.ours.protect_rtp(&mut packet, length).unwrap();
            packet.truncate(length);
        }
        let to = match (&self.checks, self.way) {
            (None, _) => self.desk,
            (Some(_), Some((_, to))) => to,
            (Some(_), None) => return Sent::new(),
        };
        self.send(to, &packet, now_micros)
    }

    fn send(&mut self, to: SocketAddr, bytes: &[u8], now_micros: u64) -> Sent {
        match &mut self.relay {
            Some(relay) => {
                // Before there is a permission nothing can be sent.
                let _ = relay.send(to, bytes);
                self.drain_relay(now_micros)
            }
            None => vec![(self.socket, to, bytes.to_vec())],
        }
    }

    /// Sends what the checks want, and notes what they have found.
    fn drain(&mut self, now_micros: u64) -> Sent {
        let mut sent = Sent::new();
        while let Some(transmit) = self.checks.as_mut().and_then(IceAgent::poll_transmit) {
            let bytes = transmit.contents.to_vec();
            sent.extend(self.send(transmit.destination, &bytes, now_micros));
        }
        while let Some(event) = self.checks.as_mut().and_then(IceAgent::poll_event) {
            if let IceAgentEvent::NominatedSend {
                source,
                destination,
                ..
            } = event
            {
                self.way = Some((source, destination));
            }
        }
        sent
    }

    fn drain_relay(&mut self, now_micros: u64) -> Sent {
        let mut sent = Sent::new();
        let mut came = Vec::new();
        let mut allocated = None;
        let Some(relay) = &mut self.relay else {
            return sent;
        };
        while let Some(output) = relay.poll() {
            match output {
                Output::Send(bytes) => sent.push((self.socket, self.turn, bytes.to_vec())),
                Output::Allocated { relayed, .. } => allocated = Some(relayed),
                Output::Data { peer, data } => came.push((peer, data.to_vec())),
                _ => {}
            }
        }
        if let Some(relayed) = allocated {
            self.relayed = Some(relayed);
            self.is_to_be_described = true;
            // Half of them with a channel.
            let _ = match self.random.percent(50) {
                true => relay.bind(turn_now(now_micros), self.desk),
                false => relay.permit(turn_now(now_micros), self.desk),
            };
            if let Some(checks) = &mut self.checks {
                let candidate = Candidate::relayed(relayed, self.socket, "udp").unwrap();
                checks.add_local_candidate(candidate);
            }
            sent.extend(self.drain_relay(now_micros));
        }
        for (peer, data) in came {
            let relayed = self.relayed.unwrap_or(self.socket);
            sent.extend(self.hear(peer, relayed, &data, now_micros));
            sent.extend(self.drain(now_micros));
        }
        sent
    }
}

/// A packet of voice whose speaker is known by every byte.
pub(super) fn voice_packet(voice: u8, ssrc: u32, sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x80, PAYLOAD_TYPE];
    packet.extend(sequence.to_be_bytes());
    packet.extend((u32::from(sequence) * 160).to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend([voice; 160]);
    packet
}
