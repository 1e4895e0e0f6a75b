//! How a call ended: in words for people, as an exit code for scripts.

use fernamt_phone::agent::{EndKind, Ended, Hint, Refusal, Side};
use fernamt_phone::shell::{NetworkError, Outcome, PhoneError, Report};

use crate::exit::{Exit, Failure};

/// An end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ending {
    /// For the script.
    pub(super) exit: Exit,
    /// One word for programs.
    pub(super) outcome: &'static str,
    /// For the person.
    pub(super) words: String,
    /// Which side ended a conversation.
    pub(super) released_by: Option<&'static str>,
    /// The SIP status, where the other side refused.
    pub(super) status: Option<u16>,
}

/// The end that a report tells of.
pub(super) fn of(report: &Report) -> Ending {
    let mut ending = match &report.outcome {
        Outcome::Ended(ended) => of_ended(ended),
        Outcome::NotRegistered(refusal) => {
            let mut ending = of_refusal(refusal);
            ending.words = format!("not registered: {}", ending.words);
            ending
        }
        Outcome::NotAnswered { rang: true } => simple(
            Exit::CallNoAnswer,
            "no_answer",
            "it rang, but nobody answered",
        ),
        Outcome::NotAnswered { rang: false } => simple(
            Exit::CallAbsent,
            "no_answer",
            "not answered, and it did not ring",
        ),
        Outcome::NobodyCalled => simple(Exit::CallNoAnswer, "no_call", "nobody called"),
        Outcome::Interrupted => simple(
            Exit::Interrupted,
            "interrupted",
            "interrupted before there was a conversation",
        ),
    };
    if ending.exit != Exit::Done
        && let Some(trouble) = &report.network_trouble
    {
        ending.words = format!("{} ({trouble})", ending.words);
    }
    if ending.exit == Exit::Done
        && let Some(error) = &report.recording_error
    {
        ending.exit = Exit::Failed;
        ending.words = format!("{}; the recording is not whole: {error}", ending.words);
    }
    ending
}

fn simple(exit: Exit, outcome: &'static str, words: &str) -> Ending {
    Ending {
        exit,
        outcome,
        words: words.to_owned(),
        released_by: None,
        status: None,
    }
}

fn of_ended(ended: &Ended) -> Ending {
    let mut ending = match &ended.kind {
        EndKind::Released => match ended.by {
            Side::Here => simple(Exit::Done, "completed", "hung up here"),
            Side::There => simple(Exit::Done, "completed", "the other side hung up"),
        },
        EndKind::Vanished(how) => simple(Exit::Failed, "vanished", how),
        EndKind::Cancelled => simple(Exit::CallOther, "cancelled", "the caller gave up"),
        EndKind::Refused(refusal) => of_refusal(refusal),
        EndKind::Rejected(status) => simple(
            Exit::CallDeclined,
            "rejected",
            &format!("refused as asked, with {status}"),
        ),
        EndKind::NotUnderstood(why) => simple(
            Exit::CallNotAcceptable,
            "not_understood",
            &format!("the answer of the other side cannot be used: {why}"),
        ),
    };
    if let Some(reason) = &ended.reason {
        // The status stands in brackets already.
        ending.words = match ending.words.strip_suffix(')') {
            Some(words) => format!("{words}; {reason})"),
            None => format!("{} ({reason})", ending.words),
        };
    }
    if matches!(ended.kind, EndKind::Released) {
        ending.released_by = Some(match ended.by {
            Side::Here => "here",
            Side::There => "there",
        });
    }
    ending
}

fn of_refusal(refusal: &Refusal) -> Ending {
    let (exit, outcome, words) = match (refusal.hint, refusal.status) {
        (Some(Hint::NoAnswer | Hint::NotSent), _) => (Exit::CallUnreachable, "unreachable", ""),
        (_, 401 | 403 | 407) => (Exit::CallCredentials, "credentials", "not allowed"),
        (_, 404 | 484 | 604) => (
            Exit::CallUnknown,
            "unknown",
            "nobody has this number or name",
        ),
        (_, 415 | 488 | 606) => (
            Exit::CallNotAcceptable,
            "not_acceptable",
            "no codec or no encryption in common",
        ),
        (_, 486 | 600) => (Exit::CallBusy, "busy", "busy"),
        (_, 603) => (Exit::CallDeclined, "declined", "declined"),
        (_, 408 | 410 | 480) if refusal.rang => (
            Exit::CallNoAnswer,
            "no_answer",
            "it rang, but nobody answered",
        ),
        (_, 408 | 410 | 480) => (Exit::CallAbsent, "absent", "the called device is not there"),
        (_, 500..600) => (
            Exit::CallUnavailable,
            "unavailable",
            "the server cannot serve the call",
        ),
        _ => (Exit::CallOther, "refused", "refused"),
    };
    let status = format!("{} {}", refusal.status, refusal.reason);
    let words = match refusal.hint {
        Some(hint @ (Hint::NoAnswer | Hint::NotSent)) => hint.to_string(),
        Some(hint) => format!("{hint} ({})", status.trim()),
        None => format!("{words} ({})", status.trim()),
    };
    // Where nobody answered, the status is only the phone's own word for it.
    let is_real = !matches!(refusal.hint, Some(Hint::NoAnswer | Hint::NotSent));
    let status = is_real.then_some(refusal.status);
    Ending {
        exit,
        outcome,
        words,
        released_by: None,
        status,
    }
}

/// A phone that could not start or had to stop.
pub(super) fn of_error(error: PhoneError) -> Failure {
    let exit = match &error {
        PhoneError::Network(NetworkError::Resolve { .. } | NetworkError::Connect { .. }) => {
            Exit::CallUnreachable
        }
        PhoneError::Network(NetworkError::Listen { source, .. })
            if source.kind() == std::io::ErrorKind::AddrInUse =>
        {
            Exit::Taken
        }
        PhoneError::Unreachable => Exit::Usage,
        _ => Exit::Failed,
    };
    Failure::new(exit, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, rang: bool, hint: Option<Hint>) -> Ending {
        let reason = "Reason".into();
        of_ended(&Ended {
            kind: EndKind::Refused(Refusal {
                status,
                reason,
                hint,
                rang,
            }),
            by: Side::There,
            reason: None,
        })
    }

    #[test]
    fn every_refusal_has_the_code_that_the_manual_names() {
        for (status, rang, exit) in [
            (404, false, 10),
            (484, false, 10),
            (604, false, 10),
            (401, false, 11),
            (403, true, 11),
            (407, false, 11),
            (488, true, 12),
            (503, false, 14),
            (500, true, 14),
            (486, true, 17),
            (600, false, 17),
            (480, false, 18),
            (408, false, 18),
            (480, true, 19),
            (408, true, 19),
            (487, true, 20),
            (302, false, 20),
            (603, true, 21),
        ] {
            assert_eq!(refused(status, rang, None).exit as u8, exit, "{status}");
        }
    }

    #[test]
    fn a_hint_is_told_with_the_status_it_explains() {
        let ending = refused(401, false, Some(Hint::CredentialsRefused));
        assert_eq!(
            ending.words,
            "the server does not accept this user name and password (401 Reason)"
        );
        let ending = refused(408, false, Some(Hint::NoAnswer));
        assert_eq!((ending.exit, ending.status), (Exit::CallUnreachable, None));
        assert_eq!(ending.words, "no answer; nothing seems to listen there");
    }
}
