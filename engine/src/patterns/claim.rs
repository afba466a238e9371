//! One of several executions that come at once: `incrCounter` gives no two of them the same number, and is the only call of a
//! KV store that does.
//!
//! A counter has no life of its own, so each span of time has its own counter, and a claim that dies with its worker blocks its
//! span and the next one, not for ever. Executions that look at clocks a little apart may be in neighbouring spans: each
//! counts in its own first and then looks at the neighbours, so that of two at least one sees the other. Both may: then
//! nobody has the claim, and it is to be asked for again.

use crate::contract::{MS, Nanos};
use crate::functions::{Context, OpError, join};
use crate::timetoken::unix_ms;

/// KV calls that a claim makes at most.
pub const CALLS: u32 = 4;

/// Whether this execution has `key`, which no other one within a `span` of it gets in this region. The span is longer than an
/// execution lasts and clocks differ.
pub async fn claim(context: &Context, key: &str, span: Nanos) -> Result<bool, OpError> {
    let span = unix_ms(context.now()) / (span / MS);
    let counter = |span: u64| format!("claim:{key}:{span}");
    // Who would lose anyway counts nothing: it would block the span after this one.
    if context.kv_counter(counter(span - 1)).await? != 0 || context.kv_incr(counter(span), 1).await? != 1 {
        return Ok(false);
    }
    let (before, after) = join(context.kv_counter(counter(span - 1)), context.kv_counter(counter(span + 1))).await;
    Ok(before? == 0 && after? == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::SECOND;
    use crate::functions::{Function, Resolution};
    use crate::message::Trigger;
    use crate::patterns::tests::bench::{Bench, NOON, in_every_order};

    const SPAN: Nanos = 30 * SECOND;

    fn functions() -> Vec<Function> {
        vec![Function::new("claims", "c", Trigger::BeforePublish, |context, _| async move {
            match claim(&context, "k", SPAN).await {
                Ok(true) => Resolution::Ok(None),
                Ok(false) => Resolution::refuse(503, "taken"),
                Err(error) => Resolution::refuse(500, &error.to_string()),
            }
        })]
    }

    fn two_at(clocks: [Nanos; 2]) -> Bench {
        let mut bench = Bench::new(functions, &clocks);
        (0..2).for_each(|worker| bench.invoke(worker, worker as u64, Trigger::BeforePublish, "c", "u", "1"));
        bench
    }

    /// A claim makes a look, a count and two looks at once. Were there only looks and counts, two claims had 4! / (2! * 2!) = 6 orders;
    /// the looks at once make more of them.
    #[test]
    fn of_two_claims_at_once_no_order_of_calls_gives_both() {
        for apart in [0, 5 * SECOND, SPAN, SPAN + 5 * SECOND] {
            let mut won = [0; 3];
            let orders = in_every_order(|| two_at([NOON, NOON + apart]), |bench| won[bench.passed()] += 1);
            assert!(orders > 6, "{orders}");
            assert_eq!(won[2], 0, "{apart} ns apart: {won:?}");
            assert!(won[1] > 0, "{apart} ns apart: {won:?}");
        }
    }

    /// Two spans on it is another claim: nothing of the first is in the way.
    #[test]
    fn a_claim_that_died_is_in_the_way_for_its_span_and_the_next() {
        for (after, wins) in [(0, false), (SPAN, false), (2 * SPAN, true)] {
            let mut bench = Bench::new(functions, &[NOON]);
            bench.invoke(0, 1, Trigger::BeforePublish, "c", "u", "1");
            // It looked and counted, and dies.
            bench.carry(0);
            bench.carry(0);
            bench.kill(0);
            bench.wait(after);
            bench.invoke(0, 2, Trigger::BeforePublish, "c", "u", "1");
            bench.finish();
            assert_eq!(bench.end(2).unwrap().is_ok(), wins, "{after} ns later");
        }
    }

    #[test]
    fn who_loses_again_and_again_blocks_no_span_after_the_next() {
        let mut bench = Bench::new(functions, &[NOON]);
        let won = (0..20u64).filter(|tag| {
            bench.invoke(0, *tag, Trigger::BeforePublish, "c", "u", "1");
            bench.finish();
            bench.wait(SPAN / 5);
            bench.end(*tag).unwrap().is_ok()
        });
        // Twenty attempts in four spans: the first of the first span, and the first of the third.
        assert_eq!(won.collect::<Vec<_>>(), [0, 10]);
        assert_eq!(NOON % SPAN, 0);
    }
}
