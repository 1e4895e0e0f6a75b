//! SIPp (Debian's sip-tester), which plays scenarios that are written in this crate, often many at
//! a time.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::lab::Lab;
use crate::process::Process;

/// The program and its package.
pub const SIPP: (&str, &str) = ("sipp", "sip-tester");

/// The scenarios, by name.
const SCENARIOS: [(&str, &str); 8] = [
    ("register", include_str!("../scenarios/register.xml")),
    ("caller", include_str!("../scenarios/caller.xml")),
    ("late", include_str!("../scenarios/late.xml")),
    ("callee", include_str!("../scenarios/callee.xml")),
    ("deaf", include_str!("../scenarios/deaf.xml")),
    ("ringing", include_str!("../scenarios/ringing.xml")),
    ("refused", include_str!("../scenarios/refused.xml")),
    ("impatient", include_str!("../scenarios/impatient.xml")),
];

/// SIPp's receive and send buffers: bursts of a loaded machine fit in.
const BUFFER_BYTES: &str = "4194304";

/// How SIPp is started.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The name of a scenario.
    pub scenario: &'static str,
    /// Whom it talks to.
    pub server: SocketAddr,
    /// Its own address and port.
    pub own: SocketAddr,
    /// Lines of its injection file: fields separated by semicolons, one line for a call.
    pub lines: Vec<String>,
    /// How many calls.
    pub calls: usize,
    /// New calls per second.
    pub rate: usize,
    /// How long a pause without its own length lasts.
    pub pause: Duration,
    /// `u1` (UDP, one socket), `t1` (TCP, one connection), …
    pub transport: &'static str,
    /// How long a call waits for a message that it expects; `None`: for ever.
    pub patience: Option<Duration>,
    /// Pieces of the scenario that are replaced by others.
    pub replaced: Vec<(String, String)>,
}

impl Setup {
    /// A scenario by UDP from 127.0.0.1.
    pub fn new(lab: &Lab, scenario: &'static str, server: SocketAddr) -> Setup {
        let address: IpAddr = match server {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        };
        Setup {
            scenario,
            server,
            own: SocketAddr::new(address, lab.few_ports(1)),
            lines: Vec::new(),
            calls: 1,
            rate: 10,
            pause: Duration::from_millis(100),
            transport: "u1",
            patience: None,
            replaced: Vec::new(),
        }
    }
}

/// A running SIPp.
#[derive(Debug)]
pub struct Sipp {
    process: Process,
    name: String,
    statistics: PathBuf,
    errors: PathBuf,
    log: PathBuf,
    own: SocketAddr,
}

/// What SIPp counted.
#[derive(Clone, Debug, Default)]
pub struct Count {
    /// Calls that went as the scenario says.
    pub successful: u64,
    /// Calls that did not.
    pub failed: u64,
    /// Messages that were sent again.
    pub retransmissions: u64,
}

impl Sipp {
    /// Starts it. `name` tells it from others in the same test.
    ///
    /// # Panics
    /// When there is no such scenario or SIPp cannot be started.
    #[track_caller]
    pub fn start(lab: &Lab, name: &str, setup: &Setup) -> Sipp {
        let text = SCENARIOS
            .iter()
            .find(|(name, _)| *name == setup.scenario)
            .map(|(_, text)| *text)
            .unwrap_or_else(|| panic!("there is no scenario {}", setup.scenario));
        let replace = |text: String, (from, to): &(String, String)| {
            assert!(text.contains(from), "the scenario has no {from:?}");
            text.replace(from, to)
        };
        let text = setup.replaced.iter().fold(text.to_owned(), replace);
        let scenario = lab.write(&format!("{name}.xml"), text);
        let lines = format!("SEQUENTIAL\n{}\n", setup.lines.join("\n"));
        let lines = lab.write(&format!("{name}.csv"), lines);
        let statistics = lab.path(&format!("{name}.statistics.csv"));
        let errors = lab.path(&format!("{name}.errors.log"));
        let log = lab.path(&format!("{name}.sipp.log"));
        let mut command = Command::new(SIPP.0);
        command
            .arg("-sf")
            .arg(scenario)
            .arg("-inf")
            .arg(lines)
            .arg("-i")
            .arg(setup.own.ip().to_string())
            .arg("-p")
            .arg(setup.own.port().to_string())
            .arg("-m")
            .arg(setup.calls.to_string())
            .arg("-r")
            .arg(setup.rate.to_string())
            .arg("-l")
            .arg(setup.calls.max(10).to_string())
            .arg("-d")
            .arg(setup.pause.as_millis().to_string())
            .arg("-t")
            .arg(setup.transport)
            .arg("-stf")
            .arg(&statistics)
            .arg("-error_file")
            .arg(&errors)
            .arg("-log_file")
            .arg(&log)
            .args(["-trace_stat", "-fd", "1", "-trace_err", "-trace_logs"])
            .args(["-buff_size", BUFFER_BYTES, "-nostdin", "-cid_str"])
            .arg(format!("{name}-%u-%p@%s"))
            // By itself SIPp forgets the brackets of IPv6 here.
            .arg("-auth_uri")
            .arg(setup.server.to_string())
            .arg(setup.server.to_string())
            .env("TERM", "dumb");
        if let Some(patience) = setup.patience {
            command
                .arg("-recv_timeout")
                .arg(patience.as_millis().to_string());
        }
        Sipp {
            process: Process::start(lab, name, &mut command),
            name: name.to_owned(),
            statistics,
            errors,
            log,
            own: setup.own,
        }
    }

    /// Runs it to its end; every call must go as the scenario says.
    ///
    /// # Panics
    /// When one does not.
    #[track_caller]
    pub fn run(lab: &Lab, name: &str, setup: &Setup, deadline: Duration) -> Count {
        Sipp::start(lab, name, setup).finish_all(setup.calls, deadline)
    }

    /// The Call-ID of its call with this number, counted from 1.
    pub fn call_id(&self, number: usize) -> String {
        let (id, address) = (self.process.id(), self.own.ip());
        format!("{}-{number}-{id}@{address}", self.name)
    }

    /// What the scenario logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// What it has counted so far; it is brought up to date every second.
    pub fn count(&self) -> Count {
        let text = std::fs::read_to_string(&self.statistics).unwrap_or_default();
        let mut lines = text.lines();
        let head: Vec<&str> = lines.next().unwrap_or("").split(';').collect();
        let last: Vec<&str> = lines.next_back().unwrap_or("").split(';').collect();
        let number = |name: &str| {
            let at = head.iter().position(|column| *column == name);
            at.and_then(|at| last.get(at)?.parse().ok()).unwrap_or(0)
        };
        Count {
            successful: number("SuccessfulCall(C)"),
            failed: number("FailedCall(C)"),
            retransmissions: number("Retransmissions(C)"),
        }
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not come in time.
    #[track_caller]
    pub fn finish(&mut self, deadline: Duration) -> Count {
        self.process.wait(deadline);
        self.count()
    }

    /// Waits for its end; all calls must have gone as the scenario says.
    ///
    /// # Panics
    /// When one has not.
    #[track_caller]
    pub fn finish_all(&mut self, calls: usize, deadline: Duration) -> Count {
        let ended = self.process.wait(deadline);
        let mut count = self.count();
        // SIPp ends with 0 only when all its calls were successful; now and then it ends so without
        // having written the last line of its statistics.
        let good = ended.code == Some(0) && count.failed == 0;
        if good {
            count.successful = calls as u64;
        }
        assert!(
            good,
            "SIPp {} ended with {:?} and counted {count:?} of {calls} calls: {}",
            self.name,
            ended.code,
            self.first_errors()
        );
        count
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// Ends it; calls in progress are forgotten.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    fn first_errors(&self) -> String {
        let text = std::fs::read(&self.errors).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        text.chars().take(4_000).collect()
    }
}

/// The field with which SIPp answers a challenge.
pub fn authentication(user: &str, password: &str) -> String {
    format!("[authentication username={user} password={password}]")
}
