//! Finds objects by values in their `custom`, for listings with a filter. A combination of fields is indexed from the first
//! listing that names it: stores that are never asked keep no index.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustc_hash::FxHashMap;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::message::{Filter, Object};

/// The values of some fields, as JSON, one behind the other.
type Key = String;

/// All indexes over the objects of one kind.
#[derive(Debug, Default)]
pub struct Finder {
    /// By the fields that a filter names, in its order.
    indexes: BTreeMap<Vec<&'static str>, BTreeMap<Key, BTreeSet<Arc<str>>>>,
}

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    custom: Map<String, Value>,
}

/// The key of an object in the index of these fields; a field that is not there is `null`, as in a filter.
fn key(body: &str, fields: &[&'static str]) -> Key {
    let custom = serde_json::from_str::<Body>(body).map(|body| body.custom).unwrap_or_default();
    fields.iter().map(|field| custom.get(*field).map_or_else(|| "null".to_owned(), Value::to_string) + "\n").collect()
}

impl Finder {
    /// An object was written over `old`, or deleted.
    pub fn changed(&mut self, id: &Arc<str>, old: Option<&Object>, new: Option<&Object>) {
        for (fields, index) in &mut self.indexes {
            let key = |object: Option<&Object>| object.map(|object| key(&object.body, fields));
            let (old, new) = (key(old), key(new));
            if old == new {
                continue;
            }
            if let Some(ids) = old.as_ref().and_then(|old| index.get_mut(old)) {
                ids.remove(id);
            }
            if old.is_some_and(|old| index.get(&old).is_some_and(BTreeSet::is_empty)) {
                index.retain(|_, ids| !ids.is_empty());
            }
            if let Some(new) = new {
                index.entry(new).or_default().insert(id.clone());
            }
        }
    }

    /// The ids of the objects that a filter fits, from the `offset`-th on, and how many there are in all.
    pub fn find(
        &mut self,
        filter: &[Filter],
        objects: &FxHashMap<Arc<str>, Arc<Object>>,
        offset: usize,
        max: usize,
    ) -> (Vec<Arc<str>>, usize) {
        let fields: Vec<&'static str> = filter.iter().map(|term| term.field).collect();
        let index = self.indexes.entry(fields).or_insert_with_key(|fields| {
            let mut index: BTreeMap<Key, BTreeSet<Arc<str>>> = BTreeMap::new();
            for (id, object) in objects {
                index.entry(key(&object.body, fields)).or_default().insert(id.clone());
            }
            index
        });
        let wanted: Key = filter.iter().map(|term| format!("{}\n", term.value)).collect();
        let Some(found) = index.get(&wanted) else { return (Vec::new(), 0) };
        (found.iter().skip(offset).take(max).cloned().collect(), found.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(id: &str, body: &str) -> Arc<Object> {
        Arc::new(Object { id: id.into(), body: body.into(), etag: "e".into(), updated: 0 })
    }

    fn ids(found: (Vec<Arc<str>>, usize)) -> Vec<String> {
        assert_eq!(found.0.len(), found.1);
        found.0.iter().map(|id| id.to_string()).collect()
    }

    #[test]
    fn an_index_made_late_and_one_kept_up_agree() {
        let mut objects = FxHashMap::default();
        let mut early = Finder::default();
        let filter = [Filter::new("shardId", 3), Filter::new("online", true)];
        assert_eq!(ids(early.find(&filter, &objects, 0, 9)), Vec::<String>::new());
        for n in 0..30u32 {
            let body = format!(r#"{{"custom":{{"shardId":{},"online":{}}}}}"#, n % 5, n % 2 == 0);
            let new = object(&format!("u{n:02}"), &body);
            early.changed(&new.id, None, Some(&new));
            objects.insert(new.id.clone(), new);
        }
        // n % 5 = 3 and n even: 8, 18, 28.
        assert_eq!(ids(early.find(&filter, &objects, 0, 9)), ["u08", "u18", "u28"]);
        assert_eq!(ids(Finder::default().find(&filter, &objects, 0, 9)), ["u08", "u18", "u28"]);
        // One goes offline, one is deleted.
        let offline = object("u08", r#"{"custom":{"shardId":3,"online":false}}"#);
        early.changed(&offline.id, Some(&objects["u08"]), Some(&offline));
        early.changed(&"u18".into(), Some(&objects["u18"]), None);
        assert_eq!(ids(early.find(&filter, &objects, 0, 9)), ["u28"]);
        assert_eq!(early.find(&filter, &objects, 1, 9), (vec![], 1), "beyond the last");
    }

    #[test]
    fn a_field_that_is_not_there_is_null() {
        let mut objects = FxHashMap::default();
        let bare = object("bare", r#"{"name":"N"}"#);
        objects.insert(bare.id.clone(), bare);
        let found = Finder::default().find(&[Filter::new("online", serde_json::Value::Null)], &objects, 0, 9);
        assert_eq!(ids(found), ["bare"]);
    }
}
