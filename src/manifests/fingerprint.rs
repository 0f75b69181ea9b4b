//! Digests that tell whether something is still the same.

use std::fmt::Write;

use sha2::{Digest, Sha256};

/// 16 hexadecimal digits of the SHA-256 of a text.
#[must_use]
pub fn fingerprint(text: &str) -> String {
    fingerprint_of(text.as_bytes())
}

/// 16 hexadecimal digits of the SHA-256 of bytes.
#[must_use]
pub fn fingerprint_of(bytes: &[u8]) -> String {
    let mut hex = String::with_capacity(16);
    for byte in Sha256::digest(bytes).iter().take(8) {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

#[cfg(test)]
mod tests {
    #[test]
    fn is_the_start_of_a_sha256() {
        // NIST FIPS 180-4's example "abc".
        assert_eq!(super::fingerprint("abc"), "ba7816bf8f01cfea");
        assert_eq!(super::fingerprint_of(b""), "e3b0c44298fc1c14");
    }
}
