//! A late joiner sees the current state.

use headcount_engine::contract::{Nanos, SECOND};

use super::Property;

/// How old a picture may be without faults: two tally intervals and a second for the ways.
fn age_max(interval: Nanos) -> Nanos {
    2 * interval + SECOND
}
/// After a fault things get this long to settle before a picture is judged.
const SETTLING: Nanos = 20 * SECOND;

/// What a late joiner reads is true, and recent where nothing is broken.
pub const LATE_JOINERS_SEE_THE_STATE: Property = Property {
    name: "late-joiners-see-the-state",
    promise: "FR-7",
    says: "what a late joiner reads never runs ahead of the vote, and without faults is at most two intervals old",
    check: |seen, checks| {
        let times: Vec<Nanos> = seen.ledger.log().iter().map(|row| row.server_ts).collect();
        let skewed = seen.faults.iter().any(|fault| fault.kind == "clock");
        let changes = seen.scenario.vote.allow_change_vote;
        let old = age_max(seen.scenario.vote.tally_interval);
        let asked = |what: &str| seen.step(what).map_or(u64::MAX, |step| step.asked);
        let done = |what: &str| seen.step(what).map_or(u64::MAX, |step| step.done);
        let (mut checked, mut wrong) = (0, None);
        for sync in seen.crowds.iter().flat_map(|crowd| &crowd.late_syncs) {
            let at = sync.answered;
            checked += 1;
            let names = ["created", "opened", "closed", "revealed"];
            // Never ahead of what the host asked for.
            if at < asked(names[sync.status as usize]) {
                wrong.get_or_insert_with(|| {
                    format!("{} before the host asked for it, at {at} ns", names[sync.status as usize])
                });
            }
            if skewed || changes {
                continue;
            }
            let by = |moment: Nanos| times.partition_point(|t| *t <= moment) as u64;
            if sync.total > by(at) {
                wrong.get_or_insert_with(|| format!("{} votes shown when {} were cast", sync.total, by(at)));
            }
            if seen.troubled(at.saturating_sub(SETTLING + old), at) {
                continue;
            }
            let behind = at.saturating_sub(old);
            let due = names.iter().rposition(|name| done(name) <= behind).unwrap_or(0);
            if (sync.status as usize) < due {
                wrong.get_or_insert_with(|| {
                    format!("still {} when it was {} for {old} ns", names[sync.status as usize], names[due])
                });
            }
            if seen.scenario.vote.show_live_tally && sync.total < by(behind) {
                wrong.get_or_insert_with(|| {
                    format!("{} votes shown, {} were cast {old} ns before", sync.total, by(behind))
                });
            }
        }
        checks.always(checked, wrong);
        if seen.scenario.crowd.late_join_ppm > 0 {
            checks.sometimes("a-late-joiner-read-the-state", checked);
        }
    },
};
