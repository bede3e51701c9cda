//! Scripts: one program, run once, with bounds on everything.
//!
//! No shell; its own process group, so that its children go with it; a clean environment; privileges dropped for good,
//! supplementary groups included. A script that hangs is told to end, and killed two seconds later.

use super::child::die_with_parent;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Gid, Group, Pid, Uid, User};
use std::ffi::CString;
use std::future::Future;
use std::io;
use std::os::unix::process::CommandExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

/// What to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// By name; none: as this process.
    pub user: Option<String>,
    /// By name; none: the user's own group.
    pub group: Option<String>,
    pub timeout: Duration,
    /// What it started in its process group goes on when it has ended by itself.
    pub leaves_children: bool,
    pub keeps: Keeps,
}

/// Which end of a long output is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeps {
    First,
    Last,
}

static ALL_GROUPS: AtomicBool = AtomicBool::new(false);

/// Whether scripts that run as another user have all groups of that user, or the first alone.
pub fn set_supplementary_groups(all: bool) {
    ALL_GROUPS.store(all, Ordering::Relaxed);
}

/// How it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptOutcome {
    /// It ended by itself, in time, with status 0.
    pub good: bool,
    pub end: End,
    /// It was still running at its timeout.
    pub timed_out: bool,
    /// The beginning or the end of what it wrote to stdout and stderr, at most [`OUTPUT_KEPT`] bytes.
    pub output: String,
    pub took: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    Exit(i32),
    Signal(i32),
    /// It never ran, and why.
    NotRun(String),
}

impl ScriptOutcome {
    /// For people: "exit status 1", "no end in 3 s".
    pub fn detail(&self) -> String {
        match &self.end {
            _ if self.timed_out => "timed out".into(),
            End::Exit(status) => format!("exit status {status}"),
            End::Signal(number) => match Signal::try_from(*number) {
                Ok(signal) => format!("killed by {signal}"),
                Err(_unnamed) => format!("killed by signal {number}"),
            },
            End::NotRun(why) => format!("cannot run: {why}"),
        }
    }
}

/// The bytes of output that are kept.
pub const OUTPUT_KEPT: usize = 1024;

/// From SIGTERM to SIGKILL.
const GRACE: Duration = Duration::from_secs(2);

/// Runs `script` to its end, and its process group with it. It always ends: at most [`Script::timeout`] and the two
/// seconds of grace later. Dropping the future kills the group.
pub async fn run_script(script: &Script) -> ScriptOutcome {
    run_script_until(script, sleep(script.timeout)).await
}

/// The same, but it is told to end when `until` is done, whatever its timeout.
pub async fn run_script_until(script: &Script, until: impl Future<Output = ()>) -> ScriptOutcome {
    let start = Instant::now();
    let done = |end: End, timed_out: bool, output: String| {
        let good = end == End::Exit(0) && !timed_out;
        ScriptOutcome { good, end, timed_out, output, took: start.elapsed() }
    };
    let (mut child, written) = match spawn(script).await {
        Ok(spawned) => spawned,
        Err(why) => return done(End::NotRun(why), false, String::new()),
    };
    let mut group = Leader::of(&child);
    let mut tail = Kept { bytes: Vec::new(), keeps: script.keeps };
    let (status, timed_out) = wait(&mut child, written, &group, &mut tail, until).await;
    if script.leaves_children && !timed_out {
        group.0 = None;
    }
    let output = String::from_utf8_lossy(&tail.bytes).into_owned();
    match status {
        Ok(status) => done(end_of(status), timed_out, output),
        Err(error) => done(End::NotRun(format!("wait for it: {error}")), timed_out, output),
    }
}

/// The child, and the end of the one pipe that both its stdout and stderr are, so that their order is kept.
async fn spawn(script: &Script) -> Result<(Child, Receiver), String> {
    let (program, arguments) = script.argv.split_first().ok_or("no program is named")?;
    let who = identity(script.user.clone(), script.group.clone()).await?;
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(environment(who.as_ref()));
    let no_pipe = |error: io::Error| format!("a pipe for its output: {error}");
    let (written, writer) = io::pipe().map_err(no_pipe)?;
    let written = Receiver::from_owned_fd(written.into()).map_err(no_pipe)?;
    command.stdin(Stdio::null()).stdout(writer.try_clone().map_err(no_pipe)?).stderr(writer);
    command.process_group(0).kill_on_drop(true).current_dir("/");
    match &who {
        // With a uid and no list of groups, std clears the supplementary groups before it changes the uid.
        Some(who) if who.groups.is_empty() => drop(command.gid(who.gid).uid(who.uid)),
        Some(who) => with_groups(command.as_std_mut(), who),
        None => {}
    }
    if !script.leaves_children {
        die_with_parent(command.as_std_mut());
    }
    let child = command.spawn().map_err(|error| format!("{program}: {error}"))?;
    Ok((child, written))
}

/// Changes to the user with all its groups; std knows no list of groups.
fn with_groups(command: &mut std::process::Command, who: &Identity) {
    let (uid, gid) = (Uid::from_raw(who.uid), Gid::from_raw(who.gid));
    let groups = who.groups.clone();
    let before_exec = move || {
        nix::unistd::setgroups(&groups)?;
        nix::unistd::setgid(gid)?;
        Ok(nix::unistd::setuid(uid)?)
    };
    #[expect(unsafe_code, reason = "between fork and exec: three system calls, no allocation, no lock")]
    // SAFETY: the closure only makes async-signal-safe system calls.
    unsafe {
        command.pre_exec(before_exec);
    }
}

/// What a login would set, and nothing that changes how programs load or shells split.
fn environment(who: Option<&Identity>) -> Vec<(&'static str, String)> {
    let mut set = vec![("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned())];
    if let Some(who) = who {
        set.extend([("HOME", who.home.clone()), ("USER", who.name.clone()), ("LOGNAME", who.name.clone())]);
    }
    set
}

pub(super) struct Identity {
    name: String,
    home: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// All groups; empty: the first alone.
    groups: Vec<Gid>,
}

/// The name service may block (LDAP), so it is asked on a thread of its own.
async fn identity(user: Option<String>, group: Option<String>) -> Result<Option<Identity>, String> {
    if user.is_none() && group.is_none() {
        return Ok(None);
    }
    let asked = tokio::task::spawn_blocking(move || resolve(user.as_deref(), group.as_deref()));
    asked.await.map_err(|error| format!("look up its user: {error}"))?.map(Some)
}

pub(super) fn resolve(user: Option<&str>, group: Option<&str>) -> Result<Identity, String> {
    let found = match user {
        Some(name) => User::from_name(name).map_err(|e| format!("look up user {name}: {e}"))?,
        None => User::from_uid(nix::unistd::geteuid()).map_err(|e| format!("look up this process's user: {e}"))?,
    };
    let found = found.ok_or_else(|| format!("no user is named {}", user.unwrap_or("like this process's")))?;
    let gid = match group {
        Some(name) => {
            let group = Group::from_name(name).map_err(|e| format!("look up group {name}: {e}"))?;
            group.ok_or_else(|| format!("no group is named {name}"))?.gid
        }
        None => found.gid,
    };
    let home = found.dir.to_string_lossy().into_owned();
    let mut groups = Vec::new();
    if ALL_GROUPS.load(Ordering::Relaxed) {
        let name = CString::new(found.name.as_str()).map_err(|e| format!("user {}: {e}", found.name))?;
        groups = nix::unistd::getgrouplist(&name, gid).map_err(|e| format!("groups of {}: {e}", found.name))?;
    }
    Ok(Identity { name: found.name, home, uid: found.uid.as_raw(), gid: gid.as_raw(), groups })
}

/// The script's process group, killed when this is dropped: also when the future is.
struct Leader(Option<Pid>);

impl Leader {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw))
    }

    /// ESRCH: the group has ended meanwhile, which is what was wanted.
    fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            let _ = killpg(group, signal);
        }
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
    }
}

async fn wait(
    child: &mut Child,
    written: Receiver,
    group: &Leader,
    tail: &mut Kept,
    until: impl Future<Output = ()>,
) -> (io::Result<ExitStatus>, bool) {
    let mut written = Some(written);
    // Set once it has been told to end.
    let kill = sleep(GRACE);
    tokio::pin!(until, kill);
    let (mut timed_out, mut killed) = (false, false);
    loop {
        tokio::select! {
            status = child.wait() => {
                // What it wrote before it ended is in the pipe; a child it left behind may hold that open.
                let _ = timeout(Duration::from_millis(50), drain(&mut written, tail)).await;
                return (status, timed_out);
            }
            bytes = chunk(&mut written), if written.is_some() => tail.push(&bytes),
            () = &mut until, if !timed_out => {
                timed_out = true;
                kill.as_mut().reset(tokio::time::Instant::now() + GRACE);
                group.signal(Signal::SIGTERM);
            }
            () = &mut kill, if timed_out && !killed => {
                killed = true;
                group.signal(Signal::SIGKILL);
            }
        }
    }
}

async fn drain(written: &mut Option<Receiver>, tail: &mut Kept) {
    while written.is_some() {
        tail.push(&chunk(written).await);
    }
}

/// What there is to read; the pipe becomes none at its end.
async fn chunk(written: &mut Option<Receiver>) -> Vec<u8> {
    let Some(open) = written else { return Vec::new() };
    let mut bytes = Vec::with_capacity(512);
    if !matches!(open.read_buf(&mut bytes).await, Ok(1..)) {
        *written = None;
    }
    bytes
}

/// One end of the output.
struct Kept {
    bytes: Vec<u8>,
    keeps: Keeps,
}

impl Kept {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        match self.keeps {
            Keeps::First => self.bytes.truncate(OUTPUT_KEPT),
            Keeps::Last => drop(self.bytes.drain(..self.bytes.len().saturating_sub(OUTPUT_KEPT))),
        }
    }
}

fn end_of(status: ExitStatus) -> End {
    status.code().map_or_else(|| End::Signal(status.signal().unwrap_or_default()), End::Exit)
}

#[cfg(test)]
#[path = "process/tests.rs"]
mod tests;
