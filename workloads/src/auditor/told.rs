//! What an auditor was told: rows as the answers have them, in as few bytes as the oracles need of them.

use std::borrow::Cow;
use std::hash::Hasher;

use headcount_engine::contract::{MS, Nanos};
use headcount_engine::patterns::voting::audit::api::Query;
use headcount_engine::timetoken::parse_iso8601;
use rustc_hash::FxHasher;
use serde::Deserialize;

use crate::crowd::plan::user_of;

/// A row of `vote_audit` as a client reads it (voting.md 11.4).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    vote_id: Cow<'a, str>,
    #[serde(borrow)]
    session_id: Cow<'a, str>,
    #[serde(borrow)]
    user_id: Cow<'a, str>,
    #[serde(borrow)]
    option_id: Cow<'a, str>,
    #[serde(borrow)]
    request_id: Cow<'a, str>,
    #[serde(borrow)]
    client_ts: Cow<'a, str>,
    #[serde(borrow)]
    server_ts: Cow<'a, str>,
    #[serde(borrow)]
    client_ip: Cow<'a, str>,
    #[serde(borrow)]
    user_agent: Cow<'a, str>,
    #[serde(borrow)]
    token_id: Cow<'a, str>,
}

/// A row that was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToldRow {
    /// Which row of the log it is, by its primary key.
    pub number: u32,
    /// A hash of what all columns but the key say ([`print`]).
    pub print: u64,
    /// The user, if it is one of the crowd's.
    pub user: Option<u32>,
    /// The timestamp in its requestId [ms].
    pub stamp: u64,
    /// Index of its option; 99 is none of them.
    pub option: u8,
}

/// A hash of a row's columns but for its key, in the order of the schema.
pub fn print(columns: [&str; 10]) -> u64 {
    let mut hasher = FxHasher::default();
    for column in columns {
        hasher.write_usize(column.len());
        hasher.write(column.as_bytes());
    }
    hasher.finish()
}

impl Row<'_> {
    /// `None` if the row is not what a row is.
    fn told(&self) -> Option<ToldRow> {
        let number = u32::from_str_radix(self.id.strip_prefix("00000000-0000-4000-8000-0000")?, 16).ok()?;
        let option = self.option_id.strip_prefix("opt_").and_then(|n| n.parse::<u8>().ok());
        let (_, stamp) = self.request_id.rsplit_once('_')?;
        Some(ToldRow {
            number,
            print: print([
                &self.vote_id,
                &self.session_id,
                &self.user_id,
                &self.option_id,
                &self.request_id,
                &self.client_ts,
                &self.server_ts,
                &self.client_ip,
                &self.user_agent,
                &self.token_id,
            ]),
            user: user_of(&self.user_id),
            stamp: stamp.parse().ok()?,
            option: option.and_then(|n| n.checked_sub(1)).unwrap_or(99),
        })
    }
}

/// One page of an answer.
pub struct Page {
    pub rows: Vec<ToldRow>,
    /// The millisecond of the last row: the next page begins there.
    pub last_written: Nanos,
    /// The requestId of the row that `pick` chose.
    pub picked: Option<String>,
}

/// Reads an answer; `pick` chooses the row whose request is wanted. `None` if it is no list of rows.
pub fn read(body: &str, pick: u64) -> Option<Page> {
    let rows: Vec<Row<'_>> = serde_json::from_str(body).ok()?;
    let last_written = rows.last().map_or(Some(0), |row| parse_iso8601(&row.server_ts))? / MS * MS;
    let picked = (!rows.is_empty()).then(|| rows[(pick % rows.len() as u64) as usize].request_id.to_string());
    let rows = rows.iter().map(Row::told).collect::<Option<_>>()?;
    Some(Page { rows, last_written, picked })
}

/// A question of the auditor's that was answered.
#[derive(Clone, Debug)]
pub struct Answered {
    pub query: Query,
    /// When the attempt that was answered was sent, for its first page.
    pub asked: Nanos,
    pub answered: Nanos,
    /// Over all pages, each row once, as they came.
    pub rows: Vec<ToldRow>,
    /// Whether there was no further page.
    pub complete: bool,
    pub pages: u32,
}
