//! Who voted, what was answered, what was counted.

use std::collections::BTreeMap;

use super::{Index, Property, Request, Seen, accepted};
use crate::crowd::plan::{VoteKind, user_id, user_of};
use crate::crowd::record::{Fate, Reason, Vote};

/// At most one counted vote per user and session (or as many as the host allows).
pub const ONE_COUNTED_VOTE: Property = Property {
    name: "one-counted-vote-per-user",
    promise: "FR-5, NFR-3",
    says: "no user has more votes accepted, audited or counted than the session allows",
    check: |seen, checks| {
        let most = u64::from(seen.scenario.vote.max_votes_per_user);
        let changes = seen.scenario.vote.allow_change_vote;
        // In the audit log: current rows by user; users who are nobody of the crowd are another property's business.
        let users = seen.scenario.crowd.users as usize;
        let mut rows = vec![0u64; users];
        for row in seen.ledger.log().iter().filter(|row| !row.replaced) {
            if let Some(rows) = user_of(&row.user_id).and_then(|user| rows.get_mut(user as usize)) {
                *rows += 1;
            }
        }
        let audited = rows.iter().position(|n| *n > most);
        let audited = audited.map(|user| format!("{} has {} rows in the audit log", user_id(user as u32), rows[user]));
        // By acknowledgement: different votes of one user, all accepted.
        let accepted = |(region, vote): (usize, &Vote)| match vote.fate {
            Fate::Accepted(id) => Some((seen.user(region, vote), id)),
            _ => None,
        };
        let mut acked: Vec<(u32, u64)> = seen.votes().filter_map(accepted).collect();
        acked.sort_unstable();
        acked.dedup();
        let twice = acked.chunk_by(|a, b| a.0 == b.0).find(|ids| !changes && ids.len() as u64 > most);
        let twice =
            twice.map(|ids| format!("{} was told of {} different accepted votes", user_id(ids[0].0), ids.len()));
        // On the screen: no more votes than people who voted.
        let mut voted = vec![false; users];
        seen.votes().for_each(|(region, vote)| voted[seen.user(region, vote) as usize] = true);
        let voters = voted.iter().filter(|voted| **voted).count() as u64;
        let shown = seen.crowds.iter().flat_map(|crowd| &crowd.broadcasts).map(|tally| tally.total).max().unwrap_or(0);
        let counted = (shown > voters * most).then(|| format!("a tally shows {shown} votes of {voters} voters"));
        checks.always(seen.ledger.log().len() as u64 + acked.len() as u64, twice.or(audited).or(counted));
        let wrong = &seen.scenario.crowd.misbehaviour;
        if (wrong.double_click_ppm > 0 || wrong.second_vote_ppm > 0) && !changes && most == 1 {
            checks
                .sometimes("a-second-vote-was-refused", seen.count(|v| v.fate == Fate::Rejected(Reason::AlreadyVoted)));
        }
    },
};

/// Every accepted acknowledgement is in the audit log and in the results, once, with the same option.
pub const ACCEPTED_IS_COUNTED: Property = Property {
    name: "accepted-is-counted-once",
    promise: "NFR-4, NFR-5, FR-8, FR-9",
    says: "every accepted vote is in the audit log exactly once, with the same user, request and option",
    check: |seen, checks| {
        let rows = seen.rows_by_request();
        let mut checked = 0;
        let mut wrong = None;
        for (region, vote) in seen.votes().filter(|(_, vote)| accepted(vote)) {
            checked += 1;
            let user = seen.user(region, vote);
            let mut found = rows.get(Request { user, stamp: vote.stamp });
            let fault = match (found.next(), found.count()) {
                (Some(index), 0) => {
                    let row = &seen.ledger.log()[index as usize];
                    let option = seen.option_id(vote.option).unwrap_or_default();
                    let same = **seen.ledger.name(row.option) == *option;
                    if same && user_of(&row.user_id) == Some(user) {
                        continue;
                    }
                    format!(
                        "{} was accepted for {option}, the audit log has {} of {}",
                        seen.request_id(region, vote),
                        seen.ledger.name(row.option),
                        row.user_id
                    )
                }
                (first, others) => {
                    let request = seen.request_id(region, vote);
                    let times = usize::from(first.is_some()) + others;
                    format!("{request} was accepted and is in the audit log {times} times")
                }
            };
            wrong.get_or_insert(fault);
        }
        checks.always(checked, wrong);
        checks.sometimes("a-vote-was-accepted", checked);
        if seen.has_faults() {
            checks.sometimes("a-retried-vote-was-accepted", seen.count(|v| accepted(v) && v.attempts > 1));
        }
    },
};

impl Seen<'_> {
    /// Accepted votes without a row in the audit log: they were promised and are not counted.
    pub(crate) fn lost(&self) -> u64 {
        let rows = self.rows_by_request();
        let is_there = |(region, vote): &(usize, &Vote)| {
            let user = self.user(*region, vote);
            rows.get(Request { user, stamp: vote.stamp }).next().is_some()
        };
        self.votes().filter(|(_, vote)| accepted(vote)).filter(|vote| !is_there(vote)).count() as u64
    }
}

/// The vote that was cast under a requestId. An impostor can hit upon the very millisecond, and so the requestId, of its
/// victim's own vote: then that one is meant, for the request is its user's.
pub(super) fn cast_under<'v>(
    by_request: &Index<(usize, &'v Vote)>,
    request: Option<Request>,
) -> Option<(usize, &'v Vote)> {
    let mut found = by_request.get(request?);
    let own = found.clone().find(|(_, vote)| vote.kind != VoteKind::Impostor);
    own.or_else(|| found.next())
}

/// Nothing counted that was not cast.
pub const COUNTED_WAS_CAST: Property = Property {
    name: "counted-was-cast",
    promise: "NFR-4, 8.5",
    says: "every audited vote was submitted by its own user, for that option",
    check: |seen, checks| {
        let by_request = seen.by_request();
        let mut wrong = None;
        for (row, request) in seen.ledger.log().iter().zip(seen.row_requests()) {
            let option = seen.ledger.name(row.option);
            let fault = match cast_under(by_request, *request) {
                None => format!("{} of {} was never submitted", row.request_id, row.user_id),
                Some((_, vote)) if matches!(vote.kind, VoteKind::Impostor | VoteKind::Viewer) => {
                    format!("{} was submitted by somebody who may not: {:?}", row.request_id, vote.kind)
                }
                Some((_, vote)) if seen.option_id(vote.option).as_deref() != Some(&**option) => {
                    format!("{} was submitted for option {}, counted for {option}", row.request_id, vote.option)
                }
                Some(_) => continue,
            };
            wrong.get_or_insert(fault);
        }
        checks.always(seen.ledger.log().len() as u64, wrong);
        if seen.scenario.crowd.misbehaviour.impostor_ppm > 0 {
            let tried = seen.count(|vote| vote.kind == VoteKind::Impostor && matches!(vote.fate, Fate::Refused(_)));
            checks.sometimes("an-impostor-was-refused", tried);
        }
        if seen.scenario.crowd.misbehaviour.unknown_option_ppm > 0 {
            let tried = seen.count(|vote| vote.fate == Fate::Rejected(Reason::InvalidOption));
            checks.sometimes("an-unknown-option-was-refused", tried);
        }
    },
};

/// Only while open: by true time at the clients, and by the database's own clock.
pub const CLOSE_WINS: Property = Property {
    name: "close-wins",
    promise: "FR-2, FR-3, 9.2",
    says: "no vote intended after the close was done, or answered before the opening was asked for, is accepted",
    check: |seen, checks| {
        let opened = seen.step("opened").map_or(u64::MAX, |step| step.asked);
        let closed = seen.step("closed").map_or(u64::MAX, |step| step.done);
        let mut wrong = None;
        let mut checked = 0;
        for (region, vote) in seen.votes().filter(|(_, vote)| accepted(vote)) {
            checked += 1;
            if vote.intended > closed || vote.answered < opened {
                let what = if vote.intended > closed { "after the close" } else { "before the opening" };
                wrong.get_or_insert_with(|| format!("{} was cast {what} and accepted", seen.request_id(region, vote)));
            }
        }
        // What was closed stays as it was: the total that was announced is the total in the log.
        if let Some(session) = seen.ledger.session(&seen.scenario.vote.session_id)
            && let [_, Some(from), Some(to), _] = session.times
        {
            for row in seen.ledger.log() {
                checked += 1;
                if !(from..=to).contains(&row.server_ts) {
                    wrong.get_or_insert_with(|| format!("{} was recorded outside the open time", row.request_id));
                }
            }
        }
        let total: u64 = seen.audited_counts().iter().sum();
        for (_, payload) in seen.crowds.iter().filter_map(|crowd| crowd.control.get("vote.closed")) {
            let announced = serde_json::from_str::<serde_json::Value>(payload).ok();
            let announced = announced.and_then(|message| message["payload"]["totalVotes"].as_u64());
            checked += 1;
            if let Some(announced) = announced.filter(|announced| *announced != total) {
                wrong
                    .get_or_insert_with(|| format!("the close announced {announced} votes, the audit log has {total}"));
            }
        }
        checks.always(checked, wrong);
        let wrong = &seen.scenario.crowd.misbehaviour;
        if wrong.early_vote_ppm > 0 || wrong.late_vote_ppm > 0 {
            let refused = |vote: &Vote| vote.fate == Fate::Rejected(Reason::SessionNotOpen);
            checks.sometimes("a-vote-outside-the-open-time-was-refused", seen.count(refused));
        }
    },
};

/// Fault invariance: whatever the plan, the final tally is the set of votes acknowledged.
pub const TALLY_IS_ACKNOWLEDGED: Property = Property {
    name: "tally-is-the-acknowledged-votes",
    promise: "NFR-4, FR-9",
    says: "every counted vote was acknowledged as accepted to its voter, unless the voter gave up or is cut off",
    check: |seen, checks| {
        let by_request = seen.by_request();
        let mut wrong = None;
        let mut checked = 0;
        let rows = seen.ledger.log().iter().zip(seen.row_requests());
        for (row, request) in rows.filter(|(row, _)| !row.replaced) {
            let Some((region, vote)) = cast_under(by_request, *request) else { continue };
            let gone = seen.unreachable[region][vote.client as usize];
            if vote.fate == Fate::GaveUp || gone {
                continue;
            }
            checked += 1;
            if !accepted(vote) {
                wrong.get_or_insert_with(|| {
                    format!("{} is counted, its voter was told {:?}", row.request_id, vote.fate)
                });
            }
        }
        checks.always(checked, wrong);
    },
};

/// A vote's final answer in the metamorphic comparison of two runs with the same crowd.
pub fn acknowledged_votes(seen: &Seen<'_>) -> BTreeMap<u32, u8> {
    let accepted = seen.votes().filter(|(_, vote)| accepted(vote));
    accepted.map(|(region, vote)| (seen.user(region, vote), vote.option)).collect()
}
