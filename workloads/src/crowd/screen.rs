//! What is shown: tallies, states, results. A screen never goes back: a tally with a smaller number is not shown.

use std::borrow::Cow;
use std::sync::Arc;

use headcount_engine::contract::{Nanos, Outbox};
use headcount_engine::message::Envelope;
use headcount_engine::patterns::voting::message::{Ack, Announcement, Header};
use headcount_engine::timetoken::{Timetoken, parse_iso8601};

use super::plan::user_of;
use super::record::{Broadcast, NONE};
use super::{Crowd, plan};
use crate::client::{AWAY, LEGS, RETRANSMIT, WIFI};
use crate::latency::Buckets;

/// Who publishes on channels that clients cannot write.
const FUNCTIONS: &str = "functions";

impl Crowd {
    /// A message for everybody who is connected to this edge.
    pub(super) fn show_all(
        &mut self,
        now: Nanos,
        edge: usize,
        envelope: &Arc<Envelope>,
        cursor: Timetoken,
        out: &mut Outbox,
    ) {
        let connected = u64::from(self.edges[edge].connected);
        self.count_deliveries(now, connected);
        let Some(kind) = self.genuine(envelope) else { return };
        match &*kind {
            "vote.tally" => {
                let Some(index) = self.note_tally(now, envelope) else { return };
                self.herald(edge, 1, cursor);
                self.walk_tally(now, edge as u8, index);
            }
            "vote.ack" => {
                let Ok(ack) = serde_json::from_str::<Ack<'_>>(&envelope.payload) else { return };
                if let Some(client) = self.addressee(&ack)
                    && self.conn[client as usize] & AWAY == edge as u8
                {
                    self.acknowledged(now, client, &ack, out);
                }
                // Cursors move with the next tally or control message; until then a catch-up repeats acks, which is harmless.
            }
            kind => {
                let status = self.note_control(now, kind, envelope);
                self.herald(edge, status, cursor);
            }
        }
    }

    /// Everybody who is connected to this edge now knows at least this status, and has this cursor.
    fn herald(&mut self, edge: usize, status: u8, cursor: Timetoken) {
        let view = &mut self.edges[edge];
        view.heralds += 1;
        view.announced[status as usize] = view.heralds;
        view.cursor = view.cursor.max(cursor);
    }

    /// A message for one user: its own, or one of a catch-up.
    pub(super) fn show_one(&mut self, now: Nanos, client: u32, envelope: &Arc<Envelope>, out: &mut Outbox) {
        let Some(kind) = self.genuine(envelope) else { return };
        match &*kind {
            "vote.tally" => {
                if self.note_tally(now, envelope).is_some() {
                    self.advance(client, 1);
                }
            }
            "vote.ack" => {
                let Ok(ack) = serde_json::from_str::<Ack<'_>>(&envelope.payload) else { return };
                if self.addressee(&ack) == Some(client) {
                    self.acknowledged(now, client, &ack, out);
                } else if *envelope.channel != *self.results {
                    self.record.foreign_acks.note(|| format!("client {client} got {}", envelope.payload));
                }
            }
            kind => {
                let status = self.note_control(now, kind, envelope);
                self.advance(client, status);
            }
        }
    }

    /// Whether a message out of a user's queue is anything to it: what is said to all, or its own acknowledgement. In a flood
    /// the same message stands in the queues of thousands, and is read once for all of them.
    pub(super) fn is_for(&mut self, client: u32, envelope: &Arc<Envelope>) -> bool {
        if *envelope.channel != *self.results {
            return true;
        }
        let key = (envelope.timetoken, envelope.region);
        let known = self.addressees.get(&key).copied();
        let to = known.unwrap_or_else(|| {
            let is_ack = kind_of(&envelope.payload).is_some_and(|kind| kind == "vote.ack");
            let ack = is_ack.then(|| serde_json::from_str::<Ack<'_>>(&envelope.payload).ok()).flatten();
            // Acknowledgements of other regions' users, and of nobody, are nobody's here.
            let to = ack.map_or(NONE, |ack| self.addressee(&ack).unwrap_or(u32::MAX - 1));
            if self.addressees.len() >= 4_096 {
                self.addressees.clear();
            }
            self.addressees.insert(key, to);
            to
        });
        to == NONE || to == client
    }

    /// The message's type, if the platform says that it comes from one who may send it.
    fn genuine<'e>(&mut self, envelope: &'e Envelope) -> Option<Cow<'e, str>> {
        let right = if *envelope.channel == *self.control { &self.config.host_id } else { FUNCTIONS };
        if *envelope.publisher != *right {
            let Envelope { publisher, channel, payload, .. } = envelope;
            self.record.forged.note(|| format!("{publisher} published on {channel}: {payload}"));
            return None;
        }
        kind_of(&envelope.payload)
    }

    /// Whose acknowledgement it is, if it is somebody of this crowd.
    fn addressee(&self, ack: &Ack<'_>) -> Option<u32> {
        let user = user_of(ack.payload.user_id.as_deref()?)?;
        let (region, client) = plan::place_of(user, self.config.regions);
        (region == self.config.region && (client as usize) < self.users.len()).then_some(client)
    }

    /// Notes a tally; returns its index in the record.
    fn note_tally(&mut self, now: Nanos, envelope: &Arc<Envelope>) -> Option<usize> {
        let tally: Announcement = serde_json::from_str(&envelope.payload).ok()?;
        // evt_{sessionId}_tally_{number}
        let number: u64 = tally.event_id.rsplit_once('_')?.1.parse().ok()?;
        let known = self.record.broadcasts.iter().rposition(|known| known.number == number);
        if known.is_some() {
            return known;
        }
        let counts = tally.payload.get("tally")?.as_object()?;
        let count = |id: &String| counts.get(id).and_then(serde_json::Value::as_u64).unwrap_or(0);
        let counts: Vec<u64> = self.config.option_ids.iter().map(count).collect();
        let total = tally.payload.get("total")?.as_u64()?;
        let read_at = parse_iso8601(&tally.ts)?;
        // The neighbours in the order of numbers: a newer tally with fewer votes would make a screen go back.
        let broadcast = Broadcast { number, counts, total, read_at, arrived: now };
        for known in &self.record.broadcasts {
            let (older, newer) = if known.number < number { (known, &broadcast) } else { (&broadcast, known) };
            if older.total > newer.total {
                let text =
                    format!("tally {} shows {}, tally {} {}", older.number, older.total, newer.number, newer.total);
                self.record.tally_went_down.note(|| text);
            }
        }
        self.record.broadcasts.push(broadcast);
        Some(self.record.broadcasts.len() - 1)
    }

    /// Notes a control message; returns the status it announces.
    fn note_control(&mut self, now: Nanos, kind: &str, envelope: &Arc<Envelope>) -> u8 {
        if !self.record.control.contains_key(kind) {
            self.record.control.insert(kind.to_owned(), (now, envelope.payload.to_string()));
        }
        if kind == "vote.revealed"
            && let Ok(message) = serde_json::from_str::<Announcement>(&envelope.payload)
        {
            let count = |id: &String| message.payload["results"][id]["count"].as_u64().unwrap_or(0);
            let counts: Vec<u64> = self.config.option_ids.iter().map(count).collect();
            self.note_results(counts);
        }
        match kind {
            "vote.opened" => 1,
            "vote.closed" => 2,
            "vote.revealed" => 3,
            _ => 0,
        }
    }

    /// Notes results that somebody saw, if they are other than those seen before.
    pub(super) fn note_results(&mut self, counts: Vec<u64>) {
        if !self.record.revealed.contains(&counts) {
            self.record.revealed.push(counts);
        }
    }

    /// The user knows at least this status now.
    pub(super) fn advance(&mut self, client: u32, status: u8) {
        let user = &mut self.users[client as usize];
        user.status = user.status.max(status);
    }

    /// Every connected user of the edge gets the tally: the hot loop, up to 500,000 rows a second of the run.
    fn walk_tally(&mut self, now: Nanos, edge: u8, index: usize) {
        let number = self.record.broadcasts[index].number;
        let on_the_way = now.saturating_sub(self.record.broadcasts[index].read_at);
        let salt = self.config.dice.hash(u64::MAX, number);
        let buckets = self.record.results_latency.second(now);
        if self.edges[edge as usize].connected < MANY {
            for (client, conn) in self.conn.iter().enumerate().filter(|(_, conn)| **conn & AWAY == edge) {
                let down = self.config.last_miles.draw(conn & WIFI != 0, mix(salt ^ client as u64));
                buckets.record((on_the_way + down) / 1_000);
            }
            return;
        }
        let mut legs = Legs::new();
        legs.walk(&self.conn, edge, salt);
        legs.record(self.config.last_miles.legs_ns(), on_the_way, buckets);
    }
}

/// Below this many users each latency is looked at.
const MANY: u32 = 20_000;

/// Last miles of one broadcast. For a large crowd it is cheaper to count how often each of 4,096 equally likely
/// latencies was drawn than to look at each: the buckets they end in are known to 0.8 %, and so are these.
struct Legs {
    /// Of users over cellular, over wifi, and of those who are not connected to this edge: to count these too is cheaper
    /// than to ask. (No cell of a draw among 4,096 comes near 65,535: that would take a hundred million users.)
    counts: Box<[[u16; LEGS]; 3]>,
}

impl Legs {
    fn new() -> Self {
        Self { counts: Box::new([[0; LEGS]; 3]) }
    }

    /// Counts a leg for each user whose byte says that it is connected to this edge. One draw's 64 bits are enough for four
    /// users, 16 each, of which the upper 12 say which leg.
    #[inline(never)]
    fn walk(&mut self, conn: &[u8], edge: u8, salt: u64) {
        for (four, conns) in conn.chunks(4).enumerate() {
            let mut bits = mix(salt ^ four as u64);
            for conn in conns {
                let class = if conn & AWAY == edge { usize::from(conn & WIFI != 0) } else { 2 };
                let leg = &mut self.counts[class][(bits >> 52) as usize];
                *leg = leg.wrapping_add(1);
                bits <<= 16;
            }
        }
    }

    fn record(&self, legs_ns: &[Vec<Nanos>; 2], on_the_way: Nanos, buckets: &mut Buckets) {
        for (of_kind, counts) in legs_ns.iter().zip(self.counts.iter()) {
            for (leg, (down, &count)) in of_kind.iter().zip(counts).enumerate().filter(|(_, (_, count))| **count > 0) {
                // 1 in 1,024 takes a retransmission longer, spread over the legs.
                let count = u32::from(count);
                let late = (count + leg as u32 % 1_024) / 1_024;
                buckets.record_many((on_the_way + down) / 1_000, count - late);
                if late > 0 {
                    buckets.record_many((on_the_way + down + RETRANSMIT) / 1_000, late);
                }
            }
        }
    }
}

/// A message's type. Nearly all messages begin with it: those need not be read to their end to learn it.
fn kind_of(payload: &str) -> Option<Cow<'_, str>> {
    let first = payload.strip_prefix(r#"{"type":""#).and_then(|rest| rest.split_once('"')).map(|(kind, _)| kind);
    match first {
        Some(kind) if !kind.contains('\\') => Some(Cow::Borrowed(kind)),
        _ => serde_json::from_str::<Header<'_>>(payload).ok().map(|header| header.kind),
    }
}

/// The finaliser of splitmix64.
#[inline]
fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}
