//! Which channel a vote is submitted on: the document's hash (voting.md 10.2) and names (voting.md 4.1).

/// JavaScript's string hash as the document has it: 32-bit, over UTF-16 code units, wrapping.
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

/// `vote-submit.{sessionId}`, or with more than one shard `vote-submit.{sessionId}-shard-{n}`.
pub fn submit_channel(session_id: &str, user_id: &str, shard_count: u32) -> String {
    if shard_count <= 1 {
        format!("vote-submit.{session_id}")
    } else {
        format!("vote-submit.{session_id}-shard-{}", shard_of(user_id, shard_count))
    }
}

/// `vote-control.{sessionId}`
pub fn control_channel(session_id: &str) -> String {
    format!("vote-control.{session_id}")
}

/// `vote-results.{sessionId}`
pub fn results_channel(session_id: &str) -> String {
    format!("vote-results.{session_id}")
}

/// Where one user's acknowledgements go in the hardened variant: a results channel of that user alone.
pub fn private_results_channel(session_id: &str, user_id: &str) -> String {
    format!("vote-results.{session_id}-{user_id}")
}

/// Session and shard of a submit channel; `None` if it is none.
pub fn parse_submit_channel(channel: &str) -> Option<(&str, u32)> {
    let id = channel.strip_prefix("vote-submit.")?;
    match id.rsplit_once("-shard-") {
        Some((session, shard)) => Some((session, shard.parse().ok()?)),
        None => Some((id, 0)),
    }
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

    #[test]
    fn submit_channels_read_back() {
        assert_eq!(parse_submit_channel(&submit_channel("abc", "u", 1)), Some(("abc", 0)));
        let channel = submit_channel("abc", "u", 8);
        assert_eq!(parse_submit_channel(&channel), Some(("abc", shard_of("u", 8))));
        assert_eq!(parse_submit_channel("vote-submit.abc-shard-x"), None);
        assert_eq!(parse_submit_channel("vote-control.abc"), None);
    }
}
