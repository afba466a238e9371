//! Bugs on purpose: each is one line somewhere in the platform, a pattern or an oracle, and sleeps until a test wakes it. A test
//! wakes one after the other and asks whether the properties find it; a simulator that does not find bugs that are there proves
//! nothing by finding none.
//!
//! Only tests can wake one: where debug assertions are off, as in every release build, there is nothing to wake.
//!
//! To plant another: a line in the list below, and `has(Bug::Name)` where it bites. The test of `workloads` says where it must be found.

use std::sync::atomic::AtomicU8;

macro_rules! bugs {
    ($($name:ident: $says:literal,)*) => {
        /// A bug, and what it does.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Bug {
            $(#[doc = $says] $name,)*
        }

        impl Bug {
            /// Every bug.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// What it does.
            pub fn says(self) -> &'static str {
                match self { $(Self::$name => $says,)* }
            }
        }
    };
}

bugs! {
    KvForgetsInACrash: "a KV replica that crashes has forgotten its values",
    KvKeepsWhatExpired: "a KV value lives an hour longer than its TTL",
    KvSaysTheCountBefore: "incrCounter answers what the counter was before",
    KvCountsTwice: "incrCounter counts twice",
    KvReplicatesNothing: "a KV write stays in its region",
    KvPagesLeaveAKeyOut: "getKeys leaves out the last key of a page that is not the last one",
    BrokerDeliversWhatWasAborted: "a message is delivered though a handler aborted it",
    BrokerForgetsAfterPublish: "no Function runs after a publish",
    BrokerForgetsAnEdge: "the first edge of a region is never told",
    BrokerReplicatesNothing: "a message stays in its region",
    BrokerKeepsWhatHandlersMade: "what a handler made of a message is not what is delivered",
    BrokerForgetsAfterPresence: "no Function runs after a presence event",
    LogForgetsTheCursor: "who comes back with a cursor gets nothing of what was said meanwhile",
    StreamSendsOnce: "a stream sends nothing again that was lost",
    EdgeTakesRevokedTokens: "an edge takes tokens that are revoked",
    EdgeLetsAnybodyWrite: "who may not write to a channel does",
    EdgeLetsAnybodyListenToGroups: "who may not read a channel group does",
    EdgeKeepsRevokedConnections: "a connection goes on when its token is revoked",
    TokensOpenEverything: "a token allows everything on every channel",
    ForgedTokensPass: "a token's signature is not looked at",
    PresenceMissesTimeouts: "a user whose timeout passes stays",
    PresenceForgetsHeartbeats: "a heartbeat does not put off the timeout",
    PresenceCountsDouble: "here-now says twice as many as there are",
    ObjectsIgnoreIfMatch: "App Context writes over a version that was not the one read",
    ObjectsForgetOtherFields: "a partial update replaces the whole object",
    RosterKeepsMembers: "a membership that is removed stays",
    GroupsKeepChannels: "a channel that is taken out of a group stays",
    WorkerLosesAbortions: "a handler's abort is an Ok",
    LedgerForgetsRequests: "the audit log decides a repeated request anew",
    LedgerTakesLateVotes: "a vote is taken when the session is not open",
    LedgerTakesSecondVotes: "a second vote of a user counts too",
    LedgerCountsTheFirstOption: "every vote counts for the first option",
    VoteBelievesThePayload: "a vote is its payload's user's, not its publisher's",
    VoteFailsOpen: "a vote is decided though KV errs",
    FriendsForgetTheDebounce: "friends are told again at once",
    FriendsTellTheWrongWay: "who comes is told to be gone",
    FriendsSweepNobody: "the sweep finds nobody",
    FriendshipIsOneSided: "only one of two friends gets the other in group and list",
    FriendsAreCountedWrong: "friendCount is one too many",
    CounterForgetsTheVoter: "the keys of all votes for an option are the same",
    CounterSkipsKeys: "the first key of a page is not counted",
    PostsPassUnmoderated: "a post passes when moderation does not answer",
    PostsPassWhateverTheScore: "a toxic post passes",
    LimitIsOneMore: "one request more than the limit passes",
    LimitFailsOpen: "a request passes when the store errs",
    RetryAfterIsLate: "retryAfter is a minute too long",
    OrdersAreNotNoted: "an order is accepted and not noted",
    SessionsForgetTheirEnd: "a session that has ended is valid",
    DedupeMarksNothing: "what passes is not marked",
    ScreensForgetBits: "an oracle: a screen forgets what it was told",
    OraclesNeverComplain: "an oracle: a counter-example is not told",
    OraclesSeeNoSituations: "an oracle: no situation is ever seen",
}

/// The bug that is awake, as its number and 1; 0: none is.
static AWAKE: AtomicU8 = AtomicU8::new(0);

/// Whether this bug is awake.
#[inline(always)]
pub fn has(bug: Bug) -> bool {
    cfg!(debug_assertions) && AWAKE.load(std::sync::atomic::Ordering::Relaxed) == bug as u8 + 1
}

/// Wakes this bug in the whole process, and no other; `None`: all sleep.
#[cfg(debug_assertions)]
pub fn wake(bug: Option<Bug>) {
    AWAKE.store(bug.map_or(0, |bug| bug as u8 + 1), std::sync::atomic::Ordering::Relaxed);
}
