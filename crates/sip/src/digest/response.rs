//! The `response` value that both sides compute (RFC 7616 section 3.4.1).

use super::Ha1;
use super::algorithm::{Algorithm, HexHash};

/// What `qop=auth` adds to a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Protection<'a> {
    /// The nonce count, eight hexadecimal digits as written.
    pub(super) nonce_count: &'a str,
    /// The client's own nonce.
    pub(super) cnonce: &'a str,
}

/// The request that is authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Subject<'a> {
    pub(super) method: &'a str,
    /// The value of the `uri` parameter.
    pub(super) uri: &'a str,
    pub(super) nonce: &'a str,
}

/// Computes `response`; without `protection` in the form of RFC 2069.
pub(super) fn response(
    algorithm: Algorithm,
    ha1: &Ha1,
    subject: Subject<'_>,
    protection: Option<Protection<'_>>,
) -> HexHash {
    let ha1 = ha1.hex(algorithm);
    let ha2 = algorithm.hash(&[subject.method.as_bytes(), b":", subject.uri.as_bytes()]);
    let nonce = subject.nonce.as_bytes();
    match protection {
        Some(Protection {
            nonce_count,
            cnonce,
        }) => algorithm.hash(&[
            ha1.as_bytes(),
            b":",
            nonce,
            b":",
            nonce_count.as_bytes(),
            b":",
            cnonce.as_bytes(),
            b":auth:",
            ha2.as_bytes(),
        ]),
        None => algorithm.hash(&[ha1.as_bytes(), b":", nonce, b":", ha2.as_bytes()]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Vector {
        source: &'static str,
        user: &'static str,
        realm: &'static str,
        password: &'static str,
        method: &'static str,
        uri: &'static str,
        nonce: &'static str,
        cnonce: Option<&'static str>,
        algorithm: Algorithm,
        response: &'static str,
    }

    const NONCE_7616: &str = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
    const CNONCE_7616: &str = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
    const NONCE_2617: &str = "dcd98b7102dd2f0e8b11d0f600bfb0c093";

    const fn http(algorithm: Algorithm, response: &'static str) -> Vector {
        Vector {
            source: "RFC 7616 section 3.9.1",
            user: "Mufasa",
            realm: "http-auth@example.org",
            password: "Circle of Life",
            method: "GET",
            uri: "/dir/index.html",
            nonce: NONCE_7616,
            cnonce: Some(CNONCE_7616),
            algorithm,
            response,
        }
    }

    const fn sip(
        algorithm: Algorithm,
        cnonce: Option<&'static str>,
        response: &'static str,
    ) -> Vector {
        Vector {
            source: "draft-smith-sipping-auth-examples, other algorithms computed with OpenSSL",
            user: "bob",
            realm: "biloxi.com",
            password: "zanzibar",
            method: "INVITE",
            uri: "sip:bob@biloxi.com",
            nonce: NONCE_2617,
            cnonce,
            algorithm,
            response,
        }
    }

    const VECTORS: [Vector; 12] = [
        Vector {
            source: "RFC 2617 section 3.5",
            user: "Mufasa",
            realm: "testrealm@host.com",
            password: "Circle Of Life",
            method: "GET",
            uri: "/dir/index.html",
            nonce: NONCE_2617,
            cnonce: Some("0a4f113b"),
            algorithm: Algorithm::Md5,
            response: "6629fae49393a05397450978507c4ef1",
        },
        http(Algorithm::Md5, "8ca523f5e9506fed4657c9700eebdbec"),
        http(
            Algorithm::Sha256,
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
        ),
        http(
            Algorithm::Sha512_256,
            "430d05014cecc49cab6fbe03176d41a1da86cbfe24a16580e22aaad928d960d0",
        ),
        sip(Algorithm::Md5, None, "bf57e4e0d0bffc0fbaedce64d59add5e"),
        sip(
            Algorithm::Md5,
            Some("0a4f113b"),
            "89eb0059246c02b2f6ee02c7961d5ea3",
        ),
        sip(
            Algorithm::Sha256,
            None,
            "38aad98c50c33abe72c5f88dd17246ffcfa6b1f68852c855719ff0659386c0ca",
        ),
        sip(
            Algorithm::Sha256,
            Some("0a4f113b"),
            "b3b5a6c69453abafaab9ae4dccdac90a076b6c80615d5f3498e7433b6e93bf4f",
        ),
        sip(
            Algorithm::Sha512_256,
            None,
            "9e960b3a01beb63f1ea5d45d43bd8a2178879d3c9ddbbdb0624187ca823c6eca",
        ),
        sip(
            Algorithm::Sha512_256,
            Some("0a4f113b"),
            "7f1a09de0f19af0a1eac2b28d33e3f2fb89cca1ad8fb01bba5e1883b288bac14",
        ),
        // The example of RFC 7616 section 3.9.2 with a plain user name, and with the real
        // SHA-512/256: the RFC shows the first half of SHA-512 by mistake (erratum 4897).
        Vector {
            source: "RFC 7616 section 3.9.2 without userhash",
            user: "J\u{e4}s\u{f8}n Doe",
            realm: "api@example.org",
            password: "Secret, or not?",
            method: "GET",
            uri: "/doe.json",
            nonce: "5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK",
            cnonce: Some("NTg6RKcb9boFIAS3KrFK9BGeh+niz/sm"),
            algorithm: Algorithm::Sha512_256,
            response: "7a4e1192babbba02e91182d2895bfdbf7adafc6e48d4e517ca301974843d840c",
        },
        // RFC 8760 brings no example of its own; this is its case of a registration.
        Vector {
            source: "RFC 8760, REGISTER, computed with OpenSSL",
            user: "bob",
            realm: "biloxi.com",
            password: "zanzibar",
            method: "REGISTER",
            uri: "sip:biloxi.com",
            nonce: NONCE_7616,
            cnonce: Some(CNONCE_7616),
            algorithm: Algorithm::Sha256,
            response: "03c9124d21657357a678046bb1eb4cc098779dc16979de4e0bafb65e9cd228be",
        },
    ];

    #[test]
    fn responses_agree_with_the_published_examples() {
        for vector in VECTORS {
            let ha1 = Ha1::new(vector.user, vector.realm, vector.password);
            let computed = response(
                vector.algorithm,
                &ha1,
                Subject {
                    method: vector.method,
                    uri: vector.uri,
                    nonce: vector.nonce,
                },
                vector.cnonce.map(|cnonce| Protection {
                    nonce_count: "00000001",
                    cnonce,
                }),
            );
            assert_eq!(computed.as_str(), vector.response, "{}", vector.source);
        }
    }
}
