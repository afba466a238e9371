//! How values are spelled: numbers as people read them, decimals that are exact, texts and lists of TOML.

/// `[a, b]`.
pub(super) fn listed(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

/// `"a", "b" or "c"`.
pub(super) fn one_of<'s>(words: impl Iterator<Item = &'s str>) -> String {
    let mut quoted: Vec<String> = words.map(|w| format!("\"{w}\"")).collect();
    let last = quoted.pop().unwrap_or_default();
    if quoted.is_empty() { last } else { format!("{} or {last}", quoted.join(", ")) }
}

/// `5,000,000`.
pub(super) fn thousands(n: i128) -> String {
    let digits = n.unsigned_abs().to_string();
    let mut out = String::from(if n < 0 { "-" } else { "" });
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// An end of a range as errors say it: `0.001`, `1,000,000`.
pub(super) fn bound(value: f64) -> String {
    let is_whole = value.fract() == 0.0 && value.abs() < 1e15;
    if is_whole { thousands(value as i128) } else { value.to_string() }
}

/// `n` units of 10^-digits as an exact decimal: `1_500_000_000` with 9 digits is `1.5`.
pub(super) fn decimal(n: i64, digits: usize) -> String {
    let scale = 10u64.pow(digits as u32);
    let (sign, n) = (if n < 0 { "-" } else { "" }, n.unsigned_abs());
    let fraction = format!("{:0digits$}", n % scale);
    let fraction = fraction.trim_end_matches('0');
    format!("{sign}{}.{}", n / scale, if fraction.is_empty() { "0" } else { fraction })
}

/// A TOML basic string on one line.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::{decimal, quoted, thousands};

    #[test]
    fn decimals_are_exact_and_short() {
        assert_eq!(decimal(1_500_000_000, 9), "1.5");
        assert_eq!(decimal(0, 9), "0.0");
        assert_eq!(decimal(1, 9), "0.000000001");
        assert_eq!(decimal(-2_050_000, 6), "-2.05");
    }

    #[test]
    fn whole_numbers_are_grouped_by_three() {
        assert_eq!(thousands(5_000_000), "5,000,000");
        assert_eq!(thousands(32), "32");
        assert_eq!(thousands(-1_000), "-1,000");
    }

    #[test]
    fn strings_keep_their_quotes_and_stay_on_one_line() {
        assert_eq!(quoted("a\"b\\c\nd"), "\"a\\\"b\\\\c\\u000Ad\"");
    }
}
