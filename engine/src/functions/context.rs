//! What a handler can call, what each call costs of its budget, and how a call becomes a message.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Poll, Waker};

use serde::de::DeserializeOwned;
use smallvec::SmallVec;

use super::modules::Secrets;
use crate::contract::Nanos;
use crate::error::ApiError;
use crate::limits::Limits;
use crate::message::{
    Channel, GroupsOk, GroupsOp, HereNow, HttpRequest, Kind, KvError, KvOk, KvOp, Object, ObjectsOk, ObjectsOp,
    Payload, PresenceCall, PresenceOk, UserId,
};
use crate::timetoken::Timetoken;

/// The counter of publishes that failed, whoever published (friends-online.md 12.5).
pub const PUBLISH_ERRORS: &str = "publish.errors";

/// Why a call of a handler failed.
#[derive(Clone, Debug, PartialEq)]
pub enum OpError {
    /// The execution has no such call left: which budget, and how many it allows.
    Budget { what: &'static str, limit: u32 },
    /// The KV store's own error.
    Kv(KvError),
    /// The platform's own refusal.
    Api(ApiError),
    /// No answer in time: whether it took effect is unknown.
    Timeout,
}

impl fmt::Display for OpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Budget { what, limit } => write!(f, "execution calls exceeds: {what} (limit {limit})"),
            Self::Kv(error) => write!(f, "kvstore: {error:?}"),
            Self::Api(error) => write!(f, "{} {}", error.status, error.body),
            Self::Timeout => write!(f, "timeout"),
        }
    }
}

/// What an `xhr.fetch` came back with.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpResponse {
    pub status: u16,
    pub body: Arc<str>,
}

impl HttpResponse {
    /// The body of a 200, read as JSON; `None`: another status, or not of this form.
    pub fn data<T: DeserializeOwned>(&self) -> Option<T> {
        if self.status == 200 { serde_json::from_str(&self.body).ok() } else { None }
    }
}

/// A call on its way to another node.
#[derive(Clone, Debug)]
pub(super) enum OpRequest {
    Kv(KvOp),
    Publish { channel: Channel, payload: Payload, store: bool, kind: Kind },
    Objects(Box<ObjectsOp>),
    Groups(Box<GroupsOp>),
    Presence(Box<PresenceCall>),
    Http(Box<HttpRequest>),
}

/// What came back.
#[derive(Debug)]
pub(super) enum OpAnswer {
    Kv(Result<KvOk, KvError>),
    Published(Result<Timetoken, ApiError>),
    Objects(Result<ObjectsOk, ApiError>),
    Groups(Result<GroupsOk, ApiError>),
    Presence(Result<PresenceOk, ApiError>),
    Http(HttpResponse),
    Timeout,
}

/// How many calls of each kind an execution has made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Spent {
    pub(super) kv: u32,
    pub(super) pubnub: u32,
    pub(super) publish: u32,
    pub(super) xhr: u32,
    pub(super) vault: u32,
    /// What counts towards the budget of all kinds together.
    pub(super) combined: u32,
    pub(super) all: u32,
}

impl Spent {
    /// Charges one call, or says which budget it would overrun. A refused call is not charged.
    fn charge(&mut self, request: &OpRequest, limits: &Limits) -> Result<(), OpError> {
        let mut next = *self;
        next.all += 1;
        let mut counted = 1;
        match request {
            OpRequest::Kv(_) => {
                next.kv += 1;
                counted = limits.kv_counts_as_op.value;
            }
            // A publish is a call of the PubNub API too.
            OpRequest::Publish { .. } => (next.publish, next.pubnub) = (next.publish + 1, next.pubnub + 1),
            OpRequest::Objects(_) | OpRequest::Groups(_) | OpRequest::Presence(_) => next.pubnub += 1,
            OpRequest::Http(_) => next.xhr += 1,
        }
        next.combined += counted;
        let budgets = [
            (next.kv, limits.kv_per_execution.value, "KV operations"),
            (next.publish, limits.publishes_per_execution.value, "publishes"),
            (next.pubnub, limits.pubnub_per_execution.value, "PubNub API calls"),
            (next.xhr, limits.xhr_per_execution.value, "xhr requests"),
            (next.combined, limits.ops_per_execution.value, "operations of all kinds together"),
        ];
        for (spent, limit, what) in budgets {
            if let Some(limit) = limit.filter(|limit| spent > *limit) {
                return Err(OpError::Budget { what, limit });
            }
        }
        *self = next;
        Ok(())
    }
}

/// What the worker and the handler share: the calls made and the answers that came.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) now: Nanos,
    pub(super) requests: SmallVec<[(u32, OpRequest); 2]>,
    pub(super) answers: SmallVec<[Option<OpAnswer>; 4]>,
    pub(super) spent: Spent,
    pub(super) counters: SmallVec<[(&'static str, u64); 4]>,
    pub(super) timings: SmallVec<[(&'static str, Nanos); 1]>,
    pub(super) logs: Option<Vec<String>>,
    pub(super) limits: &'static Limits,
    pub(super) secrets: Secrets,
    pub(super) uuid_seed: u64,
    pub(super) uuids: u64,
}

/// A handler's door to the platform.
#[derive(Clone, Debug)]
pub struct Context {
    pub(super) shared: Arc<Mutex<Shared>>,
}

impl Context {
    pub(super) fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().expect("a handler panicked while it held its context")
    }

    /// `Date.now()`, finer: the worker's clock when it last ran this handler.
    pub fn now(&self) -> Nanos {
        self.lock().now
    }

    /// A version-4-shaped UUID: unique per worker, execution and call.
    pub fn uuid(&self) -> String {
        let mut shared = self.lock();
        shared.uuids += 1;
        let high = crate::dice::draw(shared.uuid_seed, shared.uuids << 1);
        let low = crate::dice::draw(shared.uuid_seed, shared.uuids << 1 | 1);
        let (a, b, c) = (high >> 32, high >> 16 & 0xffff, high & 0xfff);
        let (d, e) = (low >> 48 & 0x3fff | 0x8000, low & 0xffff_ffff_ffff);
        format!("{a:08x}-{b:04x}-4{c:03x}-{d:04x}-{e:012x}")
    }

    /// Adds to one of the pattern's own counters (voting.md 11.2).
    pub fn count(&self, counter: &'static str) {
        self.lock().counters.push((counter, 1));
    }

    /// Adds a time to one of the pattern's own histograms (friends-online.md 12.2).
    pub fn time(&self, metric: &'static str, time: Nanos) {
        self.lock().timings.push((metric, time));
    }

    /// A log line, kept only when a trace is written.
    pub fn log(&self, line: impl FnOnce() -> String) {
        if let Some(logs) = &mut self.lock().logs {
            logs.push(line());
        }
    }

    pub(super) fn call(&self, request: OpRequest) -> Op {
        Op { shared: self.shared.clone(), state: OpState::New(request) }
    }

    /// `kvstore.get(key)`: the value, or `None` if it is not there or has expired.
    pub async fn kv_get(&self, key: impl Into<Arc<str>>) -> Result<Option<Arc<str>>, OpError> {
        match self.kv(KvOp::Get { key: key.into() }).await? {
            KvOk::Value(value) => Ok(value),
            other => unreachable!("a get is answered with a value, not {other:?}"),
        }
    }

    /// The same, read as JSON; a value that is none, or not of this form, counts as not there.
    pub async fn kv_get_json<T: DeserializeOwned>(&self, key: impl Into<Arc<str>>) -> Result<Option<T>, OpError> {
        Ok(self.kv_get(key).await?.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// `kvstore.set(key, value, ttl)`; the TTL is in minutes, `None` is the store's default of one day.
    pub async fn kv_set(
        &self,
        key: impl Into<Arc<str>>,
        value: impl Into<Arc<str>>,
        ttl_minutes: Option<u32>,
    ) -> Result<(), OpError> {
        self.kv(KvOp::Set { key: key.into(), value: value.into(), ttl_minutes }).await.map(|_| ())
    }

    /// `kvstore.incrCounter(key, by)`: the new value at this region's replica.
    pub async fn kv_incr(&self, key: impl Into<Arc<str>>, by: i64) -> Result<i64, OpError> {
        match self.kv(KvOp::Incr { key: key.into(), by }).await? {
            KvOk::Counter(value) => Ok(value),
            other => unreachable!("an increment is answered with a counter, not {other:?}"),
        }
    }

    /// `kvstore.getCounter(key)`: 0 if it was never set.
    pub async fn kv_counter(&self, key: impl Into<Arc<str>>) -> Result<i64, OpError> {
        match self.kv(KvOp::GetCounter { key: key.into() }).await? {
            KvOk::Counter(value) => Ok(value),
            other => unreachable!("a counter read is answered with a counter, not {other:?}"),
        }
    }

    /// Any KV call.
    pub async fn kv(&self, op: KvOp) -> Result<KvOk, OpError> {
        match self.call(OpRequest::Kv(op)).await? {
            OpAnswer::Kv(result) => result.map_err(OpError::Kv),
            _ => Err(OpError::Timeout),
        }
    }

    /// `pubnub.publish({channel, message})`; with `store` false history does not keep it.
    pub async fn publish(
        &self,
        channel: impl Into<Channel>,
        payload: impl Into<Payload>,
        store: bool,
    ) -> Result<Timetoken, OpError> {
        self.say(channel.into(), payload.into(), store, Kind::Message).await
    }

    /// `pubnub.signal({channel, message})`: at most 64 bytes.
    pub async fn signal(&self, channel: impl Into<Channel>, payload: impl Into<Payload>) -> Result<Timetoken, OpError> {
        self.say(channel.into(), payload.into(), false, Kind::Signal).await
    }

    /// `pubnub.fire({channel, message})`: sets off Functions, and reaches nobody.
    pub async fn fire(&self, channel: impl Into<Channel>, payload: impl Into<Payload>) -> Result<Timetoken, OpError> {
        self.say(channel.into(), payload.into(), false, Kind::Fire).await
    }

    async fn say(&self, channel: Channel, payload: Payload, store: bool, kind: Kind) -> Result<Timetoken, OpError> {
        let result = match self.call(OpRequest::Publish { channel, payload, store, kind }).await {
            Ok(OpAnswer::Published(result)) => result.map_err(OpError::Api),
            Ok(_) => Err(OpError::Timeout),
            Err(error) => Err(error),
        };
        if result.is_err() {
            self.count(PUBLISH_ERRORS);
        }
        result
    }

    /// Any App Context call.
    pub async fn objects(&self, op: ObjectsOp) -> Result<ObjectsOk, OpError> {
        match self.call(OpRequest::Objects(Box::new(op))).await? {
            OpAnswer::Objects(result) => result.map_err(OpError::Api),
            _ => Err(OpError::Timeout),
        }
    }

    /// `pubnub.objects.getChannelMetadata`.
    pub async fn get_channel(&self, channel: impl Into<Channel>) -> Result<Arc<Object>, OpError> {
        self.objects(ObjectsOp::GetChannel { channel: channel.into() }).await.map(object)
    }

    /// `pubnub.objects.setChannelMetadata`, a partial update.
    pub async fn set_channel(&self, channel: impl Into<Channel>, patch: impl Into<Arc<str>>) -> Result<(), OpError> {
        let op = ObjectsOp::SetChannel { channel: channel.into(), patch: patch.into(), if_match: None };
        self.objects(op).await.map(|_| ())
    }

    /// `pubnub.objects.setMemberships`, for one channel.
    pub async fn set_membership(
        &self,
        user: impl Into<UserId>,
        channel: impl Into<Channel>,
        custom: impl Into<Arc<str>>,
    ) -> Result<(), OpError> {
        let op = ObjectsOp::SetMembership { user: user.into(), channel: channel.into(), custom: custom.into() };
        self.objects(op).await.map(|_| ())
    }

    /// `pubnub.objects.getUUIDMetadata`.
    pub async fn get_user(&self, user: impl Into<UserId>) -> Result<Arc<Object>, OpError> {
        self.objects(ObjectsOp::GetUser { user: user.into() }).await.map(object)
    }

    /// `pubnub.objects.setUUIDMetadata`, a partial update; with `if_match` only over the version with that eTag (else 412).
    /// Returns the object as it is now.
    pub async fn set_user(
        &self,
        user: impl Into<UserId>,
        patch: impl Into<Arc<str>>,
        if_match: Option<Arc<str>>,
    ) -> Result<Arc<Object>, OpError> {
        self.objects(ObjectsOp::SetUser { user: user.into(), patch: patch.into(), if_match }).await.map(object)
    }

    /// `pubnub.objects.setChannelMetadata` over the version with this eTag (else 412); returns the object as it is now.
    pub async fn set_channel_if_match(
        &self,
        channel: impl Into<Channel>,
        patch: impl Into<Arc<str>>,
        if_match: Option<Arc<str>>,
    ) -> Result<Arc<Object>, OpError> {
        self.objects(ObjectsOp::SetChannel { channel: channel.into(), patch: patch.into(), if_match }).await.map(object)
    }

    /// `pubnub.objects.removeChannelMembers`, of one member; one that is not there is not missed.
    pub async fn remove_membership(&self, user: impl Into<UserId>, channel: impl Into<Channel>) -> Result<(), OpError> {
        match self.objects(ObjectsOp::DeleteMembership { user: user.into(), channel: channel.into() }).await {
            Err(OpError::Api(error)) if error.status == 404 => Ok(()),
            result => result.map(|_| ()),
        }
    }

    /// Any call on channel groups.
    pub async fn groups(&self, op: GroupsOp) -> Result<GroupsOk, OpError> {
        match self.call(OpRequest::Groups(Box::new(op))).await? {
            OpAnswer::Groups(result) => result.map_err(OpError::Api),
            _ => Err(OpError::Timeout),
        }
    }

    /// `pubnub.channelGroups.addChannels`, of one channel.
    pub async fn add_to_group(&self, group: impl Into<Arc<str>>, channel: impl Into<Channel>) -> Result<(), OpError> {
        self.groups(GroupsOp::Add { group: group.into(), channels: vec![channel.into()] }).await.map(|_| ())
    }

    /// `pubnub.channelGroups.removeChannels`, of one channel.
    pub async fn remove_from_group(
        &self,
        group: impl Into<Arc<str>>,
        channel: impl Into<Channel>,
    ) -> Result<(), OpError> {
        self.groups(GroupsOp::Remove { group: group.into(), channels: vec![channel.into()] }).await.map(|_| ())
    }

    /// Any question to presence.
    pub async fn presence(&self, call: PresenceCall) -> Result<PresenceOk, OpError> {
        match self.call(OpRequest::Presence(Box::new(call))).await? {
            OpAnswer::Presence(result) => result.map_err(OpError::Api),
            _ => Err(OpError::Timeout),
        }
    }

    /// `pubnub.hereNow`: how many, and with `limit` above 0 who, from `offset` on.
    pub async fn here_now(&self, channels: Vec<Channel>, limit: u32, offset: u32) -> Result<Arc<HereNow>, OpError> {
        let call = PresenceCall::HereNow { channels, uuids: limit > 0, state: false, limit, offset };
        match self.presence(call).await? {
            PresenceOk::HereNow(here) => Ok(here),
            other => unreachable!("here-now is answered with who is here, not {other:?}"),
        }
    }

    /// `pubnub.whereNow`: the channels the user is on.
    pub async fn where_now(&self, user: impl Into<UserId>) -> Result<Vec<Channel>, OpError> {
        match self.presence(PresenceCall::WhereNow { user: user.into() }).await? {
            PresenceOk::WhereNow(channels) => Ok(channels),
            other => unreachable!("where-now is answered with channels, not {other:?}"),
        }
    }
}

fn object(ok: ObjectsOk) -> Arc<Object> {
    match ok {
        ObjectsOk::Object(object) => object,
        other => unreachable!("a channel read is answered with an object, not {other:?}"),
    }
}

impl Shared {
    /// Charges the call and hands it to the worker; returns where its answer will lie.
    pub(super) fn begin(&mut self, request: OpRequest) -> Result<u32, OpError> {
        self.spent.charge(&request, self.limits)?;
        let place = self.answers.len() as u32;
        self.answers.push(None);
        self.requests.push((place, request));
        Ok(place)
    }
}

enum OpState {
    New(OpRequest),
    Sent(u32),
    Done,
}

/// One call: made when first polled, done when the worker has laid its answer down.
pub(super) struct Op {
    shared: Arc<Mutex<Shared>>,
    state: OpState,
}

impl Future for Op {
    type Output = Result<OpAnswer, OpError>;

    fn poll(mut self: Pin<&mut Self>, _: &mut std::task::Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let mut shared = this.shared.lock().expect("a handler panicked while it held its context");
        match std::mem::replace(&mut this.state, OpState::Done) {
            OpState::New(request) => match shared.begin(request) {
                Ok(place) => {
                    this.state = OpState::Sent(place);
                    Poll::Pending
                }
                Err(error) => Poll::Ready(Err(error)),
            },
            OpState::Sent(place) => match shared.answers[place as usize].take() {
                Some(OpAnswer::Timeout) => Poll::Ready(Err(OpError::Timeout)),
                Some(answer) => Poll::Ready(Ok(answer)),
                None => {
                    this.state = OpState::Sent(place);
                    Poll::Pending
                }
            },
            OpState::Done => panic!("a call was polled after it was done"),
        }
    }
}

/// Polls a handler once. The worker knows when there is something to poll for, so no waker is needed.
pub(super) fn poll_once(execution: &mut super::Execution) -> Poll<super::Resolution> {
    execution.as_mut().poll(&mut std::task::Context::from_waker(Waker::noop()))
}
