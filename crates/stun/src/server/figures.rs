//! What a server counts.

/// Counted since the start, but for `allocations`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Allocations that there are now.
    pub allocations: u64,
    /// Allocations that were made.
    pub allocated: u64,
    /// Binding requests that were answered.
    pub bindings: u64,
    /// Requests that were answered with an error, without challenges.
    pub refused: u64,
    /// Requests with a wrong password, or of nobody.
    pub authentication_failures: u64,
    /// Requests that were not answered, since their source asks too much.
    pub not_answered: u64,
    /// What was neither a message nor channel data that a server takes.
    pub malformed: u64,
    /// Packets from clients to peers.
    pub packets_to_peers: u64,
    /// Packets from peers to clients.
    pub packets_to_clients: u64,
    /// Bytes of both, as they were sent by one side.
    pub bytes_relayed: u64,
    /// Packets for which there was no permission, channel or allocation.
    pub packets_dropped: u64,
}
