//! `vipdeck why`: what something follows from, by the word of each engine.

use super::engines::{self, complain, until_closed};
use super::exit;
use super::text::{plain, wall};
use crate::cli;
use crate::control;
use crate::settings::Settings;
use crate::why::{self, Why};
use std::io::{self, Write};

/// Prints the answers of every engine that is meant: all of this machine, or those named.
pub fn run(args: &cli::Why, settings: &Settings, out: &mut dyn Write) -> anyhow::Result<u8> {
    let targets = control::resolve(&args.at.targets, &settings.control.directory)?;
    let mut answers: Vec<Why> = Vec::new();
    let mut asked = Vec::new();
    for (_, answer) in engines::runtime()?.block_on(engines::statuses(&targets)) {
        match answer {
            Ok(snapshot) => {
                answers.extend(why::find(&snapshot, &args.subject).iter().filter_map(|s| why::of(&snapshot, s)));
                asked.push(snapshot.node.name);
            }
            Err(failure) => complain(&failure),
        }
    }
    if asked.is_empty() {
        return Ok(exit::NOT_ASKED);
    }
    if answers.is_empty() {
        complain(&format!("{} has nothing called `{}`", asked.join(", "), plain(&args.subject)));
        return Ok(exit::REJECTED);
    }
    let written = if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&answers)?)
    } else {
        answers.iter().try_for_each(|answer| write(answer, out))
    };
    until_closed(written)?;
    Ok(exit::DONE)
}

fn write(why: &Why, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{} on {}:", plain(&why.subject.to_string()), plain(&why.node))?;
    for answer in &why.answers {
        writeln!(out, "  {}", plain(&answer.fact))?;
        for reason in &answer.chain {
            let input = reason.input.as_ref().map(|kind| format!("  [{}]", plain(kind))).unwrap_or_default();
            writeln!(out, "    {}  {}{input}", wall(why.wall_of(reason.at)), plain(&reason.text))?;
        }
    }
    Ok(())
}
