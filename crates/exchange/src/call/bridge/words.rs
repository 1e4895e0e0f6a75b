//! What people are told about the media of a call: how they are protected, how their way was found,
//! and what went through. Never a key.

use fernamt_sdp::CryptoSuite;
use fernamt_sip::transport::Transport;

use crate::media::{IceCandidateKind, Protection, Statistics};

/// What protects a stream, without its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cover {
    /// Nothing.
    None,
    /// Keys in the descriptions.
    Sdes(CryptoSuite),
    /// Keys from a handshake.
    Dtls,
}

impl From<&Protection> for Cover {
    fn from(protection: &Protection) -> Cover {
        match protection {
            Protection::None => Cover::None,
            Protection::Sdes(keys) => Cover::Sdes(keys.ours.suite),
            Protection::Dtls(_) => Cover::Dtls,
        }
    }
}

/// How streams are protected whose descriptions have crossed these signalling paths; `None`: there
/// is no stream.
pub(super) fn covers_in_words(
    covers: impl Iterator<Item = Cover>,
    paths: &[Transport],
) -> Option<String> {
    let mut words: Vec<String> = Vec::with_capacity(1);
    for cover in covers {
        let one = cover_in_words(cover, paths);
        if !words.contains(&one) {
            words.push(one);
        }
    }
    (!words.is_empty()).then(|| words.join("; also "))
}

fn cover_in_words(cover: Cover, paths: &[Transport]) -> String {
    let (with, what, where_from) = match cover {
        Cover::None => return "not encrypted".to_owned(),
        Cover::Sdes(suite) => {
            let cipher = format!("{}, ", cipher_in_words(suite));
            (cipher, "keys", " from the description")
        }
        Cover::Dtls => {
            let handshake = "keys from a DTLS handshake, ".to_owned();
            (handshake, "fingerprint", "")
        }
    };
    let open = listed(paths, |path| !path.is_secure());
    match open.is_empty() {
        true => {
            let over = listed(paths, |_| true);
            format!("SRTP, {with}{what}{where_from} over {over}")
        }
        false => format!("SRTP, {with}{what} crossed an unencrypted signalling path ({open})"),
    }
}

/// Those of the paths that are meant, each once.
fn listed(paths: &[Transport], is_meant: impl Fn(Transport) -> bool) -> String {
    let mut names: Vec<String> = Vec::with_capacity(2);
    for path in paths.iter().filter(|path| is_meant(**path)) {
        let name = path.to_string();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(" and ")
}

/// What a suite encrypts with.
pub(in crate::call) const fn cipher_in_words(suite: CryptoSuite) -> &'static str {
    match suite {
        CryptoSuite::AesCm128HmacSha1_80 => "AES-CM-128",
        CryptoSuite::AesCm128HmacSha1_32 => "AES-CM-128 with a short tag",
        CryptoSuite::AesCm256HmacSha1_80 => "AES-CM-256",
        CryptoSuite::AesCm256HmacSha1_32 => "AES-CM-256 with a short tag",
        CryptoSuite::AeadAes128Gcm => "AES-GCM-128",
        CryptoSuite::AeadAes256Gcm => "AES-GCM-256",
    }
}

/// How the way to a party was found.
pub(in crate::call) const fn kind_in_words(kind: IceCandidateKind) -> &'static str {
    match kind {
        IceCandidateKind::Host => "an address of its own",
        IceCandidateKind::ServerReflexive => "the address that a STUN server saw",
        IceCandidateKind::PeerReflexive => "the address that a check came from",
        IceCandidateKind::Relayed => "a TURN server",
    }
}

/// What went through an endpoint, for the journal.
pub(in crate::call) fn in_words(statistics: &Statistics) -> String {
    if statistics.packets_received == 0 && statistics.packets_sent == 0 {
        return "No media flowed.".to_owned();
    }
    let mut words = format!(
        "{} packets received, {} sent, {} lost, jitter {}.{} ms",
        statistics.packets_received,
        statistics.packets_sent,
        statistics.packets_lost,
        statistics.jitter_micros / 1000,
        statistics.jitter_micros % 1000 / 100,
    );
    if statistics.packets_dropped > 0 {
        words.push_str(&format!(
            ", {} dropped as not the party's",
            statistics.packets_dropped
        ));
    }
    words.push('.');
    words
}
