//! Call records as `fernamt cdr --json` prints them.

use serde::Deserialize;

/// A call record.
#[derive(Clone, Debug, Deserialize)]
pub struct Record {
    /// Names the call.
    pub call: String,
    /// When it came in (RFC 3339).
    pub start: String,
    /// When it was answered.
    pub answer: Option<String>,
    /// When it was over.
    pub end: String,
    /// Seconds from answer to end.
    pub duration: f64,
    /// The cause of its end (ITU-T Q.850).
    pub cause: u8,
    /// The same in words.
    pub cause_text: String,
    /// The SIP status that the caller was given, where nobody answered.
    pub status: Option<u16>,
    /// `caller`, `callee` or `exchange`.
    pub released_by: String,
    /// The codec of the answer.
    pub codec: Option<String>,
    /// The device that called.
    pub caller: Option<String>,
    /// What was dialled.
    pub dialled: String,
    /// The device that was called.
    pub callee: Option<String>,
    /// Whether every leg was encrypted; `None`: that is not known.
    pub encrypted: Option<bool>,
    /// Both sides.
    pub legs: Vec<Leg>,
}

/// One side of a call.
#[derive(Clone, Debug, Deserialize)]
pub struct Leg {
    /// `caller` or `callee`.
    pub role: String,
    /// The Call-ID as the peer saw it.
    pub call_id: String,
    /// The device.
    pub user: Option<String>,
    /// Transport and address of the peer.
    pub peer: String,
    /// How its media were protected.
    pub protection: Option<Protection>,
}

/// How the media of a leg were protected.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Protection {
    /// `clear`, `sdes` or `dtls`.
    pub kind: String,
    /// The crypto suite.
    pub suite: Option<String>,
    /// Whether the signalling that carried keys or fingerprints was encrypted.
    pub signalling_encrypted: Option<bool>,
}

impl Protection {
    /// Packets in clear.
    pub fn clear() -> Protection {
        Protection {
            kind: "clear".to_owned(),
            suite: None,
            signalling_encrypted: None,
        }
    }
}

impl Record {
    /// One side.
    ///
    /// # Panics
    /// When the record does not have it.
    #[track_caller]
    pub fn leg(&self, role: &str) -> &Leg {
        self.legs
            .iter()
            .find(|leg| leg.role == role)
            .unwrap_or_else(|| panic!("the record has no {role}: {self:?}"))
    }
}
