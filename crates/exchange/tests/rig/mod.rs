//! An exchange with everything around it in one place and virtual time: phones that are scripts,
//! a directory, a location, a media plane and a journal that do what they are told at once.

#![allow(dead_code, missing_docs)]
#![allow(clippy::unwrap_used, clippy::panic)]

mod around;
mod call;
mod dialog;
mod message;
mod phone;
pub(crate) mod sdp;
pub(crate) mod secure;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use fernamt_charging::CallRecord;
use fernamt_exchange::Exchange;
use fernamt_exchange::config::Config;
use fernamt_exchange::directory::{Device, Directory};
use fernamt_exchange::interface::{Event, Input, Target, Ticket};
use fernamt_exchange::journal::{self, Entry};
use fernamt_exchange::media;
use fernamt_exchange::registrar::Location;
use fernamt_sip::digest::Ha1;
use fernamt_sip::time::{Now, Time, UnixTime};
use fernamt_sip::transport::{Flow, Transport};

#[allow(unused_imports, reason = "no test uses all of it")]
pub(crate) use self::{
    call::{ANSWER, OFFER, call_echo, call_late, talking, two_phones, two_phones_on},
    dialog::Talk,
    message::{body, header, method},
    phone::Phone,
};

pub(crate) const EXCHANGE: &str = "192.0.2.1:5060";

pub(crate) struct Rig {
    pub(crate) exchange: Exchange,
    pub(crate) now: Now,
    pub(crate) directory: Directory,
    pub(crate) location: Location,
    /// What was sent, by the address it was sent to.
    pub(crate) wire: VecDeque<(Flow, String)>,
    pub(crate) media: Vec<media::Command>,
    pub(crate) open_ports: Vec<media::EndpointId>,
    next_port: u16,
    pub(crate) records: Vec<(CallRecord, Vec<Entry>)>,
    /// The last state of each call that has no record.
    pub(crate) states: Vec<(fernamt_charging::CallReference, Vec<u8>)>,
    pub(crate) events: Vec<Event>,
    pub(crate) disk_full: bool,
    /// Writing takes until [`Rig::finish_writing`].
    pub(crate) disk_slow: bool,
    writing: Vec<(Ticket, bool)>,
    pub(crate) media_full: bool,
    /// Where every name leads.
    pub(crate) targets: Vec<Target>,
    /// How long the exchange and what is around it have been at work.
    pub(crate) thinking: Duration,
}

pub(crate) fn config() -> Config {
    Config {
        listeners: vec![
            (Transport::Udp, EXCHANGE.parse().unwrap()),
            (Transport::Tcp, EXCHANGE.parse().unwrap()),
        ],
        addresses: vec!["192.0.2.1".parse().unwrap()],
        secret: [7; 32],
        ..Config::default()
    }
}

impl Rig {
    pub(crate) fn new() -> Rig {
        Rig::with(config())
    }

    pub(crate) fn with(config: Config) -> Rig {
        let mut rig = Rig {
            exchange: Exchange::new(config, 0, [1; 32]).unwrap(),
            now: Now {
                time: Time::from_micros(1_000_000),
                unix: UnixTime::from_micros(1_800_000_000_000_000),
            },
            directory: Directory::default(),
            location: Location::default(),
            wire: VecDeque::new(),
            media: Vec::new(),
            open_ports: Vec::new(),
            next_port: 30_000,
            records: Vec::new(),
            states: Vec::new(),
            events: Vec::new(),
            disk_full: false,
            disk_slow: false,
            writing: Vec::new(),
            media_full: false,
            targets: Vec::new(),
            thinking: Duration::ZERO,
        };
        for user in ["anna", "bert", "carla"] {
            rig.add_device(user, &[]);
        }
        rig
    }

    pub(crate) fn add_device(&mut self, user: &str, numbers: &[&str]) {
        self.directory.insert(Device {
            user: user.into(),
            name: Some(format!("{user} at home").into()),
            numbers: numbers
                .iter()
                .map(|number| number.parse().unwrap())
                .collect(),
            ha1: Ha1::new(user, "fernamt", &format!("secret-{user}")),
            direct_media: false,
            encryption: Default::default(),
            media_transport: Default::default(),
        });
    }

    /// What the record of a device says of encryption.
    pub(crate) fn wish(&mut self, user: &str, encryption: &str, media_transport: &str) {
        let device = Device::clone(self.directory.device(user).unwrap());
        self.directory.insert(Device {
            encryption: encryption.parse().unwrap(),
            media_transport: media_transport.parse().unwrap(),
            ..device
        });
    }

    /// The last that the media plane was told of each endpoint, in the order of their names.
    pub(crate) fn remotes(&self) -> Vec<(media::EndpointId, media::Remote)> {
        let mut last = std::collections::BTreeMap::new();
        for order in &self.media {
            if let media::Command::Remote { endpoint, remote } = order {
                last.insert(*endpoint, media::Remote::clone(remote));
            }
        }
        last.into_iter().collect()
    }

    /// What the media plane was told last of the caller and of the called party, who are all.
    #[track_caller]
    pub(crate) fn sides(&self) -> (media::Remote, media::Remote) {
        let remotes = self.remotes();
        let [(_, caller), (_, callee)] = &remotes[..] else {
            panic!("{remotes:?}")
        };
        (caller.clone(), callee.clone())
    }

    /// The last call that has ended: what its journal says in words of decisions and of media, line by line.
    #[track_caller]
    pub(crate) fn words(&self) -> String {
        let text = |entry: &Entry| match &entry.event {
            journal::Event::Decided { why } => why.to_string(),
            journal::Event::Media { what, .. } => what.to_string(),
            _ => String::new(),
        };
        let (_, journal) = self.records.last().unwrap();
        journal.iter().map(text).collect::<Vec<_>>().join("\n")
    }

    /// The last call that has ended: all that its journal holds.
    #[track_caller]
    pub(crate) fn journal(&self) -> String {
        format!("{:?}", self.records.last().unwrap().1)
    }

    /// The device's media may flow directly.
    pub(crate) fn allow_direct_media(&mut self, user: &str) {
        let device = Device::clone(self.directory.device(user).unwrap());
        self.directory.insert(Device {
            direct_media: true,
            ..device
        });
    }

    /// An exchange that starts with calls on disk, as this version of it has written them.
    #[track_caller]
    pub(crate) fn recovered(config: Config, version: u8, states: &[&[u8]]) -> Rig {
        let mut rig = Rig::with(config.clone());
        for state in states {
            assert_eq!(state.first(), Some(&version));
            let reference = Exchange::reference_of_state(state).unwrap();
            rig.states.push((reference, state.to_vec()));
        }
        rig.crash(config);
        rig
    }

    /// The exchange is killed and started again; it has what was on disk.
    pub(crate) fn crash(&mut self, config: Config) {
        self.exchange = Exchange::new(config, 0, [2; 32]).unwrap();
        self.wire.clear();
        self.media.clear();
        self.open_ports.clear();
        for (_, state) in std::mem::take(&mut self.states) {
            self.states
                .push((Exchange::reference_of_state(&state).unwrap(), state.clone()));
            let command = fernamt_exchange::interface::Command::Recover { state };
            self.input(Input::Command(command));
        }
    }

    /// The next message for this address, of any kind.
    pub(crate) fn next_for(&mut self, phone: &Phone) -> Option<String> {
        let index = self
            .wire
            .iter()
            .position(|(flow, _)| flow.remote == phone.address)?;
        self.wire.remove(index).map(|(_, text)| text)
    }
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn arc<T>(value: T) -> Arc<T> {
    Arc::new(value)
}
