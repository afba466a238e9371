//! The page as HTML, from its Markdown: tables become those of the other pages.

use headcount_workloads::findings::Finding;
use pulldown_cmark::{Alignment, CowStr, Event, Options, Parser, Tag, TagEnd, html::push_html};

use crate::number::count_of;
use crate::report::{Page, html::escaped, page};

/// The page of these findings, whose Markdown is `text`.
pub fn html(findings: &[Finding], text: &str) -> String {
    // The page has a heading of its own.
    let body = text.split_once("\n\n").map_or(text, |(_, body)| body);
    let mut sections = String::new();
    push_html(&mut sections, labelled(Parser::new_ext(body, Options::ENABLE_TABLES)));
    let all_broken: usize = findings.iter().map(Finding::broken).sum();
    let promises: usize = findings.iter().map(|finding| finding.promises.len()).sum();
    page(&Page {
        kind: "Headcount findings",
        title: "What the documents keep, and what they break".to_string(),
        class: if all_broken > 0 { "violated" } else { "holds" },
        word: format!("{} broken", count_of(all_broken as u64, "promise", "promises")),
        beside: format!("of {promises} in {}", count_of(findings.len() as u64, "system", "systems")),
        said: "By the documents' own logic, over the same seeds; the hardened variants beside it.".to_string(),
        head: String::new(),
        sections: sections
            .replace("<table>", "<div class=\"wide\"><table class=\"cards\">")
            .replace("</table>", "</table></div>"),
    })
}

/// Gives each cell of a table the heading that it stands under: on a phone a row is a card, and headings are not shown.
fn labelled<'t>(events: impl Iterator<Item = Event<'t>>) -> impl Iterator<Item = Event<'t>> {
    let (mut headings, mut numbers, mut in_head, mut column) = (Vec::<String>::new(), Vec::new(), false, 0);
    events.map(move |event| {
        match &event {
            Event::Start(Tag::Table(alignments)) => {
                numbers = alignments.iter().map(|alignment| *alignment == Alignment::Right).collect();
                headings.clear();
            }
            Event::Start(Tag::TableHead) => in_head = true,
            Event::End(TagEnd::TableHead) => in_head = false,
            Event::Start(Tag::TableRow) => column = 0,
            Event::Start(Tag::TableCell) if in_head => headings.push(String::new()),
            Event::Text(text) if in_head => headings.last_mut().expect("text of a head is in a cell").push_str(text),
            Event::Start(Tag::TableCell) => {
                let class = if numbers.get(column).copied().unwrap_or(false) { " class=\"number\"" } else { "" };
                let label = headings.get(column).map_or("", String::as_str);
                column += 1;
                return Event::Html(CowStr::from(format!("<td{class} data-label=\"{}\">", escaped(label))));
            }
            Event::End(TagEnd::TableCell) if !in_head => return Event::Html("</td>".into()),
            _ => {}
        }
        event
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_of_a_table_has_its_heading() {
        let mut html = String::new();
        let table = "| a | b<c |\n|---|---:|\n| x | 1 |\n| y | 2 |\n";
        push_html(&mut html, labelled(Parser::new_ext(table, Options::ENABLE_TABLES)));
        assert_eq!(html.matches("<td data-label=\"a\">").count(), 2, "{html}");
        assert_eq!(html.matches("<td class=\"number\" data-label=\"b&lt;c\">").count(), 2, "{html}");
        assert_eq!(html.matches("</td>").count(), 4, "{html}");
    }
}
