//! UDP: sockets and batches of datagrams.

mod batch;
mod refused;
mod socket;
pub(crate) mod stun;

pub(crate) use self::batch::{BATCH, Outgoing, ReceiveBatch, SendBatch};
pub(crate) use self::refused::{Recent, take_reports};
pub(crate) use self::socket::{Socket, bind, route_to};
