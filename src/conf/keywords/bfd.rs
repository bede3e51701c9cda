//! `bfd_instance`.

use super::Takes::{Ip, Millis, Noted, Nothing, Switch, Weight, Whole};
use super::{Keyword, key, root};
use crate::conf::diagnostic::{Diagnostic, Severity};
use crate::conf::lower::{Cx, Failed, walk};
use crate::conf::source::{Span, Spanned};
use crate::conf::tree::{Body, Statement};
use crate::time::Duration;
use std::net::IpAddr;

/// As keepalived has it.
const LONGEST_NAME: usize = 31;
/// 2³² − 1 µs, in whole milliseconds.
const LONGEST: u64 = 4_294_967_000;

pub(in crate::conf) struct Draft {
    pub name: Spanned<String>,
    pub neighbor: Option<Spanned<IpAddr>>,
    pub source: Option<Spanned<IpAddr>>,
    pub min_rx: Duration,
    pub min_tx: Duration,
    pub idle_tx: Duration,
    pub multiplier: u8,
    pub passive: bool,
    pub hop_limit: Option<u8>,
    /// None: not written.
    pub max_hops: Option<i64>,
    pub multihop: bool,
    pub weight: (i32, bool),
    /// Keywords that were written and refused.
    pub failed: Failed,
}

pub(super) fn lower(cx: &mut Cx<'_>, root: &mut root::Draft, statement: &Statement, body: &Body) {
    let Some(name) = cx.name(statement) else { return };
    if name.value.len() > LONGEST_NAME {
        let message = format!("the name of this bfd_instance is longer than {LONGEST_NAME} characters");
        cx.report(Diagnostic::error("long-name", message).at(name.span, "keepalived ignores the whole block"));
    }
    if let Some(first) = root.bfds.iter().find(|b| b.name.value == name.value) {
        let message = format!("a second bfd_instance named `{}`", name.value);
        cx.report(
            Diagnostic::error("duplicate-bfd", message)
                .at(name.span, "defined again")
                .at(first.name.span, "first defined here")
                .help("give it another name, or remove one of them"),
        );
        return;
    }
    let mut draft = Draft {
        name,
        neighbor: None,
        source: None,
        min_rx: Duration::from_millis(10),
        min_tx: Duration::from_millis(10),
        idle_tx: Duration::from_secs(1),
        multiplier: 5,
        passive: false,
        hop_limit: None,
        max_hops: None,
        multihop: false,
        weight: (0, false),
        failed: Failed::new(),
    };
    draft.failed = walk(cx, "bfd_instance", TABLE, &mut draft, &body.statements);
    root.bfds.push(draft);
}

const ONE_ENGINE: &str = "one engine hears of the session, for VRRP and for checks";

fn hops(draft: &mut Draft, hops: Spanned<i64>) {
    draft.hop_limit = u8::try_from(hops.value).ok();
}

pub(in crate::conf) const TABLE: &[Keyword<Draft>] = &[
    key("neighbor_ip", "required", "The other end of the session", Ip(|d, v| d.neighbor = Some(v))),
    key("neighbour_ip", "required", "The same as neighbor_ip", Ip(|d, v| d.neighbor = Some(v))),
    key("source_ip", "as the kernel routes", "The address packets leave from", Ip(|d, v| d.source = Some(v))),
    key(
        "min_rx",
        "10",
        "The neighbour is asked for no more than a packet in this time",
        Millis { min: 1000, max: LONGEST, set: |d, v| d.min_rx = v.value },
    ),
    key(
        "min_tx",
        "10",
        "From one packet to the next while the session is up, or longer if the neighbour asks for it",
        Millis { min: 1000, max: LONGEST, set: |d, v| d.min_tx = v.value },
    ),
    key(
        "idle_tx",
        "1000",
        "From one packet to the next while the session is not up",
        Millis { min: 1_000_000, max: LONGEST, set: |d, v| d.idle_tx = v.value },
    ),
    key(
        "multiplier",
        "5",
        "After so many of our packets missed the neighbour takes the session for down",
        Whole { min: 1, max: 255, unit: "", bare: None, set: |d, v| d.multiplier = v.value as u8 },
    ),
    key("passive", "", "Send nothing before the neighbour is heard", Nothing(|d, _| d.passive = true)),
    key(
        "ttl",
        "255",
        "TTL of packets; those of the neighbour must have as much, less max_hops",
        Whole { min: 1, max: 255, unit: "", bare: None, set: hops },
    ),
    key(
        "hoplimit",
        "255",
        "The same over IPv6; without it 64 are enough in packets of the neighbour, as keepalived sends",
        Whole { min: 1, max: 255, unit: "", bare: None, set: hops },
    ),
    key(
        "max_hops",
        "0; any with multihop",
        "Routers that packets of the neighbour may have crossed; -1 or 255: any number",
        Whole { min: -1, max: 255, unit: "", bare: None, set: |d, v| d.max_hops = Some(v.value) },
    ),
    key(
        "multihop",
        "off",
        "The session may cross routers (RFC 5883): UDP port 4784 instead of 3784",
        Switch(|d, v| d.multihop = v.value),
    ),
    key(
        "weight",
        "0",
        "For track_bfd. 0: down is a fault. Positive: added while up. Negative: added while down",
        Weight(|d, v| d.weight = v.value),
    ),
    Keyword {
        name: "vrrp",
        default: "",
        help: "Only VRRP hears of the session",
        instead: None,
        takes: Noted { argument: "", severity: Severity::Note, why: ONE_ENGINE },
    },
    Keyword {
        name: "checker",
        default: "",
        help: "Only checks hear of the session",
        instead: None,
        takes: Noted { argument: "", severity: Severity::Note, why: ONE_ENGINE },
    },
];

impl Draft {
    /// Where the block is named.
    pub(in crate::conf) const fn span(&self) -> Span {
        self.name.span
    }
}
