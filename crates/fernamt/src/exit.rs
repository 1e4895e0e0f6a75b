//! What the command tells the shell that started it: exit codes, and failures with the code that
//! belongs to them. The numbers are a promise to scripts; they are documented in `--help`.

use std::fmt;
use std::process::ExitCode;

/// How the command ended, as a number for scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done.
    Done = 0,
    /// It failed for a reason that has no number of its own.
    Failed = 1,
    /// The command line itself is wrong; clap ends with the same number.
    Usage = 2,
    /// The device, number or call that was named does not exist.
    NotFound = 3,
    /// No exchange runs in this data folder, and the command needs one.
    NotRunning = 4,
    /// It exists already, or somebody else holds it: a user name, a number, a port, the folder.
    Taken = 5,
    /// A file or a value in it is wrong; nothing was changed.
    BadInput = 6,
    /// `call`: nobody has this number or name.
    CallUnknown = 10,
    /// `call`: user name or password refused.
    CallCredentials = 11,
    /// `call`: the two sides have no codec or no encryption in common, or the offer was refused.
    CallNotAcceptable = 12,
    /// `call`: the server could not be reached (network, name, TLS).
    CallUnreachable = 13,
    /// `call`: the server cannot serve the call now (5xx).
    CallUnavailable = 14,
    /// `call`: busy.
    CallBusy = 17,
    /// `call`: the called device is not there or does not respond.
    CallAbsent = 18,
    /// `call`: it rang, but nobody answered; `--answer`: nobody called.
    CallNoAnswer = 19,
    /// `call`: ended for another reason before it was answered.
    CallOther = 20,
    /// `call`: declined.
    CallDeclined = 21,
    /// Interrupted (Ctrl-C) before there was anything to complete.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// Why a command failed: a sentence for the person, a code for the script.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    error: anyhow::Error,
}

/// What every command returns.
pub(crate) type Outcome = Result<Exit, Failure>;

impl Failure {
    /// A failure that is told in one sentence.
    pub(crate) fn new(exit: Exit, sentence: impl fmt::Display) -> Failure {
        Failure {
            exit,
            error: anyhow::anyhow!("{sentence}"),
        }
    }

    /// The code for the shell.
    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure {
            exit: Exit::Failed,
            error: error.into(),
        }
    }
}

/// The whole chain of causes on one line.
impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:#}", self.error)
    }
}

/// Gives an error the exit code that fits it where it happens.
pub(crate) trait ExitWith<T> {
    /// Makes any error a [`Failure`] with this code.
    fn exit_with(self, exit: Exit) -> Result<T, Failure>;
}

impl<T, E: Into<anyhow::Error>> ExitWith<T> for Result<T, E> {
    fn exit_with(self, exit: Exit) -> Result<T, Failure> {
        self.map_err(|error| Failure {
            exit,
            error: error.into(),
        })
    }
}
