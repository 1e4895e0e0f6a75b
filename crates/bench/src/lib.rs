//! Measurements against peers and against the floor; nothing the product links
//!
//! `bin/bench` starts these programs: `rtp_load` sends RTP through a relay, `relay_floor` is a relay
//! that does nothing but receive and send, `parse_invite` reads an INVITE over and over. What they
//! share is here: the list of calls, and figures that stand for many.
#![forbid(unsafe_code)]

pub mod calls;
pub mod figures;
