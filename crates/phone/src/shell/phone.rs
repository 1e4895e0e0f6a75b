//! The loop of a phone: moves bytes, deadlines and frames between the sockets and the pure rooms.

use core::time::Duration;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use fernamt_sip::time::{Now, Time};
use fernamt_sip::transport::Flow;

use super::clock::{Clock, random};
use super::network::{Arrived, Network, NetworkError};
use super::place::{local_address_towards, resolve};
use super::plan::Plan;
use super::report::{Happening, PhoneSettings, Report, Task, What};
use super::wake::Interrupter;
use crate::address::ServerAddress;
use crate::agent::{AgentSettings, Event, Home, Input, Output, UserAgent};
use crate::audio::{Player, Recorder, WavError};
use crate::media::{MediaOutput, MediaPlan, MediaSession, StreamNumbers};

/// The phone looks at its clocks at least this often.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Why a phone does not start or has to stop.
#[derive(Debug, thiserror::Error)]
pub enum PhoneError {
    /// A file cannot be played or written.
    #[error(transparent)]
    Wav(#[from] WavError),
    /// A socket cannot be opened, a name not found.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The system gives no random numbers.
    #[error("no random numbers from the system: {0}")]
    Random(std::io::Error),
    /// Nobody could reach it.
    #[error(
        "a phone that waits for calls needs an exchange to register with (--server and --as) or an address to listen on (--listen)"
    )]
    Unreachable,
}

/// A phone that is ready: its sockets are open, its files are readable.
pub struct Phone {
    agent: UserAgent,
    network: Network,
    clock: Clock,
    plan: Plan,
    home: Option<Flow>,
    player: Player,
    recorder: Option<Recorder>,
    media: Option<MediaSession>,
    seed: [u8; 8],
    /// Where the signalling of the call comes from.
    signalling: IpAddr,
    trace: bool,
    report: Report,
}

impl Phone {
    /// Opens sockets and files.
    ///
    /// # Errors
    /// [`PhoneError`] says what is in the way; nothing was sent then, but a stream connection may
    /// have been made.
    pub fn open(settings: PhoneSettings) -> Result<Phone, PhoneError> {
        let player = Player::open(&settings.sound)?;
        let recorder = settings
            .record
            .as_deref()
            .map(Recorder::create)
            .transpose()?;
        let direct = match &settings.task {
            Task::Call(target) => Some(target.server.clone()),
            Task::Answer { .. } => None,
        };
        let server = settings.server.clone().or(direct);
        if server.is_none() && settings.listen.is_none() {
            return Err(PhoneError::Unreachable);
        }
        let local = local_address(&settings, server.as_ref())?;
        let mut network = Network::open(settings.listen, local, settings.trust.clone())?;
        let flow = server
            .as_ref()
            .map(|server| network.connect(server))
            .transpose()?;
        let home = settings.server.clone().zip(flow);
        let agent_settings = AgentSettings {
            identity: settings.identity.clone(),
            home: home.map(|(server, flow)| Home { server, flow }),
            voices: settings.voices.clone(),
            media_port: network.media_port()?,
            encryption: settings.encryption,
            accept_calls: matches!(settings.task, Task::Answer { .. }),
            ..AgentSettings::default()
        };
        let clock = Clock::new();
        let signalling = flow.map_or(local, |flow| flow.remote.ip());
        Ok(Phone {
            agent: UserAgent::new(agent_settings, random().map_err(PhoneError::Random)?),
            seed: random().map_err(PhoneError::Random)?,
            report: Report::empty(clock.now().unix),
            plan: Plan::new(&settings, flow),
            home: flow,
            trace: settings.trace,
            network,
            clock,
            player,
            recorder,
            media: None,
            signalling,
        })
    }

    /// Ends the phone's work from another thread.
    pub fn interrupter(&self) -> Interrupter {
        self.network.interrupter()
    }

    /// Does the work and tells what happens; returns when it is done.
    ///
    /// # Errors
    /// When the system refuses something that cannot be done without.
    pub fn run(mut self, mut tell: impl FnMut(&Happening)) -> Result<Report, PhoneError> {
        let mut arrived = Vec::new();
        let local = self.network.sip_local();
        let start = self.clock.now();
        if self.plan.waits_for_calls() {
            self.tell(start, What::Listening(local), &mut tell);
        }
        loop {
            let now = self.clock.now();
            self.act(now, &mut tell);
            if self.plan.is_done(now.time, self.agent.is_quiet()) {
                break;
            }
            let timeout = self
                .deadline()
                .map_or(LONGEST_WAIT, |at| at.since(now.time));
            self.network.wait(timeout.min(LONGEST_WAIT), &mut arrived)?;
            for arrival in arrived.drain(..) {
                self.arrived(arrival, &mut tell);
            }
        }
        self.finish()
    }

    fn deadline(&self) -> Option<Time> {
        let media = self.media.as_ref().and_then(MediaSession::due);
        [self.agent.deadline(), self.plan.deadline(), media]
            .into_iter()
            .flatten()
            .min()
    }

    /// Does everything that is due.
    fn act(&mut self, now: Now, tell: &mut impl FnMut(&Happening)) {
        if self.agent.deadline().is_some_and(|due| due <= now.time) {
            self.agent.handle(now.time, Input::Timer);
        }
        if let Some(media) = &mut self.media {
            media.tick(now);
        }
        self.plan.expire(now.time);
        loop {
            let mut idle = true;
            while let Some(command) = self.plan.next_command() {
                idle = false;
                self.agent.handle(now.time, Input::Command(command));
            }
            while let Some(output) = self.agent.poll() {
                idle = false;
                match output {
                    Output::Send { flow, bytes } => self.send(now, flow, &bytes, tell),
                    Output::Event(event) => self.event(now, event, tell),
                }
            }
            if idle {
                break;
            }
        }
        self.voice(now, tell);
    }

    fn send(&mut self, now: Now, flow: Flow, bytes: &[u8], tell: &mut impl FnMut(&Happening)) {
        if self.trace {
            self.tell(now, traced(true, flow, bytes), tell);
        }
        if let Err(reason) = self.network.send(flow, bytes) {
            self.trouble(now, reason, tell);
            self.agent.handle(now.time, Input::SendFailed(flow));
        }
    }

    fn trouble(&mut self, now: Now, reason: String, tell: &mut impl FnMut(&Happening)) {
        self.report.network_trouble = Some(reason.clone());
        self.tell(now, What::NetworkTrouble(reason), tell);
    }

    fn arrived(&mut self, arrival: Arrived, tell: &mut impl FnMut(&Happening)) {
        let now = self.clock.now();
        match arrival {
            Arrived::Message { flow, bytes } => {
                if self.trace {
                    self.tell(now, traced(false, flow, &bytes), tell);
                }
                if self.plan.waits_for_calls() && self.media.is_none() {
                    self.signalling = flow.remote.ip();
                }
                self.agent.handle(
                    now.time,
                    Input::Message {
                        flow,
                        bytes: &bytes,
                    },
                );
            }
            Arrived::Closed { connection, reason } => {
                if let Some(reason) = reason {
                    self.trouble(now, reason, tell);
                }
                self.agent
                    .handle(now.time, Input::ConnectionClosed(connection));
            }
            Arrived::Media { from, mut bytes } => {
                if let Some(media) = &mut self.media {
                    media.received(now, from, &mut bytes);
                }
            }
            Arrived::Interrupted => {
                self.tell(now, What::Interrupted, tell);
                self.plan.interrupted(now.time);
            }
        }
    }

    /// What the agent tells: for the person, for the plan, for the voice.
    fn event(&mut self, now: Now, event: Event, tell: &mut impl FnMut(&Happening)) {
        self.plan.event(now.time, &event);
        let report = &mut self.report;
        let what = match event {
            Event::Registered { expires_seconds } => What::Registered { expires_seconds },
            Event::RegistrationFailed(refusal) => What::RegistrationFailed(refusal),
            Event::Unregistered => return,
            Event::Calling { call_id } => {
                report.start = Some(now.unix);
                report.call_id = Some(call_id);
                let to = self.home.map_or_else(String::new, |flow| flow.to_string());
                What::Calling {
                    uri: self.plan.called().into(),
                    to,
                }
            }
            Event::Progress {
                status,
                reason,
                reliable,
            } => {
                if report.ringing_after.is_none() {
                    report.ringing_after = self.plan.since_call(now.time);
                }
                What::Progress {
                    status,
                    reason,
                    reliable,
                }
            }
            Event::Incoming { from, call_id } => {
                report.start = Some(now.unix);
                report.call_id = Some(call_id);
                report.from = Some(from.clone());
                What::Incoming { from }
            }
            Event::Answered => {
                report.answer = Some(now.unix);
                report.setup = self.plan.since_call(now.time);
                if let Some(media) = &mut self.media {
                    media.begin_talk();
                }
                What::Answered {
                    setup: report.setup.unwrap_or_default(),
                }
            }
            Event::Media(plan) => {
                self.agree(now, &plan);
                What::Media(plan)
            }
            Event::HoldRefused(_) => return,
            Event::Ended(ended) => {
                report.end = now.unix;
                report.talk = self.plan.talked(now.time);
                if let Some(media) = &mut self.media {
                    media.end(now);
                }
                What::Ended(ended)
            }
        };
        self.tell(now, what, tell);
    }

    fn agree(&mut self, now: Now, plan: &MediaPlan) {
        self.report.media = Some(plan.clone());
        if self.media.is_none() {
            let [a, b, c, d, e, f, g, h] = self.seed;
            let numbers = StreamNumbers {
                ssrc: u32::from_be_bytes([a, b, c, d]),
                sequence: u16::from_be_bytes([e, f]),
                timestamp: u32::from_be_bytes([g, h, e, f]),
            };
            let name = format!("phone-{a:02x}{b:02x}{c:02x}{d:02x}");
            let player = self.player.clone();
            let signalling = self.signalling;
            self.media = Some(MediaSession::new(
                now.time, numbers, name, signalling, player,
            ));
        }
        if let Some(media) = &mut self.media {
            media.agree(now.time, plan.clone());
            if self.report.answer.is_some() {
                media.begin_talk();
            }
        }
    }

    fn voice(&mut self, now: Now, tell: &mut impl FnMut(&Happening)) {
        while let Some(output) = self.media.as_mut().and_then(MediaSession::poll) {
            match output {
                MediaOutput::Send { to, bytes, control } => {
                    self.network.send_media(to, &bytes, control);
                }
                MediaOutput::Heard(frame) => {
                    let written = self
                        .recorder
                        .as_mut()
                        .map(|recorder| recorder.write(&*frame));
                    if let Some(Err(error)) = written {
                        self.recorder = None;
                        self.report.recording_error = Some(error.to_string());
                        self.tell(now, What::RecordingFailed(error.to_string()), tell);
                    }
                }
                MediaOutput::Key(key) => self.tell(now, What::Key(key), tell),
            }
        }
    }

    fn tell(&self, now: Now, what: What, tell: &mut impl FnMut(&Happening)) {
        let since_start = now.time.since(Time::ZERO);
        tell(&Happening {
            unix: now.unix,
            since_start,
            what,
        });
    }

    fn finish(mut self) -> Result<Report, PhoneError> {
        if let Some(recorder) = self.recorder.take()
            && let Err(error) = recorder.finish()
        {
            self.report.recording_error = Some(error.to_string());
        }
        self.report.figures = self.media.as_ref().map(MediaSession::figures);
        self.report.outcome = self.plan.outcome();
        Ok(self.report)
    }
}

/// The address of this machine that the phone uses.
fn local_address(
    settings: &PhoneSettings,
    server: Option<&ServerAddress>,
) -> Result<IpAddr, PhoneError> {
    const ANY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
    if let Some(listen) = settings.listen {
        return Ok(listen.ip());
    }
    let Some(server) = server else {
        return Ok(ANY.ip());
    };
    let remote = resolve(server, ANY)?;
    Ok(local_address_towards(remote).unwrap_or(ANY.ip()))
}

/// A message for people: credentials and keys are left out, and nothing in it can move a cursor.
fn traced(sent: bool, flow: Flow, bytes: &[u8]) -> What {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = String::with_capacity(text.len());
    for line in text.lines() {
        let name = line.split(':').next().unwrap_or("").trim();
        let is_secret = ["Authorization", "Proxy-Authorization", "a=crypto"]
            .iter()
            .any(|secret| name.eq_ignore_ascii_case(secret));
        if is_secret {
            lines.push_str(name);
            lines.push_str(": (left out)");
        } else {
            lines.push_str(&fernamt_sip::escape::Escaped(line).to_string());
        }
        lines.push('\n');
    }
    What::Trace {
        sent,
        peer: flow.to_string(),
        text: lines,
    }
}
