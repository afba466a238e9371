//! The seven message types (voting.md 6), with the document's names for fields, in its order.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::audit::api::Decision;

/// The schema version that every message carries (voting.md appendix B.2).
pub const SCHEMA_VERSION: &str = "1.0.0";
/// Largest `vote.submit` and `vote.ack` (voting.md 6.4) [bytes].
pub const SUBMIT_BYTES_MAX: usize = 1_024;
/// Largest `vote.tally` (voting.md 6.4) [bytes].
pub const TALLY_BYTES_MAX: usize = 4_096;
/// Largest `vote.created` and `vote.revealed` (voting.md 6.4) [bytes].
pub const CONTROL_BYTES_MAX: usize = 8_192;
/// Most options of a session (voting.md 6.4).
pub const OPTIONS_MAX: usize = 20;

/// `vote.submit`, participant to server.
#[derive(Debug, Serialize, Deserialize)]
pub struct Submit<'a> {
    #[serde(rename = "type", borrow)]
    pub kind: Cow<'a, str>,
    #[serde(rename = "schemaVersion", borrow)]
    pub schema_version: Cow<'a, str>,
    /// `req_{userId}_{sessionId}_{clientTimestamp}`
    #[serde(rename = "requestId", borrow)]
    pub request_id: Cow<'a, str>,
    #[serde(borrow)]
    pub ts: Cow<'a, str>,
    #[serde(rename = "sessionId", borrow)]
    pub session_id: Cow<'a, str>,
    #[serde(borrow)]
    pub payload: SubmitPayload<'a>,
    /// Put there by the submit Function, for the one that runs after the publish; clients leave it out.
    #[serde(skip_serializing_if = "Option::is_none", default, borrow)]
    pub decision: Option<Decision<'a>>,
}

/// What is voted for, by whom.
#[derive(Debug, Serialize, Deserialize)]
pub struct SubmitPayload<'a> {
    #[serde(rename = "optionId", borrow)]
    pub option_id: Cow<'a, str>,
    #[serde(rename = "userId", borrow)]
    pub user_id: Cow<'a, str>,
}

/// `req_{userId}_{sessionId}_{clientTimestamp}` (voting.md 6.2). The timestamp is in milliseconds.
pub fn request_id(user_id: &str, session_id: &str, client_timestamp_ms: u64) -> String {
    format!("req_{user_id}_{session_id}_{client_timestamp_ms}")
}

/// `vote.ack`, server to participant.
#[derive(Debug, Serialize, Deserialize)]
pub struct Ack<'a> {
    #[serde(rename = "type", borrow)]
    pub kind: Cow<'a, str>,
    #[serde(rename = "schemaVersion", borrow)]
    pub schema_version: Cow<'a, str>,
    #[serde(rename = "eventId", borrow)]
    pub event_id: Cow<'a, str>,
    #[serde(borrow)]
    pub ts: Cow<'a, str>,
    #[serde(rename = "sessionId", borrow)]
    pub session_id: Cow<'a, str>,
    #[serde(borrow)]
    pub payload: AckPayload<'a>,
}

/// The answer to one request. The documented cached answer lacks `requestId` and `userId`, so they may be missing.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct AckPayload<'a> {
    #[serde(rename = "requestId", skip_serializing_if = "Option::is_none", default, borrow)]
    pub request_id: Option<Cow<'a, str>>,
    #[serde(rename = "userId", skip_serializing_if = "Option::is_none", default, borrow)]
    pub user_id: Option<Cow<'a, str>>,
    /// `accepted` or `rejected`
    #[serde(borrow)]
    pub status: Cow<'a, str>,
    #[serde(rename = "voteId", skip_serializing_if = "Option::is_none", default, borrow)]
    pub vote_id: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none", default, borrow)]
    pub reason: Option<Cow<'a, str>>,
    #[serde(rename = "existingVoteId", skip_serializing_if = "Option::is_none", default, borrow)]
    pub existing_vote_id: Option<Cow<'a, str>>,
}

/// Why a vote is rejected.
pub mod reason {
    pub const SESSION_NOT_OPEN: &str = "session_not_open";
    pub const INVALID_OPTION: &str = "invalid_option";
    pub const ALREADY_VOTED: &str = "already_voted";
}

/// `vote.created`, `vote.opened`, `vote.closed`, `vote.revealed` and `vote.tally` share one frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Announcement {
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(rename = "schemaVersion")]
    pub schema_version: String,
    #[serde(rename = "eventId")]
    pub event_id: String,
    pub ts: String,
    #[serde(rename = "sessionId")]
    pub session_id: String,
    pub payload: Map<String, Value>,
}

impl Announcement {
    /// An announcement of `kind` with this payload.
    pub fn new(kind: &str, event_id: String, ts: String, session_id: &str, payload: Map<String, Value>) -> Self {
        Self {
            kind: kind.into(),
            schema_version: SCHEMA_VERSION.into(),
            event_id,
            ts,
            session_id: session_id.into(),
            payload,
        }
    }

    /// As it travels.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings and numbers serialise")
    }
}

/// What a message is, without its payload.
#[derive(Debug, Deserialize)]
pub struct Header<'a> {
    #[serde(rename = "type", borrow)]
    pub kind: Cow<'a, str>,
    #[serde(rename = "eventId", borrow)]
    pub event_id: Cow<'a, str>,
    #[serde(borrow)]
    pub ts: Cow<'a, str>,
}

/// As it travels.
pub fn to_json<T: Serialize>(message: &T) -> String {
    // Room for any message but a session's: one that outgrew its room a few times over would be copied each time.
    let mut text = Vec::with_capacity(SUBMIT_BYTES_MAX / 2);
    serde_json::to_writer(&mut text, message).expect("strings and numbers serialise");
    String::from_utf8(text).expect("JSON is UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_submit_has_the_documents_fields_in_its_order() {
        let text = to_json(&Submit {
            kind: "vote.submit".into(),
            schema_version: SCHEMA_VERSION.into(),
            request_id: request_id("user_456", "abc123", 1_706_698_523).into(),
            ts: "2026-01-31T10:05:23.000Z".into(),
            session_id: "abc123".into(),
            payload: SubmitPayload { option_id: "opt_2".into(), user_id: "user_456".into() },
            decision: None,
        });
        assert_eq!(
            text,
            r#"{"type":"vote.submit","schemaVersion":"1.0.0","requestId":"req_user_456_abc123_1706698523","ts":"2026-01-31T10:05:23.000Z","sessionId":"abc123","payload":{"optionId":"opt_2","userId":"user_456"}}"#
        );
        // 200 to 400 bytes is typical (voting.md 6.4), 1 KB the most.
        assert!((180..SUBMIT_BYTES_MAX).contains(&text.len()));
        let back: Submit<'_> = serde_json::from_str(&text).unwrap();
        assert!(matches!(back.payload.option_id, Cow::Borrowed("opt_2")), "parsing copies nothing");
    }

    #[test]
    fn a_rejection_carries_reason_and_existing_vote() {
        let ack = AckPayload {
            request_id: Some("r".into()),
            user_id: Some("u".into()),
            status: "rejected".into(),
            reason: Some(reason::ALREADY_VOTED.into()),
            existing_vote_id: Some("vote_1".into()),
            ..AckPayload::default()
        };
        assert_eq!(
            to_json(&ack),
            r#"{"requestId":"r","userId":"u","status":"rejected","reason":"already_voted","existingVoteId":"vote_1"}"#
        );
    }
}
