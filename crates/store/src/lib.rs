//! Records on SQLite and the journal of calls in progress; no telephony decisions
