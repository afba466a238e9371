//! Looking for rows by the indexes that the schema asks for (voting.md 11.4: session, user, request) and by time, which
//! the log is in the order of: half a million rows are not walked for one of them.

use super::super::api::Query;
use super::{Answer, Ledger};
use crate::contract::Nanos;

impl Ledger {
    /// The first rows of a session that a query asks for, oldest first, at most `rows_max`.
    pub fn search(&self, session_id: &str, query: &Query, rows_max: usize) -> Vec<u32> {
        // A session without a vote has no name here.
        let Some(session) = self.names.iter().position(|name| **name == *session_id) else { return Vec::new() };
        let session = session as u32;
        let here = |row: &u32| self.log[*row as usize].session == session;
        let mut rows: Vec<u32> = match query {
            Query::Session(_) => (0..self.log.len() as u32).filter(here).take(rows_max).collect(),
            Query::Range { from, to } => {
                let span = self.first_row_from(*from)..self.log.len() as u32;
                let in_time = |row: &u32| self.log[*row as usize].server_ts < *to;
                span.take_while(in_time).filter(here).take(rows_max).collect()
            }
            Query::User(id) => {
                let own = |row: &u32| *self.log[*row as usize].user_id == **id && here(row);
                self.by_user.candidates((session, &**id)).filter(own).collect()
            }
            Query::Request(id) => {
                let decided = self.answer_to(id).map(|number| self.decisions[number as usize].answer);
                let accepted =
                    decided.and_then(|answer| if let Answer::Accepted(row) = answer { Some(row) } else { None });
                let inserted = self.inserted.iter().filter(|row| *self.log[**row as usize].request_id == **id);
                accepted.into_iter().chain(inserted.copied()).filter(here).collect()
            }
        };
        rows.sort_unstable();
        rows.truncate(rows_max);
        rows
    }

    /// The first row written at or after a moment: the database's time never goes back.
    fn first_row_from(&self, from: Nanos) -> u32 {
        let (mut low, mut high) = (0, self.log.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.log[middle].server_ts < from {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low as u32
    }
}
