//! One object's JSON: how a patch changes it, in which order its fields stand, what its eTag is.
//!
//! A write takes the old text and the patch apart once each ([`Parts`]), borrowing from both; values inside a field are
//! not looked at, but for the patch's, which are brought into the form in which the store keeps all of them.

use std::borrow::Cow;
use std::fmt;
use std::hash::Hasher;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use siphasher::sip::SipHasher13;
use siphasher::sip128::{Hasher128, SipHasher13 as SipHasher128};

use crate::base64url;

/// The fields that stand first after the id, in this order, `custom` behind them; others follow in the order they came.
const FIRST: [&str; 2] = ["name", "description"];

/// Fields of a JSON object: name and value, the value as JSON text, each name once, in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Fields<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Fields<'a> {
    /// A field's value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|field| field.0 == name).map(|field| &*field.1)
    }

    /// Takes a patch's values over: a name that is there keeps its place, `null` removes.
    fn patch(&mut self, patch: Self) {
        for (name, value) in patch.0 {
            if value == "null" {
                self.0.retain(|field| field.0 != name);
            } else {
                self.set(name, value);
            }
        }
    }

    fn set(&mut self, name: Cow<'a, str>, value: Cow<'a, str>) {
        match self.0.iter_mut().find(|field| field.0 == name) {
            Some(field) => field.1 = value,
            None => self.0.push((name, value)),
        }
    }

    fn push(&mut self, name: Cow<'a, str>, value: &'a RawValue) {
        self.0.push((name, Cow::Borrowed(value.get())));
    }

    /// Each name once, the last value given for it counts, in the form in which the store keeps it. `None`: one is wrong.
    fn canonical(self) -> Option<Self> {
        let mut fields = Self(Vec::with_capacity(self.0.len()));
        for (name, value) in self.0 {
            fields.set(name, canonical(value)?);
        }
        Some(fields)
    }
}

/// A value as `serde_json` would write it. Most need no second look: words, whole numbers, texts without escapes.
fn canonical(value: Cow<'_, str>) -> Option<Cow<'_, str>> {
    let bytes = value.as_bytes();
    let is_plain = match bytes[0] {
        b'"' => !bytes.contains(&b'\\'),
        b't' | b'f' | b'n' => true,
        b'1'..=b'9' => bytes.len() <= 18 && bytes.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if is_plain {
        return Some(value);
    }
    serde_json::from_str::<Value>(&value).ok().map(|value| Cow::Owned(value.to_string()))
}

/// What is said of `custom`.
#[derive(Clone, Debug, Default, PartialEq)]
enum Custom<'a> {
    #[default]
    Unsaid,
    /// It is `null`: to be cleared.
    Null,
    Fields(Fields<'a>),
}

/// An object taken apart, or a patch to one.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Parts<'a> {
    fields: Fields<'a>,
    custom: Custom<'a>,
}

impl<'a> Parts<'a> {
    /// Takes a stored text apart.
    pub fn of_body(body: &'a str) -> Self {
        serde_json::from_str(body).expect("the store keeps only what it has written")
    }

    /// Takes a patch apart. `None`: it is no object, or its `custom` is neither an object nor `null`.
    pub fn of_patch(patch: &'a str) -> Option<Self> {
        let Self { fields, custom } = serde_json::from_str(patch).ok()?;
        let custom = match custom {
            Custom::Fields(fields) => Custom::Fields(fields.canonical()?),
            custom => custom,
        };
        Some(Self { fields: fields.canonical()?, custom })
    }

    /// The object that a patch makes where there was none.
    pub fn made_of(patch: Self) -> Self {
        let mut parts = Self::default();
        parts.patch(patch);
        parts
    }

    /// Changes the object: a field given replaces, `null` clears, a field not given stays, and the same inside `custom`.
    pub fn patch(&mut self, patch: Self) {
        self.fields.patch(patch.fields);
        match (patch.custom, &mut self.custom) {
            (Custom::Unsaid, _) => (),
            (Custom::Null, custom) => *custom = Custom::Unsaid,
            (Custom::Fields(patch), Custom::Fields(custom)) => custom.patch(patch),
            (Custom::Fields(patch), custom) => {
                let mut fields = Fields::default();
                fields.patch(patch);
                *custom = Custom::Fields(fields);
            }
        }
    }

    /// The object's `custom`, if it has one.
    pub fn custom(&self) -> Option<&Fields<'a>> {
        match &self.custom {
            Custom::Fields(fields) => Some(fields),
            Custom::Unsaid | Custom::Null => None,
        }
    }

    /// The whole object as text. `id_field` is `channel` or `uuid`; what a patch said of it does not count.
    pub fn to_text(&self, id_field: &str, id: &str) -> String {
        let fields = self.fields.0.iter().chain(self.custom().map_or(&[][..], |custom| &custom.0));
        let bytes: usize = fields.map(|(name, value)| name.len() + value.len() + 4).sum();
        let mut text = String::with_capacity(bytes + id_field.len() + id.len() + 20);
        text.push('{');
        push_name(&mut text, id_field);
        push_quoted(&mut text, id);
        for name in FIRST {
            if let Some(value) = self.fields.get(name) {
                text.push(',');
                push_name(&mut text, name);
                text.push_str(value);
            }
        }
        if let Some(custom) = self.custom() {
            text.push_str(r#","custom":{"#);
            for (at, (name, value)) in custom.0.iter().enumerate() {
                text.push_str(if at == 0 { "" } else { "," });
                push_name(&mut text, name);
                text.push_str(value);
            }
            text.push('}');
        }
        let is_other = |name: &str| name != id_field && !FIRST.contains(&name);
        for (name, value) in self.fields.0.iter().filter(|field| is_other(&field.0)) {
            text.push(',');
            push_name(&mut text, name);
            text.push_str(value);
        }
        text.push('}');
        text
    }
}

fn push_name(text: &mut String, name: &str) {
    push_quoted(text, name);
    text.push(':');
}

/// The text as a JSON string; names hardly ever need an escape.
pub(super) fn push_quoted(text: &mut String, name: &str) {
    if name.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        text.push('"');
        text.push_str(name);
        text.push('"');
    } else {
        text.push_str(&Value::from(name).to_string());
    }
}

/// A name that borrows from the text unless it has escapes.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// About as many fields as objects have.
const FIELDS: usize = 24;

impl<'de: 'a, 'a> Deserialize<'de> for Parts<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Whole;
        impl<'de> Visitor<'de> for Whole {
            type Value = Parts<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parts<'de>, A::Error> {
                let mut parts = Parts { fields: Fields(Vec::with_capacity(8)), custom: Custom::Unsaid };
                while let Some(Name(name)) = map.next_key()? {
                    if name == "custom" {
                        parts.custom = map.next_value()?;
                    } else {
                        parts.fields.push(name, map.next_value()?);
                    }
                }
                Ok(parts)
            }
        }
        deserializer.deserialize_map(Whole)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Custom<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Inside;
        impl<'de> Visitor<'de> for Inside {
            type Value = Custom<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object or null")
            }

            fn visit_unit<E: Error>(self) -> Result<Custom<'de>, E> {
                Ok(Custom::Null)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Custom<'de>, A::Error> {
                let mut fields = Fields(Vec::with_capacity(FIELDS));
                while let Some(Name(name)) = map.next_key()? {
                    fields.push(name, map.next_value()?);
                }
                Ok(Custom::Fields(fields))
            }
        }
        deserializer.deserialize_any(Inside)
    }
}

/// The `custom` of a membership after another one is written over it. `None`: it is no JSON object.
///
/// Most memberships are written once: then the text is kept as it came, only checked.
pub(super) fn patched_custom(old: Option<&Arc<str>>, patch: &Arc<str>) -> Option<Arc<str>> {
    if old.is_none() && !patch.contains("null") {
        let is_object = patch.trim_start().starts_with('{');
        return (is_object && serde_json::from_str::<serde::de::IgnoredAny>(patch).is_ok()).then(|| patch.clone());
    }
    let Ok(Value::Object(patch)) = serde_json::from_str(patch) else { return None };
    let mut custom = match old.map(|old| serde_json::from_str(old)) {
        Some(Ok(Value::Object(custom))) => custom,
        _ => Map::new(),
    };
    for (key, value) in patch {
        if value.is_null() {
            custom.shift_remove(&key);
        } else {
            custom.insert(key, value);
        }
    }
    Some(Value::Object(custom).to_string().into())
}

/// The eTag of a channel or a user: 32 hex digits of its content (platform.md 2.9).
pub(super) fn etag(body: &str) -> Arc<str> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut hasher = SipHasher128::new();
    hasher.write(body.as_bytes());
    let hash = hasher.finish128();
    let mut digits = [0; 32];
    for (at, byte) in hash.h1.to_be_bytes().into_iter().chain(hash.h2.to_be_bytes()).enumerate() {
        digits[2 * at] = DIGITS[usize::from(byte >> 4)];
        digits[2 * at + 1] = DIGITS[usize::from(byte & 15)];
    }
    str::from_utf8(&digits).expect("digits are text").into()
}

/// The eTag of a membership: 11 characters of base64url of its content (the recorded ones are as short).
pub(super) fn membership_etag(custom: &str) -> Arc<str> {
    let mut hasher = SipHasher13::new();
    hasher.write(custom.as_bytes());
    base64url::encode(&hasher.finish().to_be_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patched(id_field: &str, id: &str, old: Option<&str>, patch: &str) -> Option<String> {
        let mut parts = old.map(Parts::of_body).unwrap_or_default();
        parts.patch(Parts::of_patch(patch)?);
        Some(parts.to_text(id_field, id))
    }

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
    fn what_is_kept_is_what_serde_json_would_write() {
        for (patch, kept) in [
            // The last of two counts; spaces go.
            (r#" { "a" : 1 , "b" : [ 1 , { "c" : null } ] , "a" : 2 } "#, r#""a":2,"b":[1,{"c":null}]"#),
            (r#"{"a":"\u0041\n","\u0062":"\"é"}"#, r#""a":"A\n","b":"\"é""#),
            (r#"{"a":-0,"b":1e2,"c":-5,"d":0,"e":123456789012345678,"f":12345678901234567890123}"#, {
                // Whole numbers beyond 64 bits are floats.
                r#""a":-0.0,"b":100.0,"c":-5,"d":0,"e":123456789012345678,"f":1.2345678901234568e+22"#
            }),
        ] {
            let whole = patched("uuid", "u", None, patch).unwrap();
            assert_eq!(whole, format!(r#"{{"uuid":"u",{kept}}}"#));
            let inside = patched("uuid", "u", None, &format!(r#"{{"custom":{patch}}}"#)).unwrap();
            assert_eq!(inside, format!(r#"{{"uuid":"u","custom":{{{kept}}}}}"#));
            assert_eq!(serde_json::from_str::<Value>(&inside).unwrap().to_string(), inside);
        }
    }

    #[test]
    fn what_is_no_object_is_no_patch() {
        for patch in ["", "[]", "1", "{", r#"{"custom":1}"#, r#"{"custom":[]}"#, "{} {}", r#"{"a":1e999}"#] {
            assert_eq!(patched("uuid", "u", None, patch), None, "{patch}");
        }
        // Half of a surrogate pair is no text.
        assert_eq!(patched("uuid", "u", None, r#"{"custom":{"a":"\ud800"}}"#), None);
        for custom in ["", "[]", "{", "null", "{} {}"] {
            assert_eq!(patched_custom(None, &custom.into()), None, "{custom}");
        }
    }

    #[test]
    fn an_etag_is_of_the_content_alone() {
        assert_eq!(etag("a"), etag("a"));
        assert_ne!(etag("a"), etag("b"));
        assert_eq!((etag("a").len(), membership_etag("{}").len()), (32, 11));
        let mut hasher = SipHasher128::new();
        hasher.write(b"a");
        let hash = hasher.finish128();
        assert_eq!(*etag("a"), format!("{:016x}{:016x}", hash.h1, hash.h2));
    }
}
