//! Whether the media of a device are encrypted, and by which means: what is wished in its record and
//! what that comes to on the way that its signalling takes. No key is made here and no description
//! is read or written.

use core::fmt;
use core::str::FromStr;

use fernamt_sip::transport::Transport;
use serde::{Deserialize, Serialize};

/// What a record or a setting says about the encryption of media.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encryption {
    /// Required where the signalling is encrypted (TLS, secure WebSocket), offered elsewhere.
    #[default]
    Automatic,
    /// Neither offered nor accepted.
    Never,
    /// Offered, and used with a party that can do it.
    Offered,
    /// There is no call without it.
    Required,
}

/// What a record says about the way in which the media of a device are carried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MediaTransport {
    /// By its signalling: WebRTC over WebSocket, otherwise keys in the session description.
    #[default]
    Automatic,
    /// SRTP with keys in the session description (RFC 4568).
    Sdes,
    /// SRTP with keys from a handshake on the media path (RFC 5764).
    Dtls,
    /// As browsers want it: DTLS-SRTP, ICE, one port for everything (RFC 8834).
    WebRtc,
    /// As `Sdes`, in the profiles with feedback (RFC 4585, RFC 5124): for phones that give and take
    /// it in no other.
    Feedback,
}

/// The part that this exchange plays in connectivity checks (RFC 8445).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IceMode {
    /// Checks are made and answered.
    #[default]
    Full,
    /// Checks are only answered (RFC 8445 section 2.5): enough for an exchange with a public address.
    Lite,
    /// Neither; a browser cannot be called then.
    Off,
}

/// The text is not one of the words that a setting can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("known are {0}")]
pub struct UnknownWord(&'static str);

macro_rules! words {
    ($type:ident, $known:literal: $($variant:ident $word:literal),*) => {
        impl $type {
            /// The word for it in records and settings.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $($type::$variant => $word,)*
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.as_str())
            }
        }

        impl FromStr for $type {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<$type, UnknownWord> {
                match text {
                    $($word => Ok($type::$variant),)*
                    _ => Err(UnknownWord($known)),
                }
            }
        }
    };
}

words!(Encryption, "automatic, never, offered and required":
    Automatic "automatic", Never "never", Offered "offered", Required "required");
words!(MediaTransport, "automatic, sdes, dtls, webrtc and feedback":
    Automatic "automatic", Sdes "sdes", Dtls "dtls", WebRtc "webrtc", Feedback "feedback");
words!(IceMode, "full, lite and off": Full "full", Lite "lite", Off "off");

/// How much encryption a leg is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Demand {
    /// None is offered and none is accepted.
    Never,
    /// As much as the party can do.
    Offered,
    /// Not less than all media of the leg.
    Required,
}

/// Where the keys of a leg come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Keying {
    /// Out of the session descriptions (RFC 4568).
    Sdes,
    /// Out of a handshake on the media path (RFC 5764).
    Dtls,
    /// Out of such a handshake, on a way that ICE finds.
    WebRtc,
    /// Out of the session descriptions, in a profile with feedback.
    SdesFeedback,
}

/// What is wished of the media of one leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Policy {
    pub(crate) demand: Demand,
    pub(crate) keying: Keying,
    /// The signalling of the leg, which carries its keys or its fingerprints.
    pub(crate) signalling: Transport,
    /// ICE is offered beside any kind of keys, as the party says that it speaks it.
    pub(crate) ice: bool,
    /// Keys in the description are offered with the profile of encrypted media and nothing less.
    pub(crate) strict: bool,
}

impl Policy {
    /// What the record of a device and the default of the exchange come to on this signalling.
    /// Nothing is known of a device that is somewhere else.
    pub(crate) fn of(
        device: Option<(Encryption, MediaTransport)>,
        default: Encryption,
        signalling: Transport,
    ) -> Policy {
        let (encryption, transport) = device.unwrap_or_default();
        let encryption = match encryption {
            Encryption::Automatic => default,
            said => said,
        };
        let demand = match encryption {
            Encryption::Never => Demand::Never,
            Encryption::Required => Demand::Required,
            Encryption::Automatic if signalling.is_secure() => Demand::Required,
            Encryption::Offered | Encryption::Automatic => Demand::Offered,
        };
        let is_websocket = matches!(signalling, Transport::Ws | Transport::Wss);
        let keying = match transport {
            MediaTransport::Automatic if is_websocket => Keying::WebRtc,
            MediaTransport::Automatic | MediaTransport::Sdes => Keying::Sdes,
            MediaTransport::Dtls => Keying::Dtls,
            MediaTransport::WebRtc => Keying::WebRtc,
            MediaTransport::Feedback => Keying::SdesFeedback,
        };
        Policy {
            demand,
            keying,
            signalling,
            ice: false,
            strict: demand == Demand::Required || signalling.is_secure(),
        }
    }

    /// The same for a party that has asked for an offer. It is made one, and either takes it or does
    /// without the call: what need not be encrypted is offered as every phone can take it.
    pub(crate) fn in_one_offer(self) -> Policy {
        Policy {
            strict: self.demand == Demand::Required,
            ..self
        }
    }

    /// Whether the offer is made in a profile with feedback that a phone may not have.
    pub(crate) fn has_feedback(self) -> bool {
        self.keying == Keying::SdesFeedback
    }

    /// What is offered next to a party that has refused an offer like this one; nothing where it
    /// has to be encrypted, or was in clear. A phone without feedback refuses the profile with it; one
    /// that demands encryption refuses media that are only perhaps encrypted (RFC 8643); one that has
    /// none refuses the profile of encrypted media.
    pub(crate) fn after_refusal(self) -> Option<Policy> {
        match self.demand {
            _ if self.has_feedback() => Some(Policy {
                keying: Keying::Sdes,
                ..self
            }),
            Demand::Never | Demand::Required => None,
            Demand::Offered if self.keying == Keying::Sdes && !self.strict => Some(Policy {
                strict: true,
                ..self
            }),
            Demand::Offered => Some(Policy {
                demand: Demand::Never,
                ..self
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signalling_decides_where_nothing_else_is_said() {
        let automatic = |signalling| Policy::of(None, Encryption::Automatic, signalling);
        for (signalling, demand, keying) in [
            (Transport::Udp, Demand::Offered, Keying::Sdes),
            (Transport::Tcp, Demand::Offered, Keying::Sdes),
            (Transport::Tls, Demand::Required, Keying::Sdes),
            (Transport::Ws, Demand::Offered, Keying::WebRtc),
            (Transport::Wss, Demand::Required, Keying::WebRtc),
        ] {
            let policy = automatic(signalling);
            assert_eq!((policy.demand, policy.keying), (demand, keying));
        }
    }

    #[test]
    fn the_device_counts_more_than_the_default_and_the_default_more_than_the_signalling() {
        let said = |device, default| {
            let device = Some((device, MediaTransport::Automatic));
            Policy::of(device, default, Transport::Tls).demand
        };
        assert_eq!(
            said(Encryption::Offered, Encryption::Never),
            Demand::Offered
        );
        assert_eq!(
            said(Encryption::Automatic, Encryption::Never),
            Demand::Never
        );
        assert_eq!(said(Encryption::Never, Encryption::Required), Demand::Never);
    }

    #[test]
    fn who_refuses_is_offered_encryption_alone_and_then_none() {
        let of = |device, transport, signalling| {
            Policy::of(Some((device, transport)), Encryption::Automatic, signalling)
        };
        let ladder = |first: Policy| {
            core::iter::successors(Some(first), |policy| policy.after_refusal())
                .map(|policy| (policy.demand, policy.strict))
                .collect::<Vec<_>>()
        };
        let sdes = |device, signalling| ladder(of(device, MediaTransport::Sdes, signalling));
        assert_eq!(
            sdes(Encryption::Offered, Transport::Udp),
            [
                (Demand::Offered, false),
                (Demand::Offered, true),
                (Demand::Never, true)
            ]
        );
        assert_eq!(
            sdes(Encryption::Offered, Transport::Tls),
            [(Demand::Offered, true), (Demand::Never, true)]
        );
        assert_eq!(
            ladder(of(
                Encryption::Offered,
                MediaTransport::Dtls,
                Transport::Udp
            ))
            .len(),
            2
        );
        for encryption in [Encryption::Never, Encryption::Offered, Encryption::Required] {
            let first = of(encryption, MediaTransport::Feedback, Transport::Udp);
            let second = first.after_refusal().unwrap();
            let without = of(encryption, MediaTransport::Sdes, Transport::Udp);
            assert_eq!((first.keying, second), (Keying::SdesFeedback, without));
        }
        assert_eq!(sdes(Encryption::Required, Transport::Udp).len(), 1);
        assert_eq!(sdes(Encryption::Never, Transport::Udp).len(), 1);
    }

    #[test]
    fn one_offer_has_to_be_encrypted_only_where_it_must() {
        for (said, strict) in [
            (Encryption::Offered, false),
            (Encryption::Never, false),
            (Encryption::Automatic, true),
            (Encryption::Required, true),
        ] {
            let device = Some((said, MediaTransport::Automatic));
            let policy = Policy::of(device, Encryption::Automatic, Transport::Tls);
            let once = policy.in_one_offer();
            assert_eq!((once.strict, once.demand), (strict, policy.demand));
        }
    }

    #[test]
    fn every_word_is_read_as_it_is_written() {
        for word in ["automatic", "never", "offered", "required"] {
            assert_eq!(word.parse::<Encryption>().unwrap().as_str(), word);
        }
        for word in ["automatic", "sdes", "dtls", "webrtc", "feedback"] {
            assert_eq!(word.parse::<MediaTransport>().unwrap().as_str(), word);
        }
        for word in ["full", "lite", "off"] {
            assert_eq!(word.parse::<IceMode>().unwrap().as_str(), word);
        }
        let wrong = "must".parse::<Encryption>().unwrap_err();
        assert!(wrong.to_string().contains("required"), "{wrong}");
    }
}
