//! Kinds of values that settings have, and how they are written. Not which settings there are.

use core::str::FromStr;
use core::time::Duration;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use fernamt_exchange::config::Network;
use fernamt_exchange::encryption::{Encryption, IceMode};
use fernamt_sip::digest::Algorithm;
use toml::de::DeValue;

use super::reader::Setting;
use super::{Listen, PortRange};

impl Setting for bool {
    const WANTED: &'static str = "true or false";

    fn read(value: &DeValue<'_>) -> Option<bool> {
        value.as_bool()
    }
}

impl Setting for String {
    const WANTED: &'static str = "a text in quotes";

    fn read(value: &DeValue<'_>) -> Option<String> {
        value.as_str().map(str::to_owned)
    }
}

impl Setting for Box<str> {
    const WANTED: &'static str = "a text in quotes";

    fn read(value: &DeValue<'_>) -> Option<Box<str>> {
        value.as_str().map(Box::from)
    }
}

impl Setting for Encryption {
    const WANTED: &'static str = "\"automatic\", \"never\", \"offered\" or \"required\"";

    fn read(value: &DeValue<'_>) -> Option<Encryption> {
        value.as_str()?.parse().ok()
    }
}

impl Setting for IceMode {
    const WANTED: &'static str = "\"full\", \"lite\" or \"off\"";

    fn read(value: &DeValue<'_>) -> Option<IceMode> {
        value.as_str()?.parse().ok()
    }
}

impl Setting for PathBuf {
    const WANTED: &'static str = "a path in quotes";

    fn read(value: &DeValue<'_>) -> Option<PathBuf> {
        value
            .as_str()
            .filter(|text| !text.is_empty())
            .map(PathBuf::from)
    }
}

fn whole<T: TryFrom<u64>>(value: &DeValue<'_>) -> Option<T> {
    let integer = value.as_integer()?;
    let number = u64::from_str_radix(integer.as_str(), integer.radix()).ok()?;
    T::try_from(number).ok()
}

impl Setting for u8 {
    const WANTED: &'static str = "a whole number from 0 to 255";

    fn read(value: &DeValue<'_>) -> Option<u8> {
        whole(value)
    }
}

impl Setting for u32 {
    const WANTED: &'static str = "a whole number from 0 to 4294967295";

    fn read(value: &DeValue<'_>) -> Option<u32> {
        whole(value)
    }
}

impl Setting for usize {
    const WANTED: &'static str = "a whole number";

    fn read(value: &DeValue<'_>) -> Option<usize> {
        whole(value)
    }
}

/// A time as a whole number of seconds; keys of this kind end in `_seconds`.
impl Setting for Duration {
    const WANTED: &'static str = "a whole number of seconds";

    fn read(value: &DeValue<'_>) -> Option<Duration> {
        // More than a century is a slip, and would overflow sums of times.
        whole(value)
            .filter(|seconds| *seconds <= 3_155_760_000)
            .map(Duration::from_secs)
    }
}

fn parsed<T: FromStr>(value: &DeValue<'_>) -> Option<T> {
    value.as_str()?.parse().ok()
}

impl Setting for IpAddr {
    const WANTED: &'static str = "an IP address in quotes, such as \"192.0.2.1\"";

    fn read(value: &DeValue<'_>) -> Option<IpAddr> {
        parsed(value)
    }
}

impl Setting for PortRange {
    const WANTED: &'static str = "a range of ports in quotes, such as \"20000-29999\"";

    fn read(value: &DeValue<'_>) -> Option<PortRange> {
        parsed(value)
    }
}

/// One value or a list of them.
fn list<T>(value: &DeValue<'_>, read: impl Fn(&DeValue<'_>) -> Option<T>) -> Option<Vec<T>> {
    match value.as_array() {
        Some(array) => array.iter().map(|item| read(item.get_ref())).collect(),
        None => read(value).map(|item| vec![item]),
    }
}

impl Setting for Vec<SocketAddr> {
    const WANTED: &'static str =
        "an address with a port in quotes, such as \"0.0.0.0:5060\", or a list";

    fn read(value: &DeValue<'_>) -> Option<Vec<SocketAddr>> {
        list(value, parsed)
    }
}

impl Setting for Vec<Box<str>> {
    const WANTED: &'static str = "a text in quotes or a list of them";

    fn read(value: &DeValue<'_>) -> Option<Vec<Box<str>>> {
        list(value, Box::<str>::read)
    }
}

/// Digest algorithms by their names in RFC 8760.
impl Setting for Vec<Algorithm> {
    const WANTED: &'static str =
        "a list of \"MD5\", \"SHA-256\" and \"SHA-512-256\", the preferred one first";

    fn read(value: &DeValue<'_>) -> Option<Vec<Algorithm>> {
        list(value, |item| Algorithm::from_token(item.as_str()?)).filter(|all| !all.is_empty())
    }
}

impl Setting for Vec<Network> {
    const WANTED: &'static str = "a list of addresses or networks, such as [\"192.0.2.0/24\"]";

    fn read(value: &DeValue<'_>) -> Option<Vec<Network>> {
        list(value, |item| network(item.as_str()?))
    }
}

/// `address` or `address/bits`.
fn network(text: &str) -> Option<Network> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits = match bits {
        Some(bits) => bits.parse().ok().filter(|bits| *bits <= most)?,
        None => most,
    };
    Some(Network { address, bits })
}

impl Setting for Listen {
    const WANTED: &'static str =
        "true, false, or an address with a port in quotes, such as \"0.0.0.0:5061\", or a list";

    fn read(value: &DeValue<'_>) -> Option<Listen> {
        match value.as_bool() {
            Some(true) => Some(Listen::Beside),
            Some(false) => Some(Listen::Off),
            None => Vec::<SocketAddr>::read(value).map(Listen::At),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_an_address_with_or_without_bits() {
        let ten = Network {
            address: IpAddr::from([10, 0, 0, 0]),
            bits: 8,
        };
        assert_eq!(network("10.0.0.0/8"), Some(ten));
        assert_eq!(network("10.0.0.1").map(|network| network.bits), Some(32));
        assert_eq!(network("::1").map(|network| network.bits), Some(128));
        assert_eq!(network("10.0.0.0/33"), None);
        assert_eq!(network("ten/8"), None);
    }
}
