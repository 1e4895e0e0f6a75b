//! `fernamt serve`: runs the exchange until it is told to stop.

mod welcome;

use core::time::Duration;
use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use fernamt_node::config::MediaConfig;
use fernamt_node::{Node, NodeConfig, NodeError};
use fernamt_store::DataFolder;
use fernamt_store::records::{NewDevice, Secret};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use self::welcome::FirstDevice;
use crate::exit::{Exit, ExitWith as _, Failure, Outcome};
use crate::folder::{Location, of_folder};
use crate::{output, password};

/// The settings file in the data folder.
const SETTINGS_FILE: &str = "fernamt.toml";

/// The user name of the first device that is made; the next ones count up.
const FIRST_USER: u16 = 10;

/// With `--drain`: longer than any call.
const UNTIL_THE_LAST_CALL: Duration = Duration::from_secs(366 * 86_400);

/// Run the exchange until it is stopped
///
/// Opens the data folder (and creates it on the first start), listens for phones, and serves until
/// SIGTERM or Ctrl-C. No configuration is needed; every setting has a default.
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER_HELP)]
pub(crate) struct Options {
    /// The settings file; without it DIR/fernamt.toml where that exists
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Listen for SIP here, on UDP and TCP; without it on port 5060 of all addresses
    ///
    /// May be given several times. TLS takes the next port (5061 beside 5060), WebSocket the port
    /// 3 above (5063) and secure WebSocket the port 4 above (5064), where they are free; the
    /// settings file chooses each port on its own.
    #[arg(long, value_name = "ADDR:PORT")]
    sip: Vec<SocketAddr>,

    /// Address and ports for media (RTP); each side of a call takes two ports
    #[arg(long, value_name = "ADDR:LOW-HIGH", value_parser = media)]
    media: Option<String>,

    /// What is logged: error, warn, info, debug or trace; also by part, like
    /// info,fernamt_node=debug [default: info]
    #[arg(long, value_name = "LEVEL")]
    log: Option<String>,

    /// On SIGTERM wait until the last call has ended, instead of leaving calls to the next start
    #[arg(long)]
    drain: bool,

    /// When there is no device yet, make this many, ready to use, and print their passwords
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=20))]
    first_devices: u8,
}

const AFTER_HELP: &str = "\
STOPPING
    SIGTERM or Ctrl-C: no new calls are taken, the number of calls in progress is told, and the
    exchange stops. Calls in progress are written down; the next start picks them up with the same
    media ports, and people talk on. With --drain the exchange waits for the last call to end; a
    second signal ends the waiting.

SETTINGS FILE (TOML; every key may be left out)
    log, shards, drain_seconds, name_servers
    [listen]        sip, udp, tcp, tls, websocket, secure_websocket
    [identity]      realm, domains, advertised
    [tls]           certificate, key, authorities
    [media]         address, ports, endpoints
    [access]        trusted, denied
    [limits]        calls, connections, messages_per_second, failures_before_ban, ban_seconds, …
    [registration]  minimum_seconds, maximum_seconds, default_seconds, nonce_seconds
    [calls]         echo_number, country_code, ring_seconds, session_seconds, redirects, …

EXAMPLES
    fernamt serve
    fernamt serve --data /var/lib/fernamt --sip 192.0.2.10:5060 --media 192.0.2.10:16384-32767
    fernamt serve --data /tmp/try --sip 127.0.0.1:5070 --first-devices 2 --log debug

EXIT CODES
    0  stopped in good order    1  failed    5  port or data folder in use    6  bad settings file";

fn media(text: &str) -> Result<String, String> {
    let mut probe = NodeConfig::default().media;
    probe
        .set(text)
        .map(|()| text.to_owned())
        .map_err(|error| error.to_string())
}

/// Runs the exchange.
pub(crate) fn run(data: &Location, options: Options) -> Outcome {
    let folder = data.path()?;
    let config = config(&folder, &options)?;
    begin_log(&config.log)?;
    let open = DataFolder::open(&folder).map_err(of_folder)?;
    // Only to tell at once, and with the right exit code; the node takes the lock for good.
    drop(open.lock().map_err(of_folder)?);
    let echo_number = config.exchange.echo_number.clone();
    let node = Node::start(config).map_err(of_node)?;
    let made = first_devices(data, options.first_devices)?;
    output::raw(&welcome::text(&node, &folder, &echo_number, &made))?;
    node.wait();
    Ok(Exit::Done)
}

/// The settings file that holds: the one that is named, or that of the data folder.
pub(super) fn config_file(named: Option<&Path>, folder: &Path) -> Option<PathBuf> {
    let usual = || Some(folder.join(SETTINGS_FILE)).filter(|file| file.exists());
    named.map(Path::to_path_buf).or_else(usual)
}

fn config(folder: &Path, options: &Options) -> Result<NodeConfig, Failure> {
    let mut config = match config_file(options.config.as_deref(), folder) {
        Some(file) => NodeConfig::load(&file).exit_with(Exit::BadInput)?,
        None => NodeConfig::default(),
    };
    config.data = folder.to_path_buf();
    if !options.sip.is_empty() {
        config.listen.sip.clone_from(&options.sip);
    }
    if let Some(media) = &options.media {
        set_media(&mut config.media, media)?;
    }
    if let Some(log) = &options.log {
        config.log.clone_from(log);
    }
    if options.drain {
        config.drain = UNTIL_THE_LAST_CALL;
    }
    Ok(config)
}

fn set_media(config: &mut MediaConfig, text: &str) -> Result<(), Failure> {
    config.set(text).exit_with(Exit::Usage)
}

/// What is logged, by level and part.
fn log_filter(text: &str) -> Result<Targets, Failure> {
    let shown = output::safe(text);
    let wrong = |reason: String| {
        Failure::new(
            Exit::Usage,
            format!("`{shown}` is no log level or filter: {reason}"),
        )
    };
    // By itself a word that is no level would be the name of a part.
    let is_level = |part: &str| {
        let is_word = !part.is_empty() && part.parse::<LevelFilter>().is_ok();
        is_word || part.contains('=')
    };
    if let Some(part) = text.split(',').find(|part| !is_level(part)) {
        let part = output::safe(part);
        return Err(wrong(format!(
            "{part} is none of error, warn, info, debug, trace and off"
        )));
    }
    text.parse()
        .map_err(|error: tracing_subscriber::filter::ParseError| wrong(error.to_string()))
}

/// The log goes to standard error, where it does not mix with what the command says.
fn begin_log(filter: &str) -> Result<(), Failure> {
    let targets = log_filter(filter)?;
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(colours);
    tracing_subscriber::registry()
        .with(targets)
        .with(lines)
        .init();
    Ok(())
}

/// Makes the first devices, where there is none; never adds to an installation that is in use.
fn first_devices(data: &Location, count: u8) -> Result<Vec<FirstDevice>, Failure> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let office = data.open()?;
    if office.ask(|records| records.device_count())? > 0 {
        return Ok(Vec::new());
    }
    let mut made = Vec::new();
    for user in (FIRST_USER..).take(count.into()) {
        let device = FirstDevice {
            user: user.to_string(),
            password: password::made_up()?,
        };
        office.ask(|records| {
            records.add_device(NewDevice {
                user: device.user.as_str().into(),
                name: None,
                numbers: Vec::new(),
                direct_media: false,
                encryption: Default::default(),
                media_transport: Default::default(),
                secret: Secret::Password(device.password.as_str().into()),
            })
        })?;
        made.push(device);
    }
    office.tell_exchange();
    Ok(made)
}

fn of_node(error: NodeError) -> Failure {
    let exit = match &error {
        NodeError::PortTaken { .. } => Exit::Taken,
        NodeError::Config(_) | NodeError::NoListener | NodeError::Certificate { .. } => {
            Exit::BadInput
        }
        _ => Exit::Failed,
    };
    Failure::new(exit, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_filter_is_a_level_or_levels_of_parts() {
        for text in [
            "info",
            "off",
            "warn,fernamt_node=debug",
            "fernamt_node=trace",
        ] {
            assert!(log_filter(text).is_ok(), "{text}");
        }
        for text in ["loud", "", "info,loud", "fernamt_node=loud"] {
            assert!(log_filter(text).is_err(), "{text}");
        }
    }

    #[test]
    fn media_is_an_address_and_two_ports() {
        for text in ["127.0.0.1:10000-10999", "[::1]:10000-10999"] {
            assert_eq!(media(text).as_deref(), Ok(text));
        }
        for text in [
            "127.0.0.1:10000",
            "10000-10999",
            "127.0.0.1:9-9",
            "127.0.0.1:9-70000",
        ] {
            assert!(media(text).is_err(), "{text}");
        }
    }
}
