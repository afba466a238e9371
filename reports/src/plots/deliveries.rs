//! What comes to clients.

use headcount_workloads::outcome::Outcome;

use super::lines::Lines;
use super::series::{self, Bucket};

pub const TITLE: &str = "Deliveries per second";

/// Lines of group `deliveries`: messages that came to a client each, and those of them that changed its screen where that is
/// known.
pub fn draw(outcome: &Outcome) -> Option<String> {
    let all = series::group(outcome, "deliveries");
    let lines = Lines {
        title: TITLE,
        y_label: "deliveries per second (1/s)",
        bucket: Bucket::Mean,
        y_scale: None,
        // One line alone hides nobody.
        nested: all.len() > 1,
        names: &[("deliveries", "messages delivered"), ("screens_changed", "screens that changed")],
        caption: "a message that goes to 500 clients is 500 deliveries",
    };
    lines.draw(outcome, all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn a_vote_has_deliveries_alone_and_friends_what_they_changed() {
        let svg = draw(&fixture::outcome()).unwrap();
        assert!(svg.contains(">messages delivered</text>") && !svg.contains("screens that changed"));
        let svg = draw(&fixture::friends()).unwrap();
        assert!(svg.contains(">messages delivered</text>") && svg.contains(">screens that changed</text>"));
    }
}
