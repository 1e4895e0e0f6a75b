//! Lexical helpers of the grammar (RFC 3261 section 25.1): characters, white space, quoting.

const TOKEN: u8 = 1;
const HOST: u8 = 2;
const HEX: u8 = 4;
const URI: u8 = 8;

static CLASSES: [u8; 256] = classes();

#[allow(clippy::indexing_slicing, reason = "runs at compile time only")]
const fn classes() -> [u8; 256] {
    let mut table = [0_u8; 256];
    let mut code = 0;
    while code < 256 {
        let byte = code as u8;
        let mut class = 0;
        if byte.is_ascii_alphanumeric() {
            class |= TOKEN | HOST | URI;
        }
        if byte.is_ascii_hexdigit() {
            class |= HEX;
        }
        if matches!(
            byte,
            b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~'
        ) {
            class |= TOKEN;
        }
        // Underscores are not in the grammar of host names, but internal networks use them.
        if matches!(byte, b'-' | b'.' | b'_') {
            class |= HOST;
        }
        if byte > b' ' && byte < 0x7f && !matches!(byte, b'<' | b'>' | b'"' | b'\\' | b'^' | b'`') {
            class |= URI;
        }
        table[code] = class;
        code += 1;
    }
    table
}

#[inline]
#[allow(
    clippy::indexing_slicing,
    reason = "a byte always indexes a table of 256 entries"
)]
fn class_of(byte: u8) -> u8 {
    CLASSES[usize::from(byte)]
}

/// Whether `byte` may stand in a token.
#[inline]
pub(crate) fn is_token_byte(byte: u8) -> bool {
    class_of(byte) & TOKEN != 0
}

/// Whether `text` is a token: not empty and of token characters only.
#[inline]
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

/// Whether `text` can be a host name.
pub(crate) fn is_host_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| class_of(byte) & HOST != 0)
}

/// Whether `byte` may stand in a URI unescaped.
#[inline]
pub(crate) fn is_uri_byte(byte: u8) -> bool {
    class_of(byte) & URI != 0
}

/// Whether every byte of `text` may stand in a URI unescaped.
pub(crate) fn is_uri_text(text: &str) -> bool {
    text.bytes().all(is_uri_byte)
}

/// Whether every `%` in `text` starts an escape of two hexadecimal digits.
pub(crate) fn escapes_are_whole(text: &str) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let whole = |next: Option<u8>| next.is_some_and(|digit| class_of(digit) & HEX != 0);
            if !whole(bytes.next()) || !whole(bytes.next()) {
                return false;
            }
        }
    }
    true
}

/// Whether `byte` is linear white space, the line ends of folding included.
#[inline]
pub(crate) fn is_white(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// `text` without linear white space at both ends.
#[inline]
pub(crate) fn trim(text: &str) -> &str {
    let text = trim_start(text);
    let trailing = text
        .bytes()
        .rev()
        .take_while(|byte| is_white(*byte))
        .count();
    text.get(..text.len() - trailing).unwrap_or("")
}

/// `text` without linear white space at its start.
#[inline]
pub(crate) fn trim_start(text: &str) -> &str {
    let leading = text.bytes().take_while(|byte| is_white(*byte)).count();
    text.get(leading..).unwrap_or("")
}

/// What stands before and after the first `separator`, which must be ASCII.
#[inline]
pub(crate) fn split_once(text: &str, separator: u8) -> Option<(&str, &str)> {
    let position = find(text, separator)?;
    Some((text.get(..position)?, text.get(position + 1..)?))
}

/// Splits off what stands before the first semicolon; the rest starts with it or is empty.
#[inline]
pub(crate) fn split_params(text: &str) -> (&str, &str) {
    split_at(text, find(text, b';').unwrap_or(text.len()))
}

/// The position of the first `wanted`. Eight bytes at a time: what is searched here is a few words
/// long, and the call into a search for long texts costs more than it saves.
#[inline]
pub(crate) fn find(text: &str, wanted: u8) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let pattern = ONES * u64::from(wanted);
    let (pieces, rest) = text.as_bytes().as_chunks::<8>();
    for (index, piece) in pieces.iter().enumerate() {
        // A byte that is wanted becomes zero, and the lowest zero byte is the first to borrow.
        let word = u64::from_le_bytes(*piece) ^ pattern;
        let zeroes = word.wrapping_sub(ONES) & !word & HIGHS;
        if zeroes != 0 {
            return Some(index * 8 + zeroes.trailing_zeros() as usize / 8);
        }
    }
    let found = rest.iter().position(|byte| *byte == wanted)?;
    Some(pieces.len() * 8 + found)
}

/// Whether `byte` is a control character other than the tab.
#[inline]
pub(crate) fn is_control(byte: u8) -> bool {
    (byte < b' ' && byte != b'\t') || byte == 0x7f
}

/// How many control characters other than tabs `bytes` holds.
///
/// Counted in pieces whose count fits into a byte, which lets the processor take many at a time.
#[inline]
pub(crate) fn count_controls(bytes: &[u8]) -> usize {
    const PIECE_BYTES: usize = 128;
    let in_piece = |piece: &[u8]| {
        piece
            .iter()
            .map(|byte| u8::from(is_control(*byte)))
            .sum::<u8>()
    };
    bytes
        .chunks(PIECE_BYTES)
        .map(|piece| usize::from(in_piece(piece)))
        .sum()
}

/// `text` split before the byte at `position`; the whole text and nothing when it is shorter or
/// the position lies inside a character.
#[inline]
pub(crate) fn split_at(text: &str, position: usize) -> (&str, &str) {
    text.split_at_checked(position).unwrap_or((text, ""))
}

/// The part of `text` after its first byte, which must be ASCII.
#[inline]
pub(crate) fn after_first(text: &str) -> &str {
    text.get(1..).unwrap_or("")
}

/// The position of the first `wanted` byte outside quoted strings.
pub(crate) fn find_unquoted(text: &str, wanted: u8) -> Option<usize> {
    // Most texts have no quote before what is wanted.
    let found = find(text, wanted);
    let before = found.map_or(text, |position| split_at(text, position).0);
    let Some(first) = find(before, b'"') else {
        return found;
    };
    let mut quoted = false;
    let mut escaped = false;
    for (position, byte) in text.bytes().enumerate().skip(first) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if byte == wanted && !quoted => return Some(position),
            _ => {}
        }
    }
    None
}

/// The length of the quoted string that `text` starts with, both quotes included.
pub(crate) fn quoted_string_length(text: &str) -> Option<usize> {
    let mut bytes = text.bytes().enumerate();
    if bytes.next()?.1 != b'"' {
        return None;
    }
    let mut escaped = false;
    for (position, byte) in bytes {
        if escaped {
            escaped = false;
        } else if byte == b'\\' {
            escaped = true;
        } else if byte == b'"' {
            return Some(position + 1);
        }
    }
    None
}

/// Whether `text` is exactly one quoted string.
pub(crate) fn is_quoted_string(text: &str) -> bool {
    quoted_string_length(text) == Some(text.len())
}

/// The decimal number that `text` is, without sign or white space.
pub(crate) fn number<N: core::str::FromStr>(text: &str) -> Option<N> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}
