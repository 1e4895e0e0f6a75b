//! Runs the simulation by hand: one seed with its course, or many in a row.
#![forbid(unsafe_code)]

use std::io::Write;
use std::process::ExitCode;

use fernamt_sim::{Options, run};

fn main() -> ExitCode {
    let mut first = 0;
    let mut count = 1;
    let mut options = Options::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().and_then(|text| text.parse().ok());
        match argument.as_str() {
            "--seed" => first = number().unwrap_or(0),
            "--count" => count = number().unwrap_or(1),
            "--trace" => options.trace = true,
            _ => {
                let _ = writeln!(
                    std::io::stderr(),
                    "usage: fernamt-sim [--seed N] [--count N] [--trace]"
                );
                return ExitCode::FAILURE;
            }
        }
    }
    let mut broken = 0;
    let mut out = std::io::stdout().lock();
    for seed in first..first + count {
        let report = run(seed, options);
        for line in &report.trace {
            let _ = writeln!(out, "{line}");
        }
        for breach in &report.breaches {
            let _ = writeln!(out, "seed {seed}  {breach}");
        }
        broken += u64::from(!report.breaches.is_empty());
        if count == 1 {
            let _ = writeln!(
                out,
                "seed {seed}  {:?}, digest {:016x}",
                report.counts, report.digest
            );
        }
    }
    let _ = writeln!(out, "{broken} of {count} seeds break a promise");
    if broken == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
