//! The `[auditor]` table: somebody with the auditor's role who asks the audit database (voting.md 8.1, 13.4).

use headcount_engine::contract::{Nanos, SECOND};

use super::bad_input::BadInput;
use super::form::Form;

/// How an auditor asks, from the opening until some time after the reveal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Auditor {
    /// Time between two questions [ns], 10 ms to 1 h.
    pub every: Nanos,
    /// How long a time a question for a range covers [ns], 1 ms to 1 h.
    pub span: Nanos,
    /// Pages read of one answer, 1 to 100,000: what stands on later ones is not asked for.
    pub pages_max: u32,
}

/// A question every five seconds, about up to five seconds, and the whole answer to each.
pub(super) fn defaults() -> Auditor {
    Auditor { every: 5 * SECOND, span: 5 * SECOND, pages_max: 100_000 }
}

impl Auditor {
    pub(super) fn fields(&mut self, form: &mut Form<'_>) -> Result<(), BadInput> {
        form.seconds("every_s", &mut self.every, 0.01, 3_600.0)?;
        form.seconds("span_s", &mut self.span, 0.001, 3_600.0)?;
        form.whole("pages_max", &mut self.pages_max, 1, 100_000)
    }
}
