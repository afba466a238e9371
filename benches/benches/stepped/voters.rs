//! Who votes in the benches, and what each vote leaves behind.

use std::sync::Arc;

use headcount_engine::access::{Grant, Role, Token, Verifier};
use headcount_engine::auth::GrantRules;
use headcount_engine::message::{Channel, Invoke, Kind, KvOp, ObjectsOp, Publish, Trigger, UserId};
use headcount_engine::patterns::voting::audit::api::{CastVote, Decision};
use headcount_engine::patterns::voting::grants::VotingGrants;
use headcount_engine::patterns::voting::message::{SCHEMA_VERSION, Submit, SubmitPayload, request_id, to_json};
use headcount_engine::patterns::voting::session::{Membership, SessionConfig, SessionSpec};
use headcount_engine::patterns::voting::{USER_AGENT, shard};
use headcount_engine::timetoken::{iso8601, unix_ms};

use super::{BATCH, HELD, PACE};

pub const SESSION: &str = "abc123";
pub const HOST: &str = "host_user_123";
/// As `voting-500k` has them.
pub const SHARDS: u32 = 16;

/// A voter, and what its vote leaves behind.
pub struct Voter {
    pub user: UserId,
    option: String,
    request_id: String,
    ts: String,
    /// `processed:{requestId}` and the decision kept there.
    pub key: Arc<str>,
    pub decision: Arc<str>,
    /// The `custom` of the membership.
    membership: Arc<str>,
    pub token: Arc<Token>,
}

impl Voter {
    fn new(n: usize, grants: &VotingGrants, verifier: &Verifier) -> Self {
        let now = n as u64 * PACE;
        let user: UserId = format!("user_{n:06}").into();
        let option = format!("opt_{}", n % 3 + 1);
        let (request_id, ts, vote_id) = (request_id(&user, SESSION, unix_ms(now)), iso8601(now), format!("vote_{n}"));
        let decision = Decision {
            status: "accepted".into(),
            vote_id: Some(vote_id.as_str().into()),
            reason: None,
            existing_vote_id: None,
            number: n as u64,
            ts: ts.as_str().into(),
            anonymous: false,
        };
        let membership = Membership {
            schema_version: SCHEMA_VERSION,
            has_voted: true,
            voted_option: Some(&option),
            voted_at: &ts,
            vote_id: &vote_id,
            ack_received: true,
        };
        Self {
            key: format!("processed:{request_id}").into(),
            decision: to_json(&decision).into(),
            membership: to_json(&membership).into(),
            token: Arc::new(verifier.sign(participant(grants, &user), 0)),
            user,
            option,
            request_id,
            ts,
        }
    }

    pub fn cast(&self) -> CastVote<'_> {
        CastVote {
            session_id: SESSION.into(),
            user_id: (&*self.user).into(),
            option_id: self.option.as_str().into(),
            request_id: self.request_id.as_str().into(),
            client_ts: self.ts.as_str().into(),
            client_ip: 0x0A00_0007,
            user_agent: USER_AGENT.into(),
            token_id: self.token.signature,
            shard: shard::shard_of(&self.user, SHARDS),
        }
    }

    pub fn set(&self) -> KvOp {
        KvOp::Set { key: self.key.clone(), value: self.decision.clone(), ttl_minutes: Some(60) }
    }

    pub fn get(&self) -> KvOp {
        KvOp::Get { key: self.key.clone() }
    }

    pub fn join(&self, control: &Channel) -> ObjectsOp {
        ObjectsOp::SetMembership { user: self.user.clone(), channel: control.clone(), custom: self.membership.clone() }
    }

    /// `vote.submit` on its way from the broker to a worker.
    pub fn submit(&self, tag: u64) -> Invoke {
        let submit = Submit {
            kind: "vote.submit".into(),
            schema_version: SCHEMA_VERSION.into(),
            request_id: self.request_id.as_str().into(),
            ts: self.ts.as_str().into(),
            session_id: SESSION.into(),
            payload: SubmitPayload { option_id: self.option.as_str().into(), user_id: (&*self.user).into() },
            decision: None,
        };
        self.invoke(tag, Trigger::BeforePublish, to_json(&submit).into())
    }

    pub fn invoke(&self, tag: u64, trigger: Trigger, payload: Arc<str>) -> Invoke {
        let publish = Publish {
            tag: 0,
            channel: shard::submit_channel(SESSION, &self.user, SHARDS).into(),
            payload,
            publisher: self.user.clone(),
            store: false,
            kind: Kind::Message,
            hops: 0,
            client_ip: 0x0A00_0007,
            token: Some(self.token.clone()),
        };
        Invoke { tag, trigger, publish, answer: true }
    }
}

pub fn participant(grants: &VotingGrants, user: &UserId) -> Grant {
    grants.grant(user, Role::Participant, &SESSION.into()).expect("the session is known")
}

pub fn session() -> SessionSpec {
    SessionSpec {
        session_id: SESSION.into(),
        question: "What should we build next?".into(),
        options: SessionSpec::options_of(&["Dark mode".into(), "Mobile app".into(), "API improvements".into()]),
        config: SessionConfig {
            allow_change_vote: false,
            show_live_tally: true,
            anonymous_results: false,
            max_votes_per_user: 1,
        },
        host_id: HOST.into(),
    }
}

/// All voters, those held first; what a batch is about.
pub struct Voters {
    pub all: Vec<Voter>,
    pub grants: VotingGrants,
    pub verifier: Verifier,
}

impl Voters {
    pub fn new() -> Self {
        let (grants, verifier) = (VotingGrants::new(SESSION, &[SHARDS], 60, true), Verifier::new(42));
        Self { all: (0..HELD + BATCH).map(|n| Voter::new(n, &grants, &verifier)).collect(), grants, verifier }
    }

    pub fn held(&self) -> &[Voter] {
        &self.all[..HELD]
    }

    pub fn new_ones(&self) -> &[Voter] {
        &self.all[HELD..]
    }

    /// So many of those held, from all over memory: 7,919 is prime and no divisor of 100,000.
    pub fn scattered(&self) -> impl Iterator<Item = (usize, &Voter)> {
        (0..BATCH).map(|n| n * 7_919 % HELD).map(|n| (n, &self.all[n]))
    }
}
