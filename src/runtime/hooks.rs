//! What comes before everything and after everything: the network namespace, the file mode creation mask, and the
//! scripts of start and end.

use super::keep::Keeper;
use super::workers::outcome;
use crate::conf::Globals;
use crate::engine::Input;
use crate::status::Severity;
use crate::sys::manager::{self, NotifyState};
use crate::sys::{netns, process, sched};
use crate::time::Duration;
use crate::vrrp::Command;
use anyhow::Context;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::UnboundedSender;

/// For systemd, beyond what a script may take.
const MARGIN: Duration = Duration::from_secs(10);

/// While there is only one thread that counts: enters `net_namespace`, sets `umask`, runs `startup_script` to its end.
/// The script only with the `first` engine of the service, not with one that goes on. Only the namespace can keep the
/// engine from starting.
pub(super) fn before_start(
    globals: &Globals,
    first: bool,
    keeper: &Keeper,
    runtime: &Runtime,
    reports: &UnboundedSender<Input>,
) -> anyhow::Result<()> {
    if let Some(name) = globals.net_namespace.as_ref().filter(|_| netns::entered().is_none()) {
        netns::move_to(name).context("net_namespace")?;
    }
    if let Some(mask) = globals.process.umask {
        sched::set_umask(mask);
    }
    process::set_supplementary_groups(globals.process.supplementary_groups);
    if let Some((command, timeout)) = globals.notify.startup.as_ref().filter(|_| first) {
        // The engine reads it once it is there.
        let _ = reports.send(runtime.block_on(keeper.alive_during(run("startup_script", command, *timeout))));
    }
    Ok(())
}

/// Runs a script of start or end to its end, and says how it went.
pub(super) async fn run(keyword: &str, command: &Command, timeout: Duration) -> Input {
    let micros = u32::try_from((timeout + MARGIN).as_micros()).unwrap_or(u32::MAX);
    manager::tell(&[NotifyState::ExtendTimeoutUsec(micros)]);
    let script = process::Script {
        argv: command.argv.clone(),
        user: command.user.as_ref().map(|u| u.user.clone()),
        group: command.user.as_ref().and_then(|u| u.group.clone()),
        timeout,
        leaves_children: true,
        keeps: process::Keeps::First,
    };
    let ended = process::run_script(&script).await;
    let severity = if ended.good { Severity::Info } else { Severity::Warning };
    let how = outcome(&ended);
    let text = format!("{keyword}: {} after {:.3} s", how.detail, how.took.as_secs_f64());
    let mut cause = command.argv.join(" ");
    let said = ended.output.lines().map(str::trim_end).filter(|l| !l.is_empty()).collect::<Vec<_>>();
    if !said.is_empty() {
        cause = format!("{cause}, which said: {}", said.join(" / "));
    }
    Input::Report { severity, kind: "notify", text, cause: Some(cause) }
}
