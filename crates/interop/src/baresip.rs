//! baresip (Debian's 1.0.0), a phone that others wrote. It is steered over its control port, plays
//! a tone and keeps what it hears in a WAV file.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::exchange::Account;
use crate::lab::Lab;
use crate::network::connect_in;
use crate::process::Process;
use crate::sound::{Recording, tone_file};
use crate::wait::{SOON, until};

/// The program and its package.
pub const BARESIP: (&str, &str) = ("baresip", "baresip-core");

/// Where Debian puts the modules: the folder differs between its releases.
const MODULE_FOLDERS: [&str; 2] = ["/usr/lib/baresip/modules", "/usr/local/lib/baresip/modules"];

/// What each phone is made of.
const MODULES: [&str; 10] = [
    "stdio",
    "g711",
    "aufile",
    "sndfile",
    "ctrl_tcp",
    "srtp",
    "dtls_srtp",
    "stun",
    "turn",
    "ice",
];

/// What one with video is made of besides.
const VIDEO_MODULES: [&str; 2] = ["vp8", "fakevideo"];

/// A tone lasts longer than any test.
const TONE_SECONDS: u32 = 120;

/// Ports for RTP; a call takes two.
const RTP_PORTS: u16 = 20;

/// How a baresip is set up.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Who it is.
    pub account: Account,
    /// Where it registers.
    pub server: SocketAddr,
    /// `udp`, `tcp` or `tls`.
    pub transport: &'static str,
    /// Its own address.
    pub address: IpAddr,
    /// The tone that it plays.
    pub tone_hz: u16,
    /// Whether it answers by itself.
    pub answers: bool,
    /// Its codec, as baresip writes it.
    pub codec: &'static str,
    /// Whom it trusts by TLS; `None`: everybody.
    pub authority: Option<PathBuf>,
    /// The network namespace that it lives in.
    pub namespace: Option<String>,
    /// How long a registration lasts that it asks for, in seconds.
    pub expires_seconds: u32,
    /// How its media are encrypted: `srtp`, `srtp-mand` or `dtls_srtp` (with an RSA certificate);
    /// `None`: not at all.
    pub encryption: Option<&'static str>,
    /// How its media get through NAT: `ice`, `stun` or `turn`; `None`: not at all.
    pub nat: Option<&'static str>,
    /// The server that helps with that, for example `turn:198.51.100.1:3478`; it is asked with the
    /// user and password of the account.
    pub nat_server: Option<String>,
    /// Whether RTP and RTCP share a port.
    pub mux: bool,
    /// Whether it has a camera that shows a moving pattern, a screen that nobody sees, and VP8.
    pub video: bool,
}

impl Setup {
    /// A phone on this machine that answers by itself.
    pub fn new(account: &Account, server: SocketAddr, tone_hz: u16) -> Setup {
        Setup {
            account: account.clone(),
            server,
            transport: "udp",
            address: Ipv4Addr::LOCALHOST.into(),
            tone_hz,
            answers: true,
            codec: "pcma/8000/1",
            authority: None,
            namespace: None,
            expires_seconds: 600,
            encryption: None,
            nat: None,
            nat_server: None,
            mux: false,
            video: false,
        }
    }
}

/// A running baresip.
#[derive(Debug)]
pub struct Baresip {
    process: Process,
    control: TcpStream,
    unread: Vec<u8>,
    events: Vec<Value>,
    answers: Vec<String>,
    recordings: PathBuf,
    user: String,
}

impl Baresip {
    /// Starts a phone with the usual setup and waits until it is registered.
    ///
    /// # Panics
    /// When it does not register.
    #[track_caller]
    pub fn start(lab: &Lab, account: &Account, server: SocketAddr, tone_hz: u16) -> Baresip {
        Baresip::start_as(lab, &Setup::new(account, server, tone_hz))
    }

    /// Starts a phone and waits until it is registered.
    ///
    /// # Panics
    /// When it does not register.
    #[track_caller]
    pub fn start_as(lab: &Lab, setup: &Setup) -> Baresip {
        let mut phone = Baresip::launch(lab, setup);
        // Too early for the control port to tell.
        phone.process.wait_for("registered successfully", SOON);
        phone
    }

    /// Starts a phone.
    ///
    /// # Panics
    /// When it cannot be started.
    #[track_caller]
    pub fn launch(lab: &Lab, setup: &Setup) -> Baresip {
        let user = &setup.account.user;
        let name = lab.unique(&format!("baresip-{user}"));
        let folder = lab.make_folder(&name);
        let recordings = lab.make_folder(&format!("{name}/recordings"));
        let port = lab.few_ports(2 + 1 + RTP_PORTS);
        let control_port = port + 2;
        let tone = tone_file(lab, setup.tone_hz, TONE_SECONDS);
        let config = config(setup, port, &tone, &recordings);
        fs::write(folder.join("config"), config).expect("a file can be written");
        fs::write(folder.join("accounts"), accounts(setup)).expect("a file can be written");
        fs::write(folder.join("contacts"), "").expect("a file can be written");
        let mut words = Vec::new();
        if let Some(namespace) = &setup.namespace {
            words.extend(["ip", "netns", "exec", namespace].map(str::to_owned));
        }
        words.push(BARESIP.0.to_owned());
        let family = if setup.address.is_ipv4() { "-4" } else { "-6" };
        let mut command = Command::new(&words[0]);
        command
            .args(&words[1..])
            .args([family, "-v", "-f"])
            .arg(&folder);
        let process = Process::start(lab, &name, &mut command);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, control_port));
        let namespace = setup.namespace.as_deref();
        let control = until("baresip's control port", SOON, || {
            connect_in(namespace, address).ok()
        });
        control
            .set_read_timeout(Some(Duration::from_millis(10)))
            .expect("a timeout can be set");
        Baresip {
            process,
            control,
            unread: Vec::new(),
            events: Vec::new(),
            answers: Vec::new(),
            recordings,
            user: user.clone(),
        }
    }

    /// Gives a command, for example `dial` with a SIP URI.
    ///
    /// # Panics
    /// When it takes none.
    #[track_caller]
    pub fn command(&mut self, command: &str, parameters: &str) {
        let order = json!({ "command": command, "params": parameters }).to_string();
        let framed = format!("{}:{order},", order.len());
        self.control
            .write_all(framed.as_bytes())
            .unwrap_or_else(|error| panic!("baresip of {} takes no command: {error}", self.user));
    }

    /// Calls somebody.
    #[track_caller]
    pub fn dial(&mut self, uri: &str) {
        self.command("dial", uri);
    }

    /// Hangs up.
    #[track_caller]
    pub fn hang_up(&mut self) {
        self.command("hangup", "");
    }

    /// The figures of its video as it shows them to people.
    ///
    /// # Panics
    /// When it tells nothing.
    #[track_caller]
    pub fn video(&mut self) -> String {
        self.answers.clear();
        self.command("video_debug", "");
        until("baresip to tell of its video", SOON, || {
            self.read_events();
            self.answers.pop()
        })
    }

    /// How many pictures it has decoded.
    ///
    /// # Panics
    /// When it does not tell.
    #[track_caller]
    pub fn pictures(&mut self) -> u64 {
        let shown = self.video();
        let (_, decoded) = shown.split_once("rx: decode").unwrap_or_default();
        let number = decoded.split_once("frames=").map(|(_, rest)| {
            let digits = rest.find(|letter: char| !letter.is_ascii_digit());
            rest[..digits.unwrap_or(rest.len())].parse()
        });
        number
            .and_then(Result::ok)
            .unwrap_or_else(|| panic!("no number of pictures in {shown}"))
    }

    /// Waits for the next event of this type; those before it are forgotten.
    ///
    /// # Panics
    /// When it does not come.
    #[track_caller]
    pub fn wait_event(&mut self, kind: &str) -> Value {
        let what = format!("{kind} at the baresip of {}", self.user);
        until(&what, SOON, || {
            self.read_events();
            let at = self.events.iter().position(|event| event["type"] == kind)?;
            self.events.drain(..=at).next_back()
        })
    }

    fn read_events(&mut self) {
        let mut buffer = [0; 16_384];
        if let Ok(length) = self.control.read(&mut buffer) {
            self.unread.extend_from_slice(&buffer[..length]);
        }
        while let Some((message, taken)) = netstring(&self.unread) {
            let value: Value = serde_json::from_slice(message).unwrap_or_default();
            if value["event"] == true {
                self.events.push(value);
            } else if let Some(answer) = value["data"].as_str() {
                self.answers.push(answer.to_owned());
            }
            self.unread.drain(..taken);
        }
    }

    /// Everything it has written so far.
    pub fn said(&self) -> String {
        self.process.said()
    }

    /// What it heard in its last call. The file is whole when the call is over.
    ///
    /// # Panics
    /// When it heard nothing.
    #[track_caller]
    pub fn heard(&self) -> Recording {
        let mut files: Vec<PathBuf> = fs::read_dir(&self.recordings)
            .expect("the folder can be read")
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.to_string_lossy().ends_with("-dec.wav"))
            .collect();
        files.sort();
        let last = files.last();
        Recording::read(last.unwrap_or_else(|| panic!("baresip of {} heard nothing", self.user)))
    }

    /// Ends it in good order, so that it removes its registration; judges what it heard.
    ///
    /// # Panics
    /// When it does not end, or heard nothing.
    #[track_caller]
    pub fn quit_and(mut self, judge: impl FnOnce(Recording)) {
        self.command("quit", "");
        self.process.wait(SOON);
        judge(self.heard());
    }

    /// Ends it at once, as when the mains are gone: nobody is told.
    pub fn kill(&mut self) {
        self.process.kill();
    }
}

/// The first whole netstring (`LENGTH:BYTES,`), and how many bytes it takes.
fn netstring(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let colon = bytes.iter().position(|byte| *byte == b':')?;
    let length: usize = std::str::from_utf8(&bytes[..colon]).ok()?.parse().ok()?;
    let end = colon + 1 + length;
    (bytes.len() > end).then(|| (&bytes[colon + 1..end], end + 1))
}

fn accounts(setup: &Setup) -> String {
    let Setup {
        account,
        server,
        transport,
        ..
    } = setup;
    let answer = if setup.answers { "auto" } else { "manual" };
    let mut line = format!(
        "<sip:{user}@{server};transport={transport}>;\
         outbound=\"sip:{server};transport={transport}\";\
         auth_user={user};auth_pass={password};regint={expires};answermode={answer};\
         audio_codecs={codec}",
        user = account.user,
        password = account.password,
        expires = setup.expires_seconds,
        codec = setup.codec,
    );
    for (name, value) in [("mediaenc", setup.encryption), ("medianat", setup.nat)] {
        if let Some(value) = value {
            let _ = write!(line, ";{name}={value}");
        }
    }
    if let Some(server) = &setup.nat_server {
        let _ = write!(
            line,
            ";stunserver=\"{server}\";stunuser={user};stunpass={password}",
            user = account.user,
            password = account.password,
        );
    }
    line + "\n"
}

fn config(
    setup: &Setup,
    port: u16,
    tone: &std::path::Path,
    recordings: &std::path::Path,
) -> String {
    let address = setup.address;
    let modules = MODULE_FOLDERS
        .into_iter()
        .find(|folder| std::path::Path::new(folder).is_dir())
        .unwrap_or(MODULE_FOLDERS[0]);
    let mut text = format!(
        "poll_method epoll\n\
         sip_listen {listen}\n\
         sip_trans_def {transport}\n\
         net_interface {address}\n\
         call_local_timeout 120\n\
         call_max_calls 4\n\
         audio_path /usr/share/baresip\n\
         audio_source aufile,{tone}\n\
         audio_alert aufile,{alert}\n\
         ausrc_srate 8000\n\
         auplay_srate 8000\n\
         ausrc_channels 1\n\
         auplay_channels 1\n\
         audio_txmode poll\n\
         audio_level no\n\
         ausrc_format s16\n\
         auplay_format s16\n\
         auenc_format s16\n\
         audec_format s16\n\
         audio_buffer 20-160\n\
         rtp_tos 184\n\
         rtp_ports {first_rtp}-{last_rtp}\n\
         rtcp_mux {mux}\n\
         jitter_buffer_type fixed\n\
         jitter_buffer_delay 5-10\n\
         rtp_stats yes\n\
         video_source fakevideo,nil\n\
         video_display fakevideo,nil\n\
         video_size 320x240\n\
         video_bitrate 300000\n\
         video_fps 15\n\
         module_path {modules}\n",
        listen = SocketAddr::new(address, port),
        transport = setup.transport,
        tone = tone.display(),
        alert = recordings.join("alert.wav").display(),
        mux = if setup.mux { "yes" } else { "no" },
        first_rtp = port + 3,
        last_rtp = port + 2 + RTP_PORTS,
    );
    let video: &[&str] = if setup.video { &VIDEO_MODULES } else { &[] };
    for module in MODULES.iter().chain(video) {
        let _ = writeln!(text, "module {module}.so");
    }
    for (kind, module) in [("tmp", "uuid"), ("tmp", "account"), ("app", "menu")] {
        let _ = writeln!(text, "module_{kind} {module}.so");
    }
    let _ = writeln!(text, "ctrl_tcp_listen 127.0.0.1:{}", port + 2);
    let _ = writeln!(text, "snd_path {}", recordings.display());
    if let Some(authority) = &setup.authority {
        let _ = writeln!(text, "sip_cafile {}", authority.display());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::netstring;

    #[test]
    fn a_netstring_is_taken_when_it_is_whole() {
        assert_eq!(netstring(b"3:abc,4:de"), Some((&b"abc"[..], 6)));
        assert_eq!(netstring(b"3:abc"), None);
        assert_eq!(netstring(b""), None);
    }
}
