//! The objects of one kind, users or channels: those of a provision, and over them what was written or deleted since.

use std::sync::Arc;

use rustc_hash::FxHashMap;

pub(super) use super::finder::Place;
use super::finder::{self, Finder};
use super::object::{self, Parts};
use super::provision::{Base, Kind};
use crate::contract::Nanos;
use crate::error::ApiError;
use crate::message::{Filter, Object};
use crate::planted::{Bug, has};

/// All objects of one kind. A provisioned object that nobody wrote is made when it is read; it was last written at 0.
#[derive(Debug)]
pub(super) struct Objects {
    base: Base,
    /// Provisioned objects that were written, or deleted (`None`), by number.
    numbered: FxHashMap<u32, Option<Arc<Object>>>,
    /// Objects that the provision does not know.
    named: FxHashMap<Arc<str>, Arc<Object>>,
    finder: Finder,
}

/// An object's text before a write.
enum Old {
    None,
    Written(Arc<Object>),
    /// The patch that would have made it: nobody wrote it.
    Provisioned(String),
}

impl Old {
    fn parts(&self) -> Option<Parts<'_>> {
        match self {
            Self::None => None,
            Self::Written(object) => Some(Parts::of_body(&object.body)),
            Self::Provisioned(patch) => Some(Parts::made_of(of_provision(patch))),
        }
    }
}

fn of_provision(patch: &str) -> Parts<'_> {
    Parts::of_patch(patch).unwrap_or_else(|| panic!("a provisioned object is a JSON object, not {patch}"))
}

impl Objects {
    pub fn new(base: Base) -> Self {
        Self { base, numbered: FxHashMap::default(), named: FxHashMap::default(), finder: Finder::default() }
    }

    /// Where an object with this id stands, whether or not there is one.
    pub fn place(&self, id: &Arc<str>) -> Place {
        self.base.number(id).map_or_else(|| Place::Named(id.clone()), Place::Numbered)
    }

    /// An object.
    pub fn get(&self, id: &str) -> Option<Arc<Object>> {
        match self.base.number(id) {
            Some(number) => self.numbered(number),
            None => self.named.get(id).cloned(),
        }
    }

    fn at(&self, place: &Place) -> Option<Arc<Object>> {
        match place {
            Place::Numbered(number) => self.numbered(*number),
            Place::Named(id) => self.named.get(id).cloned(),
        }
    }

    /// A provisioned object, if it is still there.
    pub fn numbered(&self, number: u32) -> Option<Arc<Object>> {
        match self.numbered.get(&number) {
            Some(written) => written.clone(),
            None => Some(self.provisioned(number)),
        }
    }

    /// A provisioned object as it was before anybody wrote it.
    fn provisioned(&self, number: u32) -> Arc<Object> {
        let (id, patch) = (self.base.id(number), self.base.patch(number));
        Arc::new(self.object(&id, &Parts::made_of(of_provision(&patch)), 0))
    }

    fn object(&self, id: &Arc<str>, parts: &Parts<'_>, updated: Nanos) -> Object {
        let body = parts.to_text(self.id_field(), id);
        Object { id: id.clone(), etag: object::etag(&body), body: body.into(), updated }
    }

    fn id_field(&self) -> &'static str {
        match self.base.kind() {
            Kind::Users => "uuid",
            Kind::Channels => "channel",
        }
    }

    /// Changes or makes an object; with `if_match` only the one with that eTag.
    pub fn write(
        &mut self,
        place: &Place,
        id: &Arc<str>,
        patch: &str,
        if_match: Option<&str>,
        now: Nanos,
    ) -> Result<Arc<Object>, ApiError> {
        if id.is_empty() {
            return Err(ApiError::objects_invalid_input());
        }
        let modified = || match self.base.kind() {
            Kind::Users => ApiError::user_modified(),
            Kind::Channels => ApiError::channel_modified(),
        };
        let old = match if_match.filter(|_| !has(Bug::ObjectsIgnoreIfMatch)) {
            None => self.old(place),
            // An object that is gone is not the one that was read either.
            Some(wanted) => Old::Written(self.at(place).filter(|old| *old.etag == *wanted).ok_or_else(modified)?),
        };
        let patch = Parts::of_patch(patch).ok_or_else(ApiError::objects_invalid_input)?;
        let parts = old.parts();
        let was = parts.as_ref().map(|parts| self.finder.keys(parts));
        let mut parts = parts.filter(|_| !has(Bug::ObjectsForgetOtherFields)).unwrap_or_default();
        parts.patch(patch);
        let object = Arc::new(self.object(id, &parts, now));
        if !self.finder.is_empty() {
            let is = self.finder.keys(&parts);
            self.finder.changed(&self.base, place, was, Some(is));
        }
        match place {
            Place::Numbered(number) => _ = self.numbered.insert(*number, Some(object.clone())),
            Place::Named(id) => _ = self.named.insert(id.clone(), object.clone()),
        }
        Ok(object)
    }

    fn old(&self, place: &Place) -> Old {
        let written = match place {
            Place::Named(id) => self.named.get(id),
            Place::Numbered(number) => match self.numbered.get(number) {
                Some(written) => written.as_ref(),
                None => return Old::Provisioned(self.base.patch(*number)),
            },
        };
        written.map_or(Old::None, |object| Old::Written(object.clone()))
    }

    /// Deletes an object; whether there was one.
    pub fn delete(&mut self, place: &Place) -> bool {
        let old = self.old(place);
        if matches!(old, Old::None) {
            return false;
        }
        if !self.finder.is_empty() {
            let was = old.parts().map(|parts| self.finder.keys(&parts));
            self.finder.changed(&self.base, place, was, None);
        }
        match place {
            Place::Numbered(number) => _ = self.numbered.insert(*number, None),
            Place::Named(id) => _ = self.named.remove(id),
        }
        true
    }

    /// The objects that a filter fits in the order of ids, from the `offset`-th on, and how many there are in all.
    pub fn find(&mut self, filter: &[Filter], offset: usize, max: usize) -> (Vec<Arc<Object>>, usize) {
        let (found, total) = self.find_places(filter, offset, max);
        (found.iter().map(|place| self.at(place).expect("the index holds objects")).collect(), total)
    }

    /// Their ids alone.
    pub fn find_ids(&mut self, filter: &[Filter], offset: usize, max: usize) -> (Vec<Arc<str>>, usize) {
        let (found, total) = self.find_places(filter, offset, max);
        let id = |place| match place {
            Place::Numbered(number) => self.base.id(number),
            Place::Named(id) => id,
        };
        (found.into_iter().map(id).collect(), total)
    }

    fn find_places(&mut self, filter: &[Filter], offset: usize, max: usize) -> (Vec<Place>, usize) {
        let fields: Vec<&'static str> = filter.iter().map(|term| term.field).collect();
        if !self.finder.knows(&fields) {
            self.index(fields);
        }
        self.finder.find(filter, offset, max)
    }

    fn index(&mut self, fields: Vec<&'static str>) {
        let Self { base, numbered, named, finder } = self;
        let of_fields = fields.clone();
        let key = |object: &Object| finder::key(&Parts::of_body(&object.body), &of_fields);
        let provisioned = (0..base.len()).filter_map(|number| {
            let key = match numbered.get(&number) {
                Some(written) => key(written.as_deref()?),
                None => finder::key_of_number(base, number, &of_fields),
            };
            Some((Place::Numbered(number), key))
        });
        let others = named.iter().map(|(id, object)| (Place::Named(id.clone()), key(object)));
        finder.index(base, fields, provisioned.chain(others));
    }

    /// The numbers of provisioned objects that were written or deleted, in order.
    pub fn changed(&self) -> Vec<u32> {
        let mut numbers: Vec<u32> = self.numbered.keys().copied().collect();
        numbers.sort_unstable();
        numbers
    }

    /// All objects that were written and are there, in any order.
    pub fn written(&self) -> impl Iterator<Item = (Place, &Object)> {
        let numbered = self
            .numbered
            .iter()
            .filter_map(|(number, object)| object.as_deref().map(|object| (Place::Numbered(*number), object)));
        numbered.chain(self.named.iter().map(|(id, object)| (Place::Named(id.clone()), &**object)))
    }
}
