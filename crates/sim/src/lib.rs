//! The exchange under virtual time on a faulty network, checked against its promises
