//! What a runner on a server and whoever reaches it over a shell agree on besides frames.

/// Bytes of the token that whoever speaks to a runner says first.
pub const TOKEN_BYTES: usize = 32;

/// Comes before the first frame or answer, because a login shell may have printed anything by then. No text has so
/// many zero bytes in a row, and to a reader of frames they are nothing.
pub const MARK: [u8; 8] = [0; 8];
