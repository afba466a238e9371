//! What users do: come and go, ask, accept and part, write; and what dishonest ones try.

use std::sync::Arc;

use headcount_engine::contract::{Nanos, Outbox};
use headcount_engine::message::{ApiOk, Call, Msg, ObjectsOk, ObjectsOp, SubscribeWith};
use headcount_engine::patterns::Variant;
use headcount_engine::patterns::friends::message::{Message, Pair, kind};
use headcount_engine::patterns::friends::names;
use headcount_engine::timetoken::{Timetoken, iso8601};
use serde_json::json;

use super::plan::{Deed, status_text};
use super::{Later, NUDGE, People, tag};
use crate::client::Connection;
use crate::crowd::plan::user_id;

/// Which forgery an answer belongs to.
const FORGERIES: [&str; 3] = ["acceptance", "status", "group"];

impl People {
    pub(super) fn act(&mut self, now: Nanos, client: u32, deed: Deed, out: &mut Outbox) {
        let connected = self.users[client as usize].connection == Connection::Connected;
        match deed {
            Deed::Come => {
                self.users[client as usize].wanted = true;
                self.record.second(now).comes += 1;
                self.connect(now, client, out);
            }
            Deed::Leave => {
                if connected {
                    self.call(client, tag::SAY, Call::Unsubscribe, out);
                }
                self.record.second(now).leaves += 1;
                self.disconnect(now, client);
                self.users[client as usize].wanted = false;
            }
            Deed::Lose => {
                self.record.second(now).losses += 1;
                self.disconnect(now, client);
                self.users[client as usize].reachable = false;
            }
            Deed::Return => {
                self.users[client as usize].reachable = true;
                self.connect(now, client, out);
            }
            Deed::Move(region) => self.move_to(now, client, region, out),
            Deed::Ask(about) | Deed::Accept(about) | Deed::Remove(about) => {
                self.wishes.insert((client, about), deed);
                self.nudge(now, client, about, out);
            }
            Deed::Write(number) => {
                self.writing.insert(client, number);
                self.record.written.entry(client).or_default().push((number, false));
                self.write(now, client, out);
            }
            Deed::ForgeAcceptance(a, b) if connected => {
                let (text, channel) = (pair(now, kind::ACCEPTED, a, b), names::requests_channel(&user_id(b)));
                self.publish(client, tag::FORGE, channel, text, out);
            }
            Deed::ForgeStatus(victim) if connected => {
                let id = user_id(victim);
                let text = json!({
                    "type": kind::OFFLINE, "schemaVersion": "1.0.0", "eventId": format!("evt_offline_{id}_9999999999999"),
                    "ts": iso8601(now), "payload": { "userId": id, "lastSeen": iso8601(now) },
                });
                self.publish(client, tag::FORGE | 1, names::status_channel(&id), text.to_string(), out);
            }
            Deed::ForeignGroup(victim) if connected => {
                let groups = std::iter::once(names::group(&user_id(victim)).into()).collect();
                let with = Some(Box::new(SubscribeWith { groups, timeout_s: 0, cursor_region: None }));
                let channels = std::iter::once(names::GLOBAL.into()).collect();
                self.call(client, tag::FORGE | 2, Call::Subscribe { channels, cursor: Timetoken::ZERO, with }, out);
            }
            Deed::ForgeAcceptance(..) | Deed::ForgeStatus(_) | Deed::ForeignGroup(_) => {}
        }
    }

    fn publish(&mut self, client: u32, tag: u64, channel: String, text: String, out: &mut Outbox) {
        let call = Call::Publish { channel: channel.into(), payload: text.into(), store: false };
        self.call(client, tag, call, out);
    }

    /// Says a wish, now and until the list shows it.
    pub(super) fn nudge(&mut self, now: Nanos, client: u32, about: u32, out: &mut Outbox) {
        let Some(&deed) = self.wishes.get(&(client, about)) else { return };
        let wait = NUDGE + self.throw(client) % NUDGE;
        self.after(now + wait, Later::Nudge { client, about });
        if self.users[client as usize].connection != Connection::Connected {
            return;
        }
        let (own, me) = (self.id(client), self.number(client));
        let (channel, text) = match deed {
            Deed::Ask(other) => (names::requests_channel(&own), pair(now, kind::REQUEST, me, other)),
            Deed::Accept(other) => (names::requests_channel(&own), pair(now, kind::ACCEPTED, other, me)),
            _ => (names::management_channel(&own), pair(now, kind::REMOVE, me, about)),
        };
        self.record.nudges += 1;
        self.publish(client, tag::SAY, channel, text, out);
        // Whether it worked shows in the list.
        let generation = self.users[client as usize].generation;
        self.after(now + NUDGE / 2, Later::Reload { client, generation });
    }

    /// Writes the status message, now and until the store says yes.
    pub(super) fn write(&mut self, now: Nanos, client: u32, out: &mut Outbox) {
        let Some(&number) = self.writing.get(&client) else { return };
        let wait = NUDGE + self.throw(client) % NUDGE;
        self.after(now + wait, Later::Write { client });
        if self.users[client as usize].connection != Connection::Connected {
            return;
        }
        match self.config.variant {
            // What the version was is what it is written over: a copy of the request that comes late changes nothing.
            Variant::Hardened => {
                let op = ObjectsOp::GetUser { user: self.id(client).into() };
                self.call(client, tag::READ | u64::from(number), Call::Objects(Box::new(op)), out);
            }
            Variant::Documented => self.put(client, number, None, out),
        }
    }

    fn put(&mut self, client: u32, number: u32, if_match: Option<Arc<str>>, out: &mut Outbox) {
        let patch = json!({ "custom": { "statusMessage": status_text(number) } }).to_string().into();
        let op = ObjectsOp::SetUser { user: self.id(client).into(), patch, if_match };
        self.call(client, tag::WRITE | u64::from(number), Call::Objects(Box::new(op)), out);
    }

    /// The own record was read: now it is written.
    pub(super) fn read(&mut self, client: u32, number: u32, msg: &Msg, out: &mut Outbox) {
        let Msg::Answer { result: Ok(ApiOk::Objects(ObjectsOk::Object(object))), .. } = msg else { return };
        if self.writing.get(&client) == Some(&number) {
            self.put(client, number, Some(object.etag.clone()), out);
        }
    }

    pub(super) fn written(&mut self, now: Nanos, client: u32, number: u32, msg: &Msg, out: &mut Outbox) {
        if matches!(msg, Msg::Answer { result: Err(error), .. } if error.status == 412) {
            return self.write(now, client, out);
        }
        if !matches!(msg, Msg::Answer { result: Ok(_), .. }) {
            return;
        }
        for (written, acknowledged) in self.record.written.entry(client).or_default() {
            *acknowledged |= *written == number;
        }
        if self.writing.get(&client) == Some(&number) {
            self.writing.remove(&client);
        }
    }

    pub(super) fn forged(&mut self, which: u8, msg: &Msg) {
        let Msg::Answer { result, .. } = msg else { return };
        let status = result.as_ref().map_or_else(|error| error.status, |_| 200);
        let kind = FORGERIES[usize::from(which).min(2)];
        *self.record.forged.entry((kind, status)).or_default() += 1;
    }
}

/// A message about two users.
fn pair(now: Nanos, kind: &str, a: u32, b: u32) -> String {
    let payload = Pair { user_a: user_id(a).into(), user_b: user_id(b).into() };
    Message::new(kind, format!("evt_{kind}_{a}_{b}_{}", now / 1_000_000), iso8601(now), payload).to_json()
}
