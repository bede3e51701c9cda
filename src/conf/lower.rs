//! Tree to drafts: walks each block with its table of keywords.

use super::diagnostic::{Diagnostic, Severity};
use super::keywords::instance::{Track, Vip};
use super::keywords::{self, Keyword, Pipe, Takes};
use super::lexer::Word;
use super::source::{Loader, Sources, Span, Spanned};
use super::suggest;
use super::tree::{Body, Statement};
use super::{tree, value, vip};
use crate::net::LinkName;
use crate::time::Duration;
use crate::vrrp::{Command, RunAs};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;

/// The keywords of one block that were written and refused: nobody should be told that they are missing.
pub(super) type Failed = BTreeSet<&'static str>;

/// What lowering collects, and what it may look at.
pub(super) struct Cx<'a> {
    pub sources: &'a Sources,
    pub loader: &'a dyn Loader,
    pub diagnostics: Vec<Diagnostic>,
    /// Rules met so far, in all blocks.
    rules: usize,
    /// What is run to notify, wherever it stands.
    pub commands: Vec<Spanned<Command>>,
    /// What checkers refer to.
    pub checkers: super::check_checkers::World,
    /// The note about each keyword that is accepted without effect: it is told once.
    noted: BTreeMap<(&'static str, &'static str), usize>,
}

impl<'a> Cx<'a> {
    pub(super) fn new(sources: &'a Sources, loader: &'a dyn Loader) -> Self {
        Self {
            sources,
            loader,
            diagnostics: Vec::new(),
            commands: Vec::new(),
            checkers: super::check_checkers::World::default(),
            rules: 0,
            noted: BTreeMap::new(),
        }
    }

    /// The lines of a block of rules, each with its place among those of all blocks.
    pub(super) fn numbered(&mut self, body: &Body) -> Vec<(usize, Statement)> {
        let first = self.rules;
        self.rules += body.statements.len();
        body.statements.iter().cloned().enumerate().map(|(place, line)| (first + place, line)).collect()
    }

    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// The name of a block; words after it are reported.
    pub(super) fn name(&mut self, statement: &Statement) -> Option<Spanned<String>> {
        self.no_more_words(statement, 2);
        match statement.words.as_slice() {
            [_, name, ..] => Some(Spanned { value: name.text.clone(), span: name.span }),
            [keyword] => {
                let message = format!("{} needs a name", keyword.text);
                self.report(
                    Diagnostic::error("missing-argument", message)
                        .at(keyword.span, "")
                        .help(format!("write `{} NAME {{`", keyword.text)),
                );
                None
            }
            [] => None,
        }
    }

    /// Reports the words of a statement after the first `used`.
    pub(super) fn no_more_words(&mut self, statement: &Statement, used: usize) {
        let Some(extra) = statement.words.get(used) else { return };
        let last = statement.words.last().map_or(extra.span, |word| word.span);
        let keyword = statement.words.first().map_or("", |word| word.text.as_str());
        let problem = Diagnostic::warning("extra-words", format!("more words than {keyword} takes"))
            .at(extra.span.to(last), "ignored");
        self.report(if keywords::is_known(&extra.text) {
            problem.help(format!("one statement a line: put `{}` on a line of its own", extra.text))
        } else {
            problem
        });
    }

    /// A statement that is probably the rest of a comment.
    fn wrapped(&mut self, statement: &Statement) {
        let Some(span) = statement.span() else { return };
        // A line that braces cut into several statements is told once.
        if let Some(last) = self.diagnostics.last_mut().filter(|d| d.id == "wrapped-comment")
            && let Some(label) = last.labels.first_mut()
            && !self.sources.text(label.span.to(span)).contains('\n')
        {
            label.span = label.span.to(span);
            return;
        }
        self.report(
            Diagnostic::warning("wrapped-comment", "this line is probably the rest of the comment above")
                .at(span, "ignored")
                .help("a comment ends with its line: put a `#` in front of this one, or join the two"),
        );
    }

    fn unknown(&mut self, block: &str, names: &[&'static str], statement: &Statement, first: &Word) {
        let near = suggest::nearest(&first.text, names.iter().copied());
        // A keyword of another block is misplaced, unless prose begins with it by chance.
        let prose = statement.words.len() > 2 || !(keywords::is_known(&first.text) || tree::is_address(first));
        if statement.wrapped || (statement.below_comment && near.is_none() && statement.body.is_none() && prose) {
            self.wrapped(statement);
            return;
        }
        let place = if block.is_empty() { "the top level".to_owned() } else { format!("`{block}`") };
        let what = if statement.body.is_some() { "block" } else { "keyword" };
        let effect = if statement.body.is_some() { "this block is ignored as a whole" } else { "this line is ignored" };
        let message = format!("`{}` is no {what} of {place}", first.text);
        let id = if statement.body.is_some() { "unknown-block" } else { "unknown-keyword" };
        let mut problem = Diagnostic::warning(id, message).at(first.span, effect);
        let elsewhere = || keywords::list().iter().find(|entry| entry.name == first.text);
        if let Some(entry) = elsewhere() {
            let home = if entry.block.is_empty() { "at the top level".into() } else { format!("in `{}`", entry.block) };
            problem = problem.help(format!("`{}` stands {home}", first.text));
        } else if let Some(near) = near.or_else(|| suggest::near_any(&first.text)) {
            problem = problem.help(format!("did you mean `{near}`?"));
        }
        if first.text.contains(|c: char| c.is_whitespace()) && !first.quoted {
            problem = problem.help("there is a blank in it that is not the ordinary one, such as U+3000 or U+00A0");
        }
        self.report(problem);
    }

    fn noted(&mut self, block: &'static str, name: &'static str, severity: Severity, why: &str, span: Span) {
        if let Some(label) = self.noted.get(&(block, name)).copied() {
            if let Some(first) = self.diagnostics.get_mut(label) {
                first.labels.push(super::diagnostic::Label { span, text: "and here".into() });
            }
            return;
        }
        self.noted.insert((block, name), self.diagnostics.len());
        let message = match severity {
            Severity::Note => format!("`{name}`: {why}"),
            _ => format!("`{name}` has no effect: {why}"),
        };
        self.report(Diagnostic::new(severity, "no-effect", message).at(span, ""));
    }
}

/// Lowers the statements of one block.
pub(super) fn walk<D>(
    cx: &mut Cx<'_>,
    block: &'static str,
    table: &'static [Keyword<D>],
    draft: &mut D,
    statements: &[Statement],
) -> Failed {
    let mut failed = Failed::new();
    // A block has few single keywords.
    let mut seen: Vec<(&'static str, Span)> = Vec::new();
    for statement in statements {
        // A `{` without words is reported where the tree is built.
        let Some(first) = statement.words.first() else { continue };
        if statement.wrapped {
            cx.wrapped(statement);
            continue;
        }
        let Some(keyword) = table.iter().find(|k| k.name == first.text) else {
            let names: Vec<_> = table.iter().map(|k| k.name).collect();
            cx.unknown(block, &names, statement, first);
            continue;
        };
        let is_seen = |seen: &[(&'static str, Span)]| seen.iter().any(|(name, _)| *name == keyword.name);
        if statement.below_comment && by_chance(keyword, statement, is_seen(&seen)) {
            cx.wrapped(statement);
            continue;
        }
        if keyword.takes.is_single()
            && let Some(before) = note_place(&mut seen, keyword.name, first.span)
        {
            cx.report(
                Diagnostic::warning("written-twice", format!("`{}` is written twice", keyword.name))
                    .at(first.span, "this one counts")
                    .at(before, "this one does not"),
            );
        }
        if !one(cx, block, keyword, draft, statement, first) {
            failed.insert(keyword.name);
        }
    }
    failed
}

/// Where a keyword of the block was written before; from now on it is written here.
fn note_place(seen: &mut Vec<(&'static str, Span)>, name: &'static str, span: Span) -> Option<Span> {
    if let Some((_, place)) = seen.iter_mut().find(|(seen, _)| *seen == name) {
        return Some(std::mem::replace(place, span));
    }
    seen.push((name, span));
    None
}

/// Whether a line is the rest of a comment that begins with a keyword by chance, such as `interface が…`.
fn by_chance<D>(keyword: &Keyword<D>, statement: &Statement, seen: bool) -> bool {
    let free = matches!(keyword.takes, Takes::Text { .. } | Takes::Command(_) | Takes::User(_) | Takes::Fifo(_));
    let foreign = statement.words.iter().any(|word| !word.text.is_ascii());
    let again = seen && statement.words.len() > 2;
    statement.below_comment && statement.body.is_none() && !free && (foreign || again)
}

/// Lowers one statement; false if it is refused.
fn one<D>(
    cx: &mut Cx<'_>,
    block: &'static str,
    keyword: &'static Keyword<D>,
    draft: &mut D,
    statement: &Statement,
    first: &Word,
) -> bool {
    let outcome = match (&keyword.takes, &statement.body) {
        (Takes::Block { lower, .. }, Some(body)) => {
            lower(cx, draft, statement, body);
            Ok(())
        }
        (takes, None) if takes.is_block() => Err(Diagnostic::error(
            "missing-open-brace",
            format!("`{}` opens a block, and there is no `{{`", keyword.name),
        )
        .at(first.span, "")
        .help(format!("write `{} {}`", keyword.name, takes.argument()))),
        (takes, Some(body)) if !takes.is_block() => {
            Err(Diagnostic::error("unexpected-block", format!("`{}` is not a block", keyword.name))
                .at(body.open, "this `{` and its block are ignored")
                .at(first.span, "belongs to this")
                .help("is a `}` missing before it, or is a `{` too many?"))
        }
        (Takes::Noted { argument, severity, why }, _) => required(keyword.name, argument, statement)
            .map(|()| cx.noted(block, keyword.name, *severity, why, first.span)),
        (takes, _) => argument(cx, keyword, takes, draft, statement, first),
    };
    if let Some(instead) = keyword.instead {
        let message = format!("`{}` is an old name of `{instead}`", keyword.name);
        cx.report(Diagnostic::warning("deprecated", message).at(first.span, format!("write `{instead}`")));
    }
    let Err(problem) = outcome else { return true };
    // `state of this node` below a comment.
    if statement.below_comment && statement.body.is_none() && statement.words.len() > 2 {
        cx.wrapped(statement);
        return true;
    }
    cx.report(problem);
    false
}

/// Accepted keywords must still have their argument: keepalived ends at once without it.
fn required(name: &str, argument: &str, statement: &Statement) -> Result<(), Diagnostic> {
    let needs = !argument.is_empty() && !argument.starts_with('[') && !argument.starts_with('{');
    if needs { word(name, argument, statement).map(|_| ()) } else { Ok(()) }
}

/// The first argument.
fn word<'s>(name: &str, argument: &str, statement: &'s Statement) -> Result<&'s Word, Diagnostic> {
    if let Some(word) = statement.words.get(1) {
        return Ok(word);
    }
    let mut problem = Diagnostic::error("missing-argument", format!("`{name}` needs a value"));
    if let Some(keyword) = statement.words.first() {
        problem = problem.at(keyword.span, format!("takes {argument}"));
    }
    Err(problem)
}

fn argument<D>(
    cx: &mut Cx<'_>,
    keyword: &Keyword<D>,
    takes: &Takes<D>,
    draft: &mut D,
    statement: &Statement,
    first: &Word,
) -> Result<(), Diagnostic> {
    let name = keyword.name;
    let mut used = 2;
    let needed = || match statement.words.get(1) {
        Some(word) => Ok(word),
        None => word(name, &takes.argument(), statement),
    };
    match takes {
        Takes::Nothing(set) => {
            set(draft, first.span);
            used = 1;
        }
        Takes::Switch(set) => match statement.words.get(1) {
            Some(word) => set(draft, spanned(value::switch(name, word)?, word)),
            None => set(draft, spanned(true, first)),
        },
        Takes::Whole { bare: Some(bare), set, .. } if statement.words.len() == 1 => set(draft, spanned(*bare, first)),
        Takes::Whole { min, max, set, .. } => {
            let word = needed()?;
            set(draft, spanned(value::whole(name, word, *min, *max)?, word));
        }
        Takes::Seconds { min, max, set } => {
            let word = needed()?;
            set(draft, spanned(value::duration(name, word, *min, *max)?, word));
        }
        Takes::Millis { min, max, set } => millis(name, needed()?, (*min, *max)).map(|v| set(draft, v))?,
        Takes::Text { set, .. } => {
            let word = needed()?;
            set(draft, spanned(word.text.clone(), word));
        }
        Takes::OneOf { words, any_case, set } => {
            let word = needed()?;
            set(draft, spanned(value::one_of(name, word, words, *any_case)?, word));
        }
        Takes::Ip(set) => {
            let word = needed()?;
            set(draft, spanned(value::ip(name, word)?, word));
        }
        Takes::Link(set) => {
            let word = needed()?;
            set(draft, spanned(link(word)?, word));
        }
        Takes::Command(set) => {
            needed()?;
            set(draft, command(cx, name, statement)?);
            return Ok(());
        }
        Takes::Script(set) => {
            needed()?;
            set(draft, script(cx, name, statement)?);
            return Ok(());
        }
        Takes::User(set) => {
            let word = needed()?;
            let group = statement.words.get(2).map(|w| w.text.clone());
            set(draft, spanned(RunAs { user: word.text.clone(), group }, word));
            used = 3;
        }
        Takes::Fifo(set) => {
            let word = needed()?;
            set(draft, spanned(pipe(name, word, statement)?, word));
            used = 4;
        }
        Takes::Weight(_) | Takes::Factor(_) | Takes::Words { .. } => {
            return words(cx, name, takes, draft, statement, first);
        }
        Takes::Line { read, .. } => return read(cx, draft, statement),
        // Handled before.
        Takes::Block { .. } | Takes::Noted { .. } => return Ok(()),
    }
    cx.no_more_words(statement, used);
    Ok(())
}

fn millis(name: &str, word: &Word, (min, max): (u64, u64)) -> Result<Spanned<Duration>, Diagnostic> {
    Ok(spanned(value::millis(name, word, min, max)?, word))
}

/// What takes more than one word.
fn words<D>(
    cx: &mut Cx<'_>,
    name: &str,
    takes: &Takes<D>,
    draft: &mut D,
    statement: &Statement,
    first: &Word,
) -> Result<(), Diagnostic> {
    let rest = statement.words.get(1..).unwrap_or_default();
    if rest.is_empty() && !takes.argument().starts_with('[') {
        word(name, &takes.argument(), statement)?;
    }
    let most = match takes {
        Takes::Words { set, .. } => {
            let (from, to) = (rest.first().unwrap_or(first), rest.last().unwrap_or(first));
            set(draft, Spanned { value: rest.iter().map(|w| w.text.clone()).collect(), span: from.span.to(to.span) });
            return Ok(());
        }
        Takes::Weight(_) => 253,
        _ => 254,
    };
    if let (Takes::Weight(set) | Takes::Factor(set), Some(word)) = (takes, rest.first()) {
        let number = value::whole(name, word, -most, most)?;
        let after = rest.get(1).map(|w| w.text.as_str());
        let used = if matches!(after, Some("reverse" | "noreverse" | "no_reverse")) { 3 } else { 2 };
        cx.no_more_words(statement, used);
        set(draft, spanned((i32::try_from(number).unwrap_or(0), after == Some("reverse")), word));
    }
    Ok(())
}

fn spanned<T>(value: T, word: &Word) -> Spanned<T> {
    Spanned { value, span: word.span }
}

pub(super) fn link(word: &Word) -> Result<LinkName, Diagnostic> {
    LinkName::new(&word.text)
        .map_err(|error| Diagnostic::error("bad-interface", error.to_string()).at(word.span, "an interface name"))
}

/// An absolute path, then perhaps a user and a group.
fn pipe(name: &str, word: &Word, statement: &Statement) -> Result<Pipe, Diagnostic> {
    if !word.text.starts_with('/') {
        return Err(Diagnostic::error("bad-path", format!("`{name}` needs an absolute path"))
            .at(word.span, "does not begin with `/`"));
    }
    let group = statement.words.get(3).map(|w| w.text.clone());
    let owner = statement.words.get(2).map(|w| RunAs { user: w.text.clone(), group });
    Ok((PathBuf::from(&word.text), owner))
}

/// A command to notify with, quoted if it has arguments, then perhaps a user and a group.
pub(super) fn script(cx: &mut Cx<'_>, name: &str, statement: &Statement) -> Result<Spanned<Command>, Diagnostic> {
    let rest = statement.words.get(1..).unwrap_or_default();
    let Some((first, who)) = rest.split_first() else {
        return Err(Diagnostic::error("missing-argument", format!("`{name}` needs a command")));
    };
    let last = rest.last().unwrap_or(first);
    let is_name = |w: &Word| !w.quoted && w.text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    if who.len() > 2 || !who.iter().all(is_name) {
        let written: Vec<&str> = rest.iter().map(|w| w.text.as_str()).collect();
        return Err(Diagnostic::error("unquoted-arguments", "a command with arguments must be quoted")
            .at(first.span.to(last.span), "keepalived would take what follows the first word for a user and a group")
            .help(format!("write `{name} \"{}\"`", written.join(" "))));
    }
    let argv = value::argv(&first.text).map_err(|why| {
        Diagnostic::error("bad-command", format!("this command cannot be split into words: {why}")).at(first.span, "")
    })?;
    if argv.is_empty() {
        return Err(Diagnostic::error("missing-argument", format!("`{name}` needs a command")).at(first.span, "empty"));
    }
    let group = who.get(1).map(|w| w.text.clone());
    let user = who.first().map(|w| RunAs { user: w.text.clone(), group });
    let command = Spanned { value: Command { argv, user }, span: first.span.to(last.span) };
    cx.commands.push(command.clone());
    Ok(command)
}

/// A script line: one command, quoted if it has arguments.
fn command(cx: &Cx<'_>, name: &str, statement: &Statement) -> Result<Spanned<Vec<String>>, Diagnostic> {
    let rest = statement.words.get(1..).unwrap_or_default();
    let (Some(first), Some(last)) = (rest.first(), rest.last()) else {
        return Err(Diagnostic::error("missing-argument", format!("`{name}` needs a command")));
    };
    let span = first.span.to(last.span);
    // keepalived splits the line itself, where 'a b' is one word too.
    let line = value::argv(cx.sources.text(span)).unwrap_or_else(|_| rest.iter().map(|w| w.text.clone()).collect());
    let [command] = line.as_slice() else {
        let written: Vec<&str> = rest.iter().map(|w| w.text.as_str()).collect();
        let fix = format!("write `{name} \"{}\"`", written.join(" "));
        return Err(Diagnostic::error("unquoted-arguments", "a command with arguments must be quoted")
            .at(span, format!("keepalived would run only `{}`", first.text))
            .help(fix));
    };
    let argv = value::argv(command).map_err(|why| {
        Diagnostic::error("bad-command", format!("this command cannot be split into words: {why}")).at(span, "")
    })?;
    // A test that a file can be read is `<FILE`.
    if argv.first().is_none_or(|program| program.is_empty() || program == "<") {
        return Err(Diagnostic::error("bad-command", "an empty command").at(span, ""));
    }
    Ok(Spanned { value: argv, span })
}

/// `virtual_server ADDRESS PORT`, `real_server ADDRESS [PORT]`.
pub(super) fn address_and_port(cx: &mut Cx<'_>, statement: &Statement) -> Option<(Spanned<IpAddr>, Option<u16>, Span)> {
    let keyword = statement.words.first()?;
    let outcome = word(&keyword.text, "ADDRESS PORT", statement).and_then(|word| {
        let address = spanned(value::ip(&keyword.text, word)?, word);
        let port = match statement.words.get(2) {
            Some(port) => u16::try_from(value::whole("the port", port, 1, 65535)?).ok(),
            None => None,
        };
        Ok((address, port))
    });
    cx.no_more_words(statement, 3);
    match outcome {
        Ok((address, port)) => Some((address, port, statement.span()?)),
        Err(problem) => {
            cx.report(problem);
            None
        }
    }
}

/// The lines of `virtual_ipaddress`.
pub(super) fn addresses(cx: &mut Cx<'_>, body: &Body, into: &mut Vec<Vip>) {
    lines(cx, body, |cx, line| {
        into.push(vip::line(cx, line)?);
        Ok(())
    });
}

/// The words of a block that lists names.
pub(super) fn names(cx: &mut Cx<'_>, body: &Body, into: &mut Vec<Spanned<String>>) {
    lines(cx, body, |_, line| {
        into.extend(line.words.iter().map(|word| spanned(word.text.clone(), word)));
        Ok(())
    });
}

/// The lines of `unicast_peer`: an address, and what TTLs are accepted from it.
pub(super) fn peer_lines(cx: &mut Cx<'_>, body: &Body, into: &mut Vec<(Spanned<IpAddr>, u8, u8)>) {
    lines(cx, body, |cx, line| {
        let Some(first) = line.words.first() else { return Ok(()) };
        let address = value::ip("unicast_peer", first)?;
        let (mut min_ttl, mut max_ttl, mut used) = (0, 255, 1);
        for (place, name) in [(1, "min_ttl"), (3, "max_ttl"), (1, "max_ttl")] {
            let found = line.words.get(place).filter(|word| word.text == name).zip(line.words.get(place + 1));
            let Some((_, number)) = found else { continue };
            let ttl = u8::try_from(value::whole(name, number, 0, 255)?).unwrap_or(u8::MAX);
            if name == "min_ttl" {
                min_ttl = ttl;
            } else {
                max_ttl = ttl;
            }
            used = used.max(place + 2);
        }
        cx.no_more_words(line, used);
        into.push((spanned(address, first), min_ttl, max_ttl));
        Ok(())
    });
}

/// The lines of `track_script` and its like: a name, perhaps `weight N [reverse|noreverse]`.
pub(super) fn track_line(cx: &mut Cx<'_>, statement: &Statement, body: &Body, into: &mut Vec<Track>) {
    track_lines(cx, statement, body, 253, into);
}

/// The same for what keepalived gives weights up to `most`.
pub(super) fn track_lines(cx: &mut Cx<'_>, statement: &Statement, body: &Body, most: i64, into: &mut Vec<Track>) {
    cx.no_more_words(statement, 1);
    lines(cx, body, |cx, line| {
        let Some(name) = line.words.first() else { return Ok(()) };
        let text = |index: usize| line.words.get(index).map(|w| w.text.as_str());
        let mut used = 1;
        let mut weight = None;
        if text(1) == Some("weight") {
            let Some(number) = line.words.get(2) else {
                return Err(
                    Diagnostic::error("missing-argument", "`weight` needs a value").at(name.span, "in this line")
                );
            };
            let number = value::whole("weight", number, -most, most)?;
            let reverse = text(3) == Some("reverse");
            used = if reverse || matches!(text(3), Some("noreverse" | "no_reverse")) { 4 } else { 3 };
            weight = Some((i32::try_from(number).unwrap_or(0), reverse));
        }
        cx.no_more_words(line, used);
        let name = spanned(name.text.clone(), name);
        into.push(Track { name, weight, below_comment: line.below_comment });
        Ok(())
    });
}

/// Lowers the lines of a block that holds values, not keywords.
pub(super) fn lines(cx: &mut Cx<'_>, body: &Body, each: impl FnMut(&mut Cx<'_>, &Statement) -> Result<(), Diagnostic>) {
    value_lines(cx, &body.statements, each);
}

/// The same for lines that were kept until all of the file was read.
pub(super) fn value_lines(
    cx: &mut Cx<'_>,
    lines: &[Statement],
    mut each: impl FnMut(&mut Cx<'_>, &Statement) -> Result<(), Diagnostic>,
) {
    for line in lines {
        let Some(first) = line.words.first() else { continue };
        // No attempt at an address or a name: several words, another script, or a word without any digit.
        let prose =
            line.words.len() > 1 || !first.text.is_ascii() || !first.text.contains(|c: char| c.is_ascii_digit());
        if line.wrapped {
            cx.wrapped(line);
        } else if let Some(inner) = &line.body {
            cx.report(
                Diagnostic::error("unexpected-block", "a block where a value belongs")
                    .at(inner.open, "this `{` and its block are ignored")
                    .at(first.span, "after this"),
            );
        } else if let Err(problem) = each(cx, line) {
            if line.below_comment && prose { cx.wrapped(line) } else { cx.report(problem) }
        }
    }
}
