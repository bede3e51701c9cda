//! Tracked scripts, on a thread of their own.

use crate::conf::ScriptSpec;
use crate::engine::Input;
use crate::health::Outcome;
use crate::sys::process;
use std::io;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Starts the thread; each script's result comes back as an input.
pub(super) fn start(results: UnboundedSender<Input>) -> io::Result<UnboundedSender<ScriptSpec>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (jobs, received) = unbounded_channel();
    std::thread::Builder::new().name("workers".into()).spawn(move || runtime.block_on(work(received, results)))?;
    Ok(jobs)
}

async fn work(mut jobs: UnboundedReceiver<ScriptSpec>, results: UnboundedSender<Input>) {
    while let Some(spec) = jobs.recv().await {
        let results = results.clone();
        tokio::spawn(async move {
            let outcome = script(&spec).await;
            // The engine has ended: nobody wants to know.
            let _ = results.send(Input::ScriptDone { outcome, name: spec.name });
        });
    }
}

async fn script(spec: &ScriptSpec) -> Outcome {
    let script = process::Script {
        argv: argv(spec),
        user: spec.user.as_ref().map(|u| u.user.clone()),
        group: spec.user.as_ref().and_then(|u| u.group.clone()),
        timeout: spec.timeout,
        leaves_children: false,
        keeps: process::Keeps::Last,
    };
    outcome(&process::run_script(&script).await)
}

/// `<FILE` is keepalived's for a test that the file can be read; a process of its own, for the file's system may hang.
fn argv(spec: &ScriptSpec) -> Vec<String> {
    match spec.argv.first().and_then(|program| program.strip_prefix('<')) {
        Some(file) => ["/usr/bin/test", "-r", file].map(str::to_owned).to_vec(),
        None => spec.argv.clone(),
    }
}

pub(super) fn outcome(ended: &process::ScriptOutcome) -> Outcome {
    Outcome { good: ended.good, detail: ended.detail(), took: ended.took }
}
