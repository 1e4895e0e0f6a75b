//! The DevTools protocol over a pipe: JSON messages with a zero byte behind each. It knows no page.

use std::cell::RefCell;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::lab::Lab;
use crate::process::Process;
use crate::wait::SOON;

/// Chromium reads commands from descriptor 3 and writes answers to descriptor 4. Both are one socket
/// here, which comes as standard input.
const CONNECT: &str = "exec \"$@\" 3<&0 4>&0 0</dev/null";

/// How long one look for an answer takes.
const LOOK: Duration = Duration::from_millis(10);

/// A program that is steered by the DevTools protocol.
#[derive(Debug)]
pub(super) struct DevTools {
    process: RefCell<Process>,
    pipe: RefCell<Pipe>,
}

#[derive(Debug)]
struct Pipe {
    socket: UnixStream,
    unread: Vec<u8>,
    last: u64,
}

impl DevTools {
    /// Starts the program and waits until it answers.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub(super) fn start(lab: &Lab, name: &str, program: &Command, deadline: Duration) -> DevTools {
        let (ours, theirs) = UnixStream::pair().expect("a pair of sockets can be made");
        ours.set_read_timeout(Some(LOOK))
            .expect("a timeout can be set");
        let mut command = Command::new("sh");
        command
            .args(["-c", CONNECT, "sh"])
            .arg(program.get_program());
        command
            .args(program.get_args())
            .arg("--remote-debugging-pipe");
        for (name, value) in program.get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        let input = Stdio::from(OwnedFd::from(theirs));
        let process = Process::start_with(lab, name, &mut command, input);
        // The command holds the other end of the socket.
        drop(command);
        let tools = DevTools {
            process: RefCell::new(process),
            pipe: RefCell::new(Pipe {
                socket: ours,
                unread: Vec::new(),
                last: 0,
            }),
        };
        tools
            .ask_within(None, "Browser.getVersion", json!({}), deadline)
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        tools
    }

    /// Gives a command, perhaps within a session, and waits for its result.
    ///
    /// # Panics
    /// When it fails or is not answered.
    #[track_caller]
    pub(super) fn ask(&self, session: Option<&str>, method: &str, parameters: Value) -> Value {
        self.try_ask(session, method, parameters)
            .unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// The same; an error says why there is no result.
    ///
    /// # Errors
    /// A sentence.
    pub(super) fn try_ask(
        &self,
        session: Option<&str>,
        method: &str,
        parameters: Value,
    ) -> Result<Value, String> {
        self.ask_within(session, method, parameters, SOON)
    }

    fn ask_within(
        &self,
        session: Option<&str>,
        method: &str,
        parameters: Value,
        deadline: Duration,
    ) -> Result<Value, String> {
        let mut pipe = self.pipe.borrow_mut();
        let id = pipe.send(session, method, parameters)?;
        let end = Instant::now() + deadline;
        while Instant::now() < end {
            let mut messages = pipe.receive().into_iter();
            let Some(mut answer) = messages.find(|message| message["id"] == id) else {
                if !self.process.borrow_mut().is_running() {
                    return Err("the browser has ended".to_owned());
                }
                continue;
            };
            return match answer.get("error") {
                Some(error) => Err(error.to_string()),
                None => Ok(answer["result"].take()),
            };
        }
        Err(format!("no answer in {} s", deadline.as_secs()))
    }

    /// Ends it in good order.
    ///
    /// # Panics
    /// When it does not end.
    #[track_caller]
    pub(super) fn quit(&self) {
        let close = self
            .pipe
            .borrow_mut()
            .send(None, "Browser.close", json!({}));
        close.unwrap_or_else(|error| panic!("{error}"));
        self.process.borrow_mut().wait(SOON);
    }
}

impl Pipe {
    fn send(
        &mut self,
        session: Option<&str>,
        method: &str,
        parameters: Value,
    ) -> Result<u64, String> {
        self.last += 1;
        let mut message = json!({ "id": self.last, "method": method, "params": parameters });
        if let Some(session) = session {
            message["sessionId"] = session.into();
        }
        let bytes = [message.to_string().as_bytes(), &[0]].concat();
        self.socket
            .write_all(&bytes)
            .map_err(|error| format!("the browser takes no command: {error}"))?;
        Ok(self.last)
    }

    /// The messages that are complete by now.
    fn receive(&mut self) -> Vec<Value> {
        let mut buffer = vec![0; 65_536];
        while let Ok(length @ 1..) = self.socket.read(&mut buffer) {
            self.unread.extend_from_slice(&buffer[..length]);
        }
        let Some(end) = self.unread.iter().rposition(|byte| *byte == 0) else {
            return Vec::new();
        };
        let rest = self.unread.split_off(end + 1);
        let whole = std::mem::replace(&mut self.unread, rest);
        whole
            .split(|byte| *byte == 0)
            .filter_map(|message| serde_json::from_slice(message).ok())
            .collect()
    }
}
