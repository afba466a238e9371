//! A TOML text as a tree in which every value knows where it came from: a line of the file, or a `--set`.
//!
//! Serde's derived readers lose the place of a value inside tagged enums, and cannot say what would be right; so the
//! tree is built from the parser's own spanned tables and walked by [`super::form::Form`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::bad_input::BadInput;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A line of the file, from 1.
    Line(usize),
    /// An override, as given: `crowd.users` and `0`.
    Set { key: String, text: String },
}

/// A table: keys in alphabetical order.
pub(crate) type Table = BTreeMap<String, Item>;

/// One value with its origin.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub value: Value,
    pub origin: Origin,
    /// How the value was written, cut to a readable length.
    pub text: String,
}

/// A value, as far as scenarios use TOML.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Whole(i128),
    Float(f64),
    Flag(bool),
    Text(String),
    List(Vec<Item>),
    Table(Table),
    /// A date or a time: no key wants one.
    Date,
}

/// The longest value text that an error repeats, in characters.
const TEXT_MAX: usize = 60;

fn shorten(text: &str) -> String {
    let text = text.trim();
    if text.chars().count() <= TEXT_MAX {
        return text.to_string();
    }
    text.chars().take(TEXT_MAX - 1).chain(['…']).collect()
}

/// How a span of the text becomes an origin: the file counts lines, an override is one place.
enum Places<'a> {
    File(&'a str),
    Set { key: &'a str, text: &'a str },
}

impl Places<'_> {
    fn origin(&self, at: usize) -> Origin {
        match self {
            Places::File(text) => Origin::Line(line_of(text, at)),
            Places::Set { key, text } => Origin::Set { key: key.to_string(), text: text.to_string() },
        }
    }
}

/// The line, from 1, of byte `at`.
fn line_of(text: &str, at: usize) -> usize {
    1 + text.as_bytes()[..at.min(text.len())].iter().filter(|b| **b == b'\n').count()
}

fn table(from: &DeTable<'_>, whole: &str, places: &Places<'_>) -> Table {
    from.iter()
        .map(|(key, value)| {
            let span = value.span();
            // A table opened by a header spans the header only; the key's own place is the better one for it.
            let at = if matches!(value.get_ref(), DeValue::Table(_)) { key.span().start } else { span.start };
            let text = whole.get(span).unwrap_or("");
            (key.get_ref().to_string(), item(value.get_ref(), at, text, whole, places))
        })
        .collect()
}

fn item(from: &DeValue<'_>, at: usize, text: &str, whole: &str, places: &Places<'_>) -> Item {
    let value = match from {
        DeValue::String(s) => Value::Text(s.to_string()),
        // A number beyond 128 bits is beyond every range too: the nearest end of the type stands for it.
        DeValue::Integer(i) => {
            Value::Whole(i128::from_str_radix(i.as_str(), i.radix()).unwrap_or(if i.as_str().starts_with('-') {
                i128::MIN
            } else {
                i128::MAX
            }))
        }
        DeValue::Float(f) => Value::Float(f.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(b) => Value::Flag(*b),
        DeValue::Datetime(_) => Value::Date,
        DeValue::Array(items) => Value::List(
            items
                .iter()
                .map(|v| item(v.get_ref(), v.span().start, whole.get(v.span()).unwrap_or(""), whole, places))
                .collect(),
        ),
        DeValue::Table(t) => Value::Table(table(t, whole, places)),
    };
    Item { value, origin: places.origin(at), text: shorten(text) }
}

/// The text of a file; `right` says what it must be the path of.
pub(crate) fn read(path: &str, right: &str) -> Result<String, BadInput> {
    std::fs::read_to_string(path)
        .map_err(|error| BadInput::new(format!("{path}: {}: must be the path of {right}", error.kind())))
}

/// Parses a whole file. An error is the parser's message with the line.
pub(crate) fn parse(source: &str, text: &str) -> Result<Table, BadInput> {
    let parsed = DeTable::parse(text).map_err(|e| {
        let line = e.span().map(|s| format!(":{}", line_of(text, s.start))).unwrap_or_default();
        BadInput::new(format!("{source}{line}: not TOML: {}", e.message()))
    })?;
    Ok(table(parsed.get_ref(), text, &Places::File(text)))
}

/// Puts one override into the tree: `key` is a dotted path (`fault.0.at_s` for the first fault), `text` a TOML value
/// or a bare word, which is taken as a string. A table that is not there yet is made; the last override of a key wins.
pub(super) fn set(root: &mut Table, key: &str, text: &str) -> Result<(), BadInput> {
    let bad = |why: &str| BadInput::new(format!("--set {key}={text}: {why}"));
    let new = parse_value(key, text).map_err(|why| bad(&why))?;
    let (path, last) = match key.rsplit_once('.') {
        Some((path, last)) => (path.split('.').collect(), last),
        None => (Vec::new(), key),
    };
    if last.is_empty() || path.iter().any(|p| p.is_empty()) {
        return Err(bad("the key must be a dotted path, such as crowd.users"));
    }
    let mut here = root;
    let mut walked = String::new();
    let mut path = path.into_iter().peekable();
    while let Some(part) = path.next() {
        let origin = || Origin::Set { key: key.to_string(), text: text.to_string() };
        let child = here.entry(part.to_string()).or_insert_with(|| Item {
            value: Value::Table(Table::new()),
            origin: origin(),
            text: String::new(),
        });
        walked = if walked.is_empty() { part.to_string() } else { format!("{walked}.{part}") };
        let mut value = &mut child.value;
        if let Value::List(items) = value {
            let Some(index) = path.next() else {
                // The last part is itself the index: replace or append that entry.
                return put_in_list(items, last, new).map_err(|why| bad(&format!("{walked}: {why}")));
            };
            let count = items.len();
            let found = index.parse::<usize>().ok().and_then(|i| items.get_mut(i));
            let Some(found) = found else {
                return Err(bad(&format!("{walked} has {count} entries, counted from 0; {index} is none of them")));
            };
            walked = format!("{walked}.{index}");
            value = &mut found.value;
        }
        match value {
            Value::Table(inner) => here = inner,
            _ => return Err(bad(&format!("{walked} is a plain value, it has no keys below it"))),
        }
    }
    here.insert(last.to_string(), new);
    Ok(())
}

fn put_in_list(items: &mut Vec<Item>, index: &str, new: Item) -> Result<(), String> {
    match index.parse::<usize>() {
        Ok(i) if i < items.len() => items[i] = new,
        Ok(i) if i == items.len() => items.push(new),
        _ => return Err(format!("an entry's number must be 0 to {}, the last one to add an entry", items.len())),
    }
    Ok(())
}

/// A TOML value, or a bare word as a string.
fn parse_value(key: &str, text: &str) -> Result<Item, String> {
    let places = Places::Set { key, text };
    let document = format!("v = {text}");
    match DeTable::parse(&document) {
        Ok(parsed) if parsed.get_ref().len() == 1 => {
            let mut table = table(parsed.get_ref(), &document, &places);
            Ok(table.remove("v").expect("the document was written with this key"))
        }
        Ok(_) => Err("must be one value".to_string()),
        // What begins like a string, a list or a table was meant as one.
        Err(e) if text.trim_start().starts_with(['"', '\'', '[', '{']) => Err(format!("not TOML: {}", e.message())),
        Err(_) => Ok(Item { value: Value::Text(text.to_string()), origin: places.origin(0), text: shorten(text) }),
    }
}

/// Where every value of a document came from, by dotted path.
#[derive(Debug, Default)]
pub(crate) struct Origins {
    source: String,
    /// From which paths of other files in the text are taken.
    folder: PathBuf,
    by_path: BTreeMap<String, (Origin, String)>,
}

impl Origins {
    /// Walks the whole tree once.
    pub fn new(folder: &Path, source: &str, root: &Table) -> Self {
        let mut origins = Self { source: source.to_string(), folder: folder.to_owned(), by_path: BTreeMap::new() };
        origins.add_table("", root);
        origins
    }

    fn add_table(&mut self, path: &str, table: &Table) {
        for (key, item) in table {
            self.add(&join(path, key), item);
        }
    }

    fn add(&mut self, path: &str, item: &Item) {
        let text = if matches!(item.value, Value::Table(_)) { String::new() } else { item.text.clone() };
        self.by_path.insert(path.to_string(), (item.origin.clone(), text));
        match &item.value {
            Value::Table(t) => self.add_table(path, t),
            Value::List(items) => {
                items.iter().enumerate().for_each(|(i, item)| self.add(&join(path, &i.to_string()), item))
            }
            _ => {}
        }
    }

    /// The error line for the value at `path`: where it stands, what it says, and `right`, what would be right.
    /// A path that the document does not give is named after the file, with the nearest line above it.
    pub fn bad(&self, path: &str, right: &str) -> BadInput {
        let (place, given) = match self.by_path.get(path) {
            Some((origin, text)) => (Some(origin), text.as_str()),
            None => (self.nearest(path), ""),
        };
        let said = if given.is_empty() { path.to_string() } else { format!("{path} = {given}") };
        BadInput::new(match place {
            Some(Origin::Set { key, text }) if key == path => format!("--set {key}={text}: {right}"),
            Some(Origin::Set { key, text }) => format!("--set {key}={text}: {said}: {right}"),
            Some(Origin::Line(line)) => format!("{}:{line}: {said}: {right}", self.source),
            None => format!("{}: {said}: {right}", self.source),
        })
    }

    /// The file that a value with this origin names: beside the text that names it, or, of an override, from the current
    /// folder.
    pub fn file(&self, origin: &Origin, path: &str) -> PathBuf {
        match origin {
            Origin::Line(_) => self.folder.join(path),
            Origin::Set { .. } => PathBuf::from(path),
        }
    }

    fn nearest(&self, path: &str) -> Option<&Origin> {
        let (above, _) = path.rsplit_once('.')?;
        self.by_path.get(above).map(|(origin, _)| origin).or_else(|| self.nearest(above))
    }
}

/// `a.b` from `a` and `b`; `b` at the root.
pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_string() } else { format!("{path}.{key}") }
}
