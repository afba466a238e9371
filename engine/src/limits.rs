//! Limits profiles: named, versioned sets of the platform's numbers, each with the place it was read in.
//!
//! The documents contradict each other and the platform's own pages (platform.md 3.3), so a limit is data: a scenario
//! names its profile, and a report shows every number with its source.

use crate::contract::{MINUTE, MS, Nanos};

mod bucket;
mod profiles;

pub use bucket::TokenBucket;
pub use profiles::{DOCUMENTS_2026_01, KV_PAGE_2026_06, SERVERLESS_2026_09, SKILLS_2026_05, UNLIMITED};

/// A number and where it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit<T> {
    pub value: T,
    /// Document and section, or page and date.
    pub source: &'static str,
}

impl<T> Limit<T> {
    /// `value`, as `source` has it.
    pub const fn new(value: T, source: &'static str) -> Self {
        Self { value, source }
    }
}

/// How a limit's value reads in a report.
trait Shown {
    fn shown(&self) -> String;
}

impl Shown for u32 {
    fn shown(&self) -> String {
        self.to_string()
    }
}

impl Shown for Option<u32> {
    fn shown(&self) -> String {
        self.map_or_else(|| "none".to_owned(), |value| value.to_string())
    }
}

/// Writes the struct and the list of its fields from one place, so that no number can miss its source in a report.
macro_rules! limits {
    ($($(#[$doc:meta])* $field:ident: $type:ty,)*) => {
        /// One profile. `None` means that the profile knows no such limit.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct Limits {
            /// The profile's name, with the date of what it was read from.
            pub name: &'static str,
            $($(#[$doc])* pub $field: Limit<$type>,)*
        }

        impl Limits {
            /// Every number as (field, value, source), in the order of the fields.
            pub fn sources(&self) -> Vec<(&'static str, String, &'static str)> {
                vec![$((stringify!($field), self.$field.value.shown(), self.$field.source),)*]
            }
        }
    };
}

limits! {
    /// Calls of all modules together in one Function execution [calls].
    ops_per_execution: Option<u32>,
    /// `xhr` calls in one execution [calls].
    xhr_per_execution: Option<u32>,
    /// Calls of the `pubnub` module in one execution, publishes among them [calls].
    pubnub_per_execution: Option<u32>,
    /// Publish, fire and signal calls in one execution [calls].
    publishes_per_execution: Option<u32>,
    /// KV calls in one execution [calls].
    kv_per_execution: Option<u32>,
    /// Whether KV calls count towards `ops_per_execution`: 1 or 0.
    kv_counts_as_op: u32,
    /// Vault reads in one execution [calls].
    vault_per_execution: Option<u32>,
    /// `xhr` and vault calls of a keyset [calls a second].
    outbound_per_s: Option<u32>,
    /// Function hops a message may make; what a further one publishes sets off no Function [hops].
    hops: Option<u32>,
    /// A handler's time, waiting included [ms].
    handler_ms: Option<u32>,
    /// A KV key's length [characters, UTF-16 units as JavaScript counts].
    kv_key_chars: Option<u32>,
    /// A KV value's size after stringification [bytes].
    kv_value_bytes: Option<u32>,
    /// A KV value's length after stringification [characters, UTF-16 units].
    kv_value_chars: Option<u32>,
    /// A KV value's life when the call names none [minutes].
    kv_ttl_default_minutes: u32,
    /// The shortest life [minutes].
    kv_ttl_min_minutes: u32,
    /// The longest life [minutes].
    kv_ttl_max_minutes: u32,
    /// Keys on one page of `getKeys` and `getCounterKeys` [keys].
    kv_page_keys: u32,
    /// Calls a second that one KV replica takes [calls a second].
    kv_ops_per_s: Option<u32>,
    /// A message with its channel and encoding [bytes].
    message_bytes: Option<u32>,
    /// A signal's body [bytes].
    signal_bytes: Option<u32>,
    /// A channel's name [characters].
    channel_name_chars: Option<u32>,
    /// Messages waiting for one connection; the oldest falls out [messages].
    queue_messages: Option<u32>,
    /// How far back a cursor can catch up [minutes].
    catch_up_minutes: u32,
    /// Publishes and fires a second on one channel, and signals, which have a quota of their own [messages a second].
    publishes_per_channel_per_s: Option<u32>,
    /// Entries on one page of history [messages].
    history_page: u32,
    /// Entries on one page of App Context [objects].
    objects_page: u32,
    /// A token's shortest life [minutes].
    grant_ttl_min_minutes: u32,
    /// A token's longest life [minutes].
    grant_ttl_max_minutes: u32,
}

impl Limits {
    /// The profile of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        Self::all().iter().copied().find(|limits| limits.name == name)
    }

    /// Every profile.
    pub fn all() -> &'static [&'static Self] {
        static ALL: [&Limits; 5] =
            [&DOCUMENTS_2026_01, &SERVERLESS_2026_09, &KV_PAGE_2026_06, &SKILLS_2026_05, &UNLIMITED];
        &ALL
    }

    /// How long a handler may run; a profile without such a limit gets a minute, so that nothing waits for ever.
    pub fn handler_time(&self) -> Nanos {
        self.handler_ms.value.map_or(MINUTE, |ms| Nanos::from(ms) * MS)
    }

    /// Whether a KV key has a length that the store takes.
    pub fn takes_kv_key(&self, key: &str) -> bool {
        within(key, self.kv_key_chars.value)
    }

    /// Whether a KV value has a size that the store takes.
    pub fn takes_kv_value(&self, value: &str) -> bool {
        self.kv_value_bytes.value.is_none_or(|max| value.len() <= max as usize)
            && within(value, self.kv_value_chars.value)
    }

    /// Whether a signal is small enough.
    pub fn takes_signal(&self, payload: &str) -> bool {
        self.signal_bytes.value.is_none_or(|max| payload.len() <= max as usize)
    }

    /// The life of a KV value [minutes]; `None` when the call names one out of range.
    pub fn kv_ttl_minutes(&self, asked: Option<u32>) -> Option<u32> {
        let ttl = asked.unwrap_or(self.kv_ttl_default_minutes.value);
        (self.kv_ttl_min_minutes.value..=self.kv_ttl_max_minutes.value).contains(&ttl).then_some(ttl)
    }
}

/// Whether `text` has at most `max` UTF-16 units; a text never has more of them than bytes.
fn within(text: &str, max: Option<u32>) -> bool {
    max.is_none_or(|max| text.len() <= max as usize || text.encode_utf16().count() <= max as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_is_found_by_its_name_and_names_a_source_for_every_number() {
        for limits in Limits::all() {
            assert_eq!(Limits::named(limits.name), Some(*limits));
            assert_eq!(limits.sources().len(), 28);
            assert!(limits.sources().iter().all(|(_, value, source)| !value.is_empty() && !source.is_empty()));
        }
        assert_eq!(Limits::named("documents-2025-01"), None);
    }

    #[test]
    fn the_documents_contradict_each_other_and_both_can_be_said() {
        // platform.md 3.3, first row: 3 of everything, 3 with KV free, 5 + 10 + 10.
        let ops = |name: &str| {
            let limits = Limits::named(name).unwrap();
            (limits.ops_per_execution.value, limits.kv_counts_as_op.value, limits.xhr_per_execution.value)
        };
        assert_eq!(ops("documents-2026-01"), (Some(3), 1, None));
        assert_eq!(ops("skills-2026-05"), (Some(3), 0, None));
        assert_eq!(ops("serverless-2026-09"), (None, 0, Some(5)));
        assert_eq!(ops("unlimited"), (None, 0, None));
    }

    #[test]
    fn a_key_is_measured_in_utf16_units() {
        let limits = &DOCUMENTS_2026_01;
        assert!(limits.takes_kv_key(&"k".repeat(250)) && !limits.takes_kv_key(&"k".repeat(251)));
        // 250 two-byte letters are 500 bytes and 250 units; 126 emoji are 252 units.
        assert!(limits.takes_kv_key(&"é".repeat(250)) && !limits.takes_kv_key(&"🗳".repeat(126)));
        assert!(KV_PAGE_2026_06.takes_kv_key(&"k".repeat(1_000)));
    }

    #[test]
    fn a_value_is_measured_in_bytes_by_one_document_and_in_characters_by_another() {
        // 16,000 two-byte letters: 32,000 bytes, above 30 KB = 30,720; 16,000 characters, below 32,000.
        let value = "é".repeat(16_000);
        assert!(!DOCUMENTS_2026_01.takes_kv_value(&value));
        assert!(KV_PAGE_2026_06.takes_kv_value(&value));
    }

    #[test]
    fn a_life_is_1_to_525600_minutes_and_a_day_by_default() {
        let limits = &DOCUMENTS_2026_01;
        assert_eq!(limits.kv_ttl_minutes(None), Some(24 * 60));
        assert_eq!(limits.kv_ttl_minutes(Some(0)), None);
        // 365 days of 24 hours of 60 minutes.
        assert_eq!(limits.kv_ttl_minutes(Some(365 * 24 * 60)), Some(525_600));
        assert_eq!(limits.kv_ttl_minutes(Some(525_601)), None);
    }
}
