//! A vote session: question, options, config, and the App Context object that holds its public state (voting.md 5.1).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::message::SCHEMA_VERSION;

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Created,
    Open,
    Closed,
    Revealed,
}

/// One option.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoteOption {
    pub id: String,
    /// Under 100 characters (voting.md 6.4).
    pub label: String,
    /// From 1.
    pub order: u32,
}

/// What a host may choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionConfig {
    /// A later vote of the same user replaces the earlier one.
    pub allow_change_vote: bool,
    /// Tallies are broadcast, and shown to late joiners, while the session is open.
    pub show_live_tally: bool,
    /// Who voted for what is in the audit log alone.
    pub anonymous_results: bool,
    /// 1 unless the host wants more. The document's `vote.created` example leaves it out: 1 then.
    #[serde(default = "one")]
    pub max_votes_per_user: u32,
}

fn one() -> u32 {
    1
}

/// What a session is, before anybody votes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionSpec {
    pub session_id: String,
    pub question: String,
    pub options: Vec<VoteOption>,
    pub config: SessionConfig,
    pub host_id: String,
}

impl SessionSpec {
    /// Options `opt_1`, `opt_2`, … with these labels.
    pub fn options_of(labels: &[String]) -> Vec<VoteOption> {
        let number = |(index, label): (usize, &String)| VoteOption {
            id: format!("opt_{}", index + 1),
            label: label.clone(),
            order: index as u32 + 1,
        };
        labels.iter().enumerate().map(number).collect()
    }
}

/// The `custom` part of the session's channel object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionObject {
    pub schema_version: String,
    pub session_id: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub status: Status,
    pub question: String,
    pub options: Vec<VoteOption>,
    pub config: SessionConfig,
    /// Option id to count, then `total`.
    pub tally: Map<String, Value>,
    pub host_id: String,
    pub created_at: Option<String>,
    pub opened_at: Option<String>,
    pub closed_at: Option<String>,
    pub revealed_at: Option<String>,
    pub shard_count: u32,
}

impl SessionObject {
    /// A new session's object: every count 0.
    pub fn new(spec: &SessionSpec, shard_count: u32, created_at: String) -> Self {
        let zeros: Vec<(String, u64)> = spec.options.iter().map(|option| (option.id.clone(), 0)).collect();
        Self {
            schema_version: SCHEMA_VERSION.into(),
            session_id: spec.session_id.clone(),
            kind: "vote_session".into(),
            status: Status::Created,
            question: spec.question.clone(),
            options: spec.options.clone(),
            config: spec.config,
            tally: tally_with_total(&zeros),
            host_id: spec.host_id.clone(),
            created_at: Some(created_at),
            opened_at: None,
            closed_at: None,
            revealed_at: None,
            shard_count,
        }
    }

    /// The object's patch that sets everything.
    pub fn to_patch(&self) -> String {
        json!({ "name": self.question, "custom": self }).to_string()
    }

    /// Reads the object out of a channel object's body.
    pub fn from_body(body: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Body {
            custom: SessionObject,
        }
        serde_json::from_str::<Body>(body).ok().map(|body| body.custom)
    }
}

/// A user's membership of the session's channel (voting.md 5.3).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Membership<'a> {
    pub schema_version: &'a str,
    pub has_voted: bool,
    /// Left out where results are anonymous.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voted_option: Option<&'a str>,
    pub voted_at: &'a str,
    pub vote_id: &'a str,
    pub ack_received: bool,
}

/// `{opt_1: n, …, total: n}`, as App Context has it.
pub fn tally_with_total(counts: &[(String, u64)]) -> Map<String, Value> {
    let mut map = counts_map(counts);
    map.insert("total".into(), counts.iter().map(|(_, n)| n).sum::<u64>().into());
    map
}

/// `{opt_1: n, …}`
pub fn counts_map(counts: &[(String, u64)]) -> Map<String, Value> {
    counts.iter().map(|(id, n)| (id.clone(), Value::from(*n))).collect()
}

/// Results as revealed (voting.md 6.1): counts, percentages, winner.
///
/// Percentages have one decimal, rounded half up; with no votes all are 0 (voting.md 9.3: no division by zero). A tie
/// is declared, not broken: `winner` is null, as it is when nobody voted.
pub fn results_payload(counts: &[(String, u64)]) -> Map<String, Value> {
    let total: u64 = counts.iter().map(|(_, n)| n).sum();
    let mut results = Map::new();
    for (id, count) in counts {
        // Tenths of a percent, half up: (1000 * count + total / 2) / total.
        let tenths = (1_000 * count + total / 2).checked_div(total).unwrap_or(0);
        results.insert(id.clone(), json!({ "count": count, "percentage": tenths as f64 / 10.0 }));
    }
    let mut payload = Map::new();
    payload.insert("results".into(), Value::Object(results));
    payload.insert("totalVotes".into(), total.into());
    payload.insert("winner".into(), winner(counts).map_or(Value::Null, Value::from));
    payload
}

/// The option with most votes, if there is exactly one.
pub fn winner(counts: &[(String, u64)]) -> Option<&str> {
    let most = counts.iter().map(|(_, n)| *n).max().filter(|n| *n > 0)?;
    let mut first = counts.iter().filter(|(_, n)| *n == most);
    let winner = first.next()?;
    if first.next().is_some() { None } else { Some(&winner.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(of: &[u64]) -> Vec<(String, u64)> {
        of.iter().enumerate().map(|(i, n)| (format!("opt_{}", i + 1), *n)).collect()
    }

    /// 412 + 687 + 424 = 1523: the document's own example.
    #[test]
    fn results_are_the_documents_example() {
        let payload = results_payload(&counts(&[412, 687, 424]));
        assert_eq!(
            serde_json::to_string(&payload).unwrap(),
            r#"{"results":{"opt_1":{"count":412,"percentage":27.1},"opt_2":{"count":687,"percentage":45.1},"opt_3":{"count":424,"percentage":27.8}},"totalVotes":1523,"winner":"opt_2"}"#
        );
    }

    #[test]
    fn zero_votes_divide_by_nothing_and_have_no_winner() {
        let payload = results_payload(&counts(&[0, 0]));
        assert_eq!(payload["results"]["opt_1"]["percentage"], 0.0);
        assert_eq!(payload["winner"], Value::Null);
    }

    #[test]
    fn a_tie_is_declared() {
        assert_eq!(winner(&counts(&[5, 7, 7])), None);
        assert_eq!(winner(&counts(&[5, 7, 6])), Some("opt_2"));
    }

    #[test]
    fn a_single_voter_makes_100_percent() {
        assert_eq!(results_payload(&counts(&[0, 1]))["results"]["opt_2"]["percentage"], 100.0);
    }
}
