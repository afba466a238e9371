//! Channels and channel groups (friends-online.md 4).

use crate::patterns::hash;

/// Channels in one group (friends-online.md 4.5, platform.md 2.6).
pub const GROUP_CHANNELS_MAX: usize = 2_000;
/// Groups one connection can subscribe to, and so groups a user can have.
pub const GROUPS_MAX: usize = 10;
/// Most friends of a user: `10 x 2,000`.
pub const FRIENDS_MAX: usize = GROUPS_MAX * GROUP_CHANNELS_MAX;

/// The channel of the online count.
pub const GLOBAL: &str = "status.global";

/// The user's presence shard among `shards`.
pub fn shard_of(user_id: &str, shards: u32) -> u32 {
    hash::shard_of(user_id, shards)
}

/// `presence.shard-{n}`
pub fn presence_channel(shard: u32) -> String {
    format!("presence.shard-{shard}")
}

/// The shard of a presence channel; `None` if it is none.
pub fn parse_presence_channel(channel: &str) -> Option<u32> {
    channel.strip_prefix("presence.shard-")?.parse().ok()
}

/// `status.{userId}`: where a user's status is published.
pub fn status_channel(user_id: &str) -> String {
    format!("status.{user_id}")
}

/// The user of a status channel; `None` for any other channel, [`GLOBAL`] too.
pub fn parse_status_channel(channel: &str) -> Option<&str> {
    channel.strip_prefix("status.").filter(|user| *user != "global")
}

/// `friends.{userId}`: the friend list in App Context.
pub fn list_channel(user_id: &str) -> String {
    format!("friends.{user_id}")
}

/// The owner of a friend list; `None` for any other channel.
pub fn parse_list_channel(channel: &str) -> Option<&str> {
    channel.strip_prefix("friends.")
}

/// Where a user asks for friendships and answers requests; only that user may write there.
pub fn requests_channel(user_id: &str) -> String {
    format!("friend-requests.{user_id}")
}

/// Where a user ends friendships; only that user may write there.
pub fn management_channel(user_id: &str) -> String {
    format!("friend-management.{user_id}")
}

/// What concerns one user alone: requests to it, friendships made and ended (the hardened variant; the document publishes
/// them on the status channel, which all of the user's friends read and the user does not).
pub fn news_channel(user_id: &str) -> String {
    format!("friend-news.{user_id}")
}

/// `cg-friends-{userId}`, the first group of a user's friends.
pub fn group(user_id: &str) -> String {
    format!("cg-friends-{user_id}")
}

/// The user whose friends are in this group, any part of them; `None` if it is no group of friends.
pub fn parse_group(group: &str) -> Option<&str> {
    parse_group_part(group).map(|(user, _)| user)
}

/// The same, and which part.
pub fn parse_group_part(group: &str) -> Option<(&str, usize)> {
    let user = group.strip_prefix("cg-friends-")?;
    let is_part = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let parted = user.rsplit_once('-').filter(|(_, part)| is_part(part));
    Some(parted.and_then(|(user, part)| Some((user, part.parse().ok()?))).unwrap_or((user, 0)))
}

/// A user's `part`-th group: the document's `cg-friends-{userId}-{n}` (4.5) where a user has more than 2,000 friends. The
/// first one keeps its plain name (10.4 creates `-1` for the 2,001st friend): names do not change as friends are made.
pub fn group_part(user_id: &str, part: usize) -> String {
    if part == 0 { group(user_id) } else { format!("cg-friends-{user_id}-{part}") }
}

/// How many groups a user with so many friends has, at least one.
pub fn groups_for(friends: usize) -> usize {
    friends.div_ceil(GROUP_CHANNELS_MAX).max(1)
}

/// The record of two users' friendship in App Context, the same for both: `friendship.{a}~{b}` with `a < b`.
pub fn pair_channel(one: &str, other: &str) -> String {
    let (a, b) = if one < other { (one, other) } else { (other, one) };
    format!("friendship.{a}~{b}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        assert_eq!(parse_presence_channel(&presence_channel(42)), Some(42));
        assert_eq!(parse_presence_channel("presence.shard-x"), None);
        assert_eq!(parse_status_channel(&status_channel("user_1")), Some("user_1"));
        assert_eq!(parse_status_channel(GLOBAL), None);
        for (user, part) in [("user_1", 0), ("user_1", 1), ("u", 9)] {
            assert_eq!(parse_group_part(&group_part(user, part)), Some((user, part)));
        }
        assert_eq!(parse_group("cg-other-user_1"), None);
        assert_eq!(pair_channel("b", "a"), pair_channel("a", "b"));
    }

    /// friends-online.md 4.5 and 10.4: 5,000 friends take three groups, the 2,001st makes the second.
    #[test]
    fn two_thousand_friends_fill_a_group() {
        let groups: Vec<usize> = [0, 1, 2_000, 2_001, 5_000, 20_000].map(groups_for).into();
        assert_eq!(groups, [1, 1, 1, 2, 3, 10]);
        assert_eq!((group_part("u", 0), group_part("u", 1)), ("cg-friends-u".into(), "cg-friends-u-1".into()));
    }
}
