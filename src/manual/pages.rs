//! Manual pages: vipdeck.1 and one for each command, vipdeck.conf.5 from the keywords, vipdeck-keys.7 from the keys.

use crate::cli::{self, Cli};
use crate::conf::{self, Keyword, Support};
use crate::console::keymap::Keymap;
use anyhow::Context;
use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, italic, roman};
use std::io::Write;

/// Writes all pages into a directory, or vipdeck.1 to the output.
pub fn run(args: &cli::Manual, out: &mut dyn Write) -> anyhow::Result<u8> {
    let all = pages()?;
    let Some(directory) = &args.directory else {
        for (_, text) in all.iter().take(1) {
            out.write_all(text.as_bytes())?;
        }
        return Ok(0);
    };
    std::fs::create_dir_all(directory).with_context(|| format!("create {}", directory.display()))?;
    for (name, text) in &all {
        let path = directory.join(name);
        std::fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
    }
    writeln!(out, "wrote {} pages to {}", all.len(), directory.display())?;
    Ok(0)
}

/// Every page with its file's name, vipdeck.1 first.
pub fn pages() -> anyhow::Result<Vec<(String, String)>> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let mut all = Vec::new();
    commands(&command, "vipdeck", &mut all)?;
    all.push(("vipdeck.conf.5".into(), keywords()));
    all.push(("vipdeck-keys.7".into(), keys()?));
    Ok(all)
}

fn commands(command: &Command, name: &str, all: &mut Vec<(String, String)>) -> anyhow::Result<()> {
    let mut bytes = Vec::new();
    // The name of a subcommand's page is that of the whole command line.
    let page = command.clone().display_name(name.to_owned());
    Man::new(page).source(concat!("vipdeck ", env!("CARGO_PKG_VERSION"))).manual("vipdeck").render(&mut bytes)?;
    all.push((format!("{name}.1"), String::from_utf8(bytes).context("a manual page")?));
    for inner in command.get_subcommands().filter(|c| !c.is_hide_set() && c.get_name() != "help") {
        commands(inner, &format!("{name}-{}", inner.get_name()), all)?;
    }
    Ok(())
}

fn page(title: &str, section: &str, summary: &str) -> Roff {
    let mut roff = Roff::new();
    roff.control("TH", [title, section, "", concat!("vipdeck ", env!("CARGO_PKG_VERSION")), "vipdeck"]);
    roff.control("SH", ["NAME"]).text([roman(format!("{title} - {summary}"))]);
    roff
}

fn keywords() -> String {
    let mut roff = page("vipdeck.conf", "5", "keywords of keepalived.conf as vipdeck reads them");
    roff.control("SH", ["DESCRIPTION"]);
    roff.text([
        bold("vipdeck"),
        roman(" reads /etc/keepalived/keepalived.conf. Each keyword is listed below the block that it stands in. "),
        bold("vipdeck explain"),
        roman(" says the same, "),
        bold("vipdeck check"),
        roman(" finds what is wrong in a file."),
    ]);
    let mut block = None;
    for entry in conf::keywords() {
        if block != Some(entry.block) {
            block = Some(entry.block);
            let title =
                if entry.block.is_empty() { "TOP LEVEL".to_owned() } else { format!("IN {} {{ }}", entry.block) };
            roff.control("SH", [title.as_str()]);
        }
        keyword(&mut roff, entry);
    }
    roff.control("SH", ["SEE ALSO"]).text([bold("vipdeck"), roman("(1), "), bold("keepalived.conf"), roman("(5)")]);
    roff.to_roff()
}

fn keyword(roff: &mut Roff, entry: &Keyword) {
    roff.control("TP", []);
    roff.text([bold(entry.name), roman(" "), italic(entry.argument.clone())]);
    let default = if entry.default.is_empty() { String::new() } else { format!(" Default: {}.", entry.default) };
    let noted = if entry.support == Support::Noted { " Accepted, without effect." } else { "" };
    roff.text([roman(format!("{}{default}{noted}", entry.help))]);
}

fn keys() -> anyhow::Result<String> {
    let keymap = Keymap::load(None).map_err(|e| anyhow::anyhow!("key table: {e}"))?;
    let mut roff = page("vipdeck-keys", "7", "keys of the console");
    roff.control("SH", ["DESCRIPTION"]);
    roff.text([roman("Lower case looks, upper case changes, and asks before it does. "), bold("?")]);
    roff.text([roman(
        "lists the keys that work at the present place. The settings can lay another table over this one.",
    )]);
    let mut context = None;
    for entry in keymap.entries() {
        if context != Some(entry.context) {
            context = Some(entry.context);
            roff.control("SH", [format!("{:?}", entry.context).to_uppercase().as_str()]);
        }
        roff.control("TP", []);
        roff.text([bold(entry.keys_text())]);
        roff.text([roman(entry.help.clone())]);
    }
    roff.control("SH", ["SEE ALSO"]).text([bold("vipdeck"), roman("(1)")]);
    Ok(roff.to_roff())
}
