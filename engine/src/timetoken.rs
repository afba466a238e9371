//! The platform's clock reading: 100 ns units since the Unix epoch, 17 digits (platform.md 2.4).

use std::fmt;

use crate::contract::Nanos;

/// Where the world's epoch (`Nanos` 0) lies: 2026-01-31T10:00:00Z in seconds since the Unix epoch, the date of the
/// documents' own examples.
pub const EPOCH_UNIX_S: u64 = 1_769_853_600;

/// A timetoken: 100 ns units since the Unix epoch. 0 asks for a handshake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timetoken(pub u64);

impl Timetoken {
    /// The handshake cursor.
    pub const ZERO: Self = Self(0);

    /// The timetoken of a moment of the world's clock.
    pub const fn at(now: Nanos) -> Self {
        Self(EPOCH_UNIX_S * 10_000_000 + now / 100)
    }

    /// The moment of the world's clock; 0 for anything before the epoch.
    pub const fn nanos(self) -> Nanos {
        self.0.saturating_sub(EPOCH_UNIX_S * 10_000_000) * 100
    }
}

impl fmt::Display for Timetoken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Milliseconds since the Unix epoch, as `Date.now()` shows them.
pub const fn unix_ms(now: Nanos) -> u64 {
    EPOCH_UNIX_S * 1_000 + now / 1_000_000
}

/// The moment of the world's clock; 0 for anything before its epoch.
pub const fn from_unix_ms(ms: u64) -> Nanos {
    ms.saturating_sub(EPOCH_UNIX_S * 1_000) * 1_000_000
}

/// `2026-01-31T10:05:23.150Z`: ISO 8601 in UTC with milliseconds.
///
/// The civil date is computed from days since 1970-01-01 with the usual 400-year eras.
pub fn iso8601(now: Nanos) -> String {
    let ms = unix_ms(now);
    let (secs, milli) = (ms / 1_000, ms % 1_000);
    let (days, second_of_day) = (secs / 86_400, secs % 86_400);
    // Days from 0000-03-01: an era is 146,097 days, a year of it starts in March, so that the leap day comes last.
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (h, m, s) = (second_of_day / 3_600, second_of_day / 60 % 60, second_of_day % 60);
    // Written digit by digit: this stands in every message, and `format!` costs three times as much.
    let mut out = Vec::with_capacity(24);
    let mut digits = |value: u64, width: u32, end: u8| {
        for place in (0..width).rev() {
            out.push(b'0' + (value / 10u64.pow(place) % 10) as u8);
        }
        out.push(end);
    };
    digits(year, 4, b'-');
    digits(month, 2, b'-');
    digits(day, 2, b'T');
    digits(h, 2, b':');
    digits(m, 2, b':');
    digits(s, 2, b'.');
    digits(milli, 3, b'Z');
    String::from_utf8(out).expect("digits are ASCII")
}

/// The moment of a timestamp as the platform writes it, on the world's clock. Only of the world's own day and later.
pub fn parse_iso8601(text: &str) -> Option<Nanos> {
    // 2026-01-31T10:05:23.150Z; days are counted from the epoch's date with the civil calendar.
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<u64>().ok();
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (h, m, s, ms) = (number(11..13)?, number(14..16)?, number(17..19)?, number(20..23)?);
    let year_from_march = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let era_days = year_from_march / 400 * 146_097;
    let year_of_era = year_from_march % 400;
    let days = era_days + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468;
    let unix_ms = ((days * 24 + h) * 60 + m) * 60_000 + s * 1_000 + ms;
    let epoch_ms = EPOCH_UNIX_S * 1_000;
    unix_ms.checked_sub(epoch_ms).map(|ms| ms * 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_epoch_is_the_documents_morning() {
        assert_eq!(iso8601(0), "2026-01-31T10:00:00.000Z");
        // 5 min 23.150 s later: the acknowledgement of the documents' example trace.
        assert_eq!(iso8601(323_150_000_000), "2026-01-31T10:05:23.150Z");
        // 29 days later is 1 March: 2026 is no leap year.
        assert_eq!(&iso8601(29 * 86_400 * 1_000_000_000)[..10], "2026-03-01");
    }

    #[test]
    fn timestamps_read_back_to_the_millisecond() {
        for ms in [0, 1, 323_150, 86_400_000, 40 * 86_400_000 + 7] {
            assert_eq!(parse_iso8601(&iso8601(ms * 1_000_000)), Some(ms * 1_000_000));
        }
        assert_eq!(parse_iso8601("yesterday"), None);
    }

    #[test]
    fn a_timetoken_has_17_digits_and_goes_back_to_its_moment() {
        let tt = Timetoken::at(1_234_567_800);
        assert_eq!(tt.to_string().len(), 17);
        assert_eq!(tt.nanos(), 1_234_567_800);
    }
}
