//! Systems: every pattern of the documents besides the two flagships. Each is one file here, one beside
//! [`headcount_engine::patterns::counter`], scenarios of its own, and one line in [`SYSTEMS`]; all run on the same users, the
//! same record and the same figures.
//!
//! **To add a system** (`counter` is the example to copy):
//! 1. `engine/src/patterns/NAME.rs`: handlers as `async fn` with their `functions(variant)`, `needs(variant)`, `rights()` and
//!    `READINGS`; its `pub mod` line in `patterns/mod.rs`.
//! 2. `workloads/src/systems/NAME.rs`: `impl System`: what users intend ([`System::plan`]), the call for each intention
//!    ([`System::doing`], the same call at every attempt), what they subscribe to, what its Functions count
//!    ([`System::counts`]), and the properties, each a function of [`oracle::Seen`] with an `always` or `eventually` and its `sometimes`.
//! 3. Its `mod` line and its entry in [`SYSTEMS`] below.
//! 4. `workloads/scenarios/NAME-small.toml`, `NAME-documented.toml`, `NAME-100k.toml`, with a line each in `catalogue.rs`.
//! 5. `workloads/tests/systems/main.rs` runs `NAME-small` and `NAME-documented` of every system by itself; tests of its own
//!    stand in a file beside it.
//!
//! Outside services are [`ServiceSpec`]s: an [`headcount_engine::outside::Service`] at a base address, reached by handlers
//! (`context.fetch(method, base + path, body)`) and by users ([`Doing::Http`]); the fault `service_errors` and the swarm's
//! `service` are theirs.

mod authority;
mod configuration;
mod counter;
mod dedupe;
mod ears;
mod enrichment;
mod hybrid;
pub mod judge;
mod metasync;
mod metrics;
mod middleware;
pub mod oracle;
mod orders;
pub mod plan;
mod ratelimit;
pub mod record;
mod robust;
mod sessions;
mod tokens;
pub mod users;
mod windows;

use std::sync::Arc;

use headcount_engine::auth::{AuthOptions, GrantRules};
use headcount_engine::contract::{Node, NodeId};
use headcount_engine::error::ApiError;
use headcount_engine::functions::{Function, Needs, Secrets};
use headcount_engine::message::{ApiOk, Call, ChannelList, Envelope, HttpRequest, ObjectsOk, Payload};
use headcount_engine::outside::Service;
use headcount_engine::scheduler::Job;
use headcount_sim::Stream;
use serde::Serialize;

use self::oracle::{Property, Seen};
use self::plan::{Absence, Act};
use self::users::rules::ClientRules;
use crate::scenario::{Scenario, Setting};

/// Every system.
pub const SYSTEMS: &[&dyn System] = &[
    &authority::Authority,
    &configuration::Configuration,
    &counter::Counter,
    &dedupe::Dedupe,
    &enrichment::Enrichment,
    &hybrid::Hybrid,
    &metasync::MetaSync,
    &metrics::Metrics,
    &middleware::Middleware,
    &orders::Orders,
    &ratelimit::RateLimit,
    &robust::Robust,
    &sessions::Sessions,
    &tokens::Tokens,
];

/// The system of this word.
pub fn find(word: &str) -> Option<&'static dyn System> {
    SYSTEMS.iter().copied().find(|system| system.word() == word)
}

/// Every property of a system, with its line for lists.
pub(crate) fn properties() -> impl Iterator<Item = (&'static str, String)> {
    SYSTEMS.iter().flat_map(|system| system.properties()).chain(oracle::COMMON).map(Property::line)
}

/// A system: what is deployed, what users intend, what they hear, and what must hold.
pub trait System: Sync {
    /// What scenarios call it (`pattern = "…"`), and the session under which its users log in.
    fn word(&self) -> &'static str;

    /// Keys of its own in the `[system]` table.
    fn settings(&self) -> &'static [Setting] {
        &[]
    }

    /// Where the document contradicts itself or the platform, and how it was read.
    fn readings(&self) -> &'static [(&'static str, &'static str, &'static str)];

    /// What the hardened variant does instead of the document's steps, in a few sentences.
    fn remedy(&self) -> &'static str {
        ""
    }

    /// The Functions to deploy.
    fn functions(&self, _scenario: &Scenario) -> Vec<Function> {
        Vec::new()
    }

    /// What each of them needs.
    fn needs(&self, _scenario: &Scenario) -> Vec<Needs> {
        Vec::new()
    }

    /// The jobs to schedule.
    fn jobs(&self, _scenario: &Scenario) -> Vec<Job> {
        Vec::new()
    }

    /// What users' tokens open.
    fn grants(&self, scenario: &Scenario) -> Box<dyn GrantRules + Send>;

    /// How the customer's auth server works, where it is not as for everybody.
    fn auth(&self, _scenario: &Scenario, options: AuthOptions) -> AuthOptions {
        options
    }

    /// How a user's client keeps its token and its connection.
    fn client(&self, _scenario: &Scenario) -> ClientRules {
        ClientRules::default()
    }

    /// Whether the customer has a server of its own: a client of the platform that is no user.
    fn has_server(&self) -> bool {
        false
    }

    /// That server.
    fn server(&self, _scenario: &Scenario, _at: ServerAt) -> Option<Box<dyn Node>> {
        None
    }

    /// Outside services.
    fn services(&self, _scenario: &Scenario) -> Vec<ServiceSpec> {
        Vec::new()
    }

    /// What handlers find in the vault.
    fn secrets(&self) -> Secrets {
        Secrets::default()
    }

    /// Whether there is presence, on the channels that begin with `presence.`.
    fn has_presence(&self) -> bool {
        false
    }

    /// The users' presence timeout, 20 to 320 s; 0: users have no presence.
    fn presence_timeout_s(&self, _scenario: &Scenario) -> u32 {
        0
    }

    /// When users close the app, and open it again; those who are not named do neither.
    fn absences(&self, _scenario: &Scenario, _dice: &mut Stream) -> Vec<Absence> {
        Vec::new()
    }

    /// The kinds of what users intend, by the index in [`Act::kind`].
    fn kinds(&self) -> &'static [&'static str];

    /// Everything that users intend, in any order.
    fn plan(&self, scenario: &Scenario, dice: &mut Stream) -> Vec<Act>;

    /// What its Functions count, by the names that they count under.
    fn counts(&self) -> &'static [&'static str] {
        &[]
    }

    /// What a user subscribes to, names or wildcards; empty: nothing.
    fn channels(&self, scenario: &Scenario, user: u32) -> ChannelList;

    /// The call that an act is, the same at every attempt; `number` is the act's own.
    fn doing(&self, scenario: &Scenario, number: u32, act: &Act) -> Doing;

    /// What an act brings about and what an act is made from, as numbers of the system's own, told apart user by user: a session
    /// is brought about by its login, and every use of it is made from that login's answer. Such an act waits for the answer
    /// for good to the one that brings it about, and is never sent if that was not accepted.
    fn brings(&self, _act: &Act) -> Option<u32> {
        None
    }

    /// See [`Self::brings`].
    fn made_from(&self, _act: &Act) -> Option<u32> {
        None
    }

    /// The call of an act that is made from an answer, with that answer's body: as [`Self::doing`], the same at every attempt.
    fn doing_with(&self, scenario: &Scenario, number: u32, act: &Act, _answer: &str) -> Doing {
        self.doing(scenario, number, act)
    }

    /// Whether a user must be connected to do it; a goodbye and a call with an old token can do without.
    fn needs_edge(&self, _act: &Act) -> bool {
        true
    }

    /// What a client makes of an answer.
    fn judge(&self, _act: &Act, reply: &Reply<'_>) -> Judged {
        reply.by_status()
    }

    /// The number of the act whose effect a message shows, if it is one.
    fn shows(&self, _envelope: &Envelope) -> Option<u32> {
        None
    }

    /// Counters of its own, besides what its Functions count.
    fn counters(&self) -> &'static [OwnCounter] {
        &[]
    }

    /// What must hold, besides what must hold of every system.
    fn properties(&self) -> &'static [Property];
}

/// An outside service: its name, the beginning of its addresses, and what it does.
pub struct ServiceSpec {
    pub name: &'static str,
    pub base: &'static str,
    pub serves: Box<dyn Service>,
}

/// A counter's name, and what it says of a run.
pub type OwnCounter = (&'static str, fn(&Seen<'_>) -> u64);

/// Whom a customer's server talks to.
#[derive(Clone, Debug)]
pub struct ServerAt {
    pub auth: NodeId,
    /// Of its region.
    pub edges: Vec<NodeId>,
}

/// What an act is.
pub enum Doing {
    /// A call of the platform, by the user's edge.
    Api(Call),
    /// A call of an outside service by its base; any other base is an On Request Function's.
    Http { base: &'static str, request: HttpRequest },
    /// A goodbye to the auth server: the user's tokens are to be revoked, and it does not come back.
    Logout,
    /// A call with a token that the user does not use any more: the one before its last refresh, or that of its goodbye.
    WithOldToken(Call),
}

/// What a user sends, as it travels.
fn to_json(what: &impl Serialize) -> Payload {
    serde_json::to_string(what).expect("what users send serialises").into()
}

/// An answer.
pub enum Reply<'a> {
    Api(&'a Result<ApiOk, ApiError>),
    Http(u16, &'a Arc<str>),
}

impl Reply<'_> {
    /// 200 for whatever went well.
    pub fn status(&self) -> u16 {
        match self {
            Self::Api(Ok(_)) => 200,
            Self::Api(Err(error)) => error.status,
            Self::Http(status, _) => *status,
        }
    }

    /// The body of a refusal, of an HTTP answer, or of an object of App Context.
    pub fn body(&self) -> Option<&Arc<str>> {
        match self {
            Self::Api(Ok(ApiOk::Objects(ObjectsOk::Object(object)))) => Some(&object.body),
            Self::Api(Ok(_)) => None,
            Self::Api(Err(error)) => Some(&error.body),
            Self::Http(_, body) => Some(body),
        }
    }

    /// Whether a 403 is for what the token does not open, and not for the token itself.
    pub fn is_for_a_right(&self) -> bool {
        self.status() == 403 && self.body().is_some_and(|body| body.contains("\"Forbidden\""))
    }

    /// Two hundreds are acceptance; 429 and five hundreds come from trouble that passes; 403 from the platform asks for a new
    /// token; anything else is a refusal.
    pub fn by_status(&self) -> Judged {
        match (self, self.status()) {
            (_, 200..300) => Judged::Accepted,
            (_, 429 | 500..) => Judged::Again,
            (Self::Api(_), 403) => Judged::NewToken,
            (_, status) => Judged::Refused(status),
        }
    }
}

/// What a client makes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    Accepted,
    /// For good.
    Refused(u16),
    /// The same call once more, after a wait.
    Again,
    /// Likewise, with a new token.
    NewToken,
}
