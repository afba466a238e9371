//! Facts of the enrichment pipeline, each in one run: a small crowd of `enrichment-100k`, whose moderation fails every second
//! call from 60 s to 80 s.

use crate::documented::{ANY_CALLS, DOCUMENTED, assert_falls};
use crate::support::{counter, run, violated};

/// One author, twenty posts before anything fails: with a cache of an hour the profile service is asked once; documented
/// asks it each time.
#[test]
fn a_cached_profile_is_not_asked_for_again() {
    let one_author = [
        ("system.users", "1"),
        ("system.acts", "20"),
        ("system.toxic_ppm", "0"),
        ("system.spoofed_ppm", "0"),
        ("system.join_to_s", "2.0"),
        ("system.from_s", "5.0"),
        ("system.to_s", "55.0"),
    ];
    let hardened = run("enrichment-100k", &one_author, 1);
    assert_eq!(counter(&hardened, "acts.post.accepted"), 20);
    assert_eq!(counter(&hardened, "service.profiles.served"), 1);
    assert_eq!(counter(&hardened, "functions.counter.profiles.cached"), 19);
    let documented = run("enrichment-100k", &[&one_author[..], &[DOCUMENTED, ANY_CALLS]].concat(), 1);
    assert_eq!(counter(&documented, "service.profiles.served"), 20);
}

/// Hardened publishes nothing that nobody has judged, and loses nothing; documented lets it pass.
#[test]
fn what_moderation_has_not_judged_waits_or_leaks() {
    let crowd = [
        ("system.users", "40"),
        ("system.acts", "200"),
        ("system.toxic_ppm", "300_000"),
        ("system.join_to_s", "2.0"),
        ("system.from_s", "55.0"),
        ("system.to_s", "85.0"),
    ];
    let hardened = run("enrichment-100k", &crowd, 1);
    assert_eq!(violated(&hardened.properties), Vec::<String>::new());
    assert!(counter(&hardened, "functions.counter.posts.not_moderated") > 0, "it was asked while it failed");
    assert_eq!(counter(&hardened, "acts.post.accepted"), counter(&hardened, "acts.post.intended"));
    let documented = run("enrichment-100k", &[&crowd[..], &[DOCUMENTED, ANY_CALLS]].concat(), 1);
    assert_falls(&documented, "a-toxic-post-is-never-seen");
}
