//! The `fernamt` command: reads the command line and calls the rooms below; no telephony here.

mod command;
mod exit;
mod folder;
mod output;
mod password;

use std::process::ExitCode;

use clap::Parser as _;

/// A call makes some hundred small allocations, which the allocator of the C library is slow at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let line = command::Line::parse();
    match command::run(line) {
        Ok(outcome) => outcome.into(),
        Err(failure) => {
            output::complain(&failure);
            failure.exit().into()
        }
    }
}
