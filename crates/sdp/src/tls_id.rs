//! The name of a DTLS association, `a=tls-id` (RFC 8842): another name is another association.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::attribute::Attribute;

/// The shortest name (RFC 8842 section 4).
pub const MIN_BYTES: usize = 20;

/// The longest name.
pub const MAX_BYTES: usize = 255;

/// The value of `a=tls-id`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TlsId(Box<str>);

impl TlsId {
    /// `None` unless it is 20 to 255 letters, digits and `+/-_`.
    pub fn new(text: &str) -> Option<TlsId> {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(&byte);
        let fits = (MIN_BYTES..=MAX_BYTES).contains(&text.len());
        (fits && text.bytes().all(known)).then(|| TlsId(text.into()))
    }

    /// Reads `tls-id:`.
    pub fn parse(attribute: &Attribute<'_>) -> Option<TlsId> {
        let value = Some(attribute.value_text()).filter(|_| attribute.name == "tls-id");
        value.and_then(TlsId::new)
    }

    /// As it is written.
    pub const fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TlsId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
