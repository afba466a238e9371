//! Who may depend on whom.

use crate::walk::{assert_none, root};

/// A crate, which of ours it may depend on, and whether it may have an async runtime.
const ARROWS: [(&str, &[&str], bool); 5] = [
    ("sim", &[], true),
    ("engine", &[], false),
    ("workloads", &["headcount-engine", "headcount-sim"], false),
    ("reports", &["headcount-workloads"], false),
    ("benches", &["headcount-engine", "headcount-reports", "headcount-sim", "headcount-workloads"], true),
];

/// Crates that run futures, or bring a clock, threads or a network along.
const RUNTIMES: [&str; 10] = [
    "async-executor",
    "async-std",
    "futures",
    "futures-executor",
    "madsim",
    "mio",
    "pollster",
    "rayon",
    "smol",
    "tokio",
];

/// The names in all tables of dependencies of a manifest, those of targets included.
fn dependencies(manifest: &str) -> Vec<String> {
    let manifest: toml::Table = manifest.parse().expect("a manifest is TOML");
    let targets = manifest.get("target").and_then(|targets| targets.as_table());
    let tables = targets.into_iter().flatten().filter_map(|(_, target)| target.as_table()).chain([&manifest]);
    let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
    let names = tables.flat_map(|table| kinds.iter().filter_map(|kind| table.get(*kind)?.as_table()));
    // A renamed dependency counts by its real name.
    let real = |(name, spec): (&String, &toml::Value)| {
        spec.get("package").and_then(|package| package.as_str()).unwrap_or(name).to_owned()
    };
    names.flatten().map(real).collect()
}

fn violations(krate: &str, manifest: &str) -> Vec<String> {
    let (_, ours, runtime) = ARROWS.iter().find(|(name, ..)| *name == krate).expect("it is one of the five");
    let wrong = |name: &String| {
        if name.starts_with("headcount-") && !ours.contains(&&**name) {
            let allowed = if ours.is_empty() { "none of ours".to_owned() } else { ours.join(" and ") };
            Some(format!("{krate}/Cargo.toml: {krate} depends on {name}; it may depend on {allowed}"))
        } else if !runtime && RUNTIMES.contains(&&**name) {
            Some(format!("{krate}/Cargo.toml: {krate} depends on {name}; only sim may have a runtime"))
        } else {
            None
        }
    };
    dependencies(manifest).iter().filter_map(wrong).collect()
}

#[test]
fn no_arrow_runs_against_the_picture() {
    let manifest = |krate: &str| std::fs::read_to_string(root().join(krate).join("Cargo.toml")).expect("it is there");
    let found: Vec<_> = ARROWS.iter().flat_map(|(krate, ..)| violations(krate, &manifest(krate))).collect();
    assert_none(&found);
}

#[test]
fn a_wrong_arrow_is_named() {
    let bad = "[dependencies]\nheadcount-sim = {}\nserde = '1'\n[dev-dependencies]\nclock = { package = 'tokio' }\n\
               [target.'cfg(x)'.dependencies]\nheadcount-workloads = {}\n";
    assert_eq!(
        violations("engine", bad),
        [
            "engine/Cargo.toml: engine depends on headcount-workloads; it may depend on none of ours",
            "engine/Cargo.toml: engine depends on headcount-sim; it may depend on none of ours",
            "engine/Cargo.toml: engine depends on tokio; only sim may have a runtime",
        ]
    );
    assert_eq!(violations("benches", bad), Vec::<String>::new());
    assert_eq!(
        violations("reports", "[build-dependencies]\nheadcount-engine = {}"),
        ["reports/Cargo.toml: reports depends on headcount-engine; it may depend on headcount-workloads"]
    );
}
