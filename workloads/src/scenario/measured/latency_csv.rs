//! A CSV of latencies: header `latency_ms` and one in each row, or `value_ms,count` and how often each came. For `_ms` also
//! `_ns`, `_us` or `_s`.

use super::super::bad_input::BadInput;
use super::super::form::{File, Words};
use super::super::spelling::thousands;
use super::{Bin, Unit};

const HEADER: &str = "must be latency_ms, a latency in each row, or value_ms,count, a latency and how often it came; for _ms \
                      also _ns, _us or _s";
/// The most that one row may count.
const COUNT_MAX: u64 = 1_000_000_000_000;

/// The latencies, sorted.
pub(super) fn read(file: &File) -> Result<Vec<Bin>, BadInput> {
    let bad = |line: u64, what: &str, right: &str| file.bad(line, what, right);
    let mut reader = file.csv();
    let header = reader.headers().map_err(|e| bad(1, "header", &e.to_string()))?.clone();
    let names: Vec<&str> = header.iter().collect();
    let shown = format!("header {}", names.join(","));
    let (name, unit) = match names[..] {
        [name] if unit_of(name, "latency").is_some() => (name, unit_of(name, "latency")),
        [name, "count"] if unit_of(name, "value").is_some() => (name, unit_of(name, "value")),
        [name] if unit_of(name, "value").is_some() => {
            return Err(bad(1, &shown, &format!("must be two columns, {name},count")));
        }
        ["latency"] | ["value", "count"] => return Err(bad(1, &shown, &format!("names no unit: {HEADER}"))),
        _ => return Err(bad(1, &shown, HEADER)),
    };
    let unit = unit.expect("the header was matched by its unit");
    let mut bins = Vec::new();
    for row in file.rows(reader) {
        let (line, row) = row?;
        if row.len() != names.len() {
            let right = format!("must be as many as the header has, {}", names.join(","));
            return Err(bad(line, &format!("{} column{}", row.len(), if row.len() == 1 { "" } else { "s" }), &right));
        }
        let value = row[0].parse::<f64>().ok().filter(|value| (0.0..=unit.max() as f64).contains(value));
        let right = || format!("must be a number, 0 to {}", thousands(unit.max().into()));
        let value = value.ok_or_else(|| bad(line, &format!("{name} = {}", &row[0]), &right()))?;
        let count = row.get(1).map_or(Ok(1), str::parse::<u64>).ok().filter(|count| *count <= COUNT_MAX);
        let right = || format!("must be a whole number, 0 to {}", thousands(COUNT_MAX.into()));
        let count = count.ok_or_else(|| bad(line, &format!("count = {}", &row[1]), &right()))?;
        let ns = (value * unit.ns() as f64).round() as u64;
        bins.push(Bin { low: ns, high: ns, count });
    }
    bins.sort_unstable();
    bins.dedup_by(|next, kept| {
        let same = next.low == kept.low;
        if same {
            kept.count += next.count;
        }
        same
    });
    Ok(bins)
}

/// The unit of the column `stem`.
fn unit_of(name: &str, stem: &str) -> Option<Unit> {
    let word = name.strip_prefix(stem)?.strip_prefix('_')?;
    Unit::WORDS.iter().find(|(unit, _)| *unit == word).map(|(_, unit)| *unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<Bin>, BadInput> {
        read(&File { shown: "kv.csv".into(), bytes: text.into() })
    }

    fn refused(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    fn bin(ns: u64, count: u64) -> Bin {
        Bin { low: ns, high: ns, count }
    }

    #[test]
    fn a_latency_in_each_row_or_with_its_count() {
        let rows = [bin(500_000, 1), bin(1_250_000, 2)];
        assert_eq!(parse("latency_ms\n1.25\n0.5\n1.25\n").unwrap(), rows);
        assert_eq!(parse("value_us,count\n1250,2\n500, 1\n").unwrap(), rows);
        assert_eq!(parse("latency_s\n2e-3\n").unwrap(), [bin(2_000_000, 1)]);
        assert_eq!(parse("latency_ns\r\n7\r\n").unwrap(), [bin(7, 1)]);
    }

    #[test]
    fn a_header_that_says_too_little_is_answered_with_what_is_missing() {
        assert_eq!(refused("value_ms\n1\n"), "kv.csv:1: header value_ms: must be two columns, value_ms,count");
        assert_eq!(refused("latency\n1\n"), format!("kv.csv:1: header latency: names no unit: {HEADER}"));
        assert_eq!(refused("value,count\n1,2\n"), format!("kv.csv:1: header value,count: names no unit: {HEADER}"));
        for header in ["1.25", "latency_min", "a,b", "count,value_ms", "latency_ms,count"] {
            assert_eq!(refused(&format!("{header}\n1\n")), format!("kv.csv:1: header {header}: {HEADER}"));
        }
        assert_eq!(refused(""), format!("kv.csv:1: header : {HEADER}"));
    }

    #[test]
    fn a_row_that_is_no_latency_is_named_with_its_line() {
        let number = "must be a number, 0 to 600,000";
        assert_eq!(refused("latency_ms\n1\nfast\n"), format!("kv.csv:3: latency_ms = fast: {number}"));
        assert_eq!(refused("latency_ms\n-1\n"), format!("kv.csv:2: latency_ms = -1: {number}"));
        assert_eq!(refused("latency_ms\nNaN\n"), format!("kv.csv:2: latency_ms = NaN: {number}"));
        assert_eq!(refused("latency_s\n601\n"), "kv.csv:2: latency_s = 601: must be a number, 0 to 600");
        assert_eq!(
            refused("value_ms,count\n1,2\n3\n"),
            "kv.csv:3: 1 column: must be as many as the header has, value_ms,count"
        );
        assert_eq!(refused("latency_ms\n1,2\n"), "kv.csv:2: 2 columns: must be as many as the header has, latency_ms");
        assert_eq!(
            refused("value_ms,count\n1,-2\n"),
            "kv.csv:2: count = -2: must be a whole number, 0 to 1,000,000,000,000"
        );
    }
}
