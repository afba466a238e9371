//! The same run everywhere: one small run's digest and its tables, as constants that debug and release builds, and every
//! machine, compare themselves with.

mod command_line;

use std::fs;

use command_line::{headcount, text};

/// `headcount run voting-small --seed 7`: its digest, and the FNV-1a hash of the bytes of its tables.
///
/// A change to what the system does, draws or measures changes these, and that may well be right. To refresh them, run
/// `cargo test -p headcount-reports --test pinned`, and copy what the failure shows; then run it with `--release` too,
/// which must agree.
const PINNED: [(&str, u64); 3] = [
    ("digest", 0xbd07_4e8c_e284_dce9),
    ("timeseries.csv", 0xaae7_6f56_54d8_ccb1),
    ("latency.csv", 0x1f3e_6a42_c4b5_3f91),
];

/// FNV-1a, 64 bits.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[test]
fn the_hash_is_fnv_1a() {
    // The published values for nothing and for "a".
    assert_eq!((hash(b""), hash(b"a")), (0xcbf2_9ce4_8422_2325, 0xaf63_dc4c_8601_ec8c));
}

#[test]
fn debug_and_release_and_every_machine_give_the_pinned_bytes() {
    let home = tempfile::tempdir().unwrap();
    let output = headcount(home.path(), &["run", "voting-small", "--seed", "7", "--out", "run", "--json"]);
    let run: serde_json::Value = serde_json::from_str(&text(&output.stdout)).unwrap();
    let digest = u64::from_str_radix(run["digest"].as_str().unwrap(), 16).unwrap();
    let table = |name| (name, hash(&fs::read(home.path().join("run").join(name)).unwrap()));
    let found = [("digest", digest), table("timeseries.csv"), table("latency.csv")];
    let shown = |all: [(&str, u64); 3]| all.map(|(name, value)| format!("(\"{name}\", 0x{value:016x})")).join("\n");
    assert!(found == PINNED, "found\n{}\ninstead of\n{}", shown(found), shown(PINNED));
}
