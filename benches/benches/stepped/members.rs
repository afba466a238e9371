//! App Context with a session and those who voted in it.

use headcount_engine::appcontext::AppContext;
use headcount_engine::contract::{Nanos, Outbox};
use headcount_engine::message::{Channel, Msg, ObjectsOk, ObjectsOp};
use headcount_engine::patterns::voting::session::SessionObject;
use headcount_engine::patterns::voting::shard;
use headcount_engine::timetoken::iso8601;

use super::voters::{SESSION, SHARDS, Voter, Voters, session};
use super::{HELD, WORKER, said, step};

/// Makes these calls of App Context. Returns how many objects were answered.
pub fn objects_calls(objects: &mut AppContext, now: Nanos, ops: Vec<ObjectsOp>) -> usize {
    let (mut out, mut answered) = (Outbox::default(), 0);
    for (tag, op) in ops.into_iter().enumerate() {
        let msg = Msg::Objects { tag: tag as u64, op: Box::new(op) };
        step(objects, now, said(WORKER, msg), &mut out, |send| {
            answered += usize::from(matches!(send.msg, Msg::ObjectsAnswer { result: Ok(ObjectsOk::Object(_)), .. }));
        });
    }
    answered
}

pub fn joins(voters: &[Voter]) -> Vec<ObjectsOp> {
    let control: Channel = shard::control_channel(SESSION).into();
    voters.iter().map(|voter| voter.join(&control)).collect()
}

/// App Context with the session and its first 100,000 members.
pub fn objects_held(voters: &Voters) -> AppContext {
    let mut objects = AppContext::new(1);
    let patch = SessionObject::new(&session(), SHARDS, iso8601(0)).to_patch().into();
    let set = ObjectsOp::SetChannel { channel: shard::control_channel(SESSION).into(), patch, if_match: None };
    assert_eq!(objects_calls(&mut objects, 0, vec![set]), 1);
    assert_eq!(objects_calls(&mut objects, 0, joins(voters.held())), HELD);
    objects
}
