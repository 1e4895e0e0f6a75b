//! Programs that run beside a test. Each has its output in files of the lab, a deadline for
//! everything that is waited for, and is killed at the end of the test, also when it fails.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::lab::Lab;
use crate::wait::until;

/// A running program.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

/// What a program said and how it ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to standard output.
    pub out: String,
    /// What it wrote to standard error.
    pub err: String,
}

impl Process {
    /// Starts a program; its output goes to `NAME.out` and `NAME.err`.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(lab: &Lab, name: &str, command: &mut Command) -> Process {
        Process::start_with(lab, name, command, Stdio::piped())
    }

    /// The same with something else than a pipe as its standard input.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start_with(lab: &Lab, name: &str, command: &mut Command, input: Stdio) -> Process {
        let (out, err) = (
            lab.path(&format!("{name}.out")),
            lab.path(&format!("{name}.err")),
        );
        let file = |path: &Path| {
            File::options()
                .create(true)
                .append(true)
                .open(path)
                .expect("a log can be written")
        };
        let child = command
            .stdin(input)
            .stdout(file(&out))
            .stderr(file(&err))
            .spawn()
            .unwrap_or_else(|error| panic!("{name} cannot be started: {error}: {command:?}"));
        Process {
            name: name.to_owned(),
            child,
            out,
            err,
        }
    }

    /// Its process number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything it has written to standard output.
    pub fn out(&self) -> String {
        read_text(&self.out)
    }

    /// Everything it has written to standard error.
    pub fn err(&self) -> String {
        read_text(&self.err)
    }

    /// Everything it has written.
    pub fn said(&self) -> String {
        self.out() + &self.err()
    }

    /// Waits until it has written this.
    ///
    /// # Panics
    /// When it does not in time, or ends before it has.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str, deadline: Duration) {
        let what = format!("{} to say `{text}`", self.name);
        until(&what, deadline, || {
            let ended = self.child.try_wait().expect("a child can be asked");
            if self.said().contains(text) {
                return Some(());
            }
            assert!(
                ended.is_none(),
                "{} has ended ({ended:?}) before it said `{text}`",
                self.name
            );
            None
        });
    }

    /// Types a line.
    ///
    /// # Panics
    /// When nobody reads it.
    pub fn type_line(&mut self, line: &str) {
        let input = self.child.stdin.as_mut().expect("its input is a pipe");
        writeln!(input, "{line}").unwrap_or_else(|error| panic!("{}: {error}", self.name));
        input.flush().expect("a pipe can be flushed");
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let _ = kill_process(Pid::from_child(&self.child), signal);
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child
            .try_wait()
            .expect("a child can be asked")
            .is_none()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end in time.
    #[track_caller]
    pub fn wait(&mut self, deadline: Duration) -> Ended {
        let what = format!("the end of {}", self.name);
        let status: ExitStatus = until(&what, deadline, || {
            self.child.try_wait().expect("a child can be asked")
        });
        Ended {
            code: status.code(),
            out: self.out(),
            err: self.err(),
        }
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs a program to its end.
///
/// # Panics
/// When it cannot be started or does not end in time.
#[track_caller]
pub fn run(lab: &Lab, name: &str, command: &mut Command, deadline: Duration) -> Ended {
    for ending in ["out", "err"] {
        let _ = fs::remove_file(lab.path(&format!("{name}.{ending}")));
    }
    let mut process = Process::start(lab, name, command);
    drop(process.child.stdin.take());
    process.wait(deadline)
}

fn read_text(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::SOON;

    #[test]
    fn a_program_is_killed_when_its_test_forgets_it() {
        let lab = Lab::new();
        let process = Process::start(&lab, "sleeper", Command::new("sleep").arg("1000"));
        let id = process.id();
        let path = PathBuf::from(format!("/proc/{id}/stat"));
        assert!(path.exists());
        drop(process);
        assert!(!path.exists());
    }

    #[test]
    fn exit_code_and_both_outputs_are_kept() {
        let lab = Lab::new();
        let mut command = Command::new("sh");
        command.args(["-c", "echo heard; echo complained >&2; exit 3"]);
        let ended = run(&lab, "speaker", &mut command, SOON);
        assert_eq!(ended.code, Some(3));
        assert_eq!(ended.out, "heard\n");
        assert_eq!(ended.err, "complained\n");
    }
}
