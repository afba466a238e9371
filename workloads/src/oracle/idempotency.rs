//! The same request gets the same answer.

use rustc_hash::{FxBuildHasher, FxHashSet};

use super::Property;

/// A repeated requestId gets the same answer, byte for byte in its payload.
pub const SAME_REQUEST_SAME_ANSWER: Property = Property {
    name: "same-request-same-answer",
    promise: "7.3, 7.4, 9.4",
    says: "no request is answered twice with different answers",
    check: |seen, checks| {
        let repeated: u64 = seen.crowds.iter().map(|crowd| crowd.repeated_answers).sum();
        let changed: u64 = seen.crowds.iter().map(|crowd| crowd.changed_answers.count).sum();
        let first = seen.crowds.iter().find_map(|crowd| crowd.changed_answers.first.clone());
        // What a repeated request finds in the database is what was recorded with the first: one decision a request.
        let decisions = seen.ledger.decisions();
        let mut decided = FxHashSet::with_capacity_and_hasher(decisions.len(), FxBuildHasher);
        let decided_twice = decisions.iter().find(|decision| !decided.insert(&*decision.request_id));
        let decided_twice = decided_twice.map(|decision| format!("{} was decided twice", decision.request_id));
        checks.always(repeated + changed + decisions.len() as u64, first.or(decided_twice));
        let scenario = seen.scenario;
        let can_repeat = scenario.swarm.is_some() || scenario.faults.iter().any(|fault| fault.can_lose_answers());
        if can_repeat && seen.hardened() {
            checks.sometimes("an-answer-was-repeated", repeated);
        }
    },
};
