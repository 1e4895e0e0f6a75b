//! Bytes between the network and the shards: UDP on the shards' own threads, everything with
//! connections on a small async runtime.

pub(crate) mod access;
pub(crate) mod holder;
pub(crate) mod interfaces;
pub(crate) mod listeners;
pub(crate) mod media_certificate;
pub(crate) mod stream;
pub(crate) mod tls;
pub(crate) mod udp;
