//! How connections begin and end: what the client may hear, what the broker must send, what presence must know.

use std::sync::Arc;

use super::rights::allow_all;
use super::{Edge, Pending};
use crate::access::{Permissions, Token};
use crate::contract::{Nanos, NodeId, Outbox};
use crate::error::ApiError;
use crate::message::{
    Attach, Channel, ChannelList, Client, DOTS_MAX, Msg, PRESENCE_SUFFIX, PresenceCall, SubscribeWith, Wildcard,
};
use crate::planted::{Bug, has};
use crate::stream::earlier;
use crate::timetoken::Timetoken;

/// A subscribe, checked as far as its frame goes.
pub(super) struct Subscribe {
    pub channels: ChannelList,
    pub cursor: Timetoken,
    pub with: Option<Box<SubscribeWith>>,
    pub pending: Pending,
}

impl Edge {
    pub(super) fn subscribe(
        &mut self,
        now: Nanos,
        population: NodeId,
        client: Client,
        token: &Arc<Token>,
        asked: Subscribe,
        out: &mut Outbox,
    ) -> Result<(), ApiError> {
        let Subscribe { channels, cursor, with, pending } = asked;
        for channel in &channels {
            self.check_listened(now, channel)?;
        }
        allow_all(token, &channels, Permissions::READ)?;
        let SubscribeWith { groups, timeout_s, cursor_region } = with.map_or_else(SubscribeWith::default, |with| *with);
        let refused: Vec<&Arc<str>> =
            groups.iter().filter(|group| !token.allows_group(group, Permissions::READ)).collect();
        if !refused.is_empty() && !has(Bug::EdgeLetsAnybodyListenToGroups) {
            return Err(ApiError::forbidden_groups(refused));
        }
        if channels.is_empty() && self.grouped.as_ref().is_none_or(|grouped| grouped.all_empty(&groups)) {
            return Err(ApiError::empty_subscription());
        }
        if !groups.is_empty() && !self.standing.is_served() {
            // What is said in the groups does not come here yet.
            return Err(ApiError::service_unavailable("Balancer"));
        }
        if let (Some(presence), channels) = self.with_presence(&channels)
            && timeout_s > 0
            && !channels.is_empty()
        {
            let call = PresenceCall::Subscribed { user: token.grant.user.clone(), channels, timeout_s };
            out.send(presence, Msg::Presence { tag: 0, call: Box::new(call) });
        }
        self.polls.forget(population, client);
        let mut silent = self.connections.connect(population, client, channels.clone(), Some(token.clone()));
        self.token_ends = earlier(self.token_ends, Some(token.expires()));
        let (mut channels, mut also) = (channels, Vec::new());
        if let Some(grouped) = &mut self.grouped {
            let (begin, end) = grouped.connect((population, client), &groups);
            channels.extend(begin);
            silent.extend(end);
            if cursor != Timetoken::ZERO {
                also = grouped.covered(&groups);
            }
        }
        self.detach(silent, out);
        let tag = self.pending.insert(now, pending);
        let attach = Attach { tag, epoch: self.epoch, channels, cursor, cursor_region, also: also.into() };
        out.send(self.config.broker, Msg::Attach(Box::new(attach)));
        Ok(())
    }

    /// What a client may listen to: a channel's name, or a wildcard two dots deep. A star anywhere else is a character that
    /// no name has.
    fn check_listened(&self, now: Nanos, name: &str) -> Result<(), ApiError> {
        let Some(Wildcard { prefix, .. }) = Wildcard::parse(name) else { return self.check_name(now, name) };
        if prefix.matches('.').count() > DOTS_MAX {
            return Err(ApiError::wildcard_too_deep(Timetoken::at(now)));
        }
        self.check_name(now, prefix)
    }

    /// Whom to ask about presence, and which of these channels have it.
    pub(super) fn with_presence(&self, channels: &[Channel]) -> (Option<NodeId>, ChannelList) {
        let Some((presence, pattern)) = self.config.presence else { return (None, ChannelList::new()) };
        let has = |channel: &&Channel| match pattern.strip_suffix('*') {
            Some(prefix) => channel.starts_with(prefix) && !channel.ends_with(PRESENCE_SUFFIX),
            None => ***channel == *pattern,
        };
        (Some(presence), channels.iter().filter(has).cloned().collect())
    }

    pub(super) fn disconnect(&mut self, population: NodeId, client: Client, token: &Token, out: &mut Outbox) {
        let own = self.connections.subscription(population, client).cloned();
        if let (Some(presence), channels) = self.with_presence(&own.unwrap_or_default())
            && !channels.is_empty()
        {
            let call = PresenceCall::Leave { user: token.grant.user.clone(), channels };
            out.send(presence, Msg::Presence { tag: 0, call: Box::new(call) });
        }
        self.end(population, client, out);
    }

    /// The connection is gone.
    pub(super) fn end(&mut self, population: NodeId, client: Client, out: &mut Outbox) {
        self.polls.forget(population, client);
        let mut silent = self.connections.disconnect(population, client);
        silent.extend(self.grouped.iter_mut().flat_map(|grouped| grouped.disconnect((population, client))));
        self.detach(silent, out);
    }

    /// Of these channels, those that nobody listens to need not come here any longer.
    pub(super) fn detach(&self, mut channels: ChannelList, out: &mut Outbox) {
        if channels.is_empty() {
            return;
        }
        let grouped = |channel: &str| self.grouped.as_ref().is_some_and(|grouped| grouped.wants(channel));
        channels.retain(|channel| !self.connections.wants(channel) && !grouped(channel));
        if !channels.is_empty() {
            out.send(self.config.broker, Msg::Detach { channels, epoch: self.epoch });
        }
    }
}
