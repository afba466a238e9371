//! The access manager: grants tokens, and spreads revocations to the edges a while after they were asked for, each over a
//! reliable stream: an edge that is down or cut off hears of them when it is back, and keeps them.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::Arc;

use super::{Grant, Permissions, Verifier};
use crate::contract::{Input, Nanos, Node, NodeId, Outbox, SECOND};
use crate::dice::{Fate, Mischief};
use crate::error::ApiError;
use crate::message::{Misbehaviour, Msg, StreamFrame, StreamItem};
use crate::stream::{Outgoing, StreamOptions, earlier};

/// How the access manager works.
#[derive(Clone, Copy, Debug)]
pub struct AccessOptions {
    /// The keyset's secret, which the edges' [`Verifier`]s share.
    pub secret: u64,
    /// From a revocation to its spreading; it is not instant (platform.md 2.10: SDK tests wait 10 s).
    pub revoke_delay: Nanos,
    /// For the dice of misbehaviour.
    pub seed: u64,
}

impl AccessOptions {
    /// Revocations spread after 10 s.
    pub fn of(secret: u64, seed: u64) -> Self {
        Self { secret, revoke_delay: 10 * SECOND, seed }
    }
}

/// What the access manager has been asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccessCounts {
    pub granted: u64,
    /// Grants refused for what they say.
    pub refused: u64,
    /// Grants answered 429 or 503, with or without effect, or not at all.
    pub failed: u64,
    pub revoked: u64,
}

/// The access manager's node.
#[derive(Debug)]
pub struct AccessManager {
    verifier: Verifier,
    options: AccessOptions,
    mischief: Mischief,
    counts: AccessCounts,
    // Durable.
    /// Revocations that have not spread yet: when they do, and the token's signature. The delay is the same for all,
    /// so they are in order.
    spreading: VecDeque<(Nanos, u64)>,
    /// One stream for each edge.
    outgoing: Vec<Outgoing>,
    /// When this process began.
    rebooted: Nanos,
}

impl AccessManager {
    /// An access manager that tells these edges of revocations.
    pub fn new(edges: &[NodeId], options: AccessOptions) -> Self {
        Self {
            verifier: Verifier::new(options.secret),
            options,
            outgoing: edges.iter().map(|edge| Outgoing::new(*edge, 0, StreamOptions::wide_area())).collect(),
            rebooted: 0,
            mischief: Mischief::new(options.seed),
            counts: AccessCounts::default(),
            spreading: VecDeque::new(),
        }
    }

    /// What has been asked since the run began.
    pub fn counts(&self) -> AccessCounts {
        self.counts
    }

    fn grant(&mut self, now: Nanos, from: NodeId, tag: u64, grant: Grant, out: &mut Outbox) {
        const SERVICE: &str = "Access Manager";
        let fate = self.mischief.fate();
        let result = match fate {
            Fate::Throttled => Err(ApiError::too_many_requests(SERVICE)),
            Fate::Error | Fate::ErrorAfterEffect => Err(ApiError::service_unavailable(SERVICE)),
            Fate::Served | Fate::SilentAfterEffect => match check(&grant) {
                Ok(()) => Ok(Arc::new(self.verifier.sign(grant, now))),
                Err(refusal) => {
                    self.counts.refused += 1;
                    Err(refusal)
                }
            },
        };
        if fate != Fate::Served {
            self.counts.failed += 1;
        } else if result.is_ok() {
            self.counts.granted += 1;
        }
        if fate != Fate::SilentAfterEffect {
            out.send_after(self.mischief.delay(), from, Msg::Granted { tag, result });
        }
    }
}

/// What a grant must be: for 1 to 43,200 minutes, and of something.
fn check(grant: &Grant) -> Result<(), ApiError> {
    if !(1..=43_200).contains(&grant.ttl_minutes) {
        return Err(ApiError::grant_ttl_out_of_range());
    }
    let exact = grant.channels.iter().map(|(_, permissions)| *permissions);
    let patterns = grant.patterns.iter().map(|(_, permissions)| *permissions);
    let own = grant.own.channels.iter().chain(&grant.own.groups).map(|(_, permissions)| *permissions);
    if exact.chain(patterns).chain(own).all(|permissions| permissions == Permissions::default()) {
        return Err(ApiError::grant_empty());
    }
    Ok(())
}

impl Node for AccessManager {
    fn handle(&mut self, now: Nanos, input: Input, out: &mut Outbox) {
        match input {
            Input::Message { from, msg: Msg::Grant { tag, grant } } => self.grant(now, from, tag, *grant, out),
            Input::Message { from, msg: Msg::Revoke { tag, signature } } => {
                self.counts.revoked += 1;
                self.spreading.push_back((now + self.options.revoke_delay, signature));
                out.send(from, Msg::RevokeTaken { tag, signature });
            }
            Input::Message { from, msg: Msg::Stream(frame) } => {
                if let StreamFrame::Ack { epoch, next_seq } = *frame
                    && let Some(outgoing) = self.outgoing.iter_mut().find(|outgoing| outgoing.peer() == from)
                {
                    outgoing.on_ack(now, epoch, next_seq);
                }
            }
            Input::Message { msg: Msg::Misbehave(orders), .. } => self.mischief.set(orders),
            Input::Overload { from, msg: Msg::Grant { tag, .. } } => {
                self.counts.failed += 1;
                let result = Err(ApiError::service_unavailable("Access Manager"));
                out.send(from, Msg::Granted { tag, result });
            }
            Input::Wake => {
                while let Some(&(_, signature)) = self.spreading.front().filter(|(at, _)| *at <= now) {
                    self.spreading.pop_front();
                    self.outgoing.iter_mut().for_each(|outgoing| outgoing.push(StreamItem::Revoked { signature }));
                }
                for outgoing in &mut self.outgoing {
                    outgoing.flush(now, out);
                    outgoing.on_wake(now, out);
                }
            }
            Input::Message { .. } | Input::Overload { .. } | Input::Start => (),
        }
    }

    fn next_wake(&self) -> Option<Nanos> {
        // What counts as unsent since a crash goes with the next wake, which is at once.
        let unsent = self.outgoing.iter().any(|outgoing| outgoing.unsent() > 0).then_some(self.rebooted);
        let spreading = self.spreading.front().map(|(at, _)| *at);
        self.outgoing.iter().fold(earlier(spreading, unsent), |wake, outgoing| earlier(wake, outgoing.next_wake()))
    }

    /// Revocations under way are durable, and there is nothing else.
    fn reboot(&mut self, now: Nanos) {
        self.outgoing.iter_mut().for_each(Outgoing::reboot);
        self.rebooted = now;
        // A new process behaves.
        self.mischief.set(Misbehaviour::default());
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::tests::host_grant;
    use crate::message::Misbehaviour;

    fn manager() -> AccessManager {
        AccessManager::new(&[NodeId(5), NodeId(6)], AccessOptions::of(42, 1))
    }

    fn ask(manager: &mut AccessManager, grant: Grant) -> Option<Result<Arc<crate::access::Token>, ApiError>> {
        let mut out = Outbox::new(false);
        let msg = Msg::Grant { tag: 3, grant: Box::new(grant) };
        manager.handle(9, Input::Message { from: NodeId(1), msg }, &mut out);
        out.drain_sends().next().map(|send| match send.msg {
            Msg::Granted { tag: 3, result } => result,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn a_granted_token_verifies_at_an_edge() {
        let token = ask(&mut manager(), host_grant()).unwrap().unwrap();
        assert_eq!(Verifier::new(42).verify(&token, 10, "host_user_123"), Ok(()));
    }

    #[test]
    fn a_ttl_out_of_range_and_an_empty_grant_are_refused_in_the_platforms_words() {
        for (ttl_minutes, good) in [(0, false), (1, true), (43_200, true), (43_201, false)] {
            let answer = ask(&mut manager(), Grant { ttl_minutes, ..host_grant() }).unwrap();
            assert_eq!(answer.is_ok(), good, "{ttl_minutes}");
            if !good {
                assert_eq!(answer.unwrap_err(), ApiError::grant_ttl_out_of_range());
            }
        }
        let mut nothing = host_grant();
        nothing.channels.retain(|(_, permissions)| *permissions == Permissions::default());
        nothing.patterns = [].into();
        assert_eq!(nothing.channels.len(), 1);
        assert_eq!(ask(&mut manager(), nothing).unwrap().unwrap_err(), ApiError::grant_empty());
    }

    #[test]
    fn a_revocation_reaches_every_edge_after_its_delay_even_over_a_crash() {
        let (mut manager, mut out) = (manager(), Outbox::new(false));
        let revoke = Msg::Revoke { tag: 1, signature: 77 };
        manager.handle(SECOND, Input::Message { from: NodeId(1), msg: revoke }, &mut out);
        manager.reboot(2 * SECOND);
        manager.handle(11 * SECOND - 1, Input::Wake, &mut out);
        assert!(matches!(
            out.drain_sends().next().map(|send| send.msg),
            Some(Msg::RevokeTaken { tag: 1, signature: 77 })
        ));
        assert_eq!(out.drain_sends().count(), 0);
        assert_eq!(manager.next_wake(), Some(11 * SECOND));
        manager.handle(11 * SECOND, Input::Wake, &mut out);
        assert_eq!(told(&mut out), [(NodeId(5), 77), (NodeId(6), 77)]);
        // One edge has it; the other one was down, and is told again (after 1 s), over another crash of the manager's too.
        let ack = |from| {
            let frame = StreamFrame::Ack { epoch: 0, next_seq: 1 };
            Input::Message { from: NodeId(from), msg: Msg::Stream(Box::new(frame)) }
        };
        manager.handle(11 * SECOND + 1, ack(5), &mut out);
        assert_eq!(manager.next_wake(), Some(12 * SECOND));
        manager.handle(12 * SECOND, Input::Wake, &mut out);
        assert_eq!(told(&mut out), [(NodeId(6), 77)]);
        manager.reboot(13 * SECOND);
        assert_eq!(manager.next_wake(), Some(13 * SECOND));
        manager.handle(13 * SECOND, Input::Wake, &mut out);
        assert_eq!(told(&mut out), [(NodeId(6), 77)]);
        manager.handle(14 * SECOND, ack(6), &mut out);
        assert_eq!(manager.next_wake(), None);
    }

    /// To whom which revocation was sent.
    fn told(out: &mut Outbox) -> Vec<(NodeId, u64)> {
        let revoked = |msg| {
            let Msg::Stream(frame) = msg else { panic!("{msg:?}") };
            let StreamFrame::Data { items, .. } = *frame else { panic!("{frame:?}") };
            let [StreamItem::Revoked { signature }] = items.as_slice() else { panic!("{items:?}") };
            *signature
        };
        out.drain_sends().map(|send| (send.to, revoked(send.msg))).collect()
    }

    #[test]
    fn misbehaviour_withholds_tokens() {
        let mut manager = manager();
        let mut status = |orders| {
            let msg = Msg::Misbehave(orders);
            manager.handle(0, Input::Message { from: NodeId(1), msg }, &mut Outbox::new(false));
            ask(&mut manager, host_grant()).map(|result| result.map_or_else(|error| error.status, |_| 200))
        };
        let (all, none) = (1_000_000, Misbehaviour::default());
        assert_eq!(status(Misbehaviour { error_ppm: all, ..none }), Some(503));
        assert_eq!(status(Misbehaviour { silent_after_effect_ppm: all, ..none }), None);
        assert_eq!(status(Misbehaviour { throttle_ppm: all, ..none }), Some(429));
        assert_eq!(status(none), Some(200));
    }
}
