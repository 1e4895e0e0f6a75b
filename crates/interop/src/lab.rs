//! The room of one test: a temporary folder, ports, and the question which foreign programs there
//! are. When the test fails, what the programs said is shown.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::ports::Ports;

/// Lines of each log that are shown when a test fails.
const SHOWN_LINES: usize = 60;

/// The environment variable that lets tests pass whose foreign program is missing.
const SKIP_VARIABLE: &str = "FERNAMT_INTEROP_SKIP";

/// The environment variable that names a file in which skipped tests are written down.
const SKIPPED_VARIABLE: &str = "FERNAMT_INTEROP_SKIPPED";

/// The environment variable that keeps the temporary folder of a failed test.
const KEEP_VARIABLE: &str = "FERNAMT_INTEROP_KEEP";

/// Where a browser keeps what it remembers; what is called a log there is none.
pub const PROFILE_FOLDER: &str = "profile";

/// Ports that a test borrows at once; single ones are handed out from them.
const PORTS_AT_ONCE: u16 = 100;

/// The room of one test.
#[derive(Debug)]
pub struct Lab {
    folder: Option<TempDir>,
    path: PathBuf,
    ports: RefCell<Vec<Ports>>,
    /// The next single port, and how many are left.
    single: Cell<(u16, u16)>,
    names: RefCell<HashMap<String, u32>>,
}

impl Lab {
    /// A room with these programs, each given with the Debian package that it comes in. `None`
    /// when one is missing and that is allowed; the test is over then.
    ///
    /// # Panics
    /// When a program is missing and that is not allowed.
    pub fn with(programs: &[(&str, &str)]) -> Option<Lab> {
        for (program, package) in programs {
            if find(program).is_none() {
                let sentence = format!(
                    "the program {program} is missing; it comes in the Debian package {package} \
                     (bin/test installs it)"
                );
                Lab::pass_over(&sentence);
                return None;
            }
        }
        Some(Lab::new())
    }

    /// Passes over a test that lacks something which bin/test installs, where that is allowed.
    ///
    /// # Panics
    /// When it is not allowed.
    pub fn pass_over(sentence: &str) {
        assert!(
            std::env::var_os(SKIP_VARIABLE).is_some_and(|value| value == "1"),
            "{sentence}; {SKIP_VARIABLE}=1 passes over such tests"
        );
        skip(sentence);
    }

    /// A room for a test that needs no foreign program.
    pub fn new() -> Lab {
        let folder = tempfile::Builder::new()
            .prefix("fernamt-interop-")
            .tempdir()
            .expect("a temporary folder can be made");
        Lab {
            path: folder.path().to_path_buf(),
            folder: Some(folder),
            ports: RefCell::new(Vec::new()),
            single: Cell::new((0, 0)),
            names: RefCell::default(),
        }
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Makes a folder in the folder.
    pub fn make_folder(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).expect("a folder can be made");
        path
    }

    /// Writes a file into the folder.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).expect("a folder can be made");
        }
        fs::write(&path, content).expect("a file can be written");
        path
    }

    /// The first of `count` ports in a row that are this test's until its end.
    pub fn ports(&self, count: u16) -> u16 {
        let ports = Ports::borrow(count);
        let first = ports.first();
        self.ports.borrow_mut().push(ports);
        first
    }

    /// Some ports in a row out of a few that were borrowed together.
    pub fn few_ports(&self, count: u16) -> u16 {
        let (mut next, mut left) = self.single.get();
        if left < count {
            (next, left) = (self.ports(PORTS_AT_ONCE), PORTS_AT_ONCE);
        }
        self.single.set((next + count, left - count));
        next
    }

    /// A name that nobody else in the lab has: itself, or with a number behind it.
    pub fn unique(&self, name: &str) -> String {
        let mut names = self.names.borrow_mut();
        let count = names.entry(name.to_owned()).or_default();
        *count += 1;
        match *count {
            1 => name.to_owned(),
            count => format!("{name}-{count}"),
        }
    }

    fn show_logs(&self) {
        let mut logs = Vec::new();
        collect_logs(&self.path, &mut logs);
        logs.sort();
        for log in logs {
            let text = fs::read(&log).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            let lines: Vec<&str> = text.lines().collect();
            let shown = &lines[lines.len().saturating_sub(SHOWN_LINES)..];
            let name = log.strip_prefix(&self.path).unwrap_or(&log);
            eprintln!("---- {} ({} lines)", name.display(), lines.len());
            eprintln!("{}", shown.join("\n"));
        }
    }
}

impl Default for Lab {
    fn default() -> Lab {
        Lab::new()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        self.show_logs();
        if std::env::var_os(KEEP_VARIABLE).is_some()
            && let Some(folder) = self.folder.take()
        {
            eprintln!("---- kept: {}", folder.keep().display());
        }
    }
}

fn collect_logs(folder: &Path, logs: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && !path.ends_with(PROFILE_FOLDER) {
            collect_logs(&path, logs);
        } else if path
            .extension()
            .is_some_and(|ending| ["out", "err", "log"].iter().any(|log| ending == *log))
        {
            logs.push(path);
        }
    }
}

/// Says loudly that a test was passed over, and why.
pub fn skip(reason: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let line = format!("SKIPPED {test}: {reason}");
    eprintln!("{line}");
    if let Some(path) = std::env::var_os(SKIPPED_VARIABLE) {
        let file = OpenOptions::new().create(true).append(true).open(path);
        let _ = file.and_then(|mut file| writeln!(file, "{line}"));
    }
}

/// Where a program is. Not only the search path of this user: `ip` and others live in folders of
/// the system administrator.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}
