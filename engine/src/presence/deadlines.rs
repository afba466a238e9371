//! When rows time out: buckets of about a second, looked at only when their time comes.
//!
//! A heartbeat writes the row's deadline and nothing else. When the bucket that holds a row opens, the row has either
//! moved on, and goes to the bucket of its deadline, or is due within the bucket, and goes to a small heap, from which
//! it falls at its exact time. So a row is looked at about once in a timeout, and a deadline is met to the nanosecond.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::rows::{HERE, NONE, Row};
use crate::chunks::Chunks;
use crate::contract::{Nanos, SECOND};

/// A bucket is 2^30 ns wide, 1.07 s.
const BUCKET_BITS: u32 = 30;

fn bucket_of(at: Nanos) -> u32 {
    u32::try_from(at >> BUCKET_BITS).ok().filter(|bucket| *bucket != NONE).expect("a run ends within 146 years")
}

/// A ring of buckets.
#[derive(Debug)]
pub(super) struct Deadlines {
    /// As many as the longest timeout needs and one on each side, a power of two.
    slots: Vec<Vec<u32>>,
    /// A bit for each slot that holds something.
    filled: Vec<u64>,
    /// Buckets before this one are open.
    cursor: u32,
    /// Rows of open buckets.
    due: BinaryHeap<Reverse<(Nanos, u32)>>,
}

impl Deadlines {
    /// For timeouts of at most `timeout_max_s`.
    pub fn new(timeout_max_s: u32) -> Self {
        let buckets = bucket_of(u64::from(timeout_max_s) * SECOND) as usize + 3;
        let slots = buckets.next_power_of_two().max(64);
        Self { slots: vec![Vec::new(); slots], filled: vec![0; slots / 64], cursor: 0, due: BinaryHeap::new() }
    }

    /// The row's deadline was set; whatever was due by `now` has been taken.
    #[inline]
    pub fn set(&mut self, now: Nanos, rows: &mut Chunks<Row>, row: u32) {
        let entry = &mut rows[row as usize];
        let bucket = bucket_of(entry.deadline);
        // If its bucket or an earlier one holds it already, that is as good: it goes on from there.
        if bucket < entry.queued || bucket < self.cursor {
            self.cursor = self.cursor.max(bucket_of(now));
            self.queue(entry, row);
        }
    }

    fn queue(&mut self, entry: &mut Row, row: u32) {
        let bucket = bucket_of(entry.deadline);
        entry.queued = bucket;
        if bucket < self.cursor {
            self.due.push(Reverse((entry.deadline, row)));
        } else {
            let slot = bucket as usize & (self.slots.len() - 1);
            self.slots[slot].push(row);
            self.filled[slot / 64] |= 1 << (slot % 64);
        }
    }

    /// The first bucket that holds something and is not open.
    fn next_bucket(&self) -> Option<u32> {
        let from = self.cursor as usize & (self.slots.len() - 1);
        let words = self.filled.len();
        // The first word is seen twice: its bits from the cursor on at first, those before it at last.
        (0..=words).find_map(|step| {
            let word = (from / 64 + step) % words;
            let seen = match step {
                0 => !0 << (from % 64),
                _ if step == words => !(!0 << (from % 64)),
                _ => !0,
            };
            let bits = self.filled[word] & seen;
            let slot = word * 64 + bits.trailing_zeros() as usize;
            (bits != 0).then(|| self.cursor + (slot.wrapping_sub(from) & (self.slots.len() - 1)) as u32)
        })
    }

    fn open(&mut self, rows: &mut Chunks<Row>, bucket: u32) {
        let slot = bucket as usize & (self.slots.len() - 1);
        self.filled[slot / 64] &= !(1 << (slot % 64));
        self.cursor = bucket + 1;
        for row in std::mem::take(&mut self.slots[slot]) {
            self.look(rows, row, bucket);
        }
    }

    /// Puts a row that came out of `bucket` where it belongs now.
    fn look(&mut self, rows: &mut Chunks<Row>, row: u32, bucket: u32) {
        let entry = &mut rows[row as usize];
        if entry.queued != bucket {
            return; // Its deadline came nearer, and an earlier bucket held it too.
        }
        if entry.is(HERE) {
            self.queue(entry, row);
        } else {
            entry.queued = NONE;
        }
    }

    /// The row whose deadline is the earliest one not after `now`, and the deadline.
    pub fn first_due(&mut self, rows: &mut Chunks<Row>, now: Nanos) -> Option<(Nanos, u32)> {
        loop {
            if let Some(&Reverse((at, row))) = self.due.peek() {
                if at > now {
                    return None;
                }
                let entry = &rows[row as usize];
                if entry.is(HERE) && entry.deadline == at && entry.queued == bucket_of(at) {
                    return Some((at, row));
                }
                self.due.pop();
                self.look(rows, row, bucket_of(at));
            } else {
                let bucket = self.next_bucket().filter(|bucket| *bucket <= bucket_of(now))?;
                self.open(rows, bucket);
            }
        }
    }

    /// Takes out what [`Self::first_due`] found.
    pub fn take_first(&mut self, rows: &mut Chunks<Row>) {
        let Reverse((_, row)) = self.due.pop().expect("it was found");
        rows[row as usize].queued = NONE;
    }

    /// When to look again: at a deadline, or where a bucket begins.
    #[inline]
    pub fn next(&self) -> Option<Nanos> {
        match self.due.peek() {
            Some(Reverse((at, _))) => Some(*at),
            None => self.next_bucket().map(|bucket| u64::from(bucket) << BUCKET_BITS),
        }
    }

    /// Memory in use [bytes], spare capacity included.
    pub fn memory_bytes(&self) -> usize {
        let held: usize = self.slots.iter().map(|slot| slot.capacity() * size_of::<u32>()).sum();
        held + self.slots.len() * size_of::<Vec<u32>>() + self.due.capacity() * size_of::<(Nanos, u32)>()
    }
}
