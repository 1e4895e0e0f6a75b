//! One handshake with one party on one port. Whose certificate is right is asked of the caller; no
//! packet is protected here.

use core::fmt;
use core::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use dimpl::{Dtls, Output, SrtpProfile};
use fernamt_exchange::media::{DtlsRole, Fingerprint, ProtectionFailure, SrtpKeys};
use fernamt_sdp::CryptoSuite;

use super::fingerprint;
use super::identity::Identity;
use super::record::{Content, content};
use crate::protection::from_handshake;

/// Room for one datagram of a handshake: larger than any that is made.
const ROOM_BYTES: usize = 2_048;

/// Turns of one drive, at most: more than a handshake has messages.
const MAX_OUTPUTS: usize = 64;

/// How long an established handshake is kept, in microseconds, so that its last flight can be sent
/// again when it was lost: longer than the other side repeats its own. It takes more memory than all
/// else of an endpoint.
const KEPT_MICROS: u64 = 60_000_000;

/// One handshake.
pub(super) struct Association {
    dtls: Dtls,
    /// Where the party is.
    pub(super) party: SocketAddr,
    /// It was exactly where the description says, so that it is the party's fault when this fails.
    pub(super) is_vouched: bool,
    pub(super) is_established: bool,
    deadline_micros: u64,
    over_micros: u64,
    /// Nothing of the party has come yet.
    is_unanswered: bool,
    role: DtlsRole,
    keys: Option<SrtpKeys>,
    is_connected: bool,
    certificate_is_right: bool,
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

    fn micros_at(self, instant: Instant) -> u64 {
        let since = instant.saturating_duration_since(self.start).as_micros();
        u64::try_from(since).unwrap_or(u64::MAX)
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
    ) -> Option<Association> {
        let make = || {
            let (config, certificate) = (identity.config.clone(), identity.certificate.clone());
            let mut dtls = Dtls::new_auto(config, certificate, clock.now());
            dtls.set_active(role == DtlsRole::Client);
            dtls
        };
        Some(Association {
            dtls: guarded(make)?,
            party,
            is_vouched,
            is_established: false,
            deadline_micros: clock.now_micros,
            over_micros: u64::MAX,
            is_unanswered: true,
            role,
            keys: None,
            is_connected: false,
            certificate_is_right: false,
        })
    }

    /// When time has to pass for it at the latest.
    pub(super) fn deadline_micros(&self) -> u64 {
        self.deadline_micros.min(self.over_micros)
    }

    /// Whether it has long ended well, so that nobody will ask for its last words any more.
    pub(super) fn is_over(&self, clock: Clock) -> bool {
        self.over_micros <= clock.now_micros
    }

    /// Gives it an input, and `send` what it says to the party.
    pub(super) fn drive(
        &mut self,
        input: Input<'_>,
        fingerprints: &[Fingerprint],
        clock: Clock,
        send: &mut dyn FnMut(&[u8]),
    ) -> Progress {
        if let Input::Datagram(datagram) = input {
            let waits = self.is_unanswered && self.role == DtlsRole::Client;
            match content(datagram) {
                Content::Forgeable => return Progress::Going,
                Content::ServerHello => {}
                // A client that has heard nothing can take nothing else, and would give up.
                _ if waits => return Progress::Going,
                Content::ClientHello | Content::Other => {}
            }
            self.is_unanswered = false;
        }
        let progress = guarded(|| self.advance(input, fingerprints, clock, send));
        progress.unwrap_or(Progress::Failed(ProtectionFailure::Handshake))
    }

    fn advance(
        &mut self,
        input: Input<'_>,
        fingerprints: &[Fingerprint],
        clock: Clock,
        send: &mut dyn FnMut(&[u8]),
    ) -> Progress {
        let result = self.dtls.handle_timeout(clock.now());
        let result = match input {
            Input::Datagram(datagram) => {
                result.and_then(|()| {
                    // What the clock brought must be taken before anything else is given.
                    self.drain(fingerprints, clock, send);
                    self.dtls.handle_packet(datagram)
                })
            }
            Input::Time => result,
        };
        let failure = self.drain(fingerprints, clock, send);
        if let Some(failure) = failure {
            return Progress::Failed(failure);
        }
        if let Err(error) = result {
            tracing::debug!(%error, "a handshake on the media path has ended");
            return Progress::Failed(ProtectionFailure::Handshake);
        }
        self.conclude(clock)
    }

    /// Takes all that comes out.
    fn drain(
        &mut self,
        fingerprints: &[Fingerprint],
        clock: Clock,
        send: &mut dyn FnMut(&[u8]),
    ) -> Option<ProtectionFailure> {
        let mut room = [0; ROOM_BYTES];
        for _ in 0..MAX_OUTPUTS {
            match self.dtls.poll_output(&mut room) {
                Output::Packet(datagram) => send(datagram),
                Output::Timeout(at) => {
                    self.deadline_micros = clock.micros_at(at);
                    return None;
                }
                Output::Connected => self.is_connected = true,
                Output::PeerCert(certificate) => {
                    self.certificate_is_right = fingerprint::is_one_of(fingerprints, certificate);
                    if !self.certificate_is_right {
                        return Some(ProtectionFailure::WrongFingerprint);
                    }
                }
                Output::KeyingMaterial(material, profile) => {
                    self.keys = suite(profile)
                        .and_then(|suite| from_handshake(suite, &material, self.role));
                }
                Output::BufferTooSmall { .. } => return Some(ProtectionFailure::Handshake),
                _ => {}
            }
        }
        Some(ProtectionFailure::Handshake)
    }

    fn conclude(&mut self, clock: Clock) -> Progress {
        if self.is_established || !self.is_connected {
            return Progress::Going;
        }
        match self.keys.take() {
            Some(keys) if self.certificate_is_right => {
                self.is_established = true;
                self.over_micros = clock.now_micros + KEPT_MICROS;
                Progress::Established(keys)
            }
            Some(_) => Progress::Failed(ProtectionFailure::WrongFingerprint),
            None => Progress::Failed(ProtectionFailure::Handshake),
        }
    }
}

/// The library promises not to panic on what comes from the network. Should it, one handshake is lost,
/// and not the thread that carries hundreds of calls.
fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work))
        .inspect_err(|_| tracing::error!("a handshake on the media path was broken off by a fault"))
        .ok()
}

fn suite(profile: SrtpProfile) -> Option<CryptoSuite> {
    match profile {
        SrtpProfile::AES128_CM_SHA1_80 => Some(CryptoSuite::AesCm128HmacSha1_80),
        SrtpProfile::AEAD_AES_128_GCM => Some(CryptoSuite::AeadAes128Gcm),
        SrtpProfile::AEAD_AES_256_GCM => Some(CryptoSuite::AeadAes256Gcm),
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
