//! `fernamt call`: a small phone on the command line.

mod ending;
mod json;
mod lines;
mod settings;

use std::net::SocketAddr;
use std::path::PathBuf;

use fernamt_phone::Phone;
use fernamt_phone::shell::{Interrupter, What};

use self::json::Event;
use crate::exit::{Exit, ExitWith as _, Outcome};
use crate::output;

/// Place or answer a call, and say how it went
///
/// A real phone without loudspeaker and microphone: it plays a file or a tone, records what it
/// hears, prints what happened line by line with the time, and at the end how good the line was.
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER_HELP)]
pub(crate) struct Options {
    /// Whom to call: a SIP URI, or only a number or name together with --server
    ///
    /// `sip:anna@192.0.2.10`, `sip:*43@[2001:db8::1]:5060;transport=tcp`, `sips:anna@example.org`,
    /// or just `anna` or `'*43'`. With --answer it may be left out; where it stands there, it says
    /// who the phone is and at which exchange, as --as and --server do.
    #[arg(value_name = "URI", required_unless_present = "answer")]
    uri: Option<String>,

    /// Be this device of the exchange: the user name of the identity sip:USER@SERVER
    #[arg(long = "as", value_name = "USER")]
    user: Option<String>,

    /// The device's password; `-` reads it from standard input
    #[arg(
        long,
        value_name = "PW",
        env = "FERNAMT_PASSWORD",
        hide_env_values = true
    )]
    password: Option<String>,

    /// The exchange: ADDR, ADDR:PORT or NAME, with `;transport=tcp` or `;transport=tls` where it is
    /// not UDP; without it the host of the URI
    #[arg(long, value_name = "ADDR")]
    server: Option<String>,

    /// Wait for a call and answer it; registers first where --as is given
    #[arg(long)]
    answer: bool,

    /// Register also when placing a call
    #[arg(long, requires = "user")]
    register: bool,

    /// With --answer: let it ring for this long before answering
    #[arg(long, value_name = "N", requires = "answer", value_parser = seconds)]
    ring: Option<core::time::Duration>,

    /// With --answer: refuse the call with this SIP status (486 is busy, 603 declined)
    #[arg(long, value_name = "STATUS", requires = "answer", value_parser = clap::value_parser!(u16).range(400..=699))]
    reject: Option<u16>,

    /// Play this WAV file (PCM, 16 bits, any rate, mono or stereo) once, then silence
    #[arg(long, value_name = "F.wav", conflicts_with = "tone")]
    play: Option<PathBuf>,

    /// Play a tone of this frequency, 20 to 3400 Hz
    #[arg(long, value_name = "HZ", value_parser = clap::value_parser!(u16).range(20..=3400))]
    tone: Option<u16>,

    /// Play the file again and again
    #[arg(long = "loop", requires = "play")]
    repeat: bool,

    /// Record what is heard into this WAV file (8 kHz, mono, 16 bits)
    #[arg(long, value_name = "F.wav")]
    record: Option<PathBuf>,

    /// Hang up after this many seconds of conversation; without it when the other side does, or on
    /// Ctrl-C
    #[arg(long, value_name = "N", value_parser = seconds)]
    seconds: Option<core::time::Duration>,

    /// Give up when the call is not answered (with --answer: when nobody has called) after this
    /// many seconds
    #[arg(long, value_name = "N", value_parser = seconds)]
    wait: Option<core::time::Duration>,

    /// Offer only this codec; may be given several times, in order of preference
    #[arg(long, value_enum, value_name = "CODEC")]
    codec: Vec<Codec>,

    /// Whether the voice is encrypted (SRTP, with keys in the session description)
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Encryption::Offered)]
    encryption: Encryption,

    /// Listen for SIP on this local address and port; without it the system chooses
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,

    /// TLS: accept any certificate, a self-signed one too; nobody knows then who listens
    #[arg(long)]
    insecure: bool,

    /// TLS: trust the certificates in this PEM file instead of those of the system
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    ca: Option<PathBuf>,

    /// Show every SIP message on standard error, without credentials and keys
    #[arg(long)]
    trace: bool,

    /// Print one JSON object at the end instead of lines
    #[arg(long)]
    json: bool,
}

/// A codec that this phone speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Codec {
    /// G.711 A-law
    Pcma,
    /// G.711 µ-law
    Pcmu,
}

/// Whether the voice is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Encryption {
    /// It goes in clear; offers that insist on encryption are refused
    Never,
    /// It is encrypted when the other side can, and over TLS nothing else is offered
    Offered,
    /// Without encryption there is no call
    Required,
}

const AFTER_HELP: &str = "\
EXAMPLES
    fernamt call '*43' --as anna --password secret --server 192.0.2.10 --tone 700 --seconds 5
    fernamt call sip:bert@192.0.2.10 --as anna --play hello.wav --record heard.wav
    fernamt call --answer --as bert --server '192.0.2.10;transport=tls' --insecure --seconds 10
    fernamt call --answer --listen 127.0.0.1:5070 &
    fernamt call sip:x@127.0.0.1:5070 --tone 700 --seconds 3 --json

EXIT CODES
    0    answered and completed, whoever hung up
    1    failed here: a file cannot be read or written, a port cannot be opened
    2    the command line is wrong
    10   nobody has this number or name (404, 484, 604)
    11   user name or password refused (401, 403, 407)
    12   no codec or no encryption in common, or the offer was refused (415, 488, 606)
    13   the server cannot be reached: network, name, or TLS
    14   the server cannot serve the call now (5xx)
    17   busy (486, 600)
    18   the called device is not there or does not respond (408, 410, 480 before ringing)
    19   it rang, but nobody answered; with --answer: nobody called
    20   ended otherwise before it was answered; with --answer: the caller gave up
    21   declined (603); with --reject: refused as asked
    130  interrupted before the call was answered (Ctrl-C)

MEASURES
    MOS (mean opinion score, 1 to 4.5) is estimated with the E-model of ITU-T G.107 from codec, loss
    and delay; the sentence beside it says what costs most. Round trip times need RTCP from the
    other side. The tone is the strongest frequency heard over the call.";

/// A number of seconds, as whole or decimal number.
fn seconds(text: &str) -> Result<core::time::Duration, String> {
    const LONGEST_SECONDS: f64 = 7.0 * 86_400.0;
    text.parse::<f64>()
        .ok()
        .filter(|seconds| (0.0..=LONGEST_SECONDS).contains(seconds))
        .and_then(|seconds| core::time::Duration::try_from_secs_f64(seconds).ok())
        .ok_or_else(|| "expected seconds, 0 to 604800".to_owned())
}

/// Places or answers the call.
pub(crate) fn run(options: Options) -> Outcome {
    let (json, trace) = (options.json, options.trace);
    let recording = options.record.clone();
    let phone = Phone::open(settings::of(options)?).map_err(ending::of_error)?;
    interrupt_on_signals(phone.interrupter()).exit_with(Exit::Failed)?;
    let mut events = Vec::new();
    let report = phone
        .run(|happening| {
            if let What::Trace { sent, peer, text } = &happening.what {
                if trace {
                    output::remark(&lines::trace(*sent, peer, text));
                }
            } else if json {
                events.push(Event::of(happening));
            } else {
                // Whoever closed the pipe wants no lines, but the call goes on in good order.
                let _ = output::line(&lines::of(happening));
            }
        })
        .map_err(ending::of_error)?;
    let ending = ending::of(&report);
    if json {
        output::json(&json::Call::of(&report, &ending, events))?;
    } else {
        output::raw(&lines::summary(&report, &ending, recording.as_deref()))?;
    }
    Ok(ending.exit)
}

/// Ctrl-C and SIGTERM end the call in good order; a second one ends it at once.
fn interrupt_on_signals(interrupter: Interrupter) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (mut interrupts, mut terminations) = {
        let _context = runtime.enter();
        (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        )
    };
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                loop {
                    tokio::select! {
                        Some(()) = interrupts.recv() => interrupter.interrupt(),
                        Some(()) = terminations.recv() => interrupter.interrupt(),
                        else => return,
                    }
                }
            });
        })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_a_decimal_number_within_a_week() {
        assert_eq!(seconds("2.5"), Ok(core::time::Duration::from_millis(2_500)));
        for text in ["-1", "NaN", "inf", "604801", "1h", ""] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
