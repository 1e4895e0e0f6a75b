//! Records against a real database file.

mod calls;
mod desired;
mod devices;
mod failures;
mod protection;
