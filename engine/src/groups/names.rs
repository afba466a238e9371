//! Names and their numbers, and which names there may be.

use std::sync::Arc;

use rustc_hash::FxHashMap;

/// Names given numbers in the order they were first heard of. A number is never given again, for others may hold it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    /// The number of `texts[0]`.
    first: u32,
    texts: Vec<Arc<str>>,
    numbers: FxHashMap<Arc<str>, u32>,
}

impl Names {
    /// No names yet; numbers begin with `first`.
    pub fn from(first: u32) -> Self {
        Self { first, ..Self::default() }
    }

    pub fn number(&self, name: &str) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    pub fn name(&self, number: u32) -> Option<&Arc<str>> {
        self.texts.get(number.checked_sub(self.first)? as usize)
    }

    pub fn intern(&mut self, name: &Arc<str>) -> u32 {
        if let Some(number) = self.number(name) {
            return number;
        }
        let number = u32::try_from(self.texts.len()).ok().and_then(|count| self.first.checked_add(count));
        let number = number.expect("there are fewer than 2^32 names");
        self.texts.push(name.clone());
        self.numbers.insert(name.clone(), number);
        number
    }
}

/// What is wrong with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadName {
    /// Empty or too long.
    Length,
    /// One of `, : / \`, a space or a control character.
    Character,
    /// A `*`: groups hold channels, not wildcards.
    Wildcard,
}

/// The rules of platform.md 2.6 for channels and groups.
pub(crate) fn check(name: &str, chars_max: u32) -> Result<(), BadName> {
    let forbidden = |c: char| matches!(c, ',' | ':' | '/' | '\\' | ' ') || c.is_control();
    if name.is_empty() || name.chars().count() > chars_max as usize {
        Err(BadName::Length)
    } else if name.contains(forbidden) {
        Err(BadName::Character)
    } else if name.contains('*') {
        Err(BadName::Wildcard)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_number_and_a_number_its_name() {
        let mut names = Names::from(1_000);
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        assert_eq!((names.intern(&a), names.intern(&b), names.intern(&a)), (1_000, 1_001, 1_000));
        assert_eq!((names.number("b"), names.number("c")), (Some(1_001), None));
        assert_eq!((names.name(1_001), names.name(999), names.name(1_002)), (Some(&b), None, None));
    }

    #[test]
    fn a_name_has_1_to_92_characters_and_none_of_the_forbidden_ones() {
        assert_eq!(check("status.user-1_ü", 92), Ok(()));
        assert_eq!(check("", 92), Err(BadName::Length));
        // Characters, not bytes: 92 of them are 184 bytes.
        assert_eq!(check(&"ü".repeat(92), 92), Ok(()));
        assert_eq!(check(&"u".repeat(93), 92), Err(BadName::Length));
        for bad in ["a,b", "a:b", "a/b", "a\\b", "a b", "a\nb"] {
            assert_eq!(check(bad, 92), Err(BadName::Character), "{bad:?}");
        }
        assert_eq!(check("status.*", 92), Err(BadName::Wildcard));
    }
}
