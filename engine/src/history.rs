//! Stored history: what brokers append, per channel in order of timetokens, kept for as long as the channel's rule
//! says (voting.md 4.2). Durable.
//!
//! The node has no way to say no: appends have no answer, and a page has no error. So misbehaviour and overload are
//! silence, and the reader's own timeout notices.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::contract::{Input, MINUTE, Nanos, Node, NodeId, Outbox};
use crate::dice::{Fate, Mischief};
use crate::message::{Channel, Envelope, Misbehaviour, Msg};
use crate::stream::earlier;
use crate::timetoken::Timetoken;

/// Most messages on a page (platform.md 2.7).
pub const PAGE_MAX: u32 = 100;

/// How long channels with a prefix keep their messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Of the channel's name; empty for all channels.
    pub prefix: Arc<str>,
    /// [minutes]; `None`: nothing is stored.
    pub minutes: Option<u32>,
}

impl Retention {
    /// voting.md 4.2: control 7 days, results 1 day, submissions not at all; other channels 1 day, like results.
    pub fn voting() -> Vec<Self> {
        const DAY_MINUTES: u32 = 24 * 60;
        [
            ("vote-control.", Some(7 * DAY_MINUTES)),
            ("vote-results.", Some(DAY_MINUTES)),
            ("vote-submit.", None),
            ("", Some(DAY_MINUTES)),
        ]
        .map(|(prefix, minutes)| Self { prefix: prefix.into(), minutes })
        .into()
    }
}

/// What history has stored and been asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HistoryCounts {
    /// Messages stored.
    pub stored: u64,
    /// Messages that were there already.
    pub repeated: u64,
    /// Messages that their channel's rule or their publisher did not want stored.
    pub skipped: u64,
    /// Messages dropped after their time.
    pub expired: u64,
    /// Pages handed out.
    pub pages: u64,
    /// Appends and fetches lost to overload or misbehaviour.
    pub lost: u64,
}

#[derive(Debug)]
struct Log {
    keep: Nanos,
    /// In order of (timetoken, region, publisher).
    messages: VecDeque<Arc<Envelope>>,
}

impl Log {
    /// Drops what is past its time; how many messages that was.
    fn expire(&mut self, now: Nanos) -> u64 {
        let past = |oldest: &Arc<Envelope>| oldest.timetoken.nanos().saturating_add(self.keep) <= now;
        let expired = self.messages.iter().take_while(|message| past(message)).count();
        self.messages.drain(..expired);
        expired as u64
    }
}

/// The history node.
#[derive(Debug)]
pub struct History {
    mischief: Mischief,
    counts: HistoryCounts,
    /// The first rule whose prefix fits decides; a channel that none fits is not stored.
    rules: Vec<Retention>,
    // Durable.
    logs: FxHashMap<Channel, Log>,
    sweep_at: Option<Nanos>,
    swept_at: Nanos,
}

impl History {
    /// An empty history with these rules, the first that fits deciding; `seed` is for the dice of misbehaviour.
    pub fn new(rules: Vec<Retention>, seed: u64) -> Self {
        Self {
            mischief: Mischief::new(seed),
            counts: HistoryCounts::default(),
            rules,
            logs: FxHashMap::default(),
            sweep_at: None,
            swept_at: 0,
        }
    }

    /// What has been stored and asked since the run began.
    pub fn counts(&self) -> HistoryCounts {
        self.counts
    }

    /// Messages in memory.
    pub fn len(&self) -> usize {
        self.logs.values().map(|log| log.messages.len()).sum()
    }

    /// Whether no message is stored.
    pub fn is_empty(&self) -> bool {
        self.logs.is_empty()
    }

    /// What a channel has stored that is not past its time at `now`, oldest first.
    pub fn stored(&self, channel: &str, now: Nanos) -> Vec<Arc<Envelope>> {
        self.page(channel, None, usize::MAX, now)
    }

    fn append(&mut self, now: Nanos, envelope: Arc<Envelope>) {
        let rule = self.rules.iter().find(|rule| envelope.channel.starts_with(&*rule.prefix));
        let Some(minutes) = rule.and_then(|rule| rule.minutes).filter(|_| envelope.store) else {
            self.counts.skipped += 1;
            return;
        };
        let keep = u64::from(minutes) * MINUTE;
        let expires = envelope.timetoken.nanos().saturating_add(keep);
        if expires <= now {
            self.counts.expired += 1;
            return;
        }
        let log = match self.logs.get_mut(&envelope.channel) {
            Some(log) => log,
            None => {
                let log = Log { keep, messages: VecDeque::new() };
                self.logs.entry(envelope.channel.clone()).or_insert(log)
            }
        };
        self.counts.expired += log.expire(now);
        // Appends come almost in order: look from the newest back.
        let place = |of: &Envelope| (of.timetoken, of.region);
        let mut at = log.messages.len();
        while at > 0 && place(&log.messages[at - 1]) >= place(&envelope) {
            let there = &log.messages[at - 1];
            if place(there) == place(&envelope) {
                if there.publisher == envelope.publisher {
                    self.counts.repeated += 1;
                    return;
                }
                if there.publisher < envelope.publisher {
                    break;
                }
            }
            at -= 1;
        }
        log.messages.insert(at, envelope);
        self.counts.stored += 1;
        self.sweep_at = earlier(self.sweep_at, Some(expires.max(self.swept_at + MINUTE)));
    }

    fn page(&self, channel: &str, start: Option<Timetoken>, max: usize, now: Nanos) -> Vec<Arc<Envelope>> {
        let Some(log) = self.logs.get(channel) else { return Vec::new() };
        let end = start.map_or(log.messages.len(), |start| log.messages.partition_point(|m| m.timetoken < start));
        let first = log.messages.partition_point(|m| m.timetoken.nanos().saturating_add(log.keep) <= now);
        let from = end.saturating_sub(max).max(first);
        log.messages.range(from.min(end)..end).cloned().collect()
    }

    fn fetch(&mut self, now: Nanos, from: NodeId, msg: Fetch, out: &mut Outbox) {
        let Fetch { tag, channel, start, max } = msg;
        let messages = self.page(&channel, start, max.min(PAGE_MAX) as usize, now);
        self.counts.pages += 1;
        out.send_after(self.mischief.delay(), from, Msg::HistoryPage { tag, messages });
    }
}

struct Fetch {
    tag: u64,
    channel: Channel,
    start: Option<Timetoken>,
    max: u32,
}

impl Node for History {
    fn handle(&mut self, now: Nanos, input: Input, out: &mut Outbox) {
        match input {
            Input::Message { msg: Msg::HistoryAppend(envelope), .. } => {
                if self.mischief.fate().takes_effect() {
                    self.append(now, envelope);
                } else {
                    self.counts.lost += 1;
                }
            }
            Input::Message { from, msg: Msg::HistoryFetch { tag, channel, start, max } } => {
                if self.mischief.fate() == Fate::Served {
                    self.fetch(now, from, Fetch { tag, channel, start, max }, out);
                } else {
                    self.counts.lost += 1;
                }
            }
            Input::Message { msg: Msg::Misbehave(orders), .. } => self.mischief.set(orders),
            Input::Overload { msg: Msg::HistoryAppend(_) | Msg::HistoryFetch { .. }, .. } => self.counts.lost += 1,
            Input::Wake => {
                if self.sweep_at.is_some_and(|at| at <= now) {
                    let mut expired = 0;
                    self.logs.retain(|_, log| {
                        expired += log.expire(now);
                        !log.messages.is_empty()
                    });
                    self.counts.expired += expired;
                    let oldest = self.logs.values().filter_map(|log| {
                        log.messages.front().map(|oldest| oldest.timetoken.nanos().saturating_add(log.keep))
                    });
                    self.swept_at = now;
                    self.sweep_at = oldest.min().map(|at| at.max(now + MINUTE));
                }
            }
            Input::Message { .. } | Input::Overload { .. } | Input::Start => (),
        }
    }

    fn next_wake(&self) -> Option<Nanos> {
        self.sweep_at
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
    use crate::contract::SECOND;
    use crate::message::Kind;
    use crate::message::Misbehaviour;

    const DAY: Nanos = 24 * 60 * MINUTE;

    fn envelope(channel: &str, at: Nanos, publisher: &str) -> Arc<Envelope> {
        Arc::new(Envelope {
            channel: channel.into(),
            timetoken: Timetoken::at(at),
            region: 0,
            publisher: publisher.into(),
            payload: "{}".into(),
            kind: Kind::Message,
            store: true,
        })
    }

    fn append(history: &mut History, now: Nanos, envelope: Arc<Envelope>) {
        let msg = Msg::HistoryAppend(envelope);
        history.handle(now, Input::Message { from: NodeId(1), msg }, &mut Outbox::new(false));
    }

    fn fetch(history: &mut History, now: Nanos, channel: &str, start: Option<Timetoken>, max: u32) -> Option<Vec<u64>> {
        let mut out = Outbox::new(false);
        let msg = Msg::HistoryFetch { tag: 8, channel: channel.into(), start, max };
        history.handle(now, Input::Message { from: NodeId(1), msg }, &mut out);
        out.drain_sends().next().map(|send| match send.msg {
            Msg::HistoryPage { tag: 8, messages } => messages.iter().map(|m| m.timetoken.nanos() / SECOND).collect(),
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn messages_come_back_in_order_once_however_they_were_appended() {
        let mut history = History::new(Retention::voting(), 1);
        for second in [3, 1, 2, 3, 5, 4, 1] {
            append(&mut history, 6 * SECOND, envelope("vote-results.s", second * SECOND, "a"));
        }
        append(&mut history, 6 * SECOND, envelope("vote-results.s", 3 * SECOND, "b"));
        append(&mut history, 6 * SECOND, envelope("vote-results.s", 3 * SECOND, "a"));
        assert_eq!(fetch(&mut history, 6 * SECOND, "vote-results.s", None, 100), Some(vec![1, 2, 3, 3, 4, 5]));
        // 9 appends: 5 different seconds and one other publisher stored, 3 repeated.
        assert_eq!((history.counts().stored, history.counts().repeated), (6, 3));
    }

    #[test]
    fn a_page_is_the_newest_100_before_its_start_oldest_first() {
        let mut history = History::new(Retention::voting(), 1);
        for second in 0..250 {
            append(&mut history, 250 * SECOND, envelope("vote-control.s", second * SECOND, "host"));
        }
        let newest = fetch(&mut history, 250 * SECOND, "vote-control.s", None, 1_000).unwrap();
        assert_eq!(newest, (150..250).collect::<Vec<_>>());
        let start = Some(Timetoken::at(150 * SECOND));
        let before = fetch(&mut history, 250 * SECOND, "vote-control.s", start, 3).unwrap();
        assert_eq!(before, [147, 148, 149]);
        assert_eq!(fetch(&mut history, 250 * SECOND, "vote-control.other", None, 5), Some(Vec::new()));
    }

    #[test]
    fn control_is_kept_7_days_results_1_and_submissions_not_at_all() {
        let mut history = History::new(Retention::voting(), 1);
        for channel in ["vote-control.s", "vote-results.s", "vote-submit.s"] {
            append(&mut history, 0, envelope(channel, 0, "a"));
        }
        let unwanted = Envelope { store: false, ..Arc::into_inner(envelope("vote-control.s", 1, "a")).unwrap() };
        append(&mut history, 0, Arc::new(unwanted));
        assert_eq!((history.len(), history.counts().skipped), (2, 2));
        let mut there = |now, channel| fetch(&mut history, now, channel, None, 1).unwrap().len();
        assert_eq!((there(DAY - 1, "vote-results.s"), there(DAY, "vote-results.s")), (1, 0));
        assert_eq!((there(7 * DAY - 1, "vote-control.s"), there(7 * DAY, "vote-control.s")), (1, 0));
    }

    #[test]
    fn a_sweep_frees_what_is_past_its_time_and_then_sleeps() {
        let mut history = History::new(Retention::voting(), 1);
        append(&mut history, 0, envelope("vote-control.s", 0, "a"));
        append(&mut history, 0, envelope("vote-results.s", 0, "a"));
        let mut wakes = Vec::new();
        while let Some(at) = history.next_wake() {
            history.handle(at, Input::Wake, &mut Outbox::new(false));
            wakes.push((at / DAY, history.len()));
        }
        assert_eq!(wakes, [(1, 1), (7, 0)]);
        assert!(history.is_empty());
    }

    #[test]
    fn misbehaviour_and_overload_are_silence() {
        let mut history = History::new(Retention::voting(), 1);
        let orders = Misbehaviour { error_ppm: 1_000_000, ..Default::default() };
        let from = NodeId(1);
        history.handle(0, Input::Message { from, msg: Msg::Misbehave(orders) }, &mut Outbox::new(false));
        append(&mut history, 0, envelope("vote-control.s", 0, "a"));
        assert_eq!((fetch(&mut history, 0, "vote-control.s", None, 1), history.len()), (None, 0));
        let orders = Misbehaviour::default();
        history.handle(0, Input::Message { from, msg: Msg::Misbehave(orders) }, &mut Outbox::new(false));
        let msg = Msg::HistoryAppend(envelope("vote-control.s", 0, "a"));
        history.handle(0, Input::Overload { from, msg }, &mut Outbox::new(false));
        assert_eq!((history.len(), history.counts().lost), (0, 3));
    }
}
