//! The exchange under test: started, asked through its own commands, crashed and started again.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use crate::lab::Lab;
use crate::process::{Ended, Process, run};
use crate::records::Record;
use crate::wait::{SOON, until, until_true};

/// The environment variable that names another program than the one beside the tests.
const PROGRAM_VARIABLE: &str = "FERNAMT_BIN";

/// How long people talk in a test that wants nothing else: see [`Exchange::let_talk`].
pub const TALK_SECONDS: f64 = 3.0;

/// SIP takes this port and, at offsets up to this number, those of TLS and WebSocket.
const SIP_PORTS: u16 = 5;

/// A line of the log with one of these means that the exchange met what should not be.
const ALARMS: [&str; 4] = [" ERROR ", "panicked at", "stack backtrace", "FATAL"];

/// How an exchange is started.
#[derive(Clone, Debug)]
pub struct Setup {
    /// On which addresses it listens for SIP; all on the same port.
    pub addresses: Vec<IpAddr>,
    /// The address of media.
    pub media: IpAddr,
    /// How many media ports it has.
    pub media_ports: u16,
    /// Its settings file.
    pub settings: Option<String>,
    /// What stands before the command, for example `ip netns exec NAME`.
    pub prefix: Vec<String>,
    /// Where its data folder is; `None`: in the lab.
    pub data: Option<PathBuf>,
    /// What is logged.
    pub log: String,
}

impl Default for Setup {
    fn default() -> Setup {
        Setup {
            addresses: vec![Ipv4Addr::LOCALHOST.into()],
            media: Ipv4Addr::LOCALHOST.into(),
            media_ports: 100,
            settings: None,
            prefix: Vec::new(),
            data: None,
            log: "info".to_owned(),
        }
    }
}

/// A device of the exchange.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its user name.
    pub user: String,
    /// Its password.
    pub password: String,
}

/// The exchange.
#[derive(Debug)]
pub struct Exchange<'lab> {
    lab: &'lab Lab,
    setup: Setup,
    program: PathBuf,
    data: PathBuf,
    port: u16,
    first_media_port: u16,
    starts: u32,
    process: Option<Process>,
}

/// The program under test.
///
/// # Panics
/// When it is not built.
pub fn program() -> PathBuf {
    if let Some(path) = std::env::var_os(PROGRAM_VARIABLE) {
        return path.into();
    }
    let program = profile_folder().join("fernamt");
    assert!(
        program.is_file(),
        "the program under test is missing; `cargo build -p fernamt` makes it, or {PROGRAM_VARIABLE} names one"
    );
    program
}

/// Where everything is that is built or fetched for tests.
///
/// # Panics
/// When the test is not where cargo puts tests.
pub fn build_folder() -> PathBuf {
    let profile = profile_folder();
    let folder = profile.parent().expect("a profile is in a folder");
    folder.to_path_buf()
}

fn profile_folder() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows where it is");
    let profile = test
        .parent()
        .and_then(Path::parent)
        .expect("tests are in the folder `deps` of a profile");
    profile.to_path_buf()
}

impl<'lab> Exchange<'lab> {
    /// Starts an exchange on 127.0.0.1.
    ///
    /// # Panics
    /// When it does not start.
    #[track_caller]
    pub fn start(lab: &'lab Lab) -> Exchange<'lab> {
        Exchange::start_as(lab, Setup::default())
    }

    /// Starts an exchange.
    ///
    /// # Panics
    /// When it does not start.
    #[track_caller]
    pub fn start_as(lab: &'lab Lab, setup: Setup) -> Exchange<'lab> {
        let mut exchange = Exchange::prepare(lab, setup);
        exchange.start_again();
        exchange
    }

    /// Chooses folder and ports, but starts nothing.
    pub fn prepare(lab: &'lab Lab, setup: Setup) -> Exchange<'lab> {
        Exchange {
            program: program(),
            data: setup.data.clone().unwrap_or_else(|| lab.path("data")),
            port: lab.few_ports(SIP_PORTS),
            first_media_port: lab.ports(setup.media_ports),
            starts: 0,
            process: None,
            lab,
            setup,
        }
    }

    /// Where it listens for SIP by UDP and TCP.
    pub fn sip(&self) -> SocketAddr {
        SocketAddr::new(self.setup.addresses[0], self.port)
    }

    /// The same on another of its addresses.
    pub fn sip_on(&self, address: IpAddr) -> SocketAddr {
        SocketAddr::new(address, self.port)
    }

    /// Where it listens for TLS.
    pub fn tls(&self) -> SocketAddr {
        SocketAddr::new(self.setup.addresses[0], self.port + 1)
    }

    /// Where it listens for WebSocket.
    pub fn websocket(&self) -> SocketAddr {
        SocketAddr::new(self.setup.addresses[0], self.port + 3)
    }

    /// Where it listens for secure WebSocket.
    pub fn secure_websocket(&self) -> SocketAddr {
        SocketAddr::new(self.setup.addresses[0], self.port + 4)
    }

    /// The ports of its media.
    pub fn media_ports(&self) -> std::ops::RangeInclusive<u16> {
        self.first_media_port..=self.first_media_port + self.setup.media_ports - 1
    }

    /// Its data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The file with its certificate.
    pub fn certificate(&self) -> PathBuf {
        self.data.join("tls/certificate.pem")
    }

    /// The process number.
    ///
    /// # Panics
    /// When it does not run.
    pub fn id(&self) -> u32 {
        self.process.as_ref().expect("the exchange runs").id()
    }

    fn command(&self) -> Command {
        let mut words = self.setup.prefix.clone();
        words.push(self.program.to_string_lossy().into_owned());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).env("NO_COLOR", "1");
        command
    }

    /// The command that starts it.
    pub fn serve_command(&self) -> Command {
        let mut command = self.command();
        command.arg("serve").arg("--data").arg(&self.data);
        for address in &self.setup.addresses {
            command
                .arg("--sip")
                .arg(SocketAddr::new(*address, self.port).to_string());
        }
        let first = SocketAddr::new(self.setup.media, self.first_media_port);
        let last = self.media_ports().end().to_owned();
        command.arg("--media").arg(format!("{first}-{last}"));
        command.arg("--log").arg(&self.setup.log);
        if let Some(settings) = &self.setup.settings {
            let path = self.lab.write("settings.toml", settings);
            command.arg("--config").arg(path);
        }
        command
    }

    /// Starts it (again) and waits until it serves.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn start_again(&mut self) {
        self.starts += 1;
        let name = format!("exchange-{}", self.starts);
        let mut process = Process::start(self.lab, &name, &mut self.serve_command());
        process.wait_for("Fernamt is running", SOON);
        self.process = Some(process);
    }

    /// Ends it as a crash would, at once.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// Ends it in good order; its exit code must be 0.
    ///
    /// # Panics
    /// When it does not end, or with another code.
    #[track_caller]
    pub fn terminate(&mut self) -> Ended {
        let mut process = self.process.take().expect("the exchange runs");
        process.signal(Signal::TERM);
        let ended = process.wait(SOON);
        assert_eq!(ended.code, Some(0), "the exchange ended in bad order");
        ended
    }

    /// Ends it in good order, whatever it has logged: for tests in which it has to complain.
    ///
    /// # Panics
    /// When it does not end, or panicked.
    #[track_caller]
    pub fn terminate_quietly(mut self) {
        let ended = self.terminate();
        assert!(!ended.err.contains("panicked at"), "{}", ended.err);
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.process.as_mut().is_some_and(Process::is_running)
    }

    /// What it has logged since it was started last.
    pub fn log(&self) -> String {
        self.process.as_ref().map_or_else(String::new, Process::err)
    }

    /// Ends it in good order; nothing in the log of its whole life may be an alarm.
    ///
    /// # Panics
    /// When something is.
    #[track_caller]
    pub fn finish(mut self) {
        self.terminate();
        for start in 1..=self.starts {
            let name = format!("exchange-{start}.err");
            let log = std::fs::read(self.lab.path(&name)).unwrap_or_default();
            let log = String::from_utf8_lossy(&log);
            let alarm = log
                .lines()
                .find(|line| ALARMS.iter().any(|alarm| line.contains(alarm)));
            assert_eq!(alarm, None, "{name} has an alarm");
        }
    }

    /// Runs a command of the program in the data folder.
    ///
    /// # Panics
    /// When it does not end in time.
    #[track_caller]
    pub fn ask(&self, words: &[&str]) -> Ended {
        let mut command = self.command();
        command.args(words).arg("--data").arg(&self.data);
        run(
            self.lab,
            &format!("command-{}", words.first().unwrap_or(&"none")),
            &mut command,
            SOON * 2,
        )
    }

    /// The same; it must succeed and print JSON.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn ask_json(&self, words: &[&str]) -> Value {
        let mut words = words.to_vec();
        words.push("--json");
        let ended = self.ask(&words);
        assert_eq!(ended.code, Some(0), "{words:?}: {}", ended.err);
        serde_json::from_str(&ended.out)
            .unwrap_or_else(|error| panic!("{words:?}: {error}: {}", ended.out))
    }

    /// Adds a device.
    ///
    /// # Panics
    /// When it is refused.
    #[track_caller]
    pub fn add_device(&self, user: &str) -> Account {
        self.add_device_with(user, &[])
    }

    /// Adds a device with further options.
    ///
    /// # Panics
    /// When it is refused.
    #[track_caller]
    pub fn add_device_with(&self, user: &str, options: &[&str]) -> Account {
        let password = format!("secret-of-{user}");
        let mut words = vec!["device", "add", user, "--password", &password];
        words.extend(options);
        let ended = self.ask(&words);
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        Account {
            user: user.to_owned(),
            password,
        }
    }

    /// Adds devices `PREFIX0` to `PREFIXn` with the passwords `pw-PREFIX0` and so on, from a file.
    ///
    /// # Panics
    /// When they are refused.
    #[track_caller]
    pub fn import_devices(&self, prefix: &str, count: usize) {
        let mut text = String::from("user,password\n");
        for number in 0..count {
            text.push_str(&format!("{prefix}{number},pw-{prefix}{number}\n"));
        }
        let file = self.lab.write(&format!("{prefix}.csv"), text);
        let file = file.to_string_lossy().into_owned();
        let ended = self.ask(&["device", "import", &file]);
        assert_eq!(ended.code, Some(0), "{}", ended.err);
    }

    /// How many registrations there are.
    pub fn registration_count(&self) -> usize {
        self.ask_json(&["registrations"])
            .as_array()
            .map_or(0, Vec::len)
    }

    /// Waits until a device is registered; the transport that it came by.
    ///
    /// # Panics
    /// When it is not in time.
    #[track_caller]
    pub fn wait_registered(&self, user: &str) -> String {
        until(&format!("the registration of {user}"), SOON, || {
            let all = self.ask_json(&["registrations"]);
            let binding = all.as_array()?.iter().find(|it| it["user"] == user)?;
            binding["transport"].as_str().map(str::to_owned)
        })
    }

    /// A number of the status, for example `calls`.
    ///
    /// # Panics
    /// When there is no such number.
    #[track_caller]
    pub fn status(&self, name: &str) -> u64 {
        let status = self.ask_json(&["status"]);
        let value = status
            .get(name)
            .or_else(|| status["counters"].get(name))
            .and_then(Value::as_u64);
        value.unwrap_or_else(|| panic!("the status has no number {name}: {status}"))
    }

    /// Waits until so many calls are in progress.
    ///
    /// # Panics
    /// When they are not in time.
    #[track_caller]
    pub fn wait_calls(&self, count: u64, deadline: Duration) {
        until_true(&format!("{count} calls in progress"), deadline, || {
            self.status("calls") == count
        });
    }

    /// Lets the only call go on for so many seconds from now on, or from when it is answered, as the
    /// exchange measures them.
    ///
    /// # Panics
    /// When nobody answers, or the call ends before.
    #[track_caller]
    pub fn let_talk(&self, seconds: f64) {
        let duration = || self.ask_json(&["calls"])[0]["duration"].as_f64();
        let begin = until("the call to begin", SOON, duration);
        until_true("the talk to have its length", SOON, || {
            duration().is_some_and(|now| now >= begin + seconds)
        });
    }

    /// The call records.
    pub fn records(&self) -> Vec<Record> {
        let value = self.ask_json(&["cdr"]);
        serde_json::from_value(value).expect("call records have the documented shape")
    }

    /// Waits until no call is in progress; the records then, which must be so many.
    ///
    /// # Panics
    /// When they are not.
    #[track_caller]
    pub fn wait_records(&self, count: usize) -> Vec<Record> {
        self.wait_calls(0, SOON);
        let records = self.records();
        assert_eq!(records.len(), count, "call records: {records:#?}");
        records
    }

    /// The journal of a call.
    pub fn journal(&self, call: &str) -> Vec<Value> {
        let explained = self.ask_json(&["explain", call]);
        explained["journal"].as_array().cloned().unwrap_or_default()
    }
}
