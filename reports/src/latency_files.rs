//! Latencies for other tools: `latency.csv`, and one HdrHistogram interval log for each latency.

use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::IntervalLogWriterBuilder;
use headcount_workloads::outcome::{Latency, Outcome};

use crate::table;

/// How many steps the percentile axis takes before each halving of the distance to 100 %: HdrHistogram's usual five.
const TICKS_PER_HALF_DISTANCE: u32 = 5;

/// Microseconds in a millisecond: histograms are in microseconds, files for people in milliseconds.
const US_PER_MS: f64 = 1000.0;

/// `latency.csv`: columns `latency,percentile,value_ms,count`, where `count` is how many values are at or below
/// `value_ms`; the last row of a latency is percentile 100, its maximum and its whole count. A latency that was never
/// recorded has no rows.
pub fn csv_text(outcome: &Outcome) -> String {
    let rows = outcome.latencies.iter().flat_map(|latency| {
        let points = percentile_points(&latency.histogram).into_iter();
        points.map(|point| table::row(&[&latency.name, &point.percentile, &point.value_ms, &point.count]))
    });
    table::csv_text(["latency", "percentile", "value_ms", "count"], rows)
}

/// A point of the percentile axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PercentilePoint {
    /// 0 to 100.
    pub percentile: f64,
    pub value_ms: f64,
    /// Values at or below `value_ms`.
    pub count: u64,
}

/// The histogram along HdrHistogram's percentile axis, denser towards 100; empty if nothing was recorded.
pub fn percentile_points(histogram: &Histogram<u64>) -> Vec<PercentilePoint> {
    let mut count = 0;
    let points = histogram.iter_quantiles(TICKS_PER_HALF_DISTANCE).map(|step| {
        count += step.count_since_last_iteration();
        PercentilePoint {
            percentile: step.quantile_iterated_to() * 100.0,
            value_ms: step.value_iterated_to().min(histogram.max()) as f64 / US_PER_MS,
            count,
        }
    });
    let points: Vec<PercentilePoint> = points.collect();
    if histogram.is_empty() { Vec::new() } else { points }
}

/// The value at `quantile` (0 to 1) in milliseconds; `None` if nothing was recorded.
pub fn quantile_ms(histogram: &Histogram<u64>, quantile: f64) -> Option<f64> {
    // The histogram answers with the upper end of a bucket, which can lie above the greatest value recorded.
    let value_us = histogram.value_at_quantile(quantile).min(histogram.max());
    (!histogram.is_empty()).then(|| value_us as f64 / US_PER_MS)
}

/// The name of a latency's log in the run folder.
pub fn log_name(latency: &Latency) -> String {
    format!("latency-{}.hlog", latency.name)
}

/// An HdrHistogram interval log (format 1.3; V2 histograms, deflated and in base 64, values in microseconds): a line
/// for each virtual second in which something was recorded. Time starts at the Unix epoch: virtual second 0 is 0.
pub fn interval_log(latency: &Latency) -> Vec<u8> {
    let mut log = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let mut builder = IntervalLogWriterBuilder::new();
    builder
        .add_comment(&format!("headcount: {}", latency.title.replace(['\r', '\n'], " ")))
        .add_comment("values in microseconds; the maximum column in milliseconds; virtual seconds from 0")
        .with_start_time(SystemTime::UNIX_EPOCH)
        .with_base_time(SystemTime::UNIX_EPOCH)
        .with_max_value_divisor(US_PER_MS);
    let mut writer = builder.begin_log_with(&mut log, &mut serializer).expect("writing to memory");
    for (second, histogram) in latency.by_second.iter().enumerate() {
        if let Some(histogram) = histogram {
            let start = Duration::from_secs(second as u64);
            writer.write_histogram(histogram, start, Duration::from_secs(1), None).expect("writing to memory");
        }
    }
    log
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    #[test]
    fn the_last_row_of_each_latency_is_its_maximum_and_whole_count() {
        let outcome = fixture::outcome();
        let text = csv_text(&outcome);
        let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
        assert_eq!(rows[0], ["latency", "percentile", "value_ms", "count"]);
        for latency in &outcome.latencies {
            let own: Vec<&Vec<&str>> = rows.iter().filter(|row| row[0] == latency.name).collect();
            let last = own.last().unwrap();
            assert_eq!(last[1], "100");
            assert_eq!(last[2].parse::<f64>().unwrap(), latency.histogram.max() as f64 / 1000.0);
            assert_eq!(last[3].parse::<u64>().unwrap(), latency.histogram.len());
            let counts: Vec<u64> = own.iter().map(|row| row[3].parse().unwrap()).collect();
            assert!(counts.is_sorted());
        }
    }

    #[test]
    fn a_latency_never_recorded_has_no_rows() {
        let mut outcome = fixture::outcome();
        outcome.latencies.truncate(1);
        outcome.latencies[0].histogram.reset();
        assert_eq!(csv_text(&outcome), "latency,percentile,value_ms,count\n");
        assert_eq!(quantile_ms(&outcome.latencies[0].histogram, 0.5), None);
    }

    #[test]
    fn the_log_reads_back_as_the_same_histograms() {
        let outcome = fixture::outcome();
        let latency = &outcome.latencies[0];
        let log = interval_log(latency);
        let mut deserializer = Deserializer::new();
        let mut sum = 0;
        for entry in IntervalLogIterator::new(&log) {
            if let LogEntry::Interval(interval) = entry.unwrap() {
                let second = interval.start_timestamp().as_secs() as usize;
                // The encoded histogram is base64 of the deflated V2 form; the crate's own reader takes the bytes.
                let bytes = base64_decode(interval.encoded_histogram());
                let read: Histogram<u64> = deserializer.deserialize(&mut bytes.as_slice()).unwrap();
                let written = latency.by_second[second].as_ref().unwrap();
                assert_eq!(read.len(), written.len());
                assert_eq!(read.value_at_quantile(0.99), written.value_at_quantile(0.99));
                sum += read.len();
            }
        }
        assert_eq!(sum, latency.histogram.len());
        assert!(String::from_utf8(log).unwrap().contains("#[StartTime: 0.000 "));
    }

    /// Base 64 with the usual alphabet: six bits a character, `=` ends it.
    fn base64_decode(text: &str) -> Vec<u8> {
        let (mut bits, mut count, mut out) = (0_u32, 0, Vec::new());
        for byte in text.bytes().take_while(|byte| *byte != b'=') {
            let value = match byte {
                b'A'..=b'Z' => byte - b'A',
                b'a'..=b'z' => byte - b'a' + 26,
                b'0'..=b'9' => byte - b'0' + 52,
                b'+' => 62,
                _ => 63,
            };
            (bits, count) = (bits << 6 | u32::from(value), count + 6);
            if count >= 8 {
                count -= 8;
                out.push((bits >> count) as u8);
                bits &= (1 << count) - 1;
            }
        }
        out
    }
}
