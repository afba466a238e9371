//! What presence and the channel registry are asked.

use std::sync::Arc;

use super::{Channel, ChannelList, UserId};

/// What presence is told and asked (platform.md 2.1 and 2.5).
#[derive(Clone, Debug)]
pub enum PresenceCall {
    /// A client's subscribe came to an edge: the user joins channels where it is not, and it counts as a heartbeat. No
    /// answer. `timeout_s` is the client's presence timeout, 20 to 320 s.
    Subscribed {
        user: UserId,
        channels: ChannelList,
        timeout_s: u32,
    },
    /// The user is still there.
    Heartbeat {
        user: UserId,
        channels: ChannelList,
        timeout_s: u32,
    },
    /// The user goes.
    Leave {
        user: UserId,
        channels: ChannelList,
    },
    /// The user's state on these channels, a JSON object; kept until it leaves.
    SetState {
        user: UserId,
        channels: ChannelList,
        state: Arc<str>,
    },
    GetState {
        user: UserId,
        channels: ChannelList,
    },
    /// Who is on these channels: at most `limit` users of each, from `offset` on; with `uuids` false or `limit` 0 only
    /// how many. The answer may be 3 s old.
    HereNow {
        channels: Vec<Channel>,
        uuids: bool,
        state: bool,
        limit: u32,
        offset: u32,
    },
    /// Which channels the user is on.
    WhereNow {
        user: UserId,
    },
}

/// What presence answers.
#[derive(Clone, Debug, PartialEq)]
pub enum PresenceOk {
    Done,
    /// The state on each channel that has one, as JSON.
    State(Vec<(Channel, Arc<str>)>),
    HereNow(Arc<HereNow>),
    WhereNow(Vec<Channel>),
}

/// Who is where.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HereNow {
    pub total_occupancy: u32,
    /// In the order asked.
    pub channels: Vec<Occupancy>,
}

/// Who is on one channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Occupancy {
    pub channel: Channel,
    pub occupancy: u32,
    /// The page asked for, with each user's state where that was asked for and there is one.
    pub users: Arc<[(UserId, Option<Arc<str>>)]>,
}

/// Calls on channel groups (platform.md 2.1 and 2.6).
#[derive(Clone, Debug)]
pub enum GroupsOp {
    /// Idempotent. At most 2,000 channels a group.
    Add {
        group: Arc<str>,
        channels: Vec<Channel>,
    },
    /// Idempotent.
    Remove {
        group: Arc<str>,
        channels: Vec<Channel>,
    },
    List {
        group: Arc<str>,
    },
    Delete {
        group: Arc<str>,
    },
}

/// A call on channel groups that went well.
#[derive(Clone, Debug, PartialEq)]
pub enum GroupsOk {
    Done,
    /// In order of name.
    Channels(Vec<Channel>),
}
