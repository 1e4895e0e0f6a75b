//! A user agent: places and answers calls, plays and records audio; no exchange inside
