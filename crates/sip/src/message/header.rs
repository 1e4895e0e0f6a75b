//! One header field, and the fields of a message in order (RFC 3261 section 7.3).

use std::borrow::Cow;

use super::{Field, Name};
use crate::text;

/// One header field as it stands in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// Which field it is, whatever form of the name was used.
    pub name: Name,
    /// The name as the sender wrote it.
    pub raw_name: &'a str,
    /// The value without white space around it, folding left as it is.
    pub value: &'a str,
}

impl<'a> Header<'a> {
    /// The value on one line: every fold becomes one space (RFC 3261 section 7.3.1).
    pub fn unfolded(&self) -> Cow<'a, str> {
        unfold(self.value)
    }
}

/// `value` on one line: every fold becomes one space (RFC 3261 section 7.3.1).
pub(crate) fn unfold(value: &str) -> Cow<'_, str> {
    if !value.contains('\n') {
        return Cow::Borrowed(value);
    }
    let mut line = String::with_capacity(value.len());
    for (number, part) in value.split("\r\n").enumerate() {
        if number > 0 {
            line.push(' ');
        }
        line.push_str(text::trim(part));
    }
    Cow::Owned(line)
}

/// The header fields of a message, in order.
#[derive(Clone)]
pub struct Headers<'m, 'a> {
    head: &'a str,
    fields: core::slice::Iter<'m, Field>,
}

impl<'m, 'a> Headers<'m, 'a> {
    pub(super) fn new(head: &'a str, fields: &'m [Field]) -> Headers<'m, 'a> {
        Headers {
            head,
            fields: fields.iter(),
        }
    }

    /// The value of the next field called `name`; those before it are passed over unread.
    #[inline]
    pub(super) fn next_value(&mut self, name: Name) -> Option<&'a str> {
        let field = self.fields.find(|field| field.name == name)?;
        Some(value_text(self.head, field))
    }
}

impl<'a> Iterator for Headers<'_, 'a> {
    type Item = Header<'a>;

    fn next(&mut self) -> Option<Header<'a>> {
        let field = self.fields.next()?;
        let start = usize::from(field.start);
        let raw_name = self
            .head
            .get(start..start + usize::from(field.name_length))
            .unwrap_or("");
        Some(Header {
            name: field.name,
            raw_name,
            value: value_text(self.head, field),
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.fields.size_hint()
    }
}

impl ExactSizeIterator for Headers<'_, '_> {}

fn value_text<'a>(head: &'a str, field: &Field) -> &'a str {
    head.get(usize::from(field.value_start)..usize::from(field.value_end))
        .unwrap_or("")
}
