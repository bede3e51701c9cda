//! What is run, written and mailed when something changes: FIFOs with their readers, scripts of the whole engine, mail.

use super::diagnostic::Diagnostic;
use super::keywords::global::Draft;
use super::lower::Cx;
use super::model::{FifoKind, FifoSpec, GlobalNotify};
use super::source::{Program, Span};
use crate::time::Duration;
use crate::vrrp::{Command, RunAs};

/// `startup_script_timeout` and `shutdown_script_timeout`, seconds.
const TIMEOUT: i64 = 10;

/// `alerts`: somebody asks for mail.
pub(super) fn globals(cx: &mut Cx<'_>, draft: &Draft, alerts: bool) -> GlobalNotify {
    programs(cx, draft);
    let timed = |command: &Option<Command>, timeout: Option<i64>| {
        let timeout = Duration::from_secs(timeout.unwrap_or(TIMEOUT).unsigned_abs());
        command.clone().map(|command| (with_user(command, draft), timeout))
    };
    GlobalNotify {
        fifos: fifos(cx, draft),
        states_on_reload: draft.states_on_reload,
        startup: timed(&draft.startup, draft.startup_timeout),
        shutdown: timed(&draft.shutdown, draft.shutdown_timeout),
        mail: draft.mail.spec(cx, alerts),
    }
}

/// Without a user of its own it runs as `script_user`.
fn with_user(command: Command, draft: &Draft) -> Command {
    Command { user: command.user.or_else(|| draft.script_user.clone()), ..command }
}

fn fifos(cx: &mut Cx<'_>, draft: &Draft) -> Vec<FifoSpec> {
    let kinds = [
        (FifoKind::All, "notify_fifo", &draft.fifo, &draft.fifo_script),
        (FifoKind::Vrrp, "vrrp_notify_fifo", &draft.vrrp_fifo, &draft.vrrp_fifo_script),
        (FifoKind::Lvs, "lvs_notify_fifo", &draft.lvs_fifo, &draft.lvs_fifo_script),
    ];
    let mut fifos: Vec<FifoSpec> = Vec::new();
    for (kind, keyword, fifo, script) in kinds {
        match (fifo, script) {
            (Some((path, owner)), script) => {
                let script = script.as_ref().map(|s| with_user(s.value.clone(), draft));
                fifos.push(FifoSpec { kind, path: path.clone(), owner: owner.clone(), script });
            }
            (None, Some(script)) => cx.report(
                Diagnostic::warning("script-without-fifo", format!("`{keyword}_script` has nothing to read"))
                    .at(script.span, "it is not started")
                    .help(format!("add `{keyword} PATH`")),
            ),
            (None, None) => {}
        }
    }
    fifos
}

/// Looks at everything that is run to notify.
fn programs(cx: &mut Cx<'_>, draft: &Draft) {
    for command in std::mem::take(&mut cx.commands) {
        let user = command.value.user.as_ref().or(draft.script_user.as_ref());
        program(cx, command.value.argv.first(), command.span, user, draft);
    }
}

/// Says what is wrong with a program on this machine, if that is known.
pub(super) fn program(cx: &mut Cx<'_>, program: Option<&String>, at: Span, user: Option<&RunAs>, globals: &Draft) {
    // `<FILE` names no program.
    let Some(program) = program.filter(|program| !program.starts_with('<')) else { return };
    let as_root = user.is_none_or(|user| user.user == "root");
    let problem = match cx.loader.program(program) {
        Some(Program::Missing) => {
            Diagnostic::note("script-missing", format!("there is no `{program}` on this machine"))
        }
        Some(Program::NotExecutable) => {
            Diagnostic::warning("script-not-executable", format!("`{program}` is not executable"))
        }
        Some(Program::Insecure(part)) if globals.script_security && as_root => {
            let message = format!("`{program}` would run as root, and others may change {}", part.display());
            Diagnostic::error("insecure-script", message).help("enable_script_security forbids that")
        }
        None | Some(Program::Runs | Program::Insecure(_)) => return,
    };
    cx.report(problem.at(at, ""));
}
