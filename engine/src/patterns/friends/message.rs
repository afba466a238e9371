//! The messages (friends-online.md 6), with the document's names for fields, in its order; and those it names without
//! showing: friend requests and removals.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// The schema version that every message carries.
pub const SCHEMA_VERSION: &str = "1.0.0";
/// Every message is smaller than this (friends-online.md 6.4) [bytes].
pub const MESSAGE_BYTES_MAX: usize = 1_024;
/// Longest status message (friends-online.md 6.4) [characters].
pub const STATUS_MESSAGE_CHARS_MAX: usize = 100;

/// The frame of every message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message<'a, P> {
    #[serde(rename = "type", borrow)]
    pub kind: Cow<'a, str>,
    #[serde(rename = "schemaVersion", borrow)]
    pub schema_version: Cow<'a, str>,
    #[serde(rename = "eventId", borrow)]
    pub event_id: Cow<'a, str>,
    #[serde(borrow)]
    pub ts: Cow<'a, str>,
    pub payload: P,
}

impl<'a, P: Serialize> Message<'a, P> {
    /// A message of this version.
    pub fn new(kind: &'a str, event_id: impl Into<Cow<'a, str>>, ts: impl Into<Cow<'a, str>>, payload: P) -> Self {
        Self {
            kind: kind.into(),
            schema_version: SCHEMA_VERSION.into(),
            event_id: event_id.into(),
            ts: ts.into(),
            payload,
        }
    }

    /// As it travels.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings and numbers serialise")
    }
}

/// `friend.online`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Online<'a> {
    #[serde(borrow)]
    pub user_id: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none", default, borrow)]
    pub name: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none", default, borrow)]
    pub profile_url: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none", default, borrow)]
    pub status_message: Option<Cow<'a, str>>,
}

/// `friend.offline`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Offline<'a> {
    #[serde(borrow)]
    pub user_id: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none", default, borrow)]
    pub name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub last_seen: Cow<'a, str>,
}

/// `friend.added`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Added<'a> {
    #[serde(borrow)]
    pub user_id: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none", default, borrow)]
    pub name: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none", default, borrow)]
    pub profile_url: Option<Cow<'a, str>>,
    pub online: bool,
    #[serde(borrow)]
    pub added_at: Cow<'a, str>,
}

/// `friend.removed`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Removed<'a> {
    #[serde(borrow)]
    pub user_id: Cow<'a, str>,
    #[serde(borrow)]
    pub removed_at: Cow<'a, str>,
}

/// `status.count`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Count<'a> {
    pub online_count: u64,
    pub delta_from_last: i64,
    pub peak_today: u64,
    #[serde(borrow)]
    pub calculated_at: Cow<'a, str>,
    pub shards_counted: u32,
}

/// `friend.request`, `friend.request.accepted`, `friend.request.declined` and `friend.remove`: who, with whom. In a request
/// `userA` asks `userB`; in an answer they stand as in the request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pair<'a> {
    #[serde(rename = "userA", borrow)]
    pub user_a: Cow<'a, str>,
    #[serde(rename = "userB", borrow)]
    pub user_b: Cow<'a, str>,
}

/// The types of messages, as they stand in `type`.
pub mod kind {
    pub const ONLINE: &str = "friend.online";
    pub const OFFLINE: &str = "friend.offline";
    pub const ADDED: &str = "friend.added";
    pub const REMOVED: &str = "friend.removed";
    pub const COUNT: &str = "status.count";
    pub const REQUEST: &str = "friend.request";
    pub const ACCEPTED: &str = "friend.request.accepted";
    pub const DECLINED: &str = "friend.request.declined";
    pub const REMOVE: &str = "friend.remove";
}

/// A presence event as After Presence Functions get it (platform.md 2.2).
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct PresenceNews {
    pub action: String,
    /// Not in an interval event.
    #[serde(default)]
    pub uuid: Option<String>,
    /// Seconds.
    #[serde(default)]
    pub timestamp: u64,
    /// The same in milliseconds.
    #[serde(default)]
    pub precise_timestamp: u64,
    #[serde(default)]
    pub occupancy: u32,
    /// The users of an interval event, where the keyset has deltas.
    #[serde(default)]
    pub join: Vec<String>,
    #[serde(default)]
    pub leave: Vec<String>,
    #[serde(default)]
    pub timeout: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// friends-online.md 6.1.
    #[test]
    fn an_online_message_has_the_documents_fields_in_its_order() {
        let payload = Online {
            user_id: "user_abc123".into(),
            name: Some("Jane Doe".into()),
            profile_url: Some("https://example.com/profiles/jane.jpg".into()),
            status_message: Some("Available".into()),
        };
        let id = "evt_online_user_abc123_1706698523000";
        let text = Message::new(kind::ONLINE, id, "2026-01-31T10:05:23.000Z", payload).to_json();
        assert_eq!(
            text,
            r#"{"type":"friend.online","schemaVersion":"1.0.0","eventId":"evt_online_user_abc123_1706698523000","ts":"2026-01-31T10:05:23.000Z","payload":{"userId":"user_abc123","name":"Jane Doe","profileUrl":"https://example.com/profiles/jane.jpg","statusMessage":"Available"}}"#
        );
        // 300 to 500 bytes is typical (6.4).
        assert!(text.len() < 500);
        let back: Message<'_, Online<'_>> = serde_json::from_str(&text).unwrap();
        assert!(matches!(back.payload.user_id, Cow::Borrowed("user_abc123")), "parsing copies nothing");
    }

    /// friends-online.md 6.3.
    #[test]
    fn a_count_has_the_documents_fields_in_its_order() {
        let payload = Count {
            online_count: 487_234,
            delta_from_last: 1_523,
            peak_today: 512_000,
            calculated_at: "2026-01-31T10:05:28.000Z".into(),
            shards_counted: 100,
        };
        let text = Message::new(kind::COUNT, "evt_count_1706698530000", "2026-01-31T10:05:30.000Z", payload).to_json();
        assert!(text.ends_with(
            r#""payload":{"onlineCount":487234,"deltaFromLast":1523,"peakToday":512000,"calculatedAt":"2026-01-31T10:05:28.000Z","shardsCounted":100}}"#
        ));
    }

    #[test]
    fn presence_events_of_both_modes_are_read() {
        let join = r#"{"action":"join","uuid":"u","timestamp":1,"occupancy":2,"precise_timestamp":1000}"#;
        let join: PresenceNews = serde_json::from_str(join).unwrap();
        assert_eq!((&*join.action, join.uuid.as_deref(), join.occupancy), ("join", Some("u"), 2));
        let interval = r#"{"action":"interval","timestamp":1,"occupancy":9,"join":["a"],"timeout":["b","c"]}"#;
        let interval: PresenceNews = serde_json::from_str(interval).unwrap();
        assert_eq!((interval.uuid, interval.join.len(), interval.leave.len(), interval.timeout.len()), (None, 1, 0, 2));
    }
}
