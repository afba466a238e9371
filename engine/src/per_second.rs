//! Counting by second of a node's own clock: output, for whoever looks at a run. No node reads it.

use crate::contract::{Nanos, SECOND};

/// How often something happened, second by second. Seconds without it take no room, so a clock that jumps costs nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PerSecond {
    /// Second and count, in order of counting: a clock that was set back makes a second come twice.
    runs: Vec<(u32, u32)>,
}

impl PerSecond {
    /// It happened `by` times at `now`.
    pub fn add(&mut self, now: Nanos, by: u32) {
        let second = (now / SECOND) as u32;
        match self.runs.last_mut() {
            Some((last, count)) if *last == second => *count += by,
            _ => self.runs.push((second, by)),
        }
    }

    /// Adds each count to its second's place in `seconds`; what lies beyond its end is left out.
    pub fn add_to(&self, seconds: &mut [f64]) {
        for (second, count) in &self.runs {
            if let Some(value) = seconds.get_mut(*second as usize) {
                *value += f64::from(*count);
            }
        }
    }

    /// How often in all.
    pub fn total(&self) -> u64 {
        self.runs.iter().map(|(_, count)| u64::from(*count)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holds_all_that_was_counted_in_it_however_the_clock_jumps() {
        let mut counted = PerSecond::default();
        // Twice in second 1, then an hour ahead, then back.
        for (now, by) in [(SECOND, 1), (2 * SECOND - 1, 2), (3_601 * SECOND, 5), (SECOND + 1, 4)] {
            counted.add(now, by);
        }
        let mut seconds = [0.0; 3];
        counted.add_to(&mut seconds);
        // 1 + 2 + 4 = 7; the 5 of an hour later lie beyond the end.
        assert_eq!((seconds, counted.total()), ([0.0, 7.0, 0.0], 12));
    }
}
