//! An HdrHistogram interval log: lines `start,length,max,histogram`, the histogram in base 64 as V2, deflated or not.
//! All intervals are added up.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::interval_log::{IntervalLogHistogram, IntervalLogIterator, LogEntry};
use hdrhistogram::serialization::{DeserializeError, Deserializer};

use super::super::bad_input::BadInput;
use super::super::form::{File, Words};
use super::super::spelling::thousands;
use super::{Bin, LATENCY_MS_MAX, Unit};

/// What the first four bytes of an encoded histogram say of its version, but for the second last hexadecimal digit: that
/// is how wide a count is.
const COOKIES: [(u32, &str); 4] =
    [(0x1c84_9308, "V0"), (0x1c84_9309, "V0, deflated"), (0x1c84_9301, "V1"), (0x1c84_9302, "V1, deflated")];
const COUNT_WIDTH: u32 = 0xf0;
/// Likewise of the version that is read. Behind it stands the length of what follows.
const V2_DEFLATED: u32 = 0x1c84_9304;

/// The values, sorted.
pub(super) fn read(file: &File, unit: Unit, tag: &str) -> Result<Vec<Bin>, BadInput> {
    let mut log = Log { of: None, tags: Vec::new() };
    // Line by line, so that each knows its number; the parser wants a line feed behind the last one, too.
    for (number, line) in (1..).zip(file.bytes.split(|byte| *byte == b'\n')).filter(|(_, line)| !line.is_empty()) {
        let line = [line, b"\n"].concat();
        for entry in IntervalLogIterator::new(&line) {
            let read = match entry {
                Ok(LogEntry::Interval(interval)) => log.add(&interval, tag),
                Ok(LogEntry::StartTime(_) | LogEntry::BaseTime(_)) => Ok(()),
                Err(_) => Err("must be start,length,max,histogram, a line of an HdrHistogram interval log".to_owned()),
            };
            read.map_err(|why| BadInput::new(format!("{}:{number}: {why}", file.shown)))?;
        }
    }
    let tags = || log.tags.iter().map(|tag| format!("\"{tag}\"")).collect::<Vec<_>>().join(", ");
    let missing = |right: &str| BadInput::new(format!("{}: {right}", file.shown));
    if tag.is_empty() && log.tags.len() > 1 {
        return Err(missing(&format!("its lines have the tags {}: must be one of them, said by tag = \"…\"", tags())));
    }
    if !tag.is_empty() && !log.tags.iter().any(|known| known == tag) {
        return Err(missing(&format!("no line has the tag \"{tag}\": must be one of those it has, {}", tags())));
    }
    let Some(all) = log.of else { return Ok(Vec::new()) };
    let unit_ns = unit.ns();
    if all.max() > unit.max() {
        let (unit, ms) = (unit.word(), thousands(LATENCY_MS_MAX.into()));
        let right =
            format!("its longest is {} {unit}: must be at most {ms} ms; is unit = \"{unit}\" right?", all.max());
        return Err(missing(&right));
    }
    let bin = |value: u64, count: u64| {
        let low = all.lowest_equivalent(value).max(all.min());
        Bin { low: low * unit_ns, high: all.highest_equivalent(value).min(all.max()) * unit_ns, count }
    };
    Ok(all.iter_recorded().map(|step| bin(step.value_iterated_to(), step.count_at_value())).collect())
}

/// What was read so far.
struct Log {
    /// All intervals together.
    of: Option<Histogram<u64>>,
    /// Each tag once, `""` for none.
    tags: Vec<String>,
}

impl Log {
    /// Adds the histogram of one line, if it has the tag that is wanted; an error says what is wrong with it.
    fn add(&mut self, interval: &IntervalLogHistogram<'_>, wanted: &str) -> Result<(), String> {
        let own = interval.tag().map_or("", |tag| tag.as_str());
        if !self.tags.iter().any(|known| known == own) {
            self.tags.push(own.to_owned());
        }
        if !wanted.is_empty() && wanted != own {
            return Ok(());
        }
        let one = histogram(interval.encoded_histogram())?;
        match &mut self.of {
            None => {
                self.of.insert(one).auto(true);
                Ok(())
            }
            Some(all) => all.add(&one).map_err(|e| format!("cannot be added to the lines before it: {e}")),
        }
    }
}

/// A histogram of its base 64.
fn histogram(text: &str) -> Result<Histogram<u64>, String> {
    let cut = || "the histogram is cut: must be the whole line that was written".to_owned();
    let bytes = STANDARD.decode(text.trim()).map_err(|_| cut())?;
    // The reader would not miss the checksum.
    let deflated = bytes.first_chunk().is_some_and(|four| u32::from_be_bytes(*four) & !COUNT_WIDTH == V2_DEFLATED);
    let length = bytes.get(4..8).and_then(|four| four.first_chunk()).map(|four| u32::from_be_bytes(*four) as usize);
    if deflated && length.is_none_or(|length| bytes.len() < 8 + length) {
        return Err(cut());
    }
    Deserializer::new().deserialize(&mut bytes.as_slice()).map_err(|e| match e {
        DeserializeError::IoError(_) => cut(),
        DeserializeError::InvalidCookie => format!("{}: must be V2, deflated or not", version(&bytes)),
        other => format!("no histogram that can be read ({other}): must be V2, deflated or not"),
    })
}

/// What a histogram that is not V2 calls itself.
fn version(bytes: &[u8]) -> String {
    let cookie = bytes.first_chunk().map(|four| u32::from_be_bytes(*four)).unwrap_or_default();
    let known = COOKIES.iter().find(|(known, _)| *known == cookie & !COUNT_WIDTH);
    known.map_or_else(|| "not an HdrHistogram".to_owned(), |(_, name)| format!("a histogram of version {name}"))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
    use hdrhistogram::serialization::{Serializer, V2DeflateSerializer, V2Serializer};

    use super::*;

    const MS: u64 = 1_000_000;

    fn histogram(values: &[u64]) -> Histogram<u64> {
        let mut histogram = Histogram::new(3).unwrap();
        values.iter().for_each(|value| histogram.record(*value).unwrap());
        histogram
    }

    /// A log as the crate writes it, a line for each histogram.
    fn log(serializer: &mut impl Serializer, lines: &[(&str, &[u64])]) -> String {
        let mut log = Vec::new();
        let mut builder = IntervalLogWriterBuilder::new();
        builder.add_comment("what a comment says is nobody's business").with_start_time(SystemTime::UNIX_EPOCH);
        let mut writer = builder.begin_log_with(&mut log, serializer).unwrap();
        for (second, (tag, values)) in (0..).zip(lines) {
            let (start, length) = (Duration::from_secs(second), Duration::from_secs(1));
            let tag = (!tag.is_empty()).then(|| Tag::new(tag).unwrap());
            writer.write_histogram(&histogram(values), start, length, tag).unwrap();
        }
        String::from_utf8(log).unwrap()
    }

    fn deflated(lines: &[(&str, &[u64])]) -> String {
        log(&mut V2DeflateSerializer::new(), lines)
    }

    fn parse(text: &str, tag: &str) -> Result<Vec<Bin>, BadInput> {
        read(&File { shown: "kv.hlog".into(), bytes: text.into() }, Unit::Us, tag)
    }

    fn refused(text: &str, tag: &str) -> String {
        parse(text, tag).unwrap_err().to_string()
    }

    fn bin(us: u64, count: u64) -> Bin {
        Bin { low: us * 1_000, high: us * 1_000, count }
    }

    /// Three digits tell every whole number below 2,048 apart; 1,000,000 and up to 511 more are one to them.
    #[test]
    fn intervals_are_added_up_whether_deflated_or_not() {
        let lines = [("", &[300, 500][..]), ("", &[500, 1_000_000])];
        let bins = [bin(300, 1), bin(500, 2), Bin { low: 999_936 * 1_000, high: 1_000_447 * 1_000, count: 1 }];
        assert_eq!(parse(&deflated(&lines), "").unwrap(), bins);
        assert_eq!(parse(&log(&mut V2Serializer::new(), &lines), "").unwrap(), bins);
        assert_eq!(parse(deflated(&lines).trim_end(), "").unwrap(), bins, "no line feed at the end");
        assert_eq!(parse(&deflated(&lines).replace('\n', "\r\n"), "").unwrap(), bins);
    }

    #[test]
    fn one_of_several_tags_must_be_chosen() {
        let two = deflated(&[("get", &[300]), ("set", &[500])]);
        assert_eq!(parse(&two, "set").unwrap(), [bin(500, 1)]);
        let right = "its lines have the tags \"get\", \"set\": must be one of them, said by tag = \"…\"";
        assert_eq!(refused(&two, ""), format!("kv.hlog: {right}"));
        let right = "no line has the tag \"del\": must be one of those it has, \"get\", \"set\"";
        assert_eq!(refused(&two, "del"), format!("kv.hlog: {right}"));
        assert_eq!(parse(&deflated(&[("get", &[300])]), "").unwrap(), [bin(300, 1)]);
    }

    #[test]
    fn a_cut_log_is_named_with_its_line() {
        let whole = deflated(&[("", &[300, 500, 80_000]), ("", &[300, 500, 80_000])]);
        let lines = whole.lines().count();
        let at = |from_end: usize| refused(&whole[..whole.len() - from_end], "");
        let cut = format!("kv.hlog:{lines}: the histogram is cut: must be the whole line that was written");
        // A line feed and so many characters of base 64: whole groups of four, or not.
        assert_eq!([at(5), at(6), at(21)], [cut.as_str(); 3]);
        let last = whole.lines().last().unwrap();
        let line = "must be start,length,max,histogram, a line of an HdrHistogram interval log";
        assert_eq!(at(last.len() - 4), format!("kv.hlog:{lines}: {line}"));
        assert_eq!(refused("Value Percentile TotalCount\n", ""), format!("kv.hlog:1: {line}"));
    }

    #[test]
    fn a_histogram_of_another_version_is_called_by_it() {
        for (cookie, name) in [
            (0x1c84_9301_u32, "a histogram of version V1"),
            (0x1c84_9312, "a histogram of version V1, deflated"),
            (0x1c84_9308, "a histogram of version V0"),
            (0x1c84_9309, "a histogram of version V0, deflated"),
            (0x4849_5354, "not an HdrHistogram"),
        ] {
            let text = STANDARD.encode([&cookie.to_be_bytes()[..], &[0; 40]].concat());
            let line = format!("#[a comment\n0.0,1.0,0.5,{text}\n");
            assert_eq!(refused(&line, ""), format!("kv.hlog:2: {name}: must be V2, deflated or not"));
        }
    }

    /// 700 s in microseconds; of nanoseconds they would be 0.7 s.
    #[test]
    fn what_lasts_for_ever_was_measured_in_another_unit() {
        let right = "must be at most 600,000 ms; is unit = \"us\" right?";
        let said = refused(&deflated(&[("", &[700 * MS])]), "");
        assert!(said.starts_with("kv.hlog: its longest is 700") && said.ends_with(right), "{said}");
    }
}
