//! base64url without padding (RFC 4648 section 5): page cursors and membership eTags (platform.md 2.9).

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The bytes as base64url text.
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let mut word = 0u32;
        for (i, byte) in group.iter().enumerate() {
            word |= u32::from(*byte) << (16 - 8 * i);
        }
        for i in 0..=group.len() {
            text.push(char::from(ALPHABET[(word >> (18 - 6 * i)) as usize & 63]));
        }
    }
    text
}

/// The bytes behind base64url text; `None` when it is not such a text.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    for group in text.as_bytes().chunks(4) {
        if group.len() == 1 {
            return None;
        }
        let mut word = 0u32;
        for (i, letter) in group.iter().enumerate() {
            let value = match letter {
                b'A'..=b'Z' => letter - b'A',
                b'a'..=b'z' => letter - b'a' + 26,
                b'0'..=b'9' => letter - b'0' + 52,
                b'-' => 62,
                b'_' => 63,
                _ => return None,
            };
            word |= u32::from(value) << (18 - 6 * i);
        }
        bytes.extend((0..group.len() - 1).map(|i| (word >> (16 - 8 * i)) as u8));
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_page_cursors_read_as_recorded() {
        // platform.md 2.9: "MQ" and "Mg" are offsets 1 and 2.
        assert_eq!((encode(b"1").as_str(), encode(b"2").as_str()), ("MQ", "Mg"));
        assert_eq!(decode("Mg").as_deref(), Some(&b"2"[..]));
    }

    #[test]
    fn what_is_encoded_comes_back_and_other_text_is_refused() {
        for length in 0..20u8 {
            let bytes: Vec<u8> = (0..length).map(|i| i.wrapping_mul(97).wrapping_add(200)).collect();
            assert_eq!(decode(&encode(&bytes)), Some(bytes));
        }
        assert_eq!((decode("A"), decode("M="), decode("a b")), (None, None, None));
    }
}
