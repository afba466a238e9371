//! When dedupe cannot be checked, no vote is accepted.

use headcount_engine::contract::{Nanos, SECOND};

use super::Property;
use crate::crowd::plan::user_of;
use crate::scenario::NodeKind;

/// A vote whose dedupe check was answered before the outage may still be recorded for as long as a handler may run.
const UNDER_WAY: Nanos = 10 * SECOND + SECOND;

/// Fail closed.
pub const FAIL_CLOSED: Property = Property {
    name: "fail-closed-without-dedupe",
    promise: "9.1, 12.4",
    says: "while a region's KV store answers every call with an error, no vote of that region is recorded",
    check: |seen, checks| {
        let nodes = seen.scenario.nodes();
        let mut wrong = None;
        let (mut checked, mut outages) = (0, 0);
        // A clock fault moves server_ts against true time: nothing can be said then.
        let clocks = seen.faults.iter().any(|fault| fault.kind == "clock");
        for (region, name) in seen.scenario.topology.regions.iter().enumerate() {
            let Some(kv) = nodes.iter().find(|node| node.kind == NodeKind::Kv && node.region == region) else {
                continue;
            };
            let total = format!("kv_errors {} errors 100.0 %", kv.name);
            for outage in seen.faults.iter().filter(|fault| fault.what.ends_with(&total)) {
                let from = outage.start + UNDER_WAY;
                // Overlapping faults may end or replace the outage early.
                let disturbed = seen.faults.iter().any(|other| {
                    other.what.contains(&kv.name)
                        && *other != *outage
                        && other.start < outage.end
                        && other.end > outage.start
                }) || seen
                    .faults
                    .iter()
                    .any(|f| matches!(f.kind, "crash" | "pause") && f.start < outage.end && f.end > outage.start);
                if clocks || disturbed || from >= outage.end {
                    continue;
                }
                outages += 1;
                // Any row could have been recorded during it: each is looked at, its region only where its time is wrong.
                checked += seen.ledger.log().len() as u64;
                for row in seen.ledger.log().iter().filter(|row| (from..outage.end).contains(&row.server_ts)) {
                    if user_of(&row.user_id).is_some_and(|user| user % seen.crowds.len() as u32 == region as u32) {
                        wrong.get_or_insert_with(|| {
                            format!("{} was recorded while {name} could not dedupe", row.request_id)
                        });
                    }
                }
            }
        }
        checks.always(checked, wrong);
        let planned = |fault: &crate::scenario::Fault| match &fault.kind {
            crate::scenario::FaultKind::Errors { store: crate::scenario::Store::Kv, misbehaviour, .. } => {
                misbehaviour.error_ppm == 1_000_000 && fault.lasts > UNDER_WAY
            }
            _ => false,
        };
        let drawn =
            seen.scenario.swarm.as_ref().is_some_and(|swarm| swarm.kinds.contains(&crate::scenario::SwarmKind::Kv));
        if drawn || seen.scenario.faults.iter().any(planned) {
            checks.sometimes("dedupe-was-out-for-long", outages);
        }
    },
};
