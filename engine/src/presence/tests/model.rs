//! Random calls, against a model that looks at everybody at every moment.

use std::collections::BTreeMap;

use super::*;
use crate::contract::MS;
use crate::dice::draw;
use crate::timetoken::unix_ms;

const CHANNELS: u64 = 4;
const USERS: u64 = 14;

/// One user on one channel, as the model has it.
#[derive(Clone, Debug, Default)]
struct Seen {
    /// When it times out, if it is here.
    until: Option<Nanos>,
    /// Counts arrivals, to list users in order.
    joined: u64,
    announced: bool,
    /// When its leave will be announced.
    hold: Option<Nanos>,
    timed_out: bool,
    state: Option<String>,
    /// Its place in the order of what changed in this interval.
    pending: Option<u64>,
}

#[derive(Debug)]
struct Model {
    options: PresenceOptions,
    seen: BTreeMap<(String, String), Seen>,
    interval_since: BTreeMap<String, Nanos>,
    changes: u64,
    events: Vec<(String, String)>,
}

impl Model {
    fn occupancy(&self, channel: &str) -> usize {
        self.seen.iter().filter(|((c, _), seen)| c == channel && seen.until.is_some()).count()
    }

    fn seen(&mut self, channel: &str, user: &str) -> &mut Seen {
        self.seen.entry((channel.to_owned(), user.to_owned())).or_default()
    }

    fn single(&mut self, channel: &str, user: &str, action: &str, at: Nanos, data: &str) {
        let (ms, occupancy) = (unix_ms(at), self.occupancy(channel));
        let event = format!(
            r#"{{"action":"{action}","uuid":"{user}","timestamp":{},"occupancy":{occupancy},"precise_timestamp":{ms}{data}}}"#,
            ms / 1_000
        );
        self.events.push((channel.to_owned(), event));
    }

    fn tell(&mut self, channel: &str, user: &str, action: &str, at: Nanos) {
        self.changes += 1;
        let change = self.changes;
        if self.interval_since.contains_key(channel) {
            self.seen(channel, user).pending.get_or_insert(change);
        } else {
            self.seen(channel, user).announced = action == "join";
            self.single(channel, user, action, at, "");
        }
    }

    fn beat(&mut self, now: Nanos, channel: &str, user: &str, timeout_s: u64) {
        self.changes += 1;
        let change = self.changes;
        let seen = self.seen(channel, user);
        let came = seen.until.replace(now + timeout_s * SECOND).is_none();
        if came {
            seen.joined = change;
            seen.timed_out = false;
            let held = seen.hold.take().is_some();
            if self.occupancy(channel) > self.options.announce_max as usize {
                self.interval_since.entry(channel.to_owned()).or_insert(now);
            }
            if !held {
                self.tell(channel, user, "join", now);
            }
        }
    }

    fn depart(&mut self, now: Nanos, channel: &str, user: &str, timed_out: bool) {
        let debounce = u64::from(self.options.debounce_s) * SECOND;
        let seen = self.seen(channel, user);
        if seen.until.take().is_none() {
            return;
        }
        seen.state = None;
        seen.timed_out = timed_out;
        if !timed_out && seen.announced && debounce > 0 {
            seen.hold = Some(now + debounce);
        } else {
            self.tell(channel, user, if timed_out { "timeout" } else { "leave" }, now);
        }
        if self.occupancy(channel) <= self.options.announce_max as usize
            && self.interval_since.remove(channel).is_some()
        {
            self.flush(now, channel);
        }
    }

    fn flush(&mut self, now: Nanos, channel: &str) {
        let occupancy = self.occupancy(channel);
        let mut changed: Vec<_> =
            self.seen.iter_mut().filter(|((c, _), seen)| c == channel && seen.pending.is_some()).collect();
        changed.sort_by_key(|(_, seen)| seen.pending);
        let mut lists = [("join", Vec::new()), ("leave", Vec::new()), ("timeout", Vec::new())];
        for ((_, user), seen) in changed {
            seen.pending = None;
            if seen.hold.is_some() || seen.announced == seen.until.is_some() {
                continue;
            }
            seen.announced = seen.until.is_some();
            let list = if seen.announced { 0 } else { 1 + usize::from(seen.timed_out) };
            lists[list].1.push(format!("\"{user}\""));
        }
        let lists: Vec<_> = lists.into_iter().filter(|(_, users)| !users.is_empty()).collect();
        if !lists.is_empty() {
            let lists = lists.iter().map(|(name, users)| format!(",\"{name}\":[{}]", users.join(",")));
            let event = format!(
                r#"{{"action":"interval","timestamp":{},"occupancy":{occupancy}{}}}"#,
                unix_ms(now) / 1_000,
                lists.collect::<String>()
            );
            self.events.push((channel.to_owned(), event));
        }
    }

    /// What happens by itself after `from`, up to and with `to`.
    fn pass(&mut self, mut from: Nanos, to: Nanos) {
        let interval = u64::from(self.options.interval_s) * SECOND;
        loop {
            // (when, what, channel, user): the earliest of all, ticks before timeouts before holds.
            let mut next: Option<(Nanos, u8, String, String)> = None;
            let mut consider = |at: Nanos, what: u8, channel: &str, user: &str| {
                let this = (at, what, channel.to_owned(), user.to_owned());
                if at <= to && next.as_ref().is_none_or(|best| this < *best) {
                    next = Some(this);
                }
            };
            for ((channel, user), seen) in &self.seen {
                seen.until.into_iter().for_each(|at| consider(at, 1, channel, user));
                seen.hold.into_iter().for_each(|at| consider(at, 2, channel, user));
            }
            for (channel, since) in &self.interval_since {
                consider(since + ((from - since) / interval + 1) * interval, 0, channel, "");
            }
            let Some((at, what, channel, user)) = next else { break };
            match what {
                0 => self.flush(at, &channel),
                1 => self.depart(at, &channel, &user, true),
                _ => {
                    self.seen(&channel, &user).hold = None;
                    self.tell(&channel, &user, "leave", at - u64::from(self.options.debounce_s) * SECOND);
                }
            }
            from = at;
        }
    }
}

/// The node with what drives it: woken exactly when it asks.
struct Driven {
    node: Presence,
    events: Vec<(String, String)>,
    out: Outbox,
}

impl Driven {
    fn collect(&mut self) -> Option<Result<PresenceOk, ApiError>> {
        let mut answer = None;
        for send in self.out.drain_sends() {
            match send.msg {
                Msg::PresenceEvent { channel, payload } => self.events.push((channel.to_string(), payload.to_string())),
                Msg::PresenceAnswer { result, .. } => answer = Some(result),
                other => panic!("{other:?}"),
            }
        }
        answer
    }

    fn pass(&mut self, to: Nanos) {
        while let Some(at) = self.node.next_wake().filter(|at| *at <= to) {
            self.node.handle(at, Input::Wake, &mut self.out);
            self.collect();
        }
    }

    fn ask(&mut self, now: Nanos, call: PresenceCall) -> Option<Result<PresenceOk, ApiError>> {
        let msg = Msg::Presence { tag: 0, call: Box::new(call) };
        self.node.handle(now, Input::Message { from: NodeId(1), msg }, &mut self.out);
        self.collect()
    }
}

/// 20,000 calls of 14 users on 4 channels whose line is at 5 users, so that channels change mode all the time; pauses of
/// `pace` in the mean, timeouts of 20 to 59 s. What the runs met, their counts say.
fn agree(seed: u64, debounce_s: u32, pace: Nanos) -> PresenceCounts {
    let options = PresenceOptions { announce_max: 5, debounce_s, here_now_cache_s: 0, ..PresenceOptions::of(seed) };
    let mut model =
        Model { options, seen: BTreeMap::new(), interval_since: BTreeMap::new(), changes: 0, events: Vec::new() };
    let mut driven = Driven { node: Presence::new(NodeId(9), options), events: Vec::new(), out: Outbox::new(false) };
    let (mut now, mut throws) = (0, 0);
    let mut below = |bound: u64| {
        throws += 1;
        crate::dice::below(bound, draw(seed, throws))
    };
    for step in 0..20_000_u64 {
        // Now and then a long silence, in which everybody times out.
        let pause = if below(1_000) == 0 { 70 * SECOND } else { below(2 * pace) };
        model.pass(now, now + pause);
        now += pause + 1;
        driven.pass(now - 1);
        // At a call's own moment, nothing is due: times are drawn to the nanosecond.
        let user = format!("u{}", below(USERS));
        let channel = format!("c{}", below(CHANNELS));
        let channels = || [Channel::from(&*channel)].into_iter().collect::<crate::message::ChannelList>();
        let id = || UserId::from(&*user);
        match below(10) {
            0..4 => {
                let timeout_s = 20 + below(40);
                model.beat(now, &channel, &user, timeout_s);
                let call = PresenceCall::Heartbeat { user: id(), channels: channels(), timeout_s: timeout_s as u32 };
                assert_eq!(driven.ask(now, call), Some(Ok(PresenceOk::Done)));
            }
            4..6 => {
                model.beat(now, &channel, &user, 20);
                let call = PresenceCall::Subscribed { user: id(), channels: channels(), timeout_s: 1 };
                assert_eq!(driven.ask(now, call), None);
            }
            6..8 => {
                model.depart(now, &channel, &user, false);
                let call = PresenceCall::Leave { user: id(), channels: channels() };
                assert_eq!(driven.ask(now, call), Some(Ok(PresenceOk::Done)));
            }
            8 => {
                let state = format!("{{\"n\":{}}}", below(3));
                let quiet = model.interval_since.contains_key(&channel);
                let seen = model.seen(&channel, &user);
                if seen.until.is_some() && seen.state.as_ref() != Some(&state) {
                    seen.state = Some(state.clone());
                    if !quiet {
                        model.single(&channel, &user, "state-change", now, &format!(",\"data\":{state}"));
                    }
                }
                let call = PresenceCall::SetState { user: id(), channels: channels(), state: state.into() };
                assert_eq!(driven.ask(now, call), Some(Ok(PresenceOk::Done)));
            }
            _ => {
                let (limit, offset) = (below(4) as u32 * 3, below(5) as u32);
                let mut here: Vec<_> =
                    model.seen.iter().filter(|((c, _), seen)| *c == channel && seen.until.is_some()).collect();
                here.sort_by_key(|(_, seen)| seen.joined);
                let page = here.iter().skip(offset as usize).take(limit as usize);
                let users = page.map(|((_, user), seen)| (user.as_str().into(), seen.state.as_deref().map(Into::into)));
                let occupancy = here.len() as u32;
                let answer = Occupancy { channel: (*channel).into(), occupancy, users: users.collect() };
                let call =
                    PresenceCall::HereNow { channels: channels().to_vec(), uuids: true, state: true, limit, offset };
                let here_now = HereNow { total_occupancy: occupancy, channels: vec![answer] };
                assert_eq!(driven.ask(now, call), Some(Ok(PresenceOk::HereNow(here_now.into()))), "step {step}");
                let on: Vec<Channel> = model
                    .seen
                    .iter()
                    .filter(|((_, u), seen)| *u == user && seen.until.is_some())
                    .map(|((c, _), _)| c.as_str().into())
                    .collect();
                let answer = driven.ask(now, PresenceCall::WhereNow { user: id() });
                assert_eq!(answer, Some(Ok(PresenceOk::WhereNow(on))), "step {step}");
            }
        }
        assert_eq!(driven.events, model.events, "step {step}");
        driven.events.clear();
        model.events.clear();
        if step % 16 == 0 {
            for channel in 0..CHANNELS {
                let channel = format!("c{channel}");
                assert_eq!(driven.node.occupancy(&channel) as usize, model.occupancy(&channel), "step {step}");
            }
        }
    }
    // Everybody goes, all is told, and nothing is kept.
    driven.pass(now + 400 * SECOND);
    model.pass(now, now + 400 * SECOND);
    assert_eq!(driven.events, model.events);
    assert!(driven.node.is_empty() && driven.node.next_wake().is_none());
    driven.node.counts()
}

#[test]
fn twenty_thousand_random_calls_are_told_as_by_a_model_that_looks_at_everybody() {
    let counts = agree(1, 2, 750 * MS);
    // The run is worth something only if every kind of thing happened often.
    for (many, least, what) in [
        (counts.joins, 1_000, "joins"),
        (counts.leaves, 1_000, "leaves"),
        (counts.timeouts, 1_000, "timeouts"),
        (counts.debounced, 10, "debounced"),
        (counts.state_changes, 100, "state changes"),
        (counts.interval_events, 1_000, "interval events"),
        (counts.announce_events, 1_000, "announce events"),
    ] {
        assert!(many > least, "{what}: {counts:?}");
    }
}

#[test]
fn the_same_holds_without_a_debounce() {
    let counts = agree(2, 0, 750 * MS);
    assert_eq!(counts.debounced, 0);
    assert!(counts.leaves > 1_000 && counts.interval_events > 100 && counts.timeouts > 100, "{counts:?}");
}

#[test]
fn the_same_holds_in_a_rush() {
    // 20 calls a second: users time out only in the long silences.
    let counts = agree(3, 2, 50 * MS);
    assert!(counts.debounced > 500 && counts.interval_events > 500, "{counts:?}");
}
