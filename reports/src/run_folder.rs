//! A run's folder: written whole or not at all, and never over anything that is not an earlier run.
//!
//! All files are first written into a hidden sibling (`.<name>.partial-<process>`), which is then renamed into place.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use headcount_workloads::bill::Prices;
use headcount_workloads::outcome::Outcome;

use crate::host::HostFigures;
use crate::{bill, latency_files, plots, report, run_json, timeseries};

/// Why a folder or file cannot be written: one line, which names it and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(String);

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}

impl Refusal {
    /// For a folder of kept results.
    pub(crate) fn of_kept(folder: &Path, error: &io::Error) -> Self {
        Self(format!(
            "{}: {}; name a folder that can be made and written (--kept DIR)",
            folder.display(),
            reason(error)
        ))
    }
}

/// Every file of a run folder: its path inside the folder, and its bytes. A pure function of its arguments;
/// `host` reaches `run.json` alone. `repeat` is the command line that does the run again; with `prices` there is a bill.
pub fn files(outcome: &Outcome, host: &HostFigures, repeat: &str, prices: Option<&Prices>) -> Vec<(String, Vec<u8>)> {
    let drawn = plots::draw_all(outcome);
    let mut files = vec![
        ("run.json".to_string(), run_json::text(outcome, host).into_bytes()),
        ("scenario.toml".to_string(), outcome.scenario_toml.clone().into_bytes()),
        ("timeseries.csv".to_string(), timeseries::csv_text(outcome).into_bytes()),
        ("latency.csv".to_string(), latency_files::csv_text(outcome).into_bytes()),
        ("report.html".to_string(), report::html(outcome, &drawn, repeat, prices).into_bytes()),
    ];
    files.extend(prices.map(|prices| ("cost.csv".to_string(), bill::csv_text(outcome, prices).into_bytes())));
    for latency in &outcome.latencies {
        files.push((latency_files::log_name(latency), latency_files::interval_log(latency)));
    }
    for plot in drawn {
        files.push((format!("plots/{}.svg", plot.name), plot.svg.into_bytes()));
    }
    files
}

/// What a folder of ours holds, so that nothing else is ever replaced.
pub struct Kind {
    /// In words: a run.
    what: &'static str,
    /// The file by which it is known as ours.
    marker: &'static str,
    is_ours: fn(&str) -> bool,
}

/// A run's.
pub const RUN: Kind = Kind { what: "run", marker: "run.json", is_ours: is_a_run_file };

/// A comparison's.
pub const COMPARISON: Kind = Kind { what: "comparison", marker: "compare.json", is_ours: is_a_comparison_file };

/// A plan's.
pub const PLAN: Kind = Kind { what: "plan", marker: "plan.json", is_ours: is_a_plan_file };

/// A page of findings.
pub const FINDINGS: Kind = Kind { what: "page of findings", marker: "findings.json", is_ours: is_a_findings_file };

/// Asks, before a long run, whether [`write()`] could write `folder` now. Leaves nothing behind.
///
/// # Errors
/// `folder` is a file, holds something that is not a run, or cannot be made.
pub fn check(folder: &Path) -> Result<(), Refusal> {
    check_as(&RUN, folder)
}

/// The same for a folder of another kind.
///
/// # Errors
/// As [`check`].
pub fn check_as(kind: &Kind, folder: &Path) -> Result<(), Refusal> {
    let place = Place::of(kind, folder)?;
    let made = place.make_parent()?;
    let tried = fs::create_dir(&place.partial).and_then(|()| fs::remove_dir(&place.partial));
    remove_empty(&made);
    tried.map_err(|error| cannot_write(folder, &error))
}

/// Writes the run's files into `folder`, replacing an earlier run there; gives back the folder's full path.
///
/// # Errors
/// As [`check`], or the disk is full. Nothing is left behind then, and an earlier run stays as it was.
pub fn write(
    folder: &Path,
    outcome: &Outcome,
    host: &HostFigures,
    repeat: &str,
    prices: Option<&Prices>,
) -> Result<PathBuf, Refusal> {
    write_as(&RUN, folder, &files(outcome, host, repeat, prices))
}

/// Writes `files` into a folder of this kind, replacing an earlier one there; gives back the folder's full path.
///
/// # Errors
/// As [`write()`].
pub fn write_as(kind: &Kind, folder: &Path, files: &[(String, Vec<u8>)]) -> Result<PathBuf, Refusal> {
    for (name, _) in files {
        let top = name.split('/').next().unwrap_or(name);
        assert!((kind.is_ours)(top), "{name} is no file of a {}: the folder could not be replaced", kind.what);
    }
    let place = Place::of(kind, folder)?;
    let made = place.make_parent()?;
    let written = fill(&place.partial, files).and_then(|()| place.put_in_place());
    if let Err(error) = written {
        // The error that counts is the one already at hand: there may be nothing to remove.
        let _ = fs::remove_dir_all(&place.partial);
        remove_empty(&made);
        return Err(cannot_write(folder, &error));
    }
    Ok(place.target)
}

/// Writes one file beside a run (a trace), whole or not at all.
///
/// # Errors
/// The file cannot be written; nothing is left behind then.
pub fn write_file(file: &Path, bytes: &[u8]) -> Result<(), Refusal> {
    let partial = partial_of(file)?;
    fs::write(&partial, bytes).and_then(|()| fs::rename(&partial, file)).map_err(|error| {
        // The error that counts is the one already at hand: there may be nothing to remove.
        let _ = fs::remove_file(&partial);
        refuse_file(file, &reason(&error))
    })
}

/// Asks, before a long run, whether [`write_file`] could write `file` now. Leaves nothing behind.
///
/// # Errors
/// As [`write_file`].
pub fn check_file(file: &Path) -> Result<(), Refusal> {
    let partial = partial_of(file)?;
    let tried = fs::write(&partial, []).and_then(|()| fs::remove_file(&partial));
    tried.map_err(|error| refuse_file(file, &reason(&error)))
}

fn partial_of(file: &Path) -> Result<PathBuf, Refusal> {
    let name = file.file_name().ok_or_else(|| refuse_file(file, "is not the name of a file"))?;
    if file.is_dir() {
        return Err(refuse_file(file, "is a folder"));
    }
    // Several threads may write the same file.
    static WRITTEN: AtomicU64 = AtomicU64::new(0);
    let hidden = hidden_name(&name.to_string_lossy(), "partial");
    Ok(file.with_file_name(format!("{hidden}-{}", WRITTEN.fetch_add(1, Ordering::Relaxed))))
}

fn refuse_file(file: &Path, reason: &str) -> Refusal {
    Refusal(format!("{}: {reason}; name a file in a folder that can be written", file.display()))
}

/// Where a folder will stand, and where it is prepared.
struct Place {
    target: PathBuf,
    parent: PathBuf,
    partial: PathBuf,
    replaced: PathBuf,
}

impl Place {
    /// Finds the place for `folder`, or refuses it for what stands there.
    fn of(kind: &Kind, folder: &Path) -> Result<Self, Refusal> {
        let cannot = |error: io::Error| cannot_write(folder, &error);
        // What exists is resolved, so that `.`, `..` and links are the folders they mean.
        let target = match fs::canonicalize(folder) {
            Ok(target) => target,
            Err(error) if error.kind() == io::ErrorKind::NotFound => std::path::absolute(folder).map_err(cannot)?,
            Err(error) => return Err(cannot(error)),
        };
        let (Some(parent), Some(name)) = (target.parent(), target.file_name()) else {
            return Err(Refusal(format!(
                "{}: cannot hold a {}; name a folder that may be replaced",
                folder.display(),
                kind.what
            )));
        };
        // It would be moved away from under whoever stands in it.
        if std::env::current_dir().and_then(fs::canonicalize).is_ok_and(|here| here.starts_with(&target)) {
            return Err(Refusal(format!(
                "{}: is the folder you are in; name another folder for the {}'s files (--out DIR)",
                folder.display(),
                kind.what
            )));
        }
        refuse_foreign(kind, folder, &target)?;
        let sibling = |what: &str| parent.join(hidden_name(&name.to_string_lossy(), what));
        let (partial, replaced) = (sibling("partial"), sibling("replaced"));
        Ok(Self { parent: parent.to_path_buf(), partial, replaced, target })
    }

    /// Makes the folders above; gives back those that were not there, outermost first.
    fn make_parent(&self) -> Result<Vec<PathBuf>, Refusal> {
        let missing = self.parent.ancestors().take_while(|folder| !folder.exists());
        let mut made: Vec<PathBuf> = missing.map(Path::to_path_buf).collect();
        made.reverse();
        fs::create_dir_all(&self.parent).map_err(|error| {
            remove_empty(&made);
            cannot_write(&self.target, &error)
        })?;
        Ok(made)
    }

    /// Renames the prepared folder to its name; an earlier run is moved aside first and moved back if that fails.
    fn put_in_place(&self) -> io::Result<()> {
        if !self.target.exists() {
            return fs::rename(&self.partial, &self.target);
        }
        fs::rename(&self.target, &self.replaced)?;
        if let Err(error) = fs::rename(&self.partial, &self.target) {
            fs::rename(&self.replaced, &self.target)?;
            return Err(error);
        }
        fs::remove_dir_all(&self.replaced)
    }
}

fn hidden_name(name: &str, what: &str) -> String {
    format!(".{name}.{what}-{}", std::process::id())
}

fn fill(partial: &Path, files: &[(String, Vec<u8>)]) -> io::Result<()> {
    fs::create_dir(partial)?;
    for (name, bytes) in files {
        let path = partial.join(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, bytes)?;
    }
    Ok(())
}

/// Refuses what is not ours to replace: a file, or a folder with anything in it that this kind does not have.
fn refuse_foreign(kind: &Kind, folder: &Path, target: &Path) -> Result<(), Refusal> {
    let (shown, Kind { what, marker, is_ours }) = (folder.display(), kind);
    match fs::metadata(target) {
        Err(_) => return Ok(()),
        Ok(found) if !found.is_dir() => {
            return Err(Refusal(format!("{shown}: is a file; name a folder for the {what}'s files (--out DIR)")));
        }
        Ok(_) => {}
    }
    let cannot = |error: io::Error| cannot_write(folder, &error);
    let names = names_in(target).map_err(cannot)?;
    if names.is_empty() {
        return Ok(());
    }
    if !fs::read_to_string(target.join(marker)).is_ok_and(|text| run_json::is_ours(&text)) {
        return Err(Refusal(format!(
            "{shown}: is not empty and holds no {marker}; name a new folder or an earlier {what}'s (--out DIR)"
        )));
    }
    let foreign_plot = |name: &&String| !name.ends_with(".svg");
    let plots =
        if target.join("plots").is_dir() { names_in(&target.join("plots")).map_err(cannot)? } else { Vec::new() };
    let foreign = names.iter().find(|name| !is_ours(name)).or_else(|| plots.iter().find(foreign_plot));
    match foreign {
        Some(name) => Err(Refusal(format!(
            "{shown}: holds {name:?}, which no {what} wrote; move it away or name another folder (--out DIR)"
        ))),
        None => Ok(()),
    }
}

fn names_in(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn is_a_run_file(name: &str) -> bool {
    let fixed = ["run.json", "scenario.toml", "timeseries.csv", "latency.csv", "cost.csv", "report.html", "plots"];
    fixed.contains(&name) || (name.starts_with("latency-") && name.ends_with(".hlog"))
}

fn is_a_comparison_file(name: &str) -> bool {
    ["compare.json", "compare.csv", "differences.csv", "report.html", "plots"].contains(&name)
}

fn is_a_plan_file(name: &str) -> bool {
    let tables = [
        "configurations.csv",
        "cost.csv",
        "everybody.csv",
        "growth.csv",
        "jitter.csv",
        "ladder.csv",
        "metastability.csv",
        "shards.csv",
        "storm.csv",
        "usl.csv",
        "utilisation.csv",
    ];
    ["plan.json", "report.html", "plots"].contains(&name) || tables.contains(&name)
}

fn is_a_findings_file(name: &str) -> bool {
    ["findings.json", "findings.md", "report.html"].contains(&name)
}

/// Removes folders this process made, innermost first, as far as they are empty.
fn remove_empty(made: &[PathBuf]) {
    for folder in made.iter().rev() {
        // Not empty or already gone: either way there is nothing of ours in it.
        let _ = fs::remove_dir(folder);
    }
}

fn cannot_write(folder: &Path, error: &io::Error) -> Refusal {
    Refusal(format!("{}: {}; name a folder that can be made and written (--out DIR)", folder.display(), reason(error)))
}

/// The system's reason in words, without its number: `cannot be written (permission denied)`.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let words = text.split(" (os error").next().unwrap_or(&text).to_lowercase();
    format!("cannot be written ({words})")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    const HOST: HostFigures = HostFigures { wall_s: 1.0, peak_rss_bytes: None };

    fn write_fixture(folder: &Path) -> Result<PathBuf, Refusal> {
        write(folder, &fixture::outcome(), &HOST, "headcount run voting-500k --seed 1", None)
    }

    fn small(folder: &Path) -> Result<PathBuf, Refusal> {
        write_as(&RUN, folder, &[("run.json".into(), run_json::text(&fixture::outcome(), &HOST).into_bytes())])
    }

    #[test]
    fn a_run_folder_holds_every_file_and_its_parent_nothing_else() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("runs/one");
        let written = write_fixture(&folder).unwrap();
        assert_eq!(written, fs::canonicalize(&folder).unwrap());
        assert_eq!(names_in(&home.path().join("runs")).unwrap(), ["one"]);
        let names = names_in(&folder).unwrap();
        let expected = ["latency-ack.hlog", "latency-results.hlog", "latency-staleness.hlog", "latency.csv", "plots"];
        assert_eq!(names[..5], expected);
        assert_eq!(names[5..], ["report.html", "run.json", "scenario.toml", "timeseries.csv"]);
        assert_eq!(names_in(&folder.join("plots")).unwrap().len(), plots::draw_all(&fixture::outcome()).len());
    }

    #[test]
    fn an_earlier_run_is_replaced_whole() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("one");
        write_fixture(&folder).unwrap();
        small(&folder).unwrap();
        assert_eq!(names_in(&folder).unwrap(), ["run.json"]);
        assert_eq!(names_in(home.path()).unwrap(), ["one"]);
    }

    #[test]
    fn an_empty_folder_is_filled() {
        let home = tempfile::tempdir().unwrap();
        small(home.path()).unwrap();
        assert_eq!(names_in(home.path()).unwrap(), ["run.json"]);
    }

    #[test]
    fn what_no_run_wrote_is_never_replaced() {
        let home = tempfile::tempdir().unwrap();
        let foreign = home.path().join("letters");
        fs::create_dir(&foreign).unwrap();
        fs::write(foreign.join("dear.txt"), "x").unwrap();
        let refusal = small(&foreign).unwrap_err().to_string();
        assert!(refusal.contains("letters: is not empty and holds no run.json"), "{refusal}");

        // Somebody else's run.json does not make it ours.
        fs::write(foreign.join("run.json"), "{}").unwrap();
        assert!(check(&foreign).unwrap_err().to_string().contains("holds no run.json"));

        // A note among the files of a run of ours is kept as well.
        let run = home.path().join("run");
        write_fixture(&run).unwrap();
        fs::write(run.join("plots/notes.txt"), "x").unwrap();
        assert!(small(&run).unwrap_err().to_string().contains("\"notes.txt\", which no run wrote"));
        assert!(run.join("timeseries.csv").exists());

        let file = home.path().join("run/run.json");
        assert!(small(&file).unwrap_err().to_string().contains("is a file"));
        assert_eq!(names_in(home.path()).unwrap(), ["letters", "run"]);
    }

    #[test]
    fn a_plan_replaces_an_earlier_plan_and_leaves_none_of_its_tables() {
        let home = tempfile::tempdir().unwrap();
        let file = |name: &str| (name.to_string(), b"{\"written_by\": \"headcount\", \"format_version\": 1}".to_vec());
        write_as(&PLAN, home.path(), &[file("plan.json"), file("storm.csv")]).unwrap();
        write_as(&PLAN, home.path(), &[file("plan.json")]).unwrap();
        assert_eq!(names_in(home.path()).unwrap(), ["plan.json"]);
        fs::write(home.path().join("notes.txt"), "x").unwrap();
        assert!(check_as(&PLAN, home.path()).unwrap_err().to_string().contains("\"notes.txt\", which no plan wrote"));
    }

    #[test]
    fn a_failure_half_way_leaves_nothing_and_keeps_the_earlier_run() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("deep/er/run");
        // The second file wants the first one to be a folder: it fails once something has been written.
        let broken = [("plots".to_string(), vec![1]), ("plots/votes.svg".to_string(), vec![2])];
        let refusal = write_as(&RUN, &folder, &broken).unwrap_err().to_string();
        assert!(refusal.contains("deep/er/run") && refusal.contains("name a folder that can be"), "{refusal}");
        assert!(!refusal.contains('\n'));
        assert!(names_in(home.path()).unwrap().is_empty());

        let kept = home.path().join("kept");
        small(&kept).unwrap();
        write_as(&RUN, &kept, &broken).unwrap_err();
        assert_eq!(names_in(home.path()).unwrap(), ["kept"]);
        assert_eq!(names_in(&kept).unwrap(), ["run.json"]);
    }

    #[test]
    fn asking_leaves_nothing_behind() {
        let home = tempfile::tempdir().unwrap();
        check(&home.path().join("a/b/c")).unwrap();
        assert!(names_in(home.path()).unwrap().is_empty());
        fs::write(home.path().join("file"), "x").unwrap();
        let refusal = check(&home.path().join("file/run")).unwrap_err().to_string();
        assert!(refusal.contains("file/run: cannot be written (not a directory)"), "{refusal}");
        assert!(check(Path::new("/")).unwrap_err().to_string().contains("cannot hold a run"));
        assert!(check(Path::new(".")).unwrap_err().to_string().contains(".: is the folder you are in; name another"));
        assert_eq!(names_in(home.path()).unwrap(), ["file"]);
    }

    #[test]
    fn the_same_outcome_gives_the_same_bytes() {
        let command = "headcount run voting-500k --seed 1";
        let one = files(&fixture::outcome(), &HOST, command, None);
        let other_host = HostFigures { wall_s: 77.0, peak_rss_bytes: Some(77_000_000) };
        let other = files(&fixture::outcome(), &other_host, command, None);
        assert_eq!(one.len(), other.len());
        for ((name, bytes), (other_name, other_bytes)) in one.iter().zip(&other) {
            assert_eq!(name, other_name);
            // Only run.json may differ, and only where the machine speaks.
            assert_eq!(name != "run.json", bytes == other_bytes, "{name}");
        }
    }

    #[test]
    fn one_file_is_written_whole_or_not_at_all() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("trace.txt");
        write_file(&file, b"one\n").unwrap();
        write_file(&file, b"two\n").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"two\n");
        let refusal = write_file(&home.path().join("no/such/trace.txt"), b"").unwrap_err().to_string();
        assert!(refusal.contains("no/such/trace.txt: cannot be written"), "{refusal}");
        assert_eq!(check_file(&home.path().join("no/such/trace.txt")).unwrap_err().to_string(), refusal);
        check_file(&home.path().join("other.txt")).unwrap();
        assert!(write_file(home.path(), b"").unwrap_err().to_string().contains("is a folder"));
        assert_eq!(names_in(home.path()).unwrap(), ["trace.txt"]);
    }
}
