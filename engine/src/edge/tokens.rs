//! Connections end with their tokens: the next long poll of one whose token has expired or is revoked gets a 403
//! (platform.md 2.8). Polls are not messages here (see [`super::polls`]): the edge looks with each of its keepalives, and ends
//! the connections whose polls would be refused. The users stay present until their presence times out.

use super::Edge;
use crate::access::Token;
use crate::contract::{Nanos, Outbox};
use crate::error::ApiError;
use crate::message::Msg;
use crate::planted::{Bug, has};

impl Edge {
    /// Ends the connections whose tokens have ended.
    pub(super) fn end_with_tokens(&mut self, now: Nanos, out: &mut Outbox) {
        if self.token_ends.is_none_or(|ends| now < ends) {
            return;
        }
        let revoked = &self.revoked;
        let is_over = |token: &Token| {
            now >= token.expires() || revoked.contains(&token.signature) && !has(Bug::EdgeKeepsRevokedConnections)
        };
        let (over, next) = self.connections.over(is_over);
        self.token_ends = next;
        for (population, client, token) in over {
            self.counts.forbidden += 1;
            let revoked = self.revoked.contains(&token.signature);
            let error = if revoked { ApiError::token_revoked() } else { ApiError::token_expired() };
            self.end(population, client, out);
            out.send(population, Msg::Ended { client, signature: token.signature, error });
        }
    }
}
