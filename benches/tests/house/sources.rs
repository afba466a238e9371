//! What the sources say: nothing that differs from run to run, no long files, nothing of the place they were written in.

use crate::walk::{assert_none, code_lines, files, without_tests};

/// Crates whose results must be the same on every machine.
const DETERMINISTIC: [&str; 3] = ["sim/src", "engine/src", "workloads/src"];

/// What is not written there, and what is written instead.
const BANNED: [(&str, &str); 18] = [
    ("collections::HashMap", "BTreeMap, or rustc_hash::FxHashMap whose order reaches no result"),
    ("collections::HashSet", "BTreeSet, or rustc_hash::FxHashSet whose order reaches no result"),
    ("RandomState", "rustc_hash::FxBuildHasher"),
    ("Instant", "the `now` that is handed over"),
    ("SystemTime", "the `now` that is handed over"),
    ("thread::", "nodes of a world"),
    (".ln()", "libm::log"),
    (".ln_1p()", "libm::log1p"),
    (".log10()", "libm::log10"),
    (".log2()", "libm::log2"),
    (".exp()", "libm::exp"),
    (".exp2()", "libm::exp2"),
    (".exp_m1()", "libm::expm1"),
    (".powf(", "libm::pow"),
    (".sin()", "libm::sin"),
    (".cos()", "libm::cos"),
    (".tan()", "libm::tan"),
    (".cbrt()", "libm::cbrt"),
];

/// File, what it may use, and why.
const ALLOWED: [(&str, &str, &str); 1] =
    [("sim/src/driver.rs", "thread::", "each madsim runtime needs a thread of its own; nothing is timed by it")];

/// Whether `word` stands in `line` by itself, not as a part of a longer name.
fn says(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back().is_some_and(part) && word.starts_with(part);
        let after = line[at + word.len()..].chars().next().is_some_and(part) && word.ends_with(part);
        !before && !after
    })
}

/// `std::collections::{BTreeMap, HashMap}` names it too.
fn bans(line: &str, word: &str) -> bool {
    says(line, word)
        || word.strip_prefix("collections::").is_some_and(|name| line.contains("collections::{") && says(line, name))
}

fn undetermined(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in code_lines(without_tests(text)) {
        for (word, instead) in BANNED {
            if bans(line, word) && !ALLOWED.iter().any(|(file, allowed, _)| *file == path && *allowed == word) {
                found.push(format!("{path}:{number}: {word} is banned, use {instead}"));
            }
        }
    }
    found
}

#[test]
fn results_do_not_depend_on_clocks_threads_hash_order_or_the_machines_libm() {
    let files = DETERMINISTIC.iter().flat_map(|folder| files(folder, ".rs"));
    let found: Vec<_> = files.flat_map(|file| undetermined(&file.path, &file.text)).collect();
    assert_none(&found);
}

/// A permission that nobody needs any more is taken away.
#[test]
fn every_permission_is_used() {
    for (path, word, why) in ALLOWED {
        let text = std::fs::read_to_string(crate::walk::root().join(path)).expect("it is there");
        assert!(code_lines(&text).any(|(_, line)| says(line, word)), "{path} does not use {word} any more ({why})");
    }
}

#[test]
fn what_is_banned_is_named() {
    let bad = "use std::collections::{BTreeMap, HashMap};\nuse rustc_hash::FxHashMap;\nlet t = Instant::now(); // Instant\n\
               let x = y.ln() + y.sqrt();\nlet m: InstantReply = z.log(|| 1);\nstd::thread::sleep(t);";
    assert_eq!(
        undetermined("engine/src/a.rs", bad),
        [
            "engine/src/a.rs:1: collections::HashMap is banned, use BTreeMap, or rustc_hash::FxHashMap whose order \
             reaches no result",
            "engine/src/a.rs:3: Instant is banned, use the `now` that is handed over",
            "engine/src/a.rs:4: .ln() is banned, use libm::log",
            "engine/src/a.rs:6: thread:: is banned, use nodes of a world",
        ]
    );
    assert_eq!(undetermined("sim/src/driver.rs", "std::thread::Builder::new()"), Vec::<String>::new());
}

/// Longer ones hold more than one idea.
const LINES_MAX: usize = 500;
/// Generated data, which nobody reads from top to bottom: none so far.
const LONG: [&str; 0] = [];

fn too_long(path: &str, text: &str) -> Option<String> {
    let lines = text.lines().count();
    let said = || format!("{path}: {lines} lines, {LINES_MAX} at most: give the second idea a file of its own");
    (lines > LINES_MAX && !LONG.contains(&path)).then(said)
}

const CRATES: [&str; 5] = ["sim", "engine", "workloads", "reports", "benches"];

#[test]
fn no_source_file_is_longer_than_500_lines() {
    let files = CRATES.iter().flat_map(|krate| files(&format!("{krate}/src"), ".rs"));
    let found: Vec<_> = files.filter_map(|file| too_long(&file.path, &file.text)).collect();
    assert_none(&found);
}

#[test]
fn a_long_file_is_named_with_its_length() {
    assert_eq!(too_long("a.rs", &"x\n".repeat(500)), None);
    assert_eq!(
        too_long("a.rs", &"x\n".repeat(501)).as_deref(),
        Some("a.rs: 501 lines, 500 at most: give the second idea a file of its own")
    );
}

/// Places of a machine. In two parts each, so that this file does not hold them.
const PLACES: [(&str, &str); 4] = [("/wo", "rk/"), ("../sha", "red"), ("/tm", "p/"), ("/ro", "ot/")];

fn places(path: &str, text: &str) -> Vec<String> {
    let places = PLACES.map(|(a, b)| format!("{a}{b}"));
    let lines = text.lines().enumerate();
    let found = lines.flat_map(|(index, line)| {
        let there = places.iter().filter(move |place| line.contains(&***place));
        there.map(move |place| format!("{path}:{}: speaks of {place}; say it without this machine", index + 1))
    });
    found.collect()
}

#[test]
fn the_text_does_not_name_the_machine_it_was_written_on() {
    let mut found = Vec::new();
    for ending in [".rs", ".toml"] {
        for file in CRATES.iter().flat_map(|krate| files(krate, ending)) {
            found.extend(places(&file.path, &file.text));
        }
    }
    // The README comes with the first release; from then on it counts too.
    if let Ok(readme) = std::fs::read_to_string(crate::walk::root().join("README.md")) {
        found.extend(places("README.md", &readme));
    }
    assert_none(&found);
}

#[test]
fn a_place_is_named() {
    let (a, b) = PLACES[2];
    assert_eq!(places("a.rs", &format!("x\nlet p = \"{a}{b}x\";")).len(), 1);
    assert_eq!(places("a.rs", "a network of work"), Vec::<String>::new());
}
