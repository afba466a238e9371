//! Every message that crosses between nodes, as plain data. Nodes do not know each other; they know these.
//!
//! ```text
//! population --Request--> edge --Publish/Subscribe--> broker --Invoke--> worker --Kv/Objects/Http--> stores
//!            <--Answer---      <--Published/Push-----        <--Invoked-        <--…Answer--
//!            <--Deliver--             broker <--Stream frames--> broker (other regions)
//! ```
//! A `tag` is chosen by whoever asks and comes back unchanged in the answer; it means nothing to the answerer.

mod presence;
mod stores;
mod wildcard;

use std::sync::Arc;

use smallvec::SmallVec;

pub use self::presence::{GroupsOk, GroupsOp, HereNow, Occupancy, PresenceCall, PresenceOk};
pub use self::stores::{
    Filter, HttpRequest, KvError, KvOk, KvOp, KvWrite, MemberColumns, Object, ObjectsOk, ObjectsOp,
};
pub use self::wildcard::{DOTS_MAX, PRESENCE_SUFFIX, Wildcard};
use crate::access::Token;
use crate::contract::Nanos;
use crate::error::ApiError;
use crate::timetoken::Timetoken;

/// A channel's name. Rules: at most 92 characters, none of `, : * / \`, space or control.
pub type Channel = Arc<str>;
/// A message's body, the JSON text as it travels.
pub type Payload = Arc<str>;
/// A user's id (the platform's UUID), at most 92 characters.
pub type UserId = Arc<str>;
/// Which user behind a population node: its dense index.
pub type Client = u32;

/// What crosses between two nodes.
#[derive(Clone, Debug)]
pub enum Msg {
    // Population (or any client) and edge.
    /// A client calls the platform.
    Request(Box<Request>),
    /// The platform answers a client's call.
    Answer { client: Client, tag: u64, result: Result<ApiOk, ApiError> },
    /// A message for subscribers behind the receiving population.
    Deliver(Delivery),
    /// A poll of a client that hears so much that messages wait for its polls is answered: all that waited, oldest first,
    /// and the cursor after the last of it. `missed` counts what fell out of the queue of 100: the platform does not tell
    /// clients, the simulation does.
    Polled { client: Client, messages: Vec<Arc<Envelope>>, cursor: Timetoken, missed: u32 },
    /// A connection has ended because its token has: 403 at its next long poll. `signature` is the token's: whoever has a newer
    /// one has subscribed again already.
    Ended { client: Client, signature: u64, error: ApiError },
    /// The edge lives: sent to every attached population each `edge_keepalive`; `epoch` changes when it restarted
    /// (or lost its broker), and every connection of an older epoch is gone.
    EdgeAlive { epoch: u64 },

    /// A job for a station that stands alone: its number from 0, and when it was sent.
    Job { number: u64, sent: Nanos },

    /// Several messages of one sender that travel together and are handed over one after the other: made by whoever hosts a
    /// node, seen by no node.
    Frame(Vec<Msg>),

    // Edge and broker.
    /// A checked publish goes to the broker for Functions, a timetoken and fan-out.
    Publish(Box<Publish>),
    /// The broker's answer to a publish.
    Published { tag: u64, result: Result<Timetoken, ApiError> },
    /// A connection wants these channels from this cursor on.
    Attach(Box<Attach>),
    /// The connection's handshake or catch-up: the new cursor and at most 100 messages.
    Attached { tag: u64, cursor: Timetoken, messages: Vec<Arc<Envelope>>, missed: u32 },
    /// The edge has no subscriber left on these channels. A new `epoch` of the edge ends all of the old one.
    Detach { channels: ChannelList, epoch: u64 },
    /// A message for an edge that asked for its channel; `cursor` is its key in the region's log.
    Push { envelope: Arc<Envelope>, cursor: Timetoken },
    /// The broker lives; `epoch` changes when it restarted, and what it knew of subscriptions is gone.
    BrokerAlive { epoch: u64 },

    // Broker and function worker.
    /// Run the handler that is bound to this channel.
    Invoke(Box<Invoke>),
    /// How an execution ended.
    Invoked { tag: u64, outcome: InvokeOutcome },

    // Stores.
    /// A KV call.
    Kv { tag: u64, op: KvOp },
    /// A KV answer.
    KvAnswer { tag: u64, result: Result<KvOk, KvError> },
    /// An App Context call.
    Objects { tag: u64, op: Box<ObjectsOp> },
    /// Something was set or deleted: from App Context to a broker, which publishes it on the channel.
    ObjectsEvent { channel: Channel, payload: Payload },
    /// An App Context answer.
    ObjectsAnswer { tag: u64, result: Result<ObjectsOk, ApiError> },
    /// A call to an outside HTTP service (`xhr`).
    Http { tag: u64, request: Box<HttpRequest> },
    /// Its answer.
    HttpAnswer { tag: u64, status: u16, body: Arc<str> },
    /// Stored history: append (from a broker, no answer).
    HistoryAppend(Arc<Envelope>),
    /// Stored history: read, newest first up to `max` messages older than `start` (exclusive; `None`: from now).
    HistoryFetch { tag: u64, channel: Channel, start: Option<Timetoken>, max: u32 },
    /// What was found, oldest first.
    HistoryPage { tag: u64, messages: Vec<Arc<Envelope>> },

    // Presence.
    /// An edge or a Function worker tells presence something, or asks it.
    Presence { tag: u64, call: Box<PresenceCall> },
    /// Its answer; a [`PresenceCall::Subscribed`] gets none.
    PresenceAnswer { tag: u64, result: Result<PresenceOk, ApiError> },
    /// Something happened on a channel: from presence to its region's broker, which publishes it on
    /// `{channel}-pnpres` and hands it to the After Presence Functions of the channel.
    PresenceEvent { channel: Channel, payload: Payload },

    // Channel registry.
    /// A call on channel groups.
    Groups { tag: u64, op: Box<GroupsOp> },
    /// Its answer.
    GroupsAnswer { tag: u64, result: Result<GroupsOk, ApiError> },

    // Access.
    /// The customer's server asks the access manager for a token.
    Grant { tag: u64, grant: Box<crate::access::Grant> },
    /// The token, or why not.
    Granted { tag: u64, result: Result<Arc<Token>, ApiError> },
    /// Revoke a token by its signature.
    Revoke { tag: u64, signature: u64 },
    /// The access manager has it, durably; it spreads from then on.
    RevokeTaken { tag: u64, signature: u64 },
    /// A user asks the customer's auth server for a token.
    Login { client: Client, tag: u64, user: UserId, role: crate::access::Role, session: Arc<str> },
    /// Its answer; the status is the auth server's own (403 unknown, 429 too many refreshes, 503 access manager away).
    LoggedIn { client: Client, tag: u64, result: Result<Arc<Token>, u16> },
    /// A user says goodbye to the customer's auth server: its tokens are to be revoked.
    Logout { client: Client, tag: u64, token: Arc<Token> },
    /// The access manager has been told of all that is to be revoked, or could not be (503).
    LoggedOut { client: Client, tag: u64, result: Result<(), u16> },

    // Reliable streams between infrastructure nodes.
    /// A frame of a reliable stream, or an acknowledgement of one.
    Stream(Box<StreamFrame>),

    // Faults that only the node itself can play, told to it by the plan.
    /// The node behaves thus until told otherwise.
    Misbehave(Misbehaviour),
}

/// Channel lists are short: control, results, own acknowledgements.
pub type ChannelList = SmallVec<[Channel; 3]>;

/// A client's call.
#[derive(Clone, Debug)]
pub struct Request {
    pub client: Client,
    pub tag: u64,
    /// The address it comes from, IPv4 in one number.
    pub client_ip: u32,
    pub token: Option<Arc<Token>>,
    pub call: Call,
}

/// The platform's client API, as far as the patterns use it.
#[derive(Clone, Debug)]
pub enum Call {
    Publish {
        channel: Channel,
        payload: Payload,
        store: bool,
    },
    /// A small message of its own kind.
    Signal {
        channel: Channel,
        payload: Payload,
    },
    /// Sets off Functions, and reaches nobody.
    Fire {
        channel: Channel,
        payload: Payload,
    },
    /// `cursor` 0 is a handshake: it returns no messages. Replaces the connection's earlier channel list.
    Subscribe {
        channels: ChannelList,
        cursor: Timetoken,
        with: Option<Box<SubscribeWith>>,
    },
    /// Ends the connection's subscription; the user leaves the channels that have presence.
    Unsubscribe,
    /// A heartbeat on the channels that have presence; `timeout_s` as in [`PresenceCall`].
    Heartbeat {
        channels: ChannelList,
        timeout_s: u32,
    },
    /// Any question to presence.
    Presence(Box<PresenceCall>),
    /// Any call on channel groups.
    Groups(Box<GroupsOp>),
    Objects(Box<ObjectsOp>),
    History {
        channel: Channel,
        start: Option<Timetoken>,
        max: u32,
    },
}

/// What a subscribe asks for besides channels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubscribeWith {
    /// At most 10 channel groups.
    pub groups: SmallVec<[Arc<str>; 1]>,
    /// The client's presence timeout, 20 to 320 s; 0: the user joins nothing.
    pub timeout_s: u32,
    /// The region that gave the cursor (`tr`, platform.md 2.1); `None`: the one that is asked.
    pub cursor_region: Option<u8>,
}

/// A call that went well.
#[derive(Clone, Debug)]
pub enum ApiOk {
    /// `[1,"Sent",tt]`
    Sent(Timetoken),
    /// `missed` counts what fell out of the queue of 100: the platform does not tell clients, the simulation does.
    /// The connection is of the edge's `epoch`, and gone if a newer one has been announced.
    Subscribed {
        cursor: Timetoken,
        messages: Vec<Arc<Envelope>>,
        missed: u32,
        epoch: u64,
    },
    Unsubscribed,
    Objects(ObjectsOk),
    History(Vec<Arc<Envelope>>),
    Presence(PresenceOk),
    Groups(GroupsOk),
}

/// What is published (`e` in a subscriber's envelope, platform.md 2.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// A message.
    #[default]
    Message,
    /// 1: at most 64 bytes, with a quota and Functions of its own, never stored; a cursor gets only a channel's last one
    /// (platform.md 2.1, 2.4).
    Signal,
    /// 2: App Context tells of a change.
    Objects,
    /// For Functions alone: `store=0&norep=true` (platform.md 2.1). It is in no envelope.
    Fire,
}

/// A message as a subscriber gets it (platform.md 2.2).
#[derive(Debug, PartialEq)]
pub struct Envelope {
    pub channel: Channel,
    /// `p.t`, assigned at the publisher's region.
    pub timetoken: Timetoken,
    /// `p.r`, the publisher's region.
    pub region: u8,
    /// `i`, the publisher.
    pub publisher: UserId,
    /// `d`.
    pub payload: Payload,
    /// Whether history keeps it.
    pub store: bool,
    /// `e`.
    pub kind: Kind,
}

/// A message on its last leg, edge to population.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub to: Recipients,
    pub envelope: Arc<Envelope>,
    /// The cursor after this message (`t.t`), in this region's log order.
    pub cursor: Timetoken,
}

/// Whose connections a delivery is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipients {
    /// Just this client.
    One(Client),
    /// These clients.
    These(Arc<[Client]>),
    /// Every client of the population that is connected to the sending edge and subscribed to the channel.
    Subscribers,
    /// Every client of the population that is connected to the sending edge and has the channel in its own group.
    Members(Box<Members>),
}

/// Who has a channel in its own channel group: those of the groups' provision ([`crate::groups::Provision`]), which edges and
/// populations both hold, and what has changed since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Members {
    /// The channel's number in the provision.
    pub channel: u32,
    /// The edge's epoch: connections of another one do not hear it.
    pub epoch: u64,
    /// Clients, in order, who have it in their groups now and had not at the beginning; one who has it twice stands twice.
    pub plus: Vec<Client>,
    /// Those, in order, who had it and have it no more.
    pub minus: Vec<Client>,
}

/// A publish on its way to the broker.
#[derive(Clone, Debug)]
pub struct Publish {
    pub tag: u64,
    pub channel: Channel,
    pub payload: Payload,
    pub publisher: UserId,
    pub store: bool,
    pub kind: Kind,
    /// Function hops so far (0: a client's own publish).
    pub hops: u8,
    /// `meta.clientip`, as an IPv4 address in one number; 0 for a Function's own publish.
    pub client_ip: u32,
    /// The client's token role and session (token `meta`), which Functions may read.
    pub token: Option<Arc<Token>>,
}

/// A connection registers its channels at the broker, for the edge that it is connected to.
#[derive(Clone, Debug)]
pub struct Attach {
    pub tag: u64,
    /// The edge's epoch: what it asked for in an older one is over, however late it arrives.
    pub epoch: u64,
    /// Names, or wildcards `a.*`: what is published there goes to the edge from now on.
    pub channels: ChannelList,
    pub cursor: Timetoken,
    /// As in [`SubscribeWith`].
    pub cursor_region: Option<u8>,
    /// Channels that the edge gets anyway, and in which the cursor is to be looked up besides.
    pub also: Box<[Channel]>,
}

/// A handler's call.
#[derive(Clone, Debug)]
pub struct Invoke {
    pub tag: u64,
    pub trigger: Trigger,
    pub publish: Publish,
    /// Whether the caller waits for [`Msg::Invoked`].
    pub answer: bool,
}

/// What set a Function off (platform.md 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Of a publish or a fire.
    BeforePublish,
    /// Likewise.
    AfterPublish,
    OnInterval,
    /// Join, leave, timeout, state change, interval: the event's payload is the presence event.
    AfterPresence,
    BeforeSignal,
    AfterSignal,
    /// A call of the Function's own HTTP endpoint.
    OnRequest,
}

/// How an execution ended.
#[derive(Clone, Debug)]
pub enum InvokeOutcome {
    /// `request.ok()`: deliver this payload.
    Ok(Payload),
    /// `request.abort(body)`: do not deliver; the publisher sees `status` and `body`.
    Abort { status: u16, body: Arc<str> },
}

/// A frame of a reliable stream (see [`crate::stream`]).
#[derive(Clone, Debug)]
pub enum StreamFrame {
    /// Items `first_seq ..`, in order, of the sender's `epoch`. Everything below `base` was acknowledged before this
    /// frame was sent: a receiver that lost its place starts there.
    Data { epoch: u64, base: u64, first_seq: u64, items: Vec<StreamItem> },
    /// Everything below `next_seq` of `epoch` has arrived.
    Ack { epoch: u64, next_seq: u64 },
}

/// What streams carry.
#[derive(Clone, Debug)]
pub enum StreamItem {
    /// Broker to broker: a message published in the sender's region.
    Message(Arc<Envelope>),
    /// KV replica to KV replica: a value or its removal, last writer wins.
    KvPut(Arc<KvWrite>),
    /// Access manager to edge: the token with this signature is revoked.
    Revoked { signature: u64 },
    /// Channel registry to edge: a channel is in a group from now on, or no longer.
    Group { group: Arc<str>, channel: Channel, present: bool },
    /// KV replica to KV replica: the increments that `writer` has made so far to this counter.
    KvCounter { key: Arc<str>, writer: u32, sum: i64 },
}

/// How a node misbehaves, as the fault plan says. Probabilities are in parts per million.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Misbehaviour {
    /// Calls answered with the store's own error, without effect.
    pub error_ppm: u32,
    /// Calls that take effect and are answered with an error.
    pub error_after_effect_ppm: u32,
    /// Calls that take effect and are never answered.
    pub silent_after_effect_ppm: u32,
    /// Calls refused as throttled.
    pub throttle_ppm: u32,
    /// Added to every answer.
    pub delay: Nanos,
}
