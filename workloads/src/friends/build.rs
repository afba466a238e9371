//! The platform's side of people with friends: what is deployed, what is there from the beginning, who may do what.

use std::collections::BTreeSet;
use std::sync::Arc;

use headcount_engine::appcontext::AppContext;
use headcount_engine::contract::{NodeId, SECOND};
use headcount_engine::edge::Edge;
use headcount_engine::functions::Function;
use headcount_engine::message::{Channel, Client, ObjectsOp};
use headcount_engine::patterns::friends::grants::FriendsGrants;
use headcount_engine::patterns::friends::profile::{Friend, Profile};
use headcount_engine::patterns::friends::{COUNT_JOB, documented, hardened, names};
use headcount_engine::presence::{Presence, PresenceOptions};
use headcount_engine::groups::Provision;
use headcount_engine::registry::{Registry, RegistryOptions};
use headcount_engine::scheduler::Job;
use headcount_engine::timetoken::iso8601;
use headcount_sim::{CounterHash, Stream};
use serde_json::json;

use super::plan::Intentions;
use super::{People, PeopleConfig};
use crate::crowd::plan::{place_of, user_at, user_id, user_of};
use crate::scenario::{Scenario, Variant};

/// The channels that have presence.
pub const PRESENCE_CHANNELS: &str = "presence.*";

/// The Functions to deploy.
pub fn functions(scenario: &Scenario) -> Vec<Function> {
    match scenario.variant {
        Variant::Documented => documented::functions(scenario.friends.shards),
        Variant::Hardened => hardened::functions(scenario.friends.shards),
    }
}

/// The jobs to schedule: NFR-2 counts every 10 s.
pub fn jobs(scenario: &Scenario) -> Vec<Job> {
    let mut jobs = vec![Job { name: COUNT_JOB, interval: 10 * SECOND }];
    if scenario.variant == Variant::Hardened {
        jobs.push(Job { name: hardened::SWEEP_JOB, interval: SECOND });
        jobs.push(Job { name: hardened::RECONCILE_JOB, interval: 10 * SECOND });
    }
    jobs
}

/// What users' tokens open.
pub fn grants(scenario: &Scenario) -> FriendsGrants {
    FriendsGrants::new(scenario.variant.in_engine(), scenario.friends.shards, scenario.friends.token_ttl_minutes)
}

/// The presence node.
pub fn presence(scenario: &Scenario, broker: NodeId, seed: u64) -> Presence {
    let friends = &scenario.friends;
    let options = PresenceOptions {
        announce_max: friends.announce_max,
        interval_s: friends.interval_s,
        deltas: friends.deltas,
        debounce_s: friends.presence_debounce_s,
        ..PresenceOptions::of(seed)
    };
    Presence::new(broker, options)
}

/// The channel registry, with everybody's groups in it.
pub fn registry(edges: &[NodeId], world: &Arc<Intentions>, seed: u64) -> Registry {
    Registry::new(edges, Some(Arc::new(FriendGroups(world.clone()))), RegistryOptions::documented(seed))
}

/// The groups of the first friendships. Users have at most 1,000 friends to begin with: one group each.
#[derive(Debug)]
struct FriendGroups(Arc<Intentions>);

impl Provision for FriendGroups {
    fn channels(&self) -> u32 {
        self.0.graph.users()
    }

    fn groups(&self) -> u32 {
        self.0.graph.users()
    }

    fn channel_name(&self, channel: u32) -> Channel {
        names::status_channel(&user_id(channel)).into()
    }

    fn channel_number(&self, name: &str) -> Option<u32> {
        user_of(names::parse_status_channel(name)?).filter(|user| *user < self.0.graph.users())
    }

    fn group_name(&self, group: u32) -> Arc<str> {
        names::group(&user_id(group)).into()
    }

    fn group_number(&self, name: &str) -> Option<u32> {
        user_of(name.strip_prefix("cg-friends-")?).filter(|user| *user < self.0.graph.users())
    }

    fn channels_of(&self, group: u32) -> &[u32] {
        self.0.graph.row(group)
    }

    fn contains(&self, group: u32, channel: u32) -> bool {
        self.0.graph.contains(group, channel)
    }

    /// Friendship is mutual.
    fn groups_of(&self, channel: u32) -> &[u32] {
        self.0.graph.row(channel)
    }

    fn owner(&self, group: u32) -> Option<(u32, Client)> {
        Some(place_of(group, self.0.graph.regions()))
    }

    fn wildcard(&self) -> Channel {
        "status.*".into()
    }
}

/// Tells an edge the groups of the first friendships.
pub fn provision_edge(edge: &mut Edge, world: &Intentions) {
    for user in 0..world.graph.users() {
        let group: Arc<str> = names::group(&user_id(user)).into();
        for friend in world.graph.row(user) {
            edge.provision(&group, &names::status_channel(&user_id(*friend)).into());
        }
    }
}

/// Registers everybody and their first friendships.
pub fn provision_objects(store: &mut AppContext, scenario: &Scenario, world: &Intentions) {
    let created = iso8601(0);
    let write = |store: &mut AppContext, op| _ = store.apply(0, op).expect("what is provisioned is well formed");
    for user in 0..world.graph.users() {
        let id = user_id(user);
        let mut profile =
            Profile::new(format!("Name of {id}"), names::shard_of(&id, scenario.friends.shards), created.clone());
        profile.custom.friend_count = world.graph.row(user).len() as u64;
        let op = ObjectsOp::SetUser { user: (&*id).into(), patch: profile.to_patch().into(), if_match: None };
        write(store, op);
        let list: Channel = names::list_channel(&id).into();
        let patch = json!({ "name": format!("Friends of {id}"), "custom": { "type": "friend_list", "ownerId": id } });
        write(store, ObjectsOp::SetChannel { channel: list.clone(), patch: patch.to_string().into(), if_match: None });
        for friend in world.graph.row(user) {
            let custom = Friend::new(&created, &user_id(*friend)).to_json().into();
            write(store, ObjectsOp::SetMembership { user: user_id(*friend).into(), channel: list.clone(), custom });
        }
    }
}

/// The people of a region.
pub fn people(
    scenario: &Scenario,
    world: &Intentions,
    region: u32,
    edges: Vec<NodeId>,
    auth: NodeId,
    seed: u64,
) -> People {
    let regions = scenario.topology.regions.len() as u32;
    let config = PeopleConfig {
        variant: scenario.variant.in_engine(),
        region,
        regions,
        shards: scenario.friends.shards,
        edges,
        auth,
        presence_timeout_s: scenario.friends.presence_timeout_s,
        reload: scenario.friends.reload,
        settled: scenario.end.saturating_sub(scenario.bounds.converge / 2),
        dice: CounterHash::new(&mut Stream::new(seed, "friends.dice", u64::from(region))),
    };
    let plan = world.plans[region as usize].clone();
    let own = |client: usize| user_at(region, client as u32, regions);
    let friends = (0..plan.wifi.len()).map(|client| world.friends_of(own(client))).collect();
    let mut ended: Vec<BTreeSet<u32>> = vec![BTreeSet::new(); plan.wifi.len()];
    for &(a, b) in &world.ended {
        for (one, other) in [(a, b), (b, a)] {
            let (of, client) = place_of(one, regions);
            if of == region {
                ended[client as usize].insert(other);
            }
        }
    }
    People::new(config, plan, friends, ended)
}
