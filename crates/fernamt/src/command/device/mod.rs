//! `fernamt device …`: the phones, adapters and programs that may register.

mod add;
mod import;
mod list;
mod remove;
mod show;
mod shown;

use crate::exit::Outcome;
use crate::folder::Location;

/// Manage devices: the phones, adapters and programs that may register
///
/// A device has a user name (any text), a password, and any number of telephone numbers. Changes
/// take effect at once, also in a running exchange.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    Add(add::Options),
    Import(import::Options),
    List(list::Options),
    Remove(remove::Options),
    Show(show::Options),
}

/// Does what the line says.
pub(crate) fn run(data: &Location, command: Command) -> Outcome {
    match command {
        Command::Add(options) => add::run(data, options),
        Command::Import(options) => import::run(data, &options),
        Command::List(options) => list::run(data, &options),
        Command::Remove(options) => remove::run(data, &options),
        Command::Show(options) => show::run(data, &options),
    }
}
