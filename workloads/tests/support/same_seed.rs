//! Same seed, same everything.

use super::support::run;

/// That two runs of one seed, side by side, come to the same, and another seed to something else.
#[track_caller]
pub fn assert_same_outcome(name: &'static str) {
    let first = run(name, &[], 7);
    let beside = std::thread::spawn(move || run(name, &[], 7));
    let other = run(name, &[], 8);
    let second = beside.join().expect("the run ended");
    assert_eq!(first.digest, second.digest);
    assert_eq!(first.counters, second.counters);
    assert_eq!(first.properties, second.properties);
    assert_eq!(format!("{:?}", first.series), format!("{:?}", second.series));
    assert_ne!(first.digest, other.digest);
}
