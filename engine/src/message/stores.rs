//! What the stores are asked: KV, App Context, and outside services over `xhr`.

use std::sync::Arc;

use super::{Channel, UserId};
use crate::access::Token;
use crate::contract::Nanos;

/// The KV module's calls (`kvstore-module.md`). TTLs are in **minutes**.
#[derive(Clone, Debug)]
pub enum KvOp {
    Set { key: Arc<str>, value: Arc<str>, ttl_minutes: Option<u32> },
    Get { key: Arc<str> },
    Remove { key: Arc<str> },
    GetCounter { key: Arc<str> },
    Incr { key: Arc<str>, by: i64 },
    GetKeys { page: Option<Arc<str>> },
    GetCounterKeys { page: Option<Arc<str>> },
}

/// A KV call that went well.
#[derive(Clone, Debug, PartialEq)]
pub enum KvOk {
    Done,
    Value(Option<Arc<str>>),
    Counter(i64),
    Keys { keys: Vec<Arc<str>>, next: Option<Arc<str>> },
}

/// Why a KV call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KvError {
    /// The store is down or errs.
    Unavailable,
    /// Too many operations a second.
    Throttled,
    KeyTooLong,
    ValueTooLarge,
    BadTtl,
    /// The key is empty, or the page token is not one of the store's.
    BadArgument,
}

/// One key's latest write, or what is left of it: all replicas that have heard of it hold the same one.
#[derive(Clone, Debug, PartialEq)]
pub struct KvWrite {
    pub key: Arc<str>,
    /// `None`: removed or expired; the entry stays for a while to beat older writes that come late.
    pub value: Option<Arc<str>>,
    /// When it was written, by the writer's clock.
    pub written: Nanos,
    /// When a value expires, or when what is left of it is forgotten, by each replica's clock.
    pub expires: Nanos,
    pub writer: u32,
}

impl KvWrite {
    /// The value, unless it has expired by `now`.
    pub fn live(&self, now: Nanos) -> Option<&Arc<str>> {
        self.value.as_ref().filter(|_| now < self.expires)
    }
}

/// App Context calls, for channel, user and membership metadata.
#[derive(Clone, Debug)]
pub enum ObjectsOp {
    GetChannel {
        channel: Channel,
    },
    /// `patch` holds top-level fields; inside `custom` a key given replaces, `null` clears, a key not given stays.
    /// With `if_match` the write happens only when the eTag is still that one (else 412).
    SetChannel {
        channel: Channel,
        patch: Arc<str>,
        if_match: Option<Arc<str>>,
    },
    DeleteChannel {
        channel: Channel,
    },
    GetUser {
        user: UserId,
    },
    SetUser {
        user: UserId,
        patch: Arc<str>,
        if_match: Option<Arc<str>>,
    },
    DeleteUser {
        user: UserId,
    },
    GetMembership {
        user: UserId,
        channel: Channel,
    },
    SetMembership {
        user: UserId,
        channel: Channel,
        custom: Arc<str>,
    },
    DeleteMembership {
        user: UserId,
        channel: Channel,
    },
    /// A user's memberships; `limit` at most 100; `page` as given in the last answer.
    ListMemberships {
        user: UserId,
        limit: u32,
        page: Option<Arc<str>>,
    },
    /// All users whose `custom` has these values, in order of id; `limit` and `page` likewise.
    ListUsers {
        filter: Vec<Filter>,
        limit: u32,
        page: Option<Arc<str>>,
    },
    /// The same users, by their ids alone: what a listing without `include=custom` is asked for.
    ListUserIds {
        filter: Vec<Filter>,
        limit: u32,
        page: Option<Arc<str>>,
    },
    /// All channels, likewise.
    ListChannels {
        filter: Vec<Filter>,
        limit: u32,
        page: Option<Arc<str>>,
    },
    /// A channel's members, likewise; with `users` each with the whole object of its user (`UUIDFields` and
    /// `customUUIDFields`).
    ListMembers {
        channel: Channel,
        limit: u32,
        page: Option<Arc<str>>,
        users: bool,
    },
    /// A channel's members, likewise, each with the column of its user: it stands for [`ObjectsOp::ListMembers`] with
    /// users, of which the client reads just that. 400 of a store that keeps no column.
    ListMemberColumns {
        channel: Channel,
        limit: u32,
        page: Option<Arc<str>>,
    },
}

/// One term of a listing's filter: `custom.{field} == {value}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    pub field: &'static str,
    /// As JSON.
    pub value: Arc<str>,
}

impl Filter {
    /// Objects whose `custom.{field}` is `value`.
    pub fn new(field: &'static str, value: impl Into<serde_json::Value>) -> Self {
        Self { field, value: value.into().to_string().into() }
    }
}

/// An App Context answer.
#[derive(Clone, Debug, PartialEq)]
pub enum ObjectsOk {
    Object(Arc<Object>),
    Deleted,
    Page {
        items: Vec<Arc<Object>>,
        next: Option<Arc<str>>,
        total: u32,
    },
    /// A page of [`ObjectsOp::ListUserIds`].
    Ids {
        ids: Vec<UserId>,
        next: Option<Arc<str>>,
        total: u32,
    },
    /// A page of [`ObjectsOp::ListMemberColumns`].
    Columns(Arc<MemberColumns>),
}

/// Members of a channel with the columns of their users: a number that the store makes of each user's object whenever it
/// is written, 0 for users who have none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberColumns {
    /// Provisioned users by number, in the list's order.
    pub numbered: Vec<(u32, u64)>,
    /// Other users, in the list's order.
    pub named: Vec<(UserId, u64)>,
    pub next: Option<Arc<str>>,
    /// How many members the channel has.
    pub total: u32,
    /// The largest number that the store makes of these memberships' `custom`; 0 of a store that makes none.
    pub member_most: u64,
}

/// One stored object as App Context returns it.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Channel, user, or `user/channel` for a membership.
    pub id: Arc<str>,
    /// The whole object as JSON text: `name`, `description`, `custom`, ….
    pub body: Arc<str>,
    pub etag: Arc<str>,
    /// When it was last written, by the store's clock.
    pub updated: Nanos,
}

/// A call of an HTTP service: over `xhr`, or a client's own; On Request Functions are such a service too.
#[derive(Clone, Debug)]
pub struct HttpRequest {
    pub method: &'static str,
    /// With the query: `/votes?open=1`.
    pub path: Arc<str>,
    pub body: Arc<str>,
    /// Names and values, in the order sent.
    pub headers: Vec<(Arc<str>, Arc<str>)>,
    /// `Authorization: Bearer`, where the caller has a token; Functions reach the customer's services by the network's
    /// own rules and send none.
    pub token: Option<Arc<Token>>,
}

impl HttpRequest {
    /// A call without headers or token.
    pub fn new(method: &'static str, path: impl Into<Arc<str>>, body: impl Into<Arc<str>>) -> Self {
        Self { method, path: path.into(), body: body.into(), headers: Vec::new(), token: None }
    }

    /// The path without the query.
    pub fn route(&self) -> &str {
        self.path.split_once('?').map_or(&*self.path, |(route, _)| route)
    }

    /// The query's first value of this name, as it was sent.
    pub fn query(&self, name: &str) -> Option<&str> {
        let (_, query) = self.path.split_once('?')?;
        let mut pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// The first header of this name, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }
}
