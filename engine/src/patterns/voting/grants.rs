//! What each role's token opens (voting.md 8.2).
//!
//! The document grants read and write only. Reading App Context needs GET and writing it UPDATE (platform.md 2.10),
//! so whoever may read the control channel may GET its object, and the host may UPDATE it. Viewers read only. An
//! auditor reads control and results; the audit log itself is not the platform's, it is the customer's database.

use std::sync::Arc;

use smallvec::{SmallVec, smallvec};

use super::shard;
use crate::access::{Grant, OwnNames, Permissions, Role};
use crate::auth::GrantRules;
use crate::message::{Channel, UserId};

/// Who gets what in one session.
#[derive(Clone, Debug)]
pub struct VotingGrants {
    session: Arc<str>,
    control: Channel,
    results: Channel,
    /// The shard counts the session has or will have: a participant may write on its shard of each.
    shard_counts: Vec<u32>,
    ttl_minutes: u32,
    /// Whether participants have a results channel of their own (the hardened variant).
    private_results: bool,
    submit: Vec<Vec<Channel>>,
    /// Who may be the session's host, and who may audit it; everybody else takes part or looks on.
    hosts: Vec<UserId>,
    auditors: Vec<UserId>,
    host_patterns: Arc<[(Arc<str>, Permissions)]>,
    no_patterns: Arc<[(Arc<str>, Permissions)]>,
    nothing_own: Arc<OwnNames>,
}

impl VotingGrants {
    /// Rules for one session; `ttl_minutes` is what tokens get, 1 to 43,200.
    pub fn new(session_id: &str, shard_counts: &[u32], ttl_minutes: u32, private_results: bool) -> Self {
        // Every shard's channel name once, so that half a million tokens share it.
        let names = |count: &u32| -> Vec<Channel> {
            match count {
                0 | 1 => vec![format!("vote-submit.{session_id}").into()],
                n => (0..*n).map(|shard| format!("vote-submit.{session_id}-shard-{shard}").into()).collect(),
            }
        };
        Self {
            session: session_id.into(),
            control: shard::control_channel(session_id).into(),
            results: shard::results_channel(session_id).into(),
            submit: shard_counts.iter().map(names).collect(),
            shard_counts: shard_counts.to_vec(),
            ttl_minutes,
            private_results,
            host_patterns: [
                ("vote-control.*".into(), Permissions::READ.and(Permissions::GET)),
                ("vote-results.*".into(), Permissions::READ),
            ]
            .into(),
            no_patterns: Arc::new([]),
            nothing_own: Arc::default(),
            hosts: Vec::new(),
            auditors: Vec::new(),
        }
    }

    /// This user may be the session's host.
    #[must_use]
    pub fn host(mut self, user: impl Into<UserId>) -> Self {
        self.hosts.push(user.into());
        self
    }

    /// This user may audit the session.
    #[must_use]
    pub fn auditor(mut self, user: impl Into<UserId>) -> Self {
        self.auditors.push(user.into());
        self
    }
}

impl GrantRules for VotingGrants {
    fn grant(&self, user: &UserId, role: Role, session: &Arc<str>) -> Option<Grant> {
        let entitled = match role {
            Role::Host => self.hosts.contains(user),
            Role::Auditor => self.auditors.contains(user),
            Role::Participant | Role::Viewer => true,
            Role::User => false,
        };
        if *session != self.session || !entitled {
            return None;
        }
        let read = Permissions::READ;
        let mut channels: SmallVec<[(Channel, Permissions); 4]> =
            smallvec![(self.control.clone(), read.and(Permissions::GET)), (self.results.clone(), read)];
        let mut patterns = self.no_patterns.clone();
        match role {
            Role::Host => {
                channels[0].1 = read.and(Permissions::WRITE).and(Permissions::GET).and(Permissions::UPDATE);
                patterns = self.host_patterns.clone();
            }
            Role::Participant => {
                for (names, &count) in self.submit.iter().zip(&self.shard_counts) {
                    let name = &names[shard::shard_of(user, count) as usize];
                    if !channels.iter().any(|(known, _)| known == name) {
                        channels.push((name.clone(), Permissions::WRITE));
                    }
                }
                if self.private_results {
                    channels.push((shard::private_results_channel(&self.session, user).into(), read));
                }
            }
            Role::Viewer | Role::Auditor | Role::User => {}
        }
        Some(Grant {
            ttl_minutes: self.ttl_minutes,
            user: user.clone(),
            channels,
            patterns,
            own: self.nothing_own.clone(),
            role,
            session: self.session.clone(),
        })
    }
}
