//! A document's table of tests, as the module doc of a test binary has it.

use headcount_workloads::scenario::Scenario;

/// That the module doc has every row of a chapter's four tables, so many each, and that what a row names is there: a test of these
/// sources, or a built-in scenario.
#[track_caller]
pub fn assert_rows(module_doc: &str, chapter: u32, rows: [usize; 4], sources: &[&str]) {
    let start = format!("//! | {chapter}.");
    let found: Vec<&str> = module_doc.lines().filter_map(|line| line.strip_prefix(&start)).collect();
    let of = |table: &str| found.iter().filter(|row| row.starts_with(table)).count();
    assert_eq!([of("1 "), of("2 "), of("3 "), of("4 ")], rows);
    for row in found {
        let names: Vec<&str> = row.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "{chapter}.{row}");
        for name in names {
            let test = format!("fn {}()", name.rsplit("::").next().unwrap_or(name));
            let is_there = sources.iter().any(|source| source.contains(&format!("#[test]\n{test}")));
            assert!(is_there || Scenario::builtin(name).is_some(), "{chapter}.{row}: there is no {name}");
        }
    }
}
