//! Every limit of the message side in one place; nothing else is decided here.

/// Largest message, in bytes, on any transport: what one UDP datagram can carry.
pub const MAX_MESSAGE_BYTES: usize = 65_535;

/// Most header fields in one message.
pub const MAX_HEADERS: usize = 128;

/// Longest name of a header field, in bytes.
pub const MAX_HEADER_NAME_BYTES: usize = 255;

/// Longest value of one header field, folding included, in bytes.
///
/// Identity headers (RFC 8224) and certificates in `Call-Info` reach several thousand bytes.
pub const MAX_HEADER_BYTES: usize = 16_384;

/// Longest start line and header section together on a stream, in bytes.
pub const MAX_HEADER_SECTION_BYTES: usize = 49_152;

/// Most bytes that wait on a stream: a message that is nearly whole and one read after it.
pub const MAX_STREAM_BUFFER_BYTES: usize = 2 * 65_536;

/// Longest URI, in bytes, that is read (414 above it, RFC 3261 section 21.4.12).
pub const MAX_URI_BYTES: usize = 2_048;

/// Longest method name, in bytes.
pub const MAX_METHOD_BYTES: usize = 64;

/// Most Via header fields that are saved from a request that cannot be read as a whole.
pub const MAX_VIAS: usize = 70;

/// Most parameters that one header element or URI may carry.
pub const MAX_PARAMETERS: usize = 64;

/// Most parts of one multipart body (RFC 2046), nested ones not counted.
pub const MAX_MULTIPART_PARTS: usize = 32;

/// How deep multipart bodies may be nested.
pub const MAX_MULTIPART_DEPTH: usize = 3;

/// Longest boundary of a multipart body, in bytes (RFC 2046 section 5.1.1).
pub const MAX_BOUNDARY_BYTES: usize = 70;

/// Longest header section of one part of a multipart body, in bytes.
pub const MAX_PART_HEADER_BYTES: usize = 4_096;
