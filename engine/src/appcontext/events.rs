//! App Context's events: what was set or deleted, told on the channels that bear its names (platform.md 2.2).
//!
//! A user's event goes to the channel that is called as the user is, a channel's to the channel, a membership's to both.

use std::sync::Arc;

use super::object::push_quoted;
use crate::contract::{Nanos, NodeId, Outbox, SECOND};
use crate::message::{Channel, Msg, Object, ObjectsOk, ObjectsOp, UserId};
use crate::timetoken::iso8601;

/// What a write is of: kept until it has taken effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    User(UserId),
    Channel(Channel),
    Membership(UserId, Channel),
}

impl Subject {
    /// `None` for what writes nothing.
    pub fn of(op: &ObjectsOp) -> Option<Self> {
        Some(match op {
            ObjectsOp::SetUser { user, .. } | ObjectsOp::DeleteUser { user } => Self::User(user.clone()),
            ObjectsOp::SetChannel { channel, .. } | ObjectsOp::DeleteChannel { channel } => {
                Self::Channel(channel.clone())
            }
            ObjectsOp::SetMembership { user, channel, .. } | ObjectsOp::DeleteMembership { user, channel } => {
                Self::Membership(user.clone(), channel.clone())
            }
            _ => return None,
        })
    }

    /// Tells the broker what became of it.
    pub fn tell(self, ok: &ObjectsOk, broker: NodeId, out: &mut Outbox) {
        let object = match ok {
            ObjectsOk::Object(object) => Some(object),
            ObjectsOk::Deleted => None,
            ObjectsOk::Page { .. } | ObjectsOk::Ids { .. } | ObjectsOk::Columns(_) => return,
        };
        let payload: Arc<str> = self.event(object).into();
        let channels = match self {
            Self::User(channel) | Self::Channel(channel) => [Some(channel), None],
            Self::Membership(user, channel) => [Some(user), Some(channel)],
        };
        for channel in channels.into_iter().flatten() {
            out.send(broker, Msg::ObjectsEvent { channel, payload: payload.clone() });
        }
    }

    /// The event's text: `data` is the object as the API shows it, with when it was written and its eTag; of what was deleted,
    /// its names.
    fn event(&self, object: Option<&Arc<Object>>) -> String {
        let (kind, names, digits) = match self {
            Self::User(user) => ("uuid", vec![("uuid", user)], 6),
            Self::Channel(channel) => ("channel", vec![("channel", channel)], 6),
            Self::Membership(user, channel) => ("membership", vec![("channel", channel), ("uuid", user)], 9),
        };
        let event = if object.is_some() { "set" } else { "delete" };
        let mut text = format!(r#"{{"source":"objects","version":"2.0","event":"{event}","type":"{kind}","data":"#);
        match object {
            Some(object) => {
                let fields = object.body.strip_suffix('}').expect("an object's body is a JSON object");
                text.push_str(fields);
                text.push_str(r#","updated":"#);
                push_quoted(&mut text, &written(object.updated, digits));
                text.push_str(r#","eTag":"#);
                push_quoted(&mut text, &object.etag);
            }
            None => {
                for (place, (field, name)) in names.into_iter().enumerate() {
                    text.push_str(if place == 0 { "{\"" } else { ",\"" });
                    text.push_str(field);
                    text.push_str("\":");
                    push_quoted(&mut text, name);
                }
            }
        }
        text.push_str("}}");
        text
    }
}

/// When it was written: to the microsecond without zeros at the end, in memberships' events to the nanosecond (platform.md 2.9).
fn written(at: Nanos, digits: usize) -> String {
    let to_the_second = &iso8601(at)[..19];
    let fraction = format!("{:09}", at % SECOND);
    let fraction = &fraction[..digits];
    let fraction = if digits == 9 { fraction } else { fraction.trim_end_matches('0') };
    let dot = if fraction.is_empty() { "" } else { "." };
    format!("{to_the_second}{dot}{fraction}Z")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::appcontext::AppContext;
    use crate::contract::{Input, Node};
    use crate::message::Misbehaviour;

    const BROKER: NodeId = NodeId(4);

    fn ask(store: &mut AppContext, op: ObjectsOp) -> (Vec<(String, serde_json::Value)>, usize) {
        let mut out = Outbox::new(false);
        let msg = Msg::Objects { tag: 1, op: Box::new(op) };
        // 2026-01-31T10:00:01 and 120,003 us and 4 ns.
        store.handle(SECOND + 120_003_004, Input::Message { from: NodeId(1), msg }, &mut out);
        let (mut events, mut answers) = (Vec::new(), 0);
        for send in out.drain_sends() {
            match send.msg {
                Msg::ObjectsEvent { channel, payload } if send.to == BROKER => {
                    events.push((channel.to_string(), serde_json::from_str(&payload).expect("JSON")));
                }
                Msg::ObjectsAnswer { .. } => answers += 1,
                other => panic!("{other:?}"),
            }
        }
        (events, answers)
    }

    fn set_user() -> ObjectsOp {
        ObjectsOp::SetUser { user: "u\"1".into(), patch: r#"{"name":"N"}"#.into(), if_match: None }
    }

    fn set_membership() -> ObjectsOp {
        ObjectsOp::SetMembership { user: "u".into(), channel: "c".into(), custom: r#"{"a":1}"#.into() }
    }

    #[test]
    fn a_store_tells_of_nothing_unless_it_is_asked_to() {
        assert_eq!(ask(&mut AppContext::new(1), set_user()), (vec![], 1));
    }

    #[test]
    fn a_set_is_told_on_the_channel_of_its_name_with_the_object() {
        let mut store = AppContext::new(1).with_events(BROKER);
        let (events, answers) = ask(&mut store, set_user());
        let etag = store.user("u\"1").expect("it was written").etag.clone();
        let event = serde_json::json!({
            "source": "objects", "version": "2.0", "event": "set", "type": "uuid",
            "data": {"uuid": "u\"1", "name": "N", "updated": "2026-01-31T10:00:01.120003Z", "eTag": *etag},
        });
        assert_eq!((events, answers), (vec![("u\"1".to_owned(), event)], 1));
        let op = ObjectsOp::SetChannel { channel: "c".into(), patch: "{}".into(), if_match: None };
        let (events, _) = ask(&mut store, op);
        assert_eq!((&*events[0].0, &events[0].1["type"], events.len()), ("c", &"channel".into(), 1));
    }

    #[test]
    fn a_membership_is_told_on_the_users_channel_and_on_the_channel() {
        let mut store = AppContext::new(1).with_events(BROKER);
        let (events, _) = ask(&mut store, set_membership());
        assert_eq!(events.iter().map(|(channel, _)| &**channel).collect::<Vec<_>>(), ["u", "c"]);
        assert_eq!(events[0].1, events[1].1);
        let data = &events[0].1["data"];
        assert_eq!((&data["channel"], &data["uuid"], &data["custom"]["a"]), (&"c".into(), &"u".into(), &1.into()));
        assert_eq!(data["updated"], "2026-01-31T10:00:01.120003004Z");
    }

    #[test]
    fn a_delete_is_told_with_names_alone_and_a_refusal_is_not_told() {
        let mut store = AppContext::new(1).with_events(BROKER);
        let delete = || ObjectsOp::DeleteMembership { user: "u".into(), channel: "c".into() };
        assert_eq!(ask(&mut store, delete()), (vec![], 1), "404");
        ask(&mut store, set_membership());
        let (events, _) = ask(&mut store, delete());
        assert_eq!(events.len(), 2);
        assert_eq!(events[1].1["event"], "delete");
        assert_eq!(events[1].1["data"], serde_json::json!({"channel": "c", "uuid": "u"}));
        assert_eq!(ask(&mut store, ObjectsOp::GetUser { user: "u".into() }), (vec![], 1), "nor a reading");
    }

    #[test]
    fn a_write_whose_answer_is_lost_is_told_all_the_same() {
        let mut store = AppContext::new(1).with_events(BROKER);
        let orders = Misbehaviour { silent_after_effect_ppm: 1_000_000, ..Misbehaviour::default() };
        let input = Input::Message { from: NodeId(0), msg: Msg::Misbehave(orders) };
        store.handle(0, input, &mut Outbox::new(false));
        let (events, answers) = ask(&mut store, set_user());
        assert_eq!((events.len(), answers), (1, 0));
    }
}
