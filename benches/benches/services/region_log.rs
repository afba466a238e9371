//! A region's log: what each message costs, and what each client that comes back.

use std::sync::Arc;

use criterion::Criterion;
use headcount_engine::broker::{CatchUp, RegionLog};
use headcount_engine::contract::{MINUTE, Nanos};
use headcount_engine::message::{Channel, Envelope, Kind};
use headcount_engine::patterns::voting::shard;
use headcount_engine::timetoken::Timetoken;

use super::stepped::voters::{SESSION, Voter, Voters};
use super::stepped::{BATCH, HELD, LATER, LIMITS, PACE, measure};

/// Edges of the region, each with its share of the voters.
const EDGES: usize = 4;
/// Clients that come back, and how many messages each has missed.
const CATCH_UPS: usize = 1_000;
const BEHIND: usize = 50;

/// Appends as the broker does. Returns to how many edges it all goes.
fn append(log: &mut RegionLog, envelopes: &[Arc<Envelope>]) -> u32 {
    let mut pushes = 0;
    for envelope in envelopes {
        log.sweep(envelope.timetoken);
        pushes += log.append(envelope).1.count_ones();
    }
    pushes
}

/// What a connection with these channels has not seen since `cursor`.
fn catch_up(log: &mut RegionLog, channels: &[Channel], cursor: Timetoken) -> CatchUp {
    log.catch_up(channels, &[], cursor, Timetoken::at(LATER))
}

/// Acknowledgements, each on its voter's own channel; then tallies among them.
pub fn region_log(criterion: &mut Criterion, voters: &Voters) {
    let mut group = criterion.benchmark_group("region log, 100000 messages");
    let channel = |voter: &Voter| -> Channel { shard::private_results_channel(SESSION, &voter.user).into() };
    let envelope = |(n, channel): (usize, Channel)| {
        let (timetoken, payload) = (Timetoken::at(n as u64 * PACE), voters.all[n].decision.clone());
        Arc::new(Envelope {
            channel,
            timetoken,
            region: 0,
            publisher: "functions".into(),
            payload,
            store: false,
            kind: Kind::Message,
        })
    };
    // Every voter's acknowledgement on its own channel.
    let own: Vec<Channel> = voters.all.iter().map(channel).collect();
    let acks: Vec<_> = own.iter().cloned().enumerate().map(envelope).collect();
    let listening = || {
        let queue = LIMITS.queue_messages.value.expect("the profile has a queue") as usize;
        let mut log = RegionLog::new(queue, Nanos::from(LIMITS.catch_up_minutes.value) * MINUTE);
        own.iter().enumerate().for_each(|(n, channel)| log.listen(channel, 1 << (n % EDGES)));
        log
    };
    measure(
        &mut group,
        "append, heard by one edge",
        BATCH,
        || {
            let mut log = listening();
            assert_eq!(append(&mut log, &acks[..HELD]), HELD as u32);
            log
        },
        |mut log| (append(&mut log, &acks[HELD..]), log),
        |(pushes, mut log)| {
            assert_eq!(pushes, BATCH as u32);
            let last = catch_up(&mut log, &own[HELD + BATCH - 1..], Timetoken(1));
            assert_eq!(last.messages, acks[HELD + BATCH - 1..]);
        },
    );

    // After each 1,000 acknowledgements a tally that all hear. Who has missed the last 50 had the own one long before.
    let (control, results): (Channel, Channel) =
        (shard::control_channel(SESSION).into(), shard::results_channel(SESSION).into());
    let mut log = listening();
    [&control, &results].into_iter().for_each(|channel| log.listen(channel, (1 << EDGES) - 1));
    let mut cursors = Vec::new();
    for (n, acks) in acks[..HELD].chunks(1_000).enumerate() {
        append(&mut log, acks);
        cursors.push(log.append(&envelope((1_000 * n + 999, results.clone()))).0);
    }
    let cursor = cursors[cursors.len() - 1 - BEHIND];
    let waiting: Vec<[Channel; 3]> =
        (0..CATCH_UPS).map(|n| [control.clone(), own[n * 47].clone(), results.clone()]).collect();
    measure(
        &mut group,
        "catch up, 50 messages behind",
        CATCH_UPS,
        || (),
        |()| {
            let caught = waiting.iter().map(|channels| catch_up(&mut log, channels, cursor));
            caught.fold((0, 0), |(messages, missed), caught| {
                assert_eq!(Some(&caught.cursor), cursors.last());
                (messages + caught.messages.len(), missed + caught.missed)
            })
        },
        |caught| assert_eq!(caught, (CATCH_UPS * BEHIND, 0)),
    );
    group.finish();
}
