//! Tokens that are refreshed before they expire, and goodbyes (integration-patterns.md, pattern 1).

use std::sync::Arc;

use headcount_engine::access::{Role, Token};
use headcount_engine::contract::{MINUTE, Nanos, Outbox};
use headcount_engine::message::Msg;

use super::{Later, Users, tag};
use crate::client::{CALL_PATIENCE, Connection, Subscribed};
use crate::crowd::plan::user_id;
use crate::systems::record::Fate;

/// How long a token is used: until so long before its end, and for a tenth of its life at least.
fn turn(token: &Token, before: Nanos) -> Nanos {
    let life = u64::from(token.grant.ttl_minutes) * MINUTE;
    life.saturating_sub(before).max(life / 10)
}

impl Users {
    /// The user has this token from now on, and knows when to ask for the next.
    pub(super) fn take_token(&mut self, now: Nanos, client: u32, token: Arc<Token>) {
        if let Some(before) = self.rules.refresh_before {
            self.later.set(now + turn(&token, before), Later::Refresh { client, signature: token.signature });
            if let Some(old) = self.users[client as usize].token.take() {
                self.old_tokens.insert(client, old);
            }
        }
        self.users[client as usize].token = Some(token);
    }

    /// The token will expire: a new one, while the old one is good.
    pub(super) fn refresh(&mut self, now: Nanos, client: u32, signature: u64, out: &mut Outbox) {
        let user = &self.users[client as usize];
        let Some(token) = user.token.as_ref().filter(|token| token.signature == signature) else { return };
        if user.leaving || user.gone {
            return;
        }
        // Whoever minds tries again soon; else it is the timer's next turn.
        let turn = turn(token, self.rules.refresh_before.unwrap_or(0));
        let again = if self.rules.tries_refresh_again { CALL_PATIENCE } else { turn };
        self.later.set(now + again, Later::Refresh { client, signature });
        let (user, session) = (user_id(self.user_of(client)).into(), self.config.system.word().into());
        let after = self.last_mile(client);
        let login = Msg::Login { client, tag: tag::REFRESH, user, role: Role::User, session };
        out.send_after(after, self.config.auth, login);
    }

    /// A new token has come: the connection goes on with it, from where it is.
    pub(super) fn refreshed(&mut self, now: Nanos, client: u32, msg: Msg, out: &mut Outbox) {
        let user = &self.users[client as usize];
        let Msg::LoggedIn { result: Ok(token), .. } = msg else { return };
        // Who is without a token has asked for another one meanwhile.
        let newer = user.token.as_ref().is_some_and(|known| token.issued > known.issued);
        if user.leaving || user.gone || !newer {
            return;
        }
        self.record.refreshes += 1;
        self.take_token(now, client, token);
        let channels = self.config.system.channels(&self.config.scenario, self.user_of(client));
        let user = &mut self.users[client as usize];
        if user.connection != Connection::Connected || channels.is_empty() {
            return;
        }
        user.resubscribing = true;
        let (cursor, generation) = (user.cursor.max(self.edges[usize::from(user.edge)].cursor), user.generation);
        self.later.set(now + CALL_PATIENCE, Later::Resubscribe { client, generation });
        let call = self.subscription(channels, cursor);
        self.call(client, tag::RESUBSCRIBE | u64::from(generation), call, out);
    }

    pub(super) fn resubscribed(&mut self, now: Nanos, client: u32, generation: u32, msg: Msg) {
        let user = &mut self.users[client as usize];
        if user.generation != generation || !user.resubscribing {
            return;
        }
        user.resubscribing = false;
        match Subscribed::of(msg, self.edges[usize::from(user.edge)].life.announced()) {
            Subscribed::There { cursor, messages, missed } => {
                user.cursor = user.cursor.max(cursor);
                self.record.missed_messages += u64::from(missed);
                messages.into_iter().for_each(|envelope| self.hear_one(now, client, envelope));
            }
            Subscribed::TokenRefused => self.renew_token(now, client),
            Subscribed::NotThere => {
                self.disconnect(now, client);
                self.back_off(now, client);
            }
        }
    }

    /// The edge may have the new token or not; the old one ends the connection.
    pub(super) fn not_resubscribed(&mut self, now: Nanos, client: u32, generation: u32, out: &mut Outbox) {
        let user = &mut self.users[client as usize];
        if user.generation == generation && user.resubscribing {
            user.resubscribing = false;
            self.disconnect(now, client);
            self.connect(now, client, out);
        }
    }

    /// Asks the auth server to revoke what the user has.
    pub(super) fn say_goodbye(&mut self, client: u32, tag: u64, out: &mut Outbox) {
        let user = &mut self.users[client as usize];
        user.leaving = true;
        let token = user.token.clone().expect("who says goodbye has a token");
        let after = self.last_mile(client);
        out.send_after(after, self.config.auth, Msg::Logout { client, tag, token });
    }

    /// The user has gone, and does not come back.
    pub(super) fn leave(&mut self, now: Nanos, client: u32) {
        self.disconnect(now, client);
        let user = &mut self.users[client as usize];
        user.joined = false;
        if let Some(token) = user.token.take() {
            self.old_tokens.entry(client).or_insert(token);
        }
        for place in self.waiting.remove(&client).unwrap_or_default() {
            self.settle(now, place, Fate::GaveUp);
        }
    }
}
