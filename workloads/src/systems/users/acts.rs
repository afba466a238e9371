//! What users do: each act is sent, sent again as the same call until it is answered for good, and settled once.

use std::sync::Arc;

use headcount_engine::contract::{MS, Nanos, Outbox};
use headcount_engine::message::{Msg, Payload};

use super::{Later, Users, tag};
use crate::client::Connection;
use crate::crowd::plan::place_of;
use crate::systems::record::Fate;
use crate::systems::{Doing, Judged, Reply};

/// How soon an act that waits for another one's answer looks again: a person notices no less.
const LOOK_AGAIN: Nanos = 200 * MS;

/// What an act is made from.
enum Material {
    Nothing,
    /// The body of the answer to an act before it.
    Answer(Payload),
    /// That act is not answered for good.
    NotYet,
    /// It was not accepted.
    Never,
}

impl Users {
    fn client_of(&self, place: u32) -> u32 {
        let act = &self.plan.acts[self.record.numbers[place as usize] as usize];
        place_of(act.user, self.plan.regions).1
    }

    /// Sends an act, now or as soon as its user is connected.
    pub(super) fn attempt(&mut self, now: Nanos, place: u32, out: &mut Outbox) {
        let client = self.client_of(place);
        let done = &mut self.record.done[place as usize];
        if done.fate != Fate::Open {
            return;
        }
        let number = self.record.numbers[place as usize];
        let (act, user) = (self.plan.acts[number as usize], &self.users[client as usize]);
        let needs_edge = self.config.system.needs_edge(&act);
        if user.gone || (user.leaving && needs_edge) {
            return self.settle(now, place, Fate::GaveUp);
        }
        let can_without = !needs_edge && (user.token.is_some() || user.leaving);
        if user.connection != Connection::Connected && !can_without {
            done.waits = true;
            self.waiting.entry(client).or_default().push(place);
            return;
        }
        let answer = match self.made_from(number) {
            Material::Nothing => None,
            Material::Answer(answer) => Some(answer),
            Material::NotYet => {
                let done = &mut self.record.done[place as usize];
                done.waits = false;
                return self.later.set(now + LOOK_AGAIN, Later::Again { place, attempt: done.attempts });
            }
            Material::Never => return self.settle(now, place, Fate::GaveUp),
        };
        let done = &mut self.record.done[place as usize];
        (done.waits, done.again) = (false, false);
        done.attempts += 1;
        let (attempt, again) = (done.attempts, done.attempts > 1);
        if !again {
            done.first_sent = now;
        }
        let second = self.record.second(now);
        if again {
            second.resent += 1;
        } else {
            second.sent += 1;
        }
        self.later.set(now + self.config.scenario.system.ack_timeout, Later::Overdue { place, attempt });
        let tag = tag::ACT | u64::from(place);
        let (system, scenario) = (self.config.system, &self.config.scenario);
        let doing = match answer {
            None => system.doing(scenario, number, &act),
            Some(answer) => system.doing_with(scenario, number, &act, &answer),
        };
        match doing {
            Doing::Logout => self.say_goodbye(client, tag, out),
            Doing::WithOldToken(call) => {
                let old = self.old_tokens.get(&client).cloned();
                let token = old.or_else(|| self.users[client as usize].token.clone());
                self.call_with(client, tag, token, call, out);
            }
            Doing::Api(call) => self.call(client, tag, call, out),
            Doing::Http { base, mut request } => {
                let service = self.config.services.iter().find(|(known, _)| *known == base).map(|(_, node)| *node);
                let to = service.unwrap_or_else(|| {
                    self.turn += 1;
                    self.config.endpoints[self.turn % self.config.endpoints.len()]
                });
                request.token = self.users[client as usize].token.clone();
                let after = self.last_mile(client);
                out.send_after(after, to, Msg::Http { tag, request: Box::new(request) });
            }
        }
    }

    fn made_from(&self, number: u32) -> Material {
        let Some(source) = self.plan.made_from.get(&number) else { return Material::Nothing };
        let place = self.record.numbers.binary_search(source).expect("one user's acts are all here");
        let source = &self.record.done[place];
        match source.fate {
            Fate::Open => Material::NotYet,
            Fate::Accepted => Material::Answer(source.body.clone().unwrap_or_default()),
            Fate::Refused(_) | Fate::GaveUp => Material::Never,
        }
    }

    /// An answer to any attempt at an act.
    pub(super) fn answered(&mut self, now: Nanos, place: u32, msg: Msg) {
        let Some(done) = self.record.done.get_mut(place as usize).filter(|done| done.fate == Fate::Open) else {
            return;
        };
        let act = self.plan.acts[self.record.numbers[place as usize] as usize];
        let nothing: Arc<str> = "".into();
        let reply = match &msg {
            Msg::Answer { result, .. } => Reply::Api(result),
            Msg::HttpAnswer { status, body, .. } => Reply::Http(*status, body),
            Msg::LoggedOut { result, .. } => Reply::Http(result.err().unwrap_or(200), &nothing),
            _ => return,
        };
        done.answered = now;
        done.body = reply.body().cloned();
        match self.config.system.judge(&act, &reply) {
            Judged::Accepted => {
                self.settle(now, place, Fate::Accepted);
                if matches!(msg, Msg::LoggedOut { .. }) {
                    self.leave(now, self.client_of(place));
                }
            }
            Judged::Refused(status) => self.settle(now, place, Fate::Refused(status)),
            Judged::Again => {
                self.record.second(now).errors += 1;
                self.try_again(now, place);
            }
            Judged::NewToken => {
                self.record.second(now).errors += 1;
                let client = self.client_of(place);
                if self.users[client as usize].connection == Connection::Connected {
                    self.renew_token(now, client);
                }
                self.try_again(now, place);
            }
        }
    }

    pub(super) fn settle(&mut self, now: Nanos, place: u32, fate: Fate) {
        self.record.done[place as usize].fate = fate;
        let second = self.record.second(now);
        match fate {
            Fate::Accepted => second.accepted += 1,
            Fate::Refused(_) => second.refused += 1,
            Fate::GaveUp => second.given_up += 1,
            Fate::Open => {}
        }
        if fate != Fate::GaveUp {
            let after = self.last_mile(self.client_of(place));
            let at = self.plan.acts[self.record.numbers[place as usize] as usize].at;
            self.record.answers.record(now, (now + after).saturating_sub(at) / 1_000);
        }
    }

    /// Waits, longer each time, and tries the same call again; or gives up.
    fn try_again(&mut self, now: Nanos, place: u32) {
        let retry = self.config.scenario.system.retry;
        let done = &self.record.done[place as usize];
        if done.again {
            return;
        }
        let attempt = done.attempts;
        if u32::from(attempt) >= retry.attempts || now >= done.first_sent + retry.give_up_after {
            return self.settle(now, place, Fate::GaveUp);
        }
        self.record.done[place as usize].again = true;
        // Half of it fixed, half of it anywhere.
        let half = retry.wait(attempt).max(2) / 2;
        let wait = half + self.throw(self.client_of(place)) % half;
        self.later.set(now + wait, Later::Again { place, attempt });
    }

    /// No answer in time: perhaps it took effect. Three in a row: perhaps the connection is dead and nobody said so.
    pub(super) fn overdue(&mut self, now: Nanos, place: u32, attempt: u16, out: &mut Outbox) {
        let done = &self.record.done[place as usize];
        if done.fate != Fate::Open || done.attempts != attempt || done.again {
            return;
        }
        self.record.second(now).timeouts += 1;
        self.try_again(now, place);
        let client = self.client_of(place);
        let user = &self.users[client as usize];
        if attempt.is_multiple_of(3) && user.connection == Connection::Connected && !user.leaving {
            self.disconnect(now, client);
            self.connect(now, client, out);
        }
    }

    pub(super) fn again(&mut self, now: Nanos, place: u32, attempt: u16, out: &mut Outbox) {
        let done = &self.record.done[place as usize];
        if done.fate == Fate::Open && done.attempts == attempt && !done.waits {
            self.attempt(now, place, out);
        }
    }
}
