//! The `fernamt` command: reads the command line and calls the rooms below; no telephony here.

fn main() {}
