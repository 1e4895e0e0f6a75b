//! Descriptions as phones of every kind of transport write them.

#![allow(dead_code, missing_docs)]
#![allow(clippy::unwrap_used, clippy::panic)]

/// How a phone carries its media.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// RTP/AVP and nothing else.
    Plain,
    /// RTP/AVPF.
    Feedback,
    /// RTP/AVP with keys (RFC 8643).
    Opportunistic,
    /// RTP/SAVP with keys in the description.
    Sdes,
    /// RTP/SAVPF with keys in the description.
    SdesFeedback,
    /// UDP/TLS/RTP/SAVP.
    Dtls,
    /// A browser.
    Browser,
}

pub(crate) const KINDS: [Kind; 7] = [
    Kind::Plain,
    Kind::Feedback,
    Kind::Opportunistic,
    Kind::Sdes,
    Kind::SdesFeedback,
    Kind::Dtls,
    Kind::Browser,
];

pub(crate) const KEY: &str = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0e";
pub(crate) const OTHER_KEY: &str = "Hh0cGxoZGBcWFRQTEhEQDw4NDAsKCQgHBgUEAwIB";
/// A key that is none of the others.
pub(crate) const NEW_KEY: &str = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9";
pub(crate) const FINGERPRINT: &str = "sha-256 11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11:11";

impl Kind {
    pub(crate) fn profile(self) -> &'static str {
        match self {
            Kind::Plain | Kind::Opportunistic => "RTP/AVP",
            Kind::Feedback => "RTP/AVPF",
            Kind::Sdes => "RTP/SAVP",
            Kind::SdesFeedback => "RTP/SAVPF",
            Kind::Dtls => "UDP/TLS/RTP/SAVP",
            Kind::Browser => "UDP/TLS/RTP/SAVPF",
        }
    }

    pub(crate) fn is_encrypted(self) -> bool {
        !matches!(self, Kind::Plain | Kind::Feedback)
    }

    /// The offer of a phone at this address.
    pub(crate) fn offer(self, address: &str, port: u16) -> String {
        let mut text = head(address, self == Kind::Browser);
        let profile = self.profile();
        text +=
            &format!("m=audio {port} {profile} 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\n");
        match self {
            Kind::Plain => {}
            Kind::Feedback => text += "a=rtcp-fb:* nack\r\n",
            Kind::Opportunistic | Kind::Sdes | Kind::SdesFeedback => {
                text += &format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\r\n");
            }
            Kind::Dtls => text += &format!("a=fingerprint:{FINGERPRINT}\r\na=setup:actpass\r\n"),
            Kind::Browser => text += &browser(address, port, "actpass"),
        }
        text
    }
}

fn head(address: &str, bundle: bool) -> String {
    let family = if address.contains(':') { "IP6" } else { "IP4" };
    let bundle = if bundle { "a=group:BUNDLE 0\r\n" } else { "" };
    format!(
        "v=0\r\no=phone 1 1 IN {family} {address}\r\ns=-\r\nc=IN {family} {address}\r\nt=0 0\r\n{bundle}"
    )
}

fn browser(address: &str, port: u16, setup: &str) -> String {
    format!(
        "a=mid:0\r\na=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=ice-options:trickle\r\n\
         a=fingerprint:{FINGERPRINT}\r\na=setup:{setup}\r\na=rtcp-mux\r\na=rtcp-rsize\r\n\
         a=candidate:1 1 udp 2130706431 {address} {port} typ host\r\n\
         a=ssrc:1234 cname:somebody\r\na=msid:stream track\r\na=rtcp-fb:8 nack\r\n\
         a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n"
    )
}

/// What the m-line of the first section names.
pub(crate) fn profile_of(description: &str) -> String {
    let line = description
        .lines()
        .find(|line| line.starts_with("m="))
        .unwrap();
    line.split(' ').nth(2).unwrap().to_owned()
}

pub(crate) fn line<'d>(description: &'d str, start: &str) -> Option<&'d str> {
    description
        .lines()
        .find_map(|line| line.strip_prefix(start))
}

/// The answer of a phone that takes what it is offered; `keys`: whether it has SRTP where it is not
/// forced to.
pub(crate) fn answer(offer: &str, address: &str, port: u16, keys: bool) -> String {
    let profile = profile_of(offer);
    let mut text = head(address, offer.contains("a=group:BUNDLE"));
    text += &format!("m=audio {port} {profile} 8 101\r\na=rtpmap:101 telephone-event/8000\r\n");
    if let Some(crypto) = line(offer, "a=crypto:").filter(|_| keys) {
        let mut words = crypto.split(' ');
        let (tag, suite) = (words.next().unwrap(), words.next().unwrap());
        text += &format!("a=crypto:{tag} {suite} inline:{OTHER_KEY}\r\n");
    }
    let is_for_browsers = offer.contains("a=group:BUNDLE") || !offer.contains("a=fingerprint:");
    if offer.contains("a=ice-ufrag:") && is_for_browsers {
        text += &browser(address, port, "active");
    } else if offer.contains("a=fingerprint:") {
        text += &format!("a=fingerprint:{FINGERPRINT}\r\na=setup:active\r\n");
    }
    text
}

/// The first line of keys.
pub(crate) fn crypto(description: &str) -> &str {
    line(description, "a=crypto:").unwrap()
}
