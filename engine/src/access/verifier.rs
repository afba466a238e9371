//! Signing and checking tokens: a keyed hash over every field.

use siphasher::sip::SipHasher13;

use super::{Grant, OwnNames, Token};
use crate::contract::Nanos;
use crate::dice::draw;
use crate::error::ApiError;
use crate::planted::{Bug, has};

/// Whoever knows the keyset's secret: the access manager, which signs, and the edges, which check.
#[derive(Clone, Copy, Debug)]
pub struct Verifier {
    keys: (u64, u64),
}

impl Verifier {
    /// The verifier of a keyset's secret.
    pub fn new(secret: u64) -> Self {
        Self { keys: (draw(secret, 0), draw(secret, 1)) }
    }

    /// Signs a grant issued at `issued`.
    pub fn sign(&self, grant: Grant, issued: Nanos) -> Token {
        let signature = self.signature(&grant, issued);
        Token { grant, issued, signature }
    }

    /// Whether a token is genuine, in time and `user`'s own (`authorized_uuid`). Allocates only to refuse.
    ///
    /// # Errors
    /// 403 for a token that the access manager did not sign, is past its time, or belongs to another user.
    pub fn verify(&self, token: &Token, now: Nanos, user: &str) -> Result<(), ApiError> {
        if self.signature(&token.grant, token.issued) != token.signature && !has(Bug::ForgedTokensPass) {
            Err(ApiError::token_invalid())
        } else if now >= token.expires() {
            Err(ApiError::token_expired())
        } else if &*token.grant.user != user {
            Err(ApiError::token_of_another_user())
        } else {
            Ok(())
        }
    }

    /// SipHash-1-3 over all fields, each text behind its length so that no two grants read alike.
    ///
    /// They are laid side by side first: many short writes to the hasher cost more than the hash does.
    fn signature(&self, grant: &Grant, issued: Nanos) -> u64 {
        let mut fields = Vec::with_capacity(512);
        fields.extend_from_slice(&issued.to_le_bytes());
        fields.extend_from_slice(&grant.ttl_minutes.to_le_bytes());
        fields.push(grant.role as u8);
        push_text(&mut fields, &grant.user);
        push_text(&mut fields, &grant.session);
        let OwnNames { channels, groups } = &*grant.own;
        for names in [&grant.channels[..], &grant.patterns[..], &channels[..], &groups[..]] {
            fields.extend_from_slice(&(names.len() as u64).to_le_bytes());
            for (name, permissions) in names {
                push_text(&mut fields, name);
                fields.push(permissions.0);
            }
        }
        SipHasher13::new_with_keys(self.keys.0, self.keys.1).hash(&fields)
    }
}

#[inline]
fn push_text(fields: &mut Vec<u8>, text: &str) {
    fields.extend_from_slice(&(text.len() as u64).to_le_bytes());
    fields.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Permissions, Role, tests::host_grant};
    use crate::contract::MINUTE;

    const USER: &str = "host_user_123";

    #[test]
    fn a_token_is_valid_for_its_user_until_its_minutes_are_over() {
        let verifier = Verifier::new(42);
        let token = verifier.sign(host_grant(), MINUTE);
        assert_eq!(verifier.verify(&token, MINUTE, USER), Ok(()));
        // Issued at minute 1 for 60 minutes.
        assert_eq!(verifier.verify(&token, 61 * MINUTE - 1, USER), Ok(()));
        assert_eq!(verifier.verify(&token, 61 * MINUTE, USER), Err(ApiError::token_expired()));
        assert_eq!(verifier.verify(&token, MINUTE, "user_456"), Err(ApiError::token_of_another_user()));
    }

    #[test]
    fn no_field_can_be_changed_and_no_other_secret_signs() {
        let verifier = Verifier::new(42);
        let genuine = verifier.sign(host_grant(), 7);
        let changes: [fn(&mut Token); 9] = [
            |token| token.issued += 1,
            |token| token.grant.ttl_minutes += 1,
            |token| token.grant.user = "mallory".into(),
            |token| token.grant.session = "abc124".into(),
            |token| token.grant.role = Role::Auditor,
            |token| token.grant.channels[2].1 = Permissions::WRITE,
            |token| token.grant.channels[2].0 = "vote-submit.abc124".into(),
            |token| token.grant.patterns = [("vote-control.*".into(), Permissions::WRITE)].into(),
            |token| token.signature ^= 1,
        ];
        for change in changes {
            let mut token = genuine.clone();
            change(&mut token);
            let user = token.grant.user.clone();
            assert_eq!(verifier.verify(&token, 8, &user), Err(ApiError::token_invalid()));
        }
        assert_eq!(Verifier::new(43).verify(&genuine, 8, USER), Err(ApiError::token_invalid()));
    }
}
