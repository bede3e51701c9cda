//! The command line as a plain value.

use crate::kernel::{DestinationKey, ServiceKey};
use crate::time::typed_seconds;
use clap::{Args, Parser, Subcommand};
use std::net::IpAddr;
use std::path::PathBuf;

/// An interactive terminal console for high-availability clusters, with a keepalived-compatible VRRP and LVS engine.
#[derive(Debug, Parser)]
#[command(name = "vipdeck", version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub mode: Mode,
    /// Work in this network namespace (a name below /run/netns).
    #[arg(long, global = true, value_name = "NAME")]
    pub netns: Option<String>,
    /// Read this settings file after the usual ones.
    #[arg(long, global = true, value_name = "FILE")]
    pub settings: Option<PathBuf>,
}

/// Of the commands that ask an engine; `report::exit` is the same in code.
const EXIT_STATUS: &str = "Exit status:
  0  done; without --wait: accepted
  1  rejected by the engine, or not allowed to this user
  2  could not be asked: no engine, no answer, a mistake on the command line
  3  has not come about within --timeout
  4  something else came about: nobody took over, somebody else intervened";

/// Of the commands that only look.
const EXIT_STATUS_LOOK: &str = "Exit status: 0 an engine answered, 2 none did";

const EXIT_STATUS_WHAT_IF: &str =
    "Exit status: 0 worked out, 1 the question makes no sense, 2 no engine answered, 4 somebody would be left without";

const EXIT_STATUS_WHY: &str = "Exit status: 0 answered, 1 no engine has such a thing, 2 no engine answered";

#[derive(Debug, Subcommand)]
pub enum Mode {
    /// Run the dual-master example on virtual machines and a virtual clock, on screen: needs no privileges.
    Demo(Demo),
    /// Run the dual-master example for real, in network namespaces of this machine (root).
    Lab(Lab),
    /// Read keepalived.conf and report what is wrong. Exit status: 0 clean, 1 warnings only, 2 errors.
    Check(Check),
    /// Say what a keyword of keepalived.conf means, in every block that has it. Exit status: 1 if none has it.
    Explain(Explain),
    /// Run the engine, with the console unless --headless.
    Run(Run),
    /// Open the console on running engines. Leaving it never stops them.
    Attach(Attach),
    /// Print what an engine reports.
    #[command(after_help = EXIT_STATUS_LOOK)]
    Status(Status),
    /// Say why an instance, a real server, a service or a tracker is as it is, back to what came from outside.
    #[command(after_help = EXIT_STATUS_WHY)]
    Why(Why),
    /// Say who would serve what, and when, if something happened: by the engine's own election, run on from the present
    /// state of all nodes. Changes nothing.
    #[command(after_help = EXIT_STATUS_WHAT_IF)]
    WhatIf(WhatIf),
    /// Print what has happened.
    #[command(after_help = EXIT_STATUS_LOOK)]
    Events(Events),
    /// Print what happens from now on: one JSON line for each event, with its number, and for each gap.
    Watch(Watch),
    /// Write what the engines' journals hold, or what happens from now on, to one file for `replay` and `report`.
    #[command(after_help = EXIT_STATUS_LOOK)]
    Record(Record),
    /// Show a recording on the same screens, with play, pause and steps back. No key reaches an engine.
    Replay(Replay),
    /// Tell a span of time as Markdown or JSON: who owned what and when, why it moved, outages, commands, notes.
    #[command(after_help = EXIT_STATUS_LOOK)]
    Report(Report),
    /// Keep a note on the timeline of an engine; without a text, a mark.
    #[command(after_help = EXIT_STATUS)]
    Note(Note),
    /// Print what is wrong on these nodes: since when, what it means, what to do. Exit status: 0 nothing, 1 something, 2 no
    /// engine answered.
    Alarms(Alarms),
    /// Say that an alarm has been seen: consoles tell it no more aloud, and go on showing it. Tell every node.
    #[command(after_help = EXIT_STATUS)]
    Acknowledge(Acknowledge),
    /// Print what an engine tells Prometheus (OpenMetrics).
    #[command(after_help = EXIT_STATUS_LOOK)]
    Metrics(Metrics),
    /// Print the configuration that runs, with its diagnostics at their lines, and what differs.
    #[command(after_help = EXIT_STATUS_LOOK)]
    Config(Config),
    /// Print who asked for what, and what became of it.
    #[command(after_help = EXIT_STATUS_LOOK)]
    Audit(Audit),
    /// Hand an instance's addresses over and stay at priority 1 until restored.
    #[command(after_help = EXIT_STATUS)]
    Demote(Demote),
    /// Lift a demotion or a takeover.
    #[command(after_help = EXIT_STATUS)]
    Restore(Restore),
    /// Make this node MASTER (priority 254) until restored.
    #[command(after_help = EXIT_STATUS)]
    Takeover(Takeover),
    /// No instance of this node takes over from a living master of lower priority, for a while.
    #[command(after_help = EXIT_STATUS)]
    Pause(Pause),
    /// Lift a pause.
    #[command(after_help = EXIT_STATUS)]
    Resume(Resume),
    /// Announce the addresses of an instance now (gratuitous ARP, unsolicited neighbour advertisements).
    #[command(after_help = EXIT_STATUS)]
    Announce(OnInstance),
    /// Say that an action given --keep-within is to stay.
    #[command(after_help = EXIT_STATUS)]
    Keep(Keep),
    /// Take an action back, as far as that can be; the answer says what it gives back and what not.
    #[command(after_help = EXIT_STATUS)]
    Undo(Undo),
    /// List what operators did, what of it can be undone, and what has happened since.
    #[command(after_help = EXIT_STATUS_LOOK)]
    Changes(Changes),
    /// Tell others that you are about to act on something: their commands on it are refused for a minute.
    #[command(after_help = EXIT_STATUS)]
    Lock(Lock),
    /// Free what was locked.
    #[command(after_help = EXIT_STATUS)]
    Unlock(Unlock),
    /// Send no new connections to a real server; open ones go on.
    #[command(after_help = EXIT_STATUS)]
    Drain(Drain),
    /// Put a real server back into service with the weight of the file.
    #[command(visible_alias = "undrain", after_help = EXIT_STATUS)]
    Return(Return),
    /// Take a real server down for maintenance: its connections are reset, and it leaves the table.
    #[command(after_help = EXIT_STATUS)]
    Maint(Maint),
    /// Reset the connections that a draining real server still has.
    #[command(after_help = EXIT_STATUS)]
    Reset(OnReal),
    /// Give a real server another weight until it is returned.
    #[command(after_help = EXIT_STATUS)]
    Weight(Weight),
    /// Run the checks of a real server at once; with --wait, say what they found. Exit status 4 if one failed.
    #[command(after_help = EXIT_STATUS)]
    CheckNow(OnReal),
    /// Ask a web server for a page and print its MD5, as `digest` of HTTP_GET and SSL_GET wants it.
    #[command(disable_version_flag = true)]
    Genhash(Genhash),
    /// Show what operators asked for and nobody has lifted, or lift it.
    Intent(Intent),
    /// Read the configuration anew; what did not change is not touched. A file with errors changes nothing.
    #[command(after_help = EXIT_STATUS)]
    Reload(Reload),
    /// Start the engine again from the program's file as it is now, for an upgrade: no advert is late, no address
    /// leaves. Refused if the new program would not take the configuration.
    #[command(after_help = EXIT_STATUS)]
    Restart(Restart),
    /// Prepare this machine as a real server (DR, TUN): VIPs that it tells nobody of; or verify those of a director.
    RealServer(RealServer),
    /// Print what a shell reads at its start to complete words, also names of instances and servers:
    /// `source <(vipdeck completions bash)`.
    Completions(Completions),
    /// Write the manual pages: vipdeck(1), one for each command, vipdeck.conf(5), vipdeck-keys(7).
    Man(Manual),
    /// Relay standard input and output to an engine's socket; what `attach ssh://HOST` runs on HOST.
    #[command(hide = true)]
    Relay(At),
    /// The lab's web server: answers every request with its name.
    #[command(hide = true)]
    LabServer(LabServer),
    /// The lab's client: asks addresses without pause and reports as JSON lines.
    #[command(hide = true)]
    LabClient(LabClient),
}

/// Which engine.
#[derive(Clone, Debug, Args)]
pub struct At {
    /// The engine's control socket, a name below /run/vipdeck, or ssh://HOST.
    #[arg(long = "at", value_name = "SOCKET|NAME|ssh://HOST")]
    pub target: Option<String>,
}

/// How a verb is carried out.
#[derive(Clone, Debug, Args)]
pub struct How {
    /// Goes to the log with your name.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Even if somebody else has locked it, or an address may be left without an owner. Logged.
    #[arg(long)]
    pub force: bool,
    /// Wait until it has come about. Exit status 3 if it has not within --timeout.
    #[arg(long)]
    pub wait: bool,
    /// Seconds to wait.
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0, requires = "wait")]
    pub timeout: f64,
    /// Print the answer as JSON.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub at: Ats,
}

/// Which engines.
#[derive(Clone, Debug, Default, Args)]
pub struct Ats {
    /// The engine's control socket, a name below /run/vipdeck, or ssh://HOST. Given several times, every one of them
    /// is told: so a drain holds on whichever node becomes MASTER.
    #[arg(long = "at", value_name = "SOCKET|NAME|ssh://HOST")]
    pub targets: Vec<String>,
}

/// How a configuration is read.
#[derive(Clone, Debug, Default, Args)]
pub struct Reading {
    /// What lines `@ID …` are compared with; none: the host's name up to its first dot.
    #[arg(short = 'i', long, value_name = "ID")]
    pub config_id: Option<String>,
    /// Check every include as includea does.
    #[arg(short = 'e', long)]
    pub all_config: bool,
}

#[derive(Debug, Args)]
pub struct Check {
    /// Files, or patterns of files.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Diagnostics as JSON, one object for all files.
    #[arg(long)]
    pub json: bool,
    /// The files are those of the nodes of one cluster: also report what differs and must not.
    #[arg(long)]
    pub cluster: bool,
    /// Exit as `keepalived --config-test` does: 0 clean, 5 something is wrong, 4 cannot be read, 6 insecure script or
    /// a checked include is missing, 2 a word is missing. A link named keepalived does the same.
    #[arg(long, conflicts_with = "cluster")]
    pub as_keepalived: bool,
    #[command(flatten)]
    pub reading: Reading,
}

/// What `keepalived` is asked when it is this program under that name: the test of a configuration.
#[derive(Debug, Parser)]
#[command(name = "keepalived", version, about = "vipdeck under the name of keepalived: tests configurations")]
pub struct Keepalived {
    /// Test the configuration and exit.
    #[arg(short = 't', long = "config-test", value_name = "LOG_FILE", num_args = 0..=1, require_equals = true)]
    pub config_test: Option<Option<PathBuf>>,
    /// Print the number of the signal for RELOAD, STOP, DATA, STATS, STATS_CLEAR or JSON, and exit.
    #[arg(long, value_name = "WORD")]
    pub signum: Option<String>,
    #[arg(short = 'f', long = "use-file", value_name = "FILE", default_value = "/etc/keepalived/keepalived.conf")]
    pub file: PathBuf,
    #[command(flatten)]
    pub reading: Reading,
}

#[derive(Debug, Args)]
pub struct Explain {
    /// Keywords; none: a list of all.
    #[arg(value_name = "KEYWORD")]
    pub keywords: Vec<String>,
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Restart {
    #[command(flatten)]
    pub how: How,
}

#[derive(Debug, Args)]
pub struct Run {
    /// The configuration, in keepalived's language.
    #[arg(short, long, value_name = "FILE", default_value = "/etc/keepalived/keepalived.conf")]
    pub file: PathBuf,
    #[command(flatten)]
    pub reading: Reading,
    /// No console: for a service manager.
    #[arg(long)]
    pub headless: bool,
    /// Leave addresses, routes and rules where they are at the end, and send no priority 0, as keepalived's -V does. They
    /// stay without a lease until somebody removes them, and another node takes them over as well: for a planned
    /// restart use `vipdeck restart`.
    #[arg(long)]
    pub dont_release_vrrp: bool,
    /// Leave the IPVS table as it is at the end, as keepalived's -I does.
    #[arg(long)]
    pub dont_release_ipvs: bool,
    /// No guard process: an engine that dies is not started again, and its addresses stay until their lease ends.
    #[arg(long)]
    pub no_guard: bool,
    /// This is an engine that a guard has started.
    #[arg(long, hide = true)]
    pub guarded: bool,
    /// Hand over what the engine before left, and end.
    #[arg(long, hide = true, requires = "guarded")]
    pub farewell: bool,
    /// This is a guard that has replaced itself.
    #[arg(long, hide = true)]
    pub succeeding: bool,
    /// Where to listen for consoles and commands.
    #[arg(long, value_name = "SOCKET")]
    pub control: Option<PathBuf>,
    /// Where to keep what outlives the engine: the journal of operator intent.
    #[arg(long, value_name = "DIRECTORY")]
    pub state: Option<PathBuf>,
    #[command(flatten)]
    pub look: Look,
}

impl Run {
    /// Whether the process that is told this is the engine itself, and neither its guard nor its console.
    pub const fn is_engine(&self) -> bool {
        self.headless && (self.guarded || self.no_guard)
    }
}

/// How the console looks.
#[derive(Clone, Debug, Default, Args)]
pub struct Look {
    /// dark, light, mono or high.
    #[arg(long, value_name = "NAME")]
    pub theme: Option<String>,
    /// ASCII glyphs only.
    #[arg(long)]
    pub ascii: bool,
    /// Take the verbs away: look, change nothing.
    #[arg(long)]
    pub view_only: bool,
    #[command(flatten)]
    pub privacy: Privacy,
}

#[derive(Debug, Args)]
pub struct Attach {
    /// Sockets, names below /run/vipdeck, ssh://HOST, or clusters of the settings; none: every engine of this machine.
    #[arg(value_name = "SOCKET|NAME|ssh://HOST|CLUSTER")]
    pub targets: Vec<String>,
    /// Also the other nodes of its cluster, as the engine's settings name them.
    #[arg(long)]
    pub all: bool,
    /// Print the engines of this machine, the clusters of the settings and what they know of others, and leave.
    #[arg(long)]
    pub list: bool,
    /// No screen: one sentence for each change, for screen readers and logs.
    #[arg(long)]
    pub plain: bool,
    #[command(flatten)]
    pub look: Look,
}

/// Names and addresses as stand-ins.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct Privacy {
    /// Show stand-ins for the names of hosts, instances, services and users and for addresses, the same one each time;
    /// addresses of one network stay together, in the ranges for documentation. Reasons and notes are left out.
    #[arg(long)]
    pub privacy: bool,
}

#[derive(Debug, Args)]
pub struct Record {
    #[command(flatten)]
    pub at: Ats,
    /// What has happened in the last time, from the engines' journals: 90, 90s, 10m, 1h.
    #[arg(long, value_name = "TIME", value_parser = typed_seconds, conflicts_with = "span", default_value = "1h")]
    pub last: u32,
    /// What happens from now on, each change of it; an interrupt ends it early.
    #[arg(long = "for", value_name = "TIME", value_parser = typed_seconds)]
    pub span: Option<u32>,
    /// A new file, for its owner alone.
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    #[command(flatten)]
    pub privacy: Privacy,
}

#[derive(Debug, Args)]
pub struct Replay {
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    #[command(flatten)]
    pub look: Look,
}

#[derive(Debug, Args)]
pub struct Report {
    /// A recording; none: the engines' journals.
    #[arg(value_name = "FILE", conflicts_with_all = ["targets", "last"])]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub at: Ats,
    /// Of the journals, the last time: 90, 90s, 10m, 1h.
    #[arg(long, value_name = "TIME", value_parser = typed_seconds, default_value = "1h")]
    pub last: u32,
    /// Only what happened from then on: "2026-11-22 12:04:31", in this machine's time zone.
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub privacy: Privacy,
}

#[derive(Debug, Args)]
pub struct Note {
    #[arg(value_name = "TEXT")]
    pub text: Option<String>,
    #[command(flatten)]
    pub how: How,
}

#[derive(Debug, Args)]
pub struct Status {
    #[arg(long)]
    pub json: bool,
    /// Every health check with its last runs.
    #[arg(long)]
    pub checks: bool,
    /// Every value that each instance runs by, and whether the file, global_defs or the default says so.
    #[arg(long, conflicts_with = "json")]
    pub values: bool,
    #[command(flatten)]
    pub at: At,
    #[command(flatten)]
    pub privacy: Privacy,
}

#[derive(Debug, Args)]
pub struct Why {
    /// An instance, a real server (ADDRESS:PORT), a virtual server (tcp/ADDRESS:PORT), a tracker, or `node`.
    #[arg(value_name = "INSTANCE|REAL_SERVER|...")]
    pub subject: String,
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub at: Ats,
}

#[derive(Debug, Args)]
pub struct WhatIf {
    /// crash NODE, cut NODE, demote INSTANCE, fail TRACKER, drain REAL_SERVER or down REAL_SERVER.
    #[arg(value_name = "WHAT", value_parser = ["crash", "cut", "demote", "fail", "drain", "down"])]
    pub what: String,
    /// A node by its name; an instance; a script, interface, file, process or BFD session by its name; ADDRESS:PORT.
    #[arg(value_name = "SUBJECT")]
    pub subject: String,
    /// The node that is meant; none: the MASTER of an instance, or the only one that has the tracker.
    #[arg(long, value_name = "NODE")]
    pub on: Option<String>,
    /// Of demote: it takes nothing over any more until restored.
    #[arg(long)]
    pub fence: bool,
    /// Of fail: the number that a tracked file has then.
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    pub number: Option<i64>,
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub at: Ats,
}

#[derive(Debug, Args)]
pub struct Alarms {
    /// As an array, each with its id.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub at: Ats,
}

#[derive(Debug, Args)]
pub struct Acknowledge {
    /// As `vipdeck alarms` names it: split:VI_1.
    #[arg(value_name = "ALARM")]
    pub alarm: String,
    #[command(flatten)]
    pub how: How,
}

#[derive(Debug, Args)]
pub struct Events {
    /// Go on until interrupted.
    #[arg(long)]
    pub follow: bool,
    /// Only those after this sequence number.
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    pub after: u64,
    /// One JSON object a line.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub at: At,
    #[command(flatten)]
    pub privacy: Privacy,
}

#[derive(Debug, Args)]
pub struct Watch {
    /// One sentence for each change, for screen readers and logs.
    #[arg(long)]
    pub plain: bool,
    /// Begin after this sequence number; 0: with all that is kept. Without: with what happens from now on.
    #[arg(long, value_name = "SEQ")]
    pub after: Option<u64>,
    #[command(flatten)]
    pub at: Ats,
}

/// A shell that completes words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl Shell {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Zsh => "zsh",
            Self::Fish => "fish",
        }
    }
}

#[derive(Debug, Args)]
pub struct Completions {
    pub shell: Shell,
}

#[derive(Debug, Args)]
pub struct Manual {
    /// Write all pages here; without, vipdeck(1) is printed.
    #[arg(value_name = "DIRECTORY")]
    pub directory: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Metrics {
    #[command(flatten)]
    pub at: At,
}

#[derive(Debug, Args)]
pub struct Config {
    #[arg(long)]
    pub json: bool,
    /// What differs between what runs and the file on the disk.
    #[arg(long, conflicts_with = "compare")]
    pub disk: bool,
    /// What differs between the nodes, and what of it must not. Exit status 1 if something must not.
    #[arg(long)]
    pub compare: bool,
    /// The engine's control socket, a name below /run/vipdeck, or ssh://HOST; several: all of them. None: all of this
    /// machine.
    #[arg(long = "at", value_name = "SOCKET|NAME|ssh://HOST")]
    pub targets: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Audit {
    /// So long ago (90m, 2h, 3d), or a time (2026-11-22T12:00).
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// One JSON object a line.
    #[arg(long)]
    pub json: bool,
    /// The engine's control socket, a name below /run/vipdeck, or ssh://HOST; several: all of them. None: all of this
    /// machine.
    #[arg(long = "at", value_name = "SOCKET|NAME|ssh://HOST")]
    pub targets: Vec<String>,
}

#[derive(Debug, Args)]
pub struct Reload {
    /// Only say what would change.
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub keeping: Keeping,
    #[command(flatten)]
    pub how: How,
}

/// An action that must be kept.
#[derive(Clone, Debug, Default, Args)]
pub struct Keeping {
    /// Take it back after this time unless `vipdeck keep ID` came: 60s, 5m. The engine does so by itself, also after a
    /// restart.
    #[arg(long, value_name = "TIME", value_parser = typed_seconds)]
    pub keep_within: Option<u32>,
}

/// An action that holds until it is lifted, or for a time.
#[derive(Clone, Debug, Args)]
pub struct Holding {
    /// For how long: 30m, 2h, or never: until it is lifted.
    #[arg(long, value_name = "TIME|never", default_value = "never")]
    pub hold: String,
    /// What happens then: `stay` raises an alarm that asks, `restore` lifts it.
    #[arg(long, visible_alias = "at-expiry", value_name = "stay|restore")]
    pub then: Option<String>,
    #[command(flatten)]
    pub keeping: Keeping,
}

/// Seconds from now; none: never.
pub fn hold_seconds(word: &str) -> Result<Option<u32>, String> {
    if word == "never" { Ok(None) } else { typed_seconds(word).map(Some) }
}

#[derive(Debug, Args)]
pub struct Demote {
    #[arg(value_name = "INSTANCE", required_unless_present = "all")]
    pub instance: Option<String>,
    /// Every instance of the node.
    #[arg(long, conflicts_with = "instance")]
    pub all: bool,
    /// `yield` takes over again if everybody else falls silent; `fence` never does until restored.
    #[arg(long, value_name = "yield|fence", default_value = "yield")]
    pub mode: String,
    /// With `fence`: a node that you have seen ready to take over. A MASTER hears nobody, and would refuse.
    #[arg(long, value_name = "NODE")]
    pub stand_in: Option<String>,
    #[command(flatten)]
    pub holding: Holding,
    #[command(flatten)]
    pub how: How,
}

#[derive(Debug, Args)]
pub struct Restore {
    #[arg(value_name = "INSTANCE", required_unless_present = "all")]
    pub instance: Option<String>,
    /// Every instance of the node.
    #[arg(long, conflicts_with = "instance")]
    pub all: bool,
    #[command(flatten)]
    pub keeping: Keeping,
    #[command(flatten)]
    pub how: How,
}

#[derive(Debug, Args)]
pub struct Takeover {
    #[arg(value_name = "INSTANCE")]
    pub instance: String,
    #[command(flatten)]
    pub holding: Holding,
    #[command(flatten)]
    pub how: How,
}

#[derive(Debug, Args)]
pub struct Pause {
    /// For how long: 30m, 2h, or never: until it is resumed.
    #[arg(long = "for", value_name = "TIME|never", default_value = "30m")]
    pub time: String,
    /// What happens then: `restore` ends it, `stay` raises an alarm that asks.
    #[arg(long, value_name = "stay|restore")]
    pub then: Option<String>,
    #[command(flatten)]
    pub keeping: Keeping,
    #[command(flatten)]
    pub how: How,
}

#[derive(Debug, Args)]
pub struct Resume {
    #[command(flatten)]
    pub keeping: Keeping,
    #[command(flatten)]
    pub how: How,
}

#[derive(Debug, Args)]
pub struct Keep {
    /// As the answer to the command, and `vipdeck changes`, say.
    #[arg(value_name = "ACTION")]
    pub id: u64,
    #[command(flatten)]
    pub how: How,
}

#[derive(Debug, Args)]
pub struct Undo {
    /// As `vipdeck changes` numbers them; none: the last that can be undone.
    #[arg(value_name = "ACTION")]
    pub id: Option<u64>,
    #[command(flatten)]
    pub keeping: Keeping,
    #[command(flatten)]
    pub how: How,
}

#[derive(Debug, Args)]
pub struct Changes {
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub at: Ats,
}

#[derive(Debug, Args)]
pub struct Lock {
    /// An instance, a real server, `node` or `all`.
    #[arg(value_name = "SUBJECT")]
    pub on: String,
    /// How long: 60s, 5m.
    #[arg(long = "for", value_name = "TIME", value_parser = typed_seconds, default_value = "60s")]
    pub seconds: u32,
    /// Who holds it, for several consoles of one user; commands of the same session pass.
    #[arg(long, value_name = "NAME")]
    pub session: Option<String>,
    #[command(flatten)]
    pub how: How,
}

#[derive(Debug, Args)]
pub struct Unlock {
    #[arg(value_name = "SUBJECT")]
    pub on: String,
    #[arg(long, value_name = "NAME")]
    pub session: Option<String>,
    #[command(flatten)]
    pub how: How,
}

#[derive(Debug, Args)]
pub struct Maint {
    #[command(flatten)]
    pub on: OnReal,
    #[command(flatten)]
    pub holding: Holding,
}

#[derive(Debug, Args)]
pub struct OnInstance {
    #[arg(value_name = "INSTANCE")]
    pub instance: String,
    #[command(flatten)]
    pub how: How,
}

#[derive(Debug, Args)]
pub struct OnReal {
    /// ADDRESS:PORT
    #[arg(value_name = "REAL_SERVER")]
    pub real: DestinationKey,
    /// Only in one virtual service: `of tcp/ADDRESS:PORT`; else in all that have it.
    #[arg(value_name = "of VIRTUAL_SERVER", num_args = 0..=2, value_parser = of_word)]
    pub of: Vec<OfWord>,
    #[command(flatten)]
    pub how: How,
}

/// The options of keepalived's genhash.
#[derive(Debug, Args)]
pub struct Genhash {
    /// The web server.
    #[arg(short, long, value_name = "ADDRESS")]
    pub server: IpAddr,
    #[arg(short, long, value_name = "PORT")]
    pub port: u16,
    /// The page.
    #[arg(short, long, value_name = "PATH")]
    pub url: String,
    /// Over TLS.
    #[arg(short = 'S', long)]
    pub use_ssl: bool,
    /// Tell the server which name is meant (SNI): that of --use-virtualhost.
    #[arg(short = 'I', long, requires = "use_ssl")]
    pub sni: bool,
    /// The host that the page is asked of.
    #[arg(short = 'V', long, value_name = "NAME")]
    pub use_virtualhost: Option<String>,
    /// 1.0, 1.0C, 1.1 or 2, as http_protocol.
    #[arg(short = 'P', long, value_name = "VERSION", default_value = "1.0")]
    pub protocol: String,
    /// Seconds for all of it.
    #[arg(short, long, value_name = "SECONDS", default_value_t = 5.0)]
    pub timeout: f64,
    /// The packets' mark.
    #[arg(short, long, value_name = "MARK", default_value_t = 0)]
    pub fwmark: u32,
    /// Also print status and size.
    #[arg(short, long)]
    pub verbose: bool,
}

#[derive(Debug, Args)]
pub struct Drain {
    #[command(flatten)]
    pub on: OnReal,
    /// When its time is over: 90, 90s, 10m, 2h.
    #[arg(long, value_name = "TIME", value_parser = typed_seconds)]
    pub deadline: Option<u32>,
    /// What happens if connections are left then: `ask` raises an alarm, `wait` goes on, `reset` ends them, `return`
    /// puts the server back into service.
    #[arg(long, value_name = "ask|wait|reset|return", default_value = "ask", requires = "deadline")]
    pub then: String,
    /// Send clients that stick to the server elsewhere. The kernel's IPVS then does so for every server of weight 0.
    #[arg(long)]
    pub ignore_persistence: bool,
    /// How long the server stays out of service, drained or not: 30m, 2h, or never: until it is returned.
    #[arg(long, value_name = "TIME|never", default_value = "never")]
    pub hold: String,
    /// What happens then: `stay` raises an alarm that asks, `restore` returns it with a slow start.
    #[arg(long, value_name = "stay|restore")]
    pub at_expiry: Option<String>,
    #[command(flatten)]
    pub keeping: Keeping,
}

#[derive(Debug, Args)]
pub struct Return {
    #[command(flatten)]
    pub on: OnReal,
    /// The weight grows to that of the file in ten steps over this time: 90, 90s, 10m.
    #[arg(long, value_name = "TIME", value_parser = typed_seconds)]
    pub slow_start: Option<u32>,
    #[command(flatten)]
    pub keeping: Keeping,
}

#[derive(Debug, Args)]
pub struct Intent {
    #[command(subcommand)]
    pub action: Option<IntentAction>,
    /// The list as JSON.
    #[arg(long, global = true)]
    pub json: bool,
    /// The engine's control socket, a name below /run/vipdeck, or ssh://HOST; several: all of them. None: all of this
    /// machine.
    #[arg(long = "at", global = true, value_name = "SOCKET|NAME|ssh://HOST")]
    pub targets: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub enum IntentAction {
    /// What is in force, who asked for it, since when and why. Exit status 1 if the engines differ.
    List,
    /// Lift what is asked of these real servers and instances.
    Clear {
        /// ADDRESS:PORT or the name of an instance.
        #[arg(value_name = "REAL_SERVER|INSTANCE", required_unless_present = "all")]
        subjects: Vec<String>,
        /// Everything.
        #[arg(long, conflicts_with = "subjects")]
        all: bool,
        /// Goes to the log with your name.
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
}

#[derive(Debug, Args)]
pub struct Weight {
    /// ADDRESS:PORT
    #[arg(value_name = "REAL_SERVER")]
    pub real: DestinationKey,
    /// The weight, with `of tcp/ADDRESS:PORT` before it to change only one virtual service.
    #[arg(value_name = "[of VIRTUAL_SERVER] WEIGHT", num_args = 1..=3, required = true)]
    pub rest: Vec<String>,
    #[command(flatten)]
    pub holding: Holding,
    #[command(flatten)]
    pub how: How,
}

/// The words after a real server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OfWord {
    Of,
    Service(ServiceKey),
}

fn of_word(word: &str) -> Result<OfWord, String> {
    if word == "of" { Ok(OfWord::Of) } else { service(word).map(OfWord::Service) }
}

fn service(word: &str) -> Result<ServiceKey, String> {
    let with_protocol = if word.contains('/') { word.to_owned() } else { format!("tcp/{word}") };
    with_protocol.parse().map_err(|e: crate::kernel::UnknownWord| e.to_string())
}

impl OnReal {
    /// The virtual service, if one was named.
    pub fn service(&self) -> Result<Option<ServiceKey>, String> {
        match self.of.as_slice() {
            [] => Ok(None),
            [OfWord::Of, OfWord::Service(key)] => Ok(Some(*key)),
            _ => Err("after the real server comes nothing, or `of VIRTUAL_SERVER`".into()),
        }
    }
}

impl Weight {
    /// The virtual service, if one was named, and the weight.
    pub fn parts(&self) -> Result<(Option<ServiceKey>, u32), String> {
        let (key, weight) = match self.rest.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            [weight] => (None, *weight),
            ["of", key, weight] => (Some(service(key)?), *weight),
            _ => return Err("after the real server comes WEIGHT, or `of VIRTUAL_SERVER WEIGHT`".into()),
        };
        let weight = weight.parse().map_err(|e| format!("`{weight}` is not a weight: {e}"))?;
        Ok((key, weight))
    }
}

#[derive(Debug, Args)]
pub struct Demo {
    #[arg(value_name = "SCENARIO", default_value = "dual-master-dr")]
    pub scenario: String,
    /// The same seed gives the same run.
    #[arg(long, default_value_t = 42)]
    pub seed: u64,
    /// Write the first screen (120×36) to FILE as an SVG picture and leave: needs no terminal.
    #[arg(long, value_name = "FILE")]
    pub picture: Option<PathBuf>,
    /// No screen: one sentence for each change, for screen readers and logs.
    #[arg(long, conflicts_with = "picture")]
    pub plain: bool,
    #[command(flatten)]
    pub look: Look,
}

#[derive(Debug, Args)]
pub struct Lab {
    /// A scenario, or `clean` to remove what an earlier lab left behind.
    #[arg(value_name = "SCENARIO|clean", default_value = "dual-master-dr")]
    pub scenario: String,
    /// Set everything up, print where the sockets are, and wait for a signal: no console.
    #[arg(long)]
    pub headless: bool,
    /// Milliseconds between two requests of the client to one address.
    #[arg(long, value_name = "MS", default_value_t = 20)]
    pub interval: u64,
    #[command(flatten)]
    pub look: Look,
}

#[derive(Debug, Args)]
pub struct RealServer {
    #[command(subcommand)]
    pub action: RealServerAction,
}

/// Of the commands about real servers.
const EXIT_STATUS_REAL: &str =
    "Exit status: 0 all is as it should be, 1 something is not, 2 it could not be found out or done";

#[derive(Debug, Subcommand)]
pub enum RealServerAction {
    /// Add the VIPs and silence ARP for them; what was there before is remembered.
    Up(RealServerUp),
    /// Remove them and put everything back as it was.
    Down(RealServerDown),
    /// Say what is set and what is not, what is wrong and how to repair it.
    #[command(visible_alias = "show", after_help = EXIT_STATUS_REAL)]
    Status(RealServerStatus),
    /// Write a unit of systemd that does the same at every start, or settings for sysctl.d; without --write only show it.
    Permanent(RealServerPermanent),
    /// On a director: ask real servers whether they take packets for the VIPs and tell nobody that they have them.
    #[command(after_help = EXIT_STATUS_REAL)]
    Verify(RealServerVerify),
}

/// Which VIPs.
#[derive(Debug, Args)]
pub struct RealServerVips {
    #[arg(long = "vip", value_name = "ADDRESS")]
    pub vips: Vec<IpAddr>,
    /// Those of a keepalived.conf: of its services by DR or TUN that have this machine among their real servers.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Those of all its services by DR or TUN.
    #[arg(long, requires = "config")]
    pub all: bool,
    /// The director sends packets in packets (lb_kind TUN): the VIPs of --vip go on tunl0 and ip6tnl0.
    #[arg(long)]
    pub tunnel: bool,
}

#[derive(Debug, Args)]
pub struct RealServerUp {
    #[command(flatten)]
    pub vips: RealServerVips,
    /// Print what would be done.
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
pub struct RealServerDown {
    /// Only these; none: all that `up` added.
    #[arg(long = "vip", value_name = "ADDRESS")]
    pub vips: Vec<IpAddr>,
    /// Print what would be done.
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
pub struct RealServerStatus {
    /// None: about all that `up` added.
    #[command(flatten)]
    pub vips: RealServerVips,
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct RealServerPermanent {
    #[command(flatten)]
    pub vips: RealServerVips,
    /// The kernel settings alone, for sysctl.d: the addresses come from elsewhere.
    #[arg(long)]
    pub sysctl: bool,
    /// Remove what was written, of either kind.
    #[arg(long, conflicts_with_all = ["vips", "config", "sysctl"])]
    pub remove: bool,
    /// Do it; without, it is only shown.
    #[arg(long)]
    pub write: bool,
    /// Below this directory.
    #[arg(long, value_name = "DIRECTORY", default_value = "/")]
    pub root: PathBuf,
}

#[derive(Debug, Args)]
pub struct RealServerVerify {
    /// ADDRESS, ADDRESS:PORT (TCP), or udp/ADDRESS:PORT
    #[arg(long = "vip", value_name = "VIP")]
    pub vips: Vec<String>,
    /// The real servers' own addresses; with --config, only these of the file's.
    #[arg(long = "real", value_name = "ADDRESS")]
    pub reals: Vec<IpAddr>,
    /// The services of a keepalived.conf by DR or TUN, each with all its real servers.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The real servers of --vip get packets in packets (lb_kind TUN).
    #[arg(long)]
    pub tunnel: bool,
    /// Ask from this address of this machine, too, as a client from there would (finds a strict rp_filter); without,
    /// some addresses of other links are tried.
    #[arg(long, value_name = "ADDRESS")]
    pub from: Vec<IpAddr>,
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct LabServer {
    #[arg(long)]
    pub name: String,
    #[arg(long)]
    pub listen: std::net::SocketAddr,
}

#[derive(Debug, Args)]
pub struct LabClient {
    #[arg(long = "ask", required = true, value_name = "ADDRESS:PORT")]
    pub targets: Vec<std::net::SocketAddr>,
    /// Milliseconds between two requests to one address.
    #[arg(long, default_value_t = 20)]
    pub interval: u64,
}
