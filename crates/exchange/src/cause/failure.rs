//! Which of several failures of a forked call the caller is told.

use super::Cause;

/// How one attempt to reach a phone failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The final SIP status of the phone, or the one that the exchange made of its silence.
    pub status: u16,
    /// The cause: that of its Reason header, otherwise that of the status.
    pub cause: Cause,
}

impl Failure {
    /// A failure by status alone.
    pub const fn from_status(status: u16) -> Failure {
        Failure {
            status,
            cause: Cause::from_status(status),
        }
    }

    /// A failure that the exchange itself found.
    pub const fn from_cause(cause: Cause) -> Failure {
        Failure {
            status: cause.status(),
            cause,
        }
    }

    /// The failure as the caller is to see it.
    ///
    /// What a phone tells its neighbour on the line is not what the caller must know: a challenge is
    /// not passed on, because the caller has no password of the called phone (and must not be made
    /// to answer); nor is a 503, which would turn callers away from the exchange (RFC 3261 section
    /// 16.7); nor a redirection nobody followed, which would show where the phone is; nor what is
    /// wrong with a request that the exchange wrote.
    pub const fn for_caller(self) -> Failure {
        let status = match self.status {
            401 | 407 => 403,
            300..=399 | 430 | 487 => 480,
            400
            | 402
            | 405
            | 406
            | 412..=414
            | 416
            | 417
            | 420..=429
            | 436..=440
            | 469
            | 470
            | 481..=483
            | 489
            | 491
            | 493
            | 494 => 500,
            503 => 500,
            404 | 403 | 408 | 410 | 415 | 433 | 480 | 484 | 485 | 486 | 488 => self.status,
            500..=599 | 600 | 603 | 604 | 606 | 607 | 608 => self.status,
            601..=699 => 603,
            _ => self.cause.status(),
        };
        Failure {
            status,
            cause: self.cause,
        }
    }

    /// Smaller ranks tell the caller more.
    ///
    /// RFC 3261 section 16.7 leaves the choice within a class open and would take the lowest status.
    /// Callers expect something else: what a person did (declined, is busy) counts more than what
    /// a machine did not (no answer, no phone there), and a fault of one phone least of all.
    const fn rank(self) -> u8 {
        match self.status {
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
pub fn best_failure(failures: &[Failure]) -> Option<Failure> {
    failures
        .iter()
        .min_by_key(|failure| failure.rank())
        .map(|failure| failure.for_caller())
}
