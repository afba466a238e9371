//! Routes of On Request Functions: paths in which each `*` stands for any characters, or none; two of them must have no
//! path in common (platform.md 3.3).

use super::Function;
use crate::message::Trigger;

/// Two On Request Functions that some path would set off both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overlap {
    pub one: &'static str,
    pub other: &'static str,
}

impl std::fmt::Display for Overlap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the routes {} and {} have paths in common: each path must have one Function", self.one, self.other)
    }
}

/// Refuses On Request Functions whose routes overlap.
pub fn check_routes(functions: &[Function]) -> Result<(), Overlap> {
    let routes = functions.iter().filter(|function| function.trigger == Trigger::OnRequest);
    let routes: Vec<&'static str> = routes.map(|function| function.pattern).collect();
    for (place, &one) in routes.iter().enumerate() {
        if let Some(&other) = routes[..place].iter().find(|other| overlap(one, other)) {
            return Err(Overlap { one: other, other: one });
        }
    }
    Ok(())
}

/// Whether the route has this path.
pub(super) fn covers(route: &str, path: &str) -> bool {
    // A path is a route without stars, as long as its own stars are letters.
    common(route.as_bytes(), path.as_bytes(), false)
}

/// Whether some path is on both routes.
fn overlap(one: &str, other: &str) -> bool {
    common(one.as_bytes(), other.as_bytes(), true)
}

/// Whether both have a text in common; `stars` says whether a star in the second stands for any text, too. `reached[n]`:
/// what was read of the first and `n` bytes of the second can be the same text.
fn common(one: &[u8], other: &[u8], stars: bool) -> bool {
    let star = |byte: u8| stars && byte == b'*';
    let mut reached = vec![false; other.len() + 1];
    reached[0] = true;
    for (n, &byte) in other.iter().enumerate() {
        reached[n + 1] = reached[n] && star(byte);
    }
    for &letter in one {
        let before = reached.clone();
        // Of the second nothing was read: only a star of the first takes nothing.
        reached[0] = before[0] && letter == b'*';
        for (n, &byte) in other.iter().enumerate() {
            reached[n + 1] = if letter == b'*' || star(byte) {
                before[n + 1] || reached[n] || (before[n] && (letter == b'*' || star(byte)))
            } else {
                before[n] && letter == byte
            };
        }
    }
    reached[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::Resolution;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (route, path, is) in [
            ("/votes", "/votes", true),
            ("/votes", "/vote", false),
            ("/votes/*", "/votes/7", true),
            ("/votes/*", "/votes/7/close", true),
            ("/votes/*", "/votes/", true),
            ("/votes/*/close", "/votes/7/close", true),
            ("/votes/*/close", "/votes/7/open", false),
            ("/v*e*", "/votes", true),
            ("/a", "/*", false),
        ] {
            assert_eq!(covers(route, path), is, "{route} {path}");
        }
    }

    /// Every pair of routes of up to four letters of `a`, `b`, `*`, against every text of up to six letters.
    #[test]
    fn routes_overlap_where_they_have_a_path_in_common() {
        let words = |letters: &[char], most: usize| {
            let mut all = vec![String::new()];
            let mut last = all.clone();
            for _ in 0..most {
                last =
                    last.iter().flat_map(|word| letters.iter().map(move |letter| format!("{word}{letter}"))).collect();
                all.extend(last.clone());
            }
            all
        };
        // Two routes of three letters that have a path in common have one of six letters at most.
        let (routes, paths) = (words(&['a', 'b', '*'], 3), words(&['a', 'b'], 6));
        let mut overlapping = 0;
        for one in &routes {
            let on: Vec<&String> = paths.iter().filter(|path| covers(one, path)).collect();
            for other in &routes {
                let met = on.iter().any(|path| covers(other, path));
                assert_eq!(overlap(one, other), met, "{one} {other}");
                overlapping += usize::from(met);
            }
        }
        assert!(overlapping > routes.len(), "more than each with itself");
    }

    #[test]
    fn overlapping_routes_are_refused() {
        let function = |pattern, trigger| Function::new("f", pattern, trigger, |_, _| async { Resolution::Ok(None) });
        let on = |pattern| function(pattern, Trigger::OnRequest);
        assert_eq!(check_routes(&[on("/a/*"), on("/b/*"), function("/a/*", Trigger::BeforePublish)]), Ok(()));
        let refused = check_routes(&[on("/a/*/x"), on("/b"), on("/a/7*")]).unwrap_err();
        assert_eq!(refused, Overlap { one: "/a/*/x", other: "/a/7*" });
    }
}
