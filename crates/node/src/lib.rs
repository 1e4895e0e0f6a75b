//! A running exchange: sockets, TLS, DNS, timers and threads around the pure core; no telephony decisions
