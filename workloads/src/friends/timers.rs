//! What devices do later. Their timers go off at multiples of [`TICK`], later by half of it on average: they gather what is due,
//! as phones do to save their batteries. So there are few moments and many things at each, in the order in which they were
//! thought of: a list for each moment costs a tenth of what a heap of half a million entries does.

use std::collections::BTreeMap;

use headcount_engine::contract::{MS, Nanos};

/// Between two moments.
const TICK: Nanos = 10 * MS;

/// The first moment from `at` on.
pub fn moment(at: Nanos) -> Nanos {
    at.next_multiple_of(TICK)
}

/// Things to do, by their moment.
#[derive(Debug)]
pub struct Timers<T> {
    moments: BTreeMap<Nanos, Vec<T>>,
}

impl<T> Timers<T> {
    /// Nothing to do.
    pub fn new() -> Self {
        Self { moments: BTreeMap::new() }
    }

    /// Something to do at `at`, or at the first moment after it.
    pub fn set(&mut self, at: Nanos, what: T) {
        self.moments.entry(moment(at)).or_default().push(what);
    }

    /// When something is to be done next.
    pub fn next(&self) -> Option<Nanos> {
        self.moments.first_key_value().map(|(at, _)| *at)
    }

    /// What is to be done at the first moment that has come by `now`.
    pub fn take_due(&mut self, now: Nanos) -> Option<Vec<T>> {
        self.moments.first_entry().filter(|first| *first.key() <= now).map(|first| first.remove())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_comes_in_order_of_moments_and_then_as_it_was_set() {
        let mut timers = Timers::new();
        // 12 and 20 ms share the moment of 20 ms.
        for (at, what) in [(25 * MS, 'd'), (12 * MS, 'b'), (20 * MS, 'c'), (0, 'a')] {
            timers.set(at, what);
        }
        assert_eq!(timers.next(), Some(0));
        assert_eq!(timers.take_due(19 * MS), Some(vec!['a']));
        assert_eq!((timers.take_due(19 * MS), timers.next()), (None, Some(20 * MS)));
        assert_eq!(timers.take_due(99 * MS), Some(vec!['b', 'c']));
        assert_eq!(timers.take_due(99 * MS), Some(vec!['d']));
        assert_eq!((timers.take_due(99 * MS), timers.next()), (None, None));
    }
}
