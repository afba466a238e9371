//! Finds objects by values in their `custom`, for listings with a filter. A combination of fields is indexed from the first
//! listing that names it: stores that are never asked keep no index.
//!
//! Listings are in the order of id texts. Provisioned objects stand in an index as numbers: their ranks in that order,
//! which for ids with leading zeros are the objects' own numbers. Half a million of them take at most 10 MB an index, and
//! 4 MB once for all indexes if ranks and numbers differ.

use std::collections::BTreeSet;
use std::sync::Arc;

use roaring::RoaringBitmap;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::object::Parts;
use super::provision::Base;
use crate::message::Filter;

/// The values of some fields, as JSON, one behind the other; a field that is not there is `null`, as in a filter.
pub(super) type Key = String;

/// An object's key in each index, in the order of indexes.
pub(super) type Keys = SmallVec<[Key; 2]>;

/// One object: the number of a provisioned one, or the id of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Numbered(u32),
    Named(Arc<str>),
}

/// Objects with the same key.
#[derive(Debug, Default)]
struct Ids {
    /// Ranks of provisioned objects.
    numbered: RoaringBitmap,
    /// Other objects, each behind the rank that it stands before.
    named: BTreeSet<(u32, Arc<str>)>,
}

impl Ids {
    fn len(&self) -> usize {
        self.numbered.len() as usize + self.named.len()
    }

    /// From the `offset`-th on, in the order of id texts.
    fn page(&self, offset: usize) -> impl Iterator<Item = Result<u32, &Arc<str>>> {
        // Without others, ranks before the page are not read one by one.
        let skipped = if self.named.is_empty() { offset } else { 0 };
        let (mut numbered, mut named) = (self.numbered.iter().skip(skipped).peekable(), self.named.iter().peekable());
        let merged = std::iter::from_fn(move || match (numbered.peek(), named.peek()) {
            (Some(rank), Some((before, _))) if before > rank => numbered.next().map(Ok),
            (_, Some(_)) => named.next().map(|(_, id)| Err(id)),
            (_, None) => numbered.next().map(Ok),
        });
        merged.skip(offset - skipped)
    }
}

/// Where provisioned objects stand in the order of id texts.
#[derive(Debug, Default)]
enum Ranks {
    /// Nobody has asked yet.
    #[default]
    Unknown,
    /// A higher number has a greater id.
    Numbers,
    /// Any order.
    Table { rank_of: Vec<u32>, number_at: Vec<u32> },
}

impl Ranks {
    fn of(base: &Base) -> Self {
        let mut ids = (0..base.len()).map(|number| base.id(number));
        if ids.by_ref().is_sorted() {
            return Self::Numbers;
        }
        let mut number_at: Vec<u32> = (0..base.len()).collect();
        number_at.sort_by_cached_key(|number| base.id(*number));
        let mut rank_of = vec![0; number_at.len()];
        for (rank, number) in number_at.iter().enumerate() {
            rank_of[*number as usize] = rank as u32;
        }
        Self::Table { rank_of, number_at }
    }

    fn of_number(&self, number: u32) -> u32 {
        match self {
            Self::Table { rank_of, .. } => rank_of[number as usize],
            Self::Unknown | Self::Numbers => number,
        }
    }

    fn number_at(&self, rank: u32) -> u32 {
        match self {
            Self::Table { number_at, .. } => number_at[rank as usize],
            Self::Unknown | Self::Numbers => rank,
        }
    }

    /// How many provisioned objects have a smaller id.
    fn before(&self, id: &str, base: &Base) -> u32 {
        let (mut low, mut high) = (0, base.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if *base.id(self.number_at(middle)) < *id {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

/// One combination of fields, and who has which values of them.
#[derive(Debug)]
struct Index {
    fields: Vec<&'static str>,
    /// Only looked up, never walked.
    ids: FxHashMap<Key, Ids>,
}

/// All indexes over the objects of one kind.
#[derive(Debug, Default)]
pub(super) struct Finder {
    indexes: Vec<Index>,
    ranks: Ranks,
}

impl Finder {
    /// Whether nothing is indexed, and so nobody needs keys.
    pub fn is_empty(&self) -> bool {
        self.indexes.is_empty()
    }

    /// The keys of an object.
    pub fn keys(&self, parts: &Parts<'_>) -> Keys {
        self.indexes.iter().map(|index| key(parts, &index.fields)).collect()
    }

    /// An object was written or deleted; `old` and `new` are its keys before and after, where it was there.
    pub fn changed(&mut self, base: &Base, place: &Place, old: Option<Keys>, new: Option<Keys>) {
        for (at, index) in self.indexes.iter_mut().enumerate() {
            let (old, new) = (old.as_ref().map(|keys| &keys[at]), new.as_ref().map(|keys| &keys[at]));
            if old == new {
                continue;
            }
            let entry = entry(&self.ranks, base, place);
            if let Some(old) = old {
                let ids = index.ids.get_mut(old).expect("every object is indexed");
                let was_there = match &entry {
                    Ok(rank) => ids.numbered.remove(*rank),
                    Err(named) => ids.named.remove(named),
                };
                assert!(was_there, "every object is indexed");
                if ids.len() == 0 {
                    index.ids.remove(old);
                }
            }
            if let Some(new) = new {
                insert(&mut index.ids, new, entry);
            }
        }
    }

    /// Whether there is an index of these fields.
    pub fn knows(&self, fields: &[&'static str]) -> bool {
        self.indexes.iter().any(|index| index.fields == fields)
    }

    /// Indexes these fields: `objects` are all objects with their [`key`]s, in any order.
    pub fn index(&mut self, base: &Base, fields: Vec<&'static str>, objects: impl Iterator<Item = (Place, Key)>) {
        if matches!(self.ranks, Ranks::Unknown) {
            self.ranks = Ranks::of(base);
        }
        let mut ids = FxHashMap::default();
        for (place, key) in objects {
            insert(&mut ids, &key, entry(&self.ranks, base, &place));
        }
        self.indexes.push(Index { fields, ids });
    }

    /// The objects that a filter of indexed fields fits, from the `offset`-th on, and how many there are in all.
    pub fn find(&self, filter: &[Filter], offset: usize, max: usize) -> (Vec<Place>, usize) {
        let fits = |index: &&Index| index.fields.iter().eq(filter.iter().map(|term| &term.field));
        let index = self.indexes.iter().find(fits).expect("the fields are indexed");
        let wanted: Key = filter.iter().flat_map(|term| [&*term.value, "\n"]).collect();
        let Some(found) = index.ids.get(&wanted) else { return (Vec::new(), 0) };
        let page = found.page(offset).take(max).map(|entry| match entry {
            Ok(rank) => Place::Numbered(self.ranks.number_at(rank)),
            Err(id) => Place::Named(id.clone()),
        });
        (page.collect(), found.len())
    }
}

/// What stands in an index for an object.
fn entry(ranks: &Ranks, base: &Base, place: &Place) -> Result<u32, (u32, Arc<str>)> {
    match place {
        Place::Numbered(number) => Ok(ranks.of_number(*number)),
        Place::Named(id) => Err((ranks.before(id, base), id.clone())),
    }
}

fn insert(index: &mut FxHashMap<Key, Ids>, key: &Key, entry: Result<u32, (u32, Arc<str>)>) {
    let ids = match index.get_mut(key) {
        Some(ids) => ids,
        None => index.entry(key.clone()).or_default(),
    };
    match entry {
        Ok(rank) => ids.numbered.insert(rank),
        Err(named) => ids.named.insert(named),
    };
}

/// The key of an object in an index of these fields.
pub(super) fn key(parts: &Parts<'_>, fields: &[&'static str]) -> Key {
    let custom = parts.custom();
    let mut key = Key::with_capacity(16);
    for field in fields {
        key.push_str(custom.and_then(|custom| custom.get(field)).unwrap_or("null"));
        key.push('\n');
    }
    key
}

/// The key of a provisioned object that nobody wrote.
pub(super) fn key_of_number(base: &Base, number: u32, fields: &[&'static str]) -> Key {
    let mut key = Key::with_capacity(16);
    for field in fields {
        key.push_str(&base.field(number, field).to_string());
        key.push('\n');
    }
    key
}
