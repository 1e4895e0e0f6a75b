//! The command line's end of the control socket. Blocking: a command has nothing else to do.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::SOCKET_NAME;
use super::protocol::{MAX_LINE_BYTES, Request, Response};

/// How long an answer may take; a reload of a million devices is the longest.
const ANSWER_TIME: Duration = Duration::from_secs(60);

/// Why a request to the running exchange failed.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// No exchange is running on this data folder.
    #[error("no exchange is running on the data folder {0}; start one with `fernamt serve`")]
    NotRunning(String),
    /// The connection broke or could not be made.
    #[error("the running exchange does not answer: {0}")]
    Connection(#[from] io::Error),
    /// The exchange said something that this program does not understand.
    #[error("the running exchange gave an answer that is not understood (another version?): {0}")]
    NotUnderstood(String),
    /// The exchange refused.
    #[error("{0}")]
    Refused(String),
}

/// A connection to a running exchange.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<UnixStream>,
}

impl Client {
    /// Connects to the exchange that runs on this data folder.
    ///
    /// # Errors
    /// [`ControlError::NotRunning`] when there is none.
    pub fn connect(data: &Path) -> Result<Client, ControlError> {
        let path = data.join(SOCKET_NAME);
        let stream = UnixStream::connect(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                ControlError::NotRunning(data.display().to_string())
            }
            _ => ControlError::Connection(error),
        })?;
        stream.set_read_timeout(Some(ANSWER_TIME))?;
        stream.set_write_timeout(Some(ANSWER_TIME))?;
        Ok(Client {
            stream: BufReader::new(stream),
        })
    }

    /// Asks, gives every item of a listing to `each` as it comes, and gives back the last line.
    ///
    /// # Errors
    /// When the exchange refuses or does not answer.
    pub fn ask(
        &mut self,
        request: &Request,
        mut each: impl FnMut(Response),
    ) -> Result<Response, ControlError> {
        let mut line = serde_json::to_string(request)
            .map_err(|error| ControlError::NotUnderstood(error.to_string()))?;
        line.push('\n');
        self.stream.get_mut().write_all(line.as_bytes())?;
        loop {
            match self.read()? {
                Response::Error { message } => return Err(ControlError::Refused(message)),
                item if item.is_item() => each(item),
                last => return Ok(last),
            }
        }
    }

    /// Asks for something that is only done, and gives the count that comes back.
    ///
    /// # Errors
    /// As [`Client::ask`].
    pub fn order(&mut self, request: &Request) -> Result<u64, ControlError> {
        match self.ask(request, |_| {})? {
            Response::Done { count } => Ok(count),
            other => Err(ControlError::NotUnderstood(format!("{other:?}"))),
        }
    }

    /// Asks for a listing and collects it.
    ///
    /// # Errors
    /// As [`Client::ask`].
    pub fn list(&mut self, request: &Request) -> Result<Vec<Response>, ControlError> {
        let mut items = Vec::new();
        self.ask(request, |item| items.push(item))?;
        Ok(items)
    }

    fn read(&mut self) -> Result<Response, ControlError> {
        let mut line = String::new();
        let bound = u64::try_from(MAX_LINE_BYTES).unwrap_or(u64::MAX);
        self.stream.by_ref().take(bound).read_line(&mut line)?;
        if line.is_empty() {
            return Err(ControlError::Connection(
                io::ErrorKind::UnexpectedEof.into(),
            ));
        }
        serde_json::from_str(&line).map_err(|error| ControlError::NotUnderstood(error.to_string()))
    }
}
