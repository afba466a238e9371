//! The documents' own logic in the worlds of the hardened variant.

use headcount_workloads::outcome::Outcome;

use crate::support::violated;

pub const DOCUMENTED: (&str, &str) = ("variant", "\"documented\"");
/// For handlers that make more calls than a profile allows.
pub const ANY_CALLS: (&str, &str) = ("limits", "\"unlimited\"");

/// That a run violates this property, whatever else it violates.
#[track_caller]
pub fn assert_falls(outcome: &Outcome, property: &str) {
    let violated = violated(&outcome.properties);
    assert!(violated.iter().any(|line| line.starts_with(property)), "{violated:?}");
}
