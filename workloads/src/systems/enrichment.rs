//! Posts enriched on their way (functions-patterns.md, pattern 2).

use headcount_engine::auth::GrantRules;
use headcount_engine::contract::{MINUTE, MS, Nanos, SECOND};
use headcount_engine::functions::{Function, Needs, Secrets};
use headcount_engine::message::{Call, ChannelList, Envelope};
use headcount_engine::patterns::enrichment::{
    self, BLOCKED_ABOVE, Moderation, Places, Post, Profiles, Published, score_of,
};
use headcount_sim::Stream;
use serde_json::json;

use super::oracle::{Property, Seen};
use super::plan::{Act, moments};
use super::record::Fate;
use super::{Doing, ServiceSpec, System, to_json};
use crate::crowd::plan::user_id;
use crate::scenario::{Scenario, Setting, Variant};

/// Message enrichment.
pub struct Enrichment;

const POST: u8 = 0;
const TOXIC: u8 = 1;
const SPOOFED: u8 = 2;

impl System for Enrichment {
    fn word(&self) -> &'static str {
        "enrichment"
    }

    fn settings(&self) -> &'static [Setting] {
        &[
            Setting { key: "cache_ttl_minutes", default: 60, low: 1, high: 525_600 },
            // Parts in a million of posts that moderation scores above 0.95, that name another author, that say where they are.
            Setting { key: "toxic_ppm", ..Setting::PPM },
            Setting { key: "spoofed_ppm", ..Setting::PPM },
            Setting { key: "located_ppm", default: 300_000, ..Setting::PPM },
        ]
    }

    fn readings(&self) -> &'static [(&'static str, &'static str, &'static str)] {
        enrichment::READINGS
    }

    fn remedy(&self) -> &'static str {
        "Moderation is the one answer that a post cannot do without: no answer, no post, and 503 asks the client to \
         send it again. Fields that only the Function may say are taken from what came in, and the author is whom the \
         platform authenticated. Everything else comes from the cache or its service, or its absence is said in the \
         post."
    }

    fn functions(&self, scenario: &Scenario) -> Vec<Function> {
        enrichment::functions(scenario.variant.in_engine(), scenario.system.get("cache_ttl_minutes") as u32)
    }

    fn needs(&self, scenario: &Scenario) -> Vec<Needs> {
        enrichment::needs(scenario.variant.in_engine())
    }

    fn grants(&self, scenario: &Scenario) -> Box<dyn GrantRules + Send> {
        Box::new(enrichment::rights(scenario.system.token_ttl_minutes))
    }

    fn services(&self, _: &Scenario) -> Vec<ServiceSpec> {
        vec![
            ServiceSpec { name: "profiles", base: enrichment::PROFILES, serves: Box::new(Profiles) },
            ServiceSpec { name: "moderation", base: enrichment::MODERATION, serves: Box::new(Moderation) },
            ServiceSpec { name: "places", base: enrichment::PLACES, serves: Box::new(Places) },
        ]
    }

    fn secrets(&self) -> Secrets {
        enrichment::secrets()
    }

    fn kinds(&self) -> &'static [&'static str] {
        &["post", "toxic_post", "spoofed_post"]
    }

    /// `what` is the score in hundredths, and whether the post says where it is.
    fn plan(&self, scenario: &Scenario, dice: &mut Stream) -> Vec<Act> {
        let ppm = |key| scenario.system.get(key) as u32;
        let moments = moments(scenario, dice);
        let mut act = |(at, user): (Nanos, u32)| {
            let (toxic, spoofed) = (dice.chance(ppm("toxic_ppm")), dice.chance(ppm("spoofed_ppm")));
            let located = u32::from(dice.chance(ppm("located_ppm")));
            let (kind, score) = match (toxic, spoofed) {
                (true, _) => (TOXIC, dice.between(96, 100)),
                (false, true) => (SPOOFED, dice.between(0, 95)),
                (false, false) => (POST, dice.between(0, 95)),
            };
            Act { at, user, kind, what: [score as u32, located] }
        };
        moments.into_iter().map(&mut act).collect()
    }

    fn counts(&self) -> &'static [&'static str] {
        &["posts.blocked", "posts.not_moderated", "posts.under_another_name", "posts.without_author", "profiles.cached"]
    }

    fn channels(&self, _: &Scenario, _: u32) -> ChannelList {
        std::iter::once(enrichment::CHANNEL.into()).collect()
    }

    fn doing(&self, scenario: &Scenario, number: u32, act: &Act) -> Doing {
        let [score, located] = act.what;
        let author = if act.kind == SPOOFED { (act.user + 1) % scenario.system.users.max(2) } else { act.user };
        let post = Post {
            post_id: number,
            user_id: user_id(author),
            content: format!("what I had for lunch {score}"),
            location: (located == 1).then(|| json!({ "lat": act.user % 90, "lon": number % 180 })),
        };
        Doing::Api(Call::Publish { channel: enrichment::CHANNEL.into(), payload: to_json(&post), store: true })
    }

    fn shows(&self, envelope: &Envelope) -> Option<u32> {
        Some(serde_json::from_str::<Published>(&envelope.payload).ok()?.post_id)
    }

    fn properties(&self) -> &'static [Property] {
        &[BLOCKED, DELIVERED, AUTHOR, FRESH]
    }
}

/// Posts that came to somebody: who published them, and what they said.
fn published<'a>(seen: &'a Seen<'_>) -> impl Iterator<Item = (&'a str, Published)> + 'a {
    seen.read().map(|(heard, post)| (&*heard.envelope.publisher, post))
}

const BLOCKED: Property = Property {
    name: "a-toxic-post-is-never-seen",
    promise: "functions-patterns.md 2: block post if high toxicity score",
    says: "no post that moderation scores above 0.95 comes to anybody, whatever fails; who is delivered says its score",
    check: |seen, checks| {
        let (mut checked, mut wrong) = (0, None);
        for (publisher, post) in published(seen) {
            checked += 1;
            let (score, said) = (score_of(&post.content), post.moderation.as_ref().map(|said| &said["score"]));
            if score > BLOCKED_ABOVE {
                wrong.get_or_insert_with(|| {
                    format!("post {} of {publisher}, scored {score}, was delivered", post.post_id)
                });
            } else if said.is_none_or(|said| said.as_f64() != Some(score)) {
                wrong.get_or_insert_with(|| {
                    format!("post {} of {publisher}, scored {score}, was delivered with {said:?}", post.post_id)
                });
            }
        }
        checks.always(checked, wrong);
        if seen.scenario.system.get("toxic_ppm") > 0 {
            checks.sometimes("a-toxic-post-was-refused", seen.ended(TOXIC, Fate::Refused(400)).count() as u64);
        }
        if seen.scenario.swarm.is_some() {
            checks.sometimes("an-outside-service-failed", seen.service_errors());
        }
    },
};

const DELIVERED: Property = Property {
    name: "an-accepted-post-is-seen",
    promise: "functions-patterns.md 2: do not block the post",
    says: "after healing, every harmless post is accepted, whatever service was slow or down, and came to \
           somebody",
    check: |seen, checks| {
        let (posts_seen, missed) = (seen.shown(), seen.queues_ran_over());
        let (mut posts, mut wrong) = (0, None);
        for (number, act, done) in seen.of_kind(POST) {
            posts += 1;
            match done.fate {
                Fate::Accepted if missed || posts_seen.contains(&number) => {}
                Fate::Accepted => {
                    wrong.get_or_insert_with(|| {
                        format!("post {number} of {} was accepted and not seen", user_id(act.user))
                    });
                }
                fate => {
                    wrong.get_or_insert_with(|| format!("post {number} of {} ended {fate:?}", user_id(act.user)));
                }
            }
        }
        checks.eventually(posts, wrong);
        let again = seen.of_kind(POST).filter(|(_, _, done)| done.attempts > 1);
        checks.sometimes("a-post-was-tried-again", again.count() as u64);
    },
};

const AUTHOR: Property = Property {
    name: "a-posts-author-is-who-published-it",
    promise: "functions-patterns.md 2: user profile",
    says: "a post shows its publisher's profile or none",
    check: |seen, checks| {
        let (mut checked, mut wrong) = (0, None);
        for (publisher, post) in published(seen) {
            checked += 1;
            let shown = post.author.as_ref().map_or(publisher, |author| &*author.id);
            if post.user_id != publisher || shown != publisher {
                wrong.get_or_insert_with(|| {
                    format!("post {} of {publisher} says it is {}'s and shows {shown}", post.post_id, post.user_id)
                });
            }
        }
        checks.always(checked, wrong);
        checks.sometimes(
            "a-post-showed-its-author",
            published(seen).filter(|(_, post)| post.author.is_some()).count() as u64,
        );
        if seen.scenario.system.get("spoofed_ppm") > 0 {
            checks.sometimes("somebody-posted-as-another", seen.answered(SPOOFED).count() as u64);
        }
    },
};

/// Beyond the profile's life: what lies between reading the cache and the screen, and clocks of stores, services and workers
/// that disagree.
const LATE: Nanos = 15 * SECOND;

const FRESH: Property = Property {
    name: "a-profile-is-no-older-than-its-cache",
    promise: "functions-patterns.md 2: 1 hour cache",
    says: "no post shows a profile older than the cache's life, from its service to the post's publishing",
    check: |seen, checks| {
        let life = seen.scenario.system.get("cache_ttl_minutes") * MINUTE;
        let (mut checked, mut wrong, mut cached) = (0, None, 0);
        for (heard, post) in seen.read::<Published>() {
            let Some(author) = post.author else { continue };
            checked += 1;
            let age = heard.envelope.timetoken.nanos().saturating_sub(author.follower_count * SECOND);
            cached += u64::from(age > 2 * SECOND);
            if age > life + LATE {
                wrong.get_or_insert_with(|| {
                    format!("post {} shows a profile of {} ms before it was published", post.post_id, age / MS)
                });
            }
        }
        checks.always(checked, wrong);
        if seen.scenario.variant == Variant::Hardened && seen.scenario.system.acts > seen.scenario.system.users {
            checks.sometimes("a-profile-came-from-the-cache", cached);
        }
    },
};
