//! The timing wheel that holds what is under way: a ring of slots of `2^shift` ns for what is near, a tree of the same
//! slots for what is far. Within a slot nothing is in order: the receivers sort their own.

use std::collections::BTreeMap;

use crate::contract::Nanos;
use crate::network::Packet;

/// Slots in the ring: with slots of 0.26 ms (same-zone links) it reaches half a second ahead.
const RING: u64 = 2_048;
const WORDS: usize = (RING / 64) as usize;

pub(crate) struct Wheel<M> {
    shift: u32,
    /// The slot that time stands in; nothing is due before it.
    base: u64,
    ring: Vec<Vec<Packet<M>>>,
    /// A bit for each slot of the ring that holds something.
    occupied: [u64; WORDS],
    far: BTreeMap<u64, Vec<Packet<M>>>,
    /// Emptied buffers, to be filled again while they are warm.
    spare: Vec<Vec<Packet<M>>>,
}

impl<M> Wheel<M> {
    pub fn new(shift: u32) -> Self {
        let ring = (0..RING).map(|_| Vec::new()).collect();
        Self { shift, base: 0, ring, occupied: [0; WORDS], far: BTreeMap::new(), spare: Vec::new() }
    }

    #[inline]
    pub fn push(&mut self, packet: Packet<M>) {
        let slot = packet.due >> self.shift;
        assert!(slot > self.base, "a message may not be due in the window it was sent in");
        if slot - self.base < RING {
            let place = (slot % RING) as usize;
            let (word, bit) = (place / 64, 1 << (place % 64));
            if self.occupied[word] & bit == 0 {
                self.occupied[word] |= bit;
                if let Some(buffer) = self.spare.pop() {
                    self.ring[place] = buffer;
                }
            }
            self.ring[place].push(packet);
        } else {
            self.far.entry(slot).or_default().push(packet);
        }
    }

    /// The first slot that holds something.
    pub fn first(&self) -> Option<u64> {
        let start = self.base % RING;
        let (word, bit) = ((start / 64) as usize, start % 64);
        // The ring from `start` round to `start` again: the upper part of the first word, the others, its lower part.
        let words = (0..=WORDS).map(|step| {
            let index = (word + step) % WORDS;
            let bits = match step {
                0 => self.occupied[index] & (u64::MAX << bit),
                WORDS => self.occupied[index] & !(u64::MAX << bit),
                _ => self.occupied[index],
            };
            (index, bits)
        });
        for (index, bits) in words {
            if bits != 0 {
                let place = index as u64 * 64 + u64::from(bits.trailing_zeros());
                return Some(self.base + (place + RING - start) % RING);
            }
        }
        self.far.first_key_value().map(|(slot, _)| *slot)
    }

    /// Time has come to `slot`: nothing may be due before it.
    pub fn advance(&mut self, slot: u64) {
        debug_assert!(slot >= self.base && self.first().is_none_or(|first| first >= slot));
        self.base = slot;
        while let Some(entry) = self.far.first_entry().filter(|entry| *entry.key() < slot + RING) {
            let place = (*entry.key() % RING) as usize;
            self.occupied[place / 64] |= 1 << (place % 64);
            self.ring[place] = entry.remove();
        }
    }

    /// Takes what is due before `end` out of the slot that time stands in.
    pub fn take(&mut self, end: Nanos) -> Vec<Packet<M>> {
        let place = (self.base % RING) as usize;
        let (word, bit) = (place / 64, 1 << (place % 64));
        if self.occupied[word] & bit == 0 {
            return self.spare.pop().unwrap_or_default();
        }
        let mut taken = std::mem::take(&mut self.ring[place]);
        if end < (self.base + 1) << self.shift && taken.iter().any(|packet| packet.due >= end) {
            // A fault cuts the slot: the rest stays.
            self.ring[place] = taken.extract_if(.., |packet| packet.due >= end).collect();
        } else {
            self.occupied[word] &= !bit;
        }
        taken
    }

    /// How many messages it holds.
    pub fn len(&self) -> usize {
        self.ring.iter().chain(self.far.values()).map(Vec::len).sum()
    }

    /// Gives an emptied buffer back.
    pub fn recycle(&mut self, buffer: Vec<Packet<M>>) {
        debug_assert!(buffer.is_empty());
        self.spare.push(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::NodeId;
    use crate::stream::Stream;

    fn packet(due: Nanos) -> Packet<()> {
        Packet { due, seq: 0, from: NodeId(0), to: NodeId(0), body: () }
    }

    /// Against a sorted list: 20,000 random due times, near and far (up to 16 times round the ring), each slot emptied in
    /// two cuts, new ones pushed on the way.
    #[test]
    fn all_comes_out_in_its_slot_and_nothing_is_lost() {
        const SHIFT: u32 = 10;
        let mut stream = Stream::new(1, "wheel", 0);
        let mut wheel = Wheel::new(SHIFT);
        let (mut pushed, mut taken) = (Vec::new(), Vec::new());
        let mut push = |wheel: &mut Wheel<()>, after: Nanos, pushed: &mut Vec<Nanos>| {
            let far = 1 << (12 + stream.below(14));
            let due = after + (1 << SHIFT) + stream.below(far);
            wheel.push(packet(due));
            pushed.push(due);
        };
        (0..10_000).for_each(|_| push(&mut wheel, 0, &mut pushed));
        while let Some(slot) = wheel.first() {
            wheel.advance(slot);
            let (start, end) = (slot << SHIFT, (slot + 1) << SHIFT);
            for cut in [start + 300, end] {
                let mut part = wheel.take(cut);
                assert!(part.iter().all(|packet| (start..cut).contains(&packet.due)));
                taken.extend(part.drain(..).map(|packet| packet.due));
                wheel.recycle(part);
            }
            if pushed.len() < 20_000 {
                push(&mut wheel, end, &mut pushed);
            }
        }
        assert!(pushed.len() > 15_000, "{}", pushed.len());
        pushed.sort_unstable();
        taken.sort_unstable();
        assert_eq!(pushed, taken);
    }

    #[test]
    #[should_panic(expected = "may not be due in the window it was sent in")]
    fn nothing_may_be_due_in_the_slot_that_time_stands_in() {
        Wheel::new(10).push(packet(1_023));
    }
}
