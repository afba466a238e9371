//! The messages of a region's log, oldest first, by number. They come in chunks: a log of half a million messages must not
//! be copied to a larger place each time it has doubled.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::message::Envelope;
use crate::timetoken::Timetoken;

/// Messages in a chunk: 24 KiB.
const CHUNK: u32 = 1 << 10;

/// What stands for a link to a message that nobody has looked up yet.
pub const UNKNOWN: u32 = u32::MAX;

/// A message in the log.
#[derive(Debug)]
pub struct Entry {
    pub key: Timetoken,
    /// Number + 1 of the channel's entry before this one; 0: there is none; [`UNKNOWN`]: its channel is not followed.
    pub previous: u32,
    pub envelope: Arc<Envelope>,
}

/// Entries numbered from the first that ever was; those below [`Entries::first`] are forgotten.
#[derive(Debug, Default)]
pub struct Entries {
    /// `None` where the message is forgotten already. The first chunk begins at a multiple of [`CHUNK`].
    chunks: VecDeque<Vec<Option<Entry>>>,
    first: u32,
    next: u32,
}

impl Entries {
    /// The number of the oldest entry, or of the next one if there is none.
    pub fn first(&self) -> u32 {
        self.first
    }

    /// The number that the next entry gets.
    pub fn next(&self) -> u32 {
        self.next
    }

    /// Adds an entry.
    pub fn push(&mut self, entry: Entry) {
        assert!(self.next < UNKNOWN - 1, "a log numbers fewer than 2^32 messages in its life");
        if self.next.is_multiple_of(CHUNK) || self.chunks.is_empty() {
            self.chunks.push_back(Vec::new());
            // Places below `next` that this chunk would have had.
            let chunk = self.chunks.back_mut().expect("it was just added");
            chunk.resize_with((self.next % CHUNK) as usize, || None);
        }
        self.chunks.back_mut().expect("there is a chunk").push(Some(entry));
        self.next += 1;
    }

    fn place(&self, number: u32) -> (usize, usize) {
        ((number / CHUNK - self.first / CHUNK) as usize, (number % CHUNK) as usize)
    }

    /// The entry with this number, unless it is forgotten or not there yet.
    pub fn get(&self, number: u32) -> Option<&Entry> {
        if !(self.first..self.next).contains(&number) {
            return None;
        }
        let (chunk, place) = self.place(number);
        self.chunks[chunk][place].as_ref()
    }

    /// The same, to change.
    pub fn get_mut(&mut self, number: u32) -> Option<&mut Entry> {
        if !(self.first..self.next).contains(&number) {
            return None;
        }
        let (chunk, place) = self.place(number);
        self.chunks[chunk][place].as_mut()
    }

    /// Forgets the oldest entry and returns it.
    pub fn pop_front(&mut self) -> Option<Entry> {
        if self.first == self.next {
            return None;
        }
        let (_, place) = self.place(self.first);
        let entry = self.chunks[0][place].take();
        self.first += 1;
        if self.first.is_multiple_of(CHUNK) {
            self.chunks.pop_front();
        }
        entry
    }

    /// Forgets all entries; numbers go on.
    pub fn clear(&mut self) {
        self.chunks.clear();
        self.first = self.next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Kind;

    fn entry(n: u64) -> Entry {
        let envelope = Envelope {
            channel: "c".into(),
            timetoken: Timetoken(n),
            region: 0,
            publisher: "p".into(),
            payload: "1".into(),
            store: false,
            kind: Kind::Message,
        };
        Entry { key: Timetoken(n), previous: 0, envelope: Arc::new(envelope) }
    }

    #[test]
    fn an_entry_takes_24_bytes_whether_it_is_there_or_not() {
        // 8 for the key, 4 for the link, padded to 8, 8 for the message; its pointer is never null.
        assert_eq!((size_of::<Entry>(), size_of::<Option<Entry>>()), (24, 24));
    }

    #[test]
    fn numbers_go_on_whatever_is_forgotten() {
        let mut entries = Entries::default();
        let mut model: VecDeque<u64> = VecDeque::new();
        let mut first = 0;
        for n in 0..10_000u64 {
            entries.push(entry(n));
            model.push_back(n);
            if n % 3 == 0 {
                assert_eq!(entries.pop_front().map(|entry| entry.key.0), model.pop_front());
                first += 1;
            }
            if n == 5_000 {
                entries.clear();
                first += model.len() as u32;
                model.clear();
            }
            assert_eq!((entries.first(), entries.next()), (first, n as u32 + 1));
            let keys = (first.saturating_sub(2)..n as u32 + 2).step_by(97);
            for number in keys {
                let wanted = model.get(number.wrapping_sub(first) as usize).copied();
                assert_eq!(entries.get(number).map(|entry| entry.key.0), wanted, "{number}");
            }
        }
    }
}
