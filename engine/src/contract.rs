//! The one contract: **a node is a state machine: it is handed a time and an input, and it hands back
//! outputs and the next time it wants to be woken. It never asks for the time, for randomness, or for I/O.**
//!
//! Whoever drives a [`Node`] does three things and nothing else:
//! 1. calls [`Node::handle`] with a time that never goes back for this node,
//! 2. takes what stands in the [`Outbox`] and carries it away,
//! 3. calls [`Node::next_wake`] and sees to it that [`Input::Wake`] comes at that time, not before.
//!
//! A node may be woken too early or twice; it then does nothing.

use crate::message::Msg;

/// Nanoseconds since the world's epoch, as the node's own clock shows them (a skewed clock shows other ones).
pub type Nanos = u64;

/// One microsecond in [`Nanos`].
pub const US: Nanos = 1_000;
/// One millisecond in [`Nanos`].
pub const MS: Nanos = 1_000_000;
/// One second in [`Nanos`].
pub const SECOND: Nanos = 1_000_000_000;
/// One minute in [`Nanos`].
pub const MINUTE: Nanos = 60 * SECOND;

/// How often an edge and a broker say that they live, to those who depend on them. Load balancers and TCP keepalives
/// of the field work at this order; it bounds how late a lost connection is noticed.
pub const KEEPALIVE: Nanos = 2 * SECOND;
/// Without a word for this long, the other side counts as lost: two words missed and half an interval of grace.
pub const KEEPALIVE_PATIENCE: Nanos = KEEPALIVE * 5 / 2;

/// The address of a node in its cluster: dense, from 0, given out by whoever builds the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

/// What a node is handed.
#[derive(Debug)]
pub enum Input {
    /// The process has started, for the first time or after [`Node::reboot`].
    Start,
    /// A message arrived.
    Message { from: NodeId, msg: Msg },
    /// A message arrived and the node's queue was full: it may only be refused, with the platform's own error.
    Overload { from: NodeId, msg: Msg },
    /// The time the node asked for has come.
    Wake,
}

/// One message on its way out.
#[derive(Debug)]
pub struct Send {
    /// Who shall get it.
    pub to: NodeId,
    /// How long the node itself holds it back before the network gets it.
    pub after: Nanos,
    /// What it says.
    pub msg: Msg,
}

/// Where a node puts what it has to say.
#[derive(Debug, Default)]
pub struct Outbox {
    sends: Vec<Send>,
    notes: Vec<String>,
    tracing: bool,
}

impl Outbox {
    /// An outbox; `tracing` says whether notes are wanted.
    pub fn new(tracing: bool) -> Self {
        Self { tracing, ..Self::default() }
    }

    /// Sends `msg` to `to` at once.
    pub fn send(&mut self, to: NodeId, msg: Msg) {
        self.sends.push(Send { to, after: 0, msg });
    }

    /// Sends `msg` to `to` after holding it back for `after`.
    pub fn send_after(&mut self, after: Nanos, to: NodeId, msg: Msg) {
        self.sends.push(Send { to, after, msg });
    }

    /// Whether anybody reads the notes.
    pub fn is_tracing(&self) -> bool {
        self.tracing
    }

    /// A line for the full trace; `text` is only called when a trace is written.
    pub fn note(&mut self, text: impl FnOnce() -> String) {
        if self.tracing {
            self.notes.push(text());
        }
    }

    /// The messages, oldest first.
    pub fn sends(&self) -> &[Send] {
        &self.sends
    }

    /// Takes the messages, oldest first.
    pub fn drain_sends(&mut self) -> std::vec::Drain<'_, Send> {
        self.sends.drain(..)
    }

    /// Takes the notes, oldest first.
    pub fn drain_notes(&mut self) -> std::vec::Drain<'_, String> {
        self.notes.drain(..)
    }
}

/// A process that can be run anywhere: under simulation, stepped by hand in a test, behind a real socket.
pub trait Node: std::marker::Send + 'static {
    /// Does what `input` asks for at `now`, putting messages into `out`.
    fn handle(&mut self, now: Nanos, input: Input, out: &mut Outbox);

    /// When the node next wants [`Input::Wake`]; `None` if only a message can move it. Cheap: asked after each input.
    fn next_wake(&self) -> Option<Nanos>;

    /// The process died and comes up again at `now`: forget everything volatile, keep what is durable.
    fn reboot(&mut self, now: Nanos);

    /// For reading the node's state once a run is over.
    fn as_any(&self) -> &dyn std::any::Any;

    /// The same, by value: `Box<dyn Node>` to `Box<Concrete>`.
    fn into_any(self: Box<Self>) -> Box<dyn std::any::Any>;
}
