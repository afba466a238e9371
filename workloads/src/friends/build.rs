//! The platform's side of people with friends: what is deployed, what is there from the beginning, who may do what.

use std::sync::Arc;

use headcount_engine::access::{Role, Verifier};
use headcount_engine::appcontext::{self, AppContext};
use headcount_engine::auth::GrantRules;
use headcount_engine::broker::Broker;
use headcount_engine::contract::{NodeId, SECOND};
use headcount_engine::edge::{Edge, GroupsConfig};
use headcount_engine::functions::Function;
use headcount_engine::message::{Channel, ChannelList, UserId};
use headcount_engine::patterns as engine;
use headcount_engine::patterns::friends::grants::{FriendsGrants, SESSION};
use headcount_engine::patterns::friends::names::GROUP_CHANNELS_MAX;
use headcount_engine::patterns::friends::profile::{Friend, Profile, column, group_of};
use headcount_engine::patterns::friends::{COUNT_JOB, documented, hardened, names};
use headcount_engine::presence::{Presence, PresenceOptions};
use headcount_engine::registry::{Registry, RegistryOptions};
use headcount_engine::scheduler::Job;
use headcount_engine::timetoken::iso8601;
use headcount_sim::{CounterHash, Stream};
use serde_json::{Value, json};

use super::connect::first_deadline;
use super::groups::{self, FriendGroups, groups_of};
use super::plan::Intentions;
use super::{People, PeopleConfig};
use crate::client::LastMiles;
use crate::crowd::plan::{user_id, user_of};
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
    let mut jobs = vec![Job { name: COUNT_JOB.into(), interval: 10 * SECOND }];
    if scenario.variant == Variant::Hardened {
        let sweepers = hardened::sweep_jobs(scenario.friends.shards);
        jobs.extend(sweepers.map(|name| Job { name: name.into(), interval: SECOND }));
        let reconcilers = hardened::reconcile_jobs(scenario.friends.shards);
        let interval = hardened::RECONCILE_INTERVAL_S * SECOND;
        jobs.extend(reconcilers.map(|name| Job { name: name.into(), interval }));
    }
    jobs
}

/// What users' tokens open.
pub fn grants(scenario: &Scenario) -> FriendsGrants {
    FriendsGrants::new(scenario.variant.in_engine(), scenario.friends.shards, scenario.friends.token_ttl_minutes)
}

/// The presence node.
pub fn presence(scenario: &Scenario, world: &Intentions, broker: NodeId, seed: u64) -> Presence {
    let friends = &scenario.friends;
    let options = PresenceOptions {
        announce_max: friends.announce_max,
        interval_s: friends.interval_s,
        deltas: friends.deltas,
        debounce_s: friends.presence_debounce_s,
        ..PresenceOptions::of(seed)
    };
    let mut presence = Presence::new(broker, options);
    if world.online {
        let deployment = Deployment::new(friends.shards);
        for user in 0..world.graph.users() {
            let id: UserId = user_id(user).into();
            let channel = deployment.presence_channel(&id);
            presence.provision(&id, &channel, first_deadline(user, friends.presence_timeout_s));
        }
    }
    presence
}

/// The channel registry, with everybody's groups in it.
pub fn registry(edges: &[NodeId], world: &Arc<Intentions>, seed: u64) -> Registry {
    Registry::new(edges, Some(Arc::new(FriendGroups::new(world))), RegistryOptions::documented(seed))
}

/// What an edge knows of channel groups; `owners`: the region whose users connect there, and who they are.
pub fn groups(registry: NodeId, world: &Arc<Intentions>, owners: Option<(u32, NodeId)>) -> GroupsConfig {
    GroupsConfig { registry, provision: Some(Arc::new(FriendGroups::new(world))), owners }
}

/// What clients subscribe to, with the texts that all of them share.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// By shard.
    presence: Vec<Channel>,
    global: Channel,
}

impl Deployment {
    /// Of a scenario with so many shards.
    pub fn new(shards: u32) -> Self {
        let presence = (0..shards).map(|shard| names::presence_channel(shard).into()).collect();
        Self { presence, global: names::GLOBAL.into() }
    }

    /// The user's presence shard.
    pub fn presence_channel(&self, user: &str) -> Channel {
        self.presence[names::shard_of(user, self.presence.len() as u32) as usize].clone()
    }

    /// What a user subscribes to by name.
    pub fn channels(&self, variant: engine::Variant, user: &str) -> ChannelList {
        let mut channels: ChannelList = [self.presence_channel(user), self.global.clone()].into_iter().collect();
        if variant == engine::Variant::Hardened {
            channels.push(names::news_channel(user).into());
        }
        channels
    }
}

/// Everybody's profile and friend list as they are at the beginning.
#[derive(Debug)]
struct Lists {
    world: Arc<Intentions>,
    shards: u32,
    created: String,
}

impl Lists {
    fn profile(&self, user: u32) -> Profile {
        let id = user_id(user);
        let mut profile =
            Profile::new(format!("Name of {id}"), names::shard_of(&id, self.shards), self.created.clone());
        profile.custom.friend_count = u64::from(self.world.graph.degree(user));
        if self.world.online {
            // Online for a while, and friends know.
            profile.custom.online = true;
            profile.custom.last_seen = Some(self.created.clone());
            profile.custom.status_change = FIRST_CHANGE;
            profile.custom.status_told = Some(FIRST_CHANGE);
            profile.custom.status_pending = Some(false);
        }
        profile
    }
}

/// The number of the change that made everybody online who is so from the beginning.
const FIRST_CHANGE: u64 = 1;

impl appcontext::Provision for Lists {
    fn users(&self) -> u32 {
        self.world.graph.users()
    }

    fn user_id(&self, user: u32) -> Arc<str> {
        user_id(user).into()
    }

    fn user_number(&self, id: &str) -> Option<u32> {
        user_of(id).filter(|user| *user < self.world.graph.users())
    }

    fn user_body(&self, user: u32) -> String {
        self.profile(user).to_patch()
    }

    fn lists(&self) -> u32 {
        self.world.graph.users()
    }

    fn list_channel(&self, list: u32) -> Channel {
        names::list_channel(&user_id(list)).into()
    }

    fn list_number(&self, channel: &str) -> Option<u32> {
        self.user_number(names::parse_list_channel(channel)?)
    }

    fn list_body(&self, list: u32) -> String {
        let id = user_id(list);
        json!({ "name": format!("Friends of {id}"), "custom": { "type": "friend_list", "ownerId": id } }).to_string()
    }

    fn members_len(&self, list: u32) -> usize {
        self.world.graph.row(list).len()
    }

    fn members(&self, list: u32, offset: usize, max: usize) -> Vec<u32> {
        let row = self.world.graph.row(list);
        let mut page = Vec::with_capacity(max.min(row.len().saturating_sub(offset)));
        page.extend(row.users_from(offset).take(max));
        page
    }

    fn is_member(&self, list: u32, user: u32) -> bool {
        self.world.graph.contains(list, user)
    }

    /// Friendship is mutual.
    fn lists_of(&self, user: u32) -> Vec<u32> {
        self.world.graph.row(user).users().collect()
    }

    fn membership_custom(&self, list: u32, user: u32) -> String {
        Friend::new(&self.created, &user_id(user)).in_group(self.world.part(list, user)).to_json()
    }

    fn has_member_numbers(&self, list: u32) -> bool {
        self.world.graph.degree(list) as usize > GROUP_CHANNELS_MAX
    }

    fn member_number(&self, list: u32, user: u32) -> u64 {
        self.world.part(list, user) as u64
    }

    fn user_field(&self, user: u32, field: &str) -> Value {
        let online = self.world.online;
        match field {
            "shardId" => names::shard_of(&user_id(user), self.shards).into(),
            "online" => online.into(),
            "statusPending" => {
                if online {
                    false.into()
                } else {
                    Value::Null
                }
            }
            _ => {
                let profile = serde_json::to_value(self.profile(user)).expect("strings and numbers serialise");
                profile["custom"][field].clone()
            }
        }
    }

    fn list_field(&self, list: u32, field: &str) -> Value {
        match field {
            "type" => "friend_list".into(),
            "ownerId" => user_id(list).into(),
            _ => Value::Null,
        }
    }

    fn user_column(&self, _user: u32) -> Option<u64> {
        Some(if self.world.online { FIRST_CHANGE << 1 | 1 } else { 0 })
    }
}

/// App Context with everybody and their first friendships.
pub fn objects(scenario: &Scenario, world: &Arc<Intentions>, seed: u64) -> AppContext {
    let lists = Lists { world: world.clone(), shards: scenario.friends.shards, created: iso8601(0) };
    AppContext::provisioned(seed, Arc::new(lists)).with_column(column).with_member_number(group_of)
}

/// Those of one region who are online from the beginning, with the edge that each is connected to.
fn online_at(world: &Intentions, region: u32, edges: usize) -> impl Iterator<Item = (u32, u32, usize)> {
    let (users, regions) = (world.graph.users(), world.graph.regions());
    let online = world.online;
    let here = (region..users).step_by(regions as usize);
    here.enumerate().filter(move |_| online).map(move |(client, user)| (user, client as u32, client % edges))
}

/// Connects those who are online from the beginning to an edge, the `number`-th of `edges` in its region.
pub fn connect_edge(
    edge: &mut Edge,
    scenario: &Scenario,
    world: &Intentions,
    people: (u32, NodeId),
    (number, edges): (usize, usize),
) {
    let (deployment, variant) = (Deployment::new(scenario.friends.shards), scenario.variant.in_engine());
    edge.reserve(online_at(world, people.0, edges).count().div_ceil(edges));
    for (user, client, _) in online_at(world, people.0, edges).filter(|(_, _, at)| *at == number) {
        let (id, friends) = (user_id(user), world.graph.degree(user) as usize);
        edge.provision(
            people.1,
            client,
            deployment.channels(variant, &id),
            &groups_of(&id, names::groups_for(friends)),
        );
    }
}

/// Tells a broker what its edges want for those who are online from the beginning.
pub fn connect_broker(
    broker: &mut Broker,
    scenario: &Scenario,
    world: &Arc<Intentions>,
    region: u32,
    edges: &[NodeId],
) {
    let (deployment, variant) = (Deployment::new(scenario.friends.shards), scenario.variant.in_engine());
    // Most have a channel of their own.
    broker.reserve(online_at(world, region, edges.len()).count());
    for (user, _, edge) in online_at(world, region, edges.len()) {
        deployment.channels(variant, &user_id(user)).iter().for_each(|channel| broker.provision(edges[edge], channel));
    }
    if world.online {
        edges.iter().for_each(|edge| broker.provision(*edge, &groups::wildcard()));
    }
}

/// The people of a region, and the edges they may connect to (see [`PeopleConfig::edges`]); those who are online from the
/// beginning have tokens of this verifier.
pub fn people(
    scenario: &Scenario,
    world: &Arc<Intentions>,
    region: u32,
    edges: Vec<NodeId>,
    auth: NodeId,
    last_miles: LastMiles,
    (seed, verifier): (u64, Verifier),
) -> People {
    let regions = scenario.topology.regions.len() as u32;
    let rules = grants(scenario);
    let mint = |(user, ..): (u32, u32, usize)| {
        let id = user_id(user).into();
        let grant = rules.grant(&id, Role::User, &SESSION.into()).expect("a user may have a token");
        Arc::new(verifier.sign(grant, 0))
    };
    let edges_per_region = scenario.topology.edges_per_region;
    let tokens = online_at(world, region, edges_per_region as usize).map(mint).collect();
    let config = PeopleConfig {
        variant: scenario.variant.in_engine(),
        region,
        regions,
        deployment: Deployment::new(scenario.friends.shards),
        edges,
        edges_per_region,
        auth,
        presence_timeout_s: scenario.friends.presence_timeout_s,
        reload: scenario.friends.reload,
        reconnect_jitter: scenario.friends.reconnect_jitter,
        settled: scenario.end.saturating_sub(scenario.bounds.converge / 2),
        last_miles,
        dice: CounterHash::new(&mut Stream::new(seed, "friends.dice", u64::from(region))),
    };
    People::new(config, world.plans[region as usize].clone(), world.clone(), tokens)
}
