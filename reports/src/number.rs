//! Numbers as people read them. For people only: files for programs carry the shortest exact form.

/// `1234567` as `1,234,567`.
pub fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Three significant digits without trailing zeros: `0.0123`, `1.5`, `412`, `12,300`; `–` for what is no number.
pub fn three_digits(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_string();
    }
    let magnitude = value.abs();
    let decimals = match magnitude {
        m if m >= 99.95 => 0,
        m if m >= 9.995 => 1,
        m if m >= 0.9995 => 2,
        m if m >= 0.09995 => 3,
        m if m >= 0.009995 => 4,
        _ => 5,
    };
    if decimals == 0 {
        let sign = if value < 0.0 { "-" } else { "" };
        return format!("{sign}{}", grouped(magnitude.round() as u64));
    }
    let text = format!("{value:.decimals$}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_string() } else { text.to_string() }
}

/// A duration given in milliseconds, in the unit that fits: `49.9 µs`, `0.42 ms`, `87.3 ms`, `1.24 s`, `2 min 5 s`.
pub fn duration_ms(ms: f64) -> String {
    if !ms.is_finite() {
        "–".to_string()
    } else if ms > 0.0 && ms < 0.001 {
        "< 1 µs".to_string()
    } else if ms > 0.0 && ms < 0.0995 {
        format!("{} µs", three_digits(ms * 1000.0))
    } else if ms < 999.5 {
        format!("{} ms", three_digits(ms))
    } else if ms < 119_500.0 {
        format!("{} s", three_digits(ms / 1000.0))
    } else {
        let whole_s = (ms / 1000.0).round() as u64;
        let (hours, minutes, seconds) = (whole_s / 3600, whole_s / 60 % 60, whole_s % 60);
        let parts = [(hours, "h"), (minutes, "min"), (seconds, "s")];
        let words: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n} {unit}")).collect();
        words.join(" ")
    }
}

/// The same of seconds.
pub fn duration_s(seconds: f64) -> String {
    duration_ms(seconds * 1000.0)
}

/// A size with a binary prefix: `1.43 GiB`.
pub fn bytes(value: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut scaled = value as f64;
    let mut unit = 0;
    while scaled >= 1024.0 && unit + 1 < units.len() {
        scaled /= 1024.0;
        unit += 1;
    }
    format!("{} {}", three_digits(scaled), units[unit])
}

/// A share as whole percent: `75 %`.
pub fn whole_percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// A ratio as a percentage with one decimal: `0.4567` as `45.7 %`.
pub fn percent(ratio: f64) -> String {
    if ratio.is_finite() { format!("{:.1} %", ratio * 100.0) } else { "–".to_string() }
}

/// A metric's value as exactly as six digits say it, with its unit: `500.04 ms`, `12,345`, `0.715`. What is held against
/// a limit must not be rounded onto it.
pub fn six_digits(value: f64, unit: &str) -> String {
    let number = digits(value, 6);
    if ["ms", "s"].contains(&unit) { format!("{number} {unit}") } else { number }
}

/// So many significant digits, without trailing zeros; what is whole is written whole.
pub fn digits(value: f64, count: i32) -> String {
    if !value.is_finite() {
        return "–".to_string();
    }
    let magnitude = value.abs();
    let decimals = if magnitude.fract() == 0.0 {
        0
    } else {
        (count - 1 - libm::floor(libm::log10(magnitude)) as i32).clamp(0, 15)
    };
    let text = format!("{magnitude:.*}", decimals as usize);
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let whole = whole.parse().map_or_else(|_| whole.to_string(), grouped);
    let fraction = fraction.trim_end_matches('0');
    let text = if fraction.is_empty() { whole } else { format!("{whole}.{fraction}") };
    if value < 0.0 && text != "0" { format!("-{text}") } else { text }
}

/// `1 seed`, `2 seeds`.
pub fn count_of(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(count), if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        let cases = [(0, "0"), (999, "999"), (1_000, "1,000"), (500_000, "500,000"), (1_234_567, "1,234,567")];
        for (value, text) in cases {
            assert_eq!(grouped(value), text);
        }
        assert_eq!(grouped(u64::MAX), "18,446,744,073,709,551,615");
    }

    #[test]
    fn three_digits_never_grow_to_four() {
        // 9.996 rounds to 10.00 with two decimals, so it is shown with one.
        let cases =
            [(9.996, "10"), (99.96, "100"), (0.01234, "0.0123"), (1.5, "1.5"), (12_345.6, "12,346"), (-2.5, "-2.5")];
        for (value, text) in cases {
            assert_eq!(three_digits(value), text);
        }
        assert_eq!(three_digits(-0.000_000_1), "0");
        assert_eq!(three_digits(f64::NAN), "–");
    }

    #[test]
    fn six_digits_do_not_hide_what_is_just_beyond_a_limit() {
        let cases =
            [(500.04, "ms", "500.04 ms"), (12_345.0, "", "12,345"), (0.715, "ratio", "0.715"), (0.0, "s", "0 s")];
        for (value, unit, text) in cases {
            assert_eq!(six_digits(value, unit), text);
        }
        // One third has no end; 1,234,567.5 has seven digits before the point.
        assert_eq!((six_digits(1.0 / 3.0, ""), six_digits(1_234_567.5, "")), ("0.333333".into(), "1,234,568".into()));
        assert_eq!((six_digits(f64::NAN, "ms"), six_digits(-3.0, "each")), ("– ms".into(), "-3".into()));
    }

    #[test]
    fn small_numbers_keep_their_digits_and_nought_has_no_sign() {
        let cases =
            [(0.000_006_123_45, "0.000006123"), (-0.000_5, "-0.0005"), (1_002.39, "1,002"), (-0.0, "0"), (0.0, "0")];
        for (value, text) in cases {
            assert_eq!(digits(value, 4), text);
        }
    }

    #[test]
    fn durations_choose_their_unit() {
        let cases = [(0.42, "0.42 ms"), (999.4, "999 ms"), (1_240.0, "1.24 s"), (125_000.0, "2 min 5 s")];
        for (ms, text) in cases {
            assert_eq!(duration_ms(ms), text);
        }
        assert_eq!(duration_ms(3_600_000.0), "1 h");
        assert_eq!((duration_ms(0.000_14), duration_ms(0.049_9)), ("< 1 µs".into(), "49.9 µs".into()));
        assert_eq!(duration_ms(0.0), "0 ms");
    }

    #[test]
    fn sizes_are_binary() {
        // 1.5 GiB = 1.5 * 2^30 = 1,610,612,736.
        assert_eq!(bytes(1_610_612_736), "1.5 GiB");
        assert_eq!(bytes(12), "12 B");
    }
}
