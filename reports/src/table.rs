//! Tables for other programs: CSV, always written the same way.

use std::fmt::Display;

/// A header and rows as CSV, a line feed after each; what needs quotes has them.
pub fn csv_text<Row, Field>(head: impl IntoIterator<Item: AsRef<[u8]>>, rows: impl IntoIterator<Item = Row>) -> String
where
    Row: IntoIterator<Item = Field>,
    Field: AsRef<[u8]>,
{
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::Any(b'\n')).from_writer(Vec::new());
    writer.write_record(head).expect("writing to memory");
    rows.into_iter().for_each(|row| writer.write_record(row).expect("writing to memory"));
    String::from_utf8(writer.into_inner().expect("flushing to memory")).expect("only text was written")
}

/// The fields of a row, each as it shows itself: numbers with all their digits.
pub fn row(fields: &[&dyn Display]) -> Vec<String> {
    fields.iter().map(ToString::to_string).collect()
}

/// A field, empty where there is nothing to say.
pub fn or_empty(value: Option<impl Display>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_comma_stands_in_quotes_and_what_is_nothing_is_empty() {
        let rows = [row(&[&"a, b", &0.1]), row(&[&or_empty(None::<f64>), &or_empty(Some(2))])];
        assert_eq!(csv_text(["what", "how much"], rows), "what,how much\n\"a, b\",0.1\n,2\n");
    }
}
