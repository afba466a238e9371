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
    fn html(&self) -> String {
        match self {
            Self::Text(text) => format!("<td>{}</td>", escaped(text)),
            Self::Code(text) => format!("<td><code>{}</code></td>", escaped(text)),
            Self::Number(text) => format!("<td class=\"number\">{}</td>", escaped(text)),
            Self::Mark(class, text) => {
                format!("<td><span class=\"mark {}\">{}</span></td>", escaped(class), escaped(text))
            }
        }
    }
}

/// A table that scrolls on its own where the page is narrow. A heading that starts with `#` stands over numbers.
pub fn table(headings: &[&str], rows: &[Vec<Cell>]) -> String {
    let heading = |text: &&str| match text.strip_prefix('#') {
        Some(text) => format!("<th class=\"number\">{}</th>", escaped(text)),
        None => format!("<th>{}</th>", escaped(text)),
    };
    let head: String = headings.iter().map(heading).collect();
    let body: String =
        rows.iter().map(|row| format!("<tr>{}</tr>\n", row.iter().map(Cell::html).collect::<String>())).collect();
    format!("<div class=\"wide\"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table></div>\n")
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
        let html = table(&["one", "#two <", "three", "four"], &[cells]);
        assert!(html.contains("<td>&lt;b&gt;</td>") && html.contains("&quot;a&quot; &amp; &#39;b&#39;"));
        assert!(html.contains("<th class=\"number\">two &lt;</th>") && html.contains(">&lt;i&gt;</span>"));
    }
}
