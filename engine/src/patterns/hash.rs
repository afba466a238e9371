//! The hash by which the documents deal users out to shards (voting.md 10.2, friends-online.md 4.3).

/// JavaScript's string hash as the documents have it: 32-bit, over UTF-16 code units, wrapping.
pub fn hash_code(text: &str) -> i32 {
    text.encode_utf16().fold(0i32, |hash, unit| {
        // ((hash << 5) - hash) + unit, cut to 32 bits, is hash * 31 + unit in wrapping arithmetic.
        hash.wrapping_mul(31).wrapping_add(i32::from(unit))
    })
}

/// The user's shard among `shard_count`. The absolute value of -2^31 is taken in wider arithmetic, as JavaScript does.
pub fn shard_of(user_id: &str, shard_count: u32) -> u32 {
    (i64::from(hash_code(user_id)).unsigned_abs() % u64::from(shard_count.max(1))) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_javascripts() {
        // hashCode("a") = 97; "ab" = 97 * 31 + 98 = 3105; the long one overflows 32 bits several times.
        assert_eq!(hash_code(""), 0);
        assert_eq!(hash_code("a"), 97);
        assert_eq!(hash_code("ab"), 3_105);
        assert_eq!(hash_code("user_456"), {
            let mut hash = 0i64;
            for c in "user_456".encode_utf16() {
                hash = i64::from((((hash << 5) - hash) + i64::from(c)) as i32);
            }
            hash as i32
        });
    }

    #[test]
    fn a_user_keeps_its_shard_and_shards_share_the_load() {
        let mut load = [0u32; 16];
        for user in 0..16_000 {
            load[shard_of(&format!("user_{user:06}"), 16) as usize] += 1;
        }
        // 1,000 expected each.
        assert!(load.iter().all(|n| (700..1_300).contains(n)), "{load:?}");
        assert_eq!(shard_of("user_7", 1), 0);
    }
}
