//! Digest authentication of both sides (RFC 7616, RFC 8760, RFC 3261 section 22). What a user may
//! do is not decided here, and no password is stored here.
//!
//! A server keeps a [`DigestServer`] for its realm: it writes challenges, finds the
//! [`Credentials`] in a request, and verifies them against a stored [`Ha1`]. A client keeps a
//! [`DigestClient`] per account: it is given challenges, and authorizes requests.
//!
//! All values are those of header fields, without their names.

mod algorithm;
mod challenge;
mod client;
mod credentials;
mod ha1;
mod nonce;
mod parameters;
mod replay;
mod response;
mod server;
mod target;
#[cfg(test)]
mod tests;

pub use algorithm::Algorithm;
pub use challenge::{Challenge, Challenger, IssuedChallenge};
pub use client::{Authorization, ChallengeRefusal, DigestClient};
pub use credentials::Credentials;
pub use ha1::Ha1;
pub use parameters::{MAX_PARAMETERS, MAX_VALUE_BYTES};
pub use server::{
    BadRealm, DigestServer, DigestServerSettings, MAX_REALM_BYTES, Stale, Verdict, Wrong,
};
pub use target::UriRule;

/// How a peer broke the grammar of challenges or credentials: answer with 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The value is longer than [`MAX_VALUE_BYTES`].
    #[error("the authentication header is longer than {MAX_VALUE_BYTES} bytes")]
    TooLong,
    /// There are more than [`MAX_PARAMETERS`] parameters.
    #[error("the authentication header has more than {MAX_PARAMETERS} parameters")]
    TooManyParameters,
    /// The list is not one of `name=value` with commas between.
    #[error("the authentication header is no list of parameters")]
    Syntax,
    /// A parameter stands twice.
    #[error("a parameter of the authentication header is repeated")]
    Repeated,
    /// A parameter is missing.
    #[error("the authentication header has no parameter {0}")]
    Missing(&'static str),
    /// `nc` is not eight hexadecimal digits, or zero.
    #[error("the nonce count is not a positive number of eight hexadecimal digits")]
    NonceCount,
    /// `qop` is neither absent nor `auth`.
    #[error("the quality of protection was not offered")]
    UnofferedQop,
    /// `response` is not hexadecimal.
    #[error("the response is not hexadecimal")]
    Response,
}
