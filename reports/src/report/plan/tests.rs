//! The page of a plan that has an answer, and of one that has none.

use headcount_workloads::bill::Prices;
use headcount_workloads::plan::Infeasible;
use serde_json::json;

use super::*;
use crate::plan::fixture::{answer, asked, plan};
use crate::plots;

fn page_of(plan: &Plan<'_>) -> String {
    let certificate = json!({
        "warm_up": "the first <second> is left out",
        "checks": [{"check": "little", "deviation": 0.0, "passed": true}],
        "not_modelled": ["TLS"],
    });
    html(plan, &plots::plan::draw_all(plan), &certificate)
}

#[test]
fn the_answer_stands_before_why_and_the_certificate_last() {
    let (asked, answer) = (asked(), answer());
    let page = page_of(&Plan { tried: std::slice::from_ref(&answer.at_load), ..plan(&asked, &answer) });
    let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text} is missing"));
    let order = [
        "Use 12 vote shards",
        "First to saturate: vote shards at 49.0 %, then kv eu-west at 41.0 %",
        "id=\"answer\"",
        "id=\"why\"",
        "id=\"objectives\"",
        "id=\"plots\"",
        "id=\"utilisation\"",
        "id=\"ladder\"",
        "id=\"scaling\"",
        "id=\"cost\"",
        "id=\"tried\"",
        "id=\"certificate\"",
        "id=\"repeat\"",
    ];
    assert!(order.map(at).is_sorted());
    assert_eq!(page.matches("<svg").count(), 6);
    for text in ["ack.p99_ms 310 ms ± 127 ms", "the first &lt;second&gt; is left out", ">not modelled<"] {
        assert!(page.contains(text), "{text}");
    }
    assert!(page.contains("header class=\"holds\""));
}

#[test]
fn the_page_asks_nobody_for_anything_and_is_small() {
    let (asked, answer) = (asked(), answer());
    let page = page_of(&plan(&asked, &answer));
    for forbidden in ["http:", "https:", "src=", "href=\"/", "url(", "@import", "<script", "<link", "<iframe", "NaN"] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    assert!(page.len() < 3_000_000);
}

#[test]
fn an_answer_that_everybody_misses_is_no_good_answer() {
    let (asked, mut answer) = (asked(), answer());
    answer.everybody.meets = false;
    let page = page_of(&plan(&asked, &answer));
    assert!(page.contains("header class=\"violated\"") && page.contains("miss the SLO"));
}

#[test]
fn no_answer_says_what_would_have_to_change() {
    let nothing = Infeasible {
        station: Some("vote shards".into()),
        why: "vote shards forbids it: 125 % full".into(),
        change: "ask for at most about 8000/s".into(),
    };
    let asked = asked();
    let page =
        page_of(&Plan { asked: &asked, found: Err(&nothing), tried: &[], prices: None, storms: None, grown: &[] });
    assert!(page.contains("No configuration keeps it") && page.contains("Ask for at most about 8000/s."));
    assert!(page.contains("What forbids it: vote shards.") && !page.contains("<svg"));
}

#[test]
fn prices_make_money_of_counts() {
    let (asked, answer) = (asked(), answer());
    let prices = Prices::parse("p.toml", "currency = \"EUR\"\n[per_million]\npublishes = 3\ndeliveries = 1\n").unwrap();
    let with = page_of(&Plan { prices: Some(&prices), ..plan(&asked, &answer) });
    // A million of each: 3 + 1; documented four million of each: 16.
    assert!(
        with.contains("4 EUR for the run of everybody at your prices; the document&#39;s own logic would take 16 EUR.")
    );
    // Half a million publishes at 3 a million are 1.5, and 2.5 x 10^11 deliveries 250,000.
    assert!(with.contains(">250,002 EUR<"));
    let without = page_of(&plan(&asked, &answer));
    assert!(without.contains("Counts without prices") && !without.contains("EUR"));
}
