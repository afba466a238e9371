//! What a worker is asked to run, and who wants to know how it ends.

use std::sync::Arc;

use crate::contract::{Nanos, NodeId, Outbox};
use crate::error::ApiError;
use crate::message::{HttpRequest, Invoke, InvokeOutcome, Kind, Msg, Publish, Trigger};

/// Who wants to know how an execution ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Nobody,
    /// Whoever invoked it.
    Invoked,
    /// Whoever called its HTTP endpoint.
    Http,
}

impl Reply {
    pub(super) fn send(self, to: NodeId, tag: u64, outcome: InvokeOutcome, out: &mut Outbox) {
        match (self, outcome) {
            (Self::Nobody, _) => {}
            (Self::Invoked, outcome) => out.send(to, Msg::Invoked { tag, outcome }),
            (Self::Http, InvokeOutcome::Ok(body)) => out.send(to, Msg::HttpAnswer { tag, status: 200, body }),
            (Self::Http, InvokeOutcome::Abort { status, body }) => out.send(to, Msg::HttpAnswer { tag, status, body }),
        }
    }

    pub(super) fn refuse(self, to: NodeId, tag: u64, error: ApiError, out: &mut Outbox) {
        self.send(to, tag, InvokeOutcome::Abort { status: error.status, body: error.body }, out);
    }
}

/// What a worker is asked to run.
pub(super) struct Work {
    pub(super) caller: NodeId,
    pub(super) tag: u64,
    pub(super) reply: Reply,
    pub(super) trigger: Trigger,
    pub(super) publish: Publish,
    pub(super) request: Option<Arc<HttpRequest>>,
    /// When it came.
    pub(super) since: Nanos,
}

impl Work {
    pub(super) fn invoked(since: Nanos, caller: NodeId, invoke: Invoke) -> Self {
        let Invoke { tag, trigger, publish, answer } = invoke;
        let reply = if answer { Reply::Invoked } else { Reply::Nobody };
        Self { caller, tag, reply, trigger, publish, request: None, since }
    }

    pub(super) fn requested(since: Nanos, caller: NodeId, tag: u64, request: HttpRequest) -> Self {
        let publish = Publish {
            tag: 0,
            channel: request.route().into(),
            payload: request.body.clone(),
            // It has no publisher: who calls is the token's word, or nobody's.
            publisher: request.token.as_ref().map_or_else(|| "".into(), |token| token.grant.user.clone()),
            store: false,
            kind: Kind::Message,
            hops: 0,
            client_ip: 0,
            token: request.token.clone(),
        };
        let (reply, trigger) = (Reply::Http, Trigger::OnRequest);
        Self { caller, tag, reply, trigger, publish, request: Some(Arc::new(request)), since }
    }

    pub(super) fn refuse(self, error: ApiError, out: &mut Outbox) {
        self.reply.refuse(self.caller, self.tag, error, out);
    }
}
