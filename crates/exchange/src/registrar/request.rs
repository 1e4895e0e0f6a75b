//! What a REGISTER wants (RFC 3261 section 10.3), read and checked before the table is touched.

use core::time::Duration;

use fernamt_sip::escape::Escaped;
use fernamt_sip::message::{Message, Name};
use fernamt_sip::name_addr::NameAddr;
use fernamt_sip::transport::Flow;
use fernamt_sip::uri::Uri;

use super::{Binding, ContactChange, Nat, RegisterChange};
use crate::config::{Config, Expiry};
use crate::routing::is_ours;

/// Most contacts in one REGISTER.
pub const MAX_CONTACTS: usize = 16;

/// Longest contact URI, in bytes.
pub const MAX_CONTACT_BYTES: usize = 512;

/// Longest `+sip.instance`, in bytes, without quotes and brackets.
pub const MAX_INSTANCE_BYTES: usize = 128;

/// Most Path elements, and the longest of them in bytes.
pub const MAX_PATHS: usize = 8;

/// Longest Path element, in bytes.
const MAX_PATH_BYTES: usize = 512;

/// Longest User-Agent that is kept, in bytes.
pub const MAX_USER_AGENT_BYTES: usize = 64;

/// Longest Call-ID of a binding, in bytes.
const MAX_CALL_ID_BYTES: usize = 256;

/// The extensions that a REGISTER may require.
const SUPPORTED: [&str; 2] = ["path", "outbound"];

/// Why a REGISTER is answered with a failure, and how.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegisterRejection {
    /// The peer broke a rule of the grammar or of the registration.
    #[error("{0}")]
    BadRequest(&'static str),
    /// The contact is one that is not taken.
    #[error("{0}")]
    Forbidden(&'static str),
    /// An extension is required, or used without being announced, that cannot be had.
    #[error("Bad Extension")]
    BadExtension {
        /// For the Unsupported field.
        unsupported: Vec<Box<str>>,
    },
    /// The registration would be too short.
    #[error("Interval Too Brief")]
    IntervalTooBrief {
        /// For the Min-Expires field, in seconds.
        minimum_seconds: u64,
    },
    /// A flow was to be registered through a proxy that does not know flows (RFC 5626 section 6).
    #[error("First Hop Lacks Outbound Support")]
    FirstHopLacksOutbound,
}

impl RegisterRejection {
    /// The status of the answer; the reason phrase is the text of the error.
    pub const fn status(&self) -> u16 {
        match self {
            RegisterRejection::BadRequest(_) => 400,
            RegisterRejection::Forbidden(_) => 403,
            RegisterRejection::BadExtension { .. } => 420,
            RegisterRejection::IntervalTooBrief { .. } => 423,
            RegisterRejection::FirstHopLacksOutbound => 439,
        }
    }
}

use RegisterRejection::{BadExtension, BadRequest, FirstHopLacksOutbound, Forbidden};

/// Reads a REGISTER that came on `flow`. Who sent it is not asked here.
///
/// # Errors
/// [`RegisterRejection`] says how to answer.
pub fn register_request(
    message: &Message<'_>,
    flow: &Flow,
    config: &Config,
) -> Result<RegisterChange, RegisterRejection> {
    check_required(message)?;
    let call_id = message
        .call_id()
        .map_err(|_| BadRequest("Malformed Call-ID"))?;
    if call_id.len() > MAX_CALL_ID_BYTES {
        return Err(BadRequest("Call-ID Too Long"));
    }
    let cseq = message
        .cseq()
        .map_err(|_| BadRequest("Malformed CSeq"))?
        .number;
    let mut elements = message.list(Name::Contact);
    if elements.clone().next().is_none() {
        return Ok(RegisterChange::Query);
    }
    if elements.clone().any(|element| element == "*") {
        return remove_all(message, call_id, cseq);
    }
    if elements.nth(MAX_CONTACTS).is_some() {
        return Err(Forbidden("Too Many Contacts"));
    }
    let request = Request {
        message,
        flow,
        config,
        call_id,
        cseq,
        user_agent: user_agent(message),
        path: path(message)?,
        outbound: message.supported().has_option("outbound"),
    };
    let contacts = message
        .contacts()
        .map(|contact| request.contact(&contact.map_err(|_| BadRequest("Malformed Contact"))?));
    contacts
        .collect::<Result<Vec<_>, _>>()
        .map(RegisterChange::Update)
}

fn check_required(message: &Message<'_>) -> Result<(), RegisterRejection> {
    let known = |option: &str| {
        SUPPORTED
            .iter()
            .any(|known| known.eq_ignore_ascii_case(option))
    };
    let unsupported: Vec<Box<str>> = message
        .require()
        .filter(|option| !known(option))
        .map(Box::from)
        .collect();
    if unsupported.is_empty() {
        Ok(())
    } else {
        Err(BadExtension { unsupported })
    }
}

/// RFC 3261 section 10.2.2: `*` stands alone, and only with `Expires: 0`.
fn remove_all(
    message: &Message<'_>,
    call_id: &str,
    cseq: u32,
) -> Result<RegisterChange, RegisterRejection> {
    if !message.contact_is_star() {
        return Err(BadRequest("Contact * Beside Other Contacts"));
    }
    if !matches!(message.expires(), Ok(Some(0))) {
        return Err(BadRequest("Contact * Without Expires 0"));
    }
    Ok(RegisterChange::RemoveAll {
        call_id: call_id.into(),
        cseq,
    })
}

/// RFC 3327 section 5.3: a path is only kept for a device that knows what it is; for one that does
/// not, the recommended answer is 420.
fn path(message: &Message<'_>) -> Result<Vec<Box<str>>, RegisterRejection> {
    let mut path: Vec<Box<str>> = Vec::new();
    for hop in message.paths() {
        let hop = hop.map_err(|_| BadRequest("Malformed Path"))?;
        let uri = hop.uri().map_err(|_| BadRequest("Malformed Path"))?;
        let text = hop.to_string();
        if !uri.is_sip() || text.len() > MAX_PATH_BYTES || path.len() >= MAX_PATHS {
            return Err(BadRequest("Unusable Path"));
        }
        path.push(text.into());
    }
    if !path.is_empty() && !message.supported().has_option("path") {
        return Err(BadExtension {
            unsupported: vec!["path".into()],
        });
    }
    Ok(path)
}

fn user_agent(message: &Message<'_>) -> Option<Box<str>> {
    let header = message
        .headers()
        .find(|header| header.name == Name::UserAgent)?;
    let mut text = Escaped(&header.unfolded()).to_string();
    let mut end = MAX_USER_AGENT_BYTES.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    (!text.is_empty()).then(|| text.into())
}

/// What all contacts of a REGISTER have in common.
struct Request<'a, 'm> {
    message: &'a Message<'m>,
    flow: &'a Flow,
    config: &'a Config,
    call_id: &'a str,
    cseq: u32,
    user_agent: Option<Box<str>>,
    path: Vec<Box<str>>,
    outbound: bool,
}

impl Request<'_, '_> {
    fn contact(&self, contact: &NameAddr<'_>) -> Result<ContactChange, RegisterRejection> {
        let uri = contact.uri().map_err(|_| BadRequest("Malformed Contact"))?;
        self.check_uri(&uri)?;
        let instance = instance(contact)?;
        let reg_id = match &instance {
            Some(_) => self.reg_id(contact)?,
            None => 0,
        };
        let binding = Binding {
            contact: uri.as_str().into(),
            // A preference that cannot be read is none.
            q: contact.q_thousandths().unwrap_or(1000),
            expires: Default::default(),
            call_id: self.call_id.into(),
            cseq: self.cseq,
            instance,
            reg_id,
            path: self.path.clone(),
            user_agent: self.user_agent.clone(),
            transport: self.flow.transport,
            local: self.flow.local,
            received: self.flow.remote,
            ice: speaks_ice(contact),
            connection: self.flow.connection,
            nat: Nat::of_request(self.message, uri.as_str(), self.flow),
        };
        Ok(ContactChange {
            binding,
            lasts: self.lasts(contact)?,
        })
    }

    fn check_uri(&self, uri: &Uri<'_>) -> Result<(), RegisterRejection> {
        if !uri.is_sip() {
            return Err(BadRequest("Contact Is No SIP URI"));
        }
        if uri.as_str().len() > MAX_CONTACT_BYTES {
            return Err(BadRequest("Contact Too Long"));
        }
        if !uri.raw_headers().is_empty() || uri.password().is_some() {
            return Err(BadRequest("Contact With Headers Or Password"));
        }
        // A contact that leads to one of our own ports would send every call round in a circle.
        let port = uri.port().unwrap_or(self.flow.transport.default_port());
        let listens = self
            .config
            .listeners
            .iter()
            .any(|(_, local)| local.port() == port);
        if listens && uri.host().ip().is_some() && is_ours(uri.host(), Some(port), self.config) {
            return Err(Forbidden("Contact Leads Back To The Registrar"));
        }
        Ok(())
    }

    /// RFC 5626 section 6: a flow is registered by an instance that says it knows flows, and whose
    /// first hop, if that is not us, knows them too.
    fn reg_id(&self, contact: &NameAddr<'_>) -> Result<u32, RegisterRejection> {
        if !self.outbound || !contact.params().has("reg-id") {
            return Ok(0);
        }
        let value = contact.param("reg-id").unwrap_or_default();
        let reg_id = value
            .parse::<u32>()
            .ok()
            .filter(|reg_id| (1..=0x7fff_ffff).contains(reg_id));
        let reg_id = reg_id.ok_or(BadRequest("Malformed reg-id"))?;
        let is_first_hop = self.message.list(Name::Via).nth(1).is_none();
        let first_hop_knows = || {
            let first = self.message.paths().last().and_then(Result::ok);
            first
                .and_then(|hop| hop.uri().ok())
                .is_some_and(|uri| uri.has_param("ob"))
        };
        if is_first_hop || first_hop_knows() {
            Ok(reg_id)
        } else {
            Err(FirstHopLacksOutbound)
        }
    }

    /// RFC 3261 section 10.3 step 7: the parameter, else the field, else the default; a value that
    /// is no number counts as none.
    fn lasts(&self, contact: &NameAddr<'_>) -> Result<Duration, RegisterRejection> {
        let Expiry {
            minimum,
            maximum,
            default,
        } = self.config.registration;
        let seconds = if contact.params().has("expires") {
            contact.expires_seconds()
        } else {
            self.message.expires().ok().flatten()
        };
        let wanted = seconds.map_or(default, |seconds| Duration::from_secs(seconds.into()));
        if wanted.is_zero() {
            return Ok(wanted);
        }
        if wanted < minimum {
            let minimum_seconds = minimum.as_micros().div_ceil(1_000_000) as u64;
            return Err(RegisterRejection::IntervalTooBrief { minimum_seconds });
        }
        Ok(wanted.min(maximum.max(minimum)))
    }
}

/// Whether a contact says that its phone finds the way of its media by ICE (RFC 5768). A feature tag
/// that is true is written without a value, or says so (RFC 3840 section 9).
pub(crate) fn speaks_ice(contact: &NameAddr<'_>) -> bool {
    let tag = contact.params().find("+sip.ice");
    tag.is_some_and(|tag| match tag.unquoted() {
        None => true,
        Some(value) => value.is_empty() || value.eq_ignore_ascii_case("true"),
    })
}

/// `+sip.instance="<urn:uuid:…>"` without quotes and brackets.
fn instance(contact: &NameAddr<'_>) -> Result<Option<Box<str>>, RegisterRejection> {
    let Some(param) = contact.params().find("+sip.instance") else {
        return Ok(None);
    };
    let value = param.unquoted().unwrap_or_default();
    let inner = value
        .strip_prefix('<')
        .and_then(|rest| rest.strip_suffix('>'))
        .unwrap_or(&value);
    let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'<' | b'>');
    if inner.is_empty() || inner.len() > MAX_INSTANCE_BYTES || !inner.bytes().all(plain) {
        return Err(BadRequest("Malformed sip.instance"));
    }
    Ok(Some(inner.into()))
}
