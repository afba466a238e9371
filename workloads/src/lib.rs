//! Where platform and world meet: populations, scenarios, faults chosen, oracles.
//!
//! | room | idea |
//! |---|---|
//! | [`catalogue`] | the built-in scenarios, a line each |
//! | [`scenario`] | a TOML file that says everything about a run |
//! | [`arrivals`] | when votes begin |
//! | `client` | what every client does, whoever its user is |
//! | [`crowd`] | a region's users: what they intend, do and see |
//! | [`friends`] | people with friends: their crowd, their platform, their properties |
//! | [`station`] | one station and nothing else, and what the textbook says of it |
//! | [`systems`] | every other system of the documents: a file each |
//! | [`graph`] | who is whose friend |
//! | [`auditor`] | who asks the audit log, with the right to and without |
//! | `pattern` | what can run, and all that differs between patterns |
//! | [`cluster`] | the nodes of a run, put together |
//! | [`faults`] | the scenario's faults and swarm as the world's fault plan |
//! | [`wire`] | engine messages and nodes in the world |
//! | [`oracle`] | the properties, each judging by what was sent, received and durably stored |
//! | [`metric`] | what can be asked of a run by name |
//! | [`calibration`] | where service times and latencies are from |
//! | [`certificate`] | why to believe a result |
//! | [`interval`] | confidence intervals of a mean |
//! | [`slo`] | thresholds on metrics, as text, and whether they are met |
//! | [`bill`] | how many of each billable kind a run took, and prices |
//! | [`run`] | one scenario and one seed to one outcome |
//! | [`outcome`] | what a run found, as plain data |
//! | [`findings`] | what the documents' own logic keeps and breaks |
//! | [`plan`] | how much is enough: searches over many runs |

pub mod arrivals;
pub mod auditor;
pub mod bill;
pub mod calibration;
pub mod catalogue;
pub mod certificate;
mod client;
pub mod cluster;
pub mod crowd;
mod fault_names;
pub mod faults;
mod figures;
pub mod findings;
pub mod friends;
pub mod graph;
pub mod interval;
mod latency;
pub mod metric;
pub mod oracle;
pub mod outcome;
mod pattern;
pub mod plan;
pub mod run;
pub mod scenario;
pub mod slo;
pub mod station;
pub mod systems;
pub mod wire;
