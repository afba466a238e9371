//! The modules besides KV and `pubnub`: `xhr`, `vault`, `crypto`, and calls that nobody awaits.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::context::{Context, HttpResponse, OpAnswer, OpError, OpRequest};
use crate::message::{HttpRequest, KvOk, KvOp};

/// What the customer has put into the vault: names and secrets.
pub type Secrets = Arc<[(&'static str, Arc<str>)]>;

impl Context {
    /// `xhr.fetch`: any status is an answer; only silence is an error.
    pub async fn fetch(
        &self,
        method: &'static str,
        path: impl Into<Arc<str>>,
        body: impl Into<Arc<str>>,
    ) -> Result<HttpResponse, OpError> {
        self.fetch_with(method, path, body, &[]).await
    }

    /// The same, with headers.
    pub async fn fetch_with(
        &self,
        method: &'static str,
        path: impl Into<Arc<str>>,
        body: impl Into<Arc<str>>,
        headers: &[(&str, &str)],
    ) -> Result<HttpResponse, OpError> {
        match self.call(OpRequest::Http(Box::new(http(method, path.into(), body.into(), headers)))).await? {
            OpAnswer::Http(response) => Ok(response),
            _ => Err(OpError::Timeout),
        }
    }

    /// `xhr.fetch` without `await`: the request leaves, nobody looks at the answer.
    pub fn fetch_and_forget(
        &self,
        method: &'static str,
        path: impl Into<Arc<str>>,
        body: impl Into<Arc<str>>,
    ) -> Result<(), OpError> {
        self.forget(OpRequest::Http(Box::new(http(method, path.into(), body.into(), &[]))))
    }

    /// A KV call without `await`: it leaves, and whether it took effect is never known.
    pub fn kv_and_forget(&self, op: KvOp) -> Result<(), OpError> {
        self.forget(OpRequest::Kv(op))
    }

    fn forget(&self, request: OpRequest) -> Result<(), OpError> {
        self.lock().begin(request).map(|_| ())
    }

    /// `kvstore.removeItem(key)`: one that is not there is not missed.
    pub async fn kv_remove(&self, key: impl Into<Arc<str>>) -> Result<(), OpError> {
        self.kv(KvOp::Remove { key: key.into() }).await.map(|_| ())
    }

    /// `kvstore.getKeys(page)`: at most 100 keys in order, and the token of the next page.
    pub async fn kv_keys(&self, page: Option<Arc<str>>) -> Result<(Vec<Arc<str>>, Option<Arc<str>>), OpError> {
        self.listed(KvOp::GetKeys { page }).await
    }

    /// `kvstore.getCounterKeys(page)`, likewise: counters are listed apart from keys.
    pub async fn kv_counter_keys(&self, page: Option<Arc<str>>) -> Result<(Vec<Arc<str>>, Option<Arc<str>>), OpError> {
        self.listed(KvOp::GetCounterKeys { page }).await
    }

    async fn listed(&self, op: KvOp) -> Result<(Vec<Arc<str>>, Option<Arc<str>>), OpError> {
        match self.kv(op).await? {
            KvOk::Keys { keys, next } => Ok((keys, next)),
            other => unreachable!("a listing is answered with keys, not {other:?}"),
        }
    }

    /// `vault.get(name)`: the secret, or `None` if there is none of this name. It is read where the Function runs.
    pub async fn vault(&self, name: &str) -> Result<Option<Arc<str>>, OpError> {
        let mut shared = self.lock();
        if let Some(limit) = shared.limits.vault_per_execution.value.filter(|limit| shared.spent.vault >= *limit) {
            return Err(OpError::Budget { what: "vault reads", limit });
        }
        shared.spent.vault += 1;
        Ok(shared.secrets.iter().find(|(known, _)| *known == name).map(|(_, secret)| secret.clone()))
    }

    /// `crypto.sha256(text)`, in hexadecimal.
    pub async fn sha256(&self, text: &str) -> String {
        Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn http(method: &'static str, path: Arc<str>, body: Arc<str>, headers: &[(&str, &str)]) -> HttpRequest {
    let headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    HttpRequest { method, path, body, headers, token: None }
}
