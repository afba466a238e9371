//! The platform's own refusals, word for word (platform.md 2.7 and 2.8). A refusal is a value and changes nothing.
//!
//! Bodies that no recording shows are marked *unverified*: their form follows the recorded ones of the same service.

use std::sync::Arc;

use crate::timetoken::Timetoken;

/// An HTTP-like refusal: a status and the body as the client reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    pub status: u16,
    pub body: Arc<str>,
}

impl ApiError {
    /// A refusal with this status and body.
    pub fn new(status: u16, body: impl Into<Arc<str>>) -> Self {
        Self { status, body: body.into() }
    }

    // Publish and signal.

    /// `[0,text,tt]`, the form of publish refusals.
    fn publish(status: u16, text: &str, now: Timetoken) -> Self {
        Self::new(status, format!("[0,{},\"{now}\"]", quoted(text)))
    }

    /// Publish with a publish key that does not exist: 400.
    pub fn invalid_key(now: Timetoken) -> Self {
        Self::publish(400, "Invalid Key", now)
    }

    /// A body that is no JSON: 400.
    pub fn invalid_json(now: Timetoken) -> Self {
        Self::publish(400, "Invalid JSON", now)
    }

    /// A channel name with one of `, : * / \`, a space or a control character: 400.
    pub fn invalid_channel_character(now: Timetoken) -> Self {
        Self::publish(400, "Invalid Character in Channel Name", now)
    }

    /// A channel name that is empty or longer than 92 characters: 400 (*unverified* text).
    pub fn invalid_channel_length(now: Timetoken) -> Self {
        Self::publish(400, "Invalid Channel Name", now)
    }

    /// A channel with more than two dots: 400.
    pub fn wildcard_too_deep(now: Timetoken) -> Self {
        Self::publish(400, "Wildcard maximum depth exceeded", now)
    }

    /// A message above 32 KiB with its channel and encoding: 413.
    pub fn message_too_large(now: Timetoken) -> Self {
        Self::publish(413, "Message Too Large", now)
    }

    /// A message in a GET request whose address the balancer does not take: 414.
    pub fn request_uri_too_long() -> Self {
        Self::new(414, r#"{"status":414,"service":"Balancer","error":true,"message":"Request URI Too Long"}"#)
    }

    /// A signal above 64 bytes: 400.
    pub fn signal_too_large(now: Timetoken) -> Self {
        Self::publish(400, "Signal size too large", now)
    }

    /// The account may not publish more: 429.
    pub fn account_quota_exceeded(now: Timetoken) -> Self {
        Self::publish(429, "Account quota exceeded", now)
    }

    // Subscribe.

    /// A subscribe key that does not exist: 400.
    pub fn invalid_subscribe_key() -> Self {
        Self::access_manager(400, "Invalid Subscribe Key")
    }

    /// A subscribe to nothing but empty channel groups: 400.
    pub fn empty_subscription() -> Self {
        Self::new(
            400,
            r#"{"status":400,"service":"PubSub","error":true,"message":"Channel group or groups result in empty subscription set"}"#,
        )
    }

    // Access Manager.

    fn access_manager(status: u16, message: &str) -> Self {
        let message = quoted(message);
        Self::new(
            status,
            format!(r#"{{"message":{message},"error":true,"service":"Access Manager","status":{status}}}"#),
        )
    }

    /// A token that does not allow the call on these channels: 403.
    pub fn forbidden<S: AsRef<str>>(channels: impl IntoIterator<Item = S>) -> Self {
        Self::forbidden_on("channels", channels)
    }

    /// A token that does not allow the call on these channel groups: 403; the platform writes `:` before each name.
    pub fn forbidden_groups<S: AsRef<str>>(groups: impl IntoIterator<Item = S>) -> Self {
        Self::forbidden_on("channel-groups", groups.into_iter().map(|group| format!(":{}", group.as_ref())))
    }

    fn forbidden_on<S: AsRef<str>>(kind: &str, names: impl IntoIterator<Item = S>) -> Self {
        let names: Vec<String> = names.into_iter().map(|name| quoted(name.as_ref())).collect();
        let names = names.join(",");
        Self::new(
            403,
            format!(
                r#"{{"message":"Forbidden","payload":{{"{kind}":[{names}]}},"error":true,"service":"Access Manager","status":403}}"#
            ),
        )
    }

    /// A revoked token: 403.
    pub fn token_revoked() -> Self {
        Self::new(403, r#"{"error":true,"status":403,"service":"Access Manager","message":"Token is revoked"}"#)
    }

    /// A token past its time: 403 (the words are those of a revoke of an expired token).
    pub fn token_expired() -> Self {
        Self::new(403, r#"{"error":true,"status":403,"service":"Access Manager","message":"Token is expired."}"#)
    }

    /// A token whose signature is not the access manager's: 403 (*unverified* text).
    pub fn token_invalid() -> Self {
        Self::new(403, r#"{"error":true,"status":403,"service":"Access Manager","message":"Invalid token"}"#)
    }

    /// A token of another user, by `authorized_uuid`: 403 (*unverified* text).
    pub fn token_of_another_user() -> Self {
        Self::new(403, r#"{"error":true,"status":403,"service":"Access Manager","message":"Token user mismatch."}"#)
    }

    /// A grant for less than 1 or more than 43,200 minutes: 400.
    pub fn grant_ttl_out_of_range() -> Self {
        Self::grant("Invalid ttl", "Range should be 1 to 43200 minute(s).", "ttl")
    }

    /// A grant of nothing: 400.
    pub fn grant_empty() -> Self {
        Self::grant("This grant contains no permissions", "What are you granting?", "permissions")
    }

    fn grant(message: &str, detail: &str, location: &str) -> Self {
        Self::new(
            400,
            format!(
                r#"{{"error":{{"message":"{message}","source":"grant","details":[{{"message":"{detail}","location":"{location}","locationType":"body"}}]}},"service":"Access Manager","status":400}}"#
            ),
        )
    }

    // App Context.

    fn objects(status: u16, message: &str) -> Self {
        let message = quoted(message);
        Self::new(status, format!(r#"{{"status":{status},"error":{{"message":{message},"source":"objects"}}}}"#))
    }

    /// No such object: 404.
    pub fn object_not_found() -> Self {
        Self::objects(404, "Requested object was not found.")
    }

    /// The channel's eTag is no longer the one in `If-Match`: 412.
    pub fn channel_modified() -> Self {
        Self::objects(412, "Channel to update has been modified after it was read.")
    }

    /// The user's eTag is no longer the one in `If-Match`: 412.
    pub fn user_modified() -> Self {
        Self::objects(412, "User to update has been modified after it was read.")
    }

    /// A patch that is no JSON object, a page that the store did not give out: 400 (*unverified* text).
    pub fn objects_invalid_input() -> Self {
        Self::objects(400, "Request payload contained invalid input.")
    }

    // Presence.

    /// A user id that is empty or longer than 92 characters: 400 (*unverified* text).
    pub fn presence_invalid_user() -> Self {
        Self::service(400, "Presence", "Invalid UUID")
    }

    /// A state that is no JSON object: 400 (*unverified* text).
    pub fn presence_invalid_state() -> Self {
        Self::service(400, "Presence", "Invalid JSON specified.")
    }

    // Channel registry: its service name is recorded (platform.md 2.6 and 2.8), what it says to these is not.

    fn channel_registry(message: &str) -> Self {
        Self::service(400, "channel-registry", message)
    }

    /// A keyset without channel groups: 403 (the recorded text goes on; where, is not known).
    pub fn groups_not_enabled() -> Self {
        Self::service(
            403,
            "channel-registry",
            "Use of the channel groups API requires the Stream Controller add-on which is not enabled for this subscribe key.",
        )
    }

    /// A group that would have more channels than allowed: 400 (*unverified* text).
    pub fn channel_group_full() -> Self {
        Self::channel_registry("Maximum number of channels in the channel group exceeded")
    }

    /// A group whose name has a wrong length or a forbidden character: 400 (*unverified* text).
    pub fn invalid_channel_group() -> Self {
        Self::channel_registry("Invalid Channel Group Name")
    }

    /// A channel in a group whose name has a wrong length or a forbidden character: 400 (*unverified* text).
    pub fn invalid_channel_in_group() -> Self {
        Self::channel_registry("Invalid Channel Name")
    }

    /// A wildcard as a channel of a group: 400 (*unverified* text).
    pub fn wildcard_in_channel_group() -> Self {
        Self::channel_registry("Wildcards are not allowed in channel groups")
    }

    // Any service.

    /// More calls than the rate limit allows: 429 (*unverified* body).
    pub fn too_many_requests(service: &str) -> Self {
        Self::service(429, service, "Too Many Requests")
    }

    /// The service is away or has no room: 503 (*unverified* body).
    pub fn service_unavailable(service: &str) -> Self {
        Self::service(503, service, "Service Unavailable")
    }

    /// No On Request Function has this path: 404 (*unverified* body).
    pub fn no_such_endpoint() -> Self {
        Self::service(404, "Functions", "Not Found")
    }

    /// A Function that did not resolve in time: 504. What a publisher reads then is nowhere documented or recorded
    /// (platform.md 3.2), so status and body are *unverified*.
    pub fn function_timeout() -> Self {
        Self::service(504, "Functions", "Function timed out")
    }

    fn service(status: u16, service: &str, message: &str) -> Self {
        let service = quoted(service);
        Self::new(status, format!(r#"{{"status":{status},"service":{service},"error":true,"message":"{message}"}}"#))
    }
}

/// The text as a JSON string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TT: Timetoken = Timetoken(17_698_536_000_000_000);

    #[test]
    fn recorded_bodies_come_out_word_for_word() {
        let body = |error: ApiError| (error.status, error.body.to_string());
        assert_eq!(body(ApiError::invalid_key(TT)), (400, r#"[0,"Invalid Key","17698536000000000"]"#.to_owned()));
        assert_eq!(
            body(ApiError::invalid_subscribe_key()),
            (
                400,
                r#"{"message":"Invalid Subscribe Key","error":true,"service":"Access Manager","status":400}"#
                    .to_owned()
            )
        );
        assert_eq!(
            body(ApiError::forbidden(["c"])),
            (
                403,
                r#"{"message":"Forbidden","payload":{"channels":["c"]},"error":true,"service":"Access Manager","status":403}"#
                    .to_owned()
            )
        );
        assert!(ApiError::forbidden_groups(["g"]).body.contains(r#""payload":{"channel-groups":[":g"]}"#));
        assert_eq!(
            &*ApiError::token_revoked().body,
            r#"{"error":true,"status":403,"service":"Access Manager","message":"Token is revoked"}"#
        );
        assert_eq!(
            &*ApiError::grant_ttl_out_of_range().body,
            r#"{"error":{"message":"Invalid ttl","source":"grant","details":[{"message":"Range should be 1 to 43200 minute(s).","location":"ttl","locationType":"body"}]},"service":"Access Manager","status":400}"#
        );
        assert_eq!(
            body(ApiError::object_not_found()),
            (
                404,
                r#"{"status":404,"error":{"message":"Requested object was not found.","source":"objects"}}"#.to_owned()
            )
        );
    }

    #[test]
    fn every_body_is_json_whatever_stands_in_a_name() {
        for error in [
            ApiError::invalid_json(TT),
            ApiError::invalid_channel_character(TT),
            ApiError::invalid_channel_length(TT),
            ApiError::wildcard_too_deep(TT),
            ApiError::message_too_large(TT),
            ApiError::request_uri_too_long(),
            ApiError::signal_too_large(TT),
            ApiError::account_quota_exceeded(TT),
            ApiError::empty_subscription(),
            ApiError::forbidden(["a\"b", "\\"]),
            ApiError::forbidden_groups(["\n"]),
            ApiError::token_expired(),
            ApiError::token_invalid(),
            ApiError::token_of_another_user(),
            ApiError::grant_empty(),
            ApiError::channel_modified(),
            ApiError::user_modified(),
            ApiError::objects_invalid_input(),
            ApiError::presence_invalid_user(),
            ApiError::presence_invalid_state(),
            ApiError::channel_group_full(),
            ApiError::invalid_channel_group(),
            ApiError::invalid_channel_in_group(),
            ApiError::wildcard_in_channel_group(),
            ApiError::too_many_requests("PubSub"),
            ApiError::no_such_endpoint(),
            ApiError::service_unavailable("\"quoted\""),
        ] {
            serde_json::from_str::<serde_json::Value>(&error.body).unwrap_or_else(|e| panic!("{}: {e}", error.body));
            assert!((400..=599).contains(&error.status));
        }
    }
}
