//! Questions under way: a value by tag, with a tag that is never given twice, and a deadline for each.
//!
//! All questions of one slab have the same patience, so deadlines come in the order of asking and a queue holds them.

use std::collections::VecDeque;

use crate::contract::Nanos;

/// Values by tag. A tag is slot and generation: an answer to a forgotten question finds nothing.
#[derive(Debug)]
pub struct Slab<T> {
    entries: Vec<(u32, Option<T>)>,
    free: Vec<u32>,
    deadlines: VecDeque<(Nanos, u64)>,
    patience: Nanos,
}

impl<T> Slab<T> {
    /// A slab whose questions are given up after `patience`.
    pub fn new(patience: Nanos) -> Self {
        Self { entries: Vec::new(), free: Vec::new(), deadlines: VecDeque::new(), patience }
    }

    /// Keeps `value` and returns its tag.
    pub fn insert(&mut self, now: Nanos, value: T) -> u64 {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.entries.push((0, None));
            u32::try_from(self.entries.len() - 1).expect("fewer than 2^32 questions at once")
        });
        let (generation, place) = &mut self.entries[slot as usize];
        *place = Some(value);
        let tag = u64::from(*generation) << 32 | u64::from(slot);
        self.deadlines.push_back((now + self.patience, tag));
        tag
    }

    /// Looks at a value.
    pub fn get_mut(&mut self, tag: u64) -> Option<&mut T> {
        let (generation, place) = self.entries.get_mut(tag as u32 as usize)?;
        if u64::from(*generation) == tag >> 32 { place.as_mut() } else { None }
    }

    /// Takes a value out.
    pub fn remove(&mut self, tag: u64) -> Option<T> {
        let (generation, place) = self.entries.get_mut(tag as u32 as usize)?;
        if u64::from(*generation) != tag >> 32 {
            return None;
        }
        let value = place.take()?;
        *generation = generation.wrapping_add(1);
        self.free.push(tag as u32);
        // Most questions are answered in the order of asking: forget their deadlines at once, so that the next
        // wake is one that matters.
        while let Some(&(_, oldest)) = self.deadlines.front() {
            if self.get_mut(oldest).is_some() {
                break;
            }
            self.deadlines.pop_front();
        }
        Some(value)
    }

    /// Takes out one value whose deadline has passed.
    pub fn pop_expired(&mut self, now: Nanos) -> Option<(u64, T)> {
        while let Some(&(deadline, tag)) = self.deadlines.front() {
            if self.get_mut(tag).is_some() {
                if deadline > now {
                    return None;
                }
                let value = self.remove(tag)?;
                return Some((tag, value));
            }
            self.deadlines.pop_front();
        }
        None
    }

    /// The next deadline.
    pub fn next_deadline(&self) -> Option<Nanos> {
        self.deadlines.front().map(|&(deadline, _)| deadline)
    }

    /// How many questions are under way.
    pub fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets everything; tags given before find nothing afterwards.
    pub fn clear(&mut self) {
        self.deadlines.clear();
        self.free.clear();
        for (slot, (generation, place)) in self.entries.iter_mut().enumerate() {
            *place = None;
            *generation = generation.wrapping_add(1);
            self.free.push(slot as u32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_to_a_forgotten_question_finds_nothing() {
        let mut slab = Slab::new(100);
        let first = slab.insert(0, 'a');
        assert_eq!(slab.remove(first), Some('a'));
        let second = slab.insert(1, 'b'); // the same slot, another generation
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.get_mut(second), Some(&mut 'b'));
        slab.clear();
        assert_eq!(slab.remove(second), None);
        assert!(slab.is_empty());
    }

    #[test]
    fn deadlines_pass_in_the_order_of_asking_and_only_for_open_questions() {
        let mut slab = Slab::new(100);
        let first = slab.insert(0, 'a');
        let _second = slab.insert(10, 'b');
        assert_eq!(slab.next_deadline(), Some(100));
        slab.remove(first);
        assert_eq!(slab.next_deadline(), Some(110));
        assert!(slab.pop_expired(109).is_none());
        assert_eq!(slab.pop_expired(110).map(|(_, v)| v), Some('b'));
        assert_eq!(slab.next_deadline(), None);
    }
}
