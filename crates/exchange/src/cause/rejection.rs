//! Which of several failures of a forked call the caller is told.

use super::Cause;

/// How one attempt to reach a phone failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Why: what its Reason header says, otherwise what its status means.
    pub cause: Cause,
    /// The final status of a SIP phone; `None` where another kind of leg or the exchange itself
    /// found the failure.
    pub status: Option<u16>,
}

impl Rejection {
    /// A failure of which only the SIP status is known.
    pub const fn from_status(status: u16) -> Rejection {
        Rejection {
            cause: Cause::from_status(status),
            status: Some(status),
        }
    }

    /// A failure that the exchange itself found.
    pub const fn from_cause(cause: Cause) -> Rejection {
        Rejection {
            cause,
            status: None,
        }
    }

    /// The status, or the one that the cause means.
    pub const fn sip_status(self) -> u16 {
        match self.status {
            Some(status) => status,
            None => self.cause.status(),
        }
    }

    /// The failure as the caller is to see it.
    ///
    /// What a phone tells its neighbour on the line is not what the caller must know: a challenge is
    /// not passed on, because the caller has no password of the called phone (and must not be made
    /// to answer); nor is a 503, which would turn callers away from the exchange (RFC 3261 section
    /// 16.7); nor a redirection nobody followed, which would show where the phone is; nor what is
    /// wrong with a request that the exchange wrote.
    pub const fn for_caller(self) -> Rejection {
        let given = self.sip_status();
        let status = match given {
            403 | 404 | 408 | 410 | 415 | 433 | 480 | 484..=486 | 488 => given,
            501 | 502 | 504 | 600 | 603 | 604 | 606..=608 => given,
            401 | 407 => 403,
            300..=399 | 430 | 487 => 480,
            600..=699 => 603,
            _ => 500,
        };
        Rejection {
            cause: self.cause,
            status: Some(status),
        }
    }

    /// Smaller ranks tell the caller more.
    ///
    /// RFC 3261 section 16.7 leaves the choice within a class open and would take the lowest status.
    /// Callers expect something else: what a person did (declined, is busy) counts more than what
    /// a machine did not (no answer, no phone there), and a fault of one phone least of all.
    const fn rank(self) -> u8 {
        match self.sip_status() {
            603 | 607 | 608 => 0,
            600..=699 => 1,
            486 => 2,
            480 if self.cause.0 == Cause::NO_ANSWER.0 => 3,
            480 => 4,
            403 | 433 => 5,
            410 => 6,
            404 | 484 | 485 => 7,
            415 | 488 => 8,
            300..=399 => 9,
            401 | 407 => 12,
            408 | 430 => 13,
            487 => 14,
            400..=499 => 10,
            500..=599 => 11,
            _ => 15,
        }
    }
}

/// The failure that says most about why nobody was reached, made fit for the caller; the first of
/// equals, `None` when there is none at all.
pub fn best_rejection(rejections: &[Rejection]) -> Option<Rejection> {
    rejections
        .iter()
        .min_by_key(|rejection| rejection.rank())
        .map(|rejection| rejection.for_caller())
}
