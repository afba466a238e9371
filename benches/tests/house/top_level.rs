//! What stands at the top level: nothing but the house.

use crate::walk::{assert_none, root};

const ALLOWED: [&str; 10] = [
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "benches",
    "engine",
    "reports",
    "rustfmt.toml",
    "sim",
    "workloads",
];

/// What builds and runs leave behind, which no checkout has.
const IGNORED: [&str; 2] = ["runs", "target"];

fn violations<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let stranger = |name: &&str| !name.starts_with('.') && !ALLOWED.contains(name) && !IGNORED.contains(name);
    let said =
        |name| format!("{name}: does not belong at the top level; only {} and dot-folders do", ALLOWED.join(", "));
    names.into_iter().filter(stranger).map(said).collect()
}

#[test]
fn nothing_else_stands_at_the_top_level() {
    let entries = std::fs::read_dir(root()).expect("the root can be read");
    let names: Vec<_> =
        entries.map(|entry| entry.expect("it can be read").file_name().to_string_lossy().into_owned()).collect();
    for needed in ["Cargo.toml", "LICENSE", "sim", "engine", "workloads", "reports", "benches"] {
        assert!(names.iter().any(|name| name == needed), "{needed} is missing");
    }
    assert_none(&violations(names.iter().map(String::as_str)));
}

#[test]
fn what_builds_leave_is_ignored_by_git() {
    let ignored = std::fs::read_to_string(root().join(".gitignore")).expect("it is there");
    for name in IGNORED {
        assert!(ignored.lines().any(|line| line == format!("/{name}")), ".gitignore must have /{name}");
    }
}

#[test]
fn a_stranger_is_named() {
    let found = violations(["Cargo.toml", ".ci", "notes.txt", "docs", "sim"]);
    assert_eq!(found.len(), 2);
    assert!(found[0].starts_with("notes.txt: does not belong") && found[1].starts_with("docs: "));
}
