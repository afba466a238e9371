//! Which channel a vote is submitted on: the document's hash (voting.md 10.2) and names (voting.md 4.1).

pub use crate::patterns::hash::shard_of;

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
    ["vote-control.", session_id].concat()
}

/// `vote-results.{sessionId}`
pub fn results_channel(session_id: &str) -> String {
    format!("vote-results.{session_id}")
}

/// Where one user's acknowledgements go in the hardened variant: a results channel of that user alone.
pub fn private_results_channel(session_id: &str, user_id: &str) -> String {
    ["vote-results.", session_id, "-", user_id].concat()
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
    fn submit_channels_read_back() {
        assert_eq!(parse_submit_channel(&submit_channel("abc", "u", 1)), Some(("abc", 0)));
        let channel = submit_channel("abc", "u", 8);
        assert_eq!(parse_submit_channel(&channel), Some(("abc", shard_of("u", 8))));
        assert_eq!(parse_submit_channel("vote-submit.abc-shard-x"), None);
        assert_eq!(parse_submit_channel("vote-control.abc"), None);
    }
}
