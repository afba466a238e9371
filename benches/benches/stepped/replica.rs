//! A replica of the KV store, and what its peer hears of it.

use headcount_engine::contract::{Input, MS, Nanos, Node, NodeId, Outbox};
use headcount_engine::kvstore::{KvOptions, KvReplica};
use headcount_engine::message::{KvOk, KvOp, Msg, StreamFrame};

use super::voters::{Voter, Voters};
use super::{HELD, KV, LIMITS, PACE, PEER, WORKER, said, step};

/// A replica whose peer, if it has one, acknowledges every frame as soon as it is sent.
pub struct Replica {
    pub kv: KvReplica,
    /// What the peer got.
    pub frames: Vec<StreamFrame>,
    out: Outbox,
}

impl Replica {
    /// A replica with these peers.
    pub fn empty(peers: &[NodeId]) -> Self {
        let kv = KvReplica::new(KV, peers, KvOptions::of(LIMITS, 1));
        Self { kv, frames: Vec::new(), out: Outbox::default() }
    }

    /// A replica with these peers that holds the first 100,000 voters' answers.
    pub fn held(voters: &Voters, peers: &[NodeId]) -> Self {
        let mut replica = Self::empty(peers);
        let done = replica.calls(0, PACE, sets(voters.held()), |answer| *answer == KvOk::Done);
        assert_eq!((done, replica.kv.len(), replica.kv.is_replicated()), (HELD, HELD, true));
        replica
    }

    /// Makes these calls from `now` on, each `pace` after the one before, until all is replicated. Returns how many
    /// answers were as `wanted`.
    pub fn calls(&mut self, mut now: Nanos, pace: Nanos, ops: Vec<KvOp>, wanted: fn(&KvOk) -> bool) -> usize {
        let mut counted = 0;
        for (tag, op) in ops.into_iter().enumerate() {
            now += pace;
            counted += self.step(now, said(WORKER, Msg::Kv { tag: tag as u64, op }), wanted);
        }
        while !self.kv.is_replicated() {
            now = self.kv.next_wake().expect("there is a frame to be sent").max(now);
            self.step(now, Input::Wake, wanted);
        }
        counted
    }

    pub fn step(&mut self, now: Nanos, input: Input, wanted: fn(&KvOk) -> bool) -> usize {
        let (mut counted, before) = (0, self.frames.len());
        let Self { kv, frames, out } = self;
        step(kv, now, input, out, |send| match send.msg {
            Msg::KvAnswer { result: Ok(answer), .. } => counted += usize::from(wanted(&answer)),
            Msg::Stream(frame) => frames.push(*frame),
            _ => (),
        });
        for frame in &frames[before..] {
            let StreamFrame::Data { epoch, first_seq, items, .. } = frame else { continue };
            let ack = StreamFrame::Ack { epoch: *epoch, next_seq: first_seq + items.len() as u64 };
            step(kv, now, said(PEER, Msg::Stream(Box::new(ack))), out, drop);
        }
        counted
    }
}

pub fn sets(voters: &[Voter]) -> Vec<KvOp> {
    voters.iter().map(Voter::set).collect()
}

/// Frames of [`KV`] come to its peer; it acknowledges 100 ms after the last.
pub fn hear(peer: &mut KvReplica, now: Nanos, frames: Vec<StreamFrame>) {
    let mut out = Outbox::default();
    for frame in frames {
        step(peer, now, said(KV, Msg::Stream(Box::new(frame))), &mut out, drop);
    }
    step(peer, now + 100 * MS, Input::Wake, &mut out, drop);
}
