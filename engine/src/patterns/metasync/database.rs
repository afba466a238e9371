//! The customer's database: rows with versions, and which of them have arrived in App Context.

use std::any::Any;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{DATABASE, ROWS};
use crate::contract::Nanos;
use crate::dice::HttpReply;
use crate::message::HttpRequest;
use crate::outside::{Answered, Service};

/// A row of the database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    pub id: String,
    pub name: String,
    pub email: String,
    pub avatar_url: String,
    pub role: String,
    pub team_id: String,
    /// Of the whole database: the number of the last change.
    pub version: u64,
}

/// A change of a row: the fields given.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// The same at every attempt.
    pub request_id: String,
    pub user_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub team_id: Option<String>,
}

/// The customer's database.
#[derive(Debug, Default)]
pub struct Database {
    rows: BTreeMap<String, Row>,
    /// Rows whose latest version has not arrived, by that version.
    pending: BTreeMap<u64, String>,
    answered: Answered,
    version: u64,
}

impl Database {
    /// Every row, in order of id.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.values()
    }

    /// Whether App Context has the latest version of every row.
    pub fn has_all_arrived(&self) -> bool {
        self.pending.is_empty()
    }

    fn change(&mut self, change: Change) -> HttpReply {
        self.version += 1;
        let Change { user_id, name, role, team_id, .. } = change;
        let new = || Row {
            id: user_id.clone(),
            email: format!("{user_id}@app.example"),
            avatar_url: format!("https://cdn.example/{user_id}.png"),
            ..Row::default()
        };
        let row = self.rows.entry(user_id.clone()).or_insert_with(new);
        self.pending.remove(&row.version);
        for (field, value) in [(&mut row.name, name), (&mut row.role, role), (&mut row.team_id, team_id)] {
            if let Some(value) = value {
                *field = value;
            }
        }
        row.version = self.version;
        self.pending.insert(row.version, user_id);
        (200, serde_json::to_string(row).expect("a row serialises").into())
    }
}

impl Service for Database {
    fn serve(&mut self, _: Nanos, request: &HttpRequest) -> HttpReply {
        let route = request.route().strip_prefix(DATABASE).unwrap_or("");
        if route.starts_with("/users/") {
            let Ok(change) = serde_json::from_str::<Change>(&request.body) else { return (400, "{}".into()) };
            // As the answer was then: whoever repeats a call sees the row as it was.
            let key = request.header("Idempotency-Key").unwrap_or("");
            let mut answered = std::mem::take(&mut self.answered);
            let reply = answered.once(key, || self.change(change));
            self.answered = answered;
            return reply;
        }
        if let Some(user) = route.strip_prefix("/arrived/") {
            let version = request.body.parse().unwrap_or(0);
            if self.pending.get(&version).is_some_and(|pending| pending == user) {
                self.pending.remove(&version);
            }
            return (200, "{}".into());
        }
        let limit = request.query("limit").and_then(|limit| limit.parse().ok()).unwrap_or(ROWS);
        let rows: Vec<&Row> = self.pending.values().take(limit).map(|user| &self.rows[user]).collect();
        (200, serde_json::to_string(&rows).expect("rows serialise").into())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
