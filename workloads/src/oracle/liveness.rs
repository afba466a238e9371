//! Once everything has healed, everything comes true; and what an execution costs.

use super::Property;

/// Every submission gets a final answer, everybody is connected and knows the results, the host has done its work.
pub const EVERYBODY_IS_ANSWERED: Property = Property {
    name: "everybody-is-answered",
    promise: "FR-9, FR-4, 9.1",
    says: "after healing, every vote has a final answer, everybody is connected and knows the results",
    check: |seen, checks| {
        let given_up = seen.count(|vote| vote.fate == crate::crowd::record::Fate::GaveUp);
        let mut pending = seen.pending.clone();
        if given_up > 0 {
            pending.push(format!("{given_up} votes were given up without an answer"));
        }
        checks.eventually(seen.count(|_| true), (!pending.is_empty()).then(|| pending.join("; ")));
    },
};

/// The hardened Functions make at most three calls an execution.
pub const THREE_CALLS: Property = Property {
    name: "three-calls-an-execution",
    promise: "the three-operation limits profiles",
    says: "no execution of a hardened Function makes more than three calls of all kinds together",
    check: |seen, checks| {
        // Workers do not tell whose execution it was: with friends among them, whose handlers may make ten calls, it says
        // nothing of the vote.
        if seen.hardened() && !seen.scenario.has_friends() {
            let most = seen.most_ops[4];
            checks.always(u64::from(most), (most > 3).then(|| format!("an execution made {most} calls")));
        }
    },
};
