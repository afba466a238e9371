//! Presence: who is on which channel, as far as heartbeats say, and what is told of it (platform.md 2.5).
//!
//! - **Here** is who subscribed or sent a heartbeat less than its timeout ago, and did not leave. An open connection
//!   alone keeps nobody here: 20 s after the last heartbeat the user times out, as the recordings show, and joins again
//!   with its next one. Two devices of one user are one occupant; the timeout of whichever was heard last counts.
//! - **Announce mode**: up to [`PresenceOptions::announce_max`] users, each join, leave, timeout and change of state is
//!   an event of its own. **Interval mode**, above: an event every [`PresenceOptions::interval_s`] since the channel
//!   came into this mode, and only if who is here differs from what was told last; nothing per user, states least of
//!   all. The change that crosses the line, in either direction, is told by an interval event; on the way down at once.
//! - **Debounce.** A leave is announced when the debounce has passed and the user has not come back; if it has, neither
//!   is. Everything else follows the leave itself: who is here, occupancy, and the state, which is gone. An event that
//!   was held bears the time of the leave and the occupancy of its sending. Timeouts are not held. The sources name the
//!   property and its 2 s but not its meaning; and they show leaves announced at once (platform.md 2.5), which is how it
//!   is with a debounce of 0.
//! - **State** is kept until leave or timeout, so no other event than a change of state can bear one. Setting it where
//!   the user is not, or to the text that it is, is answered and does nothing.
//! - **Here-now** lists users in the order in which they joined, so a page moves only when somebody before it goes.
//!   Each channel's answer to the same question is given again for 3 s, stale or not.
//!
//! All of it is volatile. After a crash nobody is here; users join again with their next heartbeats, announced again,
//! and of those who went in between nobody hears anything: whoever reads events must ask here-now.
//!
//! Several nodes share the channels, see [`owner`].

mod activity;
mod announce;
mod deadlines;
mod event;
mod here_now;
mod index;
mod options;
mod rows;

use std::any::Any;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde_json::Value;

use crate::contract::{Input, Nanos, Node, NodeId, Outbox, SECOND};
use crate::dice::{Fate, Mischief, below, mix};
use crate::error::ApiError;
use crate::message::{Channel, HereNow, Misbehaviour, Msg, Occupancy, PresenceCall, PresenceOk, UserId};
use crate::planted::{Bug, has};

pub use activity::Activity;
use deadlines::Deadlines;
use event::{Action, Writer};
use here_now::{Asked, Cache};
pub use options::{PresenceCounts, PresenceOptions};
use rows::{HERE, Rows, Who};

/// The name of the service in its refusals.
const SERVICE: &str = "Presence";
/// Longest id of a user [characters] (platform.md 2.7).
const USER_CHARS_MAX: usize = 92;

/// Which of `nodes` presence nodes owns a channel: the same on every machine, FNV-1a and a mixer behind it.
///
/// # Panics
/// If there are no nodes.
pub fn owner(channel: &str, nodes: usize) -> usize {
    assert!(nodes > 0, "channels need somebody who owns them");
    let fnv = channel
        .bytes()
        .fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3));
    below(nodes as u64, mix(fnv)) as usize
}

/// A presence node.
#[derive(Debug)]
pub struct Presence {
    broker: NodeId,
    options: PresenceOptions,
    mischief: Mischief,
    counts: PresenceCounts,
    activity: Activity,
    // Volatile.
    rows: Rows,
    deadlines: Deadlines,
    /// States of rows that have one.
    states: FxHashMap<u32, Arc<str>>,
    /// Leaves that wait for the debounce to pass; it is the same for all, so they are in order.
    held: VecDeque<(Nanos, u32)>,
    /// When intervals with something to tell end: channel, and since when it has been in interval mode.
    ticks: BinaryHeap<Reverse<(Nanos, u32, Nanos)>>,
    cache: Cache,
    writer: Writer,
    wake: Option<Nanos>,
}

/// What becomes due by itself. At the same time, in this order: what happens just when an interval ends is of the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Tick,
    Timeout,
    Hold,
}

impl Presence {
    /// A node that tells the broker of its region; nobody is here.
    pub fn new(broker: NodeId, options: PresenceOptions) -> Self {
        Self {
            broker,
            options,
            mischief: Mischief::new(options.seed),
            counts: PresenceCounts::default(),
            activity: Activity::default(),
            rows: Rows::default(),
            deadlines: Deadlines::new(options.timeout_max_s),
            states: FxHashMap::default(),
            held: VecDeque::new(),
            ticks: BinaryHeap::new(),
            cache: Cache::new(u64::from(options.here_now_cache_s) * SECOND),
            writer: Writer::default(),
            wake: None,
        }
    }

    /// A user who has been on a channel since before the run began, until `deadline` if no heartbeat comes: for building a
    /// world. Nobody is told.
    pub fn provision(&mut self, user: &UserId, channel: &Channel, deadline: Nanos) {
        let row = self.rows.find_or_add(Who::of(user), channel);
        self.arrive_untold(row);
        self.rows.row_mut(row).deadline = deadline;
        self.deadlines.set(0, &mut self.rows.rows, row);
        self.wake = self.deadlines.next();
    }

    /// What has been told and asked since the run began.
    pub fn counts(&self) -> PresenceCounts {
        self.counts
    }

    /// What has been sent since the run began, second by second.
    pub fn activity(&self) -> &Activity {
        &self.activity
    }

    /// Users on a channel.
    pub fn occupancy(&self, channel: &str) -> u32 {
        self.rows.find_room(channel).map_or(0, |room| self.rows.room(room).occupancy)
    }

    /// The users on a channel, in the order in which they joined.
    pub fn here(&self, channel: &str) -> Vec<UserId> {
        let room = self.rows.find_room(channel);
        room.into_iter().flat_map(|room| self.rows.here(room)).map(|row| self.rows.user_id(row).clone()).collect()
    }

    /// Users on channels in memory, those included of whom something is still to be told.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Memory that users on channels take [bytes], spare capacity included, texts of ids, names and states not.
    pub fn memory_bytes(&self) -> usize {
        self.rows.memory_bytes() + self.deadlines.memory_bytes()
    }

    fn call(&mut self, now: Nanos, from: NodeId, tag: u64, call: PresenceCall, out: &mut Outbox) {
        let answered = !matches!(call, PresenceCall::Subscribed { .. });
        let fate = self.mischief.fate();
        let mut result = match fate {
            Fate::Throttled => {
                self.counts.throttled += 1;
                Err(ApiError::too_many_requests(SERVICE))
            }
            Fate::Error => {
                self.counts.failed += 1;
                Err(ApiError::service_unavailable(SERVICE))
            }
            Fate::Served | Fate::ErrorAfterEffect | Fate::SilentAfterEffect => {
                let result = self.apply(now, call, out);
                self.counts.refused += u64::from(result.is_err());
                result
            }
        };
        if fate == Fate::ErrorAfterEffect && result.is_ok() {
            self.counts.failed += 1;
            result = Err(ApiError::service_unavailable(SERVICE));
        }
        if answered && fate == Fate::SilentAfterEffect {
            self.counts.unanswered += 1;
        } else if answered {
            out.send_after(self.mischief.delay(), from, Msg::PresenceAnswer { tag, result });
        }
    }

    fn apply(&mut self, now: Nanos, call: PresenceCall, out: &mut Outbox) -> Result<PresenceOk, ApiError> {
        match call {
            PresenceCall::Subscribed { user, channels, timeout_s } => {
                self.beat(now, &user, &channels, timeout_s, out)?;
                self.counts.subscribes += 1;
            }
            PresenceCall::Heartbeat { user, channels, timeout_s } => {
                self.beat(now, &user, &channels, timeout_s, out)?;
                self.counts.heartbeats += 1;
            }
            PresenceCall::Leave { user, channels } => {
                let who = Who::of(&user);
                for channel in &channels {
                    if let Some(row) = self.rows.find_here(who, channel) {
                        self.leave(now, row, out);
                    }
                }
            }
            PresenceCall::SetState { user, channels, state } => self.set_state(now, &user, &channels, &state, out)?,
            PresenceCall::GetState { user, channels } => {
                let who = Who::of(&user);
                let state_on = |channel: &Channel| {
                    let row = self.rows.find_here(who, channel)?;
                    Some((channel.clone(), self.states.get(&row)?.clone()))
                };
                return Ok(PresenceOk::State(channels.iter().filter_map(state_on).collect()));
            }
            PresenceCall::HereNow { channels, uuids, state, limit, offset } => {
                let asked = Asked::of(uuids, state, limit, offset, self.options.here_now_limit);
                let channels: Vec<_> = channels.iter().map(|channel| self.here_now(now, channel, asked)).collect();
                let total_occupancy = channels.iter().map(|channel| channel.occupancy).sum();
                return Ok(PresenceOk::HereNow(Arc::new(HereNow { total_occupancy, channels })));
            }
            PresenceCall::WhereNow { user } => {
                self.counts.where_now += 1;
                let mut channels: Vec<_> = self.rows.channels_of(Who::of(&user)).cloned().collect();
                channels.sort_unstable();
                return Ok(PresenceOk::WhereNow(channels));
            }
        }
        Ok(PresenceOk::Done)
    }

    /// The user is there, for `timeout_s` from now on.
    fn beat(
        &mut self,
        now: Nanos,
        id: &UserId,
        channels: &[Channel],
        timeout_s: u32,
        out: &mut Outbox,
    ) -> Result<(), ApiError> {
        let timeout_s = timeout_s.min(self.options.timeout_max_s).max(self.options.timeout_min_s.max(1));
        let deadline = now + u64::from(timeout_s) * SECOND;
        // Bytes are at hand, characters must be counted.
        if id.is_empty() || (id.len() > USER_CHARS_MAX && id.chars().count() > USER_CHARS_MAX) {
            return Err(ApiError::presence_invalid_user());
        }
        let who = Who::of(id);
        for channel in channels {
            let row = match self.rows.find_here(who, channel) {
                Some(row) => row,
                None => {
                    let row = self.rows.find_or_add(who, channel);
                    // A list may name a channel twice.
                    if !self.rows.row(row).is(HERE) {
                        self.arrive(now, row, out);
                    }
                    row
                }
            };
            if has(Bug::PresenceForgetsHeartbeats) && self.rows.row(row).deadline > now {
                continue;
            }
            self.rows.row_mut(row).deadline = deadline;
            self.deadlines.set(now, &mut self.rows.rows, row);
        }
        Ok(())
    }

    fn set_state(
        &mut self,
        now: Nanos,
        user: &UserId,
        channels: &[Channel],
        state: &Arc<str>,
        out: &mut Outbox,
    ) -> Result<(), ApiError> {
        if !matches!(serde_json::from_str(state), Ok(Value::Object(_))) {
            return Err(ApiError::presence_invalid_state());
        }
        let who = Who::of(user);
        for channel in channels {
            let Some(row) = self.rows.find_here(who, channel) else { continue };
            if self.states.get(&row).is_some_and(|old| old == state) {
                continue;
            }
            self.states.insert(row, state.clone());
            self.counts.state_changes += 1;
            if self.rows.room(self.rows.row(row).channel).interval_since.is_none() {
                self.single(now, row, Action::StateChange, now, Some(state), out);
            }
        }
        Ok(())
    }

    fn here_now(&mut self, now: Nanos, channel: &Channel, asked: Asked) -> Occupancy {
        self.counts.here_now += 1;
        if let Some(answer) = self.cache.get(now, channel, asked) {
            self.counts.here_now_cached += 1;
            return answer;
        }
        let mut answer = Occupancy { channel: channel.clone(), occupancy: 0, users: Arc::default() };
        if let Some(room) = self.rows.find_room(channel) {
            let page = self.rows.page(room, asked.offset, asked.limit);
            let state_of = |row: u32| self.states.get(&row).filter(|_| asked.state).cloned();
            answer.users = page.iter().map(|row| (self.rows.user_id(*row).clone(), state_of(*row))).collect();
            answer.occupancy = self.rows.room(room).occupancy * if has(Bug::PresenceCountsDouble) { 2 } else { 1 };
        }
        self.cache.put(now, asked, &answer);
        answer
    }

    /// Does what has become due by `now`, in order of time.
    fn catch_up(&mut self, now: Nanos, out: &mut Outbox) {
        loop {
            let timeout = self.deadlines.first_due(&mut self.rows.rows, now).map(|(at, _)| (at, Due::Timeout));
            let hold = self.held.front().map(|(at, _)| (*at, Due::Hold));
            let tick = self.ticks.peek().map(|Reverse((at, ..))| (*at, Due::Tick));
            let Some((_, due)) = [timeout, hold, tick].into_iter().flatten().min().filter(|(at, _)| *at <= now) else {
                break;
            };
            match due {
                Due::Timeout => {
                    let (_, row) = self.deadlines.first_due(&mut self.rows.rows, now).expect("it was there");
                    self.deadlines.take_first(&mut self.rows.rows);
                    if !has(Bug::PresenceMissesTimeouts) {
                        self.time_out(now, row, out);
                    }
                }
                Due::Hold => {
                    let (until, row) = self.held.pop_front().expect("it was there");
                    self.end_hold(now, until, row, out);
                }
                Due::Tick => {
                    let Reverse((_, room, since)) = self.ticks.pop().expect("it was there");
                    self.tick(now, room, since, out);
                }
            }
        }
    }
}

impl Node for Presence {
    fn handle(&mut self, now: Nanos, input: Input, out: &mut Outbox) {
        // Whatever comes at the moment of a deadline comes too late, whether or not the wake came first.
        if self.wake.is_some_and(|at| at <= now) {
            self.catch_up(now, out);
        }
        match input {
            Input::Message { from, msg: Msg::Presence { tag, call } } => self.call(now, from, tag, *call, out),
            Input::Message { msg: Msg::Misbehave(orders), .. } => self.mischief.set(orders),
            Input::Overload { from, msg: Msg::Presence { tag, call } } => {
                self.counts.throttled += 1;
                if !matches!(*call, PresenceCall::Subscribed { .. }) {
                    let result = Err(ApiError::too_many_requests(SERVICE));
                    out.send(from, Msg::PresenceAnswer { tag, result });
                }
            }
            Input::Message { .. } | Input::Overload { .. } | Input::Start | Input::Wake => (),
        }
        let timers = [self.held.front().map(|(at, _)| *at), self.ticks.peek().map(|Reverse((at, ..))| *at)];
        self.wake = timers.into_iter().chain([self.deadlines.next()]).flatten().min();
    }

    fn next_wake(&self) -> Option<Nanos> {
        self.wake
    }

    /// Nobody is here any more, and nothing is told of it.
    fn reboot(&mut self, _now: Nanos) {
        // A new process behaves, and its dice go on where the old one's stopped.
        let mut mischief = self.mischief.clone();
        mischief.set(Misbehaviour::default());
        let activity = std::mem::take(&mut self.activity);
        *self = Self { mischief, counts: self.counts, activity, ..Self::new(self.broker, self.options) };
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

#[cfg(test)]
mod tests;
