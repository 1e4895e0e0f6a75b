//! Causes of release (ITU-T Q.850) and what they are in SIP (RFC 3398, Q.1912.5). Not a SIP status:
//! inside the exchange a release has one cause, and each kind of leg translates it.
