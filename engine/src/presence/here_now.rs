//! Answers to here-now, which may be a few seconds old.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use crate::contract::Nanos;
use crate::message::{Channel, Occupancy};

/// What is asked of a channel. A question for no users is always the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Asked {
    pub limit: u32,
    pub offset: u32,
    pub state: bool,
}

impl Asked {
    /// The question as it is answered: at most `limit_max` users, and none if only their number is wanted.
    pub fn of(uuids: bool, state: bool, limit: u32, offset: u32, limit_max: u32) -> Self {
        match limit.min(limit_max) {
            limit @ 1.. if uuids => Self { limit, offset, state },
            _ => Self { limit: 0, offset: 0, state: false },
        }
    }
}

/// Answers by channel and question, for as long as they may be given again.
#[derive(Debug)]
pub(super) struct Cache {
    answers: FxHashMap<(Channel, Asked), Occupancy>,
    /// When each was made, oldest first.
    made: VecDeque<(Nanos, Channel, Asked)>,
    keep: Nanos,
}

impl Cache {
    /// Answers are given again for `keep`; 0: never.
    pub fn new(keep: Nanos) -> Self {
        Self { answers: FxHashMap::default(), made: VecDeque::new(), keep }
    }

    /// An answer made less than `keep` before `now`.
    pub fn get(&mut self, now: Nanos, channel: &Channel, asked: Asked) -> Option<Occupancy> {
        while self.made.front().is_some_and(|(made, ..)| made + self.keep <= now) {
            let (_, channel, asked) = self.made.pop_front().expect("it is there");
            self.answers.remove(&(channel, asked));
        }
        self.answers.get(&(channel.clone(), asked)).cloned()
    }

    /// Keeps an answer that was not there.
    pub fn put(&mut self, now: Nanos, asked: Asked, answer: &Occupancy) {
        if self.keep > 0 {
            self.made.push_back((now, answer.channel.clone(), asked));
            let old = self.answers.insert((answer.channel.clone(), asked), answer.clone());
            assert!(old.is_none(), "a fresh answer was there and not given");
        }
    }
}
