//! What clients publish: messages, signals and fires, checked before they go to the broker.

use std::sync::Arc;

use super::rights::allow_all;
use super::{Edge, Pending};
use crate::access::{Permissions, Token};
use crate::contract::{Nanos, Outbox};
use crate::error::ApiError;
use crate::message::{Channel, DOTS_MAX, Kind, Msg, Payload, Publish};
use crate::planted::{Bug, has};
use crate::timetoken::Timetoken;

/// What a client says.
pub(super) struct Said {
    pub channel: Channel,
    pub payload: Payload,
    pub store: bool,
    pub kind: Kind,
}

impl Edge {
    /// Hands on to the broker what may pass.
    pub(super) fn publish(
        &mut self,
        now: Nanos,
        token: Arc<Token>,
        client_ip: u32,
        said: Said,
        pending: Pending,
        out: &mut Outbox,
    ) -> Result<(), ApiError> {
        self.check_publish(now, &token, &said)?;
        let Said { channel, payload, store, kind } = said;
        let publish = Publish {
            tag: self.pending.insert(now, pending),
            channel,
            payload,
            publisher: token.grant.user.clone(),
            store,
            kind,
            hops: 0,
            client_ip,
            token: Some(token),
        };
        out.send(self.config.broker, Msg::Publish(Box::new(publish)));
        Ok(())
    }

    pub(super) fn check_name(&self, now: Nanos, channel: &str) -> Result<(), ApiError> {
        let forbidden = |c: char| matches!(c, ',' | ':' | '*' | '/' | '\\' | ' ') || c.is_control();
        if channel.contains(forbidden) {
            return Err(ApiError::invalid_channel_character(Timetoken::at(now)));
        }
        let chars_max = self.config.limits.channel_name_chars.value.map_or(usize::MAX, |max| max as usize);
        if channel.is_empty() || channel.chars().count() > chars_max {
            return Err(ApiError::invalid_channel_length(Timetoken::at(now)));
        }
        Ok(())
    }

    fn check_publish(&self, now: Nanos, token: &Token, said: &Said) -> Result<(), ApiError> {
        let Said { channel, payload, kind, .. } = said;
        let kind = *kind;
        self.check_name(now, channel)?;
        // Wildcards reach two dots deep (platform.md 2.6): nobody could hear what is published below.
        if channel.matches('.').count() > DOTS_MAX {
            return Err(ApiError::wildcard_too_deep(Timetoken::at(now)));
        }
        if !has(Bug::EdgeLetsAnybodyWrite) {
            allow_all(token, std::slice::from_ref(channel), Permissions::WRITE)?;
        }
        if kind == Kind::Signal && !self.config.limits.takes_signal(payload) {
            return Err(ApiError::signal_too_large(Timetoken::at(now)));
        }
        if self.config.limits.message_bytes.value.is_some_and(|max| payload.len() + channel.len() > max as usize) {
            return Err(ApiError::message_too_large(Timetoken::at(now)));
        }
        if serde_json::from_str::<serde::de::IgnoredAny>(payload).is_err() {
            return Err(ApiError::invalid_json(Timetoken::at(now)));
        }
        Ok(())
    }
}
