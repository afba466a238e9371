//! Facts of the metrics, each in one run of a few senders of `metrics-100k`.

use crate::documented::{ANY_CALLS, DOCUMENTED, assert_falls};
use crate::support::{counter, prepared, run, violated};

const FEW: [(&str, &str); 6] = [
    ("system.users", "20"),
    ("system.acts", "400"),
    ("system.alert_requests_min", "5"),
    ("system.join_to_s", "2.0"),
    ("system.from_s", "5.0"),
    ("system.to_s", "125.0"),
];

/// Windows of a second, and everything up to a minute late: what is older than six windows is refused, and its sender
/// told so; the rest is counted where it happened.
#[test]
fn what_is_too_late_is_refused_and_what_is_late_is_counted_where_it_happened() {
    let late = [
        ("system.window_s", "1"),
        ("system.late_ppm", "1_000_000"),
        ("system.late_max_s", "60"),
        ("system.double_ppm", "0"),
    ];
    let outcome = run("metrics-100k", &[&FEW[..], &late].concat(), 1);
    assert_eq!(violated(&outcome.properties), Vec::<String>::new());
    let (accepted, refused) = (counter(&outcome, "acts.late.accepted"), counter(&outcome, "acts.late.refused_400"));
    assert_eq!(accepted + refused, 400);
    // Late by 1 to 60 s, of which 6 to 7 are in time: about a ninth, and what is from before the beginning.
    assert!((20..=100).contains(&accepted), "{accepted}");
    assert_eq!(counter(&outcome, "functions.counter.metrics.refused_for_their_time"), refused);
}

/// Half of what is sent between 80 and 120 s are errors: two windows of 20 s alarm, one alert each, and one when it is over.
#[test]
fn an_incident_is_one_alert_a_window_and_one_when_it_is_over() {
    let incident = [("system.incident_error_ppm", "500_000"), ("system.error_ppm", "0")];
    let outcome = run("metrics-100k", &[&FEW[..], &incident].concat(), 1);
    assert_eq!(violated(&outcome.properties), Vec::<String>::new());
    assert!((2..=8).contains(&counter(&outcome, "functions.counter.alerts.fired")), "errors, and three operations");
    let sums =
        (counter(&outcome, "functions.counter.alerts.fired"), counter(&outcome, "functions.counter.alerts.cleared"));
    assert!(sums.1 > 0 && sums.1 <= sums.0, "{sums:?}");
    // The document's own: requests are counted nowhere, and the alert cannot fire.
    let documented = run("metrics-100k", &[&FEW[..], &incident, &[DOCUMENTED, ANY_CALLS]].concat(), 1);
    assert_falls(&documented, "alerts-fire-and-clear");
}

/// Seeds in which the last alert was lost on its way to everybody, while an edge was cut off and the other region's network lost
/// packets: dashboards say it again.
#[test]
fn an_alert_that_is_lost_is_said_again_by_the_dashboard() {
    for seed in [4_072, 4_666] {
        let properties = prepared("metrics-small", &[]).check(seed).properties;
        assert_eq!(violated(&properties), Vec::<String>::new(), "seed {seed}");
    }
}
