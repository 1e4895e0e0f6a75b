//! Phones call each other over a virtual network, under virtual time.

mod authentication;
mod calls;
mod changes;
mod encryption;
mod strangers;
mod world;
