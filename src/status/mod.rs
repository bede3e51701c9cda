//! The words engine and console share: snapshot, event, command, finding, stage.
//!
//! Plain data with public fields, all of it JSON at any time. Neither side knows the other: they meet here, so the
//! same console drives an engine in this process, behind a socket, or in the simulator.
//! [`Snapshot`] is what `vipdeck status --json` prints.

mod action;
mod alarm;
mod audit;
mod change;
mod checks;
mod clock;
mod command;
mod config;
mod election;
mod event;
mod intent;
mod reason;
mod setting;
mod skew;
mod snapshot;
mod stage;
mod wire;

pub use crate::health::{Found, Record, Weight as CheckWeight};
pub use action::{Action, ActionState, AtExpiry, DemoteMode, Lock};
pub use alarm::{Acknowledged, Alarm, AlarmKind};
pub use audit::{AuditEntry, AuditList, AuditResult};
pub use change::{Change, Misplaced};
pub use checks::{CheckList, CheckStatus, RealChecks, Runs};
pub use clock::ClockOffset;
pub use command::{Actor, Ask, Command, Reply};
pub use config::{ConfigFile, ConfigReport, ConfigSummary, ConfigText, DiskLook, DiskState, Gravity, Place, Problem};
pub use election::Election;
pub use event::{Event, Severity, Subject};
pub use intent::{Asked, AtDeadline, IntentView, Intents, Order, Rising, Slot};
pub use reason::{Reason, Reasons, Takeover};
pub use setting::{Setting, SettingFrom};
pub use skew::{API, Skew, Word, skew};
pub use snapshot::{
    Admin, Bfd, BfdSession, BfdState, CheckResult, Counters, Dataplane, DataplaneKind, Drain, Finding, FirewallStatus,
    Health, Heard, Hold, HoldKind, Instance, Kept, KeptKind, LinkState, Node, PacketErrors, Presence, Quorum,
    RATE_SAMPLES, Real, Role, SCHEMA, Script, Service, ServiceGroup, Snapshot, Sorry, Term, Track, TrackedFile,
    TrackedProcess, Transition, Verdict, Vip, VirtualLinkStatus,
};
pub use stage::{ClientView, Mode, ServerState, Stage, StageAction, StageClock, StageNode, StageServer};
pub use wire::{AuthSeen, Neighbour, Standing, Wire, WireLink};
