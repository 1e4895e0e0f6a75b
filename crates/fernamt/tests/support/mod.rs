//! Runs the real command in a folder of its own, and says what it said.

// Each test file uses its part of this.
#![allow(dead_code, unreachable_pub)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What a command has said.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Said {
    fn of(output: Output) -> Said {
        Said {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).expect("text"),
            err: String::from_utf8(output.stderr).expect("text"),
        }
    }

    /// The command must have ended with this code.
    #[track_caller]
    pub fn ends_with(self, code: i32) -> Said {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// Standard output is one JSON value.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// The error must contain this.
    #[track_caller]
    pub fn complains(self, text: &str) -> Said {
        assert!(self.err.contains(text), "{text}: {self:#?}");
        self
    }

    /// The output must contain this.
    #[track_caller]
    pub fn says(self, text: &str) -> Said {
        assert!(self.out.contains(text), "{text}: {self:#?}");
        self
    }
}

/// A folder with a data folder in it.
pub struct Office {
    pub folder: TempDir,
}

impl Office {
    pub fn new() -> Office {
        Office {
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a command in this data folder. Words are separated by blanks.
    pub fn run(&self, line: &str) -> Said {
        self.run_with(line, "")
    }

    /// The same, with something on standard input.
    pub fn run_with(&self, line: &str, input: &str) -> Said {
        let mut child = self
            .command(line)
            .stdin(Stdio::piped())
            .spawn()
            .expect("the command runs");
        let mut stdin = child.stdin.take().expect("a pipe");
        // A command that does not read closes the pipe.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        Running { child: Some(child) }.end()
    }

    /// Starts a command that goes on.
    pub fn start(&self, line: &str) -> Running {
        let child = self
            .command(line)
            .stdin(Stdio::null())
            .spawn()
            .expect("the command runs");
        Running { child: Some(child) }
    }

    fn command(&self, line: &str) -> Command {
        let mut command = bare();
        command
            .args(line.split_whitespace())
            .arg("--data")
            .arg(self.data());
        command
    }

    /// Starts an exchange, and waits until it serves.
    pub fn serve(&self, more: &str) -> Exchange {
        let port = free_port();
        let media = free_range();
        let mut running = self.start(&format!(
            "serve --sip 127.0.0.1:{port} --media 127.0.0.1:{media} --log warn {more}"
        ));
        let child = running.child.as_mut().expect("it runs");
        let mut out = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut welcome = String::new();
        while !welcome.contains("stop") {
            let count = out.read_line(&mut welcome).expect("text");
            if count == 0 {
                let mut err = String::new();
                if let Some(mut stderr) = child.stderr.take() {
                    let _ = stderr.read_to_string(&mut err);
                }
                panic!("the exchange has ended: {welcome}{err}");
            }
        }
        Exchange {
            running,
            port,
            welcome,
        }
    }
}

/// The command, without anything of the surroundings that it would listen to.
pub fn bare() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fernamt"));
    command
        .env_remove("FERNAMT_DATA")
        .env_remove("FERNAMT_PASSWORD")
        .env_remove("STATE_DIRECTORY")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs the command outside of any data folder.
pub fn fernamt(words: &[&str]) -> Said {
    Said::of(
        bare()
            .args(words)
            .stdin(Stdio::null())
            .output()
            .expect("the command runs"),
    )
}

/// A command that goes on.
pub struct Running {
    pub child: Option<Child>,
}

impl Running {
    /// Sends a signal to it and to nothing else.
    pub fn signal(&self, name: &str) {
        let child = self.child.as_ref().expect("it runs");
        let sent = Command::new("kill")
            .args(["-s", name, &child.id().to_string()])
            .status();
        assert!(sent.expect("kill runs").success());
    }

    /// Waits until it ends.
    #[track_caller]
    pub fn end(mut self) -> Said {
        let mut child = self.child.take().expect("it runs");
        let begin = Instant::now();
        while child.try_wait().expect("its state").is_none() {
            if begin.elapsed() > PATIENCE {
                let _ = child.kill();
                panic!(
                    "it does not end: {:#?}",
                    Said::of(child.wait_with_output().expect("ended"))
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Said::of(child.wait_with_output().expect("it has ended"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// An exchange that serves.
pub struct Exchange {
    pub running: Running,
    pub port: u16,
    pub welcome: String,
}

impl Exchange {
    /// The password that the welcome tells for a user.
    #[track_caller]
    pub fn password(&self, user: &str) -> String {
        let line = self
            .welcome
            .lines()
            .find(|line| line.split_whitespace().take(2).eq(["device", user]));
        let line = line.unwrap_or_else(|| panic!("{user}: {}", self.welcome));
        line.split_whitespace()
            .last()
            .expect("a password")
            .to_owned()
    }

    /// Its address for `--server`.
    pub fn server(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Ends it in good order.
    #[track_caller]
    pub fn stop(self) -> Said {
        self.running.signal("TERM");
        self.running.end().ends_with(0)
    }
}

/// A port that nobody listens on, with a few free ones behind it.
pub fn free_port() -> u16 {
    loop {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let port = socket.local_addr().expect("its number").port();
        let others =
            [0, 1, 3, 4].map(|more| std::net::TcpListener::bind(("127.0.0.1", port + more)));
        if port < 60_000 && others.iter().all(Result::is_ok) {
            return port;
        }
    }
}

/// Ports for media that no other test uses at the same time, as far as can be known.
pub fn free_range() -> String {
    let low = free_port() & !1;
    format!("{low}-{}", low + 63)
}

/// Waits until something is so.
#[track_caller]
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < PATIENCE, "{what} did not come about");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A WAV file with a tone.
pub fn write_tone(path: &Path, rate_hz: u32, hertz: f64, seconds: u32) {
    let mut bytes = Vec::new();
    let data = rate_hz * seconds * 2;
    bytes.extend_from_slice(b"RIFF");
    bytes.extend_from_slice(&(36 + data).to_le_bytes());
    bytes.extend_from_slice(b"WAVEfmt ");
    for word in [
        16_u32,
        0x0001_0001,
        rate_hz,
        rate_hz * 2,
        0x0010_0002,
        0x6174_6164,
        data,
    ] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    for index in 0..rate_hz * seconds {
        let angle = core::f64::consts::TAU * hertz * f64::from(index) / f64::from(rate_hz);
        bytes.extend_from_slice(&((angle.sin() * 8_000.0) as i16).to_le_bytes());
    }
    std::fs::write(path, bytes).expect("a file");
}
