//! Facts of deduplication, each in one run of a small crowd of `dedupe-100k`.

use crate::support::{counter, run, violated};

/// Ten users, twenty messages, each of them twice within two seconds, nothing wrong anywhere: twenty are published and twenty
/// are duplicates, and the one mark that documented needs for that does it as well.
#[test]
fn without_faults_each_message_is_published_once() {
    let crowd = [
        ("system.users", "10"),
        ("system.acts", "20"),
        ("system.again_ppm", "1_000_000"),
        ("system.later_ppm", "0"),
        ("system.same_words_ppm", "0"),
        ("system.same_id_ppm", "0"),
        ("system.join_to_s", "2.0"),
        ("system.from_s", "5.0"),
        ("system.to_s", "50.0"),
    ];
    let hardened = run("dedupe-100k", &crowd, 1);
    assert_eq!(violated(&hardened.properties), Vec::<String>::new());
    assert_eq!(counter(&hardened, "broker.published"), 20);
    assert_eq!(counter(&hardened, "acts.message.accepted") + counter(&hardened, "acts.again.accepted"), 20);
    assert_eq!(counter(&hardened, "acts.message.refused_409") + counter(&hardened, "acts.again.refused_409"), 20);
}
