//! The command line's verbs.

use super::host::Host;
use super::plan::{self, Step};
use super::show::Report;
use crate::cli::RealServerAction;
use crate::settings::Settings;
use anyhow::Context;
use std::io::Write;

/// Carries out the action in this thread's network namespace and reports each step to `out`.
pub fn run(action: &RealServerAction, _settings: &Settings, out: &mut dyn Write) -> anyhow::Result<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
    runtime.block_on(perform(action, out)).map(|()| 0)
}

async fn perform(action: &RealServerAction, out: &mut dyn Write) -> anyhow::Result<()> {
    // Bad arguments are told before anything is looked at.
    let vips = match action {
        RealServerAction::Up(args) => plan::vips(&args.vips)?,
        RealServerAction::Down(args) => plan::vips(&args.vips)?,
        RealServerAction::Show(args) => plan::vips(&args.vips)?,
    };
    let host = Host::open()?;
    let (observed, memory) = (host.observe().await?, host.recall()?);
    match action {
        RealServerAction::Up(args) => {
            let (steps, after) = plan::up(&vips, &observed, memory);
            if !args.dry_run {
                // First, so that an `up` cut short can still be undone.
                host.remember(&after)?;
            }
            take(&host, &steps, args.dry_run, out).await
        }
        RealServerAction::Down(args) => {
            let (steps, after) = plan::down(&vips, &observed, memory);
            take(&host, &steps, args.dry_run, out).await?;
            // Last, so that a `down` cut short can be given again.
            if args.dry_run { Ok(()) } else { host.remember(&after) }
        }
        RealServerAction::Show(args) => {
            let report = Report::new(&vips, &observed, memory);
            let text = if args.json { serde_json::to_string_pretty(&report)? + "\n" } else { report.table()? };
            out.write_all(text.as_bytes()).context("print the report")
        }
    }
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
