//! Bindings as the Contact fields of an answer to a REGISTER (RFC 3261 section 10.3 step 8).

use core::fmt::{self, Write as _};
use std::sync::Arc;

use fernamt_sip::time::UnixTime;

use super::Binding;

/// Writes a binding as the value of a Contact field, with what remains of its time.
#[derive(Clone, Copy, Debug)]
pub struct ContactValue<'a> {
    /// The binding.
    pub binding: &'a Binding,
    /// The time from which the rest is counted.
    pub now: UnixTime,
}

impl fmt::Display for ContactValue<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ContactValue { binding, now } = *self;
        // A part of a second that is left counts as one: zero would mean that it is gone.
        let seconds = binding.expires.since(now).as_micros().div_ceil(1_000_000);
        write!(formatter, "<{}>;expires={seconds}", binding.contact)?;
        if binding.q < 1000 {
            write!(formatter, ";q=0.{:03}", binding.q)?;
        }
        if let Some(instance) = &binding.instance {
            write!(formatter, ";+sip.instance=\"<{instance}>\"")?;
        }
        if binding.reg_id != 0 {
            write!(formatter, ";reg-id={}", binding.reg_id)?;
        }
        Ok(())
    }
}

/// Writes all bindings as the value of one Contact field; nothing where there is none.
pub fn write_contacts(out: &mut String, bindings: &[Arc<Binding>], now: UnixTime) {
    for (number, binding) in bindings.iter().enumerate() {
        if number > 0 {
            out.push_str(", ");
        }
        // Writing to a String does not fail.
        let _ = write!(out, "{}", ContactValue { binding, now });
    }
}
