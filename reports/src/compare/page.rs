//! `report.html` of a comparison: the answer first, then what changed, the plots, every metric, the inputs.

use super::plots;
use super::text::{answer_said, answer_word, change_said, relative_said, side_said, value_said};
use super::{Answer, Change, Compared, Comparison, files};
use crate::number::grouped;
use crate::report::html::{Cell, Narrow, escaped, table};
use crate::report::{Page, facts, page, paragraph, plots_section, section};

/// Metrics beyond the gate that are named in the head.
const NAMED_MAX: usize = 12;
/// Rows of the table of what changed, of each kind; all of them stand below in the table of every metric.
const ROWS_MAX: usize = 25;

/// The page; `repeat` is the command line that does it again.
pub fn html(comparison: &Comparison, repeat: &str) -> String {
    let word = answer_word(comparison);
    page(&Page {
        kind: "Headcount comparison",
        title: format!("{} and {}: {word}", comparison.a.label, comparison.b.label),
        class: mark(comparison.answer()),
        word: word.clone(),
        beside: comparison.inputs_said(),
        said: answer_said(comparison),
        head: failing(comparison) + &head_facts(comparison),
        sections: [
            changes(comparison),
            plots_section(&plots::draw_all(comparison)),
            inputs(comparison),
            every_metric(comparison),
            how_to_read(comparison),
            section("repeat", "Compare again", &format!("<pre>{}</pre>\n", escaped(repeat))),
        ]
        .concat(),
    })
}

fn mark(answer: Answer) -> &'static str {
    match answer {
        Answer::Same | Answer::Within => "holds",
        Answer::Different => "inconclusive",
        Answer::Beyond => "violated",
    }
}

fn mark_of(change: Change) -> &'static str {
    match change {
        Change::Worse => "violated",
        Change::Better => "holds",
        Change::Moved | Change::Unclear | Change::Same => "",
    }
}

fn failing(comparison: &Comparison) -> String {
    let line = |one: &Compared| {
        let (name, said) = (escaped(&one.metric.name), escaped(&change_said(one)));
        format!("<li><span class=\"mark violated\">beyond</span> <code>{name}</code>: {said}</li>\n")
    };
    let all: Vec<&Compared> = comparison.failing().collect();
    let mut lines: String = all.iter().take(NAMED_MAX).map(|one| line(one)).collect();
    if all.len() > NAMED_MAX {
        lines.push_str(&format!("<li>and {} more</li>\n", all.len() - NAMED_MAX));
    }
    if lines.is_empty() { lines } else { format!("<ul>\n{lines}</ul>\n") }
}

fn head_facts(comparison: &Comparison) -> String {
    let count = |count: usize| grouped(count as u64);
    let changed = |change| count(comparison.with(change).count());
    facts(&[
        ("A", side_said(&comparison.a)),
        ("B", side_said(&comparison.b)),
        ("Seeds compared", count(comparison.seeds.len())),
        ("Runs that went the same way", count(comparison.same_digests)),
        ("Worse", changed(Change::Worse)),
        ("Better", changed(Change::Better)),
        ("Not told from chance", changed(Change::Unclear)),
        ("Equal", changed(Change::Same)),
    ])
}

fn row(one: &Compared) -> Vec<Cell> {
    let shown = |value: Option<f64>| Cell::Number(value.map_or_else(|| "–".into(), |value| value_said(one, value)));
    let difference = (one.pairs > 0).then(|| one.difference());
    let width = one.half_width.map_or_else(String::new, |width| format!(" ± {}", value_said(one, width)));
    let difference = difference.map_or_else(|| "–".into(), |value| value_said(one, value) + &width);
    vec![
        Cell::Code(one.metric.name.clone()),
        Cell::Mark(mark_of(one.change()), files::change_word(one.change()).to_string()),
        shown(one.mean_a),
        shown(one.mean_b),
        Cell::Number(difference),
        Cell::Number(relative_said(one).unwrap_or_else(|| "–".into())),
        Cell::Number(format!("{} of {}", one.equal, one.pairs)),
    ]
}

const HEADINGS: [&str; 7] = ["Metric", "Change", "#A", "#B", "#B less A", "#Of A", "#Equal seeds"];

fn changes(comparison: &Comparison) -> String {
    let mut body = String::new();
    for (change, title) in
        [(Change::Worse, "Worse"), (Change::Better, "Better"), (Change::Moved, "Moved, neither better nor worse")]
    {
        let all: Vec<&Compared> = comparison.with(change).collect();
        if all.is_empty() {
            continue;
        }
        let rows: Vec<Vec<Cell>> = all.iter().take(ROWS_MAX).map(|one| row(one)).collect();
        body.push_str(&format!("<h3>{title}</h3>\n{}", table(Narrow::Cards, &HEADINGS, &rows)));
        if all.len() > ROWS_MAX {
            body.push_str(&paragraph(&format!(
                "And {} more, in the table of every metric below.",
                all.len() - ROWS_MAX
            )));
        }
    }
    if body.is_empty() { body } else { section("changes", "What changed", &body) }
}

fn inputs(comparison: &Comparison) -> String {
    let said = paragraph(&format!("A and B are {}.", comparison.inputs_said()));
    if comparison.inputs.is_empty() {
        return section("inputs", "Inputs", &said);
    }
    let shown = |value: &Option<String>| Cell::Text(value.clone().unwrap_or_else(|| "–".to_string()));
    let rows: Vec<Vec<Cell>> =
        comparison.inputs.iter().map(|one| vec![Cell::Code(one.key.clone()), shown(&one.a), shown(&one.b)]).collect();
    section("inputs", "Inputs", &(said + &table(Narrow::Cards, &["Key", "A", "B"], &rows)))
}

fn every_metric(comparison: &Comparison) -> String {
    let rows: Vec<Vec<Cell>> = comparison.metrics.iter().map(row).collect();
    let summary = format!("{} metrics", grouped(rows.len() as u64));
    let table = table(Narrow::Scroll, &HEADINGS, &rows);
    section("metrics", "Every metric", &format!("<details>\n<summary>{summary}</summary>\n{table}</details>\n"))
}

fn how_to_read(comparison: &Comparison) -> String {
    let mut said = vec![
        "Seeds are compared one by one: the same seed brings the same people at the same moments, so a difference is that of \
         the two sides and not of luck. Values are means over the seeds; ± is half of the interval that holds the true mean \
         difference with 95 % (Student's t over the paired differences)."
            .to_string(),
        "Worse and better: the interval does not reach 0. With hundreds of metrics a few do so by chance alone: the gate looks \
         at what is beyond its limit with the whole interval."
            .to_string(),
        "Counters are exact: a difference in a seed is a difference in what was done there.".to_string(),
    ];
    if let Some(gate) = &comparison.gate {
        let limit = gate.limit * 100.0;
        said.push(format!(
            "The gate: a metric fails if it is worse by more than {limit} % of A with its whole interval; if A was 0, when it is \
             clearly more; if it counts broken promises (lost, violated), with one more in any seed."
        ));
        if !gate.only.is_empty() {
            said.push(format!("Judged are {} alone.", gate.only.join(", ")));
        }
    }
    section("reading", "How to read this", &said.iter().map(|text| paragraph(text)).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{gate, side};
    use super::*;

    fn page_of(a: &[(f64, f64)], b: &[(f64, f64)], limit: Option<f64>) -> String {
        html(
            &Comparison::of(side("base", a), side("<new>", b), limit.and_then(gate)).unwrap(),
            "headcount compare base new",
        )
    }

    const BASE: [(f64, f64); 3] = [(100.0, 5.0), (200.0, 5.0), (300.0, 6.0)];
    const SLOWER: [(f64, f64); 3] = [(150.0, 5.0), (251.0, 5.0), (352.0, 6.0)];

    #[test]
    fn the_answer_stands_before_everything_else_and_asks_nobody_for_anything() {
        let page = page_of(&BASE, &SLOWER, Some(0.05));
        let (_, body) = page.split_once("<body>").unwrap();
        let at = |text: &str| body.find(text).unwrap_or_else(|| panic!("{text} is missing"));
        let order =
            ["<h1>", "worse by more than 5 %", "id=\"changes\"", "id=\"plots\"", "id=\"inputs\"", "id=\"metrics\""];
        assert!(order.map(at).is_sorted());
        for forbidden in ["http:", "https:", "src=", "url(", "@import", "<script", "<link", "<new>"] {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
        assert!(page.contains("<header class=\"violated\">") && page.contains("&lt;new&gt;"));
        assert_eq!(page, page_of(&BASE, &SLOWER, Some(0.05)));
    }

    #[test]
    fn the_same_has_nothing_to_show_but_that() {
        let page = page_of(&BASE, &BASE, None);
        assert!(page.contains("<header class=\"holds\">") && page.contains("No difference at all"));
        assert!(!page.contains("id=\"changes\"") && !page.contains("<svg"));
    }
}
