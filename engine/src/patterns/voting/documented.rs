//! The `documented` variant: the handlers of voting.md 7, step by step, with what is wrong with them.
//!
//! Steps are numbered as the document numbers them. Where its code calls a helper that it does not show, the plainest
//! reading is taken and named: `publishAck` publishes what the KV store had cached, as the payload; `getVoteSession`
//! reads the control channel's App Context object; `getActiveSessions` is the same read for the one known session.
//!
//! What goes wrong, and which property says so, is in the module documentation of the hardened variant and in the
//! findings of a run.

use serde_json::{Map, Value, json};

use super::audit::api::{self, CastVote, InsertRow};
use super::message::{Ack, AckPayload, Announcement, SCHEMA_VERSION, Submit, reason, to_json};
use super::session::{Membership, SessionObject, counts_map};
use super::shard;
use crate::functions::{Context, Event, Function, OpError, Resolution};
use crate::message::Trigger;
use crate::timetoken::{iso8601, unix_ms};

/// `kvstore.set(voteKey, …, 86400)`: the module's unit is minutes, so this is 60 days; seconds were meant.
const VOTE_TTL_MINUTES: u32 = 86_400;
/// `kvstore.set(processedKey, …, 3600)`: 60 hours; one hour was meant.
const PROCESSED_TTL_MINUTES: u32 = 3_600;

/// The Functions to deploy: the submit handler on `vote-submit.*`, and the broadcaster as job `vote-tally`.
pub fn functions(session_id: &str) -> Vec<Function> {
    let session_id = session_id.to_owned();
    vec![
        Function::new("vote-submit-handler", "vote-submit.*", Trigger::BeforePublish, submit),
        Function::new("vote-tally-broadcaster", super::TALLY_JOB, Trigger::OnInterval, move |context, _| {
            broadcast(context, session_id.clone())
        }),
    ]
}

/// 7.1, with its catch-all: any error of any call aborts with `internal_error`.
async fn submit(context: Context, event: Event) -> Resolution {
    match process(&context, &event).await {
        Ok(resolution) => resolution,
        Err(error) => {
            context.count("function.errors");
            context.log(|| format!("FUNC ERROR Vote processing error: {error}"));
            Resolution::refuse(400, "internal_error")
        }
    }
}

async fn process(context: &Context, event: &Event) -> Result<Resolution, OpError> {
    // 1. Validate message structure. Who published is not compared with payload.userId.
    let valid = |m: &Submit<'_>| {
        m.kind == "vote.submit"
            && [&m.schema_version, &m.request_id, &m.session_id, &m.payload.user_id, &m.payload.option_id]
                .iter()
                .all(|field| !field.is_empty())
    };
    let message = match serde_json::from_str::<Submit<'_>>(&event.payload) {
        Ok(message) if valid(&message) => message,
        _ => {
            let body = json!({ "error": "invalid_message", "details": "Missing required fields" });
            return Ok(Resolution::Abort { status: 400, body: body.to_string().into() });
        }
    };
    let (session_id, request_id) = (&*message.session_id, &*message.request_id);
    let (user_id, option_id) = (&*message.payload.user_id, &*message.payload.option_id);
    context.count("votes.submitted");
    context.log(|| format!("FUNC requestId={request_id} action=validate status=pass"));

    // 2. Check idempotency.
    let processed_key = format!("processed:{request_id}");
    if let Some(existing) = context.kv_get(&*processed_key).await? {
        context.count("votes.duplicates");
        let payload: Value = serde_json::from_str(&existing).unwrap_or(Value::Null);
        let ack = json!({
            "type": "vote.ack", "schemaVersion": SCHEMA_VERSION,
            "eventId": format!("evt_{session_id}_{}", payload["voteId"].as_str().unwrap_or("")),
            "ts": iso8601(context.now()), "sessionId": session_id, "payload": payload,
        });
        context.publish(shard::results_channel(session_id), ack.to_string(), true).await?;
        return Ok(Resolution::Ok(None));
    }

    // 3. to 6. Session open, option there, not voted yet. Nothing holds between these reads and the writes below.
    let object = context.get_channel(shard::control_channel(session_id)).await?;
    let session = SessionObject::from_body(&object.body)
        .ok_or_else(|| OpError::Api(crate::error::ApiError::new(500, "session object unreadable")))?;
    if session.status != super::session::Status::Open {
        return reject(context, &message, reason::SESSION_NOT_OPEN, None).await;
    }
    if !session.options.iter().any(|option| option.id == option_id) {
        return reject(context, &message, reason::INVALID_OPTION, None).await;
    }
    let vote_key = format!("vote:{session_id}:{user_id}");
    if let Some(existing) = context.kv_get(&*vote_key).await? {
        context.count("votes.duplicates");
        let existing: Value = serde_json::from_str(&existing).unwrap_or(Value::Null);
        return reject(context, &message, reason::ALREADY_VOTED, existing["voteId"].as_str()).await;
    }

    // 7. Record vote.
    let now = context.now();
    let random: String = context.uuid().chars().filter(|c| *c != '-').take(9).collect();
    let vote_id = format!("vote_{}{random}", super::audit::base36(unix_ms(now)));
    let record = json!({
        "voteId": vote_id, "sessionId": session_id, "userId": user_id, "optionId": option_id,
        "requestId": request_id, "ts": iso8601(now), "serverTs": unix_ms(now),
    });
    // 8. to 10. Three writes; a crash between any two leaves the vote half recorded.
    context.kv_set(&*vote_key, record.to_string(), Some(VOTE_TTL_MINUTES)).await?;
    let cached = json!({ "voteId": vote_id, "status": "accepted" }).to_string();
    context.kv_set(&*processed_key, cached, Some(PROCESSED_TTL_MINUTES)).await?;
    context.kv_incr(format!("tally:{session_id}:{option_id}"), 1).await?;
    context.log(|| format!("FUNC requestId={request_id} action=tally option={option_id}"));
    // 11. Update App Context membership.
    let membership = Membership {
        schema_version: SCHEMA_VERSION,
        has_voted: true,
        voted_option: Some(option_id),
        voted_at: &iso8601(now),
        vote_id: &vote_id,
        ack_received: true,
    };
    context.set_membership(user_id, shard::control_channel(session_id), to_json(&membership)).await?;
    // 12. Write to audit log: nobody waits for it.
    context.fetch_and_forget("POST", api::INSERT, to_json(&audit_row(&message, event, &vote_id)))?;
    // 13. Publish acknowledgment, on the channel that everybody reads.
    context.count("votes.accepted");
    let payload = AckPayload { vote_id: Some((&*vote_id).into()), ..answer_to(&message, "accepted") };
    let event_id = format!("evt_{session_id}_{vote_id}");
    context.publish(shard::results_channel(session_id), ack(context, &message, event_id, payload), true).await?;
    Ok(Resolution::Ok(None))
}

fn audit_row<'a>(message: &'a Submit<'_>, event: &'a Event, vote_id: &'a str) -> InsertRow<'a> {
    InsertRow {
        vote_id: vote_id.into(),
        vote: CastVote {
            session_id: (&*message.session_id).into(),
            user_id: (&*message.payload.user_id).into(),
            option_id: (&*message.payload.option_id).into(),
            request_id: (&*message.request_id).into(),
            client_ts: (&*message.ts).into(),
            client_ip: event.client_ip,
            user_agent: super::USER_AGENT.into(),
            token_id: event.token.as_ref().map_or(0, |token| token.signature),
            shard: shard::parse_submit_channel(&event.channel).map_or(0, |(_, shard)| shard),
        },
    }
}

fn answer_to<'a>(message: &'a Submit<'_>, status: &'static str) -> AckPayload<'a> {
    AckPayload {
        request_id: Some((&*message.request_id).into()),
        user_id: Some((&*message.payload.user_id).into()),
        status: status.into(),
        ..AckPayload::default()
    }
}

fn ack(context: &Context, message: &Submit<'_>, event_id: String, payload: AckPayload<'_>) -> String {
    to_json(&Ack {
        kind: "vote.ack".into(),
        schema_version: SCHEMA_VERSION.into(),
        event_id: event_id.into(),
        ts: iso8601(context.now()).into(),
        session_id: (&*message.session_id).into(),
        payload,
    })
}

/// `rejectVote`: published, not remembered, so the same request can be answered otherwise next time.
async fn reject(
    context: &Context,
    message: &Submit<'_>,
    why: &'static str,
    existing_vote_id: Option<&str>,
) -> Result<Resolution, OpError> {
    context.count(super::rejected_counter(why));
    let payload = AckPayload {
        reason: Some(why.into()),
        existing_vote_id: existing_vote_id.map(Into::into),
        ..answer_to(message, "rejected")
    };
    let event_id = format!("evt_{}_rej_{}", message.session_id, unix_ms(context.now()));
    let text = ack(context, message, event_id, payload);
    context.publish(shard::results_channel(&message.session_id), text, true).await?;
    Ok(Resolution::Ok(None))
}

/// 7.2: every option's counter, read one after the other at this region's replica, then one publish.
async fn broadcast(context: Context, session_id: String) -> Resolution {
    let tally = async {
        let object = context.get_channel(shard::control_channel(&session_id)).await?;
        let Some(session) = SessionObject::from_body(&object.body) else { return Ok(()) };
        if session.status != super::session::Status::Open || !session.config.show_live_tally {
            return Ok(());
        }
        let mut counts = Vec::new();
        for option in &session.options {
            let count = context.kv_counter(format!("tally:{session_id}:{}", option.id)).await?;
            counts.push((option.id.clone(), count.max(0) as u64));
        }
        let mut payload = Map::new();
        payload.insert("tally".into(), Value::Object(counts_map(&counts)));
        payload.insert("total".into(), counts.iter().map(|(_, n)| n).sum::<u64>().into());
        let now = context.now();
        let event_id = format!("evt_{session_id}_tally_{}", unix_ms(now));
        let message = Announcement::new("vote.tally", event_id, iso8601(now), &session_id, payload);
        context.publish(shard::results_channel(&session_id), message.to_json(), true).await?;
        context.count("tally.updates");
        Ok::<(), OpError>(())
    };
    if let Err(error) = tally.await {
        context.count("function.errors");
        context.log(|| format!("FUNC ERROR tally broadcast: {error}"));
    }
    Resolution::Ok(None)
}
