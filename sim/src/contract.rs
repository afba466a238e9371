//! What the world asks of a node and offers to it. **A node is handed a time and an input; it hands back messages and
//! the next time it wants to be woken. It never asks for the time, for randomness or for I/O.**

use std::any::Any;

/// Nanoseconds since the world's epoch. Handed to a node, it is what the node's own clock shows (see [`crate::clock`]).
pub type Nanos = u64;

/// One microsecond in [`Nanos`].
pub const US: Nanos = 1_000;
/// One millisecond in [`Nanos`].
pub const MS: Nanos = 1_000_000;
/// One second in [`Nanos`].
pub const SECOND: Nanos = 1_000_000_000;
/// No time at all: later than every time that can come.
pub(crate) const NEVER: Nanos = Nanos::MAX;

/// The address of a node: dense, from 0, in the order the nodes were given to the builder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

impl NodeId {
    /// The sender of what no node sent: the messages of [`crate::Fault::Tell`].
    pub const WORLD: NodeId = NodeId(u32::MAX);

    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// A region of the world: dense, from 0, in the order the regions were named to the builder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegionId(pub u16);

/// What the world must know of a message's body; what it says is the nodes' business.
pub trait Payload: Clone + Send + 'static {
    /// Its size on the wire in bytes, headers included. Asked only on links with a bandwidth.
    fn wire_bytes(&self) -> u32;
    /// Its kind in a word, for the trace.
    fn kind(&self) -> &'static str;
    /// A number that tells this body from any other, of this kind or another, and is the same on every machine (no
    /// addresses, no hash seeds). It goes into the digest.
    fn fingerprint(&self) -> u64;
    /// What it says, in a line. Called only when a trace is written.
    fn describe(&self) -> String;
    /// How many services it costs at a station, at least 1: several messages may travel as one.
    fn units(&self) -> u32 {
        1
    }
}

/// What a node is handed.
#[derive(Debug)]
pub enum Input<M> {
    /// The process has started: at time 0, or after [`Process::reboot`].
    Start,
    /// A message arrived (at a station: its service is done).
    Message { from: NodeId, body: M },
    /// A message arrived and the station had no place or no token for it: it can only be refused.
    Overload { from: NodeId, body: M },
    /// The time the node asked for has come.
    Wake,
}

/// A node: a state machine that the world drives.
pub trait Process<M>: Send + 'static {
    /// Does what `input` asks for at `now` (the node's own clock, never going back while the process runs).
    fn handle(&mut self, now: Nanos, input: Input<M>, out: &mut Outbox<M>);

    /// When the node next wants [`Input::Wake`], by its own clock; a time already past means now. Asked after each
    /// input, so it must be cheap. After a [`Input::Wake`] the answer must have moved on, or the world stops with a panic.
    fn next_wake(&self) -> Option<Nanos>;

    /// The process died and is coming up again at `now`: forget what is volatile, keep what is durable.
    /// [`Input::Start`] follows.
    fn reboot(&mut self, now: Nanos);

    /// For reading the node's state once a run is over.
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

/// One message on its way out of a node.
pub(crate) struct Sending<M> {
    pub to: NodeId,
    pub after: Nanos,
    pub body: M,
}

/// Where a node puts what it has to say.
pub struct Outbox<M> {
    pub(crate) sends: Vec<Sending<M>>,
    pub(crate) notes: Vec<String>,
    pub(crate) halt: bool,
    tracing: bool,
}

impl<M> Outbox<M> {
    /// An empty outbox; `tracing` says whether notes are wanted. The world makes its own: this is for stepping a
    /// [`Process`] by hand in a test.
    pub fn new(tracing: bool) -> Self {
        Self { sends: Vec::new(), notes: Vec::new(), halt: false, tracing }
    }

    /// Gives `body` to the network at once.
    pub fn send(&mut self, to: NodeId, body: M) {
        self.sends.push(Sending { to, after: 0, body });
    }

    /// Holds `body` back for `after` (true time, whatever the node's clock does), then gives it to the network. A crash
    /// in between loses it, a pause delays it.
    pub fn send_after(&mut self, after: Nanos, to: NodeId, body: M) {
        self.sends.push(Sending { to, after, body });
    }

    /// A line for the trace; `text` is only called when a trace is written.
    pub fn note(&mut self, text: impl FnOnce() -> String) {
        if self.tracing {
            self.notes.push(text());
        }
    }

    /// Whether anybody reads the notes.
    pub fn is_tracing(&self) -> bool {
        self.tracing
    }

    /// Ends the world: at the next multiple of [`crate::HALT_GRAIN`], so that where it ends does not depend on how time
    /// was cut into windows.
    pub fn halt(&mut self) {
        self.halt = true;
    }

    /// Takes what was sent, oldest first, as `(to, after, body)`. For stepping a [`Process`] by hand in a test.
    pub fn drain_sends(&mut self) -> impl Iterator<Item = (NodeId, Nanos, M)> + '_ {
        self.sends.drain(..).map(|s| (s.to, s.after, s.body))
    }
}
