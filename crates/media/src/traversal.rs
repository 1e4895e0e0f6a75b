//! Calls between phones behind routers that translate addresses, in virtual time: whether voice finds
//! its way in both directions, keeps it, and keeps others out. Gates, latches, agents and the relay are
//! the real ones; routers are those of `fernamt_sim::nat`, and phones are models.
//!
//! ```text
//! world     time, the network and its faults
//! desk      our side: two endpoints, bridged, and the relay
//! phone     a phone: how it speaks, and how it finds its way
//! calls     what is promised of all of them
//! ```

mod calls;
mod desk;
mod floods;
mod moves;
mod phone;
mod strangers;
mod world;
