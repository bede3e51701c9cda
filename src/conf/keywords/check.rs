//! The checkers.

use super::Takes::{Ip, Seconds, Whole};
use super::server::{LONG, Real, Times};
use super::{Keyword, key, noted, old, refused, warned};
use crate::conf::lower::{Cx, walk};
use crate::conf::source::Spanned;
use crate::conf::tree::{Body, Statement};
use std::net::IpAddr;

#[derive(Default)]
pub(in crate::conf) struct Tcp {
    pub times: Times,
    pub address: Option<Spanned<IpAddr>>,
    pub port: Option<u16>,
}

pub(super) fn tcp(cx: &mut Cx<'_>, real: &mut Real, statement: &Statement, body: &Body) {
    cx.no_more_words(statement, 1);
    let mut draft = Tcp::default();
    walk(cx, "TCP_CHECK", TCP, &mut draft, &body.statements);
    real.checks.push(draft);
}

const FAILURES: &str = "vipdeck's event list has every change of a check";

pub(in crate::conf) const TCP: &[Keyword<Tcp>] = &[
    key(
        "connect_timeout",
        "the real server's",
        "How long it waits for its connection",
        Seconds { min: 1, max: 4_294_967_295, set: |d, v| d.times.connect_timeout = Some(v.value) },
    ),
    key("connect_ip", "the real server", "Connect here instead", Ip(|d, v| d.address = Some(v))),
    key(
        "connect_port",
        "the real server's",
        "Connect to this port instead",
        Whole { min: 1, max: 65535, unit: "", bare: None, set: |d, v| d.port = u16::try_from(v.value).ok() },
    ),
    key(
        "retry",
        "1",
        "Tries after a failure",
        Whole {
            min: 0,
            max: i32::MAX as i64,
            unit: "",
            bare: None,
            set: |d, v| d.times.retry = u32::try_from(v.value).ok(),
        },
    ),
    key(
        "delay_before_retry",
        "1",
        "The pause before such a try",
        Seconds { min: 0, max: LONG, set: |d, v| d.times.delay_before_retry = Some(v.value) },
    ),
    old(
        "nb_get_retry",
        "retry",
        "1",
        "Tries after a failure",
        Whole {
            min: 0,
            max: i32::MAX as i64,
            unit: "",
            bare: None,
            set: |d, v| d.times.retry = u32::try_from(v.value).ok(),
        },
    ),
    key(
        "delay_loop",
        "the real server's",
        "From the end of a check to the next",
        Seconds { min: 1, max: LONG, set: |d, v| d.times.delay_loop = Some(v.value) },
    ),
    key(
        "warmup",
        "delay_loop",
        "The first check starts at a random point within this",
        Seconds { min: 0, max: LONG, set: |d, v| d.times.warmup = Some(v.value) },
    ),
    refused("bindto", "ADDRESS", "Connect from this address"),
    refused("bind_port", "PORT", "Connect from this port"),
    refused("bind_if", "INTERFACE", "Connect through this link"),
    refused("fwmark", "NUMBER", "The mark of its packets"),
    refused("alpha", "[on|off]", "Failed until it succeeds"),
    warned("log_all_failures", "[on|off]", "Log every failure", FAILURES),
    noted("smtp_alert", "[on|off]", "Mail about it"),
];
