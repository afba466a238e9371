//! `headcount list`: what there is to run.

use std::process::ExitCode;

use serde_json::json;

use crate::backend;
use crate::cli::ListOptions;
use crate::terminal::{self, Problem};

/// Prints the catalogue.
///
/// # Errors
/// Stdout cannot be written.
pub fn list(options: &ListOptions) -> Result<ExitCode, Problem> {
    let text = if options.json { json_text() } else { text() };
    terminal::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn text() -> String {
    let parts = backend::catalogue_parts();
    let width = parts.iter().flat_map(|(_, rows)| rows).map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for (heading, rows) in &parts {
        text.push_str(&format!("{heading}\n"));
        for (name, summary) in rows {
            text.push_str(format!("  {name:width$}  {summary}").trim_end());
            text.push('\n');
        }
        text.push('\n');
    }
    text.push_str("headcount run SCENARIO --seed N     headcount check SCENARIO --seeds N\n");
    text
}

fn json_text() -> String {
    let mut all = serde_json::Map::new();
    for (heading, rows) in backend::catalogue_parts() {
        let rows = rows.into_iter().map(|(name, summary)| json!({ "name": name, "summary": summary }));
        all.insert(heading.replace(' ', "_"), rows.collect());
    }
    format!("{:#}\n", serde_json::Value::Object(all))
}
