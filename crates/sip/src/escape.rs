//! Untrusted text made fit for logs, journals and terminals: no control character survives.

use core::fmt::{self, Write as _};

/// Displays text so that it stays on its line and can move no cursor: control characters, the
/// line and paragraph separators of Unicode and its direction overrides are written as escapes.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            if is_unsafe(character) {
                write!(formatter, "{}", character.escape_default())?;
            } else {
                formatter.write_char(character)?;
            }
        }
        Ok(())
    }
}

/// Whether `character` can change what a reader of the surrounding text sees.
pub(crate) fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_injection() {
        let forged = "bob\r\n2026-01-01 INFO banned 10.0.0.1\u{1b}[2J\u{202e}\u{2028}\0";
        let shown = Escaped(forged).to_string();
        assert_eq!(
            shown,
            "bob\\r\\n2026-01-01 INFO banned 10.0.0.1\\u{1b}[2J\\u{202e}\\u{2028}\\u{0}"
        );
        assert_eq!(Escaped("J\u{e4}ger \"x\"").to_string(), "J\u{e4}ger \"x\"");
    }
}
