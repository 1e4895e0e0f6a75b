//! The list of calls that a relay carries: a line each, four ports on 127.0.0.1. It opens no socket.

use std::io;
use std::path::Path;

/// The most calls of a list: each takes eight ports.
pub const MAXIMUM_CALLS: usize = 4_000;

/// One call through a relay, as ports on 127.0.0.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// Where the first party sends from and receives.
    pub a_local: u16,
    /// The port of the relay that faces the first party.
    pub a_relay: u16,
    /// Where the second party sends from and receives.
    pub b_local: u16,
    /// The port of the relay that faces the second party.
    pub b_relay: u16,
}

/// Reads a list from a file.
///
/// # Errors
/// When the file cannot be read, or as [`parse`].
pub fn read(path: &Path) -> io::Result<Vec<Call>> {
    parse(&std::fs::read_to_string(path)?)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Reads a list: `aLocal aRelay bLocal bRelay` on each line.
///
/// # Errors
/// A sentence with the number of the line that is wrong.
pub fn parse(text: &str) -> Result<Vec<Call>, String> {
    let mut calls = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        let ports: Result<Vec<u16>, _> = line.split_whitespace().map(str::parse).collect();
        let Ok(&[a_local, a_relay, b_local, b_relay]) = ports.as_deref() else {
            return Err(format!("line {number}: not four ports"));
        };
        if calls.len() == MAXIMUM_CALLS {
            return Err(format!("line {number}: more than {MAXIMUM_CALLS} calls"));
        }
        calls.push(Call {
            a_local,
            a_relay,
            b_local,
            b_relay,
        });
    }
    Ok(calls)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_call() {
        let call = Call {
            a_local: 1,
            a_relay: 2,
            b_local: 3,
            b_relay: 4,
        };
        assert_eq!(parse("1 2 3 4\n"), Ok(vec![call]));
    }

    #[test]
    fn a_line_with_anything_else_is_named() {
        for wrong in ["1 2 3", "1 2 3 4 5", "1 2 3 65536", "a b c d", ""] {
            let text = format!("1 2 3 4\n{wrong}\n");
            assert_eq!(parse(&text), Err("line 2: not four ports".to_owned()));
        }
    }

    #[test]
    fn one_call_more_than_the_limit_is_refused() {
        let most = "1 2 3 4\n".repeat(MAXIMUM_CALLS);
        assert_eq!(parse(&most).map(|calls| calls.len()), Ok(MAXIMUM_CALLS));
        assert!(parse(&format!("{most}1 2 3 4\n")).is_err());
    }
}
