//! RTP and RTCP packets (RFC 3550), telephone-event (RFC 4733) and receiver statistics; no socket, no clock
