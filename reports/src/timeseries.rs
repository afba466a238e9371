//! `timeseries.csv`: one row a virtual second, a column for each series of the outcome.

use headcount_workloads::outcome::{Outcome, Series};

use crate::table;

/// The file's text: a header `second,<series>…`, then a row for each virtual second from 0.
///
/// A field is empty where the series has nothing to say (NaN, an infinity, or past its end); numbers are the shortest
/// that read back as the same `f64`, so no digit is lost and none is invented.
pub fn csv_text(outcome: &Outcome) -> String {
    csv_of(&outcome.series)
}

/// The same of any series.
pub fn csv_of(all: &[Series]) -> String {
    let head = std::iter::once("second").chain(all.iter().map(|series| series.name.as_str()));
    let seconds = all.iter().map(|series| series.values.len()).max().unwrap_or(0);
    let row = |second: usize| {
        let values = all.iter().map(move |series| field(series.values.get(second).copied()));
        std::iter::once(second.to_string()).chain(values)
    };
    table::csv_text(head, (0..seconds).map(row))
}

fn field(value: Option<f64>) -> String {
    match value {
        // Minus zero prints as `-0`: the same number, and a riddle to its reader.
        Some(0.0) => "0".to_string(),
        Some(value) if value.is_finite() => value.to_string(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use headcount_workloads::outcome::Series;

    #[test]
    fn a_row_a_second_and_a_column_a_series() {
        let outcome = fixture::outcome();
        let text = csv_text(&outcome);
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        assert_eq!(reader.headers().unwrap().len(), outcome.series.len() + 1);
        let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.unwrap()).collect();
        assert_eq!(rows.len(), fixture::SECONDS);
        for (second, row) in rows.iter().enumerate() {
            assert_eq!(row[0], second.to_string());
            for (column, series) in outcome.series.iter().enumerate() {
                // Every number reads back as the very same bits, and nothing stands where there was nothing.
                let value = series.values[second];
                match row[column + 1].parse::<f64>() {
                    Ok(read) => assert_eq!(read, value),
                    Err(_) => assert!(row[column + 1].is_empty() && value.is_nan()),
                }
            }
        }
    }

    #[test]
    fn what_is_no_number_is_an_empty_field() {
        let mut outcome = fixture::outcome();
        let values = vec![1.0, f64::NAN, 0.1, f64::INFINITY, -0.0];
        let short = Series { name: "short".into(), unit: "1", group: "x", values: vec![7.25] };
        outcome.series = vec![Series { name: "long".into(), unit: "1", group: "x", values }, short];
        assert_eq!(csv_text(&outcome), "second,long,short\n0,1,7.25\n1,,\n2,0.1,\n3,,\n4,0,\n");
    }

    #[test]
    fn no_series_is_a_header_alone() {
        let mut outcome = fixture::outcome();
        outcome.series.clear();
        assert_eq!(csv_text(&outcome), "second\n");
    }
}
