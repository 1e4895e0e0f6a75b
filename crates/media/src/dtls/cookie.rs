//! Cookies, by which a client that says hello shows that it is where it says (RFC 6347 section 4.2.1).
//! One place has one cookie for all of its handshakes: the answer to a hello that somebody else has
//! written in its name, or that it said before it began anew, does its own no harm. No hello is read
//! here.

use core::cell::Cell;
use core::fmt;
use core::net::{IpAddr, SocketAddr};

use rtc_dtls::crypto_provider::providers::AwsLcRsProvider;
use rtc_dtls::crypto_provider::{CryptoError, RTCCrypto, RTCCryptoProvider, RTCRandom};
use sha2::{Digest, Sha256};

/// Bytes of a cookie of the library.
const COOKIE_BYTES: usize = 20;

thread_local! {
    /// What the library is given when it draws a cookie in this thread.
    static NEXT: Cell<Option<[u8; COOKIE_BYTES]>> = const { Cell::new(None) };
}

/// The cookies of all places.
#[derive(Clone)]
pub(super) struct Cookies {
    secret: [u8; 32],
}

impl Cookies {
    /// Others than ever before.
    pub(super) fn new(random: &dyn RTCRandom) -> Result<Cookies, CryptoError> {
        let mut secret = [0; 32];
        random.fill(&mut secret)?;
        Ok(Cookies { secret })
    }

    /// Lets the library work for the party at this place.
    pub(super) fn with<T>(&self, party: SocketAddr, work: impl FnOnce() -> T) -> T {
        NEXT.set(Some(self.of(party)));
        let result = work();
        NEXT.set(None);
        result
    }

    /// The cookie of this place.
    pub(super) fn of(&self, party: SocketAddr) -> [u8; COOKIE_BYTES] {
        let ip = match party.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        let hash = Sha256::new()
            .chain_update(self.secret)
            .chain_update(ip.octets())
            .chain_update(party.port().to_be_bytes())
            .finalize();
        let mut cookie = [0; COOKIE_BYTES];
        cookie
            .iter_mut()
            .zip(hash)
            .for_each(|(to, from)| *to = from);
        cookie
    }
}

impl fmt::Debug for Cookies {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Cookies(not shown)")
    }
}

/// The cryptography of the library. It draws a cookie for every handshake; where one is given, that is
/// what it draws.
#[derive(Default)]
pub(super) struct Provider(AwsLcRsProvider);

impl RTCCryptoProvider for Provider {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn crypto(&self) -> &dyn RTCCrypto {
        self.0.crypto()
    }

    fn random(&self) -> &dyn RTCRandom {
        self
    }
}

impl RTCRandom for Provider {
    fn fill(&self, output: &mut [u8]) -> Result<(), CryptoError> {
        match <&mut [u8; COOKIE_BYTES]>::try_from(&mut *output) {
            Ok(cookie) if let Some(next) = NEXT.take() => {
                *cookie = next;
                Ok(())
            }
            _ => self.0.random().fill(output),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_a_cookie_that_nobody_else_can_know() {
        let provider = Provider::default();
        let cookies = Cookies::new(provider.random()).unwrap();
        let others = Cookies::new(provider.random()).unwrap();
        let [one, other] = ["192.0.2.1:4000", "192.0.2.1:4001"].map(|text| text.parse().unwrap());
        assert_eq!(cookies.of(one), cookies.of(one));
        assert_ne!(cookies.of(one), cookies.of(other));
        assert_ne!(cookies.of(one), others.of(one));
    }

    #[test]
    fn only_what_is_as_long_as_a_cookie_is_one() {
        let provider = Provider::default();
        let cookies = Cookies::new(provider.random()).unwrap();
        let party = "192.0.2.1:4000".parse().unwrap();
        let draw = |bytes: usize| {
            let mut drawn = vec![0; bytes];
            provider.fill(&mut drawn).unwrap();
            drawn
        };
        let drawn = cookies.with(party, || [draw(28), draw(COOKIE_BYTES), draw(COOKIE_BYTES)]);
        assert_eq!(drawn[1], cookies.of(party));
        assert_ne!(drawn[2], cookies.of(party));
        assert_ne!(drawn[0][..COOKIE_BYTES], cookies.of(party));
        assert_ne!(draw(COOKIE_BYTES), cookies.of(party));
    }
}
