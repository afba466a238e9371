//! A price table: a TOML file of the user's.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::Kind;
use crate::scenario::BadInput;
use crate::scenario::document::{self, Item, Origins, Value};

/// What a million of each kind costs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prices {
    /// As the file says it: `EUR`.
    pub currency: String,
    /// What a million costs; a kind that is left out costs nothing.
    pub per_million: BTreeMap<Kind, f64>,
}

/// No price is higher: whoever means it has mistaken the unit.
const PRICE_MAX: f64 = 1e9;

impl Prices {
    /// Reads a price table.
    ///
    /// # Errors
    /// The file cannot be read, or says something else: one line that names it, the line and what would be right.
    pub fn load(path: &str) -> Result<Self, BadInput> {
        let text = document::read(path, "a TOML file with prices, such as workloads/prices-example.toml")?;
        Self::parse(path, &text)
    }

    /// Reads the text of one; `source` is what errors call it.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn parse(source: &str, text: &str) -> Result<Self, BadInput> {
        let root = document::parse(source, text)?;
        let origins = Origins::new(Path::new(""), source, &root);
        let mut currency = None;
        let mut per_million = None;
        for (key, item) in &root {
            match (key.as_str(), &item.value) {
                ("currency", Value::Text(word)) if (1..=8).contains(&word.chars().count()) => {
                    currency = Some(word.clone());
                }
                ("currency", _) => return Err(origins.bad(key, "must be a short word, such as \"EUR\"")),
                ("per_million", Value::Table(table)) => {
                    let price = |(name, item): (&String, &Item)| price(&origins, name, item);
                    per_million = Some(table.iter().map(price).collect::<Result<_, _>>()?);
                }
                ("per_million", _) => return Err(origins.bad(key, "must be a table of prices, [per_million]")),
                _ => return Err(origins.bad(key, "unknown key; here can stand: currency, per_million")),
            }
        }
        let missing = |key: &str, right: &str| origins.bad(key, &format!("is missing: must be {right}"));
        Ok(Self {
            currency: currency.ok_or_else(|| missing("currency", "a short word, such as \"EUR\""))?,
            per_million: per_million.ok_or_else(|| missing("per_million", "a table of prices"))?,
        })
    }

    /// What `count` of a kind cost.
    pub fn of(&self, kind: Kind, count: f64) -> f64 {
        self.per_million.get(&kind).copied().unwrap_or(0.0) * count / 1e6
    }
}

fn price(origins: &Origins, name: &str, item: &Item) -> Result<(Kind, f64), BadInput> {
    let path = format!("per_million.{name}");
    let Some(kind) = Kind::named(name) else {
        let kinds: Vec<&str> = Kind::all().map(Kind::name).collect();
        return Err(origins.bad(&path, &format!("unknown kind; here can stand: {}", kinds.join(", "))));
    };
    let price = match item.value {
        Value::Whole(whole) => whole as f64,
        Value::Float(float) => float,
        _ => f64::NAN,
    };
    if !(0.0..=PRICE_MAX).contains(&price) {
        return Err(origins.bad(&path, "must be what a million costs, 0 to 1,000,000,000"));
    }
    Ok((kind, price))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../prices-example.toml");

    fn wrong(text: &str) -> String {
        Prices::parse("p.toml", text).unwrap_err().to_string()
    }

    #[test]
    fn the_example_has_every_kind_and_says_that_it_is_one() {
        let prices = Prices::parse("prices-example.toml", EXAMPLE).unwrap();
        assert_eq!(prices.per_million.len(), Kind::all().count());
        assert!(EXAMPLE.lines().next().unwrap().contains("example"));
    }

    #[test]
    fn a_bill_is_counts_times_prices() {
        let prices =
            Prices::parse("p.toml", "currency = \"EUR\"\n[per_million]\npublishes = 2\ndeliveries = 0.5\n").unwrap();
        let bill =
            super::super::Bill([(Kind::Publishes, 3e6), (Kind::Deliveries, 1e6), (Kind::KvOperations, 9e6)].into());
        // 3 x 2 + 1 x 0.5, and KV operations cost nothing here.
        assert_eq!(bill.cost(&prices), 6.5);
    }

    #[test]
    fn an_unknown_kind_is_answered_with_the_kinds_there_are() {
        let said = wrong("currency = \"EUR\"\n[per_million]\nvotes = 1.0\n");
        let kinds = "publishes, deliveries, function_executions, kv_operations, appcontext_operations, presence_events, \
                     presence_heartbeats, history_stored, history_pages";
        assert_eq!(said, format!("p.toml:3: per_million.votes = 1.0: unknown kind; here can stand: {kinds}"));
    }

    #[test]
    fn what_is_no_price_is_named_with_its_line() {
        let right = "must be what a million costs, 0 to 1,000,000,000";
        for (value, line) in [("-1", 3), ("\"much\"", 3), ("nan", 3)] {
            let said = wrong(&format!("currency = \"EUR\"\n[per_million]\npublishes = {value}\n"));
            assert_eq!(said, format!("p.toml:{line}: per_million.publishes = {value}: {right}"));
        }
        assert_eq!(wrong("price = 1\n"), "p.toml:1: price = 1: unknown key; here can stand: currency, per_million");
        assert!(wrong("[per_million]\n").starts_with("p.toml: currency: is missing"));
        assert!(wrong("currency = \"EUR\"\n").starts_with("p.toml: per_million: is missing"));
        assert!(wrong("currency = 7\n").starts_with("p.toml:1: currency = 7: must be a short word"));
        assert!(wrong("per_million = 7\n").starts_with("p.toml:1: per_million = 7: must be a table"));
        assert!(wrong("x").starts_with("p.toml:1: not TOML"));
    }
}
