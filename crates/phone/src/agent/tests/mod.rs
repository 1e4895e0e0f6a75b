//! Phones call each other over a virtual network, under virtual time.

mod authentication;
mod calls;
mod changes;
mod strangers;
mod world;
