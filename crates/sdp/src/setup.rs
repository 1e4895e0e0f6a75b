//! Who begins the handshake on the media path, `a=setup` (RFC 4145, RFC 5763, RFC 8842). No
//! handshake.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::attribute::Attribute;

/// The value of `a=setup` (RFC 4145 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Setup {
    /// Either: the answerer chooses.
    ActPass,
    /// The writer begins: the DTLS client.
    Active,
    /// The writer waits: the DTLS server.
    Passive,
    /// Not now.
    HoldConn,
}

impl Setup {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Setup::ActPass => "actpass",
            Setup::Active => "active",
            Setup::Passive => "passive",
            Setup::HoldConn => "holdconn",
        }
    }

    /// Reads `setup:`.
    pub fn parse(attribute: &Attribute<'_>) -> Option<Setup> {
        let value = attribute.value_text();
        let all = [
            Setup::ActPass,
            Setup::Active,
            Setup::Passive,
            Setup::HoldConn,
        ];
        all.into_iter()
            .find(|setup| attribute.name == "setup" && value.eq_ignore_ascii_case(setup.as_str()))
    }

    /// What answers this offer (RFC 4145 section 4.1). Given the choice we begin, as RFC 5763
    /// section 5 recommends: the hello then leaves as soon as the answer does.
    #[must_use]
    pub const fn answer(self) -> Setup {
        match self {
            Setup::ActPass | Setup::Passive => Setup::Active,
            Setup::Active => Setup::Passive,
            Setup::HoldConn => Setup::HoldConn,
        }
    }

    /// Whether this may answer an offer (RFC 4145 section 4.1).
    pub const fn may_answer(self, offer: Setup) -> bool {
        match self {
            Setup::Active => matches!(offer, Setup::ActPass | Setup::Passive),
            Setup::Passive => matches!(offer, Setup::ActPass | Setup::Active),
            Setup::HoldConn => true,
            Setup::ActPass => false,
        }
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
