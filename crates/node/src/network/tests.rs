//! All transports over loopback with real sockets and a double that answers every message.

mod double;
mod streams;
mod udp;
mod websocket;
