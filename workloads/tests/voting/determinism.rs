//! Same seed, same everything; and the same crowd under other faults.

use headcount_workloads::oracle::acknowledged_votes;
use headcount_workloads::run::Prepared;

use super::prepared;
use super::same_seed::assert_same_outcome;

#[test]
fn the_same_seed_gives_the_same_outcome_also_beside_others() {
    assert_same_outcome("voting-small");
}

/// Fault invariance: the crowd intends the same, and whatever the faults, the acknowledged votes are the audited ones.
/// With patience beyond every fault, all who voted well inside the open window are acknowledged for what they chose, so
/// those votes are equal under every plan.
#[test]
fn the_acknowledged_votes_do_not_depend_on_the_fault_plan() {
    // Nobody misbehaves (a second vote may win the race under one plan and lose it under another), and everybody votes
    // in the first 20 of 40 s; the faults are over 1 s after the close at the latest, so votes early enough to be retried
    // before it must all come through: 10 s of faults from second 8 on leave 27 s.
    let calm = [
        ("crowd.misbehaviour.double_click_ppm", "0"),
        ("crowd.misbehaviour.second_vote_ppm", "0"),
        ("crowd.misbehaviour.early_vote_ppm", "0"),
        ("crowd.misbehaviour.late_vote_ppm", "0"),
        ("crowd.misbehaviour.unknown_option_ppm", "0"),
        ("crowd.misbehaviour.impostor_ppm", "0"),
        ("crowd.misbehaviour.viewer_ppm", "0"),
        ("crowd.misbehaviour.offline_flap_ppm", "0"),
        ("crowd.late_join_ppm", "0"),
        ("crowd.arrivals.to_s", "25.0"),
        ("swarm.from_s", "8.0"),
        ("swarm.to_s", "18.0"),
    ];
    let with = |kinds: &'static str| {
        let mut overrides = calm.to_vec();
        overrides.push(("swarm.kinds", kinds));
        prepared("voting-small", &overrides)
    };
    let mut faultless = with(r#"["kv"]"#).scenario().clone();
    faultless.swarm = None;
    let reference = Prepared::new(faultless).examine(5, acknowledged_votes);
    assert_eq!(reference.len(), 32, "without faults everybody's vote is acknowledged");
    for kinds in [r#"["kv"]"#, r#"["audit"]"#, r#"["partition"]"#, r#"["crash", "pause"]"#, r#"["degrade", "one-way"]"#]
    {
        let votes = with(kinds).examine(5, acknowledged_votes);
        assert_eq!(votes, reference, "under {kinds}");
    }
}
