//! `vipdeck check`: what is wrong with configuration files, for people or as JSON.
//!
//! The JSON is one object: `files` (each with `file`, `status` 0 to 2, `counts` and `diagnostics`) and `summary`
//! (the counts of all files with `errors`, `warnings`, `notes`), `status`, which is the exit status, and with
//! --cluster `cluster`, the diagnostics about what differs between the files. A diagnostic
//! has `id`, `severity`, `message`, `blocks` (those around the place, the outermost first), `labels` and `help`; a label
//! has `file`, `line`, `column`, `end_line`, `end_column` (all from 1, columns in characters, the end exclusive) and
//! `text`. The first label is the place.

use crate::cli;
use crate::cluster::configuration::problem;
use crate::conf::cluster_check::{Node, compare};
use crate::conf::{self, Config, Diagnostic, Environment, Loader, Severity, Sources, Span};
use crate::settings::Settings;
use crate::status::Problem;
use crate::sys::files::{Files, environment};
use crate::sys::guarded::{json_signal, stats_clear_signal};
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use anyhow::Context;
use serde::Serialize;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Checks the files and gives the exit status: 0 clean, 1 warnings, 2 errors.
pub fn run(args: &cli::Check, _settings: &Settings, out: &mut dyn Write) -> anyhow::Result<u8> {
    anyhow::ensure!(!args.cluster || args.files.len() > 1, "--cluster compares files: name those of all nodes");
    let wants_none = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let look = match (args.json, std::io::stdout().is_terminal() && !wants_none) {
        (true, _) => Look::Json,
        (false, true) => Look::Coloured,
        (false, false) => Look::Plain,
    };
    let paths: Vec<&Path> = args.files.iter().map(PathBuf::as_path).collect();
    let environment = environment(args.reading.config_id.as_deref(), args.reading.all_config);
    let checked = check_in(&paths, &Files, &environment, args.cluster, look, out)?;
    Ok(if args.as_keepalived { super::keepalived::status(&checked.diagnostics) } else { checked.status })
}

/// `keepalived --config-test`, asked of this program under that name.
pub fn as_keepalived(args: &cli::Keepalived, out: &mut dyn Write) -> anyhow::Result<u8> {
    if let Some(word) = &args.signum {
        let number = signal_number(word).with_context(|| format!("`{word}` names no signal"))?;
        writeln!(out, "{number}")?;
        return Ok(0);
    }
    let Some(log) = &args.config_test else {
        anyhow::bail!(
            "this is vipdeck under the name of keepalived, and it only tests configurations (-t); to run one: vipdeck run --headless -f {}",
            args.file.display()
        );
    };
    let environment = environment(args.reading.config_id.as_deref(), args.reading.all_config);
    let mut file = match log {
        Some(path) => Some(std::fs::File::create(path).with_context(|| format!("log file {}", path.display()))?),
        None => None,
    };
    let out: &mut dyn Write = match &mut file {
        Some(file) => file,
        None => out,
    };
    let checked = check_in(&[&args.file], &Files, &environment, false, Look::Plain, out)?;
    Ok(super::keepalived::status(&checked.diagnostics))
}

/// What `--signum` calls the signals that an engine takes.
fn signal_number(word: &str) -> Option<i32> {
    Some(match word {
        "RELOAD" => nix::libc::SIGHUP,
        "STOP" => nix::libc::SIGTERM,
        "DATA" => nix::libc::SIGUSR1,
        "STATS" => nix::libc::SIGUSR2,
        "STATS_CLEAR" => stats_clear_signal(),
        "JSON" => json_signal(),
        _ => return None,
    })
}

/// What a check came to.
#[derive(Debug)]
pub struct Verdict {
    /// 0 clean, 1 warnings, 2 errors.
    pub status: u8,
    pub diagnostics: Vec<Diagnostic>,
}

/// Checks files that come through `loader`; with `cluster` also against each other.
pub fn check_in(
    paths: &[&Path],
    loader: &dyn Loader,
    environment: &Environment,
    cluster: bool,
    look: Look,
    out: &mut dyn Write,
) -> std::io::Result<Verdict> {
    let mut files = Vec::new();
    let mut nodes = Vec::new();
    let mut summary = Summary::default();
    let mut sources = Sources::default();
    let mut all = Vec::new();
    for path in paths {
        let read = conf::read(path, loader, environment, sources);
        let (config, diagnostics) = (read.config, read.diagnostics);
        sources = read.sources;
        let counts = Counts::of(&config);
        summary.add(&counts, &diagnostics);
        if look == Look::Json {
            files.push(Checked::of(path, counts, &diagnostics, &sources));
        } else {
            write_all(&diagnostics, &sources, path, look, out)?;
        }
        all.extend(diagnostics);
        nodes.push(Node { name: node_name(path, &config, &nodes), config, index: read.index });
    }
    let compared = if cluster { compare(&nodes) } else { Vec::new() };
    summary.add(&Counts::default(), &compared);
    let status = summary.status();
    if look == Look::Json {
        let compared = cluster.then(|| compared.iter().map(|d| problem(d, &sources, Path::new(""))).collect());
        serde_json::to_writer_pretty(&mut *out, &Answer { files, cluster: compared, summary, status })?;
        writeln!(out)?;
    } else {
        write_all(&compared, &sources, Path::new("cluster"), look, out)?;
        writeln!(out, "{}", summary.line(paths.len()))?;
    }
    all.extend(compared);
    Ok(Verdict { status, diagnostics: all })
}

fn write_all(
    diagnostics: &[Diagnostic],
    sources: &Sources,
    path: &Path,
    look: Look,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    diagnostics.iter().try_for_each(|d| out.write_all(text(d, sources, path, look).as_bytes()))
}

/// The node's `router_id`, if no node before has it, or else its file.
fn node_name(path: &Path, config: &Config, others: &[Node]) -> String {
    let id = config.router_id.clone().filter(|id| others.iter().all(|node| node.name != *id));
    id.unwrap_or_else(|| path.display().to_string())
}

/// How the result is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    Plain,
    Coloured,
    Json,
}

/// One diagnostic: a line that tools can read, the place in the text, and what to do.
pub fn text(diagnostic: &Diagnostic, sources: &Sources, main: &Path, look: Look) -> String {
    let place = match diagnostic.span() {
        Some(span) => {
            let at = sources.position(span.source, span.start);
            format!("{}:{}:{}", name_of(sources, span, main), at.line, at.column)
        }
        // A file that cannot be read has no place in it.
        None => main.display().to_string(),
    };
    let (on, off) = match (look, diagnostic.severity) {
        (Look::Coloured, Severity::Error) => ("\x1b[1;31m", "\x1b[0m"),
        (Look::Coloured, Severity::Warning) => ("\x1b[1;33m", "\x1b[0m"),
        (Look::Coloured, Severity::Note) => ("\x1b[1;32m", "\x1b[0m"),
        _ => ("", ""),
    };
    let title = format!("{}[{}]", diagnostic.severity, diagnostic.id);
    let message = annotate_snippets::normalize_untrusted_str(&diagnostic.message);
    let mut text = format!("{place}: {on}{title}{off}: {message}\n");
    if let Some(picture) = picture(diagnostic, sources, look) {
        text.push_str(&picture);
        text.push('\n');
    }
    let around = blocks_around(diagnostic, sources);
    if !around.is_empty() {
        text.push_str("  = in: ");
        text.push_str(&annotate_snippets::normalize_untrusted_str(&around.join(", ")));
        text.push('\n');
    }
    for help in &diagnostic.help {
        text.push_str("  = help: ");
        text.push_str(&annotate_snippets::normalize_untrusted_str(help));
        text.push('\n');
    }
    text.push('\n');
    text
}

/// The blocks that the problem is in, but for one whose first line is shown.
fn blocks_around<'d>(diagnostic: &'d Diagnostic, sources: &Sources) -> Vec<&'d str> {
    let mut blocks: Vec<&str> = diagnostic.blocks.iter().map(String::as_str).collect();
    let line = diagnostic.span().and_then(|span| {
        let text = &sources.get(span.source)?.text;
        let from = text.get(..span.start)?.rfind('\n').map_or(0, |at| at + 1);
        text.get(from..)?.lines().next()
    });
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let shown = |block: &&str| line.is_some_and(|line| words(line).starts_with(&words(block)));
    if blocks.last().is_some_and(shown) {
        blocks.pop();
    }
    blocks
}

/// The lines of the text with their marks.
fn picture(diagnostic: &Diagnostic, sources: &Sources, look: Look) -> Option<String> {
    let first = diagnostic.span()?;
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let mut group = Group::with_level(level);
    let mut shown = Vec::new();
    for label in &diagnostic.labels {
        let id = label.span.source;
        if shown.contains(&id) {
            continue;
        }
        shown.push(id);
        let source = sources.get(id)?;
        let name = source.path.display().to_string();
        // Only the lines in question: the renderer goes through all it is given, for every diagnostic.
        let spans = || diagnostic.labels.iter().map(|label| label.span).filter(|span| span.source == id);
        let from = spans().map(|span| span.start).min().unwrap_or(0);
        let to = spans().map(|span| span.end).max().unwrap_or(from);
        let from = source.text.get(..from)?.rfind('\n').map_or(0, |at| at + 1);
        let to = source.text.get(to..)?.find('\n').map_or(source.text.len(), |at| to + at);
        let number = sources.position(id, from).line;
        let mut snippet = Snippet::source(source.text.get(from..to)?).line_start(number);
        // The line above names the file already.
        if id != first.source {
            snippet = snippet.path(name);
        }
        for (index, label) in diagnostic.labels.iter().enumerate().filter(|(_, label)| label.span.source == id) {
            let kind = if index == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
            let annotation = kind.span(label.span.start - from..label.span.end - from);
            let text = Some(label.text.as_str()).filter(|text| !text.is_empty());
            snippet = snippet.annotation(annotation.label(text));
        }
        group = group.element(snippet);
    }
    let renderer = if look == Look::Coloured { Renderer::styled() } else { Renderer::plain() };
    Some(renderer.render(&[group]))
}

fn name_of(sources: &Sources, span: Span, main: &Path) -> String {
    sources.get(span.source).map_or(main, |source| source.path.as_path()).display().to_string()
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Counts {
    instances: usize,
    vips: usize,
    services: usize,
    real_servers: usize,
    scripts: usize,
}

impl Counts {
    fn of(config: &Config) -> Self {
        Self {
            instances: config.instances.len(),
            vips: config.instances.iter().map(|i| i.addresses.len()).sum(),
            services: config.services.len(),
            real_servers: config.services.iter().map(|s| s.reals.len()).sum(),
            scripts: config.scripts.len(),
        }
    }
}

#[derive(Debug, Default, Serialize)]
struct Summary {
    errors: usize,
    warnings: usize,
    notes: usize,
    #[serde(flatten)]
    counts: Counts,
}

impl Summary {
    fn add(&mut self, counts: &Counts, diagnostics: &[Diagnostic]) {
        let number = |severity| diagnostics.iter().filter(|d| d.severity == severity).count();
        self.errors += number(Severity::Error);
        self.warnings += number(Severity::Warning);
        self.notes += number(Severity::Note);
        self.counts.instances += counts.instances;
        self.counts.vips += counts.vips;
        self.counts.services += counts.services;
        self.counts.real_servers += counts.real_servers;
        self.counts.scripts += counts.scripts;
    }

    fn status(&self) -> u8 {
        match (self.errors, self.warnings) {
            (0, 0) => 0,
            (0, _) => 1,
            _ => 2,
        }
    }

    fn line(&self, files: usize) -> String {
        let counts = &self.counts;
        let found = [(self.errors, "error"), (self.warnings, "warning"), (self.notes, "note")];
        let found: Vec<String> = found.into_iter().filter(|(n, _)| *n > 0).map(|(n, what)| plural(n, what)).collect();
        format!(
            "{}: {}, {}, {}, {}: {}",
            plural(files, "file"),
            plural(counts.instances, "instance"),
            plural(counts.vips, "VIP"),
            plural(counts.services, "service"),
            plural(counts.real_servers, "real server"),
            if found.is_empty() { "nothing to say".into() } else { found.join(", ") }
        )
    }
}

fn plural(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

#[derive(Serialize)]
struct Answer {
    files: Vec<Checked>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<Vec<Problem>>,
    summary: Summary,
    status: u8,
}

#[derive(Serialize)]
struct Checked {
    file: String,
    status: u8,
    counts: Counts,
    diagnostics: Vec<Problem>,
}

impl Checked {
    fn of(path: &Path, counts: Counts, diagnostics: &[Diagnostic], sources: &Sources) -> Self {
        let mut summary = Summary::default();
        summary.add(&counts, diagnostics);
        let diagnostics = diagnostics.iter().map(|d| problem(d, sources, path));
        Self { file: path.display().to_string(), status: summary.status(), counts, diagnostics: diagnostics.collect() }
    }
}
