//! A lab without a console: JSON lines out, actions as JSON lines in. This is how tests drive it.

use super::crew::Crew;
use super::report::Line;
use super::scenario::Scenario;
use crate::control::StageRequest;
use crate::status::{Reply, StageAction};
use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval};

/// Until SIGTERM, SIGINT, SIGHUP or the end of standard input.
pub(super) fn run(scenario: &'static Scenario, base: &Path, interval: u64, out: &mut dyn Write) -> anyhow::Result<u8> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        let show = async {
            let mut crew = Crew::raise(scenario, base, interval).await?;
            let shown = show(&mut crew, out).await;
            crew.strike().and(shown)
        };
        // Given up in the middle, a crew removes everything as it is dropped.
        tokio::select! {
            shown = show => shown?,
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hang_up.recv() => {}
        }
        Ok(0)
    })
}

/// Until the end of standard input, or of those who read.
async fn show(crew: &mut Crew, out: &mut dyn Write) -> anyhow::Result<()> {
    print(out, &Line::Ready(crew.ready()))?;
    let seen = crew.watch();
    let (ask, mut requests) = mpsc::channel(16);
    let mut lines = standard_input()?;
    let mut ticks = interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (answers, mut answered) = mpsc::channel(16);
    let play = crew.play(&mut requests);
    tokio::pin!(play);
    loop {
        let line = tokio::select! {
            () = &mut play => return Ok(()),
            _ = ticks.tick() => {
                let (stage, report) = seen.borrow().clone();
                Line::Seen { stage, report }
            }
            line = lines.recv() => match line {
                None => return Ok(()),
                Some(text) => match serde_json::from_str::<StageAction>(&text) {
                    Ok(action) => {
                        let (reply, answer) = oneshot::channel();
                        ask.send(StageRequest { action: action.clone(), reply }).await?;
                        tokio::spawn(pass_on(action, answer, answers.clone()));
                        continue;
                    }
                    Err(error) => Line::Error { text: format!("`{text}` is no action: {error}") },
                }
            },
            Some(line) = answered.recv() => line,
        };
        print(out, &line)?;
    }
}

async fn pass_on(action: StageAction, answer: oneshot::Receiver<Reply>, to: mpsc::Sender<Line>) {
    if let Ok(reply) = answer.await {
        // Nobody reads any more: the lab is ending.
        let _ = to.send(Line::Answer { action, reply }).await;
    }
}

fn print(out: &mut dyn Write, line: &Line) -> anyhow::Result<()> {
    writeln!(out, "{}", serde_json::to_string(line)?)?;
    Ok(out.flush()?)
}

/// Reading it blocks, so it has a thread, which ends with the process.
fn standard_input() -> std::io::Result<mpsc::Receiver<String>> {
    let (send, lines) = mpsc::channel(16);
    std::thread::Builder::new().name("stdin".into()).spawn(move || {
        // An error of reading ends it as the end of input does.
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if !line.trim().is_empty() && send.blocking_send(line).is_err() {
                return;
            }
        }
    })?;
    Ok(lines)
}
