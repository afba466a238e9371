//! The full trace of a run, written on request; and where two traces part.

use std::fmt::{self, Display, Write as _};

use crate::contract::{Nanos, NodeId, SECOND};

/// One line of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceRecord {
    /// True time.
    pub at: Nanos,
    /// Where it happened; [`NodeId::WORLD`] for faults.
    pub node: NodeId,
    /// What happened: `<- 3 vote user 7`, `start`, `wake`, `overload <- ...`, `fault ...`, `note ...`.
    pub what: String,
}

impl Display for TraceRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09} ", self.at / SECOND, self.at % SECOND)?;
        match self.node {
            NodeId::WORLD => write!(f, "world {}", self.what),
            NodeId(node) => write!(f, "node {node} {}", self.what),
        }
    }
}

/// Where the trace goes, in the order of time, then node, then as the node saw it.
pub enum TraceTo {
    /// Nowhere.
    Off,
    /// Into [`crate::Finished::trace`].
    Memory,
    /// To this function.
    Sink(Box<dyn FnMut(&TraceRecord) + Send>),
}

impl From<bool> for TraceTo {
    fn from(on: bool) -> Self {
        if on { Self::Memory } else { Self::Off }
    }
}

/// Where two traces part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Index of the first record that differs.
    pub index: usize,
    /// Up to five records before it, the same in both.
    pub before: Vec<TraceRecord>,
    /// What the first trace has there and after (up to three records); empty if it ends.
    pub left: Vec<TraceRecord>,
    /// The same of the second.
    pub right: Vec<TraceRecord>,
}

/// The first record in which two traces differ; `None` if they are equal.
pub fn first_difference(left: &[TraceRecord], right: &[TraceRecord]) -> Option<Difference> {
    let same = left.iter().zip(right).take_while(|(l, r)| l == r).count();
    if same == left.len() && same == right.len() {
        return None;
    }
    let after = |trace: &[TraceRecord]| trace[same..].iter().take(3).cloned().collect();
    Some(Difference {
        index: same,
        before: left[same.saturating_sub(5)..same].to_vec(),
        left: after(left),
        right: after(right),
    })
}

impl Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the traces part at record {}", self.index)?;
        for record in &self.before {
            writeln!(f, "    {record}")?;
        }
        for (sign, side) in [('-', &self.left), ('+', &self.right)] {
            let mut lines = String::new();
            for record in side {
                writeln!(lines, "{sign}   {record}")?;
            }
            if lines.is_empty() {
                writeln!(lines, "{sign}   (ends)")?;
            }
            f.write_str(&lines)?;
        }
        Ok(())
    }
}
