//! What goes to the terminal, and the statuses a command ends with.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use headcount_workloads::outcome::Verdict;

/// Why a command cannot do what it was asked: one line, which names what is wrong and what would be right. Status 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem(pub String);

impl Problem {
    /// The line of anything that shows as one; line breaks in it become spaces.
    pub fn new(what: impl fmt::Display) -> Self {
        Self(what.to_string().split_whitespace().collect::<Vec<_>>().join(" "))
    }
}

/// Says why not, on stderr.
pub fn refuse(problem: &Problem) -> ExitCode {
    note(&format!("headcount: {}", problem.0));
    ExitCode::from(2)
}

/// A line on stderr. If nobody can be told any more, there is nobody to tell that either.
pub fn note(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Writes `text` to stdout. A reader that has gone (`| head`) wants no more; any other failure is a problem.
///
/// # Errors
/// Stdout cannot be written.
pub fn print(text: &str) -> Result<(), Problem> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Problem::new(format!("stdout: cannot be written ({error}); give it a place with room")))
        }
        _ => Ok(()),
    }
}

/// The status for a verdict. What the scenario expected does not change it.
pub fn status(verdict: Verdict) -> ExitCode {
    ExitCode::from(match verdict {
        Verdict::Holds => 0,
        Verdict::Violated => 1,
        Verdict::Inconclusive => 3,
    })
}

/// `word` for a shell: quoted if it holds anything a shell might read.
pub fn shell_word(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_string()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_one_line() {
        assert_eq!(Problem::new("a\n  b: c\r\n").0, "a b: c");
    }

    #[test]
    fn words_are_quoted_where_a_shell_would_read_them() {
        assert_eq!(shell_word("faults.loss=0.1"), "faults.loss=0.1");
        assert_eq!(shell_word("name=a b"), "'name=a b'");
        assert_eq!(shell_word("it's"), "'it'\\''s'");
        assert_eq!(shell_word(""), "''");
    }
}
