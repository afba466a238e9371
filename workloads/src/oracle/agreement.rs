//! In the end all say the same: the last tally, the results, the shards, App Context, the audit log.

use serde_json::Value;

use super::Property;
use crate::cluster;

/// The last broadcast, the revealed results, the sum of the shards and the audit agree.
pub const EVERYTHING_AGREES: Property = Property {
    name: "tally-results-shards-and-audit-agree",
    promise: "FR-4, FR-8, NFR-4",
    says: "the last tally, the revealed results, the sum of shards, App Context and the audit log have the same counts",
    check: |seen, checks| {
        let audit = seen.audited_counts();
        let mut checked = 0;
        let mut wrong: Option<String> = None;
        let mut compare = |what: &str, counts: &[u64]| {
            checked += 1;
            if counts != audit {
                wrong.get_or_insert_with(|| format!("{what} has {counts:?}, the audit log {audit:?}"));
            }
        };
        for crowd in &seen.crowds {
            for results in &crowd.revealed {
                compare("the revealed result", results);
            }
        }
        let last = seen.crowds.iter().flat_map(|crowd| &crowd.broadcasts).max_by_key(|tally| tally.number);
        if let Some(last) = last {
            compare("the last tally", &last.counts);
        }
        if let Some(session) = seen.ledger.session(&seen.scenario.vote.session_id) {
            compare("the sum of the shards", &session.counts());
        }
        if let Some(object) = &seen.object {
            let count = |n: usize| object.tally.get(&format!("opt_{}", n + 1)).and_then(Value::as_u64).unwrap_or(0);
            let counts: Vec<u64> = (0..audit.len()).map(count).collect();
            compare("App Context", &counts);
            let total = object.tally.get("total").and_then(Value::as_u64).unwrap_or(0);
            if total != counts.iter().sum::<u64>() {
                wrong.get_or_insert_with(|| format!("App Context's total is {total} of {counts:?}"));
            }
        }
        checks.eventually(checked, wrong);
        let revealed =
            seen.crowds.iter().flat_map(|crowd| &crowd.revealed).filter(|counts| counts.iter().any(|n| *n > 0));
        checks.sometimes("results-with-votes-were-revealed", revealed.count() as u64);
    },
};

/// Every vote was counted on the shard that the document's hash gives its user.
pub const SHARDS_BY_THE_HASH: Property = Property {
    name: "votes-are-on-their-shards",
    promise: "4.3, 10.2",
    says: "every audited vote came in on the shard that the hash gives its user, before or after shards were added",
    check: |seen, checks| {
        let vote = &seen.scenario.vote;
        let mut wrong = None;
        let mut after = 0;
        for row in seen.ledger.log() {
            let Some(user) = crate::crowd::plan::user_of(&row.user_id) else { continue };
            if row.shard == cluster::shard_of(user, vote.shards) {
                continue;
            }
            after += 1;
            if vote.add_shards.is_none_or(|add| cluster::shard_of(user, add.shards) != row.shard) {
                wrong.get_or_insert_with(|| format!("{} came in on shard {}", row.user_id, row.shard));
            }
        }
        checks.always(seen.ledger.log().len() as u64, wrong);
        if vote.add_shards.is_some() {
            checks.sometimes("a-vote-came-in-on-an-added-shard", after);
        }
    },
};
