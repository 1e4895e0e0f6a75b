//! Keep-alive of flows over UDP (RFC 5626 section 4.4.2): a STUN Binding request on the SIP port is
//! answered with the address it came from (RFC 8489 section 12). Nothing else of STUN is spoken here.

use std::net::SocketAddr;
use std::sync::Arc;

use fernamt_stun::message::{Builder, attribute};
use fernamt_stun::{Class, Message, Method};

/// By this a Binding request begins, and no SIP message.
const BINDING_REQUEST: [u8; 2] = [0x00, 0x01];

/// The answer to a Binding request; `None` for everything else, which may be SIP.
pub(crate) fn answer(datagram: &[u8], remote: SocketAddr) -> Option<Arc<[u8]>> {
    if !datagram.starts_with(&BINDING_REQUEST) {
        return None;
    }
    let request = Message::parse(datagram).ok()?;
    let mut response = Vec::with_capacity(64);
    let transaction = request.transaction();
    Builder::new(&mut response, Class::Success, Method::BINDING, transaction)
        .masked_address(attribute::XOR_MAPPED_ADDRESS, remote)
        .finish()
        .ok()?;
    Some(response.into())
}

#[cfg(test)]
mod tests {
    use fernamt_stun::message::MAGIC_COOKIE;

    use super::*;

    fn request(length: u16, body: usize) -> Vec<u8> {
        let mut request = vec![0, 1];
        request.extend(length.to_be_bytes());
        request.extend(MAGIC_COOKIE);
        request.extend(1..=12);
        request.extend(vec![0; body]);
        request
    }

    /// The address and transaction of the sample responses of RFC 5769 sections 2.2 and 2.3.
    #[test]
    fn the_address_is_masked_as_in_the_samples_of_the_rfc() {
        let transaction = [
            0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae,
        ];
        let mut request = vec![0, 1, 0, 0];
        request.extend(MAGIC_COOKIE);
        request.extend(transaction);
        let four = answer(&request, "192.0.2.1:32853".parse().unwrap()).unwrap();
        assert_eq!(four[..4], [1, 1, 0, 12]);
        assert_eq!(
            four[20..],
            [0, 0x20, 0, 8, 0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43]
        );
        let remote = "[2001:db8:1234:5678:11:2233:4455:6677]:32853"
            .parse()
            .unwrap();
        let six = answer(&request, remote).unwrap();
        assert_eq!(
            six[24..],
            [
                0, 2, 0xa1, 0x47, 0x01, 0x13, 0xa9, 0xfa, 0xa5, 0xd3, 0xf1, 0x79, 0xbc, 0x25, 0xf4,
                0xb5, 0xbe, 0xd2, 0xb9, 0xd9
            ]
        );
    }

    #[test]
    fn what_is_no_whole_binding_request_is_not_answered() {
        let remote = "192.0.2.1:1".parse().unwrap();
        assert!(answer(&request(0, 0), remote).is_some());
        assert!(answer(&request(8, 8), remote).is_some());
        assert!(answer(&request(8, 0), remote).is_none());
        assert!(answer(&request(0, 4), remote).is_none());
        assert!(answer(&request(0, 0)[..19], remote).is_none());
        let mut wrong_cookie = request(0, 0);
        wrong_cookie[5] ^= 1;
        assert!(answer(&wrong_cookie, remote).is_none());
        assert!(answer(b"OPTIONS sip:x SIP/2.0\r\n\r\n", remote).is_none());
    }
}
