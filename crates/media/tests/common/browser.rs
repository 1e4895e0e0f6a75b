//! A party that finds its way by connectivity checks and agrees on keys on it, as a browser does: on
//! one port, with the agents and handshakes of others (`is`, `dimpl`).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dimpl::{Output, SrtpProfile};
use fernamt_exchange::media::{
    Dtls, DtlsRole, Fingerprint, Ice, IceCandidate, IceCandidateKind, IceCredentials, Protection,
    Remote, SrtpKey, SrtpKeys,
};
use fernamt_media::Certificate;
use fernamt_rtp::{Kind, classify};
use fernamt_sdp::CryptoSuite;
use is::stun::{StunMessage, StunPacket};
use is::{Candidate, IceAgent, IceCreds, Protocol};

use super::secure::Cipher;
use super::{PATIENCE, Party};

/// How a check begins (RFC 8489 section 5).
const BINDING_REQUEST: [u8; 2] = [0, 1];

const STEP: Duration = Duration::from_millis(5);

pub fn certificate() -> Certificate {
    let key = rcgen::KeyPair::generate().unwrap();
    let parameters = rcgen::CertificateParams::new(vec!["media".to_owned()]).unwrap();
    Certificate {
        certificate: parameters.self_signed(&key).unwrap().der().to_vec(),
        private_key: key.serialize_der(),
    }
}

pub fn credentials(name: &str) -> IceCredentials {
    IceCredentials {
        fragment: format!("{name}frag").into(),
        password: format!("{name}-password-of-enough-letters").into(),
    }
}

fn words(credentials: &IceCredentials) -> IceCreds {
    IceCreds {
        ufrag: credentials.fragment.to_string(),
        pass: credentials.password.to_string(),
    }
}

/// A party with checks, handshakes or both.
pub struct Browser {
    pub party: Party,
    pub ice: Option<IceAgent>,
    dtls: Option<dimpl::Dtls>,
    own: Certificate,
    role: DtlsRole,
    /// Who the other side is.
    pub seen: Option<Fingerprint>,
    pub cipher: Option<Cipher>,
    /// Whether the handshake has ended badly.
    pub has_failed: bool,
    /// Whether checks of the other side arrive; its answers do.
    pub hears_checks: bool,
    /// What was sent, checks and handshakes.
    pub sent: Vec<Vec<u8>>,
    to: Option<SocketAddr>,
}

impl Browser {
    /// `role` is that of the browser.
    pub fn new(party: Party, role: DtlsRole) -> Browser {
        party.rtp.set_read_timeout(Some(STEP)).unwrap();
        Browser {
            party,
            ice: None,
            dtls: None,
            own: certificate(),
            role,
            seen: None,
            cipher: None,
            has_failed: false,
            hears_checks: true,
            sent: Vec::new(),
            to: None,
        }
    }

    /// Looks for the way.
    pub fn with_ice(mut self, leads: bool) -> Browser {
        let mut agent = IceAgent::new(words(&credentials("their")));
        agent.set_remote_credentials(words(&credentials("ours")));
        agent.set_controlling(leads);
        agent.add_local_candidate(Candidate::host(self.party.address(), "udp").unwrap());
        self.ice = Some(agent);
        self
    }

    /// Agrees on keys.
    pub fn with_dtls(mut self) -> Browser {
        self.shake_hands_again();
        self
    }

    /// Begins a handshake, or waits for one.
    pub fn shake_hands_again(&mut self) {
        let certificate = dimpl::DtlsCertificate {
            certificate: self.own.certificate.clone(),
            private_key: self.own.private_key.clone(),
        };
        let config = Arc::new(dimpl::Config::default());
        let mut dtls = dimpl::Dtls::new_auto(config, certificate, Instant::now());
        dtls.set_active(self.role == DtlsRole::Client);
        self.dtls = Some(dtls);
        self.cipher = None;
    }

    /// What its description says.
    pub fn remote(&self) -> Remote {
        let address = self.party.address();
        let protection = match &self.dtls {
            None => Protection::None,
            Some(_) => Protection::Dtls(Dtls {
                role: match self.role {
                    DtlsRole::Client => DtlsRole::Server,
                    DtlsRole::Server => DtlsRole::Client,
                },
                fingerprints: vec![self.own.fingerprint()],
                established: None,
                established_rtcp: None,
            }),
        };
        Remote {
            rtcp: Some(address),
            feedback: fernamt_sdp::FeedbackSet::EVERY,
            reduced_size: true,
            protection,
            ice: self.ice.as_ref().map(|agent| Ice {
                local: credentials("ours"),
                remote: credentials("their"),
                controlling: !agent.controlling(),
                lite: false,
                remote_lite: false,
                candidates: vec![IceCandidate {
                    component: 1,
                    foundation: "1".into(),
                    priority: 126 << 24 | 65_535 << 8 | 255,
                    address,
                    kind: IceCandidateKind::Host,
                }],
                advertised: None,
            }),
            ..self.party.remote()
        }
    }

    /// Takes the description of the other side.
    pub fn face(&mut self, relay: SocketAddr) {
        self.party.relay = Some(relay);
        match &mut self.ice {
            Some(agent) => agent.add_remote_candidate(Candidate::host(relay, "udp").unwrap()),
            None => self.to = Some(relay),
        }
    }

    /// Works until there are keys.
    pub fn secure(&mut self) {
        self.work_until(|browser| browser.cipher.is_some());
    }

    pub fn connect(&mut self) {
        self.work_until(|browser| browser.to.is_some());
    }

    pub fn work_until(&mut self, done: impl Fn(&Browser) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !done(self) {
            assert!(Instant::now() < end, "it takes too long");
            self.work_for(STEP);
        }
    }

    /// Works for a time: the packets that came, as they came.
    pub fn work_for(&mut self, time: Duration) -> Vec<Vec<u8>> {
        let end = Instant::now() + time;
        let mut media = Vec::new();
        loop {
            self.advance();
            media.extend(self.receive());
            if Instant::now() >= end {
                return media;
            }
        }
    }

    /// The next packet of media, as it came.
    pub fn hear(&mut self) -> Vec<u8> {
        let end = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < end, "nothing is heard");
            self.advance();
            if let Some(packet) = self.receive() {
                return packet;
            }
        }
    }

    /// The next packet of media, in clear.
    pub fn hear_clear(&mut self) -> Vec<u8> {
        let packet = self.hear();
        self.cipher.as_mut().unwrap().open(packet)
    }

    /// Says something, protected, and returns it in clear.
    pub fn speak(&mut self) -> Vec<u8> {
        let Browser { party, cipher, .. } = self;
        cipher.as_mut().unwrap().speak(party)
    }

    fn receive(&mut self) -> Option<Vec<u8>> {
        let mut room = [0; 2_048];
        let (length, from) = self.party.rtp.recv_from(&mut room).ok()?;
        let datagram = &room[..length];
        match classify(datagram) {
            Kind::Stun if !self.hears_checks && datagram.starts_with(&BINDING_REQUEST) => None,
            Kind::Stun => {
                let message = StunMessage::parse(datagram).unwrap();
                let packet = StunPacket {
                    proto: Protocol::Udp,
                    source: from,
                    destination: self.party.address(),
                    message,
                };
                if let Some(agent) = &mut self.ice {
                    agent.handle_packet(Instant::now(), packet);
                }
                None
            }
            Kind::Dtls => {
                if let Some(dtls) = &mut self.dtls {
                    let now = dtls.handle_timeout(Instant::now());
                    let result = now.and_then(|()| dtls.handle_packet(datagram));
                    self.has_failed |= result.is_err();
                }
                None
            }
            _ => Some(datagram.to_vec()),
        }
    }

    fn advance(&mut self) {
        let now = Instant::now();
        if let Some(agent) = &mut self.ice {
            agent.handle_timeout(now);
            while let Some(transmit) = agent.poll_transmit() {
                self.party
                    .rtp
                    .send_to(&transmit.contents, transmit.destination)
                    .unwrap();
                self.sent.push(transmit.contents.to_vec());
            }
            while let Some(event) = agent.poll_event() {
                if let is::IceAgentEvent::NominatedSend { destination, .. } = event {
                    self.to = Some(destination);
                }
            }
        }
        if self.to.is_some() && !self.has_failed {
            self.advance_handshake(now);
        }
    }

    fn advance_handshake(&mut self, now: Instant) {
        let (Some(dtls), Some(to)) = (&mut self.dtls, self.to) else {
            return;
        };
        if dtls.handle_timeout(now).is_err() {
            self.has_failed = true;
            return;
        }
        let mut room = [0; 2_048];
        loop {
            match dtls.poll_output(&mut room) {
                Output::Packet(datagram) => {
                    self.party.rtp.send_to(datagram, to).unwrap();
                    self.sent.push(datagram.to_vec());
                }
                Output::PeerCert(certificate) => {
                    let certificate = Certificate {
                        certificate: certificate.to_vec(),
                        private_key: Vec::new(),
                    };
                    self.seen = Some(certificate.fingerprint());
                }
                Output::KeyingMaterial(material, profile) => {
                    self.cipher = Some(Cipher::of(&keys(&material, profile, self.role)));
                }
                Output::Timeout(_) => return,
                _ => {}
            }
        }
    }
}

/// The keys as the exchange sees them; `role` is that of the browser.
fn keys(material: &[u8], profile: SrtpProfile, role: DtlsRole) -> SrtpKeys {
    let (suite, key, salt) = match profile {
        SrtpProfile::AES128_CM_SHA1_80 => (CryptoSuite::AesCm128HmacSha1_80, 16, 14),
        SrtpProfile::AEAD_AES_128_GCM => (CryptoSuite::AeadAes128Gcm, 16, 12),
        SrtpProfile::AEAD_AES_256_GCM => (CryptoSuite::AeadAes256Gcm, 32, 12),
        other => panic!("{other}"),
    };
    let [client, server] = [0, 1].map(|side| {
        let salts = 2 * key;
        SrtpKey {
            suite,
            key_and_salt: [
                &material[side * key..(side + 1) * key],
                &material[salts + side * salt..salts + (side + 1) * salt],
            ]
            .concat()
            .into(),
            identifier: Box::default(),
            lifetime_packets: None,
        }
    });
    match role {
        DtlsRole::Client => SrtpKeys {
            ours: server,
            theirs: client,
        },
        DtlsRole::Server => SrtpKeys {
            ours: client,
            theirs: server,
        },
    }
}
