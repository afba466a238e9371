//! One object's JSON: how a patch changes it, in which order its fields stand, what its eTag is.

use std::hash::Hasher;
use std::sync::Arc;

use serde_json::{Map, Value};
use siphasher::sip::SipHasher13;
use siphasher::sip128::{Hasher128, SipHasher13 as SipHasher128};

use crate::base64url;

/// The fields that stand first after the id, in this order; others follow in the order they came.
const FIRST: [&str; 3] = ["name", "description", "custom"];

/// The body of object `id` after `patch`: a field given replaces, `null` clears, a field not given stays, and the
/// same inside `custom`. `id_field` is `channel` or `uuid`; a patch cannot change it. `None`: the patch is no object.
pub fn patched(id_field: &str, id: &str, old: Option<&str>, patch: &str) -> Option<String> {
    let Ok(Value::Object(patch)) = serde_json::from_str(patch) else { return None };
    let mut old = match old.map(serde_json::from_str) {
        Some(Ok(Value::Object(old))) => old,
        _ => Map::new(),
    };
    for (field, value) in patch {
        match (field.as_str(), value) {
            (_, Value::Null) => _ = old.shift_remove(&field),
            ("custom", Value::Object(custom)) => {
                let mut kept = match old.shift_remove("custom") {
                    Some(Value::Object(kept)) => kept,
                    _ => Map::new(),
                };
                merge(&mut kept, custom);
                old.insert(field, Value::Object(kept));
            }
            ("custom", _) => return None,
            (_, value) => _ = old.insert(field, value),
        }
    }
    let mut new = Map::with_capacity(old.len() + 1);
    new.insert(id_field.to_owned(), Value::from(id));
    old.shift_remove(id_field);
    for field in FIRST {
        if let Some(value) = old.shift_remove(field) {
            new.insert(field.to_owned(), value);
        }
    }
    new.extend(old);
    Some(Value::Object(new).to_string())
}

/// The `custom` of a membership after another one is written over it. `None`: it is no JSON object.
///
/// Most memberships are written once: then the text is kept as it came, only checked.
pub fn patched_custom(old: Option<&Arc<str>>, patch: &Arc<str>) -> Option<Arc<str>> {
    if old.is_none() && !patch.contains("null") {
        let is_object = patch.trim_start().starts_with('{');
        return (is_object && serde_json::from_str::<serde::de::IgnoredAny>(patch).is_ok()).then(|| patch.clone());
    }
    let Ok(Value::Object(patch)) = serde_json::from_str(patch) else { return None };
    let mut custom = match old.map(|old| serde_json::from_str(old)) {
        Some(Ok(Value::Object(custom))) => custom,
        _ => Map::new(),
    };
    merge(&mut custom, patch);
    Some(Value::Object(custom).to_string().into())
}

fn merge(old: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (key, value) in patch {
        if value.is_null() {
            old.shift_remove(&key);
        } else {
            old.insert(key, value);
        }
    }
}

/// The eTag of a channel or a user: 32 hex digits of its content (platform.md 2.9).
pub fn etag(body: &str) -> Arc<str> {
    let mut hasher = SipHasher128::new();
    hasher.write(body.as_bytes());
    let hash = hasher.finish128();
    format!("{:016x}{:016x}", hash.h1, hash.h2).into()
}

/// The eTag of a membership: 11 characters of base64url of its content (the recorded ones are as short).
pub fn membership_etag(custom: &str) -> Arc<str> {
    let mut hasher = SipHasher13::new();
    hasher.write(custom.as_bytes());
    base64url::encode(&hasher.finish().to_be_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_keeps_what_it_does_not_name_and_null_clears() {
        let first = patched("channel", "c", None, r#"{"custom":{"a":1,"b":{"x":1}},"status":"open","name":"N"}"#);
        assert_eq!(
            first.as_deref(),
            Some(r#"{"channel":"c","name":"N","custom":{"a":1,"b":{"x":1}},"status":"open"}"#)
        );
        let second = patched(
            "channel",
            "c",
            first.as_deref(),
            r#"{"channel":"other","name":null,"description":"D","custom":{"a":null,"b":{"y":2},"c":3}}"#,
        );
        // Inside custom a key is replaced whole: b is {"y":2}, not {"x":1,"y":2}.
        assert_eq!(
            second.as_deref(),
            Some(r#"{"channel":"c","description":"D","custom":{"b":{"y":2},"c":3},"status":"open"}"#)
        );
        let third = patched("channel", "c", second.as_deref(), r#"{"custom":null}"#);
        assert_eq!(third.as_deref(), Some(r#"{"channel":"c","description":"D","status":"open"}"#));
    }

    #[test]
    fn what_is_no_object_is_no_patch() {
        for patch in ["", "[]", "1", "{", r#"{"custom":1}"#] {
            assert_eq!(patched("uuid", "u", None, patch), None, "{patch}");
        }
        for custom in ["", "[]", "{", "null", "{} {}"] {
            assert_eq!(patched_custom(None, &custom.into()), None, "{custom}");
        }
    }

    #[test]
    fn an_etag_is_of_the_content_alone() {
        assert_eq!(etag("a"), etag("a"));
        assert_ne!(etag("a"), etag("b"));
        assert_eq!((etag("a").len(), membership_etag("{}").len()), (32, 11));
    }
}
