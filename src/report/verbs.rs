//! The verbs: one command to one engine, its answer, and with `--wait` what became of it.

use super::engines::{self, until_closed};
use super::exit;
use super::outcome::{Outcome, Watch};
use super::text::plain;
use crate::cli;
use crate::control::client::{self, Failure};
use crate::control::{Connection, Feed, Target};
use crate::settings::Settings;
use crate::status::{Ask, Command, Reply};
use crate::time::Duration;
use anyhow::{Context, ensure};
use serde::Serialize;
use std::io::Write;
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};

/// Carries out a verb of the command line.
pub fn asked(verb: cli::Mode, settings: &Settings, out: &mut dyn Write) -> anyhow::Result<u8> {
    let asked = super::asked::of(verb).map_err(anyhow::Error::msg)?;
    let (ask, how) = asked.context("no verb")?;
    run(ask, &how, settings, out)
}

/// Sends one command to one engine, or to each of several, and prints the answers.
pub fn run(ask: Ask, how: &cli::How, settings: &Settings, out: &mut dyn Write) -> anyhow::Result<u8> {
    let patience = Duration::try_from_secs_f64(how.timeout).unwrap_or_default();
    ensure!(!patience.is_zero(), "--timeout {}: a number of seconds above 0", how.timeout);
    engines::runtime()?.block_on(async {
        let mut targets = engines::meant(&how.at, settings).await?;
        if targets.len() == 1 {
            let answer = carry_out(ask, how, patience, targets.remove(0)).await?;
            until_closed(answer.write(how.json, out))?;
            return Ok(answer.exit());
        }
        let is_everywhere = matches!(
            ask.command,
            Command::Drain { .. }
                | Command::Maint { .. }
                | Command::Reset { .. }
                | Command::Return { .. }
                | Command::Weight { .. }
                | Command::Note { .. }
                | Command::Acknowledge { .. }
                | Command::Pause {}
                | Command::Resume {}
        );
        ensure!(is_everywhere, "{} is for one engine: give --at once", ask.command.verb());
        let asked = targets.iter().map(|target| carry_out(ask.clone(), how, patience, target.clone()));
        let answers = futures_util::future::join_all(asked).await;
        tell_all(&targets, answers, how.json, out)
    })
}

/// The answers of several engines; the exit status is the worst. Whoever was not told does not have it.
fn tell_all(
    targets: &[Target],
    answers: Vec<anyhow::Result<Answer>>,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<u8> {
    let mut exit = exit::DONE;
    let mut told = Vec::new();
    for (target, answer) in targets.iter().zip(answers) {
        match answer {
            Ok(answer) => told.push(answer),
            Err(error) => {
                exit = exit::NOT_ASKED;
                engines::complain(&format!("{}: was not told, ask it again: {error:#}", target.label));
            }
        }
    }
    exit = told.iter().map(Answer::exit).fold(exit, u8::max);
    if json {
        serde_json::to_writer_pretty(&mut *out, &told)?;
        until_closed(writeln!(out))?;
        return Ok(exit);
    }
    for answer in &told {
        if !until_closed(answer.write(false, out))? {
            break;
        }
    }
    Ok(exit)
}

/// What became of a command; printed as JSON with `--json`.
#[derive(Debug, Serialize)]
struct Answer {
    engine: String,
    /// As on the command line.
    command: String,
    #[serde(flatten)]
    reply: Reply,
    /// With `--wait`, if it was accepted.
    #[serde(flatten)]
    waited: Option<Waited>,
}

#[derive(Debug, Serialize)]
struct Waited {
    outcome: &'static str,
    detail: String,
    seconds: f64,
    #[serde(skip)]
    exit: u8,
}

impl Answer {
    fn exit(&self) -> u8 {
        match (&self.reply, &self.waited) {
            (Reply::Rejected { .. }, _) => exit::REJECTED,
            (Reply::Accepted { .. }, None) => exit::DONE,
            (Reply::Accepted { .. }, Some(waited)) => waited.exit,
        }
    }

    fn write(&self, json: bool, out: &mut dyn Write) -> std::io::Result<()> {
        if json {
            serde_json::to_writer_pretty(&mut *out, self)?;
            return writeln!(out);
        }
        let (word, text) = match &self.reply {
            Reply::Accepted { text, .. } => ("accepted", text),
            Reply::Rejected { reason } => ("rejected", reason),
        };
        writeln!(out, "{}: {word}: {}", self.engine, plain(text))?;
        if let Reply::Accepted { action: Some(action), .. } = &self.reply {
            writeln!(out, "{}: action {action}: `vipdeck undo {action}` takes it back", self.engine)?;
        }
        match &self.waited {
            Some(w) => writeln!(out, "{}: {} after {:.1} s: {}", self.engine, w.outcome, w.seconds, plain(&w.detail)),
            None => Ok(()),
        }
    }
}

async fn carry_out(ask: Ask, how: &cli::How, patience: Duration, target: Target) -> anyhow::Result<Answer> {
    // Before the command, so that nothing is missed that comes about at once.
    let feed = how.wait.then(|| client::connect(target.clone(), &Handle::current()));
    let ask = Ask { reason: how.reason.clone(), force: how.force, ..ask };
    let began = Instant::now();
    let reply = reply(&target, &ask).await?;
    let waited = match (&reply, feed) {
        (Reply::Accepted { .. }, Some(feed)) => {
            Some(wait(feed, Watch::new(ask.command.clone()), began, patience).await)
        }
        _ => None,
    };
    Ok(Answer { engine: target.label, command: ask.to_string(), reply, waited })
}

/// What the engine or its link says; that this user may not ask is a rejection too.
async fn reply(target: &Target, ask: &Ask) -> Result<Reply, Failure> {
    match client::command(target, ask).await {
        Err(Failure::Refused { status, text, .. }) if status < 500 => Ok(Reply::Rejected { reason: text }),
        other => other,
    }
}

/// Follows the engine until the command's outcome is clear, at most `patience`.
async fn wait(feed: Feed, mut watch: Watch, began: Instant, patience: Duration) -> Waited {
    let mut snapshots = feed.board.watch();
    let mut last = "the engine has not reported since".to_owned();
    let clear = async {
        loop {
            let snapshot = snapshots.borrow_and_update().clone();
            match snapshot.map(|s| watch.judge(&s)) {
                Some(Outcome::Done(detail)) => return ("done", detail, exit::DONE),
                Some(Outcome::Different(detail)) => return ("different", detail, exit::DIFFERENT),
                Some(Outcome::Waiting(detail)) => last = detail,
                None => {}
            }
            if snapshots.changed().await.is_err() {
                // The board is held by the feed, so this is not reached before the timeout.
                std::future::pending::<()>().await;
            }
        }
    };
    let result = timeout_at(began + patience, clear).await;
    let (outcome, detail, exit) = result.unwrap_or_else(|_| {
        let lost = match &*feed.connection.borrow() {
            Connection::Lost { why, .. } => format!("; the link is lost: {why}"),
            Connection::Connecting | Connection::Live => String::new(),
        };
        ("timeout", format!("{last}{lost}"), exit::TIMEOUT)
    });
    Waited { outcome, detail, seconds: began.elapsed().as_secs_f64(), exit }
}
