//! Wrong input, said in one line.

use std::fmt;

/// What was wrong with what a user gave us: one line that names the file, the line if known, the key and what would
/// be right. Ends the command with status 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadInput(String);

impl BadInput {
    /// `text` with line breaks and other control characters turned into spaces, so that it stays one line.
    pub fn new(text: impl AsRef<str>) -> Self {
        Self(text.as_ref().trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect())
    }
}

impl fmt::Display for BadInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadInput {}

#[cfg(test)]
mod tests {
    use super::BadInput;

    #[test]
    fn stays_on_one_line_whatever_it_quotes() {
        assert_eq!(BadInput::new("a.toml: name = \"x\ny\"\n").to_string(), "a.toml: name = \"x y\"");
    }
}
