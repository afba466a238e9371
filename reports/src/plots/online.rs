//! How many are online, and how many the system says are.

use headcount_workloads::outcome::Outcome;

use super::lines::Lines;
use super::series::{self, Bucket};

pub const TITLE: &str = "How many are online";

/// Lines of group `online`: a region each or all together, and the count that users were told where there is one.
pub fn draw(outcome: &Outcome) -> Option<String> {
    let all = series::group(outcome, "online");
    let is_counted = all.iter().any(|series| series.name == "online_reported");
    let lines = Lines {
        title: TITLE,
        // What is counted is the series' unit: connections, or users.
        y_label: all.first()?.unit,
        bucket: Bucket::Last,
        y_scale: None,
        nested: is_counted,
        names: if is_counted {
            &[("online", "really online"), ("online_reported", "the count they were told last")]
        } else {
            &[]
        },
        caption: "",
    };
    lines.draw(outcome, all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn truth_and_count_have_names_of_their_own_and_regions_keep_theirs() {
        let svg = draw(&fixture::friends()).unwrap();
        for text in ["users", "really online", "the count they were told last"] {
            assert!(svg.contains(&format!(">{text}</text>")), "{text}");
        }
        let svg = draw(&fixture::outcome()).unwrap();
        for text in ["connections", "us-east"] {
            assert!(svg.contains(&format!(">{text}</text>")), "{text}");
        }
        assert!(!svg.contains("really online"));
    }
}
