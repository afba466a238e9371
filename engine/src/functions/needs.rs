//! What a handler needs of its platform, and whether a limits profile gives it.
//!
//! A pattern declares for each handler the most calls that one execution makes. A profile that allows fewer cannot run it:
//! that is said with the operation, the limit and the document it was read in, and not found out by errors at run time.

use std::fmt;

use crate::limits::{Limit, Limits};

/// The most calls that one execution of a handler makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// The Function's name.
    pub handler: &'static str,
    /// KV calls.
    pub kv: u32,
    /// Publishes, fires and signals.
    pub publishes: u32,
    /// Other calls of the `pubnub` module: App Context, channel groups, presence.
    pub pubnub: u32,
    /// Requests to outside services.
    pub xhr: u32,
    /// Vault reads.
    pub vault: u32,
    /// How deep in a chain of Functions its last publish or fire stands: a client's own stands at 0, that of the Function
    /// which it sets off at 1.
    pub hops: u32,
}

/// A need that a profile does not meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    pub handler: &'static str,
    /// Of which operation there are too few.
    pub what: &'static str,
    pub needed: u32,
    pub limit: u32,
    /// Where the limit was read.
    pub source: &'static str,
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { handler, what, needed, limit, source } = self;
        write!(f, "{handler} needs {needed} {what}; the limit is {limit} ({source})")
    }
}

impl Needs {
    /// No calls: what a declaration begins with.
    pub const NONE: Self = Self { handler: "", kv: 0, publishes: 0, pubnub: 0, xhr: 0, vault: 0, hops: 0 };

    /// What `limits` do not allow; empty: the handler can run.
    pub fn misfits(&self, limits: &Limits) -> Vec<Misfit> {
        let kv_counted = self.kv * limits.kv_counts_as_op.value;
        let rows: [(u32, Limit<Option<u32>>, &'static str); 7] = [
            (self.kv, limits.kv_per_execution, "KV operations in one execution"),
            (self.publishes, limits.publishes_per_execution, "publishes in one execution"),
            (self.publishes + self.pubnub, limits.pubnub_per_execution, "PubNub API calls in one execution"),
            (self.xhr, limits.xhr_per_execution, "xhr requests in one execution"),
            (self.vault, limits.vault_per_execution, "vault reads in one execution"),
            (
                kv_counted + self.publishes + self.pubnub + self.xhr,
                limits.ops_per_execution,
                "operations of all kinds together in one execution",
            ),
            (self.hops, limits.hops, "hops in a chain of Functions"),
        ];
        let misfit = |(needed, limit, what): (u32, Limit<Option<u32>>, &'static str)| {
            let max = limit.value.filter(|max| needed > *max)?;
            Some(Misfit { handler: self.handler, what, needed, limit: max, source: limit.source })
        };
        rows.into_iter().filter_map(misfit).collect()
    }

    /// Whether an execution that made so many calls stayed within what was declared: KV, `pubnub`, publishes, `xhr`, as
    /// [`super::WorkerCounts::most_ops`] has them.
    pub fn covers(&self, [kv, pubnub, publishes, xhr, _]: [u32; 5]) -> bool {
        kv <= self.kv && pubnub <= self.publishes + self.pubnub && publishes <= self.publishes && xhr <= self.xhr
    }

    /// The most of each kind that any of these handlers needs.
    pub fn most(all: &[Self]) -> Self {
        let most = |of: fn(&Self) -> u32| all.iter().map(of).max().unwrap_or(0);
        Self {
            handler: "any handler",
            kv: most(|needs| needs.kv),
            publishes: most(|needs| needs.publishes),
            pubnub: most(|needs| needs.pubnub),
            xhr: most(|needs| needs.xhr),
            vault: most(|needs| needs.vault),
            hops: most(|needs| needs.hops),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{DOCUMENTS_2026_01, SERVERLESS_2026_09, SKILLS_2026_05};

    /// Four KV calls and a fire: 5 operations where KV counts, 1 where it does not.
    const VOTE: Needs = Needs { handler: "vote", kv: 4, publishes: 1, pubnub: 0, xhr: 0, vault: 0, hops: 1 };

    #[test]
    fn a_profile_that_allows_too_few_calls_is_named_with_its_source() {
        let misfits = VOTE.misfits(&DOCUMENTS_2026_01);
        let [misfit] = misfits.as_slice() else { panic!("{misfits:?}") };
        assert_eq!((misfit.needed, misfit.limit), (5, 3));
        assert!(misfit.to_string().starts_with(
            "vote needs 5 operations of all kinds together in one execution; the limit is 3 (kvstore-module.md"
        ));
        assert_eq!(VOTE.misfits(&SKILLS_2026_05), []);
        assert_eq!(VOTE.misfits(&SERVERLESS_2026_09), []);
        let lister = Needs { kv: 11, publishes: 11, xhr: 6, vault: 11, ..VOTE };
        assert_eq!(lister.misfits(&SERVERLESS_2026_09).len(), 5, "each of its own budget, publishes of two");
        let [misfit] = Needs { hops: 4, ..VOTE }.misfits(&SERVERLESS_2026_09).try_into().expect("one");
        assert!(
            misfit.to_string().starts_with("vote needs 4 hops in a chain of Functions; the limit is 3 (serverless")
        );
    }

    #[test]
    fn more_calls_than_declared_are_seen() {
        assert!(VOTE.covers([4, 1, 1, 0, 5]) && !VOTE.covers([5, 1, 1, 0, 6]) && !VOTE.covers([4, 2, 1, 0, 6]));
        let most = Needs::most(&[VOTE, Needs { handler: "other", xhr: 3, ..Needs::NONE }]);
        assert!(most.covers([4, 1, 1, 3, 8]));
    }
}
