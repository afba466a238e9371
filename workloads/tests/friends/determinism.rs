//! Same seed, same everything.

use super::run;

#[test]
fn the_same_seed_gives_the_same_outcome_also_beside_others() {
    let first = run("friends-small", &[], 7);
    let beside = std::thread::spawn(|| run("friends-small", &[], 7));
    let other = run("friends-small", &[], 8);
    let second = beside.join().expect("the run ended");
    assert_eq!(first.digest, second.digest);
    assert_eq!(first.counters, second.counters);
    assert_eq!(first.properties, second.properties);
    assert_eq!(format!("{:?}", first.series), format!("{:?}", second.series));
    assert_ne!(first.digest, other.digest);
}
