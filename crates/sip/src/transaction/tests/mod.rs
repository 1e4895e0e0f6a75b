//! Transactions under virtual time.
