//! Live tallies.

use super::Property;

/// A newer tally never shows fewer votes.
pub const NEVER_GOES_DOWN: Property = Property {
    name: "tallies-never-go-down",
    promise: "FR-6, 9.2",
    says: "in the order of their numbers, tallies never show fewer votes, in any region",
    check: |seen, checks| {
        let mut all: Vec<_> = seen.crowds.iter().flat_map(|crowd| &crowd.broadcasts).collect();
        all.sort_by_key(|tally| (tally.number, tally.total));
        let mut wrong = None;
        let changes = seen.scenario.vote.allow_change_vote;
        for pair in all.windows(2) {
            let (older, newer) = (pair[0], pair[1]);
            let option_down = !changes && older.counts.iter().zip(&newer.counts).any(|(before, after)| after < before);
            if newer.total < older.total
                || option_down
                || (newer.number == older.number && newer.counts != older.counts)
            {
                wrong.get_or_insert_with(|| {
                    format!(
                        "tally {} shows {:?}, tally {} {:?}",
                        older.number, older.counts, newer.number, newer.counts
                    )
                });
            }
        }
        let sum_wrong = all.iter().find(|tally| tally.counts.iter().sum::<u64>() != tally.total);
        let sum_wrong =
            sum_wrong.map(|tally| format!("tally {}: total {} of {:?}", tally.number, tally.total, tally.counts));
        checks.always(all.len() as u64, wrong.or(sum_wrong));
        if seen.scenario.vote.show_live_tally {
            let grew = all.windows(2).filter(|pair| pair[1].total > pair[0].total).count();
            checks.sometimes("a-tally-grew", grew as u64);
        }
    },
};
