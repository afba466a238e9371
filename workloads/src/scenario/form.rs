//! One walk over a scenario's keys, in two directions: reading a parsed document into a struct that already holds the
//! defaults, or writing the struct out. A key is written down once, with its range, so echo and parser cannot part.

use headcount_engine::contract::Nanos;

use super::bad_input::BadInput;
use super::document::{Item, Origins, Table, Value, join};
use super::spelling::{bound, decimal, listed, one_of, quoted, thousands};

/// A finite set of words, each standing for a value.
pub(super) trait Words: Copy + PartialEq + 'static {
    /// Every word, in the order in which errors list them.
    const WORDS: &'static [(&'static str, Self)];

    /// The word for this value.
    fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, v)| *v == self).expect("every value has a word").0
    }
}

/// What a form does with the keys it is asked about.
enum Mode {
    Read(Table),
    /// `lines` are this table's own `key = value`, `below` the tables under it.
    Write {
        lines: Vec<String>,
        below: String,
    },
}

/// A table of the document, being read or written.
pub(crate) struct Form<'a> {
    path: String,
    origins: &'a Origins,
    mode: Mode,
    /// The keys asked for so far: what an unknown key is told.
    known: Vec<&'static str>,
}

type Done = Result<(), BadInput>;

/// A file that the document names.
pub(super) struct File {
    /// Its path as errors say it.
    pub shown: String,
    pub bytes: Vec<u8>,
}

impl File {
    /// The file as a CSV with a header; spaces around a field are no part of it.
    pub fn csv(&self) -> csv::Reader<&[u8]> {
        csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(&self.bytes)
    }

    /// Each row of it with its line.
    pub fn rows(&self, csv: csv::Reader<&[u8]>) -> impl Iterator<Item = Result<(u64, csv::StringRecord), BadInput>> {
        csv.into_records().map(|row| {
            let row = row.map_err(|e| BadInput::new(format!("{}: not CSV: {e}", self.shown)))?;
            Ok((row.position().map_or(0, |at| at.line()), row))
        })
    }

    /// The error for `what`, which stands in this line.
    pub fn bad(&self, line: u64, what: &str, right: &str) -> BadInput {
        BadInput::new(format!("{}:{line}: {what}: {right}", self.shown))
    }
}

impl<'a> Form<'a> {
    /// Walks `root` with `fields`, then refuses what no field asked for.
    pub(super) fn read(root: Table, origins: &'a Origins, fields: impl FnOnce(&mut Self) -> Done) -> Done {
        let mut form = Self { path: String::new(), origins, mode: Mode::Read(root), known: Vec::new() };
        fields(&mut form)?;
        form.refuse_unknown()
    }

    /// What `fields` would read, as TOML.
    pub(super) fn write(origins: &'a Origins, fields: impl FnOnce(&mut Self) -> Done) -> String {
        let mode = Mode::Write { lines: Vec::new(), below: String::new() };
        let mut form = Self { path: String::new(), origins, mode, known: Vec::new() };
        fields(&mut form).expect("writing refuses nothing");
        let Mode::Write { lines, below } = form.mode else { unreachable!("a form keeps its mode") };
        lines.iter().map(|l| format!("{l}\n")).collect::<String>() + &below
    }

    /// Whether values are being read, so that defaults which depend on earlier keys must be set now.
    pub fn is_reading(&self) -> bool {
        matches!(self.mode, Mode::Read(_))
    }

    /// The error for `key` of this table.
    pub fn bad(&self, key: &str, right: &str) -> BadInput {
        self.origins.bad(&join(&self.path, key), right)
    }

    fn refuse_unknown(self) -> Done {
        if let Mode::Read(rest) = &self.mode
            && let Some(key) = rest.keys().next()
        {
            return Err(self.bad(key, &format!("unknown key; here can stand: {}", self.known.join(", "))));
        }
        Ok(())
    }

    fn take(&mut self, key: &'static str) -> Option<Item> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        match &mut self.mode {
            Mode::Read(table) => table.remove(key),
            Mode::Write { .. } => None,
        }
    }

    /// Whether the document gives this key.
    pub fn has(&self, key: &str) -> bool {
        matches!(&self.mode, Mode::Read(table) if table.contains_key(key))
    }

    /// An optional table that is not there: errors about unknown keys still list it.
    pub fn absent(&mut self, key: &'static str) {
        self.known.push(key);
    }

    /// Refuses a document that lacks one of `keys`: those have no default.
    pub fn need(&self, keys: &[(&str, &str)]) -> Done {
        if !self.is_reading() {
            return Ok(());
        }
        match keys.iter().find(|(key, _)| !self.has(key)) {
            Some((key, meaning)) => Err(self.bad(key, &format!("missing: {meaning}"))),
            None => Ok(()),
        }
    }

    fn put(&mut self, key: &str, text: String) {
        if let Mode::Write { lines, .. } = &mut self.mode {
            lines.push(format!("{key} = {text}"));
        }
    }

    /// A whole number of `low` to `high`.
    pub fn whole<T>(&mut self, key: &'static str, value: &mut T, low: T, high: T) -> Done
    where
        T: Copy + Into<i128> + TryFrom<i128>,
    {
        let (low, high) = (low.into(), high.into());
        if let Some(item) = self.take(key) {
            let range = format!("{} to {}", thousands(low), thousands(high));
            let Value::Whole(given) = item.value else {
                return Err(self.bad(key, &format!("must be a whole number, {range}")));
            };
            match T::try_from(given) {
                Ok(v) if (low..=high).contains(&given) => *value = v,
                _ => return Err(self.bad(key, &format!("must be {range}"))),
            }
        }
        self.put(key, (*value).into().to_string());
        Ok(())
    }

    /// Parts per million, 0 to 1,000,000.
    pub fn ppm(&mut self, key: &'static str, value: &mut u32) -> Done {
        self.whole(key, value, 0, 1_000_000)
    }

    /// A number of `low` to `high`; `what` is its unit, for the error.
    pub fn number(&mut self, key: &'static str, value: &mut f64, low: f64, high: f64, what: &str) -> Done {
        if let Some(item) = self.take(key) {
            let given = number(&item.value).filter(|v| (low..=high).contains(v));
            *value =
                given.ok_or_else(|| self.bad(key, &format!("must be {} to {} {what}", bound(low), bound(high))))?;
        }
        self.put(key, format!("{value:?}"));
        Ok(())
    }

    /// A time in seconds, `low_s` to `high_s`.
    pub fn seconds(&mut self, key: &'static str, value: &mut Nanos, low_s: f64, high_s: f64) -> Done {
        self.time(key, value, (low_s, high_s), (1e9, 9, "seconds"))
    }

    /// A time in milliseconds, `low_ms` to `high_ms`.
    pub fn millis(&mut self, key: &'static str, value: &mut Nanos, low_ms: f64, high_ms: f64) -> Done {
        self.time(key, value, (low_ms, high_ms), (1e6, 6, "milliseconds"))
    }

    fn time(&mut self, key: &'static str, value: &mut Nanos, range: (f64, f64), unit: (f64, usize, &str)) -> Done {
        let mut signed = *value as i64;
        self.signed_time(key, &mut signed, range, unit)?;
        *value = signed as Nanos;
        Ok(())
    }

    /// A time that may be negative, in milliseconds.
    pub fn signed_millis(&mut self, key: &'static str, value_ns: &mut i64, low_ms: f64, high_ms: f64) -> Done {
        self.signed_time(key, value_ns, (low_ms, high_ms), (1e6, 6, "milliseconds"))
    }

    fn signed_time(
        &mut self,
        key: &'static str,
        value_ns: &mut i64,
        (low, high): (f64, f64),
        (ns, digits, unit): (f64, usize, &str),
    ) -> Done {
        if let Some(item) = self.take(key) {
            let given = number(&item.value).filter(|v| (low..=high).contains(v));
            let given =
                given.ok_or_else(|| self.bad(key, &format!("must be {} to {} {unit}", bound(low), bound(high))))?;
            // Exact: the double nearest to a decimal of at most 15 digits is off by less than half a nanosecond.
            *value_ns = (given * ns).round() as i64;
        }
        self.put(key, decimal(*value_ns, digits));
        Ok(())
    }

    /// `true` or `false`.
    pub fn flag(&mut self, key: &'static str, value: &mut bool) -> Done {
        if let Some(item) = self.take(key) {
            let Value::Flag(given) = item.value else { return Err(self.bad(key, "must be true or false")) };
            *value = given;
        }
        self.put(key, value.to_string());
        Ok(())
    }

    /// A text for which `fits` holds; `right` says what that is.
    pub fn text(&mut self, key: &'static str, value: &mut String, right: &str, fits: impl Fn(&str) -> bool) -> Done {
        if let Some(item) = self.take(key) {
            match item.value {
                Value::Text(given) if fits(&given) => *value = given,
                _ => return Err(self.bad(key, &format!("must be {right}"))),
            }
        }
        self.put(key, quoted(value));
        Ok(())
    }

    /// The file that this key names; `right` says what it must be. Such a key is only read: what is made of the file is
    /// written out in its place.
    pub(super) fn file(&mut self, key: &'static str, right: &str) -> Result<File, BadInput> {
        let bad = |form: &Self, why: &str| form.bad(key, &format!("{why}must be the path of {right}"));
        let Some(item) = self.take(key) else { return Err(bad(self, "missing: ")) };
        let Value::Text(path) = &item.value else { return Err(bad(self, "")) };
        let path = self.origins.file(&item.origin, path);
        let shown = path.display().to_string();
        let why = |e: std::io::Error| match e.kind() {
            std::io::ErrorKind::NotFound => format!("no file {shown}: "),
            std::io::ErrorKind::IsADirectory => format!("{shown} is a folder: "),
            _ => format!("{shown}: {e}: "),
        };
        let bytes = std::fs::read(&path).map_err(|e| bad(self, &why(e)))?;
        Ok(File { shown, bytes })
    }

    /// Quantiles as pairs of probability and milliseconds, 0 to `high_ms`: from probability 0 to 1, neither falling.
    pub(super) fn quantiles(&mut self, key: &'static str, points: &mut Vec<(f64, Nanos)>, high_ms: u32) -> Done {
        if let Some(item) = self.take(key) {
            let what = format!("[probability, milliseconds], 0 to 1 and 0 to {}", thousands(high_ms.into()));
            *points = self.entries(key, item, &what, |value| match value {
                Value::List(pair) => {
                    let [p, ms] = [number(&pair.first()?.value)?, number(&pair.get(1)?.value)?];
                    let fits = pair.len() == 2 && (0.0..=1.0).contains(&p) && (0.0..=f64::from(high_ms)).contains(&ms);
                    fits.then(|| (p, (ms * 1e6).round() as Nanos))
                }
                _ => None,
            })?;
            let falls = points.windows(2).position(|w| w[1].0 < w[0].0 || w[1].1 < w[0].1);
            if let Some(at) = falls {
                return Err(self.bad(&format!("{key}.{}", at + 1), "must be no less than the pair before it, in both"));
            }
            if points.first().is_none_or(|first| first.0 != 0.0) || points.last().is_none_or(|last| last.0 != 1.0) {
                return Err(self.bad(key, "must begin with probability 0 and end with 1"));
            }
            if points.last().is_none_or(|last| last.1 == 0) {
                return Err(self.bad(key, "must have a duration above 0"));
            }
        }
        self.put(key, listed(points.iter().map(|(p, ns)| format!("[{p:?}, {}]", decimal(*ns as i64, 6)))));
        Ok(())
    }

    /// One of a set of words.
    pub(super) fn word<T: Words>(&mut self, key: &'static str, value: &mut T) -> Done {
        if let Some(item) = self.take(key) {
            let found = match &item.value {
                Value::Text(given) => T::WORDS.iter().find(|(w, _)| w == given),
                _ => None,
            };
            *value = found.ok_or_else(|| self.bad(key, &format!("must be {}", one_of(words::<T>()))))?.1;
        }
        self.put(key, quoted(value.word()));
        Ok(())
    }

    /// Which of `kinds` a tagged table is: reads the key `kind`, writes `now`.
    pub fn kind(&mut self, now: &'static str, kinds: &[&'static str]) -> Result<&'static str, BadInput> {
        let mut kind = now;
        if let Some(item) = self.take("kind") {
            let found = match &item.value {
                Value::Text(given) => kinds.iter().find(|k| *k == given),
                _ => None,
            };
            kind = found.ok_or_else(|| self.bad("kind", &format!("must be {}", one_of(kinds.iter().copied()))))?;
        } else if self.is_reading() && now.is_empty() {
            return Err(self.bad("kind", &format!("missing: must be {}", one_of(kinds.iter().copied()))));
        }
        self.put("kind", quoted(kind));
        Ok(kind)
    }

    /// A list of texts.
    pub fn texts(&mut self, key: &'static str, value: &mut Vec<String>) -> Done {
        if let Some(item) = self.take(key) {
            *value = self.entries(key, item, "texts", |v| match v {
                Value::Text(t) => Some(t),
                _ => None,
            })?;
        }
        self.put(key, listed(value.iter().map(|t| quoted(t))));
        Ok(())
    }

    /// A list of words.
    pub(super) fn words<T: Words>(&mut self, key: &'static str, value: &mut Vec<T>) -> Done {
        if let Some(item) = self.take(key) {
            let what = format!("words, each {}", one_of(words::<T>()));
            *value = self.entries(key, item, &what, |v| match v {
                Value::Text(t) => T::WORDS.iter().find(|(w, _)| *w == t).map(|(_, v)| *v),
                _ => None,
            })?;
        }
        self.put(key, listed(value.iter().map(|v| quoted(v.word()))));
        Ok(())
    }

    /// A list of whole numbers, each 0 to `high`.
    pub fn wholes(&mut self, key: &'static str, value: &mut Vec<u32>, high: u32) -> Done {
        if let Some(item) = self.take(key) {
            let what = format!("whole numbers, each 0 to {}", thousands(high.into()));
            *value = self.entries(key, item, &what, |v| match v {
                Value::Whole(n) => u32::try_from(n).ok().filter(|n| *n <= high),
                _ => None,
            })?;
        }
        self.put(key, listed(value.iter().map(u32::to_string)));
        Ok(())
    }

    fn entries<T>(
        &self,
        key: &str,
        item: Item,
        what: &str,
        read: impl Fn(Value) -> Option<T>,
    ) -> Result<Vec<T>, BadInput> {
        let Value::List(items) = item.value else { return Err(self.bad(key, &format!("must be a list of {what}"))) };
        let each = |(i, item): (usize, Item)| {
            read(item.value).ok_or_else(|| self.bad(&format!("{key}.{i}"), &format!("must be a list of {what}")))
        };
        items.into_iter().enumerate().map(each).collect()
    }

    /// A table of its own: `[key]`.
    pub fn section(&mut self, key: &'static str, fields: impl FnOnce(&mut Form<'a>) -> Done) -> Done {
        let item = self.take(key);
        let table = self.table_of(key, item)?;
        let lines = self.child(join(&self.path, key), table, fields)?;
        if let (Mode::Write { below, .. }, Some((lines, under))) = (&mut self.mode, lines) {
            if !lines.is_empty() {
                below.push_str(&format!("\n[{}]\n", join(&self.path, key)));
                lines.iter().for_each(|l| below.push_str(&format!("{l}\n")));
            }
            below.push_str(&under);
        }
        Ok(())
    }

    /// A table in one line: `key = { … }`.
    pub fn inline(&mut self, key: &'static str, fields: impl FnOnce(&mut Form<'a>) -> Done) -> Done {
        let item = self.take(key);
        let table = self.table_of(key, item)?;
        if let Some((lines, _)) = self.child(join(&self.path, key), table, fields)? {
            self.put(key, format!("{{ {} }}", lines.join(", ")));
        }
        Ok(())
    }

    /// Many tables: `[[key]]`; `blank` is what an entry is read into.
    pub fn list<T: Clone>(
        &mut self,
        key: &'static str,
        value: &mut Vec<T>,
        blank: &T,
        fields: impl Fn(&mut T, &mut Form<'a>) -> Done,
    ) -> Done {
        if let Some(item) = self.take(key) {
            let Value::List(items) = item.value else {
                return Err(self.bad(key, &format!("must be [[{key}]] tables")));
            };
            value.clear();
            for (i, item) in items.into_iter().enumerate() {
                let path = format!("{key}.{i}");
                let table = self.table_of(&path, Some(item))?;
                let mut entry = blank.clone();
                self.child(join(&self.path, &path), table, |form| fields(&mut entry, form))?;
                value.push(entry);
            }
        } else if !self.is_reading() {
            for entry in value.iter_mut() {
                let written = self.child(join(&self.path, key), Table::new(), |form| fields(entry, form))?;
                if let (Mode::Write { below, .. }, Some((lines, _))) = (&mut self.mode, written) {
                    below.push_str(&format!("\n[[{}]]\n", join(&self.path, key)));
                    lines.iter().for_each(|l| below.push_str(&format!("{l}\n")));
                }
            }
        }
        Ok(())
    }

    fn table_of(&self, key: &str, item: Option<Item>) -> Result<Table, BadInput> {
        match item.map(|i| i.value) {
            None => Ok(Table::new()),
            Some(Value::Table(table)) => Ok(table),
            Some(_) => Err(self.bad(key, "must be a table")),
        }
    }

    /// Walks a table under this one; when writing, returns its lines and what stands below them.
    fn child(
        &self,
        path: String,
        table: Table,
        fields: impl FnOnce(&mut Form<'a>) -> Done,
    ) -> Result<Option<(Vec<String>, String)>, BadInput> {
        let mode = match self.mode {
            Mode::Read(_) => Mode::Read(table),
            Mode::Write { .. } => Mode::Write { lines: Vec::new(), below: String::new() },
        };
        let mut form = Form { path, origins: self.origins, mode, known: Vec::new() };
        fields(&mut form)?;
        match form.mode {
            Mode::Write { lines, below } => Ok(Some((lines, below))),
            Mode::Read(_) => form.refuse_unknown().map(|()| None),
        }
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Whole(n) => Some(*n as f64),
        Value::Float(f) => Some(*f),
        _ => None,
    }
}

fn words<T: Words>() -> impl Iterator<Item = &'static str> {
    T::WORDS.iter().map(|(w, _)| *w)
}
