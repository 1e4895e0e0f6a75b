//! `fernamt serve`: runs the exchange until it is told to stop.

use core::str::FromStr;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use crate::exit::Outcome;
use crate::folder::Location;

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

    /// Listen for SIP here, on UDP and TCP [default: 0.0.0.0:5060 and [::]:5060]
    ///
    /// May be given several times. TLS takes the next port (5061 beside 5060), WebSocket the port
    /// 3020 above (8080 beside 5060) and secure WebSocket the port 3023 above (8083), where they
    /// are free; the settings file chooses each port on its own.
    #[arg(long, value_name = "ADDR:PORT")]
    sip: Vec<SocketAddr>,

    /// Address and ports for media (RTP); each call side takes two ports
    #[arg(long, value_name = "ADDR:LOW-HIGH")]
    media: Option<MediaRange>,

    /// What is logged: error, warn, info, debug, trace, or a filter like fernamt_node=debug
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log: String,

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

EXAMPLES
    fernamt serve
    fernamt serve --data /var/lib/fernamt --sip 192.0.2.10:5060 --media 192.0.2.10:16384-32767
    fernamt serve --data /tmp/try --sip 127.0.0.1:5070 --first-devices 2 --log debug

EXIT CODES
    0  stopped in good order    1  failed    5  port or data folder in use    6  bad settings file";

/// `ADDR:LOW-HIGH`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MediaRange {
    /// Where to bind.
    pub(crate) address: IpAddr,
    /// The lowest port.
    pub(crate) low: u16,
    /// The highest port, itself included.
    pub(crate) high: u16,
}

/// The text is no range of media ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotAMediaRange {
    /// Not the three parts.
    #[error("expected ADDR:LOW-HIGH, for example 0.0.0.0:16384-32767 or [::]:16384-32767")]
    Form,
    /// Fewer than two ports.
    #[error("the range must hold at least two ports, the lower one first")]
    Order,
}

impl FromStr for MediaRange {
    type Err = NotAMediaRange;

    fn from_str(text: &str) -> Result<MediaRange, NotAMediaRange> {
        let (first, high) = text.rsplit_once('-').ok_or(NotAMediaRange::Form)?;
        let first: SocketAddr = first.parse().map_err(|_| NotAMediaRange::Form)?;
        let high: u16 = high.parse().map_err(|_| NotAMediaRange::Form)?;
        if high <= first.port() {
            return Err(NotAMediaRange::Order);
        }
        Ok(MediaRange {
            address: first.ip(),
            low: first.port(),
            high,
        })
    }
}

/// Runs the exchange.
pub(crate) fn run(data: &Location, options: Options) -> Outcome {
    let _ = (data, options);
    Ok(crate::exit::Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_range_is_an_address_and_two_ports() {
        assert_eq!(
            "[::1]:10000-10999".parse(),
            Ok(MediaRange {
                address: "::1".parse().expect("an address"),
                low: 10_000,
                high: 10_999
            })
        );
        assert_eq!(
            "127.0.0.1:10000".parse::<MediaRange>(),
            Err(NotAMediaRange::Form)
        );
        assert_eq!(
            "10000-10999".parse::<MediaRange>(),
            Err(NotAMediaRange::Form)
        );
        assert_eq!(
            "127.0.0.1:9-9".parse::<MediaRange>(),
            Err(NotAMediaRange::Order)
        );
        assert_eq!(
            "127.0.0.1:9-70000".parse::<MediaRange>(),
            Err(NotAMediaRange::Form)
        );
    }
}
