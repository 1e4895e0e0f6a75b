//! linphonec (Debian's linphone-cli), a phone that others wrote, steered by typed commands. It uses
//! files in place of a sound card.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use crate::exchange::Account;
use crate::lab::Lab;
use crate::process::Process;
use crate::sound::{Recording, tone_file};
use crate::wait::{SOON, until_true};

/// The program and its package.
pub const LINPHONE: (&str, &str) = ("linphonec", "linphone-cli");

/// A tone lasts longer than any test.
const TONE_SECONDS: u32 = 120;

/// How a linphonec is set up.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Who it is.
    pub account: Account,
    /// Where it registers by UDP.
    pub server: SocketAddr,
    /// The tone that it plays.
    pub tone_hz: u16,
    /// Whether it demands SRTP, with keys in the session description.
    pub is_encrypted: bool,
}

impl Setup {
    /// A phone without encryption.
    pub fn new(account: &Account, server: SocketAddr, tone_hz: u16) -> Setup {
        Setup {
            account: account.clone(),
            server,
            tone_hz,
            is_encrypted: false,
        }
    }
}

/// A running linphonec.
#[derive(Debug)]
pub struct Linphone {
    process: Process,
    recording: PathBuf,
}

impl Linphone {
    /// Starts a phone that answers by itself and waits until it is registered.
    ///
    /// # Panics
    /// When it does not register.
    #[track_caller]
    pub fn start(lab: &Lab, account: &Account, server: SocketAddr, tone_hz: u16) -> Linphone {
        Linphone::start_as(lab, &Setup::new(account, server, tone_hz))
    }

    /// The same, set up in another way.
    ///
    /// # Panics
    /// When it does not register.
    #[track_caller]
    pub fn start_as(lab: &Lab, setup: &Setup) -> Linphone {
        let name = format!("linphone-{}", setup.account.user);
        let home = lab.make_folder(&name);
        lab.make_folder(&format!("{name}/.local/share/linphone"));
        let settings = home.join("settings");
        let port = lab.few_ports(22);
        std::fs::write(&settings, config(setup, port)).expect("a file can be written");
        let recording = home.join("heard.wav");
        let tone = tone_file(lab, setup.tone_hz, TONE_SECONDS);
        let mut command = Command::new(LINPHONE.0);
        command
            .arg("-a")
            .arg("-c")
            .arg(&settings)
            .env("HOME", &home)
            .env("XDG_DATA_HOME", &home)
            .env("XDG_CONFIG_HOME", &home);
        let mut process = Process::start(lab, &name, &mut command);
        until_true("the registration of linphonec", SOON, || {
            process.type_line("status register");
            process.said().contains("registered, identity=")
        });
        process.type_line("soundcard use files");
        process.wait_for("Using wav files", SOON);
        process.type_line(&format!("play {}", tone.display()));
        process.type_line(&format!("record {}", recording.display()));
        Linphone { process, recording }
    }

    /// Calls somebody.
    pub fn call(&mut self, uri: &str) {
        self.process.type_line(&format!("call {uri}"));
    }

    /// Hangs up.
    pub fn hang_up(&mut self) {
        self.process.type_line("terminate");
    }

    /// Ends it; its registration and its recording are closed.
    ///
    /// # Panics
    /// When it does not end.
    #[track_caller]
    pub fn quit(mut self) -> Recording {
        self.process.type_line("quit");
        self.process.wait(SOON);
        Recording::read(&self.recording)
    }
}

fn config(setup: &Setup, port: u16) -> String {
    let Account { user, password } = &setup.account;
    let server = setup.server;
    let (encryption, is_demanded) = if setup.is_encrypted {
        ("srtp", 1)
    } else {
        ("none", 0)
    };
    let address = server.ip();
    let (first, last) = (port + 1, port + 21);
    format!(
        "[sip]\nsip_port={port}\nbind_address={address}\ndefault_proxy=0\n\
         register_only_when_network_is_up=0\nmedia_encryption={encryption}\n\
         media_encryption_mandatory={is_demanded}\n\
         [net]\n\
         [rtp]\naudio_rtp_port={first}-{last}\n\
         [sound]\nechocancellation=0\n\
         [video]\nenabled=0\ncapture=0\ndisplay=0\n\
         [misc]\nversion_check_url_root=\n\
         [proxy_0]\nreg_proxy=<sip:{server};transport=udp>\nreg_route=<sip:{server};transport=udp;lr>\n\
         reg_identity=sip:{user}@{server}\nreg_expires=600\nreg_sendregister=1\npublish=0\n\
         [auth_info_0]\nusername={user}\npasswd={password}\nrealm=fernamt\n"
    )
}
