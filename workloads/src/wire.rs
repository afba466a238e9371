//! Where the engine's nodes meet the world: the engine's messages as the world's payload, its nodes as the world's
//! processes.

use std::any::Any;

use headcount_engine::contract::{self as engine, Node};
use headcount_engine::message::{ApiOk, Call, GroupsOp, KvOp, Msg, ObjectsOp, PresenceCall, StreamFrame};
use headcount_sim as sim;

/// An engine message on the world's network.
#[derive(Clone, Debug)]
pub struct Wire(pub Msg);

/// Headers, TLS and HTTP framing of a small call [bytes].
const FRAME_BYTES: u32 = 200;

/// Folds a word into a fingerprint.
fn fold(state: u64, word: u64) -> u64 {
    (state ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29)
}

/// Folds a text, eight bytes at a time; where it is long in four lanes, for each fold waits for the one before it.
fn fold_text(mut state: u64, text: &str) -> u64 {
    let (blocks, rest) = text.as_bytes().as_chunks::<32>();
    if !blocks.is_empty() {
        let mut lanes = [state, !state, state.rotate_left(16), state.rotate_left(48)];
        for block in blocks {
            for (lane, bytes) in lanes.iter_mut().zip(block.as_chunks::<8>().0) {
                *lane = fold(*lane, u64::from_le_bytes(*bytes));
            }
        }
        state = lanes.into_iter().fold(0, fold);
    }
    let (words, rest) = rest.as_chunks::<8>();
    state = words.iter().fold(state, |state, bytes| fold(state, u64::from_le_bytes(*bytes)));
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    fold(state, u64::from_le_bytes(last) ^ (text.len() as u64) << 56)
}

/// Whether messages of this kind that leave together for the same node share a frame, whatever set them off: what is fanned
/// out, what devices whose timers share a moment ask for, and what presence says of several users at once.
fn is_gathered(msg: &Msg) -> bool {
    matches!(msg, Msg::Push { .. } | Msg::Deliver(_) | Msg::Request(_) | Msg::PresenceEvent { .. })
}

/// Messages of one kind that leave for one node at one time.
struct Bundle {
    to: engine::NodeId,
    after: engine::Nanos,
    kind: std::mem::Discriminant<Msg>,
    msgs: Vec<Msg>,
}

/// The parts that tell a message from others: kind, tag, status, and its longest text.
fn parts(msg: &Msg) -> (u64, u64, u64, &str) {
    match msg {
        Msg::Request(request) => match &request.call {
            Call::Publish { payload, .. } => (1, request.tag, u64::from(request.client), payload),
            Call::Subscribe { channels, cursor, .. } => {
                (2, request.tag, u64::from(request.client) ^ cursor.0, channels.first().map_or("", |c| c))
            }
            Call::Unsubscribe => (3, request.tag, u64::from(request.client), ""),
            Call::Objects(_) => (4, request.tag, u64::from(request.client), ""),
            Call::History { channel, .. } => (5, request.tag, u64::from(request.client), channel),
            Call::Heartbeat { timeout_s, .. } => {
                (66, request.tag, u64::from(request.client) ^ u64::from(*timeout_s) << 32, "")
            }
            Call::Presence(_) => (67, request.tag, u64::from(request.client), ""),
            Call::Signal { payload, .. } => (70, request.tag, u64::from(request.client), payload),
            Call::Fire { payload, .. } => (71, request.tag, u64::from(request.client), payload),
            Call::Groups(_) => (68, request.tag, u64::from(request.client), ""),
        },
        Msg::Answer { client, tag, result } => match result {
            Ok(ApiOk::Sent(timetoken)) => (6, *tag, timetoken.0, ""),
            Ok(ApiOk::Subscribed { cursor, messages, missed, .. }) => {
                (7, *tag ^ u64::from(*client), cursor.0 ^ (messages.len() as u64) << 32 ^ u64::from(*missed), "")
            }
            Ok(_) => (8, *tag, u64::from(*client), ""),
            Err(error) => (9, *tag, u64::from(error.status), &error.body),
        },
        Msg::Deliver(delivery) => (10, delivery.cursor.0, delivery.envelope.timetoken.0, &delivery.envelope.payload),
        Msg::Polled { client, messages, cursor, .. } => {
            let first = messages.first().map_or("", |envelope| &*envelope.payload);
            (69, u64::from(*client), cursor.0 ^ (messages.len() as u64) << 32, first)
        }
        Msg::Ended { client, signature, error } => (73, u64::from(*client), *signature, &error.body),
        Msg::EdgeAlive { epoch } => (11, *epoch, 0, ""),
        Msg::Publish(publish) => {
            (12, publish.tag, u64::from(publish.hops) | (publish.kind as u64) << 8, &publish.payload)
        }
        Msg::Published { tag, result } => match result {
            Ok(timetoken) => (13, *tag, timetoken.0, ""),
            Err(error) => (14, *tag, u64::from(error.status), &error.body),
        },
        Msg::Attach(attach) => (15, attach.tag, attach.cursor.0, attach.channels.first().map_or("", |c| c)),
        Msg::Attached { tag, cursor, messages, .. } => (16, *tag, cursor.0 ^ (messages.len() as u64) << 32, ""),
        Msg::Detach { channels, epoch } => (17, channels.len() as u64, *epoch, channels.first().map_or("", |c| c)),
        Msg::Push { envelope, cursor } => (18, cursor.0, envelope.timetoken.0, &envelope.payload),
        Msg::BrokerAlive { epoch } => (19, *epoch, 0, ""),
        Msg::Invoke(invoke) => (20, invoke.tag, invoke.trigger as u64, &invoke.publish.payload),
        Msg::Invoked { tag, outcome } => match outcome {
            headcount_engine::message::InvokeOutcome::Ok(payload) => (21, *tag, 0, payload),
            headcount_engine::message::InvokeOutcome::Abort { status, body } => (22, *tag, u64::from(*status), body),
        },
        Msg::Kv { tag, op } => match op {
            KvOp::Set { key, ttl_minutes, .. } => (23, *tag, u64::from(ttl_minutes.unwrap_or(0)), key),
            KvOp::Get { key } => (24, *tag, 0, key),
            KvOp::Remove { key } => (25, *tag, 0, key),
            KvOp::GetCounter { key } => (26, *tag, 0, key),
            KvOp::Incr { key, by } => (27, *tag, *by as u64, key),
            KvOp::GetKeys { page } | KvOp::GetCounterKeys { page } => (28, *tag, 0, page.as_deref().unwrap_or("")),
        },
        Msg::KvAnswer { tag, result } => match result {
            Ok(headcount_engine::message::KvOk::Value(Some(value))) => (29, *tag, 0, value),
            Ok(headcount_engine::message::KvOk::Counter(count)) => (30, *tag, *count as u64, ""),
            Ok(_) => (31, *tag, 0, ""),
            Err(error) => (32, *tag, *error as u64, ""),
        },
        Msg::Objects { tag, op } => match &**op {
            ObjectsOp::SetChannel { patch, .. } => (33, *tag, 0, patch),
            ObjectsOp::SetMembership { user, .. } => (34, *tag, 0, user),
            ObjectsOp::GetChannel { channel } => (35, *tag, 0, channel),
            _ => (36, *tag, 0, ""),
        },
        Msg::ObjectsEvent { channel, payload } => (72, channel.len() as u64, 0, payload),
        Msg::ObjectsAnswer { tag, result } => (37, *tag, u64::from(result.is_ok()), ""),
        Msg::Http { tag, request } => {
            let signature = request.token.as_ref().map_or(0, |token| token.signature);
            (38, *tag, signature, &request.body)
        }
        Msg::HttpAnswer { tag, status, body } => (39, *tag, u64::from(*status), body),
        Msg::HistoryAppend(envelope) => (40, envelope.timetoken.0, 0, &envelope.channel),
        Msg::HistoryFetch { tag, channel, .. } => (41, *tag, 0, channel),
        Msg::HistoryPage { tag, messages } => (42, *tag, messages.len() as u64, ""),
        Msg::Grant { tag, grant } => (43, *tag, 0, &grant.user),
        Msg::Granted { tag, result } => (44, *tag, result.as_ref().map_or(0, |token| token.signature), ""),
        Msg::Revoke { tag, signature } => (45, *tag, *signature, ""),
        Msg::RevokeTaken { tag, signature } => (75, *tag, *signature, ""),
        Msg::Logout { client, tag, token } => (76, *tag ^ u64::from(*client), token.signature, ""),
        Msg::LoggedOut { client, tag, result } => (77, *tag ^ u64::from(*client), u64::from(result.is_ok()), ""),
        Msg::Login { client, tag, user, .. } => (47, *tag, u64::from(*client), user),
        Msg::LoggedIn { client, tag, result } => {
            (48, *tag ^ u64::from(*client), result.as_ref().map_or(0, |token| token.signature), "")
        }
        Msg::Stream(frame) => match &**frame {
            StreamFrame::Data { epoch, first_seq, items, .. } => {
                (49, *epoch, *first_seq ^ (items.len() as u64) << 48, "")
            }
            StreamFrame::Ack { epoch, next_seq } => (50, *epoch, *next_seq, ""),
        },
        Msg::Presence { tag, call } => match &**call {
            PresenceCall::Subscribed { user, timeout_s, .. } => (52, *tag, u64::from(*timeout_s), user),
            PresenceCall::Heartbeat { user, timeout_s, .. } => (53, *tag, u64::from(*timeout_s), user),
            PresenceCall::Leave { user, .. } => (54, *tag, 0, user),
            PresenceCall::SetState { state, .. } => (55, *tag, 0, state),
            PresenceCall::GetState { user, .. } => (56, *tag, 0, user),
            PresenceCall::HereNow { channels, limit, offset, .. } => {
                (57, *tag, u64::from(*limit) << 32 | u64::from(*offset), channels.first().map_or("", |c| c))
            }
            PresenceCall::WhereNow { user } => (58, *tag, 0, user),
        },
        Msg::PresenceAnswer { tag, result } => (59, *tag, u64::from(result.is_ok()), ""),
        Msg::PresenceEvent { channel, payload } => (60, channel.len() as u64, 0, payload),
        Msg::Groups { tag, op } => match &**op {
            GroupsOp::Add { group, channels } => (61, *tag, channels.len() as u64, group),
            GroupsOp::Remove { group, channels } => (62, *tag, channels.len() as u64, group),
            GroupsOp::List { group } => (63, *tag, 0, group),
            GroupsOp::Delete { group } => (64, *tag, 0, group),
        },
        Msg::GroupsAnswer { tag, result } => (65, *tag, u64::from(result.is_ok()), ""),
        Msg::Frame(msgs) => (70, msgs.len() as u64, 0, ""),
        Msg::Job { number, sent } => (74, *number, *sent, ""),
        Msg::Misbehave(how) => (51, u64::from(how.error_ppm), how.delay, ""),
    }
}

impl sim::Payload for Wire {
    fn wire_bytes(&self) -> u32 {
        match &self.0 {
            Msg::Frame(msgs) => FRAME_BYTES + msgs.iter().map(|msg| parts(msg).3.len() as u32).sum::<u32>(),
            msg => FRAME_BYTES + parts(msg).3.len() as u32,
        }
    }

    fn kind(&self) -> &'static str {
        match &self.0 {
            Msg::Request(request) => match &request.call {
                Call::Publish { .. } => "publish",
                Call::Subscribe { .. } => "subscribe",
                Call::Unsubscribe => "unsubscribe",
                Call::Objects(_) => "objects-call",
                Call::History { .. } => "history-call",
                Call::Heartbeat { .. } => "heartbeat",
                Call::Presence(_) => "presence-call",
                Call::Signal { .. } => "signal",
                Call::Fire { .. } => "fire",
                Call::Groups(_) => "groups-call",
            },
            Msg::Answer { .. } => "answer",
            Msg::Deliver(_) => "deliver",
            Msg::Polled { .. } => "polled",
            Msg::Ended { .. } => "ended",
            Msg::EdgeAlive { .. } => "edge-alive",
            Msg::Publish(_) => "broker-publish",
            Msg::Published { .. } => "published",
            Msg::Attach(_) => "attach",
            Msg::Attached { .. } => "attached",
            Msg::Detach { .. } => "detach",
            Msg::Push { .. } => "push",
            Msg::BrokerAlive { .. } => "broker-alive",
            Msg::Invoke(_) => "invoke",
            Msg::Invoked { .. } => "invoked",
            Msg::Kv { .. } => "kv",
            Msg::KvAnswer { .. } => "kv-answer",
            Msg::Objects { .. } => "objects",
            Msg::ObjectsEvent { .. } => "objects-event",
            Msg::ObjectsAnswer { .. } => "objects-answer",
            Msg::Http { .. } => "http",
            Msg::HttpAnswer { .. } => "http-answer",
            Msg::HistoryAppend(_) => "history-append",
            Msg::HistoryFetch { .. } => "history-fetch",
            Msg::HistoryPage { .. } => "history-page",
            Msg::Grant { .. } => "grant",
            Msg::Granted { .. } => "granted",
            Msg::Revoke { .. } => "revoke",
            Msg::RevokeTaken { .. } => "revoke-taken",
            Msg::Logout { .. } => "logout",
            Msg::LoggedOut { .. } => "logged-out",
            Msg::Login { .. } => "login",
            Msg::LoggedIn { .. } => "logged-in",
            Msg::Stream(_) => "stream",
            Msg::Presence { .. } => "presence",
            Msg::PresenceAnswer { .. } => "presence-answer",
            Msg::PresenceEvent { .. } => "presence-event",
            Msg::Groups { .. } => "groups",
            Msg::GroupsAnswer { .. } => "groups-answer",
            Msg::Frame(_) => "frame",
            Msg::Job { .. } => "job",
            Msg::Misbehave(_) => "misbehave",
        }
    }

    fn fingerprint(&self) -> u64 {
        let of = |msg| {
            let (kind, a, b, text) = parts(msg);
            fold_text(fold(fold(kind, a), b), text)
        };
        match &self.0 {
            Msg::Frame(msgs) => msgs.iter().fold(of(&self.0), |all, msg| fold(all, of(msg))),
            msg => of(msg),
        }
    }

    fn units(&self) -> u32 {
        match &self.0 {
            Msg::Frame(msgs) => msgs.len() as u32,
            _ => 1,
        }
    }

    fn describe(&self) -> String {
        let mut text = format!("{:?}", self.0);
        if text.len() > 300 {
            let cut = (0..=300).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
            text.truncate(cut);
            text.push('…');
        }
        text
    }
}

/// An engine node as a process of the world.
pub struct Hosted {
    node: Box<dyn Node>,
    out: engine::Outbox,
    /// Empty between two inputs: a buffer.
    bundles: Vec<Bundle>,
}

impl Hosted {
    /// Hosts `node`; `tracing` says whether its notes are wanted.
    pub fn new(node: Box<dyn Node>, tracing: bool) -> Self {
        Self { node, out: engine::Outbox::new(tracing), bundles: Vec::new() }
    }

    /// Hands the node a message, or those of a frame one after the other. Returns whether it was a frame.
    fn hand_over(&mut self, now: sim::Nanos, msg: Msg, input: impl Fn(Msg) -> engine::Input) -> bool {
        match msg {
            Msg::Frame(msgs) => {
                msgs.into_iter().for_each(|msg| self.node.handle(now, input(msg), &mut self.out));
                true
            }
            msg => {
                self.node.handle(now, input(msg), &mut self.out);
                false
            }
        }
    }

    /// Gives what the node says to the network. What leaves for one node together and is of one kind is one frame, if it
    /// [`is_gathered`] or if a frame set it off: what came together goes on together.
    fn pass_on(&mut self, framed: bool, out: &mut sim::Outbox<Wire>) {
        if self.out.sends().iter().filter(|send| framed || is_gathered(&send.msg)).take(2).count() < 2 {
            for engine::Send { to, after, msg } in self.out.drain_sends() {
                out.send_after(after, sim::NodeId(to.0), Wire(msg));
            }
        } else {
            // A handful of them, in the order in which each was begun.
            let mut bundles = std::mem::take(&mut self.bundles);
            for engine::Send { to, after, msg } in self.out.drain_sends() {
                if !framed && !is_gathered(&msg) {
                    out.send_after(after, sim::NodeId(to.0), Wire(msg));
                    continue;
                }
                let kind = std::mem::discriminant(&msg);
                let fits = |bundle: &&mut Bundle| (bundle.to, bundle.after, bundle.kind) == (to, after, kind);
                match bundles.iter_mut().find(fits) {
                    Some(bundle) => bundle.msgs.push(msg),
                    None => bundles.push(Bundle { to, after, kind, msgs: vec![msg] }),
                }
            }
            for Bundle { to, after, mut msgs, .. } in bundles.drain(..) {
                let msg = if msgs.len() == 1 { msgs.remove(0) } else { Msg::Frame(msgs) };
                out.send_after(after, sim::NodeId(to.0), Wire(msg));
            }
            self.bundles = bundles;
        }
        for note in self.out.drain_notes() {
            out.note(|| note);
        }
    }

    /// The node, once the run is over.
    pub fn into_node(self) -> Box<dyn Node> {
        self.node
    }
}

impl sim::Process<Wire> for Hosted {
    fn handle(&mut self, now: sim::Nanos, input: sim::Input<Wire>, out: &mut sim::Outbox<Wire>) {
        let id = |node: sim::NodeId| engine::NodeId(node.0);
        let framed = match input {
            sim::Input::Start => {
                self.node.handle(now, engine::Input::Start, &mut self.out);
                false
            }
            sim::Input::Wake => {
                self.node.handle(now, engine::Input::Wake, &mut self.out);
                false
            }
            sim::Input::Message { from, body } => {
                self.hand_over(now, body.0, |msg| engine::Input::Message { from: id(from), msg })
            }
            sim::Input::Overload { from, body } => {
                self.hand_over(now, body.0, |msg| engine::Input::Overload { from: id(from), msg })
            }
        };
        self.pass_on(framed, out);
    }

    fn next_wake(&self) -> Option<sim::Nanos> {
        self.node.next_wake()
    }

    fn reboot(&mut self, now: sim::Nanos) {
        self.node.reboot(now);
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

#[cfg(test)]
mod tests;
