//! What people are told about the media of a call: how they are protected, and what went through. Never
//! a key.

use fernamt_sdp::CryptoSuite;
use fernamt_sip::transport::Transport;

use crate::media::{Protection, Statistics};

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

/// What went through an endpoint, for the journal.
pub(in crate::call) fn in_words(statistics: &Statistics) -> String {
    let mut words = match (statistics.packets_received, statistics.packets_sent) {
        (0, 0) => "No media flowed".to_owned(),
        (received, sent) => {
            let lost = statistics.packets_lost;
            format!("{received} packets received, {sent} sent, {lost} lost")
        }
    };
    if let Some(micros) = statistics.jitter_micros {
        words.push_str(&format!(
            ", jitter {}.{} ms",
            micros / 1000,
            micros % 1000 / 100
        ));
    } else if statistics.packets_received > 0 {
        words.push_str(", jitter not measured");
    }
    let unauthentic = statistics.packets_unauthentic;
    let others = statistics.packets_dropped.saturating_sub(unauthentic);
    for (count, why) in [
        (unauthentic, "dropped as not authentic"),
        (
            others,
            "dropped as not known to be from the party, not agreed on or too many",
        ),
        (
            statistics.packets_withheld,
            "not sent, as the party has not agreed to their format",
        ),
    ] {
        if count > 0 {
            words.push_str(&format!(", {count} {why}"));
        }
    }
    words.push('.');
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_has_words_of_its_own_and_what_is_not_known_has_none() {
        let quiet = Statistics::default();
        assert_eq!(in_words(&quiet), "No media flowed.");
        let statistics = Statistics {
            packets_received: 300,
            packets_sent: 299,
            packets_lost: 2,
            jitter_micros: Some(1_260),
            ..quiet
        };
        let begin = "300 packets received, 299 sent, 2 lost, jitter 1.2 ms";
        assert_eq!(in_words(&statistics), format!("{begin}."));
        let dropped = Statistics {
            packets_dropped: 9,
            packets_unauthentic: 4,
            packets_withheld: 1,
            ..statistics
        };
        assert_eq!(
            in_words(&dropped),
            format!(
                "{begin}, 4 dropped as not authentic, 5 dropped as not known to be from the party, not \
                 agreed on or too many, 1 not sent, as the party has not agreed to their format."
            )
        );
        let unknown = Statistics {
            jitter_micros: None,
            ..statistics
        };
        assert!(in_words(&unknown).ends_with("2 lost, jitter not measured."));
        let fax = Statistics {
            packets_received: 0,
            ..unknown
        };
        assert!(in_words(&fax).ends_with("2 lost."));
    }

    #[test]
    fn a_stranger_that_gets_nothing_through_is_told_of() {
        let statistics = Statistics {
            packets_dropped: 3,
            ..Statistics::default()
        };
        assert_eq!(
            in_words(&statistics),
            "No media flowed, 3 dropped as not known to be from the party, not agreed on or too many."
        );
    }
}
