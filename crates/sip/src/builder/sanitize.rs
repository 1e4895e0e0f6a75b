//! The gate through which all text enters a message that is written.

use core::fmt;

use crate::message::Method;
use crate::text;

/// Takes text for the value of a header field; control characters become spaces.
#[derive(Debug)]
pub struct SafeText<'b>(pub(super) &'b mut Vec<u8>);

impl SafeText<'_> {
    /// Takes a piece of text.
    pub fn push(&mut self, value: &str) {
        let bytes = value.as_bytes();
        if text::count_controls(bytes) == 0 {
            self.0.extend_from_slice(bytes);
        } else {
            let safe = |byte: &u8| if text::is_control(*byte) { b' ' } else { *byte };
            self.0.extend(bytes.iter().map(safe));
        }
    }

    /// Takes what is known to have no control character.
    pub(super) fn push_checked(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
}

impl fmt::Write for SafeText<'_> {
    fn write_str(&mut self, value: &str) -> fmt::Result {
        self.push(value);
        Ok(())
    }
}

/// Writes the request URI; what may not stand in one is percent-escaped.
pub(super) fn push_uri(out: &mut Vec<u8>, uri: &str) {
    if text::is_uri_text(uri) {
        out.extend_from_slice(uri.as_bytes());
        return;
    }
    let hex = |nibble: u8| {
        if nibble < 10 {
            b'0' + nibble
        } else {
            b'A' + nibble - 10
        }
    };
    for byte in uri.bytes() {
        if text::is_uri_byte(byte) {
            out.push(byte);
        } else {
            out.extend_from_slice(&[b'%', hex(byte >> 4), hex(byte & 15)]);
        }
    }
}

/// Writes the method; what may not stand in one is left out.
pub(super) fn push_method(out: &mut Vec<u8>, method: Method<'_>) {
    out.extend(
        method
            .as_str()
            .bytes()
            .filter(|byte| text::is_token_byte(*byte)),
    );
}
