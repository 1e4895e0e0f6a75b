//! The switch itself: guard, registrar, routing, calls. There is no socket, thread, clock or random
//! source here: the shell passes in what happened and when, and drains what is to be done.
//!
//! ```text
//! exchange.handle(now, Input)      a message on a flow | time passed | an answer | a media event | a command
//! exchange.poll() -> Output        send | ask | tell the media plane | write a record | publish
//! ```
//!
//! One [`Exchange`] is one shard. What shards share is a [`directory::Directory`] (devices and
//! numbers) and a [`registrar::Location`] (bindings); both are plain values that the shell owns, and
//! an exchange reaches them only through [`interface::Question`].
#![forbid(unsafe_code)]

mod call;
mod calls;
pub mod cause;
pub mod config;
pub mod directory;
pub mod encryption;
pub mod exchange;
pub mod guard;
pub mod interface;
pub mod journal;
mod leg;
pub mod media;
pub mod packed;
pub mod registrar;
mod request;
pub mod routing;
mod stack;

pub use call::RecoverError;
pub use exchange::Exchange;
