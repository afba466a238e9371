//! The online count: all shards within one execution, and how many of them answered.

use serde_json::{Value, json};

use super::{names, remembered};
use crate::functions::{Context, Resolution};
use crate::message::Channel;
use crate::patterns::friends::message::{Count, Message, kind};
use crate::timetoken::{iso8601, unix_ms};

/// Calls for the shards: of ten that an execution may make, one is the publish, and one is left over.
const CALLS: u32 = 8;
/// One day [minutes].
const TTL_MINUTES: u32 = 1_440;

/// Adds the shards up and tells everybody.
pub async fn broadcast(context: Context, shards: u32) -> Resolution {
    let (mut total, mut counted) = (0u64, 0u32);
    let a_call = shards.div_ceil(CALLS).max(1);
    for first in (0..shards).step_by(a_call as usize) {
        let asked = first..(first + a_call).min(shards);
        let channels: Vec<Channel> = asked.clone().map(|shard| names::presence_channel(shard).into()).collect();
        match context.here_now(channels, 0, 0).await {
            Ok(here) => {
                total += u64::from(here.total_occupancy);
                counted += asked.len() as u32;
            }
            Err(_) => context.count("count.shards_missing"),
        }
    }
    let now = iso8601(context.now());
    let today = &now[..10];
    // Both only colour the message: a store that does not answer makes a delta of 0 and a peak of now.
    let previous = remembered::<Value>(&context, "global:online_count").await;
    let peak = remembered::<Value>(&context, "global:peak_today").await.filter(|peak| peak["date"] == today);
    let delta =
        previous.as_ref().and_then(|previous| previous["count"].as_i64()).map_or(0, |count| total as i64 - count);
    let peak = peak.and_then(|peak| peak["peak"].as_u64()).unwrap_or(0).max(total);
    // A count that misses shards is no measure for the next one.
    if counted == shards {
        let count = json!({ "count": total }).to_string();
        _ = context.kv_set("global:online_count", count, Some(TTL_MINUTES)).await;
        let peak = json!({ "peak": peak, "date": today }).to_string();
        _ = context.kv_set("global:peak_today", peak, Some(TTL_MINUTES)).await;
    }
    let payload = Count {
        online_count: total,
        delta_from_last: delta,
        peak_today: peak,
        calculated_at: (&*now).into(),
        shards_counted: counted,
    };
    let id = format!("evt_count_{}", unix_ms(context.now()));
    let text = Message::new(kind::COUNT, id, &*now, payload).to_json();
    if counted > 0 && context.publish(names::GLOBAL, text, false).await.is_ok() {
        context.count("global.counts");
    }
    Resolution::Ok(None)
}
