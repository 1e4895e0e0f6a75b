//! `fernamt manual`: the help of a command as a manual page.

use clap::CommandFactory as _;

use crate::exit::{Exit, Failure, Outcome};
use crate::output;

/// Print a manual page (roff), of the program or of one command
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
EXAMPLES
    fernamt manual | man -l -
    fernamt manual call | man -l -
    fernamt manual > /usr/local/share/man/man1/fernamt.1")]
pub(crate) struct Options {
    /// The command; of a group like device, its name and then the command's
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,
}

/// Prints the page.
pub(crate) fn run(options: &Options) -> Outcome {
    let mut page = super::Line::command();
    page.build();
    for name in &options.command {
        let Some(found) = page.find_subcommand(name) else {
            let name = output::safe(name);
            return Err(Failure::new(
                Exit::NotFound,
                format!("there is no command {name}"),
            ));
        };
        page = found.clone();
    }
    let mut text = Vec::new();
    clap_mangen::Man::new(page).render(&mut text)?;
    output::raw(&String::from_utf8_lossy(&text))?;
    Ok(Exit::Done)
}
