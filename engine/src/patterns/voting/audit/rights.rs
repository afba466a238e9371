//! Who may ask for rows: an auditor, in the session that the token names (voting.md 8.1: "Read audit logs, verify
//! votes"). The log has everybody's vote by name, so nobody else may, whatever channels a token opens.

use crate::access::{Role, Token, Verifier};
use crate::contract::Nanos;
use crate::error::ApiError;

/// The session that this token's user audits.
///
/// # Errors
/// 403 without a token, with one that is not genuine or past its time, and in any other role.
pub fn audited_session<'t>(verifier: &Verifier, token: Option<&'t Token>, now: Nanos) -> Result<&'t str, ApiError> {
    let token = token.ok_or_else(no_auditor_here)?;
    verifier.verify(token, now, &token.grant.user)?;
    if token.grant.role == Role::Auditor { Ok(&token.grant.session) } else { Err(no_auditor_here()) }
}

/// A genuine user, who is no auditor of what was asked for: 403. No channel is concerned.
pub fn no_auditor_here() -> ApiError {
    ApiError::forbidden::<&str>([])
}
