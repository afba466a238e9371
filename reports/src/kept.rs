//! Results of runs that are kept, so that no run is made twice: a plan that is repeated reads them, one that was
//! interrupted goes on where it was.
//!
//! A result is found by the SHA-256 of everything that it depends on: this format's version, the program that made it,
//! what was looked at, the scenario with every key written out, and the seed. The program is known by the bytes of its own
//! file: whatever was changed in the sources, the crates or the compiler gives another file, and so another key. A version
//! number or a hash of the sources would miss some of that.
//!
//! A file is trusted only if its checksum, taken over key and contents, is right: what was cut, changed or renamed is made
//! again. Nothing here is needed: the folder may be removed at any time.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use headcount_workloads::scenario::Scenario;
use headcount_workloads::slo::Slo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::run_folder::{self, Refusal};

/// Version of the files: raised when what they say changes its form.
const FORMAT_VERSION: u32 = 1;

/// What every file begins with; the checksum and a line feed follow.
const HEAD: &str = "headcount kept result, sha256 ";

/// Where results are kept if nobody names another folder.
pub const FOLDER: &str = "runs/.kept";

/// SHA-256 of the running program's own file, as hex; taken once. `None` where the system does not show the file: then
/// nothing is kept, because nobody could tell whose it is.
pub fn build() -> Option<&'static str> {
    static BUILD: OnceLock<Option<String>> = OnceLock::new();
    // On Linux this is the file that runs, even if another one has its name by now.
    let own = || fs::read("/proc/self/exe").or_else(|_| std::env::current_exe().and_then(fs::read));
    BUILD.get_or_init(|| own().ok().map(|bytes| hex(&[&bytes]))).as_deref()
}

/// SHA-256 of the parts, each with its length before it, so that none can pass for the end of another.
fn hex(parts: &[&[u8]]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    }
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// By what a result is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// `looked_at` says what is kept of the run, with whatever that depends on besides scenario and seed.
    fn new(build: &str, looked_at: &str, scenario: &Scenario, seed: u64) -> Self {
        let (version, seed) = (FORMAT_VERSION.to_le_bytes(), seed.to_le_bytes());
        // Thresholds judge a run, they do not change it.
        let scenario = Scenario { thresholds: Slo::default(), ..scenario.clone() }.to_toml();
        Self(hex(&[&version, build.as_bytes(), looked_at.as_bytes(), scenario.as_bytes(), &seed]))
    }
}

/// A folder of results. Several jobs and several programs may use one at the same time.
#[derive(Debug)]
pub struct Kept {
    folder: PathBuf,
    build: Option<&'static str>,
    /// Something could not be written: said once, by whoever asks [`Kept::has_failed`].
    failed: AtomicBool,
}

impl Kept {
    /// Makes the folder, if it is not there.
    ///
    /// # Errors
    /// It cannot be made or written.
    pub fn open(folder: &Path) -> Result<Self, Refusal> {
        let probe = folder.join(format!(".probe-{}", std::process::id()));
        let tried =
            fs::create_dir_all(folder).and_then(|()| fs::write(&probe, [])).and_then(|()| fs::remove_file(&probe));
        tried.map_err(|error| Refusal::of_kept(folder, &error))?;
        Ok(Self { folder: folder.to_path_buf(), build: build(), failed: AtomicBool::new(false) })
    }

    /// What is kept of a run, or `None`: it was not made yet, or by another program, or its file is broken.
    pub fn get<T: DeserializeOwned>(&self, looked_at: &str, scenario: &Scenario, seed: u64) -> Option<T> {
        let key = Key::new(self.build?, looked_at, scenario, seed);
        read(&key, &fs::read(self.file(&key)).ok()?)
    }

    /// Keeps what was found, and hands it back as [`Kept::get`] will: to the last digit the same.
    pub fn put<T>(&self, looked_at: &str, scenario: &Scenario, seed: u64, found: T) -> T
    where
        T: Serialize + DeserializeOwned,
    {
        let Some(build) = self.build else { return found };
        let key = Key::new(build, looked_at, scenario, seed);
        let Some((bytes, again)) = written(&key, &found) else { return found };
        if run_folder::write_file(&self.file(&key), &bytes).is_err() {
            self.failed.store(true, Ordering::Relaxed);
        }
        again
    }

    /// Whether some result could not be written since the folder was opened: it counts, but is made again next time.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    fn file(&self, key: &Key) -> PathBuf {
        self.folder.join(format!("{}.json", key.0))
    }
}

/// The file's bytes, and what they say. `None` for what no file can hold: a number that is none.
fn written<T: Serialize + DeserializeOwned>(key: &Key, found: &T) -> Option<(Vec<u8>, T)> {
    let body = serde_json::to_vec(found).ok()?;
    let mut bytes = format!("{HEAD}{}\n", hex(&[key.0.as_bytes(), &body])).into_bytes();
    bytes.extend_from_slice(&body);
    let again = read(key, &bytes)?;
    Some((bytes, again))
}

/// What a file says, if it is whole and belongs to `key`.
fn read<T: DeserializeOwned>(key: &Key, bytes: &[u8]) -> Option<T> {
    let rest = bytes.strip_prefix(HEAD.as_bytes())?;
    let (checksum, body) = rest.split_at(rest.iter().position(|byte| *byte == b'\n')?);
    let body = &body[1..];
    if checksum != hex(&[key.0.as_bytes(), body]).as_bytes() {
        return None;
    }
    serde_json::from_slice(body).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(sets: &[(&str, &str)]) -> Scenario {
        let sets: Vec<(String, String)> = sets.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        Scenario::load("voting-small", &sets).unwrap()
    }

    fn only_file(folder: &Path) -> PathBuf {
        let files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files.len(), 1, "{files:?}");
        files[0].clone()
    }

    #[test]
    fn what_is_kept_reads_back_to_the_last_digit() {
        let home = tempfile::tempdir().unwrap();
        let kept = Kept::open(&home.path().join("a/b")).unwrap();
        let found: Vec<f64> = vec![0.1 + 0.2, 1e-310, f64::MAX, -0.0, 123_456_789.123_456_78];
        let bits = |all: &[f64]| all.iter().map(|one| one.to_bits()).collect::<Vec<_>>();
        let (small, seed) = (scenario(&[]), 7);
        assert_eq!(kept.get::<Vec<f64>>("x", &small, seed), None);
        assert_eq!(bits(&kept.put("x", &small, seed, found.clone())), bits(&found));
        assert_eq!(bits(&kept.get::<Vec<f64>>("x", &small, seed).unwrap()), bits(&found));
        let other = Kept::open(&home.path().join("a/b")).unwrap();
        assert_eq!(other.get::<Vec<f64>>("x", &small, seed), Some(found));
        assert!(!kept.has_failed());
    }

    #[test]
    fn whatever_a_result_depends_on_gives_another_key() {
        let small = scenario(&[]);
        let key = Key::new("build", "x", &small, 7);
        assert_eq!(key, Key::new("build", "x", &scenario(&[]), 7));
        assert_eq!(
            key,
            Key::new("build", "x", &scenario(&[("thresholds", "[\"lost == 0\"]")]), 7),
            "they change no run"
        );
        let others = [
            Key::new("another", "x", &small, 7),
            Key::new("build", "y", &small, 7),
            Key::new("build", "x", &small, 8),
            Key::new("build", "x", &scenario(&[("crowd.users", "21")]), 7),
            // A letter that moves from one part to the next.
            Key::new("buildx", "", &small, 7),
        ];
        assert!(others.iter().all(|other| *other != key));
    }

    #[test]
    fn a_file_that_is_cut_or_changed_or_renamed_is_not_trusted() {
        let home = tempfile::tempdir().unwrap();
        let kept = Kept::open(home.path()).unwrap();
        let small = scenario(&[]);
        let get = |seed| kept.get::<Vec<u32>>("x", &small, seed);
        kept.put("x", &small, 1, vec![10, 20, 30]);
        let file = only_file(home.path());
        let whole = fs::read(&file).unwrap();
        for at in 0..whole.len() {
            fs::write(&file, &whole[..at]).unwrap();
            assert_eq!(get(1), None, "cut at {at}");
            let mut changed = whole.clone();
            changed[at] ^= 1;
            fs::write(&file, &changed).unwrap();
            assert_eq!(get(1), None, "byte {at} changed");
        }
        fs::write(&file, &whole).unwrap();
        assert_eq!(get(1), Some(vec![10, 20, 30]));
        let of_two = kept.file(&Key::new(kept.build.unwrap(), "x", &small, 2));
        fs::rename(&file, &of_two).unwrap();
        assert_eq!((get(1), get(2)), (None, None));
        // Made again, it is there again.
        kept.put("x", &small, 2, vec![40]);
        assert_eq!(get(2), Some(vec![40]));
    }

    #[test]
    fn a_number_that_is_none_is_handed_back_and_not_kept() {
        let home = tempfile::tempdir().unwrap();
        let kept = Kept::open(home.path()).unwrap();
        assert!(kept.put("x", &scenario(&[]), 1, vec![f64::NAN])[0].is_nan());
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }

    #[test]
    fn jobs_that_keep_the_same_at_the_same_time_leave_one_whole_file() {
        let home = tempfile::tempdir().unwrap();
        let kept = Kept::open(home.path()).unwrap();
        let small = scenario(&[]);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..20).for_each(|_| assert_eq!(kept.put("x", &small, 1, 5_u64), 5)));
            }
        });
        only_file(home.path());
        assert_eq!((kept.get::<u64>("x", &small, 1), kept.has_failed()), (Some(5), false));
    }

    #[test]
    fn a_place_that_cannot_be_written_is_refused_at_once_or_said_later() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("file"), "x").unwrap();
        let refusal = Kept::open(&home.path().join("file/kept")).unwrap_err().to_string();
        assert!(refusal.contains("file/kept: cannot be written") && refusal.contains("--kept DIR"), "{refusal}");
        let folder = home.path().join("gone");
        let kept = Kept::open(&folder).unwrap();
        fs::remove_dir(&folder).unwrap();
        assert_eq!(kept.put("x", &scenario(&[]), 1, 5_u64), 5);
        assert!(kept.has_failed());
    }
}
