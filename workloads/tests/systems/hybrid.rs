//! Facts of hybrid channels, each in one run of a small crowd of `hybrid-100k`.

use crate::documented::{DOCUMENTED, assert_falls};
use crate::support::{counter, run, violated};

/// Two rows of 15 columns and 5 operations each: with 450 acts, a third of them the server's, every cell is tried.
#[test]
fn every_cell_of_the_matrix_is_tried_in_one_run() {
    let crowd = [
        ("system.users", "24"),
        ("system.acts", "450"),
        ("system.rooms", "2"),
        ("system.join_to_s", "2.0"),
        ("system.from_s", "5.0"),
        ("system.to_s", "60.0"),
    ];
    let hardened = run("hybrid-100k", &crowd, 1);
    assert_eq!(violated(&hardened.properties), Vec::<String>::new());
    let cells = hardened.properties.iter().find(|property| property.name == "every-cell-of-the-matrix-was-tried");
    assert_eq!(cells.expect("it is a property").times_checked, 1);
    assert!(counter(&hardened, "acts.publish.refused_403") > 0);
    let documented = run("hybrid-100k", &[&crowd[..], &[DOCUMENTED]].concat(), 1);
    assert_falls(&documented, "the-permission-matrix-holds");
}
