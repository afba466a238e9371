//! A user in App Context (friends-online.md 5.1), and a friend in a list (5.3).

use serde::{Deserialize, Serialize};

use super::message::SCHEMA_VERSION;
use crate::timetoken::{parse_iso8601, unix_ms};

/// The user's object: `name`, `email`, `profileUrl`, `custom`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Profile {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile_url: Option<String>,
    pub custom: Custom,
}

/// The user's `custom`. Times are ISO 8601; a field that is not there is left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Custom {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema_version: Option<String>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Whether the user is online.
    pub online: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_online: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_offline: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard_id: Option<u32>,
    pub friend_count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// How often the hardened variant has counted the friends.
    #[serde(skip_serializing_if = "is_zero")]
    pub friends_version: u64,
    /// What the hardened variant keeps beside it: how far the user's status has been told (see there).
    ///
    /// The latest change of `online`, as a time that only grows [Unix ms]: orders what friends are told.
    #[serde(skip_serializing_if = "is_zero")]
    pub status_change: u64,
    /// The change that friends were last told of; `None`: of none, or it is not known of which.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_told: Option<u64>,
    /// Whether friends have yet to be told, or may not have been.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_pending: Option<bool>,
    /// Who wrote last was about to tell them, or had just done so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_mark: Option<Mark>,
    /// Until when, by the store's clock, they can have been told something [ms since the world began]; `None`: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_told_by: Option<u64>,
}

/// What the latest write of a user's status says of its writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mark {
    /// It holds the change back.
    Held,
    /// It is about to publish.
    Claimed,
    /// It has published.
    Told,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde asks for a reference.
fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl Profile {
    /// A new user, as registration leaves it.
    pub fn new(name: String, shard_id: u32, created_at: String) -> Self {
        Self {
            name: Some(name),
            custom: Custom {
                schema_version: Some(SCHEMA_VERSION.into()),
                kind: Some("user".into()),
                shard_id: Some(shard_id),
                created_at: Some(created_at),
                ..Custom::default()
            },
            ..Self::default()
        }
    }

    /// Reads a user's object.
    pub fn from_body(body: &str) -> Option<Self> {
        serde_json::from_str(body).ok()
    }

    /// The patch that writes the whole of it.
    pub fn to_patch(&self) -> String {
        serde_json::to_string(self).expect("strings and numbers serialise")
    }
}

/// What listings carry of a user, in one number: `2 * change + online`. The change is the latest one of `online`, a number that
/// only grows: `statusChange`, or the time of `lastSeen` [Unix ms] where the document's own handlers write that alone.
pub fn column(body: &str) -> u64 {
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Status<'a> {
        online: bool,
        status_change: u64,
        #[serde(borrow)]
        last_seen: Option<std::borrow::Cow<'a, str>>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct User<'a> {
        #[serde(borrow)]
        custom: Status<'a>,
    }
    let custom = serde_json::from_str::<User<'_>>(body).unwrap_or_default().custom;
    let seen = || custom.last_seen.as_deref().and_then(parse_iso8601).map_or(0, unix_ms);
    let change = if custom.status_change > 0 { custom.status_change } else { seen() };
    change << 1 | u64::from(custom.online)
}

/// A friend in a list: the membership's `custom`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Friend {
    pub schema_version: String,
    #[serde(rename = "type")]
    pub kind: String,
    /// `accepted`
    pub status: String,
    pub added_at: String,
    pub added_by: String,
    pub favorite: bool,
    pub muted: bool,
    /// Which of the owner's channel groups the friend's status channel is in ([`super::names::group_part`]): not in the document,
    /// whose own numbering (4.5) says where a friend would be if none had ever left.
    #[serde(default, skip_serializing_if = "is_first")]
    pub group: usize,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde asks for a reference.
fn is_first(group: &usize) -> bool {
    *group == 0
}

/// What listings carry of a friend: `group`, 0 where the `custom` does not say.
pub fn group_of(custom: &str) -> u64 {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Place {
        group: u64,
    }
    serde_json::from_str::<Place>(custom).unwrap_or_default().group
}

impl Friend {
    /// A friend added at `added_at` through `added_by`'s request.
    pub fn new(added_at: &str, added_by: &str) -> Self {
        Self {
            schema_version: SCHEMA_VERSION.into(),
            kind: "friend".into(),
            status: "accepted".into(),
            added_at: added_at.into(),
            added_by: added_by.into(),
            favorite: false,
            muted: false,
            group: 0,
        }
    }

    /// The same in the owner's `part`-th group.
    pub fn in_group(self, part: usize) -> Self {
        Self { group: part, ..self }
    }

    /// As it is stored.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings and numbers serialise")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::SECOND;
    use crate::timetoken::iso8601;

    /// friends-online.md 5.1, without what the platform itself adds.
    #[test]
    fn the_documents_own_user_reads_and_writes_back() {
        let text = r#"{"name":"Jane Doe","email":"jane@example.com","profileUrl":"https://example.com/profiles/jane.jpg","custom":{"schemaVersion":"1.0.0","type":"user","online":true,"lastSeen":"2026-01-31T10:05:00Z","lastOnline":"2026-01-31T10:05:00Z","lastOffline":"2026-01-31T09:30:00Z","shardId":42,"friendCount":523,"statusMessage":"Available","createdAt":"2025-06-15T08:00:00Z"}}"#;
        let profile = Profile::from_body(text).unwrap();
        assert_eq!((profile.custom.shard_id, profile.custom.friend_count), (Some(42), 523));
        assert_eq!(profile.to_patch(), text);
    }

    #[test]
    fn a_column_is_the_change_and_whether_online() {
        assert_eq!(column(r#"{"custom":{"online":true,"statusChange":70}}"#), 141);
        let seen = format!(r#"{{"custom":{{"online":false,"lastSeen":"{}"}}}}"#, iso8601(5 * SECOND));
        assert_eq!(column(&seen), 2 * unix_ms(5 * SECOND));
        assert_eq!([column("{}"), column("no JSON")], [0, 0]);
    }

    #[test]
    fn a_friend_says_which_group_it_is_in() {
        let friend = Friend::new("t", "u");
        assert!(!friend.to_json().contains("group"), "the document's own shape");
        assert_eq!([friend.to_json(), friend.in_group(3).to_json()].map(|custom| group_of(&custom)), [0, 3]);
        assert_eq!(group_of("no JSON"), 0);
    }

    #[test]
    fn a_user_without_custom_is_offline_and_has_no_friends() {
        let profile = Profile::from_body(r#"{"uuid":"u","name":"N"}"#).unwrap();
        assert_eq!((profile.custom.online, profile.custom.friend_count), (false, 0));
    }
}
