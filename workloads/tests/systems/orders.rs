//! Facts of the order workflow, each in one run of a few customers of `orders-100k`, whose payment service errs from 60 s to
//! 80 s.

use crate::documented::{ANY_CALLS, DOCUMENTED, assert_falls};
use crate::support::{counter, prepared, run, violated};

const FEW: [(&str, &str); 7] = [
    ("system.users", "20"),
    ("system.acts", "100"),
    ("system.declined_ppm", "0"),
    ("system.sold_out_ppm", "0"),
    ("system.double_click_ppm", "0"),
    ("system.join_to_s", "2.0"),
    ("system.backoff_ms", "2_000"),
];

/// All orders fall into the 20 s in which three of ten payment calls fail and two of ten lose their answer. With waits of 4, 8
/// and 16 s nobody runs out of retries before it is over; documented takes money twice, and keeps what fails in between.
#[test]
fn a_payment_service_that_errs_costs_time_and_no_money() {
    let while_it_errs = [&FEW[..], &[("system.from_s", "60.0"), ("system.to_s", "79.0")]].concat();
    let hardened = run("orders-100k", &while_it_errs, 1);
    assert_eq!(violated(&hardened.properties), Vec::<String>::new());
    assert_eq!(counter(&hardened, "acts.order.accepted"), 100);
    assert!(counter(&hardened, "functions.counter.orders.tried_again") > 20);
    let documented = run("orders-100k", &[&while_it_errs[..], &[DOCUMENTED, ANY_CALLS]].concat(), 1);
    assert_falls(&documented, "a-customer-is-charged-at-most-once");
}

/// Without any trouble the document's chain is too long all the same: what shipping fires is dropped in silence, and no order
/// is ever completed.
#[test]
fn under_three_hops_the_documents_chain_never_notifies() {
    let calm = [&FEW[..], &[("system.from_s", "5.0"), ("system.to_s", "25.0"), DOCUMENTED]].concat();
    let ours = [&calm[..], &[("limits", "\"serverless-2026-09\"")]].concat();
    let outcome = run("orders-100k", &ours, 1);
    let said = "handlers-fit-their-limits: shipping needs 4 hops in a chain of Functions; the limit is 3";
    assert_falls(&outcome, said);
    assert_falls(&outcome, "every-order-ends");
    assert_eq!((counter(&outcome, "service.carrier.served"), counter(&outcome, "service.notices.served")), (100, 0));
}

/// Seeds in which every service and the KV store failed for long: with an interval function once a second, two notes at a time,
/// some of forty orders were never looked at again before the run ended.
#[test]
fn a_backlog_of_orders_is_worked_off() {
    for seed in [1_695, 2_486] {
        let properties = prepared("orders-small", &[]).check(seed).properties;
        assert_eq!(violated(&properties), Vec::<String>::new(), "seed {seed}");
    }
}
