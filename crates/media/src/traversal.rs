//! Calls between phones behind routers that translate addresses, in virtual time: whether voice finds
//! its way in both directions, keeps it, and keeps others out. Gates, latches, agents and the relay are
//! the real ones; routers are those of `fernamt_sim::nat`, and phones are models.
//!
//! ```text
//! world     time, the network and its faults
//! desk      our side: two endpoints, bridged, and the relay
//! phone     a phone: how it speaks, and how it finds its way
//! keys      what packets are protected with
//! calls     what is promised of all calls
//! moves     … when routers forget, or move, in the middle of them
//! strangers … of neighbours behind the same router
//! floods    … while thousands of datagrams of strangers arrive
//! ```

mod calls;
mod desk;
mod floods;
mod keys;
mod moves;
mod phone;
mod strangers;
mod world;
