//! The `hardened` variant: every FR and NFR of voting.md 2 under every fault of the catalogue.
//!
//! # The protocol
//!
//! **One place decides.** The audit database has to exist anyway (FR-8) and has `UNIQUE (session_id, user_id)`. Here it
//! decides, in one transaction per vote ([`Ledger::cast`](super::audit::Ledger::cast)): was this request answered
//! before? is the session open? is the option one of its own? has the user a vote left? It records the answer with the
//! request, and an accepted vote with its row and its count. Session status lives in the same database, so *close wins*
//! is the order of two transactions. Everything else is a copy: KV caches answers, App Context shows the session to
//! late joiners, channels carry news.
//!
//! **Submit** (Before Publish on `vote-submit.*`; three calls)
//! 1. Validate: types, sizes, session and channel agree, `requestId` is of the form of voting.md 6.2, and the publisher
//!    that the platform authenticated *is* `payload.userId`. Else abort: nobody votes for somebody else.
//! 2. `kv.get(processed:{requestId})`: a known answer is published again as it was. If KV does not answer, abort with
//!    503: fail closed (voting.md 9.1). The database would still be right; without the cache in front of it a retry
//!    storm would land on it, and the document asks for closed.
//! 3. `xhr` to the database: decide, or learn what was decided. No answer: abort with 503; whether it took effect is
//!    unknown, and asking again with the same `requestId` finds out.
//! 4. Publish the `vote.ack` on the user's own results channel: bytes made from the decision alone, so that a repeated
//!    request gets the same bytes. Failed: abort with 503, the client asks again.
//!
//! **After Publish on `vote-submit.*`** (two calls): `kv.set(processed:{requestId})` and the membership of voting.md
//! 5.3. Both are copies of a decision that does not change, so they may be lost, late or doubled.
//!
//! **Lifecycle** (Before Publish on `vote-control.*`; two calls): the host's message is a command. The database takes the
//! step (idempotent; only by the session's host; one step at a time), App Context gets the database's picture, and what
//! is delivered carries the database's times, totals and results, not the client's.
//!
//! **Tally** (On Interval, every second; three calls): the database gives the next *numbered* snapshot; App Context gets
//! it, and `vote.tally` is published with the number in its event id, so that a screen never goes back. It goes on for
//! [`SETTLE`](super::audit::SETTLE) after the reveal, so the last picture everywhere is the final one.
//!
//! **Client**: one `requestId` per vote, kept until a final answer (accepted, or rejected for a reason that will not
//! change); backoff with jitter; 403 means a new token; reconnect from the cursor and read App Context again.
//!
//! # Why it is right
//! - *At most one vote (FR-5, NFR-3)*: rows enter `vote_audit` only in `cast`, which checks under the constraint.
//! - *Nothing lost, nothing acknowledged that is not counted (NFR-4, FR-9)*: an accepted ack is published only after the
//!   transaction is durable, and the count moved in that transaction. A crash before it: no effect. After it: the retry
//!   finds the recorded answer. The client does not stop before it has one.
//! - *Same request, same answer*: the answer is recorded with the decision; the cache is filled only from it; the ack's
//!   bytes are a function of it.
//! - *Close wins*: `cast` and `step` are ordered; after `closed` no `cast` accepts, so the total in `vote.closed` is final.
//! - *Tally, results, shards and audit agree*: all are read from the same counts. Snapshots have one order; screens and
//!   oracles keep the greatest.
//! - *No forged message*: only Functions write results channels, only the host writes control, and what either says is
//!   replaced by what the database holds.
//! - *Fail closed*: no answer from KV or database, no ack.
//!
//! # What it fits
//! No execution makes more than three calls of all kinds together, so it fits the three-operation profile as well as the
//! newest one. The price: `getActiveSessions` and the tallies of *all* sessions come in one request, and with three calls
//! one execution can broadcast only one session; the newest profile has room for ten. A property checks the budget.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::audit::api::{self, CastVote, Decision, Lifecycle, Snapshot};
use super::message::{
    Ack, AckPayload, Announcement, CONTROL_BYTES_MAX, OPTIONS_MAX, SCHEMA_VERSION, SUBMIT_BYTES_MAX, Submit, to_json,
};
use super::session::{Membership, SessionSpec, Status, counts_map, results_payload, tally_with_total};
use super::shard;
use crate::access::Role;
use crate::functions::{Context, Event, Function, OpError, Resolution};
use crate::message::Trigger;
use crate::planted::{Bug, has};

/// One hour (voting.md 9.4), in the KV module's minutes.
const PROCESSED_TTL_MINUTES: u32 = 60;

/// The Functions to deploy.
pub fn functions() -> Vec<Function> {
    vec![
        Function::new("vote-submit-handler", "vote-submit.*", Trigger::BeforePublish, submit),
        Function::new("vote-submit-recorder", "vote-submit.*", Trigger::AfterPublish, record),
        Function::new("vote-lifecycle", "vote-control.*", Trigger::BeforePublish, lifecycle),
        Function::new("vote-tally-broadcaster", super::TALLY_JOB, Trigger::OnInterval, |context, _| broadcast(context)),
    ]
}

fn abort(status: u16, error: &str, details: &str) -> Resolution {
    Resolution::Abort { status, body: json!({ "error": error, "details": details }).to_string().into() }
}

/// Not now: the client asks again with the same request. Counted, since the document wants an alert (voting.md 9.1).
fn unavailable(context: &Context, what: &'static str, error: &OpError) -> Resolution {
    context.count("function.errors");
    context.count(what);
    context.log(|| format!("FUNC ERROR {what}: {error}"));
    abort(503, "unavailable", what)
}

async fn submit(context: Context, event: Event) -> Resolution {
    let Ok(message) = serde_json::from_str::<Submit<'_>>(&event.payload) else {
        context.count("votes.rejected.invalid_message");
        return abort(400, "invalid_message", "Missing required fields");
    };
    let shard = match validate(&message, &event) {
        Ok(shard) => shard,
        Err(refusal) => {
            context.count("votes.rejected.invalid_message");
            return refusal;
        }
    };
    context.count("votes.submitted");
    let request_id = &*message.request_id;
    context.log(|| format!("FUNC requestId={request_id} action=validate status=pass"));

    // The decision, as the database gave it: now, or when the request first came.
    let (text, fresh) = match context.kv_get(processed_key(request_id)).await {
        Err(error) if !has(Bug::VoteFailsOpen) => return unavailable(&context, "alert.dedupe_unavailable", &error),
        Ok(Some(text)) => {
            context.count("votes.duplicates");
            context.log(|| format!("FUNC requestId={request_id} action=dedupe status=known"));
            (text, false)
        }
        Ok(None) | Err(_) => {
            context.log(|| format!("FUNC requestId={request_id} action=dedupe status=new"));
            match decide(&context, &event, &message, shard).await {
                Ok(text) => (text, true),
                Err(error) => return unavailable(&context, "alert.audit_unavailable", &error),
            }
        }
    };
    let Ok(decision) = serde_json::from_str::<Decision<'_>>(&text) else {
        context.count("function.errors");
        return abort(503, "unavailable", "unreadable decision");
    };
    if fresh {
        context.count(decision.reason.as_deref().map_or("votes.accepted", super::rejected_counter));
        context.log(|| format!("FUNC requestId={request_id} action=record status={}", decision.status));
    }
    let ack = acknowledgement(&decision, &message);
    let channel = shard::private_results_channel(&message.session_id, &message.payload.user_id);
    if let Err(error) = context.publish(channel, ack, false).await {
        return unavailable(&context, "alert.ack_unpublished", &error);
    }
    context.log(|| format!("FUNC requestId={request_id} action=ack"));
    if !fresh {
        return Resolution::Ok(None);
    }
    // What follows the publish learns the decision from the message; nobody subscribes to submit channels.
    Resolution::Ok(Some(to_json(&Submit { decision: Some(decision), ..message }).into()))
}

/// Whether the message is a vote that this publisher may cast here; returns its shard.
fn validate(message: &Submit<'_>, event: &Event) -> Result<u32, Resolution> {
    let invalid = |details| Err(abort(400, "invalid_message", details));
    let (user_id, session_id) = (&*message.payload.user_id, &*message.session_id);
    if event.payload.len() >= SUBMIT_BYTES_MAX {
        return invalid("vote.submit must be smaller than 1 KB");
    }
    if message.kind != "vote.submit" || message.schema_version != SCHEMA_VERSION || message.decision.is_some() {
        return invalid("vote.submit with schemaVersion 1.0.0 expected");
    }
    if message.payload.option_id.is_empty() || user_id.is_empty() || session_id.is_empty() {
        return invalid("Missing required fields");
    }
    let Some((channel_session, shard)) = shard::parse_submit_channel(&event.channel) else {
        return invalid("not a submit channel");
    };
    if channel_session != session_id {
        return invalid("sessionId and channel differ");
    }
    // req_{userId}_{sessionId}_{clientTimestamp}: a request belongs to its user, so nobody can use up another's.
    let rest = message.request_id.strip_prefix("req_").and_then(|rest| rest.strip_prefix(user_id));
    let rest = rest.and_then(|rest| rest.strip_prefix('_')).and_then(|rest| rest.strip_prefix(session_id));
    let stamp = rest.and_then(|rest| rest.strip_prefix('_')).unwrap_or("");
    if stamp.is_empty() || !stamp.bytes().all(|b| b.is_ascii_digit()) || message.request_id.len() > 100 {
        return invalid("requestId must be req_{userId}_{sessionId}_{clientTimestamp}");
    }
    if *event.publisher != *user_id && !has(Bug::VoteBelievesThePayload)
        || event.token.as_ref().is_some_and(|t| t.grant.role != Role::Participant)
    {
        return Err(abort(403, "forbidden", "payload.userId is not the publisher"));
    }
    Ok(shard)
}

/// Asks the database; returns its decision as it wrote it.
async fn decide(context: &Context, event: &Event, message: &Submit<'_>, shard: u32) -> Result<Arc<str>, OpError> {
    let vote = CastVote {
        session_id: (&*message.session_id).into(),
        user_id: (&*message.payload.user_id).into(),
        option_id: (&*message.payload.option_id).into(),
        request_id: (&*message.request_id).into(),
        client_ts: (&*message.ts).into(),
        client_ip: event.client_ip,
        user_agent: super::USER_AGENT.into(),
        token_id: event.token.as_ref().map_or(0, |token| token.signature),
        shard,
    };
    let response = context.fetch("POST", api::CAST, to_json(&vote)).await?;
    match response.status {
        200 => Ok(response.body),
        status => Err(OpError::Api(crate::error::ApiError::new(status, response.body))),
    }
}

/// Where KV has the answer to a request.
fn processed_key(request_id: &str) -> String {
    ["processed:", request_id].concat()
}

/// The `vote.ack`: a function of the decision and of the request's own fields, so that it is the same bytes each time.
fn acknowledgement(decision: &Decision<'_>, message: &Submit<'_>) -> String {
    let session_id = &*message.session_id;
    let event_id = match &decision.vote_id {
        Some(vote_id) => ["evt_", session_id, "_", vote_id].concat(),
        None => format!("evt_{session_id}_rej_{:03}", decision.number),
    };
    to_json(&Ack {
        kind: "vote.ack".into(),
        schema_version: SCHEMA_VERSION.into(),
        event_id: event_id.into(),
        ts: (&*decision.ts).into(),
        session_id: session_id.into(),
        payload: AckPayload {
            request_id: Some((&*message.request_id).into()),
            user_id: Some((&*message.payload.user_id).into()),
            status: (&*decision.status).into(),
            vote_id: decision.vote_id.as_deref().map(Into::into),
            reason: decision.reason.as_deref().map(Into::into),
            existing_vote_id: decision.existing_vote_id.as_deref().map(Into::into),
        },
    })
}

/// A 200's body, or the answer as an error.
fn read<'a, T: serde::Deserialize<'a>>(status: u16, body: &'a str) -> Result<T, OpError> {
    let refuse = || OpError::Api(crate::error::ApiError::new(status, body));
    if status != 200 {
        return Err(refuse());
    }
    serde_json::from_str(body).map_err(|_| refuse())
}

/// After the publish: caches the answer, and notes the vote in the user's membership.
async fn record(context: Context, event: Event) -> Resolution {
    let Ok(message) = serde_json::from_str::<Submit<'_>>(&event.payload) else { return Resolution::Ok(None) };
    // Only a fresh decision is in the message: one out of the cache has been recorded.
    let Some(decision) = &message.decision else { return Resolution::Ok(None) };
    // A failure loses a cache entry, not a vote.
    let set = context.kv_set(processed_key(&message.request_id), to_json(decision), Some(PROCESSED_TTL_MINUTES));
    if set.await.is_err() {
        context.count("recorder.cache_failures");
    }
    if let Some(vote_id) = &decision.vote_id {
        let membership = Membership {
            schema_version: SCHEMA_VERSION,
            has_voted: true,
            // App Context can be read by others: an anonymous session says nothing there.
            voted_option: (!decision.anonymous).then_some(&*message.payload.option_id),
            voted_at: &decision.ts,
            vote_id,
            ack_received: true,
        };
        let channel = shard::control_channel(&message.session_id);
        if context.set_membership(event.publisher, channel, to_json(&membership)).await.is_err() {
            context.count("recorder.membership_failures");
        }
    }
    Resolution::Ok(None)
}

async fn lifecycle(context: Context, event: Event) -> Resolution {
    if event.payload.len() >= CONTROL_BYTES_MAX {
        return abort(400, "invalid_message", "control messages must be smaller than 8 KB");
    }
    let Ok(message) = serde_json::from_str::<Announcement>(&event.payload) else {
        return abort(400, "invalid_message", "Missing required fields");
    };
    let is_host = event.token.as_ref().is_some_and(|token| token.grant.role == Role::Host);
    if !is_host || *event.channel != *shard::control_channel(&message.session_id) {
        return abort(403, "forbidden", "only the session's host");
    }
    let to = match &*message.kind {
        "vote.created" => Status::Created,
        "vote.opened" => Status::Open,
        "vote.closed" => Status::Closed,
        "vote.revealed" => Status::Revealed,
        _ => return abort(400, "invalid_message", "vote.created, vote.opened, vote.closed or vote.revealed expected"),
    };
    let spec = if to == Status::Created {
        match spec_of(&message, &event) {
            Some(spec) => Some(spec),
            None => return abort(400, "invalid_message", "question, 2 to 20 options and config expected"),
        }
    } else {
        None
    };
    let host_id = event.publisher.to_string();
    let command = Lifecycle { session_id: message.session_id.clone(), to, host_id, spec };
    let snapshot: Snapshot = match context.fetch("POST", api::LIFECYCLE, to_json(&command)).await {
        Err(error) => return unavailable(&context, "alert.audit_unavailable", &error),
        Ok(response) if (400..429).contains(&response.status) => {
            return Resolution::Abort { status: response.status, body: response.body };
        }
        Ok(response) => match read(response.status, &response.body) {
            Ok(snapshot) => snapshot,
            Err(error) => return unavailable(&context, "alert.audit_unavailable", &error),
        },
    };
    if let Err(error) = context.set_channel(event.channel.clone(), picture(&snapshot)).await {
        return unavailable(&context, "alert.app_context_unavailable", &error);
    }
    context.log(|| format!("FUNC session={} status={:?}", message.session_id, snapshot.status));
    Resolution::Ok(Some(announced(message, to, &snapshot).to_json().into()))
}

/// The session that a `vote.created` describes, if it describes one.
fn spec_of(message: &Announcement, event: &Event) -> Option<SessionSpec> {
    let payload = &message.payload;
    let spec = SessionSpec {
        session_id: message.session_id.clone(),
        question: payload.get("question")?.as_str()?.into(),
        options: serde_json::from_value(payload.get("options")?.clone()).ok()?,
        config: serde_json::from_value(payload.get("config")?.clone()).ok()?,
        host_id: event.publisher.to_string(),
    };
    let labels_fit = spec.options.iter().all(|option| !option.id.is_empty() && option.label.chars().count() < 100);
    ((2..=OPTIONS_MAX).contains(&spec.options.len()) && labels_fit).then_some(spec)
}

/// What App Context shows of a snapshot: with a hidden tally the counts appear when they are revealed.
fn picture(snapshot: &Snapshot) -> String {
    let mut custom = json!({
        "status": snapshot.status,
        "createdAt": snapshot.created_at,
        "openedAt": snapshot.opened_at,
        "closedAt": snapshot.closed_at,
        "revealedAt": snapshot.revealed_at,
    });
    if snapshot.show_live_tally || snapshot.status == Status::Revealed {
        custom["tally"] = Value::Object(tally_with_total(&snapshot.tally()));
    }
    json!({ "custom": custom }).to_string()
}

/// The host's message as everybody gets it: its frame, the database's facts.
fn announced(message: Announcement, to: Status, snapshot: &Snapshot) -> Announcement {
    let Announcement { event_id, session_id, mut payload, kind, .. } = message;
    let ts = match to {
        Status::Created => &snapshot.created_at,
        Status::Open => &snapshot.opened_at,
        Status::Closed => &snapshot.closed_at,
        Status::Revealed => &snapshot.revealed_at,
    };
    let ts = ts.clone().unwrap_or_else(|| snapshot.ts.clone());
    match to {
        Status::Created => {}
        Status::Open => {
            let closes_at = payload.get("closesAt").cloned().unwrap_or(Value::Null);
            payload = Map::from_iter([("openedAt".into(), ts.clone().into()), ("closesAt".into(), closes_at)]);
        }
        Status::Closed => {
            let total = if snapshot.show_live_tally { snapshot.total().into() } else { Value::Null };
            payload = Map::from_iter([("closedAt".into(), ts.clone().into()), ("totalVotes".into(), total)]);
        }
        Status::Revealed => payload = results_payload(&snapshot.tally()),
    }
    Announcement::new(&kind, event_id, ts, &session_id, payload)
}

/// Every session that has something to say: App Context, then the channel.
async fn broadcast(context: Context) -> Resolution {
    let response = match context.fetch("POST", api::SNAPSHOTS, "{}").await {
        Ok(response) => response,
        Err(error) => return unavailable(&context, "alert.audit_unavailable", &error),
    };
    let snapshots: Vec<Snapshot> = match read(response.status, &response.body) {
        Ok(snapshots) => snapshots,
        Err(error) => return unavailable(&context, "alert.audit_unavailable", &error),
    };
    for snapshot in &snapshots {
        let session_id = &*snapshot.session_id;
        if let Err(error) = context.set_channel(shard::control_channel(session_id), picture(snapshot)).await {
            if matches!(error, OpError::Budget { .. }) {
                // No room left for more sessions in this execution: they come with the next.
                break;
            }
            context.count("alert.app_context_unavailable");
        }
        let hidden = !snapshot.show_live_tally && snapshot.status != Status::Revealed;
        if hidden || snapshot.status == Status::Created {
            continue;
        }
        if context.publish(shard::results_channel(session_id), tally(snapshot).to_json(), true).await.is_ok() {
            context.count("tally.updates");
        } else {
            context.count("alert.tally_unpublished");
        }
    }
    Resolution::Ok(None)
}

fn tally(snapshot: &Snapshot) -> Announcement {
    let counts = snapshot.tally();
    // A changed vote can lower an option's count, so a delta can be negative.
    let deltas = counts
        .iter()
        .zip(&snapshot.previous)
        .map(|((id, now), before)| (id.clone(), Value::from(*now as i64 - *before as i64)));
    let mut payload = Map::new();
    payload.insert("tally".into(), Value::Object(counts_map(&counts)));
    payload.insert("total".into(), snapshot.total().into());
    payload.insert("delta".into(), Value::Object(deltas.collect()));
    let session_id = &*snapshot.session_id;
    let event_id = format!("evt_{session_id}_tally_{:03}", snapshot.number);
    Announcement::new("vote.tally", event_id, snapshot.ts.clone(), session_id, payload)
}
