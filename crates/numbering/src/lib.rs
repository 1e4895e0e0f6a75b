//! Telephone numbers (E.164) as people write and dial them; no routing, no store
//!
//! Two values: [`E164`], a number that means the same everywhere in the world, and [`DialString`],
//! the keys somebody pressed, which mean something only in a place. A [`Plan`] says what that
//! place is: country, area, prefixes. What country or carrier a number belongs to, and whether it
//! is assigned, is not known here.
#![forbid(unsafe_code)]

mod dial;
mod e164;
mod plan;

pub use dial::{DialError, DialString, MAX_DIAL_CHARACTERS};
pub use e164::{Digits, E164, MAX_DIGITS, MIN_DIGITS, NumberError, TelUri};
pub use plan::{MAX_PREFIX_DIGITS, MAX_TYPED_CHARACTERS, Plan, PlanError, ReadError};
