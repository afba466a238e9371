//! The numbers. Each profile differs from the one it builds on only where its own source says otherwise.

use super::{Limit, Limits};

const KVSTORE: &str = "kvstore-module.md, limits and considerations";
const KV_OPS: &str = "kvstore-module.md, operation limits: KV counts towards the 3 operations of an execution";
const KV_CORE: &str = "kvstore-module.md, core methods";
const KV_PAGING: &str = "kvstore-module.md, key management";
const SILENT: &str = "the documents name no such limit";
const PAGE_09: &str = "serverless-sdk/api-limits page of 2026-09-30 (platform.md 3.3)";
const PAGE_06: &str = "KV store page of 2026-06 (platform.md 3.3)";
const SKILLS: &str = "pubnub/skills of 2026-05 (platform.md 3.3)";
const SIZES: &str = "platform.md 2.7";
const EXPERIMENT: &str = "none: lifted for experiments";

/// What the five pattern documents say, and the platform's common numbers where they are silent.
pub static DOCUMENTS_2026_01: Limits = Limits {
    name: "documents-2026-01",
    ops_per_execution: Limit::new(Some(3), KV_OPS),
    xhr_per_execution: Limit::new(None, SILENT),
    pubnub_per_execution: Limit::new(None, SILENT),
    publishes_per_execution: Limit::new(None, SILENT),
    kv_per_execution: Limit::new(None, SILENT),
    kv_counts_as_op: Limit::new(1, KV_OPS),
    vault_per_execution: Limit::new(None, SILENT),
    outbound_per_s: Limit::new(None, SILENT),
    hops: Limit::new(Some(3), "platform.md 3.3, chain depth: 3 hops in all three sources"),
    handler_ms: Limit::new(Some(10_000), "platform.md 3.3, time: 10 s where the documents say a few seconds"),
    kv_key_chars: Limit::new(Some(250), KVSTORE),
    // 30 KB read as 30 x 1,024: the larger reading, and the one under which 32 KiB messages make sense.
    kv_value_bytes: Limit::new(Some(30 * 1_024), KVSTORE),
    kv_value_chars: Limit::new(None, SILENT),
    kv_ttl_default_minutes: Limit::new(1_440, KV_CORE),
    kv_ttl_min_minutes: Limit::new(1, KV_CORE),
    kv_ttl_max_minutes: Limit::new(525_600, KV_CORE),
    kv_page_keys: Limit::new(100, KV_PAGING),
    kv_ops_per_s: Limit::new(None, "kvstore-module.md, rate limits: may be throttled, no number"),
    message_bytes: Limit::new(Some(32 * 1_024), "platform.md 2.7, URI encoding and channel included"),
    signal_bytes: Limit::new(Some(64), SIZES),
    channel_name_chars: Limit::new(Some(92), "platform.md 2.6"),
    queue_messages: Limit::new(Some(100), "platform.md 2.4"),
    catch_up_minutes: Limit::new(20, "platform.md 2.4: up to 20 minutes; sources range from 2 to 20"),
    publishes_per_channel_per_s: Limit::new(Some(1_000), "voting.md 10.4: vote submissions a second, per shard"),
    history_page: Limit::new(100, SIZES),
    objects_page: Limit::new(100, "platform.md 2.1"),
    grant_ttl_min_minutes: Limit::new(1, "platform.md 2.8"),
    grant_ttl_max_minutes: Limit::new(43_200, "platform.md 2.8"),
};

/// The newest page: separate budgets for `xhr`, the `pubnub` module, publishes and KV.
pub static SERVERLESS_2026_09: Limits = Limits {
    name: "serverless-2026-09",
    ops_per_execution: Limit::new(None, PAGE_09),
    xhr_per_execution: Limit::new(Some(5), PAGE_09),
    pubnub_per_execution: Limit::new(Some(10), PAGE_09),
    publishes_per_execution: Limit::new(Some(10), PAGE_09),
    kv_per_execution: Limit::new(Some(10), PAGE_09),
    kv_counts_as_op: Limit::new(0, PAGE_09),
    vault_per_execution: Limit::new(Some(10), PAGE_09),
    outbound_per_s: Limit::new(Some(100), PAGE_09),
    hops: Limit::new(Some(3), PAGE_09),
    handler_ms: Limit::new(Some(10_000), PAGE_09),
    kv_key_chars: Limit::new(Some(1_000), PAGE_09),
    kv_value_bytes: Limit::new(None, PAGE_09),
    kv_value_chars: Limit::new(Some(32_000), PAGE_09),
    kv_ttl_default_minutes: Limit::new(1_440, PAGE_09),
    kv_ttl_min_minutes: Limit::new(1, PAGE_09),
    kv_ttl_max_minutes: Limit::new(525_600, PAGE_09),
    kv_page_keys: Limit::new(100, PAGE_09),
    catch_up_minutes: Limit::new(5, "platform.md 2.4: sources say from 2 to 20 minutes; 5 is the cautious one of them"),
    publishes_per_channel_per_s: Limit::new(None, "platform.md 3.3 names no rate per channel"),
    ..DOCUMENTS_2026_01
};

/// The KV page: 3 operations of any kind, longer keys and values than the documents have.
pub static KV_PAGE_2026_06: Limits = Limits {
    name: "kv-page-2026-06",
    ops_per_execution: Limit::new(Some(3), PAGE_06),
    kv_counts_as_op: Limit::new(1, PAGE_06),
    hops: Limit::new(Some(3), PAGE_06),
    kv_key_chars: Limit::new(Some(1_000), PAGE_06),
    kv_value_bytes: Limit::new(None, PAGE_06),
    kv_value_chars: Limit::new(Some(32_000), PAGE_06),
    kv_ttl_default_minutes: Limit::new(1_440, PAGE_06),
    kv_ttl_min_minutes: Limit::new(1, PAGE_06),
    kv_ttl_max_minutes: Limit::new(525_600, PAGE_06),
    ..DOCUMENTS_2026_01
};

/// The published skills: 3 operations of `xhr` and the `pubnub` module; KV is free.
pub static SKILLS_2026_05: Limits = Limits {
    name: "skills-2026-05",
    ops_per_execution: Limit::new(Some(3), SKILLS),
    kv_counts_as_op: Limit::new(0, SKILLS),
    vault_per_execution: Limit::new(Some(10), SKILLS),
    hops: Limit::new(Some(3), SKILLS),
    ..DOCUMENTS_2026_01
};

/// No limits but those without which a call has no meaning: page sizes, times to live.
pub static UNLIMITED: Limits = Limits {
    name: "unlimited",
    ops_per_execution: Limit::new(None, EXPERIMENT),
    kv_counts_as_op: Limit::new(0, EXPERIMENT),
    hops: Limit::new(None, EXPERIMENT),
    handler_ms: Limit::new(None, EXPERIMENT),
    kv_key_chars: Limit::new(None, EXPERIMENT),
    kv_value_bytes: Limit::new(None, EXPERIMENT),
    message_bytes: Limit::new(None, EXPERIMENT),
    signal_bytes: Limit::new(None, EXPERIMENT),
    channel_name_chars: Limit::new(None, EXPERIMENT),
    queue_messages: Limit::new(None, EXPERIMENT),
    publishes_per_channel_per_s: Limit::new(None, EXPERIMENT),
    ..DOCUMENTS_2026_01
};
