//! The rooms of `engine` do not import each other: they talk in messages.

use crate::walk::{assert_none, code_lines, files, is_test, without_tests};

/// What every room may speak: data, names and tools, not parts of the platform.
const VOCABULARY: [&str; 14] = [
    "access",
    "base64url",
    "chunks",
    "contract",
    "dice",
    "error",
    "groups",
    "limits",
    "message",
    "per_second",
    "planted",
    "slab",
    "stream",
    "timetoken",
];

/// The parts of the platform, and what is built on it.
const ROOMS: [&str; 12] = [
    "appcontext",
    "auth",
    "broker",
    "edge",
    "functions",
    "history",
    "kvstore",
    "outside",
    "patterns",
    "presence",
    "registry",
    "scheduler",
];

/// Patterns are what a user deploys: handlers run in Functions, and rights are handed to the auth server.
const FOR_PATTERNS: [&str; 3] = ["auth", "functions", "outside"];

/// The first name of a path in `src`: `src/broker/log.rs` and `src/broker.rs` are both `broker`.
fn room_of(path: &str) -> &str {
    let path = path.rsplit_once("src/").map_or(path, |(_, path)| path);
    path.split('/').next().unwrap_or(path).trim_end_matches(".rs")
}

/// The modules named right after `crate::`, with the line each stands on; `crate::{a, b::c}` included.
fn named(text: &str) -> Vec<(usize, String)> {
    let code: Vec<&str> = code_lines(text).map(|(_, code)| code).collect();
    let code = code.join("\n");
    let mut names = Vec::new();
    for (at, path) in code.match_indices("crate::") {
        let line = code[..at].matches('\n').count() + 1;
        let path = &code[at + path.len()..];
        match path.strip_prefix('{') {
            Some(group) => names.extend(group_heads(group).into_iter().map(|name| (line, name.to_owned()))),
            None => names.push((line, word(path).to_owned())),
        }
    }
    names
}

/// The identifier that a path begins with.
fn word(path: &str) -> &str {
    &path[..path.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(path.len())]
}

/// The first names of the entries of `a, b::{c, d}, e}`.
fn group_heads(group: &str) -> Vec<&str> {
    let (mut depth, mut begin, mut heads) = (0_i32, 0, Vec::new());
    for (at, c) in group.char_indices().chain([(group.len(), '}')]) {
        if depth == 0 && (c == ',' || c == '}') {
            let head = word(group[begin..at].trim_start());
            heads.extend((!head.is_empty()).then_some(head));
            begin = at + 1;
            if c == '}' {
                break;
            }
        }
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => (),
        }
    }
    heads
}

fn violations(path: &str, text: &str) -> Vec<String> {
    let room = room_of(path);
    let may = |name: &str| {
        name == room
            || VOCABULARY.contains(&name)
            || (room == "patterns" && FOR_PATTERNS.contains(&name))
            || room == "lib"
            // Names of the crate's root that are no modules: macros, constants.
            || !(ROOMS.contains(&name))
    };
    let said = |(line, name): (usize, String)| {
        let speak = if VOCABULARY.contains(&room) { "the vocabulary" } else { room };
        format!(
            "{path}:{line}: {speak} imports {name}; rooms talk in messages, what both need belongs in contract.rs or message.rs"
        )
    };
    named(without_tests(text)).into_iter().filter(|(_, name)| !may(name)).map(said).collect()
}

#[test]
fn rooms_of_the_engine_do_not_import_each_other() {
    let sources = files("engine/src", ".rs");
    let code = sources.iter().filter(|file| !is_test(&file.path));
    let found: Vec<_> = code.flat_map(|file| violations(&file.path, &file.text)).collect();
    assert_none(&found);
}

/// A new module must be put on one of the two lists.
#[test]
fn every_module_is_a_room_or_vocabulary() {
    let lib = std::fs::read_to_string(crate::walk::root().join("engine/src/lib.rs")).expect("it is there");
    let modules: Vec<_> = lib
        .lines()
        .filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'))
        .collect();
    assert!(modules.len() > 10, "{modules:?}");
    let unknown = |name: &&&str| !ROOMS.contains(name) && !VOCABULARY.contains(name);
    let found: Vec<_> =
        modules.iter().filter(unknown).map(|name| format!("{name}: a room or vocabulary? Say so here")).collect();
    assert_none(&found);
}

#[test]
fn unit_tests_may_use_the_neighbours() {
    assert!(is_test("engine/src/patterns/voting/tests/bench.rs") && is_test("engine/src/kvstore/tests.rs"));
    assert!(is_test("engine/src/patterns/voting/audit/ledger_tests.rs"));
    assert!(!is_test("engine/src/patterns/voting/audit/ledger.rs") && !is_test("engine/src/contests.rs"));
}

#[test]
fn a_neighbour_imported_is_named() {
    let bad = "use crate::contract::Node;\n// crate::edge\nuse crate::{\n    message::{Msg, Push},\n    edge::KEEPALIVE,\n};\nfn f() { crate::kvstore::g() }\n";
    let found = violations("engine/src/broker/log.rs", bad);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("engine/src/broker/log.rs:3: broker imports edge;"));
    assert!(found[1].starts_with("engine/src/broker/log.rs:7: broker imports kvstore;"));
    assert_eq!(violations("engine/src/edge.rs", "use crate::edge::A;\nuse crate::slab::Slab;"), Vec::<String>::new());
    assert_eq!(
        violations("engine/src/patterns/a.rs", "use crate::functions::Event;\nuse crate::auth::GrantRules;"),
        Vec::<String>::new()
    );
    assert_eq!(violations("engine/src/patterns/a.rs", "use crate::edge::Edge;").len(), 1);
    assert_eq!(violations("engine/src/message.rs", "use crate::broker::Broker;").len(), 1);
    assert_eq!(
        violations("engine/src/edge.rs", "#[cfg(test)]\nmod tests {\n    use crate::broker::B;"),
        Vec::<String>::new()
    );
}
