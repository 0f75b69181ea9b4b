//! What every "this is not a valid …" error has in common.

use crate::fabric::Code;

/// Why a text is not a value of some newtype.
///
/// The error's own message continues the sentence `"<value>" …`: `has host bits set`, `is not an IP address`.
pub trait Refusal: std::error::Error {
    /// What to write instead, where that can be said: `write 10.0.0.0/24`.
    fn remedy(&self) -> Option<String>;

    /// Which finding of the catalogue it is.
    fn code(&self) -> Code {
        Code(1)
    }
}
