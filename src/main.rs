//! Choose a mode, run it, turn the outcome into an exit code.

use clap::Parser;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use vipdeck::cli::{Cli, Keepalived, Mode};
use vipdeck::settings::{self, Settings};
use vipdeck::{control, lab, launch, real_server, report, runtime, sys};

fn main() -> ExitCode {
    let mut out = std::io::stdout();
    if std::env::args_os().next().is_some_and(|name| Path::new(&name).file_name().is_some_and(|n| n == "keepalived")) {
        return finish(report::check::as_keepalived(&Keepalived::parse(), &mut out));
    }
    match vipdeck::manual::complete() {
        Ok(false) => {}
        Ok(true) => return ExitCode::SUCCESS,
        Err(error) => return finish(Err(error)),
    }
    let cli = Cli::parse();
    finish(prepare(&cli).and_then(|settings| dispatch(cli.mode, &settings, &mut out)))
}

fn finish(outcome: anyhow::Result<u8>) -> ExitCode {
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "vipdeck: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// What every mode needs before it starts, while there is only one thread.
fn prepare(cli: &Cli) -> anyhow::Result<Settings> {
    // Of several processes the engine alone moves: it may ask the kernel from the namespace it comes from.
    let passes_on = matches!(&cli.mode, Mode::Run(run) if !run.is_engine());
    if let Some(name) = cli.netns.as_ref().filter(|_| !passes_on) {
        sys::netns::move_to(name)?;
    }
    settings::load(cli.settings.as_deref())
}

fn dispatch(mode: Mode, settings: &Settings, out: &mut dyn Write) -> anyhow::Result<u8> {
    match mode {
        Mode::Demo(args) => launch::demo::run(&args, settings, out),
        Mode::Lab(args) => lab::command::run(&args, settings, out),
        Mode::Check(args) => report::check::run(&args, settings, out),
        Mode::Explain(args) => report::explain::run(&args, settings, out),
        Mode::Run(args) => launch::run::run(&args, settings, out),
        Mode::Attach(args) => launch::attach::run(&args, settings, out),
        Mode::Record(args) => launch::record::run(&args, settings, out),
        Mode::Replay(args) => launch::replay::run(&args, settings, out),
        Mode::Report(args) => launch::report::run(&args, settings, out),
        Mode::Status(args) => report::status::run(&args, settings, out),
        Mode::Watch(args) => report::watch::run(&args, settings, out),
        Mode::Completions(args) => vipdeck::manual::register(&args, out),
        Mode::Man(args) => vipdeck::manual::run(&args, out),
        Mode::WhatIf(args) => report::what_if::run(&args, settings, out),
        Mode::Why(args) => report::why::run(&args, settings, out),
        Mode::Metrics(args) => report::metrics::run(&args, settings, out),
        Mode::Events(args) => report::events::run(&args, settings, out),
        Mode::Alarms(args) => report::alarms::run(&args, settings, out),
        Mode::Config(args) => report::config::run(&args, settings, out),
        Mode::Audit(args) => report::audit::run(&args, settings, out),
        Mode::Changes(args) => report::changes::run(&args, settings, out),
        Mode::Intent(args) => report::intent::run(&args, settings, out),
        Mode::Genhash(args) => runtime::genhash::run(&args, out),
        Mode::RealServer(args) => real_server::command::run(&args.action, settings, out),
        Mode::Relay(at) => control::relay::run(&at, settings, out),
        Mode::LabServer(args) => lab::server::run(&args, settings, out),
        Mode::LabClient(args) => lab::client::run(&args, settings, out),
        verb => report::verbs::asked(verb, settings, out),
    }
}
