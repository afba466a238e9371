//! The KV store: one replica per region, each serving its own region at once and telling the others a little later
//! (`kvstore-module.md`; eventual consistency: its limits and considerations).
//!
//! - **Keys.** The last writer wins, by (time of writing by the writer's clock, writer). A writer whose clock is
//!   behind loses against an earlier write of one whose clock is ahead, even in its own region: that is what last
//!   writer wins means, and what a skewed clock does to it. Removals and expired values stay as empty entries for
//!   [`KvOptions::keep_removed`], so that an older write that comes late does not bring them back.
//! - **Counters** are a store of their own. Each replica adds to its own sum only; the value is the sum of all sums,
//!   so no increment is lost, and what `incrCounter` returns is what this replica knows.
//! - **Durable**: keys, counters, the places of the replication streams and what they have not delivered. Volatile:
//!   the ordered listing, the rate limit's bucket, frames that came out of order.

mod counters;
mod table;

use std::any::Any;
use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use crate::base64url;
use crate::contract::{Input, MINUTE, MS, Nanos, Node, NodeId, Outbox};
use crate::dice::{Fate, Mischief};
use crate::limits::{Limits, TokenBucket};
use crate::message::{KvError, KvOk, KvOp, KvWrite, Misbehaviour, Msg, StreamFrame, StreamItem};
use crate::planted::{Bug, has};
use crate::stream::{Incoming, Outgoing, StreamOptions, earlier};

use counters::Counters;
use table::Table;

/// How a replica works.
#[derive(Clone, Copy, Debug)]
pub struct KvOptions {
    /// Sizes, lives and page lengths.
    pub limits: &'static Limits,
    /// Calls a second before [`KvError::Throttled`]; `None`: as many as come.
    pub ops_per_s: Option<u32>,
    /// How long writes wait for others to share a replication frame.
    pub replication_frame: Nanos,
    /// How the replication streams send.
    pub stream: StreamOptions,
    /// How long a removed or expired key is remembered; longer than any partition.
    pub keep_removed: Nanos,
    /// For the dice of misbehaviour.
    pub seed: u64,
}

impl KvOptions {
    /// The numbers of a limits profile, frames of 50 ms, removals remembered for a day.
    pub fn of(limits: &'static Limits, seed: u64) -> Self {
        Self {
            limits,
            ops_per_s: limits.kv_ops_per_s.value,
            replication_frame: 50 * MS,
            stream: StreamOptions::wide_area(),
            keep_removed: 24 * 60 * MINUTE,
            seed,
        }
    }
}

/// What a replica has been asked and what it did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KvCounts {
    pub sets: u64,
    pub gets: u64,
    pub removes: u64,
    pub incrs: u64,
    pub counter_gets: u64,
    pub listings: u64,
    /// Calls refused for what they say: sizes, lives, page tokens.
    pub refused: u64,
    /// Calls refused as too many, by the rate limit, a full queue or misbehaviour.
    pub throttled: u64,
    /// Calls answered [`KvError::Unavailable`], with or without effect.
    pub failed: u64,
    /// Calls that took effect and got no answer.
    pub unanswered: u64,
    /// Items from other replicas.
    pub replicated: u64,
    /// Of those, writes that lost against what was here.
    pub outdated: u64,
    /// Values that expired and were swept.
    pub expired: u64,
}

/// One replica of the KV store.
#[derive(Debug)]
pub struct KvReplica {
    writer: u32,
    options: KvOptions,
    mischief: Mischief,
    counts: KvCounts,
    // Durable.
    table: Table,
    counters: Counters,
    /// The latest time this replica wrote: its writes never tie.
    last_written: Nanos,
    outgoing: Vec<Outgoing>,
    /// Beside `outgoing`, from the same peers.
    incoming: Vec<Incoming>,
    // Volatile.
    bucket: Option<TokenBucket>,
    /// Keys with a value, in order; made when somebody asks, then kept up.
    listing: Option<BTreeSet<Arc<str>>>,
    counter_listing: Option<BTreeSet<Arc<str>>>,
    flush_at: Option<Nanos>,
    sweep_at: Option<Nanos>,
    swept_at: Nanos,
    released: Vec<StreamItem>,
}

impl KvReplica {
    /// An empty replica at `id`, replicating with `peers`. Its number as a writer is that of its node.
    pub fn new(id: NodeId, peers: &[NodeId], options: KvOptions) -> Self {
        Self {
            writer: id.0,
            options,
            mischief: Mischief::new(options.seed),
            counts: KvCounts::default(),
            table: Table::default(),
            counters: Counters::default(),
            last_written: 0,
            outgoing: peers.iter().map(|peer| Outgoing::new(*peer, 0, options.stream)).collect(),
            incoming: peers.iter().map(|peer| Incoming::new(*peer)).collect(),
            bucket: options.ops_per_s.map(|per_s| TokenBucket::new(per_s, 0)),
            listing: None,
            counter_listing: None,
            flush_at: None,
            sweep_at: None,
            swept_at: 0,
            released: Vec::new(),
        }
    }

    /// What the replica would answer to a `get` at `now`.
    pub fn get_now(&self, key: &str, now: Nanos) -> Option<Arc<str>> {
        self.table.get(key)?.live(now).cloned()
    }

    /// A counter's value here.
    pub fn counter(&self, key: &str) -> i64 {
        self.counters.get(key)
    }

    /// Keys with a value that has not expired by `now`, in order.
    pub fn keys_now(&self, now: Nanos) -> Vec<Arc<str>> {
        let mut keys: Vec<_> =
            self.table.entries().iter().filter(|entry| entry.live(now).is_some()).map(|e| e.key.clone()).collect();
        keys.sort_unstable();
        keys
    }

    /// All counter keys, in order.
    pub fn counter_keys(&self) -> Vec<Arc<str>> {
        self.counters.sorted_keys().into_iter().collect()
    }

    /// Entries in memory, those of removed and expired keys included.
    pub fn len(&self) -> usize {
        self.table.entries().len()
    }

    /// Whether there is no entry and no counter.
    pub fn is_empty(&self) -> bool {
        self.len() == 0 && self.counters.is_empty()
    }

    /// Counters in memory.
    pub fn counters_len(&self) -> usize {
        self.counters.len()
    }

    /// What has been asked and done since the run began.
    pub fn counts(&self) -> KvCounts {
        self.counts
    }

    /// Whether everything written here has been acknowledged by every other replica.
    pub fn is_replicated(&self) -> bool {
        !self.counters.is_dirty() && self.outgoing.iter().all(|outgoing| outgoing.pending() == 0)
    }

    fn call(&mut self, now: Nanos, from: NodeId, tag: u64, op: KvOp, out: &mut Outbox) {
        self.count(&op);
        let fate = self.mischief.fate();
        let admitted = self.bucket.as_mut().is_none_or(|bucket| bucket.admit(now));
        let mut result = if fate == Fate::Throttled || !admitted {
            Err(KvError::Throttled)
        } else if fate.takes_effect() {
            self.apply(now, op)
        } else {
            Err(KvError::Unavailable)
        };
        if fate == Fate::ErrorAfterEffect && result.is_ok() {
            result = Err(KvError::Unavailable);
        }
        match result {
            Ok(_) => (),
            Err(KvError::Throttled) => self.counts.throttled += 1,
            Err(KvError::Unavailable) => self.counts.failed += 1,
            Err(_) => self.counts.refused += 1,
        }
        if fate == Fate::SilentAfterEffect && result.is_ok() {
            self.counts.unanswered += 1;
            return;
        }
        out.send_after(self.mischief.delay(), from, Msg::KvAnswer { tag, result });
    }

    fn count(&mut self, op: &KvOp) {
        let count = match op {
            KvOp::Set { .. } => &mut self.counts.sets,
            KvOp::Get { .. } => &mut self.counts.gets,
            KvOp::Remove { .. } => &mut self.counts.removes,
            KvOp::GetCounter { .. } => &mut self.counts.counter_gets,
            KvOp::Incr { .. } => &mut self.counts.incrs,
            KvOp::GetKeys { .. } | KvOp::GetCounterKeys { .. } => &mut self.counts.listings,
        };
        *count += 1;
    }

    fn apply(&mut self, now: Nanos, op: KvOp) -> Result<KvOk, KvError> {
        match op {
            KvOp::Set { key, value, ttl_minutes } => {
                self.check_key(&key)?;
                if !self.options.limits.takes_kv_value(&value) {
                    return Err(KvError::ValueTooLarge);
                }
                let ttl = self.options.limits.kv_ttl_minutes(ttl_minutes).ok_or(KvError::BadTtl)?;
                let ttl = ttl + if has(Bug::KvKeepsWhatExpired) { 60 } else { 0 };
                self.write(now, key, Some(value), now + u64::from(ttl) * MINUTE);
                Ok(KvOk::Done)
            }
            KvOp::Get { key } => {
                self.check_key(&key)?;
                Ok(KvOk::Value(self.get_now(&key, now)))
            }
            KvOp::Remove { key } => {
                self.check_key(&key)?;
                // Even a key that is not here: an older write of it may be on its way.
                self.write(now, key, None, now + self.options.keep_removed);
                Ok(KvOk::Done)
            }
            KvOp::GetCounter { key } => {
                self.check_key(&key)?;
                Ok(KvOk::Counter(self.counters.get(&key)))
            }
            KvOp::Incr { key, by } => {
                self.check_key(&key)?;
                let by = if has(Bug::KvCountsTwice) { 2 * by } else { by };
                let value = self.counters.add(self.writer, &key, by);
                if let Some(listing) = &mut self.counter_listing {
                    listing.insert(key);
                }
                self.flush_soon(now);
                Ok(KvOk::Counter(if has(Bug::KvSaysTheCountBefore) { value - by } else { value }))
            }
            KvOp::GetKeys { page } => {
                let (table, max) = (&self.table, self.options.limits.kv_page_keys.value as usize);
                let listing = self.listing.get_or_insert_with(|| {
                    table.entries().iter().filter(|entry| entry.value.is_some()).map(|e| e.key.clone()).collect()
                });
                let live = |key: &str| table.get(key).is_some_and(|entry| entry.live(now).is_some());
                list(listing, b'k', page.as_deref(), max, live)
            }
            KvOp::GetCounterKeys { page } => {
                let (counters, max) = (&self.counters, self.options.limits.kv_page_keys.value as usize);
                let listing = self.counter_listing.get_or_insert_with(|| counters.sorted_keys());
                list(listing, b'c', page.as_deref(), max, |_| true)
            }
        }
    }

    fn check_key(&self, key: &str) -> Result<(), KvError> {
        if key.is_empty() {
            Err(KvError::BadArgument)
        } else if !self.options.limits.takes_kv_key(key) {
            Err(KvError::KeyTooLong)
        } else {
            Ok(())
        }
    }

    /// A write of this replica: kept here, and on its way to the others.
    fn write(&mut self, now: Nanos, key: Arc<str>, value: Option<Arc<str>>, expires: Nanos) {
        let written = now.max(self.last_written + 1);
        self.last_written = written;
        let write = Arc::new(KvWrite { key, value, written, expires, writer: self.writer });
        for outgoing in &mut self.outgoing {
            if !has(Bug::KvReplicatesNothing) {
                outgoing.push(StreamItem::KvPut(write.clone()));
            }
        }
        self.merge(write);
        self.flush_soon(now);
    }

    /// Takes a write over what is here if it is the later one.
    fn merge(&mut self, new: Arc<KvWrite>) -> bool {
        let sweep_at = new.expires.max(self.swept_at + MINUTE);
        match self.table.get_mut(&new.key) {
            Some(old) if (old.written, old.writer) >= (new.written, new.writer) => return false,
            Some(old) => {
                update(&mut self.listing, old.value.is_some(), new.value.is_some(), &old.key);
                *old = new;
            }
            None => {
                update(&mut self.listing, false, new.value.is_some(), &new.key);
                self.table.insert_new(new);
            }
        }
        self.sweep_at = earlier(self.sweep_at, Some(sweep_at));
        true
    }

    fn flush_soon(&mut self, now: Nanos) {
        if !self.outgoing.is_empty() {
            self.flush_at.get_or_insert(now + self.options.replication_frame);
        }
    }

    fn flush(&mut self, now: Nanos, out: &mut Outbox) {
        self.flush_at = None;
        for (key, sum) in self.counters.take_dirty(self.writer) {
            for outgoing in &mut self.outgoing {
                outgoing.push(StreamItem::KvCounter { key: key.clone(), writer: self.writer, sum });
            }
        }
        self.outgoing.iter_mut().for_each(|outgoing| outgoing.flush(now, out));
    }

    fn frame(&mut self, now: Nanos, from: NodeId, frame: StreamFrame) {
        let Some(peer) = self.outgoing.iter().position(|outgoing| outgoing.peer() == from) else {
            return; // A frame of a stranger: this replica has no stream with it.
        };
        match frame {
            StreamFrame::Ack { epoch, next_seq } => self.outgoing[peer].on_ack(now, epoch, next_seq),
            StreamFrame::Data { epoch, base, first_seq, items } => {
                let mut released = std::mem::take(&mut self.released);
                self.incoming[peer].on_data(now, epoch, base, first_seq, items, &mut released);
                released.drain(..).for_each(|item| self.receive(item));
                self.released = released;
            }
        }
    }

    fn receive(&mut self, item: StreamItem) {
        self.counts.replicated += 1;
        match item {
            StreamItem::KvPut(write) => {
                if !self.merge(write) {
                    self.counts.outdated += 1;
                }
            }
            StreamItem::KvCounter { key, writer, sum } => {
                if let Some(listing) = &mut self.counter_listing {
                    listing.insert(key.clone());
                }
                self.counters.put_sum(writer, key, sum);
            }
            // The brokers' and the channel registry's business.
            StreamItem::Message(_) | StreamItem::Group { .. } | StreamItem::Revoked { .. } => (),
        }
    }

    /// Empties expired entries, forgets those that have been empty long enough, and finds when the next one is due.
    fn sweep(&mut self, now: Nanos) {
        let (mut next, mut expired) = (None, 0);
        let keep_removed = self.options.keep_removed;
        let listing = &mut self.listing;
        self.table.retain(|entry| {
            if entry.expires <= now && entry.value.is_some() {
                update(listing, true, false, &entry.key);
                let entry = Arc::make_mut(entry);
                entry.value = None;
                entry.expires += keep_removed;
                expired += 1;
            }
            if entry.expires <= now {
                return false;
            }
            next = earlier(next, Some(entry.expires));
            true
        });
        self.counts.expired += expired;
        self.swept_at = now;
        self.sweep_at = next.map(|at| at.max(now + MINUTE));
    }
}

/// Keeps the ordered listing, if there is one, up with a key that had or has a value.
fn update(listing: &mut Option<BTreeSet<Arc<str>>>, had: bool, has: bool, key: &Arc<str>) {
    if let Some(listing) = listing {
        match (had, has) {
            (false, true) => _ = listing.insert(key.clone()),
            (true, false) => _ = listing.remove(&**key),
            _ => (),
        }
    }
}

/// One page of an ordered listing. A page token is the last key of the page before, marked with the kind of listing.
fn list(
    listing: &BTreeSet<Arc<str>>,
    kind: u8,
    page: Option<&str>,
    max: usize,
    live: impl Fn(&str) -> bool,
) -> Result<KvOk, KvError> {
    let after = match page {
        None => None,
        Some(token) => {
            let bytes = base64url::decode(token).filter(|bytes| bytes.first() == Some(&kind));
            let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
            Some(text.ok_or(KvError::BadArgument)?)
        }
    };
    let from = after.as_deref().map_or(Bound::Unbounded, |text| Bound::Excluded(&text[1..]));
    let mut rest = listing.range::<str, _>((from, Bound::Unbounded)).filter(|key| live(key));
    let mut keys: Vec<_> = rest.by_ref().take(max).cloned().collect();
    let more = rest.next().is_some();
    let next = keys.last().filter(|_| more).map(|last| {
        let mut token = vec![kind];
        token.extend_from_slice(last.as_bytes());
        base64url::encode(&token).into()
    });
    if more && has(Bug::KvPagesLeaveAKeyOut) {
        keys.pop();
    }
    Ok(KvOk::Keys { keys, next })
}

impl Node for KvReplica {
    fn handle(&mut self, now: Nanos, input: Input, out: &mut Outbox) {
        match input {
            Input::Message { from, msg: Msg::Kv { tag, op } } => self.call(now, from, tag, op, out),
            Input::Message { from, msg: Msg::Stream(frame) } => self.frame(now, from, *frame),
            Input::Message { msg: Msg::Misbehave(orders), .. } => self.mischief.set(orders),
            Input::Overload { from, msg: Msg::Kv { tag, .. } } => {
                self.counts.throttled += 1;
                out.send(from, Msg::KvAnswer { tag, result: Err(KvError::Throttled) });
            }
            // A frame that found the queue full is lost; its stream sends it again.
            Input::Message { .. } | Input::Overload { .. } | Input::Start => (),
            Input::Wake => {
                if self.flush_at.is_some_and(|at| at <= now) {
                    self.flush(now, out);
                }
                self.outgoing.iter_mut().for_each(|outgoing| outgoing.on_wake(now, out));
                self.incoming.iter_mut().for_each(|incoming| incoming.on_wake(now, out));
                if self.sweep_at.is_some_and(|at| at <= now) {
                    self.sweep(now);
                }
            }
        }
    }

    fn next_wake(&self) -> Option<Nanos> {
        let own = earlier(self.flush_at, self.sweep_at);
        let sending = self.outgoing.iter().fold(own, |wake, outgoing| earlier(wake, outgoing.next_wake()));
        self.incoming.iter().fold(sending, |wake, incoming| earlier(wake, incoming.next_wake()))
    }

    fn reboot(&mut self, now: Nanos) {
        if has(Bug::KvForgetsInACrash) {
            self.table = Table::default();
        }
        // A new process behaves.
        self.mischief.set(Misbehaviour::default());
        self.outgoing.iter_mut().for_each(Outgoing::reboot);
        self.incoming.iter_mut().for_each(Incoming::reboot);
        self.bucket = self.options.ops_per_s.map(|per_s| TokenBucket::new(per_s, now));
        self.listing = None;
        self.counter_listing = None;
        self.flush_at = None;
        if !self.is_replicated() {
            self.flush_soon(now);
        }
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
