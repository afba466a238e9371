//! Latencies that a user measured, as quantiles: from an HdrHistogram interval log or a CSV.

mod histogram_log;
mod latency_csv;
mod quantiles;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use headcount_engine::contract::Nanos;

use super::bad_input::BadInput;
use super::form::{Form, Words};
use super::spelling::thousands;

/// A distribution by its quantiles.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Quantiles {
    /// What it was measured on: `kv.hlog, 12,000 values`. Empty: nothing, somebody wrote the quantiles down.
    pub source: String,
    /// `(probability, ns)` from probability 0 to 1, neither falling, straight between two of them; the two of a jump share a
    /// probability.
    pub points: Arc<[(f64, Nanos)]>,
}

/// The longest latency that a file may have [ms]. What is longer is nearly always in another unit than was said.
pub(super) const LATENCY_MS_MAX: u32 = 600_000;

/// What the numbers of a file count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Ns,
    Us,
    Ms,
    S,
}

impl Words for Unit {
    const WORDS: &'static [(&'static str, Self)] =
        &[("ns", Self::Ns), ("us", Self::Us), ("ms", Self::Ms), ("s", Self::S)];
}

impl Unit {
    fn ns(self) -> u64 {
        match self {
            Self::Ns => 1,
            Self::Us => 1_000,
            Self::Ms => 1_000_000,
            Self::S => 1_000_000_000,
        }
    }

    /// The most that a latency may be, in this unit.
    fn max(self) -> u64 {
        u64::from(LATENCY_MS_MAX) * Self::Ms.ns() / self.ns()
    }
}

/// Values of a file that are anywhere in a range [ns], and how many they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Bin {
    low: Nanos,
    high: Nanos,
    count: u64,
}

impl Quantiles {
    /// The file that the keys `path`, `unit` and `tag` name: a CSV if it is called so, else an HdrHistogram log.
    pub(super) fn of_file(form: &mut Form<'_>) -> Result<Self, BadInput> {
        let file = form.file("path", "an HdrHistogram interval log or a CSV of latencies (*.csv)")?;
        let name = Path::new(&file.shown).file_name().unwrap_or_default().to_string_lossy();
        // It is to be read back from one line.
        let name = name.replace(char::is_control, " ");
        let bins = if name.to_lowercase().ends_with(".csv") {
            if let Some(key) = ["unit", "tag"].into_iter().find(|key| form.has(key)) {
                return Err(form.bad(
                    key,
                    "must stand beside an HdrHistogram log; the unit of a CSV is in its header, latency_ms",
                ));
            }
            latency_csv::read(&file)?
        } else {
            form.need(&[(
                "unit",
                "what the log counts, \"ns\", \"us\", \"ms\" or \"s\": a histogram has numbers without unit",
            )])?;
            let mut unit = Unit::Us;
            form.word("unit", &mut unit)?;
            let mut tag = String::new();
            form.text("tag", &mut tag, "a tag of the log's lines", |tag| !tag.is_empty())?;
            histogram_log::read(&file, unit, &tag)?
        };
        Self::of_bins(&name, &bins).map_err(|why| BadInput::new(format!("{}: {why}", file.shown)))
    }

    fn of_bins(name: &str, bins: &[Bin]) -> Result<Self, &'static str> {
        let count: u64 = bins.iter().map(|bin| bin.count).sum();
        match bins.last() {
            Some(longest) if count > 0 && longest.high > 0 => {
                let source = format!("{name}, {} value{}", thousands(count.into()), if count == 1 { "" } else { "s" });
                Ok(Self { source, points: quantiles::of(bins).into() })
            }
            Some(_) if count > 0 => Err("every latency is 0: must have one above 0"),
            _ => Err("no latencies: must have at least one"),
        }
    }

    /// Every duration so many times as long.
    pub(super) fn stretched(&self, times: f64) -> Self {
        let stretch = |&(p, ns): &(f64, Nanos)| (p, (ns as f64 * times) as Nanos);
        Self { source: self.source.clone(), points: self.points.iter().map(stretch).collect() }
    }
}
