//! A CSV of arrivals per second that a user brings: header `second,arrivals`, a row for each second from 0.

use super::bad_input::BadInput;
use super::crowd::USERS_MAX;
use super::form::File;

/// Arrivals by second.
pub(super) fn read(file: &File) -> Result<Vec<u32>, BadInput> {
    let bad = |line: u64, what: &str, right: &str| file.bad(line, what, right);
    let mut reader = file.csv();
    let header = reader.headers().map_err(|e| bad(1, "header", &e.to_string()))?;
    if header.iter().ne(["second", "arrivals"]) {
        return Err(bad(1, "header", "must be second,arrivals"));
    }
    let mut counts: Vec<u32> = Vec::new();
    for row in file.rows(reader) {
        let (line, row) = row?;
        if row.len() != 2 {
            return Err(bad(line, &format!("{} columns", row.len()), "must be two, second,arrivals"));
        }
        let (second, arrivals) = (&row[0], &row[1]);
        let wanted = counts.len();
        if second.parse() != Ok(wanted) {
            let right = match wanted {
                0 => "must be 0, the second at from_s".to_string(),
                _ => format!("must be {wanted}, one row for each second without a gap (0 arrivals for a quiet one)"),
            };
            return Err(bad(line, &format!("second = {second}"), &right));
        }
        match arrivals.parse::<u32>() {
            Ok(n) if n <= USERS_MAX => counts.push(n),
            _ => return Err(bad(line, &format!("arrivals = {arrivals}"), "must be a whole number, 0 to 5,000,000")),
        }
    }
    if counts.is_empty() {
        return Err(bad(2, "no data", "must have a row for each second, from 0"));
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<u32>, BadInput> {
        read(&File { shown: "load.csv".into(), bytes: text.into() })
    }

    fn line(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn a_row_for_each_second_is_read() {
        assert_eq!(parse("second,arrivals\n0,10\n1, 0\n2,7\n").unwrap(), [10, 0, 7]);
    }

    #[test]
    fn what_is_wrong_is_named_with_file_line_and_column() {
        let gap =
            "load.csv:4: second = 3: must be 2, one row for each second without a gap (0 arrivals for a quiet one)";
        assert_eq!(line("second,arrivals\n0,1\n1,1\n3,1\n"), gap);
        assert_eq!(
            line("second,arrivals\n0,many\n"),
            "load.csv:2: arrivals = many: must be a whole number, 0 to 5,000,000"
        );
        assert_eq!(
            line("second,arrivals\n0,1\n1,-4\n"),
            "load.csv:3: arrivals = -4: must be a whole number, 0 to 5,000,000"
        );
        assert_eq!(line("second,arrivals\n5,1\n"), "load.csv:2: second = 5: must be 0, the second at from_s");
        assert_eq!(line("second,arrivals\n0,1,2\n"), "load.csv:2: 3 columns: must be two, second,arrivals");
        assert_eq!(line("second,arrivals\n"), "load.csv:2: no data: must have a row for each second, from 0");
        assert_eq!(line("0,1\n1,2\n"), "load.csv:1: header: must be second,arrivals");
        assert_eq!(line(""), "load.csv:1: header: must be second,arrivals");
    }
}
