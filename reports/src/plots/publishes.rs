//! What becomes of the changes that the handlers see.

use headcount_workloads::outcome::Outcome;

use super::lines::Lines;
use super::series::{self, Bucket};

pub const TITLE: &str = "Status publishes let through, debounced and held, per second";

/// Lines of group `publishes`: statuses that went out, and decisions not to publish now.
pub fn draw(outcome: &Outcome) -> Option<String> {
    let lines = Lines {
        title: TITLE,
        y_label: "per second (1/s)",
        bucket: Bucket::Mean,
        y_scale: None,
        nested: false,
        names: &[
            ("status_published", "let through"),
            ("status_debounced", "debounced"),
            ("status_storm_held", "held in a storm"),
        ],
        caption: "a change that is held back is counted each time a handler looks at it; what never came is left out",
    };
    lines.draw(outcome, series::group(outcome, "publishes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn what_goes_out_and_what_is_held_are_told_apart() {
        let svg = draw(&fixture::friends()).unwrap();
        for text in ["let through", "debounced", "held in a storm"] {
            assert!(svg.contains(&format!(">{text}</text>")), "{text}");
        }
    }
}
