//! HTML without surprises: whatever comes from a run is escaped here, and nowhere else is a tag put together.

/// `text` as HTML text or as an attribute's value.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

/// A cell of a table.
pub enum Cell {
    Text(String),
    /// Set in a fixed-width font: names of things in files.
    Code(String),
    /// To the right, digits of one width.
    Number(String),
    /// A word with the colour of a verdict: `holds`, `violated`, `inconclusive`.
    Mark(&'static str, String),
}

impl Cell {
    /// The cell, with the heading it stands under for where the headings are not shown.
    fn html(&self, heading: &str) -> String {
        let class = if matches!(self, Self::Number(_)) { " class=\"number\"" } else { "" };
        let inner = match self {
            Self::Text(text) | Self::Number(text) => escaped(text),
            Self::Code(text) => format!("<code>{}</code>", escaped(text)),
            Self::Mark(class, text) => format!("<span class=\"mark {}\">{}</span>", escaped(class), escaped(text)),
        };
        format!("<td{class} data-label=\"{}\">{inner}</td>", escaped(heading))
    }
}

/// What a table does where the page is narrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Narrow {
    /// Every row becomes a card, a line for each cell: for words.
    Cards,
    /// It scrolls on its own: for many columns of numbers.
    Scroll,
}

/// A table. A heading that starts with `#` stands over numbers.
pub fn table(narrow: Narrow, headings: &[&str], rows: &[Vec<Cell>]) -> String {
    let name = |text: &&str| text.trim_start_matches('#').to_string();
    let heading = |text: &&str| {
        let class = if text.starts_with('#') { " class=\"number\"" } else { "" };
        format!("<th{class}>{}</th>", escaped(&name(text)))
    };
    let head: String = headings.iter().map(heading).collect();
    let cells =
        |row: &Vec<Cell>| row.iter().zip(headings).map(|(cell, text)| cell.html(&name(text))).collect::<String>();
    let body: String = rows.iter().map(|row| format!("<tr>{}</tr>\n", cells(row))).collect();
    let class = if narrow == Narrow::Cards { " class=\"cards\"" } else { "" };
    format!(
        "<div class=\"wide\"><table{class}>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table></div>\n"
    )
}

/// A section with its heading, which others can point to.
pub(crate) fn section(id: &str, title: &str, body: &str) -> String {
    format!("<section id=\"{id}\">\n<h2>{}</h2>\n{body}</section>\n", escaped(title))
}

/// Plain words.
pub(crate) fn paragraph(text: &str) -> String {
    format!("<p>{}</p>\n", escaped(text))
}

/// A line for each.
pub(super) fn list(items: impl Iterator<Item = String>) -> String {
    format!("<ul>\n{}</ul>\n", items.map(|item| format!("<li>{}</li>\n", escaped(&item))).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_cell_holds_is_escaped() {
        let cells = vec![
            Cell::Text("<b>".into()),
            Cell::Code("\"a\" & 'b'".into()),
            Cell::Number("1".into()),
            Cell::Mark("holds", "<i>".into()),
        ];
        let html = table(Narrow::Cards, &["one", "#two <", "three", "four"], &[cells]);
        assert!(
            html.contains("<td data-label=\"one\">&lt;b&gt;</td>") && html.contains("&quot;a&quot; &amp; &#39;b&#39;")
        );
        assert!(html.contains("<th class=\"number\">two &lt;</th>") && html.contains(">&lt;i&gt;</span>"));
    }
}
