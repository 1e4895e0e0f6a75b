//! Tells cargo that the schema is part of the program: the folder's names are read by a macro.
#![allow(clippy::print_stdout, reason = "this is how a build script speaks")]

fn main() {
    println!("cargo::rerun-if-changed=migrations");
}
