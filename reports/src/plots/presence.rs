//! What presence says.

use headcount_workloads::outcome::Outcome;

use super::lines::Lines;
use super::series::{self, Bucket};

pub const TITLE: &str = "Presence events per second, by kind";

/// Lines of group `presence`: events as they were sent, one of a user or one of a whole interval.
pub fn draw(outcome: &Outcome) -> Option<String> {
    let lines = Lines {
        title: TITLE,
        y_label: "events per second (1/s)",
        bucket: Bucket::Mean,
        y_scale: None,
        nested: false,
        names: &[
            ("presence_joins", "join"),
            ("presence_leaves", "leave"),
            ("presence_timeouts", "timeout"),
            ("presence_state_changes", "state change"),
            ("presence_intervals", "interval"),
        ],
        caption: "kinds that never came are left out",
    };
    lines.draw(outcome, series::group(outcome, "presence"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn each_kind_that_came_has_its_words() {
        let svg = draw(&fixture::friends()).unwrap();
        for text in ["join", "leave", "timeout", "interval"] {
            assert!(svg.contains(&format!(">{text}</text>")), "{text}");
        }
        // The fixture has none.
        assert!(!svg.contains(">state change</text>"));
    }
}
