//! One handshake with one party on one port. Whose certificate is right is asked of the caller; no
//! packet is protected here.

use core::fmt;
use core::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use fernamt_exchange::media::{DtlsRole, Fingerprint, ProtectionFailure, SrtpKeys};
use fernamt_sdp::CryptoSuite;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;

use super::fingerprint;
use super::hello::{ClientRandom, First};
use super::identity::{FLIGHT_TIMEOUT, Identity};
use super::record::{Content, content, count, has_protected};
use crate::protection::{exported_bytes, from_handshake};

/// What keys for SRTP are exported under (RFC 5764 section 4.2).
const LABEL: &str = "EXTRACTOR-dtls_srtp";

/// The library tells parties apart by their addresses. Here there is one, whose address may change.
const PARTY: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 1));

/// Records that a handshake takes before it has ended well; more than it needs when every flight comes
/// several times. What comes before it is due is kept, and what comes in pieces is put together, so
/// that memory and time are bounded by this.
pub(super) const MAX_RECORDS: usize = 256;

/// How long a handshake may take, in microseconds.
const HANDSHAKE_MICROS: u64 = 40_000_000;

/// How long a handshake repeats nothing when its client may have begun another one, in microseconds:
/// there and back is quicker, or nobody could talk.
pub(super) const PAUSE_MICROS: u64 = 1_000_000;

/// How long an established handshake is kept, in microseconds, so that its last flight can be sent
/// again when it was lost: longer than the other side repeats its own. It takes more memory than all
/// else of an endpoint.
const KEPT_MICROS: u64 = 60_000_000;

/// One handshake.
pub(super) struct Association {
    endpoint: Endpoint,
    identity: Identity,
    /// Where the party is.
    pub(super) party: SocketAddr,
    /// It was exactly where the description says, so that it is the party's fault when this fails.
    pub(super) is_vouched: bool,
    pub(super) is_established: bool,
    role: DtlsRole,
    stage: Stage,
    /// What the client has drawn for it, and how its first hello is made of its second, where that is
    /// not us.
    pub(super) client: Option<(ClientRandom, First)>,
    /// It has paused for another of the same place once.
    has_paused: bool,
    /// Records taken so far.
    pub(super) records: usize,
    /// When the flight under way is sent again, and after how long.
    repeat_micros: u64,
    interval: Duration,
    /// When it is given up, or forgotten.
    over_micros: u64,
}

/// How far a handshake is, as far as it decides what may be taken. What repeats an earlier flight of
/// the other side must not: the library would take it for an answer, and stop repeating its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing has been said or heard.
    Begun,
    /// A client's first ClientHello is under way.
    Asked,
    /// A client has been given a cookie.
    Verified,
    /// A server has the ClientHello with its cookie and has answered; a client is reading that.
    Answered,
    /// A client has said all that it has to say.
    Ended,
}

/// How a handshake stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// It goes on.
    Going,
    /// It has just ended well.
    Established(SrtpKeys),
    /// It has ended without keys.
    Failed(ProtectionFailure),
}

/// What a handshake is driven by.
#[derive(Clone, Copy, Debug)]
pub(super) enum Input<'a> {
    /// Time has passed.
    Time,
    /// A datagram of the party.
    Datagram(&'a [u8]),
}

/// Where time is counted from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    pub(crate) start: Instant,
    pub(crate) now_micros: u64,
}

impl Clock {
    fn now(self) -> Instant {
        self.start + Duration::from_micros(self.now_micros)
    }

    fn micros_after(self, span: Duration) -> u64 {
        let span = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        self.now_micros.saturating_add(span)
    }
}

impl Association {
    /// A handshake that has not begun. A client begins with the first drive.
    pub(super) fn new(
        identity: &Identity,
        role: DtlsRole,
        party: SocketAddr,
        is_vouched: bool,
        clock: Clock,
    ) -> Association {
        let server = (role == DtlsRole::Server).then(|| identity.server.clone());
        Association {
            endpoint: Endpoint::new(PARTY, Default::default(), server),
            identity: identity.clone(),
            party,
            is_vouched,
            is_established: false,
            role,
            stage: Stage::Begun,
            client: None,
            has_paused: false,
            records: 0,
            repeat_micros: clock.now_micros,
            interval: FLIGHT_TIMEOUT,
            over_micros: clock.now_micros.saturating_add(HANDSHAKE_MICROS),
        }
    }

    /// When time has to pass for it at the latest.
    pub(super) fn deadline_micros(&self) -> u64 {
        self.repeat_micros.min(self.over_micros)
    }

    /// Whether it has long ended well, so that nobody will ask for its last words any more.
    pub(super) fn is_over(&self, clock: Clock) -> bool {
        self.is_established && self.over_micros <= clock.now_micros
    }

    /// Whether the hello that it begins with is still to be read to its end.
    pub(super) fn is_beginning(&self) -> bool {
        self.role == DtlsRole::Server && self.stage == Stage::Begun
    }

    /// Whether this client has begun it.
    pub(super) fn is_of(&self, random: ClientRandom) -> bool {
        self.client
            .as_ref()
            .is_some_and(|(client, _)| *client == random)
    }

    /// The party may have begun anew, and would take what this repeats for answers to the new
    /// handshake: repeats nothing until that has had its time. Only once, as anybody could have said
    /// that hello.
    pub(super) fn pause(&mut self, clock: Clock) {
        if self.repeat_micros != u64::MAX && !core::mem::replace(&mut self.has_paused, true) {
            let until_micros = clock.now_micros.saturating_add(PAUSE_MICROS);
            self.repeat_micros = self.repeat_micros.max(until_micros);
        }
    }

    /// Gives it an input, and `send` what it says to the party.
    pub(super) fn drive(
        &mut self,
        input: Input<'_>,
        fingerprints: &[Fingerprint],
        clock: Clock,
        send: &mut dyn FnMut(&[u8]),
    ) -> Progress {
        if !self.is_established && self.over_micros <= clock.now_micros {
            return Progress::Failed(ProtectionFailure::Handshake);
        }
        if let Input::Datagram(datagram) = input
            && !self.may_take(datagram)
        {
            return Progress::Going;
        }
        let progress = guarded(|| self.advance(input, fingerprints, clock, send));
        progress.unwrap_or(Progress::Failed(ProtectionFailure::Handshake))
    }

    /// Whether a datagram can bring the handshake forward, and nothing but that.
    fn may_take(&mut self, datagram: &[u8]) -> bool {
        let content = content(datagram);
        if content == Content::Forgeable {
            return false;
        }
        if self.is_established {
            // The last word of all is a server's. It is said again to whoever repeats his own last.
            return self.role == DtlsRole::Server && has_protected(datagram);
        }
        let may = match (self.role, self.stage, content) {
            (DtlsRole::Server, Stage::Begun, _) => content == Content::ClientHello,
            (DtlsRole::Server, _, _) => content != Content::ClientHello,
            (DtlsRole::Client, Stage::Asked, _) => {
                matches!(content, Content::HelloVerifyRequest | Content::ServerHello)
            }
            (DtlsRole::Client, Stage::Verified, _) => content == Content::ServerHello,
            (DtlsRole::Client, Stage::Answered, _) => content != Content::HelloVerifyRequest,
            (DtlsRole::Client, _, _) => content == Content::Other,
        };
        let records = self.records + count(datagram);
        if !may || records > MAX_RECORDS {
            return false;
        }
        self.records = records;
        if self.role == DtlsRole::Client {
            self.stage = match content {
                Content::HelloVerifyRequest => Stage::Verified,
                Content::ServerHello => Stage::Answered,
                _ => self.stage,
            };
        }
        true
    }

    fn advance(
        &mut self,
        input: Input<'_>,
        fingerprints: &[Fingerprint],
        clock: Clock,
        send: &mut dyn FnMut(&[u8]),
    ) -> Progress {
        let now = clock.now();
        if let Input::Datagram(datagram) = input
            && self.is_beginning()
            && !self.read_first(now, datagram)
        {
            self.say(send);
            return Progress::Failed(ProtectionFailure::Handshake);
        }
        let armed = self.endpoint.poll_timeout(&PARTY);
        let result = match input {
            // The library draws its cookie with the first that it reads, be it of the first hello or not.
            Input::Datagram(datagram) if self.is_beginning() => {
                let endpoint = &mut self.endpoint;
                let read = || endpoint.read(now, PARTY, None, datagram.into());
                self.identity.cookies.with(self.party, read)
            }
            Input::Datagram(datagram) => self.endpoint.read(now, PARTY, None, datagram.into()),
            Input::Time if self.role == DtlsRole::Client && self.stage == Stage::Begun => {
                self.stage = Stage::Asked;
                let config = self.identity.client.clone();
                let begun = self.endpoint.connect(now, PARTY, config, None);
                begun.map(|()| Vec::new())
            }
            Input::Time => {
                let passed = self.endpoint.handle_timeout(PARTY, now);
                passed.map(|()| Vec::new())
            }
        };
        let (is_complete, is_closed) = match &result {
            Ok(events) => (
                events
                    .iter()
                    .any(|event| matches!(event, EndpointEvent::HandshakeComplete)),
                events
                    .iter()
                    .any(|event| matches!(event, EndpointEvent::PeerClosed)),
            ),
            Err(error) => {
                tracing::debug!(%error, "a handshake on the media path has ended");
                (false, true)
            }
        };
        if !is_closed && !self.is_with_the_right_one(is_complete, fingerprints) {
            return Progress::Failed(ProtectionFailure::WrongFingerprint);
        }
        self.say(send);
        if is_closed {
            return Progress::Failed(ProtectionFailure::Handshake);
        }
        self.set_repeat(input, armed, clock);
        if is_complete {
            return self.conclude(clock);
        }
        Progress::Going
    }

    /// Lets the library read the first hello of a client, of which nothing was kept, before it reads the
    /// second. False: the handshake has ended.
    fn read_first(&mut self, now: Instant, second: &[u8]) -> bool {
        let client = self.client.as_mut();
        let first = client.and_then(|(_, first)| first.write(second));
        let Some(first) = first.filter(|first| !first.is_empty()) else {
            return true;
        };
        let endpoint = &mut self.endpoint;
        let read = || endpoint.read(now, PARTY, None, first.as_slice().into());
        if let Err(error) = self.identity.cookies.with(self.party, read) {
            tracing::debug!(%error, "a hello on the media path is not for us");
            return false;
        }
        // What the library asks for is what it is given next.
        while self.endpoint.poll_transmit().is_some() {}
        true
    }

    /// Whether the certificate, as soon as its owner has proved to have the key, has one of the
    /// fingerprints. A client knows that before it answers, a server when all is done.
    fn is_with_the_right_one(&self, is_complete: bool, fingerprints: &[Fingerprint]) -> bool {
        let state = self.endpoint.get_connection_state(PARTY);
        let shown = state.and_then(|state| state.peer_certificates.first());
        match shown {
            Some(shown) if is_complete || self.role == DtlsRole::Client => {
                fingerprint::is_one_of(fingerprints, shown)
            }
            Some(_) => true,
            None => !is_complete,
        }
    }

    /// Sends what there is to say, and notes how far that brings the handshake.
    fn say(&mut self, send: &mut dyn FnMut(&[u8])) {
        while let Some(transmit) = self.endpoint.poll_transmit() {
            let datagram = transmit.message.as_ref();
            match self.role {
                DtlsRole::Client if has_protected(datagram) => self.stage = Stage::Ended,
                DtlsRole::Server if content(datagram) == Content::ServerHello => {
                    self.stage = Stage::Answered;
                }
                _ => {}
            }
            send(datagram);
        }
    }

    /// Sees when the flight under way is sent again: each time after twice the time (RFC 6347 section
    /// 4.2.4.1). The library would always wait equally long, and is told of the time later.
    fn set_repeat(&mut self, input: Input<'_>, armed: Option<Instant>, clock: Clock) {
        let arms = self.endpoint.poll_timeout(&PARTY);
        if arms.is_none() {
            self.repeat_micros = u64::MAX;
        } else if arms != armed {
            self.interval = match input {
                Input::Time if armed.is_some() => self.interval.saturating_mul(2),
                _ => FLIGHT_TIMEOUT,
            };
            self.repeat_micros = clock.micros_after(self.interval);
        }
    }

    fn conclude(&mut self, clock: Clock) -> Progress {
        let Some(keys) = self.keys() else {
            return Progress::Failed(ProtectionFailure::Handshake);
        };
        self.is_established = true;
        self.repeat_micros = u64::MAX;
        self.over_micros = clock.now_micros.saturating_add(KEPT_MICROS);
        Progress::Established(keys)
    }

    fn keys(&self) -> Option<SrtpKeys> {
        let state = self.endpoint.get_connection_state(PARTY)?;
        let suite = suite(state.srtp_protection_profile())?;
        let material = state.export_keying_material(LABEL, &[], exported_bytes(suite));
        from_handshake(suite, material.ok()?.as_ref(), self.role)
    }
}

/// The library promises not to panic on what comes from the network. Should it, one handshake is lost,
/// and not the thread that carries hundreds of calls.
fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work))
        .inspect_err(|_| tracing::error!("a handshake on the media path was broken off by a fault"))
        .ok()
}

fn suite(profile: SrtpProtectionProfile) -> Option<CryptoSuite> {
    match profile {
        SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm => Some(CryptoSuite::AeadAes256Gcm),
        SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm => Some(CryptoSuite::AeadAes128Gcm),
        SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80 => {
            Some(CryptoSuite::AesCm128HmacSha1_80)
        }
        SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_32 => {
            Some(CryptoSuite::AesCm128HmacSha1_32)
        }
        _ => None,
    }
}

impl fmt::Debug for Association {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Association")
            .field("party", &self.party)
            .field("is_established", &self.is_established)
            .finish_non_exhaustive()
    }
}
