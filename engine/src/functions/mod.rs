//! Functions: handlers written as `async fn`, as a user of the platform would write them, and the worker that runs
//! them.
//!
//! A handler gets a [`Context`] (`kv`, `pubnub`, `xhr`, `now`, `uuid`, counters) and an [`Event`], and resolves the
//! event with [`Resolution::Ok`] or [`Resolution::Abort`]. Every `await` is a request message to another node and its
//! answer; the worker polls handlers and carries their messages, so an execution dies with its worker half way
//! through, and an answer can be lost after its effect.

mod context;
mod join;
mod modules;
mod needs;
mod routes;
mod work;
mod worker;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

pub use self::context::{Context, HttpResponse, OpError, PUBLISH_ERRORS};
pub use self::join::{join, join_all};
pub use self::modules::Secrets;
pub use self::needs::{Misfit, Needs};
pub use self::routes::{Overlap, check_routes};
pub use self::worker::{Worker, WorkerConfig, WorkerCounts};
use crate::access::Token;
use crate::message::{Channel, HttpRequest, Payload, Trigger, UserId};

/// What set a handler off.
#[derive(Clone, Debug)]
pub struct Event {
    pub trigger: Trigger,
    /// `request.channels[0]`
    pub channel: Channel,
    /// `request.message`, as it travels.
    pub payload: Payload,
    /// Who published, as the platform authenticated it.
    pub publisher: UserId,
    /// `request.meta.clientip`, IPv4 in one number; 0 for a Function's own publish.
    pub client_ip: u32,
    /// The publisher's token, for its role and session (`meta`).
    pub token: Option<Arc<Token>>,
    /// What an On Request Function is asked: method, path, query, headers; the body is the payload.
    pub request: Option<Arc<HttpRequest>>,
}

/// How a handler resolves its event.
#[derive(Clone, Debug, PartialEq)]
pub enum Resolution {
    /// `request.ok(message)`: with `None` the message goes on as it came.
    Ok(Option<Payload>),
    /// `request.abort(body)`: a Before trigger is not delivered, and the publisher sees the body.
    Abort { status: u16, body: Payload },
}

impl Resolution {
    /// `response.send(body, status)` of an On Request Function.
    pub fn send(body: impl Into<Payload>, status: u16) -> Self {
        match status {
            200 => Self::Ok(Some(body.into())),
            status => Self::Abort { status, body: body.into() },
        }
    }

    /// `request.abort()` with a body of one word: what the publisher reads is `{"error": word}`.
    pub fn refuse(status: u16, error: &str) -> Self {
        Self::Abort { status, body: serde_json::json!({ "error": error }).to_string().into() }
    }
}

/// A handler's execution.
pub type Execution = Pin<Box<dyn Future<Output = Resolution> + Send>>;

/// A deployed Function: what it is bound to and what it does.
#[derive(Clone)]
pub struct Function {
    pub name: &'static str,
    /// An exact channel or `prefix.*`; for [`Trigger::OnInterval`] the job's name, and for
    /// [`Trigger::OnRequest`] the path, where each `*` stands for any characters.
    pub pattern: &'static str,
    pub trigger: Trigger,
    pub run: Arc<dyn Fn(Context, Event) -> Execution + Send + Sync>,
}

impl Function {
    /// Deploys `run` under `name` on `pattern`.
    pub fn new<F, Fut>(name: &'static str, pattern: &'static str, trigger: Trigger, run: F) -> Self
    where
        F: Fn(Context, Event) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Resolution> + Send + 'static,
    {
        Self { name, pattern, trigger, run: Arc::new(move |context, event| Box::pin(run(context, event))) }
    }

    /// Whether this Function is the one for `trigger` on `channel`.
    fn matches(&self, trigger: Trigger, channel: &str) -> bool {
        self.trigger == trigger
            && match trigger {
                Trigger::OnRequest => routes::covers(self.pattern, channel),
                _ => self.binds(channel),
            }
    }

    fn binds(&self, channel: &str) -> bool {
        match self.pattern.strip_suffix('*') {
            Some(prefix) => channel.starts_with(prefix),
            None => channel == self.pattern,
        }
    }
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({:?} on {})", self.name, self.trigger, self.pattern)
    }
}

#[cfg(test)]
mod module_tests;
#[cfg(test)]
mod request_tests;
#[cfg(test)]
mod tests;
