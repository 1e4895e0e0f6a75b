//! How a phone carries its media: in clear, with keys in the description, or as a browser. It puts on
//! and takes off what its kind adds to the descriptions of a plain phone, and notes the keys.

use super::Phone;

/// How a phone carries its media.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum MediaKind {
    /// RTP/AVP, and nothing else is understood.
    #[default]
    Plain,
    /// RTP/AVP with keys beside it (RFC 8643), which the other side may leave out.
    Keys,
    /// RTP/SAVP; in clear there is no call.
    Sdes,
    /// As a browser: DTLS, ICE, everything on one port; in clear there is no call.
    Browser,
}

/// What a phone has said and heard of keys in one call.
#[derive(Debug, Default)]
pub(crate) struct CallKeys {
    /// Its own key, in base64.
    pub(crate) own: String,
    /// The key of the exchange, as it stood in the last description that counted.
    pub(crate) theirs: Option<String>,
    /// The two have agreed on keys in their descriptions, at some time.
    pub(crate) were_agreed: bool,
    /// The two have agreed on a description without them.
    pub(crate) were_left_out: bool,
    /// Tag and suite of the line that an answer names.
    line: Option<String>,
}

impl CallKeys {
    /// Offer and answer are complete.
    pub(super) fn note_agreement(&mut self) {
        match self.theirs {
            Some(_) => self.were_agreed = true,
            None => self.were_left_out = true,
        }
    }
}

const CLEAR: &str = " RTP/AVP ";

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The certificate of a browser of the simulation hashes to this.
const FINGERPRINT: &str = "sha-256 22:22:22:22:22:22:22:22:22:22:22:22:22:22:22:22:22:22:22:22:22:22:22:22:22:22:22:22:22:22:22:22";

impl MediaKind {
    /// Whether its media must never be in clear.
    pub(crate) const fn is_strict(self) -> bool {
        matches!(self, MediaKind::Sdes | MediaKind::Browser)
    }

    /// Whether it refuses this first offer of a call: it has not the profile of encrypted media, which
    /// it is offered when it has refused the one before.
    pub(super) fn refuses(self, offer: &str) -> bool {
        !self.is_strict() && offer.contains(MediaKind::Sdes.profile())
    }

    const fn profile(self) -> &'static str {
        match self {
            MediaKind::Plain | MediaKind::Keys => CLEAR,
            MediaKind::Sdes => " RTP/SAVP ",
            MediaKind::Browser => " UDP/TLS/RTP/SAVPF ",
        }
    }
}

impl Phone {
    /// A key of its own for a new call.
    pub(super) fn new_keys(&mut self) -> CallKeys {
        let letters = (0..40).map(|_| {
            let place = usize::try_from(self.random.below(64)).unwrap_or(0);
            char::from(LETTERS[place])
        });
        CallKeys {
            own: letters.collect(),
            ..CallKeys::default()
        }
    }

    /// An offer of ours as our kind writes it.
    pub(super) fn protect_offer(&self, call: usize, offer: &str) -> String {
        let key = &self.calls[call].keys.own;
        let line = format!("1 AES_CM_128_HMAC_SHA1_80 inline:{key}");
        self.protect(call, offer, Some(&line), "actpass")
    }

    /// An answer of ours as our kind writes it.
    pub(super) fn protect_answer(&self, call: usize, answer: &str) -> String {
        let keys = &self.calls[call].keys;
        let line = keys.line.as_ref();
        let line = line.map(|line| format!("{line} inline:{}", keys.own));
        self.protect(call, answer, line.as_deref(), "active")
    }

    fn protect(&self, call: usize, plain: &str, line: Option<&str>, setup: &str) -> String {
        let kind = self.plan.media;
        let mut text = plain.replacen(CLEAR, kind.profile(), 1);
        match (kind, line) {
            (MediaKind::Keys | MediaKind::Sdes, Some(line)) => {
                text.push_str(&format!("a=crypto:{line}\r\n"));
            }
            (MediaKind::Browser, _) => {
                let ufrag = format!("u{:03}{call:04}", self.index);
                text = text.replacen("m=", "a=group:BUNDLE 0\r\nm=", 1);
                text.push_str(&format!(
                    "a=mid:0\r\na=ice-ufrag:{ufrag}\r\na=ice-pwd:{ufrag}{ufrag}{ufrag}\r\n\
                     a=fingerprint:{FINGERPRINT}\r\na=setup:{setup}\r\na=rtcp-mux\r\n"
                ));
            }
            _ => {}
        }
        text
    }

    /// A description of the other side as a plain phone would have got it; notes its keys.
    pub(super) fn expose(&mut self, call: usize, body: &[u8]) -> String {
        let text = String::from_utf8_lossy(body).into_owned();
        let kind = self.plan.media;
        if kind == MediaKind::Plain {
            return text;
        }
        let crypto = text.lines().find_map(|line| line.strip_prefix("a=crypto:"));
        let parts = crypto.and_then(|crypto| crypto.split_once(" inline:"));
        let refused = text.contains("m=audio 0 ");
        let complete = match kind {
            MediaKind::Sdes => parts.is_some() && text.contains(kind.profile()),
            MediaKind::Browser => ["a=fingerprint:", "a=setup:", "a=ice-ufrag:", "a=rtcp-mux"]
                .iter()
                .all(|line| text.contains(line)),
            MediaKind::Plain | MediaKind::Keys => true,
        };
        if !complete && !refused {
            let shown = text.replace("\r\n", " | ");
            self.complain(format!("a phone of the kind {kind:?} is told: {shown}"));
        }
        let keys = &mut self.calls[call].keys;
        keys.line = parts.map(|(line, _)| line.to_owned());
        keys.theirs = parts.map(|(_, key)| key.trim_end().to_owned());
        text.replacen(kind.profile(), CLEAR, 1)
    }
}

/// What a key of the media plane looks like in a description.
pub(crate) fn base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let mut word = chunk
            .iter()
            .fold(0_usize, |word, byte| word << 8 | usize::from(*byte));
        word <<= 8 * (3 - chunk.len());
        for place in (0..=chunk.len()).rev() {
            let shift = 6 * (place + 3 - chunk.len());
            text.push(char::from(LETTERS[(word >> shift) & 63]));
        }
    }
    text
}
