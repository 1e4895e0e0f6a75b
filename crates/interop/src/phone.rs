//! `fernamt call`, the small phone of the program under test, for the other end of a call.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use serde::Deserialize;

use crate::exchange::{Account, program};
use crate::lab::Lab;
use crate::process::Process;
use crate::sound::Recording;
use crate::wait::SOON;

/// A running phone.
#[derive(Debug)]
pub struct Phone {
    process: Process,
    recording: PathBuf,
}

/// What the phone says at the end.
#[derive(Clone, Debug, Deserialize)]
pub struct Story {
    /// One word.
    pub outcome: String,
    /// As the process ended.
    pub exit_code: u8,
    /// A sentence.
    pub reason: String,
    /// The SIP status of a refusal.
    pub status: Option<u16>,
    /// `here` or `there`.
    pub released_by: Option<String>,
    /// The Call-ID on this side.
    pub call_id: Option<String>,
    /// Seconds of conversation.
    pub duration: Option<f64>,
    /// Where the media came from.
    pub remote_media: Option<String>,
    /// Packets heard.
    pub packets_received: Option<u64>,
    /// Packets that were lost on the way.
    pub packets_lost: Option<u64>,
    /// The tone that stood out.
    pub tone: Option<Tone>,
}

/// A tone that was heard.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Tone {
    /// Its frequency.
    pub frequency_hz: f64,
    /// The share of the frames that had it.
    pub share: f64,
}

impl Phone {
    /// Calls somebody at `server`, an address and port, perhaps with `;transport=…`.
    pub fn call(lab: &Lab, own: &Account, server: &str, whom: &str, options: &[&str]) -> Phone {
        let name = format!("phone-{}", own.user);
        Phone::start(lab, &name, own, server, &[&[whom], options].concat(), &[])
    }

    /// Waits for a call and answers it.
    pub fn answer(lab: &Lab, own: &Account, server: &str, options: &[&str]) -> Phone {
        let name = format!("phone-{}", own.user);
        let options = [&["--answer"], options].concat();
        Phone::start(lab, &name, own, server, &options, &[])
    }

    /// Starts the phone with any options, `prefix` standing before the command.
    pub fn start(
        lab: &Lab,
        name: &str,
        own: &Account,
        server: &str,
        options: &[&str],
        prefix: &[String],
    ) -> Phone {
        let name = &lab.unique(name);
        let recording = lab.path(&format!("{name}.wav"));
        let mut words = prefix.to_vec();
        words.push(program().to_string_lossy().into_owned());
        let mut command = Command::new(&words[0]);
        command
            .args(&words[1..])
            .arg("call")
            .args(["--as", &own.user, "--password", &own.password])
            .args(["--server", server, "--json", "--record"])
            .arg(&recording)
            .args(options);
        Phone {
            process: Process::start(lab, name, &mut command),
            recording,
        }
    }

    /// Hangs up, or stops waiting.
    pub fn interrupt(&self) {
        self.process.signal(Signal::INT);
    }

    /// Waits for its end; what it says then.
    ///
    /// # Panics
    /// When it does not end in time or does not tell.
    #[track_caller]
    pub fn finish_within(&mut self, deadline: Duration) -> Story {
        let ended = self.process.wait(deadline);
        serde_json::from_str(&ended.out)
            .unwrap_or_else(|error| panic!("{error}: {}{}", ended.out, ended.err))
    }

    /// The same with the usual deadline.
    ///
    /// # Panics
    /// When it does not end in time or does not tell.
    #[track_caller]
    pub fn finish(&mut self) -> Story {
        self.finish_within(SOON)
    }

    /// What it heard.
    ///
    /// # Panics
    /// When it recorded nothing.
    #[track_caller]
    pub fn heard(&self) -> Recording {
        Recording::read(&self.recording)
    }
}
