//! The list of calls that a relay carries: a line each, four ports on 127.0.0.1, and the keys of the
//! parties that speak SRTP. It opens no socket and makes no key.

use std::io;
use std::path::Path;

use fernamt_rtp::srtp::{MasterKey, Suite};

/// The most calls of a list: each takes eight ports.
pub const MAXIMUM_CALLS: usize = 4_000;

/// What stands in place of keys where a party speaks plain RTP.
const PLAIN: &str = "-";

/// One call through a relay.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The first party.
    pub a: Side,
    /// The second party.
    pub b: Side,
}

/// One party of a call, as ports on 127.0.0.1.
#[derive(Clone, Debug, PartialEq)]
pub struct Side {
    /// Where the party sends from and receives.
    pub local: u16,
    /// The port of the relay that faces the party.
    pub relay: u16,
    /// The keys of a party that speaks SRTP.
    pub keys: Option<Keys>,
}

/// The keys of a party.
#[derive(Clone, Debug, PartialEq)]
pub struct Keys {
    /// What the party sends is protected with this one.
    pub sends: MasterKey,
    /// What it receives is protected with this one.
    pub receives: MasterKey,
}

/// Reads a list from a file.
///
/// # Errors
/// When the file cannot be read, or as [`parse`].
pub fn read(path: &Path) -> io::Result<Vec<Call>> {
    parse(&std::fs::read_to_string(path)?)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Reads a list: `aLocal aRelay bLocal bRelay [aKeys bKeys]` on each line. Keys are `-`, or
/// `SUITE:SENDS:RECEIVES` with the name of RFC 4568 and both keys with their salts in hexadecimal.
///
/// # Errors
/// A sentence with the number of the line that is wrong.
pub fn parse(text: &str) -> Result<Vec<Call>, String> {
    let mut calls = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        if calls.len() == MAXIMUM_CALLS {
            return Err(format!("line {number}: more than {MAXIMUM_CALLS} calls"));
        }
        let call = call(line).ok_or_else(|| format!("line {number}: not a call"))?;
        calls.push(call);
    }
    Ok(calls)
}

fn call(line: &str) -> Option<Call> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (ports, keys) = match *words.as_slice() {
        [a, b, c, d] => ([a, b, c, d], [PLAIN, PLAIN]),
        [a, b, c, d, a_keys, b_keys] => ([a, b, c, d], [a_keys, b_keys]),
        _ => return None,
    };
    let side = |local: &str, relay: &str, keys: &str| {
        Some(Side {
            local: local.parse().ok()?,
            relay: relay.parse().ok()?,
            keys: match keys {
                PLAIN => None,
                keys => Some(read_keys(keys)?),
            },
        })
    };
    let [a_local, a_relay, b_local, b_relay] = ports;
    let [a_keys, b_keys] = keys;
    Some(Call {
        a: side(a_local, a_relay, a_keys)?,
        b: side(b_local, b_relay, b_keys)?,
    })
}

fn read_keys(text: &str) -> Option<Keys> {
    let mut parts = text.split(':');
    let suite = Suite::from_name(parts.next()?)?;
    let mut key = || MasterKey::new(suite, &bytes(parts.next()?)?).ok();
    let (sends, receives) = (key()?, key()?);
    parts.next().is_none().then_some(Keys { sends, receives })
}

/// Reads hexadecimal digits.
fn bytes(text: &str) -> Option<Vec<u8>> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| match *pair {
            [high, low] => Some(digit(high)? << 4 | digit(low)?),
            _ => None,
        })
        .collect()
}

fn digit(character: u8) -> Option<u8> {
    let value = char::from(character).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(local: u16, relay: u16) -> Side {
        Side {
            local,
            relay,
            keys: None,
        }
    }

    #[test]
    fn a_line_is_a_call() {
        let call = Call {
            a: side(1, 2),
            b: side(3, 4),
        };
        assert_eq!(parse("1 2 3 4\n"), Ok(vec![call.clone()]));
        assert_eq!(parse("1 2 3 4 - -\n"), Ok(vec![call]));
    }

    #[test]
    fn a_party_may_have_keys() {
        let (sends, receives) = ("0a".repeat(30), "b1".repeat(30));
        let suite = Suite::AesCm128HmacSha1_80;
        let line = format!("1 2 3 4 {}:{sends}:{receives} -", suite.name());
        let calls = parse(&line).unwrap_or_default();
        let keys = calls.first().and_then(|call| call.a.keys.as_ref());
        let wanted = |byte| MasterKey::new(suite, &[byte; 30]).ok();
        assert_eq!(keys.map(|keys| keys.sends.clone()), wanted(0x0a));
        assert_eq!(keys.map(|keys| keys.receives.clone()), wanted(0xb1));
        assert_eq!(calls.first().map(|call| &call.b), Some(&side(3, 4)));
    }

    #[test]
    fn a_line_with_anything_else_is_named() {
        let short = format!("1 2 3 4 AES_CM_128_HMAC_SHA1_80:{0}:{0} -", "0a".repeat(29));
        for wrong in [
            "1 2 3",
            "1 2 3 4 -",
            "1 2 3 65536",
            "a b c d",
            "",
            "1 2 3 4 X:: -",
            &short,
        ] {
            let text = format!("1 2 3 4\n{wrong}\n");
            assert_eq!(parse(&text), Err("line 2: not a call".to_owned()));
        }
    }

    #[test]
    fn one_call_more_than_the_limit_is_refused() {
        let most = "1 2 3 4\n".repeat(MAXIMUM_CALLS);
        assert_eq!(parse(&most).map(|calls| calls.len()), Ok(MAXIMUM_CALLS));
        assert!(parse(&format!("{most}1 2 3 4\n")).is_err());
    }
}
