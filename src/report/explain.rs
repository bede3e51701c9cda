//! `vipdeck explain`: what a keyword of keepalived.conf means, made from the table that reads it.
//!
//! The JSON is an array of objects with `block`, `keyword`, `argument`, `default`, `help`, `wrong`, `tier`, `in_vipdeck` and
//! `works`.

use crate::cli;
use crate::conf::{self, Keyword, Support, Tier};
use crate::settings::Settings;
use serde::Serialize;
use std::io::Write;

/// Explains; exit status 1 if no block has one of the keywords.
pub fn run(args: &cli::Explain, _settings: &Settings, out: &mut dyn Write) -> anyhow::Result<u8> {
    Ok(explain(&args.keywords, args.json, out)?)
}

/// Writes the entries of these keywords, or one line for each keyword if none is named.
pub fn explain(words: &[String], json: bool, out: &mut dyn Write) -> std::io::Result<u8> {
    if json {
        let all: Vec<&Keyword> = match words {
            [] => conf::keywords().iter().collect(),
            words => words.iter().flat_map(|word| entries(word)).collect(),
        };
        serde_json::to_writer_pretty(&mut *out, &all.iter().map(|entry| Answer::of(entry)).collect::<Vec<_>>())?;
        writeln!(out)?;
        return Ok(u8::from(all.is_empty()));
    }
    if words.is_empty() {
        for entry in conf::keywords() {
            writeln!(out, "{}  ({})", usage(entry), home(entry))?;
        }
        return Ok(0);
    }
    let mut status = 0;
    for word in words {
        let mut none = true;
        for entry in entries(word) {
            none = false;
            one(entry, out)?;
        }
        if none {
            status = 1;
            let near = conf::near_keyword(word).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            writeln!(out, "no block of keepalived.conf has a keyword `{}`{near}", super::text::plain(word))?;
        }
    }
    Ok(status)
}

fn entries(word: &str) -> impl Iterator<Item = &'static Keyword> {
    conf::keywords().iter().filter(move |entry| entry.name == word)
}

fn one(entry: &Keyword, out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(out, "{}", usage(entry))?;
    for (title, text) in rows(entry) {
        if !text.is_empty() {
            writeln!(out, "  {title:<14}{text}")?;
        }
    }
    writeln!(out)
}

/// What is said about a keyword, line by line. A new column of the table is one line here.
fn rows(entry: &Keyword) -> Vec<(&'static str, String)> {
    vec![
        ("where", home(entry)),
        ("meaning", entry.help.to_owned()),
        ("default", entry.default.to_owned()),
        ("wrong input", entry.wrong.to_owned()),
        ("found in", tier(entry.tier).to_owned()),
        ("in vipdeck", support(entry.support).to_owned()),
    ]
}

/// The keyword and its argument.
fn usage(entry: &Keyword) -> String {
    format!("{} {}", entry.name, entry.argument).trim_end().to_owned()
}

fn home(entry: &Keyword) -> String {
    if entry.block.is_empty() { "the top level".into() } else { format!("in {} {{ }}", entry.block) }
}

/// What vipdeck does with a keyword, for people.
pub fn support(support: Support) -> &'static str {
    match support {
        Support::Acts => "acts",
        Support::Noted => "accepted, has no effect",
    }
}

/// Which configurations use a keyword, for people.
pub fn tier(tier: Tier) -> &'static str {
    match tier {
        Tier::A => "ordinary configurations (tier A)",
        Tier::B => "large or careful ones (tier B)",
        Tier::C => "few (tier C)",
    }
}

#[derive(Serialize)]
struct Answer {
    block: &'static str,
    keyword: &'static str,
    argument: String,
    default: &'static str,
    help: &'static str,
    wrong: &'static str,
    tier: Tier,
    in_vipdeck: &'static str,
    works: bool,
}

impl Answer {
    fn of(entry: &Keyword) -> Self {
        Self {
            block: entry.block,
            keyword: entry.name,
            argument: entry.argument.clone(),
            default: entry.default,
            help: entry.help,
            wrong: entry.wrong,
            tier: entry.tier,
            in_vipdeck: support(entry.support),
            works: entry.support == Support::Acts,
        }
    }
}
