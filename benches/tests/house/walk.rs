//! Finding the workspace's files, and reading Rust without its comments and texts.

use std::fs;
use std::path::{Path, PathBuf};

/// The workspace's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("benches stands in the workspace").to_owned()
}

/// A text file of the workspace: its path from the root, with `/`, and what it says.
pub struct Source {
    pub path: String,
    pub text: String,
}

/// All files below `folder` whose names end with `ending`, in the order of their paths. Without one, the test has lost
/// its object.
pub fn files(folder: &str, ending: &str) -> Vec<Source> {
    let mut found = Vec::new();
    descend(&root().join(folder), ending, &mut found);
    assert!(!found.is_empty(), "no {ending} file in {folder}");
    found.sort_by(|a: &Source, b| a.path.cmp(&b.path));
    found
}

fn descend(folder: &Path, ending: &str, found: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            descend(&path, ending, found);
        } else if path.to_string_lossy().ends_with(ending) {
            let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let path = path.strip_prefix(root()).expect("it is in the workspace");
            let path = path.to_string_lossy().replace('\\', "/");
            found.push(Source { path, text });
        }
    }
}

/// Whether a file under `src` holds unit tests only: rules about results and neighbours do not bind them.
pub fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs") || path.ends_with("_tests.rs")
}

/// The code of each line, without `//` comments. A `//` inside a text ends the line too: no rule looks behind one.
pub fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line.split("//").next().unwrap_or("")))
}

/// The lines before the unit tests: rules about results do not bind tests.
pub fn without_tests(text: &str) -> &str {
    match text.find("#[cfg(test)]\nmod tests {") {
        Some(at) => &text[..at],
        None => text,
    }
}

/// Fails with all violations, one a line.
pub fn assert_none(violations: &[String]) {
    assert!(violations.is_empty(), "{} violation(s):\n{}", violations.len(), violations.join("\n"));
}
