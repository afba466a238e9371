//! What the audit log says to those who ask it: all of the truth to an auditor, nothing to anybody else.

use std::net::Ipv4Addr;
use std::ops::Range;

use headcount_engine::patterns::voting::audit::api::Query;
use headcount_engine::timetoken::iso8601;

use super::{Property, Request, Seen, accepted, ballots};
use crate::auditor::Intruder;
use crate::auditor::told::{Answered, ToldRow, print};
use crate::crowd::plan::user_of;
use crate::crowd::record::Vote;

/// What an auditor was told is what was acknowledged before it asked, and what is durably stored.
pub const TOLD_IS_STORED: Property = Property {
    name: "an-auditor-is-told-what-is-stored",
    promise: "8.1, 11.4, 13.4, FR-8, NFR-5",
    says: "an auditor's answer is rows of the log as they are stored, each once and none left out, among them, with its \
           option, every vote that it asks for and that was acknowledged before it asked",
    check: |seen, checks| {
        let Some(auditor) = seen.auditor else { return };
        let mut wrong = auditor.unreadable.first.as_ref().map(|body| format!("an answer is no list of rows: {body}"));
        let (mut checked, mut found) = (auditor.unreadable.count, 0);
        // What makes a question for a range of time answerable, here as in the database.
        if !seen.ledger.log().iter().is_sorted_by_key(|row| row.server_ts) {
            wrong.get_or_insert_with(|| "the log is not in the order of its own time".to_owned());
        }
        for answer in &auditor.answers {
            checked += 1;
            let fault = match stored(seen, answer).or_else(|| left_out(seen, answer)) {
                Some(fault) => Some(fault),
                None => acknowledged(seen, answer, &mut found),
            };
            if let Some(fault) = fault {
                wrong.get_or_insert_with(|| format!("asked for {:?} at {} ns: {fault}", answer.query, answer.asked));
            }
        }
        checks.always(checked, wrong);
        checks.sometimes("an-acknowledged-vote-was-asked-for", found);
        let closed = seen.step("closed").map_or(u64::MAX, |step| step.done);
        let while_open = auditor.answers.iter().filter(|answer| answer.answered < closed && !answer.rows.is_empty());
        checks.sometimes("rows-were-told-while-people-voted", while_open.count() as u64);
        checks.sometimes(
            "rows-were-told-after-the-close",
            auditor.answers.iter().filter(|answer| answer.asked > closed && !answer.rows.is_empty()).count() as u64,
        );
    },
};

/// Nobody else gets a row.
pub const AUDITORS_ONLY: Property = Property {
    name: "only-an-auditor-reads-the-log",
    promise: "8.1, 8.4",
    says: "whoever asks for rows without a token, with a participant's, or with one it has changed, is refused with 403",
    check: |seen, checks| {
        let Some(auditor) = seen.auditor else { return };
        let asked: u64 = auditor.intruders.values().sum();
        let let_in = auditor.intruders.keys().find(|(_, status)| *status != 403);
        checks.always(asked, let_in.map(|(intruder, status)| format!("{intruder:?} was answered with {status}")));
        let refused = |wanted| auditor.intruders.get(&(wanted, 403)).copied().unwrap_or(0);
        checks.sometimes("a-participant-who-asked-for-rows-was-refused", refused(Intruder::Participant));
        checks.sometimes("a-forged-auditor-was-refused", refused(Intruder::Forger));
    },
};

/// Each row that was told is one of the log, says what that one says, is asked for, and comes once, in order.
fn stored(seen: &Seen<'_>, answer: &Answered) -> Option<String> {
    let log = seen.ledger.log();
    let mut last = None;
    for told in &answer.rows {
        if last >= Some(told.number) {
            return Some(format!("row {} came after row {last:?}", told.number));
        }
        last = Some(told.number);
        if log.get(told.number as usize).is_none() {
            return Some(format!("row {} is not in the log", told.number));
        }
        if print_of(seen, told.number) != told.print {
            return Some(format!("row {} is not what is stored: {:?}", told.number, log[told.number as usize]));
        }
        if !asked_for(seen, &answer.query, told.number) {
            return Some(format!("row {} was not asked for", told.number));
        }
    }
    None
}

/// No row that was asked for is left out before the last one told: what is stored later comes behind it.
fn left_out(seen: &Seen<'_>, answer: &Answered) -> Option<String> {
    let end = answer.rows.last().map_or(0, |told| told.number + 1);
    let there = candidates(seen, &answer.query, end).filter(|row| asked_for(seen, &answer.query, *row)).count();
    (there != answer.rows.len()).then(|| format!("{there} rows are stored, {} were told", answer.rows.len()))
}

/// Every vote that was asked for and acknowledged before is there, once, with its option; counts them.
fn acknowledged(seen: &Seen<'_>, answer: &Answered, found: &mut u64) -> Option<String> {
    let before = |vote: &Vote| accepted(vote) && vote.answered <= answer.asked;
    let option = |told: &ToldRow| told.option;
    // Told rows: each stands for what its voter was told.
    for told in &answer.rows {
        let request = told.user.map(|user| Request { user, stamp: told.stamp });
        let Some((region, vote)) = ballots::cast_under(seen.by_request(), request) else { continue };
        if before(vote) {
            *found += 1;
            if vote.option != option(told) {
                let (request, said) = (seen.request_id(region, vote), option(told) + 1);
                return Some(format!("{request} was acknowledged for option {}, the row says {said}", vote.option + 1));
            }
        }
    }
    // Acknowledged votes: each has one row, if there was no further page to read.
    if !answer.complete {
        return None;
    }
    let mut told: Vec<(Option<u32>, u64)> = answer.rows.iter().map(|told| (told.user, told.stamp)).collect();
    told.sort_unstable();
    let missing = |user: u32, stamp: u64| {
        let first = told.partition_point(|told| *told < (Some(user), stamp));
        let times = told[first..].iter().take_while(|told| **told == (Some(user), stamp)).count();
        (times != 1).then_some(times)
    };
    let mut fault = None;
    let mut look = |region: usize, vote: &Vote, user: u32| {
        if let (true, Some(times)) = (before(vote), missing(user, vote.stamp)) {
            fault.get_or_insert_with(|| {
                format!("{} was acknowledged and told {times} times", seen.request_id(region, vote))
            });
        }
    };
    match &answer.query {
        Query::Session(_) => {
            for (region, crowd) in seen.crowds.iter().enumerate() {
                // In the order of intention: what was intended later was answered later still.
                let votes = crowd.votes.iter().take_while(|vote| vote.intended <= answer.asked);
                votes.for_each(|vote| look(region, vote, seen.named(region, vote)));
            }
        }
        Query::User(id) => {
            let user = user_of(id)?;
            seen.by_request().of_user(user).iter().for_each(|(_, (region, vote))| look(*region, vote, user));
        }
        Query::Request(id) => {
            let request = seen.request_of(id)?;
            seen.by_request().get(request).for_each(|(region, vote)| look(region, vote, request.user));
        }
        // A client does not know when its vote was written down: only the rows say which were asked for.
        Query::Range { .. } => {
            for row in candidates(seen, &answer.query, u32::MAX).filter(|row| asked_for(seen, &answer.query, *row)) {
                let request = seen.row_requests()[row as usize];
                if let (Some(request), Some((region, vote))) =
                    (request, ballots::cast_under(seen.by_request(), request))
                {
                    look(region, vote, request.user);
                }
            }
        }
    }
    fault
}

/// Whether a row of the log answers a query.
fn asked_for(seen: &Seen<'_>, query: &Query, number: u32) -> bool {
    let row = &seen.ledger.log()[number as usize];
    **seen.ledger.name(row.session) == *seen.scenario.vote.session_id
        && match query {
            Query::Session(id) => *id == seen.scenario.vote.session_id,
            Query::User(id) => **id == *row.user_id,
            Query::Request(id) => **id == *row.request_id,
            Query::Range { from, to } => (*from..*to).contains(&row.server_ts),
        }
}

/// Rows below `end` among which are all that answer a query, in order: the log is not walked for each question.
fn candidates<'s>(seen: &'s Seen<'_>, query: &Query, end: u32) -> Box<dyn Iterator<Item = u32> + 's> {
    let log = seen.ledger.log();
    let all = 0..end.min(log.len() as u32);
    let by_user = |user: Option<u32>| {
        let rows = user.map_or(&[][..], |user| seen.rows_by_request().of_user(user));
        Box::new(rows.iter().map(|(_, row)| *row).filter(move |row| *row < end))
    };
    match query {
        Query::Session(_) => Box::new(all),
        Query::User(id) => by_user(user_of(id)),
        Query::Request(id) => by_user(seen.request_of(id).map(|request| request.user)),
        Query::Range { from, to } => Box::new(written(seen, all, *from, *to)),
    }
}

/// The part of `rows` written in this time: the log is in its order.
fn written(seen: &Seen<'_>, rows: Range<u32>, from: u64, to: u64) -> Range<u32> {
    let first_from = |moment: u64| {
        let (mut low, mut high) = (rows.start, rows.end);
        while low < high {
            let middle = low.midpoint(high);
            if seen.ledger.log()[middle as usize].server_ts < moment { low = middle + 1 } else { high = middle }
        }
        low
    };
    first_from(from)..first_from(to).max(first_from(from))
}

/// What the columns of a row of the log say, as a query must show them.
fn print_of(seen: &Seen<'_>, number: u32) -> u64 {
    let row = &seen.ledger.log()[number as usize];
    let name = |index| &**seen.ledger.name(index);
    print([
        &seen.ledger.vote_id(number),
        name(row.session),
        &row.user_id,
        name(row.option),
        &row.request_id,
        &row.client_ts.to_string(),
        &iso8601(row.server_ts),
        &Ipv4Addr::from_bits(row.client_ip).to_string(),
        name(row.user_agent),
        &format!("{:016x}", row.token_id),
    ])
}
