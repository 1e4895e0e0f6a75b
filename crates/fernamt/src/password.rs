//! Passwords for devices: made up, or read from where they do not show.

use std::fs::File;
use std::io::{self, BufRead as _, Read as _};

/// Characters of a password that is made up; 80 bits of chance.
const CHARACTERS: usize = 16;

/// Letters and digits that no one mistakes for one another, on paper or on a telephone's display.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// A new password.
///
/// # Errors
/// When the system gives no random numbers.
pub(crate) fn made_up() -> io::Result<String> {
    let mut bytes = [0; CHARACTERS];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let letter = |byte: &u8| {
        ALPHABET
            .get(usize::from(byte % 32))
            .copied()
            .map_or('a', char::from)
    };
    Ok(bytes.iter().map(letter).collect())
}

/// One line of standard input.
///
/// # Errors
/// When there is none.
pub(crate) fn from_standard_input() -> io::Result<String> {
    let mut line = String::new();
    if io::stdin().lock().read_line(&mut line)? == 0 {
        return Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "a password was to come on standard input, and none came",
        ));
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_that_are_made_up_differ() {
        let one = made_up().expect("random numbers");
        assert_eq!(one.len(), CHARACTERS);
        assert!(one.bytes().all(|byte| ALPHABET.contains(&byte)));
        assert_ne!(one, made_up().expect("random numbers"));
    }
}
