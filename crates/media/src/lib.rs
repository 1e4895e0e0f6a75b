//! The media plane: RTP sockets and threads that relay, echo and play; no signalling
