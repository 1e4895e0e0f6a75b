//! `Replaces`, `Join` and `Target-Dialog`: the name of another dialog (RFC 3891, 3911, 4538).

use super::{Malformed, Params};
use crate::text;

/// The dialog that a request speaks of, as seen by its recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Replaces<'a> {
    /// The Call-ID of the dialog.
    pub call_id: &'a str,
    /// The tag of the recipient.
    pub to_tag: &'a str,
    /// The tag of the other side.
    pub from_tag: &'a str,
    /// Whether only a dialog that is still early may be replaced.
    pub early_only: bool,
}

impl<'a> Replaces<'a> {
    /// Reads the value of a Replaces field, unescaped when it came from a URI.
    ///
    /// # Errors
    /// When the Call-ID or a tag is missing.
    pub fn parse(value: &'a str) -> Result<Replaces<'a>, Malformed> {
        Self::parse_with(value, "to-tag", "from-tag")
    }

    /// Reads the value of a Target-Dialog field, whose tags are called local and remote from the
    /// sender's point of view (RFC 4538 section 7).
    ///
    /// # Errors
    /// When the Call-ID or a tag is missing.
    pub fn parse_target_dialog(value: &'a str) -> Result<Replaces<'a>, Malformed> {
        Self::parse_with(value, "remote-tag", "local-tag")
    }

    fn parse_with(value: &'a str, to: &str, from: &str) -> Result<Replaces<'a>, Malformed> {
        let malformed = Malformed("Replaces");
        let value = text::trim(value);
        let (call_id, params) = text::split_params(value);
        let call_id = text::trim(call_id);
        let params = Params::new(params);
        if call_id.is_empty() || call_id.bytes().any(text::is_white) || !params.are_well_formed() {
            return Err(malformed);
        }
        let tag = |name| {
            params
                .get(name)
                .filter(|tag| !tag.is_empty())
                .ok_or(malformed)
        };
        Ok(Replaces {
            call_id,
            to_tag: tag(to)?,
            from_tag: tag(from)?,
            early_only: params.has("early-only"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_dialog_is_read() {
        let replaces =
            Replaces::parse("425928@bobster.example.org;to-tag=7743;from-tag=6472;early-only");
        assert_eq!(
            replaces,
            Ok(Replaces {
                call_id: "425928@bobster.example.org",
                to_tag: "7743",
                from_tag: "6472",
                early_only: true
            })
        );
        let target = Replaces::parse_target_dialog("a@b;local-tag=l;remote-tag=r").unwrap();
        assert_eq!((target.to_tag, target.from_tag), ("r", "l"));
        for value in [
            "",
            "a@b",
            "a@b;to-tag=1",
            ";to-tag=1;from-tag=2",
            "a b;to-tag=1;from-tag=2",
        ] {
            assert!(Replaces::parse(value).is_err(), "{value}");
        }
    }
}
