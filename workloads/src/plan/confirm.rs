//! The answer tried on everybody, to the last vote: what grows with people and not with rates shows there alone. Where the
//! window kept the promise and everybody does not, what is full is enlarged and everybody comes again.

use super::knob::{Config, Knob};
use super::lab::Trouble;
use super::sample::Resource;
use super::search::{FEW, FULL, Infeasible, Question, Search, Tried, knob_of, missed};

/// How often a configuration is enlarged before the plan gives up: 1.5^4 is five times what the window asked for, and a run of
/// everybody is the dearest that a plan makes.
const ENLARGED_MAX: usize = 4;

impl Search<'_> {
    /// The configuration itself, or the next larger one that keeps the promise with everybody, and how it did; else why
    /// there is none.
    pub fn confirm(&mut self, config: &Config) -> Result<Result<(Config, Tried), Infeasible>, Trouble> {
        let mut config = config.clone();
        for enlarged in 0.. {
            let tried = self.try_whole(&config, FEW)?;
            if tried.meets {
                return Ok(Ok((config, tried)));
            }
            let larger = larger(&config, &tried);
            if enlarged == ENLARGED_MAX || larger == config {
                return Ok(Err(not_for_everybody(self.question, &config, &tried, enlarged)));
            }
            config = larger;
        }
        unreachable!("the loop ends by its bound")
    }
}

/// Half as much again of what is full in its busiest second; if nothing is, of the fullest that can be enlarged. Executions
/// at once too, where some had to wait.
fn larger(config: &Config, tried: &Tried) -> Config {
    let queued = tried.queued();
    let busiest = |knob: Knob| tried.most_of(knob, Resource::busiest);
    let full = |knob: Knob| busiest(knob) > FULL || knob == Knob::Concurrency && queued;
    let more = |config: &Config, knob: Knob, value: u32| config.with(knob, value + value.div_ceil(2));
    let enlarged = config.0.iter().filter(|(knob, _)| full(*knob));
    let enlarged = enlarged.fold(config.clone(), |config, (knob, value)| more(&config, *knob, *value));
    if enlarged != *config {
        return enlarged;
    }
    let fullest = config.0.iter().max_by(|one, other| busiest(one.0).total_cmp(&busiest(other.0)));
    fullest.map_or_else(|| config.clone(), |(knob, value)| more(config, *knob, *value))
}

fn not_for_everybody(question: &Question<'_>, config: &Config, tried: &Tried, enlarged: usize) -> Infeasible {
    let fullest = tried.resources.iter().max_by(|one, other| one.busiest().total_cmp(&other.busiest()));
    let times = match enlarged {
        0 => "and there is nothing to enlarge".to_string(),
        1 => "after it was enlarged once".to_string(),
        times => format!("after it was enlarged {times} times"),
    };
    let broken = if question.faults.is_empty() { "" } else { ", under the faults of --fault-plan" };
    let to_the = if question.scenario.has_votes() { ", to the last vote" } else { "" };
    let everybody = format!("all {} people{to_the}{broken} miss {}, {times}", tried.demand.users, missed(tried));
    let Some(fullest) = fullest else {
        let change = "raise the threshold, or bring fewer people at a time".into();
        return Infeasible { station: None, why: format!("the window keeps the SLO, but {everybody}"), change };
    };
    let (share, kind) = (fullest.busiest(), &fullest.kind);
    let with = config.0.iter().find(|(knob, _)| knob_of(*knob, kind));
    let with = with.map_or_else(String::new, |(knob, value)| format!(" with {}", knob.says(*value)));
    Infeasible {
        station: Some(fullest.name.clone()),
        why: format!(
            "{} forbids it: the window keeps the SLO, but {everybody}; it is {:.0} % full in its busiest second{with}",
            fullest.name,
            share * 100.0
        ),
        change: format!(
            "let people log in over a longer time (crowd.join), bring fewer of them or fewer votes a second, make one {kind} \
             carry more, or raise the threshold"
        ),
    }
}

#[cfg(test)]
#[path = "confirm_tests.rs"]
mod tests;
