//! Without `--cfg madsim` there is one clear error. The compiler is asked, in a target folder of its own (a few seconds:
//! without the cfg, sim has few dependencies); and the source is read, for what the compiler would only say later.

use std::process::Command;

use crate::walk::{files, root};

/// Every module and every re-export stands behind the cfg; without it, only the `compile_error!` is left.
fn ungated(lib: &str) -> Vec<String> {
    let lines: Vec<&str> = lib.lines().collect();
    let item = |line: &str| ["pub ", "mod ", "use "].iter().any(|start| line.starts_with(start));
    let bare = |index: &usize| item(lines[*index]) && (*index == 0 || lines[index - 1] != "#[cfg(madsim)]");
    let found = (0..lines.len()).filter(bare);
    found.map(|index| format!("sim/src/lib.rs:{}: put #[cfg(madsim)] before `{}`", index + 1, lines[index])).collect()
}

#[test]
fn all_of_sim_stands_behind_the_gate() {
    let lib = files("sim/src", "lib.rs").remove(0).text;
    assert_eq!(lib.matches("#[cfg(not(madsim))]\ncompile_error!(").count(), 1);
    crate::walk::assert_none(&ungated(&lib));
    let manifest = std::fs::read_to_string(root().join("sim/Cargo.toml")).expect("it is there");
    let manifest: toml::Table = manifest.parse().expect("a manifest is TOML");
    assert!(manifest["target"]["cfg(madsim)"]["dependencies"].get("madsim").is_some(), "else madsim fails first");
}

#[test]
fn an_item_before_the_gate_is_named() {
    assert_eq!(
        ungated("#[cfg(madsim)]\npub mod a;\npub mod b;\n"),
        ["sim/src/lib.rs:3: put #[cfg(madsim)] before `pub mod b;`"]
    );
}

#[test]
fn the_compiler_says_it_once() {
    let target = tempfile::tempdir().expect("a folder for what is built");
    let output = Command::new(env!("CARGO"))
        .args(["check", "--offline", "-p", "headcount-sim", "--lib", "--target-dir"])
        .arg(target.path())
        .env("RUSTFLAGS", "")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .current_dir(root())
        .output()
        .expect("cargo runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{said}");
    // One error of the compiler, and cargo's own line that it could not compile.
    let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("error")).collect();
    assert_eq!(errors.len(), 2, "{said}");
    assert!(errors[0].contains("headcount-sim needs `--cfg madsim`"), "{said}");
    assert!(errors[1].starts_with("error: could not compile `headcount-sim`"), "{said}");
}
