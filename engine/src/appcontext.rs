//! App Context: metadata of channels, users and memberships, in one home region (voting.md 5, platform.md 2.9).
//!
//! A write is partial (see [`ObjectsOp`]); an eTag is made of the content, so that writing the same again gives the
//! same eTag; a write with `If-Match` happens only on the version that was read. Everything is durable. Reading a
//! channel or a user hands out the stored text itself.

mod finder;
mod memberships;
mod object;

use std::any::Any;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::base64url;
use crate::contract::{Input, Nanos, Node, Outbox};
use crate::dice::{Fate, Mischief};
use crate::error::ApiError;
use crate::message::{Channel, Filter, Misbehaviour, Msg, Object, ObjectsOk, ObjectsOp, UserId};

use finder::Finder;
use memberships::{Membership, Memberships};

/// Most entries on a page, and how many there are when a call does not say (platform.md 2.1).
pub const PAGE_MAX: u32 = 100;

/// What the store has been asked and what became of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ObjectsCounts {
    pub reads: u64,
    pub writes: u64,
    pub deletes: u64,
    pub listings: u64,
    /// Answers 404.
    pub missing: u64,
    /// Answers 412: the eTag was no longer that one.
    pub conflicts: u64,
    /// Answers 429 and 503, with or without effect.
    pub failed: u64,
    /// Calls that took effect and got no answer.
    pub unanswered: u64,
}

/// The App Context node.
#[derive(Debug)]
pub struct AppContext {
    mischief: Mischief,
    counts: ObjectsCounts,
    // Durable.
    channels: FxHashMap<Channel, Arc<Object>>,
    users: FxHashMap<UserId, Arc<Object>>,
    memberships: Memberships,
    channel_finder: Finder,
    user_finder: Finder,
}

impl AppContext {
    /// An empty store; `seed` is for the dice of misbehaviour.
    pub fn new(seed: u64) -> Self {
        Self {
            mischief: Mischief::new(seed),
            counts: ObjectsCounts::default(),
            channels: FxHashMap::default(),
            users: FxHashMap::default(),
            channel_finder: Finder::default(),
            user_finder: Finder::default(),
            memberships: Memberships::default(),
        }
    }

    /// A channel's object as stored.
    pub fn channel(&self, channel: &str) -> Option<&Arc<Object>> {
        self.channels.get(channel)
    }

    /// A user's object as stored.
    pub fn user(&self, user: &str) -> Option<&Arc<Object>> {
        self.users.get(user)
    }

    /// A membership's `custom` as stored, JSON text.
    pub fn membership(&self, user: &str, channel: &str) -> Option<&Arc<str>> {
        self.memberships.get(user, channel).map(|membership| &membership.custom)
    }

    /// Members of a channel with their `custom`, from the `offset`-th on, at most `max`.
    pub fn members(&self, channel: &str, offset: usize, max: usize) -> Vec<(UserId, Arc<str>)> {
        let (page, _) = self.memberships.of_channel(channel, offset, max);
        page.into_iter().map(|(user, membership)| (user.clone(), membership.custom.clone())).collect()
    }

    /// How many memberships there are.
    pub fn memberships_len(&self) -> usize {
        self.memberships.len()
    }

    /// What has been asked since the run began.
    pub fn counts(&self) -> ObjectsCounts {
        self.counts
    }

    /// Serves one call, as the node does for a message but without its misbehaviour: for building a world.
    pub fn apply(&mut self, now: Nanos, op: ObjectsOp) -> Result<ObjectsOk, ApiError> {
        let result = self.serve(now, op);
        match &result {
            Err(error) if error.status == 404 => self.counts.missing += 1,
            Err(error) if error.status == 412 => self.counts.conflicts += 1,
            _ => (),
        }
        result
    }

    fn serve(&mut self, now: Nanos, op: ObjectsOp) -> Result<ObjectsOk, ApiError> {
        match op {
            ObjectsOp::GetChannel { channel } => read(&mut self.counts, &self.channels, &channel),
            ObjectsOp::GetUser { user } => read(&mut self.counts, &self.users, &user),
            ObjectsOp::SetChannel { channel, patch, if_match } => {
                self.counts.writes += 1;
                let kind = Kind { id_field: "channel", modified: ApiError::channel_modified };
                write(&mut self.channels, &mut self.channel_finder, &kind, channel, &patch, if_match.as_deref(), now)
            }
            ObjectsOp::SetUser { user, patch, if_match } => {
                self.counts.writes += 1;
                let kind = Kind { id_field: "uuid", modified: ApiError::user_modified };
                write(&mut self.users, &mut self.user_finder, &kind, user, &patch, if_match.as_deref(), now)
            }
            ObjectsOp::DeleteChannel { channel } => {
                self.counts.deletes += 1;
                delete(&mut self.channels, &mut self.channel_finder, &channel)
            }
            ObjectsOp::DeleteUser { user } => {
                self.counts.deletes += 1;
                delete(&mut self.users, &mut self.user_finder, &user)
            }
            ObjectsOp::ListUsers { filter, limit, page } => {
                self.counts.listings += 1;
                find(&self.users, &mut self.user_finder, &filter, limit, page.as_deref())
            }
            ObjectsOp::ListChannels { filter, limit, page } => {
                self.counts.listings += 1;
                find(&self.channels, &mut self.channel_finder, &filter, limit, page.as_deref())
            }
            ObjectsOp::GetMembership { user, channel } => {
                self.counts.reads += 1;
                let membership = self.memberships.get(&user, &channel).ok_or_else(ApiError::object_not_found)?;
                Ok(ObjectsOk::Object(shown(&user, &channel, membership)))
            }
            ObjectsOp::SetMembership { user, channel, custom } => {
                self.counts.writes += 1;
                if user.is_empty() || channel.is_empty() {
                    return Err(ApiError::objects_invalid_input());
                }
                let patched = |old: Option<&Arc<str>>| object::patched_custom(old, &custom);
                let membership = self.memberships.write(&user, &channel, now, patched);
                let membership = membership.ok_or_else(ApiError::objects_invalid_input)?;
                Ok(ObjectsOk::Object(shown(&user, &channel, membership)))
            }
            ObjectsOp::DeleteMembership { user, channel } => {
                self.counts.deletes += 1;
                if self.memberships.remove(&user, &channel) {
                    Ok(ObjectsOk::Deleted)
                } else {
                    Err(ApiError::object_not_found())
                }
            }
            ObjectsOp::ListMemberships { user, limit, page } => {
                self.counts.listings += 1;
                let (offset, max) = page_of(page.as_deref(), limit)?;
                let (found, total) = self.memberships.of_user(&user, offset, max);
                let items = found.into_iter().map(|(channel, record)| shown(&user, channel, record)).collect();
                Ok(paged(items, offset, total))
            }
            ObjectsOp::ListMembers { channel, limit, page, users } => {
                self.counts.listings += 1;
                let (offset, max) = page_of(page.as_deref(), limit)?;
                let (found, total) = self.memberships.of_channel(&channel, offset, max);
                let item = |(user, record): (&UserId, &Membership)| {
                    let object = self.users.get(user).filter(|_| users);
                    shown_with(user, object.map(|object| &*object.body), &channel, record)
                };
                let items = found.into_iter().map(item).collect();
                Ok(paged(items, offset, total))
            }
        }
    }
}

fn read(
    counts: &mut ObjectsCounts,
    objects: &FxHashMap<Arc<str>, Arc<Object>>,
    id: &Arc<str>,
) -> Result<ObjectsOk, ApiError> {
    counts.reads += 1;
    objects.get(id).cloned().map(ObjectsOk::Object).ok_or_else(ApiError::object_not_found)
}

/// What tells users from channels.
struct Kind {
    id_field: &'static str,
    modified: fn() -> ApiError,
}

fn write(
    objects: &mut FxHashMap<Arc<str>, Arc<Object>>,
    finder: &mut Finder,
    kind: &Kind,
    id: Arc<str>,
    patch: &str,
    if_match: Option<&str>,
    now: Nanos,
) -> Result<ObjectsOk, ApiError> {
    if id.is_empty() {
        return Err(ApiError::objects_invalid_input());
    }
    let old = objects.get(&id);
    // An object that is gone is not the one that was read either.
    if if_match.is_some_and(|etag| old.is_none_or(|old| &*old.etag != etag)) {
        return Err((kind.modified)());
    }
    let body = object::patched(kind.id_field, &id, old.map(|old| &*old.body), patch);
    let body = body.ok_or_else(ApiError::objects_invalid_input)?;
    let object = Arc::new(Object { id: id.clone(), etag: object::etag(&body), body: body.into(), updated: now });
    finder.changed(&id, objects.get(&id).map(|old| &**old), Some(&object));
    objects.insert(id, object.clone());
    Ok(ObjectsOk::Object(object))
}

fn delete(
    objects: &mut FxHashMap<Arc<str>, Arc<Object>>,
    finder: &mut Finder,
    id: &Arc<str>,
) -> Result<ObjectsOk, ApiError> {
    let old = objects.remove(id).ok_or_else(ApiError::object_not_found)?;
    finder.changed(id, Some(&old), None);
    Ok(ObjectsOk::Deleted)
}

fn find(
    objects: &FxHashMap<Arc<str>, Arc<Object>>,
    finder: &mut Finder,
    filter: &[Filter],
    limit: u32,
    page: Option<&str>,
) -> Result<ObjectsOk, ApiError> {
    let (offset, max) = page_of(page, limit)?;
    let (found, total) = finder.find(filter, objects, offset, max);
    Ok(paged(found.iter().map(|id| objects[id].clone()).collect(), offset, total))
}

/// A membership as the API shows it: `channel`, `uuid`, `custom`.
fn shown(user: &str, channel: &str, membership: &Membership) -> Arc<Object> {
    shown_with(user, None, channel, membership)
}

/// The same, with the user's object in the place of its id where there is one.
fn shown_with(user: &str, object: Option<&str>, channel: &str, membership: &Membership) -> Arc<Object> {
    let custom = &membership.custom;
    let of_user = object.map_or(user.len(), str::len);
    let mut body = String::with_capacity(channel.len() + of_user + custom.len() + 40);
    body.push_str(r#"{"channel":"#);
    push_quoted(&mut body, channel);
    body.push_str(r#","uuid":"#);
    match object {
        Some(object) => body.push_str(object),
        None => push_quoted(&mut body, user),
    }
    body.push_str(r#","custom":"#);
    body.push_str(custom);
    body.push('}');
    let mut id = String::with_capacity(user.len() + channel.len() + 1);
    id.push_str(user);
    id.push('/');
    id.push_str(channel);
    let etag = object::membership_etag(custom);
    Arc::new(Object { id: id.into(), body: body.into(), etag, updated: membership.updated })
}

/// The text as a JSON string; names hardly ever need an escape.
fn push_quoted(body: &mut String, text: &str) {
    if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        body.push('"');
        body.push_str(text);
        body.push('"');
    } else {
        body.push_str(&serde_json::Value::from(text).to_string());
    }
}

/// Where a page begins and how long it is: 100 when the call says 0 or more than 100.
fn page_of(page: Option<&str>, limit: u32) -> Result<(usize, usize), ApiError> {
    let offset = match page {
        None => 0,
        Some(token) => {
            let text = base64url::decode(token).and_then(|bytes| String::from_utf8(bytes).ok());
            text.and_then(|text| text.parse().ok()).ok_or_else(ApiError::objects_invalid_input)?
        }
    };
    Ok((offset, if limit == 0 { PAGE_MAX } else { limit.min(PAGE_MAX) } as usize))
}

fn paged(items: Vec<Arc<Object>>, offset: usize, total: usize) -> ObjectsOk {
    let end = offset.saturating_add(items.len());
    let next = (end < total && !items.is_empty()).then(|| base64url::encode(end.to_string().as_bytes()).into());
    ObjectsOk::Page { items, next, total: total as u32 }
}

const SERVICE: &str = "objects";

impl Node for AppContext {
    fn handle(&mut self, now: Nanos, input: Input, out: &mut Outbox) {
        match input {
            Input::Message { from, msg: Msg::Objects { tag, op } } => {
                let fate = self.mischief.fate();
                let mut result = match fate {
                    Fate::Throttled => Err(ApiError::too_many_requests(SERVICE)),
                    Fate::Error => Err(ApiError::service_unavailable(SERVICE)),
                    _ => self.apply(now, *op),
                };
                if fate == Fate::ErrorAfterEffect && result.is_ok() {
                    result = Err(ApiError::service_unavailable(SERVICE));
                }
                if fate == Fate::SilentAfterEffect && result.is_ok() {
                    self.counts.unanswered += 1;
                    return;
                }
                if fate != Fate::Served && matches!(&result, Err(error) if matches!(error.status, 429 | 503)) {
                    self.counts.failed += 1;
                }
                out.send_after(self.mischief.delay(), from, Msg::ObjectsAnswer { tag, result });
            }
            Input::Message { msg: Msg::Misbehave(orders), .. } => self.mischief.set(orders),
            Input::Overload { from, msg: Msg::Objects { tag, .. } } => {
                self.counts.failed += 1;
                out.send(from, Msg::ObjectsAnswer { tag, result: Err(ApiError::service_unavailable(SERVICE)) });
            }
            Input::Message { .. } | Input::Overload { .. } | Input::Start | Input::Wake => (),
        }
    }

    fn next_wake(&self) -> Option<Nanos> {
        None
    }

    /// All of it is durable.
    fn reboot(&mut self, _now: Nanos) {
        // A new process behaves.
        self.mischief.set(Misbehaviour::default());
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::NodeId;
    use crate::message::Misbehaviour;

    fn set(channel: &str, patch: &str, if_match: Option<Arc<str>>) -> ObjectsOp {
        ObjectsOp::SetChannel { channel: channel.into(), patch: patch.into(), if_match }
    }

    fn object(result: Result<ObjectsOk, ApiError>) -> Arc<Object> {
        match result {
            Ok(ObjectsOk::Object(object)) => object,
            other => panic!("{other:?}"),
        }
    }

    fn join(store: &mut AppContext, user: &str, channel: &str, custom: &str) -> Arc<Object> {
        let op = ObjectsOp::SetMembership { user: user.into(), channel: channel.into(), custom: custom.into() };
        object(store.apply(5, op))
    }

    #[test]
    fn a_write_with_an_old_etag_is_refused_and_changes_nothing() {
        let mut store = AppContext::new(1);
        let first = object(store.apply(1, set("c", r#"{"name":"N","custom":{"a":1}}"#, None)));
        assert_eq!(&*first.body, r#"{"channel":"c","name":"N","custom":{"a":1}}"#);
        let second = object(store.apply(2, set("c", r#"{"custom":{"a":2}}"#, Some(first.etag.clone()))));
        let late = store.apply(3, set("c", r#"{"custom":{"a":3}}"#, Some(first.etag.clone()))).unwrap_err();
        assert_eq!(late.status, 412);
        assert!(late.body.contains("Channel to update has been modified after it was read."));
        assert_eq!(store.channel("c").unwrap().body, second.body);
        // The same content again has the same eTag.
        assert_eq!(object(store.apply(4, set("c", r#"{"custom":{"a":1}}"#, None))).etag, first.etag);
        assert_eq!(store.apply(5, set("gone", "{}", Some(first.etag.clone()))).unwrap_err().status, 412);
        assert_eq!(store.counts().conflicts, 2);
    }

    #[test]
    fn what_is_not_there_is_404_and_what_is_no_json_is_400() {
        let mut store = AppContext::new(1);
        let status = |store: &mut AppContext, op| store.apply(0, op).unwrap_err().status;
        assert_eq!(status(&mut store, ObjectsOp::GetChannel { channel: "c".into() }), 404);
        assert_eq!(status(&mut store, ObjectsOp::DeleteUser { user: "u".into() }), 404);
        assert_eq!(status(&mut store, ObjectsOp::GetMembership { user: "u".into(), channel: "c".into() }), 404);
        assert_eq!(status(&mut store, set("c", "[1]", None)), 400);
        assert_eq!(status(&mut store, set("", "{}", None)), 400);
        let page = Some("%".into());
        assert_eq!(
            status(&mut store, ObjectsOp::ListMembers { channel: "c".into(), limit: 5, page, users: false }),
            400
        );
        assert_eq!(store.memberships_len(), 0);
    }

    #[test]
    fn reading_a_channel_hands_out_the_stored_text() {
        let mut store = AppContext::new(1);
        store.apply(0, set("c", "{}", None)).unwrap();
        let read = object(store.apply(0, ObjectsOp::GetChannel { channel: "c".into() }));
        assert!(Arc::ptr_eq(&read, store.channel("c").unwrap()));
    }

    #[test]
    fn a_membership_reads_as_the_document_shows_it() {
        // voting.md 5.3, in short.
        let mut store = AppContext::new(1);
        let written = join(&mut store, "user_456", "vote-control.abc123", r#"{"hasVoted":true}"#);
        assert_eq!(&*written.body, r#"{"channel":"vote-control.abc123","uuid":"user_456","custom":{"hasVoted":true}}"#);
        assert_eq!((&*written.id, written.updated), ("user_456/vote-control.abc123", 5));
        let again = join(&mut store, "user_456", "vote-control.abc123", r#"{"hasVoted":null,"ackReceived":true}"#);
        assert!(again.body.ends_with(r#""custom":{"ackReceived":true}}"#));
        assert_eq!(store.membership("user_456", "vote-control.abc123").unwrap().as_ref(), r#"{"ackReceived":true}"#);
        let odd = join(&mut store, "a\"b", "c", "{}");
        serde_json::from_str::<serde_json::Value>(&odd.body).expect("a name with a quote is escaped");
    }

    #[test]
    fn members_come_in_pages_of_at_most_100_with_the_offset_as_cursor() {
        let mut store = AppContext::new(1);
        for n in 0..250 {
            join(&mut store, &format!("u{n:03}"), "c", "{}");
        }
        let (mut page, mut cursors, mut seen) = (None, Vec::new(), Vec::new());
        loop {
            let op = ObjectsOp::ListMembers { channel: "c".into(), limit: 1_000, page, users: false };
            let Ok(ObjectsOk::Page { items, next, total: 250 }) = store.apply(0, op) else { panic!() };
            seen.extend(items.iter().map(|item| item.id.clone()));
            cursors.push(items.len());
            page = next;
            if page.is_none() {
                break;
            }
        }
        assert_eq!((cursors, seen.len()), (vec![100, 100, 50], 250));
        assert!(seen.is_sorted());
        let op = ObjectsOp::ListMembers { channel: "c".into(), limit: 1, page: None, users: false };
        let Ok(ObjectsOk::Page { next, .. }) = store.apply(0, op) else { panic!() };
        assert_eq!(next.as_deref(), Some("MQ")); // platform.md 2.9: the cursor after one entry.
        let op = ObjectsOp::ListMemberships { user: "u007".into(), limit: 0, page: None };
        let Ok(ObjectsOk::Page { items, next: None, total: 1 }) = store.apply(0, op) else { panic!() };
        assert_eq!(&*items[0].id, "u007/c");
    }

    #[test]
    fn misbehaviour_and_a_full_queue_answer_503_and_429() {
        let mut store = AppContext::new(1);
        let mut out = Outbox::new(false);
        let mut ask = |store: &mut AppContext, orders: Misbehaviour, overload: bool, channel: &str| {
            let from = NodeId(1);
            store.handle(0, Input::Message { from, msg: Msg::Misbehave(orders) }, &mut out);
            let msg = Msg::Objects { tag: 1, op: Box::new(set(channel, "{}", None)) };
            let input = if overload { Input::Overload { from, msg } } else { Input::Message { from, msg } };
            store.handle(0, input, &mut out);
            out.drain_sends().next().map(|send| match send.msg {
                Msg::ObjectsAnswer { result, .. } => result.map_or_else(|error| error.status, |_| 200),
                other => panic!("{other:?}"),
            })
        };
        let (all, none) = (1_000_000, Misbehaviour::default());
        assert_eq!(ask(&mut store, none, false, "a"), Some(200));
        assert_eq!(ask(&mut store, Misbehaviour { error_ppm: all, ..none }, false, "b"), Some(503));
        assert_eq!(ask(&mut store, Misbehaviour { error_after_effect_ppm: all, ..none }, false, "c"), Some(503));
        assert_eq!(ask(&mut store, Misbehaviour { silent_after_effect_ppm: all, ..none }, false, "d"), None);
        assert_eq!(ask(&mut store, Misbehaviour { throttle_ppm: all, ..none }, false, "e"), Some(429));
        assert_eq!(ask(&mut store, none, true, "f"), Some(503));
        let there = ["a", "b", "c", "d", "e", "f"].map(|channel| store.channel(channel).is_some());
        assert_eq!(there, [true, false, true, true, false, false]);
    }
}
