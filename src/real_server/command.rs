//! The command line's verbs.

use super::host::Host;
use super::permanent::{self, Files};
use super::plan::{self, Step};
use super::show;
use super::verify::{self, Asked, Target};
use super::vip::{Method, Vips, vips};
use super::{file, written};
use crate::cli::{RealServerAction, RealServerPermanent, RealServerVerify, RealServerVips};
use crate::net::IpNet;
use crate::settings::Settings;
use anyhow::Context;
use std::collections::BTreeSet;
use std::io::Write;
use std::net::IpAddr;

/// Carries out the action in this thread's network namespace and reports each step to `out`. The exit status is 0, or 1
/// if something is not as it should be.
pub fn run(action: &RealServerAction, _settings: &Settings, out: &mut dyn Write) -> anyhow::Result<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
    runtime.block_on(perform(action, out))
}

async fn perform(action: &RealServerAction, out: &mut dyn Write) -> anyhow::Result<u8> {
    match action {
        RealServerAction::Up(args) => {
            let mut notes = Vec::new();
            let vips = named(&args.vips, true, &mut notes).await?;
            up(&vips, args.dry_run, notes, out).await
        }
        RealServerAction::Down(args) => {
            // Bad arguments are told before anything is looked at.
            let named = vips(&args.vips, Method::Direct)?.into_keys().collect();
            down(&named, args.dry_run, out).await
        }
        RealServerAction::Status(args) => {
            let mut notes = Vec::new();
            let vips = named(&args.vips, false, &mut notes).await?;
            let host = Host::open()?;
            let report = show::Report::new(&vips, &host.observe().await?, host.recall()?, notes);
            let text = if args.json { serde_json::to_string_pretty(&report)? + "\n" } else { report.table()? };
            out.write_all(text.as_bytes()).context("print the report")?;
            Ok(u8::from(!report.is_complete()))
        }
        RealServerAction::Permanent(args) => permanent(args, out).await,
        RealServerAction::Verify(args) => verify(args, out).await,
    }
}

async fn up(vips: &Vips, dry_run: bool, mut notes: Vec<String>, out: &mut dyn Write) -> anyhow::Result<u8> {
    let host = Host::open()?;
    let (observed, memory) = (host.observe().await?, host.recall()?);
    let (mut steps, mut after) = plan::up(vips, &observed, memory);
    if !dry_run && steps.iter().any(|step| matches!(step, Step::Make(_))) {
        // What a link's settings were is known once it is there.
        host.remember(&after)?;
        steps.retain(|step| matches!(step, Step::Make(_)));
        take(&host, &steps, false, out).await?;
        (steps, after) = plan::go_on(vips, &host.observe().await?, after);
        if let Some(Step::Make(device)) = steps.iter().find(|step| matches!(step, Step::Make(_))) {
            anyhow::bail!("the kernel made {device}, and it is not there: is another program removing it?");
        }
    }
    if !dry_run {
        // First, so that an `up` cut short can still be undone.
        host.remember(&after)?;
    }
    take(&host, &steps, dry_run, out).await?;
    let seen = if dry_run { observed } else { host.observe().await? };
    notes.extend(show::notes(vips, &seen));
    for note in notes {
        writeln!(out, "note: {note}")?;
    }
    Ok(0)
}

async fn down(vips: &BTreeSet<IpAddr>, dry_run: bool, out: &mut dyn Write) -> anyhow::Result<u8> {
    let host = Host::open()?;
    let (steps, after) = plan::down(vips, &host.observe().await?, host.recall()?);
    take(&host, &steps, dry_run, out).await?;
    if dry_run {
        return Ok(0);
    }
    // Last, so that a `down` cut short can be given again.
    host.remember(&after)?;
    let removed = steps.iter().filter_map(|step| if let Step::Remove(device) = step { Some(*device) } else { None });
    let observed = host.observe().await?;
    for device in removed.filter(|device| observed.links.contains_key(device)) {
        let (module, _) = device.kind().unwrap_or_default();
        writeln!(
            out,
            "note: {device} stays, down and empty: it belongs to the module; `modprobe -r {module}` removes both"
        )?;
    }
    Ok(0)
}

async fn take(host: &Host, steps: &[Step], dry_run: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    if steps.is_empty() {
        writeln!(out, "nothing to do")?;
    }
    for step in steps {
        if dry_run {
            writeln!(out, "would {step}")?;
        } else {
            host.take(step).await?;
            writeln!(out, "{step}")?;
        }
    }
    Ok(())
}

/// The VIPs that were named, by themselves or by a file.
async fn named(args: &RealServerVips, is_needed: bool, notes: &mut Vec<String>) -> anyhow::Result<Vips> {
    let method = if args.tunnel { Method::Tunnel } else { Method::Direct };
    let mut all = vips(&args.vips, method)?;
    if let Some(path) = &args.config {
        let found = file::found(&file::read(path)?, path)?;
        let own: BTreeSet<IpAddr> = if args.all { BTreeSet::new() } else { own_addresses().await? };
        all.extend(file::vips(&found, (!args.all).then_some(&own), path)?);
        notes.extend(found.notes);
    }
    anyhow::ensure!(!is_needed || !all.is_empty(), "name the VIPs: --vip ADDRESS, or --config FILE");
    Ok(all)
}

async fn own_addresses() -> anyhow::Result<BTreeSet<IpAddr>> {
    let links = Host::open()?.links().await?;
    Ok(links.iter().flat_map(|link| link.addresses.keys().map(IpNet::addr)).collect())
}

async fn permanent(args: &RealServerPermanent, out: &mut dyn Write) -> anyhow::Result<u8> {
    if args.remove {
        return written::remove(&args.root, args.write, out);
    }
    let mut notes = Vec::new();
    let vips = named(&args.vips, true, &mut notes).await?;
    notes.into_iter().try_for_each(|note| writeln!(out, "note: {note}"))?;
    let files: Files = if args.sysctl {
        permanent::settings(&vips, &args.root)
    } else {
        let program = std::env::current_exe().context("find this program's own file")?;
        permanent::unit(&vips, &program, args.vips.config.as_deref(), &args.root).map_err(anyhow::Error::msg)?
    };
    written::write(&files, args.write, out)
}

async fn verify(args: &RealServerVerify, out: &mut dyn Write) -> anyhow::Result<u8> {
    let method = if args.tunnel { Method::Tunnel } else { Method::Direct };
    let mut targets = BTreeSet::new();
    for word in &args.vips {
        let asked: Asked = word.parse().map_err(anyhow::Error::msg)?;
        anyhow::ensure!(!args.reals.is_empty(), "name the real servers of {word}: --real ADDRESS");
        targets.extend(args.reals.iter().map(|real| Target { vip: asked.vip, port: asked.port, real: *real, method }));
    }
    let mut notes = Vec::new();
    if let Some(path) = &args.config {
        let mut found = file::found(&file::read(path)?, path)?;
        found.targets.retain(|target| args.reals.is_empty() || args.reals.contains(&target.real));
        anyhow::ensure!(!found.targets.is_empty(), "{} has no such real_server by DR or TUN", path.display());
        targets.extend(found.targets);
        notes = found.notes;
    }
    anyhow::ensure!(!targets.is_empty(), "name what to verify: --vip ADDRESS:PORT --real ADDRESS, or --config FILE");
    let targets: Vec<_> = targets.into_iter().collect();
    let (seen, more) = verify::ask(&targets, &args.from).await?;
    notes.extend(more);
    let report = verify::Report::new(&seen, notes);
    let text = if args.json { serde_json::to_string_pretty(&report)? + "\n" } else { report.text()? };
    out.write_all(text.as_bytes()).context("print the report")?;
    Ok(u8::from(!report.is_good()))
}
