//! What a description says about connectivity establishment (RFC 8839): credentials, candidates,
//! options. No check is made here.

mod candidate;
mod fragment;

use core::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

pub use candidate::{
    Candidate, CandidateAddress, CandidateKind, CandidateTransport, MAX_CANDIDATE_BYTES, TcpType,
};
pub use fragment::{TrickleFragment, TrickleSection};

use crate::attribute::Attribute;

/// The most candidates of one section that are read; what is beyond is passed over.
pub const MAX_CANDIDATES: usize = 64;

/// The shortest user name fragment (RFC 8839 section 5.4).
pub const MIN_UFRAG_BYTES: usize = 4;

/// The longest user name fragment.
pub const MAX_UFRAG_BYTES: usize = 256;

/// The shortest password (RFC 8839 section 5.4).
pub const MIN_PASSWORD_BYTES: usize = 22;

/// The longest password.
pub const MAX_PASSWORD_BYTES: usize = 256;

/// User name fragment and password of one side for one section (RFC 8839 section 5.4).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IceCredentials {
    ufrag: Box<str>,
    password: Box<str>,
}

impl IceCredentials {
    /// `None` when either is too short, too long, or has a character that must not stand there.
    pub fn new(ufrag: &str, password: &str) -> Option<IceCredentials> {
        let fits = is_ufrag(ufrag) && is_password(password);
        fits.then(|| IceCredentials {
            ufrag: ufrag.into(),
            password: password.into(),
        })
    }

    /// `a=ice-ufrag`.
    pub const fn ufrag(&self) -> &str {
        &self.ufrag
    }

    /// `a=ice-pwd`.
    pub const fn password(&self) -> &str {
        &self.password
    }

    /// Whether these, after `before`, restart ICE (RFC 8839 section 4.4.1.1.1): one that changes
    /// either restarts.
    pub fn restart(&self, before: &IceCredentials) -> bool {
        self != before
    }
}

/// Without the password: a secret never reaches a log.
impl fmt::Debug for IceCredentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "IceCredentials({}, not shown)", self.ufrag)
    }
}

fn is_ufrag(text: &str) -> bool {
    (MIN_UFRAG_BYTES..=MAX_UFRAG_BYTES).contains(&text.len()) && text.bytes().all(is_ice_char)
}

fn is_password(text: &str) -> bool {
    (MIN_PASSWORD_BYTES..=MAX_PASSWORD_BYTES).contains(&text.len()) && text.bytes().all(is_ice_char)
}

/// `ice-char` of RFC 8839 section 5.1, and what stands in the other alphabets of base64, which some
/// draw theirs from. A colon would make a STUN user name ambiguous.
const fn is_ice_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=' | b'#')
}

/// `a=ice-options` (RFC 8839 section 5.6). Options that are not known here have no use here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IceOptions {
    /// `trickle`: candidates may come later (RFC 8838).
    pub trickle: bool,
    /// `ice2`: RFC 8445 and not its predecessor.
    pub ice2: bool,
}

impl IceOptions {
    /// What either has.
    #[must_use]
    pub const fn or(self, other: IceOptions) -> IceOptions {
        IceOptions {
            trickle: self.trickle || other.trickle,
            ice2: self.ice2 || other.ice2,
        }
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        !self.trickle && !self.ice2
    }

    fn parse(text: &str) -> IceOptions {
        let has = |name: &str| text.split_ascii_whitespace().any(|option| option == name);
        IceOptions {
            trickle: has("trickle"),
            ice2: has("ice2"),
        }
    }
}

/// The value of the attribute.
impl fmt::Display for IceOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [(self.trickle, "trickle"), (self.ice2, "ice2")];
        let mut chosen = names.into_iter().filter(|(has, _)| *has);
        if let Some((_, name)) = chosen.next() {
            formatter.write_str(name)?;
        }
        chosen.try_for_each(|(_, name)| write!(formatter, " {name}"))
    }
}

/// What the controlling side has chosen, `a=remote-candidates` (RFC 8839 section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteCandidate {
    /// 1 is RTP, 2 is RTCP.
    pub component: u16,
    /// Where.
    pub address: SocketAddr,
}

/// What a section says about ICE, with what the session says for all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IceDescription {
    /// `a=ice-ufrag` and `a=ice-pwd`.
    pub credentials: IceCredentials,
    /// `a=candidate`, at most [`MAX_CANDIDATES`].
    pub candidates: Vec<Candidate>,
    /// `a=end-of-candidates`: no more will come (RFC 8840).
    pub end_of_candidates: bool,
    /// `a=ice-options`.
    pub options: IceOptions,
    /// `a=ice-lite`: the writer only answers checks (RFC 8445 section 2.5).
    pub lite: bool,
    /// `a=ice-mismatch`: something on the way has changed the addresses (RFC 8839 section 3.2.5).
    pub mismatch: bool,
    /// `a=remote-candidates`.
    pub remote_candidates: Vec<RemoteCandidate>,
}

impl IceDescription {
    /// Credentials alone.
    pub const fn new(credentials: IceCredentials) -> IceDescription {
        IceDescription {
            credentials,
            candidates: Vec::new(),
            end_of_candidates: false,
            options: IceOptions {
                trickle: false,
                ice2: false,
            },
            lite: false,
            mismatch: false,
            remote_candidates: Vec::new(),
        }
    }

    /// Whether more candidates may come.
    pub const fn is_gathering(&self) -> bool {
        self.options.trickle && !self.end_of_candidates
    }
}

/// What has been read about ICE so far. Empty, it has not allocated anything.
#[derive(Clone, Default)]
pub(crate) struct IceLines<'a> {
    ufrag: Option<&'a str>,
    password: Option<&'a str>,
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) end_of_candidates: bool,
    options: IceOptions,
    lite: bool,
    mismatch: bool,
    remote_candidates: Vec<RemoteCandidate>,
}

impl<'a> IceLines<'a> {
    /// Takes an attribute that belongs to ICE; false: it does not.
    pub(crate) fn take(&mut self, attribute: &Attribute<'a>) -> bool {
        match attribute.name {
            "ice-ufrag" => self.ufrag = self.ufrag.or(Some(attribute.value_text())),
            "ice-pwd" => self.password = self.password.or(Some(attribute.value_text())),
            "ice-options" => {
                self.options = self.options.or(IceOptions::parse(attribute.value_text()));
            }
            "ice-lite" => self.lite = true,
            "ice-mismatch" => self.mismatch = true,
            "end-of-candidates" => self.end_of_candidates = true,
            "candidate" if self.candidates.len() < MAX_CANDIDATES => {
                self.candidates.extend(Candidate::parse(attribute));
            }
            "remote-candidates" => self.take_remote_candidates(attribute.value_text()),
            _ => return false,
        }
        true
    }

    fn take_remote_candidates(&mut self, text: &str) {
        let mut words = text.split_ascii_whitespace();
        while let (Some(component), Some(address), Some(port)) =
            (words.next(), words.next(), words.next())
        {
            let component = component.parse::<u16>().ok();
            let address = address.parse::<IpAddr>().ok();
            let (Some(component), Some(ip), Ok(port)) = (component, address, port.parse()) else {
                continue;
            };
            if self.remote_candidates.len() < MAX_CANDIDATES {
                let address = SocketAddr::new(ip, port);
                self.remote_candidates
                    .push(RemoteCandidate { component, address });
            }
        }
    }

    /// Fills in what only the session said.
    pub(crate) fn inherit(&mut self, session: &IceLines<'a>) {
        self.ufrag = self.ufrag.or(session.ufrag);
        self.password = self.password.or(session.password);
        self.options = self.options.or(session.options);
        self.lite |= session.lite;
        self.end_of_candidates |= session.end_of_candidates;
    }

    pub(crate) fn credentials(&self) -> Option<IceCredentials> {
        IceCredentials::new(self.ufrag?, self.password?)
    }

    /// `None` without credentials that are fit for use: then there is no ICE.
    pub(crate) fn finish(self) -> Option<IceDescription> {
        Some(IceDescription {
            credentials: self.credentials()?,
            candidates: self.candidates,
            end_of_candidates: self.end_of_candidates,
            options: self.options,
            lite: self.lite,
            mismatch: self.mismatch,
            remote_candidates: self.remote_candidates,
        })
    }
}
