//! What `verify` found, for people and as JSON. Pure.

use super::judge::{Finding, judge};
use super::{Answer, Facts, Target};
use crate::net::Mac;
use crate::real_server::vip::Method;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::net::IpAddr;

#[derive(Debug, Serialize)]
pub(in crate::real_server) struct Report {
    /// Nothing is wrong; hints may be there.
    good: bool,
    real_servers: Vec<Row>,
    /// What was not tried, and why.
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Row {
    service: String,
    vip: IpAddr,
    real: IpAddr,
    method: Method,
    link: Option<String>,
    mac: Option<Mac>,
    gateway: Option<IpAddr>,
    echo: bool,
    port: Option<Answer>,
    good: bool,
    findings: Vec<Finding>,
}

impl Report {
    pub(in crate::real_server) fn new(seen: &[(Target, Facts)], notes: Vec<String>) -> Self {
        let known = seen.iter().filter(|(_, facts)| facts.gateway.is_none());
        let reals: BTreeMap<_, _> = known.filter_map(|(target, facts)| Some((facts.mac?, target.real))).collect();
        let real_servers: Vec<_> = seen.iter().map(|(target, facts)| Row::new(target, facts, &reals)).collect();
        Self { good: real_servers.iter().all(|row| row.good), real_servers, notes }
    }

    pub(in crate::real_server) const fn is_good(&self) -> bool {
        self.good
    }

    pub(in crate::real_server) fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        for row in &self.real_servers {
            row.write(&mut text)?;
        }
        for note in &self.notes {
            writeln!(text, "note: {note}")?;
        }
        let (good, all) = (self.real_servers.iter().filter(|row| row.good).count(), self.real_servers.len());
        writeln!(text, "{good} of {all} as they should be")?;
        Ok(text)
    }
}

impl Row {
    fn new(target: &Target, facts: &Facts, reals: &BTreeMap<Mac, IpAddr>) -> Self {
        let findings = judge(target, facts, reals);
        Self {
            service: target.port.map_or_else(
                || target.vip.to_string(),
                |_| {
                    let whole = target.to_string();
                    whole.split(" at ").next().unwrap_or_default().to_owned()
                },
            ),
            vip: target.vip,
            real: target.real,
            method: target.method,
            link: facts.link.clone(),
            mac: facts.mac,
            gateway: facts.gateway,
            echo: facts.echo,
            port: target.port.map(|_| facts.answer),
            good: findings.iter().all(|finding| !finding.is_wrong),
            findings,
        }
    }

    fn write(&self, text: &mut String) -> fmt::Result {
        let method = if self.method == Method::Direct { "DR" } else { "TUN" };
        write!(text, "{} at {} ({method}", self.service, self.real)?;
        if let Some(link) = &self.link {
            write!(text, " over {link}")?;
        }
        if let Some(mac) = self.mac {
            write!(text, ", {mac}")?;
        }
        text.push_str("): ");
        if self.findings.iter().any(|finding| finding.id == "is-here") {
            text.push_str("not asked\n");
        } else if self.good {
            text.push_str(match self.port {
                Some(Answer::Open) => "good: it answers, and tells nobody that it has the VIP\n",
                _ => "good: it has the VIP, and tells nobody\n",
            });
        } else {
            text.push_str("wrong\n");
        }
        for finding in &self.findings {
            let kind = if finding.is_wrong { "wrong" } else { "hint" };
            writeln!(text, "  {kind}[{}]: {}\n    repair: {}", finding.id, finding.what, finding.repair)?;
        }
        Ok(())
    }
}
