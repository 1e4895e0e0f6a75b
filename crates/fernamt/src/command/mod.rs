//! The command line: what there is to say, and which room does it. Each command is a file here.

mod apply;
mod call;
mod calls;
mod cdr;
mod completions;
mod device;
mod explain;
mod export;
mod manual;
mod registrations;
mod route;
mod serve;
mod status;
mod turn;

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};

use crate::exit::{Exit, Failure, Outcome};
use crate::folder;

/// `fernamt [OPTIONS] COMMAND …`
#[derive(Debug, Parser)]
#[command(
    name = "fernamt",
    version,
    about = "A telephone exchange for IP phones, in one program",
    long_about = "Fernamt is a telephone exchange for IP phones (SIP) in one program: phones \
        register with it, call each other through it, and it keeps the records. The same program \
        administers the exchange and is a small phone itself, to try things out.",
    after_long_help = AFTER_HELP,
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100
)]
pub(crate) struct Line {
    /// The data folder: records, journals, certificates and settings of one exchange
    ///
    /// It is created by `fernamt serve` and by the first command that writes. The option may stand
    /// anywhere on the line. Without it: $FERNAMT_DATA; for root /var/lib/fernamt where that
    /// exists; $XDG_DATA_HOME/fernamt; ~/.local/share/fernamt.
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,

    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
FIRST STEPS
    fernamt serve --first-devices 2      start an exchange, with two devices ready to use
    fernamt device add anna              one more; prints its password
    fernamt call '*43' --as anna --server 127.0.0.1 --seconds 5
                                         call the echo number and hear how good the line is

TWO KINDS OF COMMANDS
    serve, call            run until they are ended (Ctrl-C ends them in good order)
    everything else        does one thing and returns; works beside a running exchange, and where
                           that makes sense (devices, numbers, call records) without one

EXIT CODES
    0    done; `call`: answered and completed
    1    failed
    2    the command line is wrong
    3    not found: the device or call does not exist
    4    the exchange is not running in this data folder
    5    taken: the user name, number, port or data folder is in use already
    6    bad input: a file or value is wrong; nothing was changed
    10..21, 130            ends of `call`; see `fernamt call --help`

FILES
    DIR/fernamt.toml       settings of the exchange, all optional; see `fernamt serve --help`
    DIR/                   everything else in the data folder belongs to the program

ENVIRONMENT
    FERNAMT_DATA           the data folder, where --data does not say
    FERNAMT_PASSWORD       the password of `call --as`, where --password does not say
    XDG_DATA_HOME          where the data folder is looked for otherwise
    NO_COLOR               no colours in the log";

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Options),
    #[command(subcommand)]
    Device(device::Command),
    Registrations(registrations::Options),
    Calls(calls::Options),
    Call(call::Options),
    Cdr(cdr::Options),
    Explain(explain::Options),
    Route(route::Options),
    Apply(apply::Options),
    Export(export::Options),
    Status(status::Options),
    Turn(turn::Options),
    Completions(completions::Options),
    Manual(manual::Options),
}

/// Does what the line says.
pub(crate) fn run(line: Line) -> Outcome {
    let data = folder::Location::new(line.data);
    match line.command {
        Command::Serve(options) => serve::run(&data, options),
        Command::Device(command) => device::run(&data, command),
        Command::Registrations(options) => registrations::run(&data, &options),
        Command::Calls(options) => calls::run(&data, &options),
        Command::Call(options) => call::run(options),
        Command::Cdr(options) => cdr::run(&data, &options),
        Command::Explain(options) => explain::run(&data, &options),
        Command::Route(options) => route::run(&data, &options),
        Command::Apply(options) => apply::run(&data, &options),
        Command::Export(options) => export::run(&data, &options),
        Command::Status(options) => status::run(&data, &options),
        Command::Turn(options) => turn::run(&data, &options),
        Command::Completions(options) => completions::run(&options),
        Command::Manual(options) => manual::run(&options),
    }
}

/// Every listing can be read by people or by programs.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Listing {
    /// Print JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

/// The bytes of a file that a person has named.
///
/// # Errors
/// It cannot be read, or is larger than `limit`.
fn read_file(path: &Path, limit: usize) -> Result<Vec<u8>, Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(
            Exit::Failed,
            format!("cannot read {}: {error}", folder::shown(path)),
        )
    };
    let mut bytes = Vec::new();
    let more_than_allowed = limit as u64 + 1;
    let file = File::open(path).map_err(failed)?;
    file.take(more_than_allowed)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() > limit {
        let shown = folder::shown(path);
        return Err(Failure::new(
            Exit::BadInput,
            format!("{shown} is larger than {limit} bytes; split it"),
        ));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Line, clap::Error> {
        Line::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn the_definition_of_the_line_is_sound() {
        use clap::CommandFactory as _;
        Line::command().debug_assert();
    }

    #[test]
    fn data_may_stand_anywhere_on_the_line() {
        for line in [
            "fernamt --data /d device list --json",
            "fernamt device --data /d list --json",
            "fernamt device list --json --data /d",
            "fernamt device list --data=/d --json",
        ] {
            let line = parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
            assert_eq!(line.data.as_deref(), Some(std::path::Path::new("/d")));
        }
    }

    #[test]
    fn the_lines_of_the_manual_are_understood() {
        for line in [
            "fernamt serve --config f --sip 0.0.0.0:5060 --media 0.0.0.0:10000-19999 --log debug",
            "fernamt serve --sip [::]:5060 --drain --first-devices 2",
            "fernamt device add anna --password x --name K --number +493012345 --number 11",
            "fernamt device add anna --password - --direct-media",
            "fernamt device import f.csv",
            "fernamt device remove anna",
            "fernamt device show anna --json",
            "fernamt registrations --json",
            "fernamt calls --watch",
            "fernamt call sip:x@127.0.0.1:5070 --play f.wav --record g.wav --seconds 5",
            "fernamt call --answer --as anna --password x --server 127.0.0.1;transport=tls",
            "fernamt call *43 --as anna --password x --server [::1]:5060 --tone 700",
            "fernamt call --answer --listen 127.0.0.1:5070 --json",
            "fernamt cdr --since 2h --number 10 --json",
            "fernamt explain 0123456789abcdef --svg f.svg",
            "fernamt route 10 11",
            "fernamt apply f.toml --dry-run",
            "fernamt export",
            "fernamt status --json",
            "fernamt turn anna --hours 1 --json",
            "fernamt completions bash",
            "fernamt manual device add",
        ] {
            assert!(parse(line).is_ok(), "{line}: {:?}", parse(line).err());
        }
    }

    #[test]
    fn lines_that_contradict_themselves_are_refused() {
        for line in [
            "fernamt",
            "fernamt call",
            "fernamt call sip:x@y --play a.wav --tone 700",
            "fernamt call sip:x@y --as anna --seconds -1",
            "fernamt call --answer --seconds many",
            "fernamt serve --sip 5060x",
            "fernamt serve --media 127.0.0.1:20000-10000",
            "fernamt device add",
            "fernamt cdr --since yesterday",
            "fernamt turn anna --hours 0",
            "fernamt turn anna --hours 721",
            "fernamt explain",
            "fernamt route 10",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
