//! Telephone numbers (E.164) as people write and dial them; no routing, no store
//!
//! Two values: [`E164`], a number that means the same everywhere in the world, and [`DialString`],
//! the keys somebody pressed, which mean something only in a place. A [`Plan`] says what that
//! place is: country, area, prefixes. What country or carrier a number belongs to, and whether it
//! is assigned, is not known here.
//!
//! ```
//! use fernamt_numbering::Plan;
//!
//! let berlin = Plan::new("49", "00", "0")?.with_area_code("30")?;
//! let number = berlin.read("+49 (0)30 123-45")?;
//! assert_eq!(number.to_string(), "+493012345");
//! assert_eq!(berlin.read("12345")?, number);
//! assert_eq!(berlin.dial(number), "03012345");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod dial;
mod e164;
mod plan;

pub use dial::{DialError, DialString, MAX_DIAL_CHARACTERS};
pub use e164::{Digits, E164, MAX_DIGITS, MIN_DIGITS, NumberError, TelUri};
pub use plan::{MAX_PREFIX_DIGITS, MAX_TYPED_CHARACTERS, Plan, PlanError, ReadError};
