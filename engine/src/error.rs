//! The platform's own refusals, word for word (platform.md 2.7 and 2.8). A refusal is a value and changes nothing.

use std::sync::Arc;

/// An HTTP-like refusal: a status and the body as the client reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    pub status: u16,
    pub body: Arc<str>,
}

impl ApiError {
    /// A refusal with this status and body.
    pub fn new(status: u16, body: impl Into<Arc<str>>) -> Self {
        Self { status, body: body.into() }
    }
}
