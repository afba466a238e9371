//! `report.html`: a run for people, the answer first. One file, no script, no request to anywhere. A comparison's page is
//! put together from the same parts.

use headcount_workloads::bill::Prices;
use headcount_workloads::outcome::{Outcome, Verdict};

use crate::number::count_of;
use crate::plots::Drawn;
use crate::summary::{expectation, verdict_word};

mod bill;
mod certificate;
pub(crate) mod html;
pub mod plan;
mod scale;
mod sections;

use html::escaped;
pub(crate) use html::{paragraph, section};
pub(crate) use sections::{facts, plots_section};

const TEMPLATE: &str = include_str!("template.html");
const STYLE: &str = include_str!("style.css");

/// The page. `repeat` is the command line that does the run again, and with `prices` there is a bill; wall-clock time and memory are not in it, so the
/// same outcome gives the same bytes.
pub fn html(outcome: &Outcome, plots: &[Drawn], repeat: &str, prices: Option<&Prices>) -> String {
    let word = verdict_word(outcome.verdict);
    page(&Page {
        kind: "Headcount run report",
        title: format!("{}, seed {}: {word}", outcome.scenario, outcome.seed),
        class: word,
        word: word.to_string(),
        beside: expectation(outcome),
        said: verdict_said(outcome),
        head: sections::broken(outcome) + &sections::run_facts(outcome),
        sections: sections::all(outcome, plots, repeat, prices),
    })
}

/// What every page has: texts as they are, and two pieces of HTML.
pub(crate) struct Page<'a> {
    /// What it reports on, above the answer.
    pub kind: &'a str,
    pub title: String,
    /// Whose colour the answer has: `holds`, `violated`, `inconclusive`.
    pub class: &'static str,
    /// The answer, and what stands small beside it.
    pub word: String,
    pub beside: String,
    /// The answer as a sentence.
    pub said: String,
    /// HTML: below the answer.
    pub head: String,
    /// HTML: the rest.
    pub sections: String,
}

/// Puts a page together.
pub(crate) fn page(page: &Page<'_>) -> String {
    let fields: [(&str, String); 9] = [
        ("title", escaped(&page.title)),
        ("style", STYLE.to_string()),
        ("kind", escaped(page.kind)),
        ("class", page.class.to_string()),
        ("word", escaped(&page.word)),
        ("beside", escaped(&page.beside)),
        ("said", escaped(&page.said)),
        ("head", page.head.clone()),
        ("sections", page.sections.clone()),
    ];
    fill(TEMPLATE, &fields)
}

fn verdict_said(outcome: &Outcome) -> String {
    let with = |verdict| outcome.properties.iter().filter(|property| property.verdict == verdict).count() as u64;
    let count = |verdict| count_of(with(verdict), "property", "properties");
    match outcome.verdict {
        Verdict::Holds => {
            // A scenario need not ask for every situation; what was never checked is not said to have been met.
            match outcome.properties.iter().filter(|property| property.times_checked == 0).count() as u64 {
                0 => "Every property held, and each met its situation.".to_string(),
                idle => {
                    format!("Every property held; {} had nothing to check.", count_of(idle, "property", "properties"))
                }
            }
        }
        Verdict::Inconclusive if with(Verdict::Inconclusive) > 0 => {
            let open = count(Verdict::Inconclusive);
            format!(
                "No property was broken, but {open} did not meet the situation: many seeds together may, with headcount check."
            )
        }
        Verdict::Inconclusive => {
            let open = thresholds(outcome, Verdict::Inconclusive);
            format!("Every property held, but there was nothing to measure for {open}.")
        }
        Verdict::Violated => {
            let broken = (with(Verdict::Violated) > 0).then(|| format!("{} did not hold", count(Verdict::Violated)));
            let is_missed = outcome.thresholds.iter().any(|judged| judged.verdict() == Verdict::Violated);
            let missed = is_missed.then(|| format!("{} missed", thresholds(outcome, Verdict::Violated)));
            let said: Vec<String> = broken.into_iter().chain(missed).collect();
            format!("{}.", said.join(", "))
        }
    }
}

fn thresholds(outcome: &Outcome, verdict: Verdict) -> String {
    let count = outcome.thresholds.iter().filter(|judged| judged.verdict() == verdict).count() as u64;
    count_of(count, "threshold", "thresholds")
}

/// Puts each field in the place of `{{name}}`, in one pass, so that nothing a run says can name a field.
fn fill(template: &str, fields: &[(&str, String)]) -> String {
    let mut page = String::new();
    let mut parts = template.split("{{");
    page.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (name, rest) = part.split_once("}}").expect("the template closes its fields");
        let value = fields.iter().find(|(field, _)| *field == name).expect("the template names fields there are");
        page.push_str(&value.1);
        page.push_str(rest);
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fixture, plots};

    fn page(outcome: &Outcome) -> String {
        html(outcome, &plots::draw_all(outcome), "headcount run x --seed 1", None)
    }

    #[test]
    fn the_page_asks_nobody_for_anything() {
        for outcome in [fixture::outcome(), fixture::violated()] {
            let page = page(&outcome);
            for forbidden in ["http:", "https:", "src=", "href=\"/", "url(", "@import", "<script", "<link", "<iframe"] {
                assert!(!page.contains(forbidden), "{forbidden}");
            }
        }
    }

    #[test]
    fn the_answer_stands_before_everything_else() {
        let page = page(&fixture::outcome());
        let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text} is missing"));
        let order = [
            "<h1>",
            "00c0ffee01234567",
            "id=\"result\"",
            "id=\"targets\"",
            "id=\"properties\"",
            "id=\"faults\"",
            "id=\"plots\"",
            "id=\"readings\"",
            "id=\"stations\"",
            "id=\"limits\"",
            "id=\"certificate\"",
            "id=\"not-modelled\"",
            "id=\"repeat\"",
        ];
        assert!(order.map(at).is_sorted());
        assert_eq!(page.matches("<svg").count(), plots::draw_all(&fixture::outcome()).len());
        assert!(page.contains("functions-2026") && page.contains("headcount run x --seed 1"));
    }

    #[test]
    fn a_report_on_friends_speaks_of_no_vote() {
        let page = page(&fixture::friends());
        let body = page.split_once("</style>").unwrap().1.to_lowercase();
        assert!(!body.contains("vote") && !body.contains("voting") && !body.contains("tally"));
        assert!(!body.contains("id=\"result\"") && body.contains("id=\"plot-moves\""));
        // Nor does a report on a vote of friends.
        let page = self::page(&fixture::outcome());
        let body = page.split_once("</style>").unwrap().1.to_lowercase();
        assert!(!body.contains("friend") && body.contains("id=\"plot-votes\""));
    }

    #[test]
    fn the_scaling_notes_stand_beside_the_run_and_say_where_the_document_is_off() {
        let friends = page(&fixture::friends());
        for id in ["id=\"fan-out\"", "id=\"shard-size\"", "id=\"plot-fan-out\""] {
            assert!(friends.contains(id), "{id}");
        }
        // As written, reckoned, and how far apart.
        for text in ["5,000,000,000", "5,000,000<", "1,000 times<", "24,000", "1,080,000", "2,100 to 2,300"] {
            assert!(friends.contains(text), "{text}");
        }
        // 5,000 users / 100 events a second.
        assert!(friends.contains("the last is told of 50 s later at best"));
        let vote = page(&fixture::outcome());
        assert!(!vote.contains("id=\"fan-out\"") && !vote.contains("id=\"shard-size\""));
    }

    #[test]
    fn an_alert_says_what_to_do_where_it_went_off() {
        let friends = page(&fixture::friends());
        let (_, alerts) = friends.split_once("id=\"alerts\"").unwrap();
        let (alerts, _) = alerts.split_once("</section>").unwrap();
        assert_eq!(alerts.matches("went off").count(), 1);
        assert_eq!(alerts.matches("look into it").count(), 1);
        assert!(!page(&fixture::outcome()).contains("id=\"alerts\""));
    }

    #[test]
    fn the_verdict_counts_what_did_not_hold() {
        let mut outcome = fixture::violated();
        assert!(page(&outcome).contains("1 property did not hold, 1 threshold missed."));
        outcome.properties.retain(|property| property.verdict != Verdict::Violated);
        assert!(page(&outcome).contains("<p class=\"said\">1 threshold missed.</p>"));
        outcome.thresholds.retain(|judged| judged.verdict() != Verdict::Violated);
        outcome.verdict = Verdict::Inconclusive;
        assert!(page(&outcome).contains("No property was broken, but 1 property did not meet the situation"));
        outcome.properties.retain(|property| property.verdict == Verdict::Holds);
        assert!(page(&outcome).contains("Every property held, but there was nothing to measure for 1 threshold."));
    }

    #[test]
    fn a_threshold_stands_with_what_was_measured_and_a_missed_one_below_the_verdict() {
        let outcome = fixture::violated();
        let page = page(&outcome);
        let (head, rest) = page.split_once("<main>").unwrap();
        assert!(head.contains("<code>ack.p99_ms &lt; 500</code>: it is 8,400 ms"));
        let (_, section) = rest.split_once("id=\"thresholds\"").unwrap();
        let (section, _) = section.split_once("</section>").unwrap();
        for (mark, measured) in
            [("missed", "8,400 ms"), ("met", "512,345"), ("not measured", "there was nothing to measure")]
        {
            assert!(section.contains(&format!(">{mark}</span>")) && section.contains(measured), "{mark}");
        }
        assert!(!self::page(&fixture::outcome()).contains("id=\"thresholds\""));
    }

    #[test]
    fn a_property_that_was_never_checked_has_met_nothing() {
        let mut outcome = fixture::friends();
        assert!(page(&outcome).contains("Every property held, and each met its situation."));
        outcome.properties[1].times_checked = 0;
        assert!(page(&outcome).contains("Every property held; 1 property had nothing to check."));
    }

    #[test]
    fn what_a_run_says_is_text_and_never_markup() {
        let mut outcome = fixture::violated();
        outcome.scenario = "<script>alert(1)</script>".into();
        outcome.notes = vec!["{{style}} <img>".into()];
        outcome.faults[0].label = "<b>cut</b>".into();
        let page = page(&outcome);
        assert!(!page.contains("<script") && !page.contains("<img") && !page.contains("<b>cut"));
        assert!(page.contains("user 17 counted twice: &lt;red&gt;"));
        // A field's name in a run's text is left as it is.
        assert!(page.contains("{{style}} &lt;img&gt;"));
        assert!(page.contains("&lt;none&gt;"), "an option's id is escaped");
    }

    #[test]
    fn a_bare_run_still_makes_a_page() {
        let mut outcome = fixture::outcome();
        outcome.properties.clear();
        outcome.series.clear();
        outcome.latencies.clear();
        outcome.results.clear();
        outcome.faults.clear();
        outcome.stations.clear();
        outcome.readings.clear();
        outcome.notes.clear();
        let page = page(&outcome);
        assert!(page.contains("No fault was planned"));
        assert!(!page.contains("id=\"plots\"") && !page.contains("id=\"stations\"") && !page.contains("<svg"));
    }
}
