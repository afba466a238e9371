//! Counters that every region may change at once: each writer has its own sum, and a counter is the sum of the sums.

use std::collections::BTreeSet;
use std::sync::Arc;

use rustc_hash::FxHashMap;
use smallvec::SmallVec;

#[derive(Debug, Default)]
struct Counter {
    /// By writer; few regions, so a short list.
    sums: SmallVec<[(u32, i64); 4]>,
    value: i64,
    /// Whether the own sum waits to be replicated.
    dirty: bool,
}

impl Counter {
    fn sum_mut(&mut self, writer: u32) -> &mut i64 {
        let at = self.sums.iter().position(|(w, _)| *w == writer).unwrap_or_else(|| {
            self.sums.push((writer, 0));
            self.sums.len() - 1
        });
        &mut self.sums[at].1
    }

    fn add_up(&mut self) {
        self.value = self.sums.iter().fold(0i64, |value, (_, sum)| value.saturating_add(*sum));
    }
}

/// All counters of one replica; values saturate at the ends of 64 bits.
#[derive(Debug, Default)]
pub struct Counters {
    counters: FxHashMap<Arc<str>, Counter>,
    /// Those whose own sum has changed since the last [`Counters::take_dirty`], in order of change.
    dirty: Vec<Arc<str>>,
}

impl Counters {
    /// The counter's value here; 0 when it was never set.
    pub fn get(&self, key: &str) -> i64 {
        self.counters.get(key).map_or(0, |counter| counter.value)
    }

    /// Adds to the own sum and returns the counter's value here.
    pub fn add(&mut self, writer: u32, key: &Arc<str>, by: i64) -> i64 {
        let counter = match self.counters.get_mut(&**key) {
            Some(counter) => counter,
            None => self.counters.entry(key.clone()).or_default(),
        };
        let sum = counter.sum_mut(writer);
        *sum = sum.saturating_add(by);
        counter.add_up();
        if !counter.dirty {
            counter.dirty = true;
            self.dirty.push(key.clone());
        }
        counter.value
    }

    /// Another writer's sum, as its stream brought it: streams are in order, so the last one counts.
    pub fn put_sum(&mut self, writer: u32, key: Arc<str>, sum: i64) {
        let counter = self.counters.entry(key).or_default();
        *counter.sum_mut(writer) = sum;
        counter.add_up();
    }

    /// The own sums to replicate: many increments of one counter since the last call are one sum.
    pub fn take_dirty(&mut self, writer: u32) -> Vec<(Arc<str>, i64)> {
        let keys = std::mem::take(&mut self.dirty);
        keys.into_iter()
            .map(|key| {
                let counter = self.counters.get_mut(&*key).expect("a counter is never removed");
                counter.dirty = false;
                let sum = *counter.sum_mut(writer);
                (key, sum)
            })
            .collect()
    }

    /// Whether any own sum waits to be replicated.
    pub fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// All keys in order.
    pub fn sorted_keys(&self) -> BTreeSet<Arc<str>> {
        self.counters.keys().cloned().collect()
    }

    /// How many counters there are.
    pub fn len(&self) -> usize {
        self.counters.len()
    }

    /// Whether there is no counter.
    pub fn is_empty(&self) -> bool {
        self.counters.is_empty()
    }
}
