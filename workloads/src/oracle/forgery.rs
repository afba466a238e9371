//! No client's forged or unauthorised publish reaches a subscriber.

use super::{Property, Seen};
use crate::crowd::plan::Mischief;

fn answered(seen: &Seen<'_>, wanted: impl Fn(Mischief, u16) -> bool) -> u64 {
    let all = seen.crowds.iter().flat_map(|crowd| &crowd.mischief);
    all.filter(|((mischief, status), _)| wanted(*mischief, *status)).map(|(_, count)| count).sum()
}

/// Nothing forged is delivered, nothing invalid is let through.
pub const NOTHING_FORGED: Property = Property {
    name: "nothing-forged-or-invalid-gets-through",
    promise: "8.2, 8.5, 6.4",
    says: "no subscriber gets a message from one who may not send it; no invalid publish is answered with success",
    check: |seen, checks| {
        let delivered = seen.crowds.iter().find_map(|crowd| crowd.forged.first.clone());
        let foreign = seen.crowds.iter().find_map(|crowd| crowd.foreign_acks.first.clone());
        let let_through = seen.crowds.iter().flat_map(|crowd| &crowd.mischief).find(|((_, status), _)| *status == 200);
        let let_through =
            let_through.map(|((mischief, _), count)| format!("{mischief:?} was answered with 200, {count} times"));
        let deliveries: u64 = seen.crowds.iter().map(|crowd| crowd.deliveries).sum();
        checks.always(deliveries, delivered.or(foreign).or(let_through));
        let wrong = &seen.scenario.crowd.misbehaviour;
        if wrong.forged_tally_ppm > 0 {
            checks
                .sometimes("a-forged-tally-was-refused", answered(seen, |m, s| m == Mischief::ForgedTally && s == 403));
        }
        if wrong.wrong_channel_ppm > 0 {
            checks.sometimes(
                "a-foreign-channel-was-refused",
                answered(seen, |m, s| m == Mischief::WrongChannel && s == 403),
            );
        }
        if wrong.malformed_ppm > 0 {
            checks
                .sometimes("a-malformed-vote-was-refused", answered(seen, |m, s| m == Mischief::Malformed && s == 400));
        }
        if wrong.oversized_ppm > 0 {
            checks.sometimes(
                "an-oversized-vote-was-refused",
                answered(seen, |m, s| m == Mischief::Oversized && s >= 400),
            );
        }
    },
};
