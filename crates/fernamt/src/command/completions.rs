//! `fernamt completions`: what the shell needs to complete command lines.

use clap::CommandFactory as _;

use crate::exit::{Exit, Outcome};
use crate::output;

/// Print the completion script of a shell
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
EXAMPLES
    fernamt completions bash > ~/.local/share/bash-completion/completions/fernamt
    fernamt completions zsh > ~/.zfunc/_fernamt
    fernamt completions fish > ~/.config/fish/completions/fernamt.fish")]
pub(crate) struct Options {
    /// Which shell
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

/// Prints the script.
pub(crate) fn run(options: &Options) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(
        options.shell,
        &mut super::Line::command(),
        "fernamt",
        &mut script,
    );
    output::raw(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
