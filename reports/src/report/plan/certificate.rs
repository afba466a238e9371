//! The certificate: whatever plan.json has under this name, as words and tables.

use serde_json::{Map, Value};

use super::{Cell, Narrow, escaped, list, paragraph, section, table, three_digits};

/// The whole section; nothing if there is no certificate.
pub fn section_of(certificate: &Value) -> String {
    let Some(parts) = certificate.as_object().filter(|parts| !parts.is_empty()) else { return String::new() };
    let said = paragraph("Why to believe it: what was done, what was checked, and what is not modelled.");
    let (short, long): (Vec<_>, Vec<_>) = parts.iter().partition(|(_, value)| is_short(value));
    let rows: Vec<Vec<Cell>> = short.iter().map(|(name, value)| vec![Cell::Text(words(name)), cell(value)]).collect();
    let plain = if rows.is_empty() { String::new() } else { table(Narrow::Cards, &["What", "How"], &rows) };
    let parts = long.iter().map(|(name, value)| format!("<h3>{}</h3>\n{}", escaped(&words(name)), part(value)));
    section("certificate", "Certificate", &(said + &plain + &parts.collect::<String>()))
}

fn is_short(value: &Value) -> bool {
    !value.is_array() && !value.is_object()
}

/// A list of records is a table, a list of words a list, a record a table of two columns.
fn part(value: &Value) -> String {
    match value {
        Value::Array(all) => match all.iter().map(Value::as_object).collect::<Option<Vec<_>>>() {
            Some(records) if !records.is_empty() => records_table(&records),
            _ if all.is_empty() => paragraph("none"),
            _ => list(all.iter().map(text)),
        },
        Value::Object(record) => {
            let rows: Vec<Vec<Cell>> =
                record.iter().map(|(name, value)| vec![Cell::Text(words(name)), cell(value)]).collect();
            table(Narrow::Cards, &["What", "Value"], &rows)
        }
        other => paragraph(&text(other)),
    }
}

/// The columns are those of all records together, in the order in which they come first.
fn records_table(records: &[&Map<String, Value>]) -> String {
    let mut names: Vec<&String> = Vec::new();
    records.iter().flat_map(|record| record.keys()).for_each(|name| {
        if !names.contains(&name) {
            names.push(name);
        }
    });
    let number = |name: &&String| records.iter().all(|one| one.get(*name).is_none_or(|value| value.is_number()));
    let heading = |name: &&String| format!("{}{}", if number(name) { "#" } else { "" }, words(name));
    let headings: Vec<String> = names.iter().map(heading).collect();
    let row = |record: &&Map<String, Value>| {
        names.iter().map(|name| record.get(*name).map_or_else(|| Cell::Text("–".into()), cell)).collect()
    };
    let rows: Vec<Vec<Cell>> = records.iter().map(row).collect();
    table(Narrow::Cards, &headings.iter().map(String::as_str).collect::<Vec<_>>(), &rows)
}

fn cell(value: &Value) -> Cell {
    match value {
        Value::Number(_) => Cell::Number(text(value)),
        Value::Bool(true) => Cell::Mark("holds", "yes".into()),
        Value::Bool(false) => Cell::Mark("violated", "no".into()),
        other => Cell::Text(text(other)),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "–".into(),
        Value::String(text) => text.clone(),
        Value::Number(number) => number.as_f64().map_or_else(|| number.to_string(), three_digits),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.into(),
        Value::Array(all) => all.iter().map(text).collect::<Vec<_>>().join(", "),
        Value::Object(record) => {
            let pair = |(name, value): (&String, &Value)| format!("{} {}", words(name), text(value));
            record.iter().map(pair).collect::<Vec<_>>().join(", ")
        }
    }
}

/// A field's name as words: `warm_up` is `warm up`.
fn words(name: &str) -> String {
    name.replace('_', " ")
}
