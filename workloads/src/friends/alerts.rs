//! The alerts of friends-online.md 12.5: would the people on duty have been called in this run?

use headcount_engine::functions::PUBLISH_ERRORS;

use crate::outcome::{Alert, Series};
use crate::run::Counters;

/// A publish in a hundred that fails, a Function in a thousand that runs out of time (12.5).
const PUBLISH_ERRORS_MAX: f64 = 0.01;
const TIMEOUTS_MAX: f64 = 0.001;
/// So often in an hour may storms be held back (12.5).
const STORMS_MAX: u64 = 10;
/// So many channels may be in a group, of the 2,000 that fit (12.5).
pub const GROUP_SIZE_MAX: u64 = 1_900;
/// The hour of 12.5 [s].
const HOUR: usize = 3_600;

/// Each alert, and whether it went off.
pub fn alerts(counters: &Counters, series: &[Series]) -> Vec<Alert> {
    let counter = |name: &str| counters.get(name).copied().unwrap_or(0);
    let share = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
    let errors = counter(&format!("functions.counter.{PUBLISH_ERRORS}"));
    let publishes = counter("functions.publishes");
    let (timeouts, executions) = (counter("functions.timeouts"), counter("functions.executions"));
    let held = series.iter().find(|series| series.name == "status_storm_held");
    let storms = held.map_or(0, |held| most_in_an_hour(&held.values));
    let largest = counter("channelgroup.size_max");
    vec![
        Alert {
            name: "publish-errors-high",
            condition: "more than 1 % of the Functions' publishes fail",
            advice: "read the Functions' logs",
            measured: format!("{errors} of {publishes} failed"),
            fired: share(errors, publishes) > PUBLISH_ERRORS_MAX,
        },
        Alert {
            name: "channel-group-full",
            condition: "a group holds more than 1,900 channels",
            advice: "see that overflow groups take the next friends",
            measured: format!("the largest holds {largest}"),
            fired: largest > GROUP_SIZE_MAX,
        },
        Alert {
            name: "storm-protection-triggered",
            condition: "statuses are held back as a storm more than 10 times in an hour",
            advice: "look into the users' connections",
            measured: format!("in {storms} seconds of the worst hour"),
            fired: storms > STORMS_MAX,
        },
        Alert {
            name: "function-timeouts-high",
            condition: "more than 0.1 % of the executions run out of time",
            advice: "make the Function faster, or give it more instances",
            measured: format!("{timeouts} of {executions} timed out"),
            fired: share(timeouts, executions) > TIMEOUTS_MAX,
        },
    ]
}

/// In how many seconds of the worst hour something was held back.
fn most_in_an_hour(per_second: &[f64]) -> u64 {
    let met: Vec<usize> = (0..per_second.len()).filter(|second| per_second[*second] > 0.0).collect();
    let hours = met.iter().enumerate().map(|(place, first)| {
        let end = met.partition_point(|second| *second < first + HOUR);
        (end - place) as u64
    });
    hours.max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(values: Vec<f64>) -> Series {
        Series { name: "status_storm_held".into(), unit: "1/s", group: "publishes", values }
    }

    fn fired(counters: &[(&str, u64)], series: &[Series]) -> Vec<&'static str> {
        let counters = counters.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        alerts(&counters, series).into_iter().filter(|alert| alert.fired).map(|alert| alert.name).collect()
    }

    #[test]
    fn an_alert_goes_off_above_its_bound_and_not_at_it() {
        let at = [
            ("functions.counter.publish.errors", 10),
            ("functions.publishes", 1_000),
            ("channelgroup.size_max", 1_900),
            ("functions.timeouts", 1),
            ("functions.executions", 1_000),
        ];
        assert_eq!(fired(&at, &[held(vec![1.0; 10])]), Vec::<&str>::new());
        let above = at.map(|(name, value)| match name {
            "functions.publishes" | "functions.executions" => (name, value),
            _ => (name, value + 1),
        });
        let all = ["publish-errors-high", "channel-group-full", "storm-protection-triggered", "function-timeouts-high"];
        assert_eq!(fired(&above, &[held(vec![1.0; 11])]), all);
    }

    #[test]
    fn nothing_that_happened_is_no_alarm() {
        assert_eq!(fired(&[], &[]), Vec::<&str>::new());
    }

    #[test]
    fn storms_are_counted_within_an_hour() {
        // Six seconds at the beginning, six more an hour later: 12 in all, never more than 6 within 3,600 s.
        let mut values = vec![0.0; 2 * HOUR];
        (0..6).for_each(|second| (values[second], values[HOUR + second]) = (3.0, 1.0));
        assert_eq!(most_in_an_hour(&values), 6);
        // A second earlier, the last of the first six and the first of the others have an hour in common: 5 + 6 - 5 ... 6.
        values[HOUR - 1] = 1.0;
        assert_eq!(most_in_an_hour(&values), 7);
    }
}
