//! Presence events as they travel (platform.md 2.2): JSON with the fields in this order.

use std::io::Write as _;

use crate::contract::Nanos;
use crate::message::{Payload, UserId};
use crate::timetoken::unix_ms;

/// What a single event tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Join,
    Leave,
    Timeout,
    StateChange,
}

impl Action {
    fn word(self) -> &'static str {
        match self {
            Self::Join => "join",
            Self::Leave => "leave",
            Self::Timeout => "timeout",
            Self::StateChange => "state-change",
        }
    }
}

/// Who came and went in an interval.
#[derive(Debug, Default)]
pub(super) struct Deltas {
    pub join: Vec<UserId>,
    pub leave: Vec<UserId>,
    pub timeout: Vec<UserId>,
}

impl Deltas {
    pub fn is_empty(&self) -> bool {
        self.join.is_empty() && self.leave.is_empty() && self.timeout.is_empty()
    }
}

/// Writes events, in one buffer.
#[derive(Debug, Default)]
pub(super) struct Writer {
    text: Vec<u8>,
}

impl Writer {
    fn quoted(&mut self, text: &str) {
        serde_json::to_writer(&mut self.text, text).expect("memory takes it");
    }

    fn field(&mut self, name: &str, value: u64) {
        write!(self.text, ",\"{name}\":{value}").expect("memory takes it");
    }

    fn payload(&self) -> Payload {
        std::str::from_utf8(&self.text).expect("it was written from texts").into()
    }

    /// One user did one thing at `at`; `state` is given with a change of state.
    pub fn single(&mut self, action: Action, user: &str, at: Nanos, occupancy: u32, state: Option<&str>) -> Payload {
        self.text.clear();
        write!(self.text, "{{\"action\":\"{}\",\"uuid\":", action.word()).expect("memory takes it");
        self.quoted(user);
        self.field("timestamp", unix_ms(at) / 1_000);
        self.field("occupancy", u64::from(occupancy));
        self.field("precise_timestamp", unix_ms(at));
        if let Some(state) = state {
            self.text.extend_from_slice(b",\"data\":");
            self.text.extend_from_slice(state.as_bytes());
        }
        self.text.push(b'}');
        self.payload()
    }

    /// What changed in an interval, with its lists if they are wanted; and whether they were too long for `bytes_max`.
    pub fn interval(
        &mut self,
        at: Nanos,
        occupancy: u32,
        deltas: Option<&Deltas>,
        bytes_max: usize,
    ) -> (Payload, bool) {
        self.text.clear();
        self.text.extend_from_slice(b"{\"action\":\"interval\"");
        self.field("timestamp", unix_ms(at) / 1_000);
        self.field("occupancy", u64::from(occupancy));
        let head = self.text.len();
        if let Some(deltas) = deltas {
            for (name, users) in [("join", &deltas.join), ("leave", &deltas.leave), ("timeout", &deltas.timeout)] {
                self.list(name, users);
            }
        }
        let too_long = deltas.is_some() && self.text.len() + 1 > bytes_max;
        if too_long {
            self.text.truncate(head);
            self.text.extend_from_slice(b",\"here_now_refresh\":true");
        }
        self.text.push(b'}');
        (self.payload(), too_long)
    }

    fn list(&mut self, name: &str, users: &[UserId]) {
        for (place, user) in users.iter().enumerate() {
            match place {
                0 => write!(self.text, ",\"{name}\":[").expect("memory takes it"),
                _ => self.text.push(b','),
            }
            self.quoted(user);
        }
        if !users.is_empty() {
            self.text.push(b']');
        }
    }
}
