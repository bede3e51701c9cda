//! How the program runs: priorities, processors, memory, names; of `global_defs`.

use crate::conf::diagnostic::Diagnostic;
use crate::conf::lexer::Word;
use crate::conf::lower::Cx;
use crate::conf::model::{ProcessOptions, ThreadOptions};
use crate::conf::tree::Statement;
use crate::conf::value;
use crate::time::Duration;

#[derive(Clone, Default)]
pub(in crate::conf) struct Draft {
    pub engine: ThreadOptions,
    pub checker: ThreadOptions,
    pub bfd: ThreadOptions,
    pub lock_memory: bool,
    pub name: Option<String>,
    /// `process_names`.
    pub names: bool,
    pub auto: Option<i64>,
    pub auto_after: Option<i64>,
    pub umask: Option<u32>,
    pub groups: bool,
}

impl Draft {
    pub(in crate::conf) fn options(self) -> ProcessOptions {
        let named = |thread: ThreadOptions, default: &str| ThreadOptions {
            name: thread.name.or_else(|| self.names.then(|| default.to_owned())),
            ..thread
        };
        let mut engine = named(self.engine, "vipdeck_vrrp");
        // The engine's thread is the one that gives the process its name.
        engine.name = engine.name.or(self.name);
        ProcessOptions {
            engine,
            checker: named(self.checker, "vipdeck_lvs"),
            bfd: named(self.bfd, "vipdeck_bfd"),
            lock_memory: self.lock_memory,
            // keepalived's −1 only silences a notice.
            auto_realtime: self.auto.and_then(|n| u8::try_from(n).ok()).filter(|n| *n > 0),
            auto_realtime_after: self.auto_after.map(|us| Duration::from_micros(us.unsigned_abs())),
            umask: self.umask,
            supplementary_groups: self.groups,
        }
    }
}

/// The kernel keeps 15 bytes of a name; keepalived cuts a longer one and says so.
pub(in crate::conf) fn name(cx: &mut Cx<'_>, statement: &Statement) -> Result<String, Diagnostic> {
    let Some(word) = second(statement, "NAME")? else { return Ok(String::new()) };
    cx.no_more_words(statement, 2);
    let mut name = word.text.clone();
    if name.len() > 15 {
        while name.len() > 15 {
            name.pop();
        }
        let problem = Diagnostic::warning("long-name", format!("`{}` is cut to `{name}`", word.text));
        cx.report(problem.at(word.span, "the kernel keeps 15 bytes of a process's name"));
    }
    Ok(name)
}

/// Processors by number.
pub(in crate::conf) fn processors(statement: &Statement) -> Result<Vec<u32>, Diagnostic> {
    let Some(first) = second(statement, "CPU...")? else { return Ok(Vec::new()) };
    let rest = statement.words.iter().skip(2);
    std::iter::once(first)
        .chain(rest)
        .map(|word| value::whole("a processor", word, 0, 1023).map(|n| u32::try_from(n).unwrap_or(0)))
        .collect()
}

const BITS: &[(&str, u32)] = &[
    ("IRUSR", 0o400),
    ("IWUSR", 0o200),
    ("IXUSR", 0o100),
    ("IRGRP", 0o040),
    ("IWGRP", 0o020),
    ("IXGRP", 0o010),
    ("IROTH", 0o004),
    ("IWOTH", 0o002),
    ("IXOTH", 0o001),
];

/// `umask 0177`, or `umask IRGRP|IWGRP`.
pub(in crate::conf) fn umask(cx: &mut Cx<'_>, statement: &Statement) -> Result<u32, Diagnostic> {
    let Some(word) = second(statement, "MASK")? else { return Ok(0) };
    cx.no_more_words(statement, 2);
    let wrong = || {
        Diagnostic::error("bad-mask", format!("`{}` is no file mode creation mask", word.text))
            .at(word.span, "an octal number such as 0177, or names such as IRGRP|IWGRP")
    };
    if word.text.starts_with(|c: char| c.is_ascii_digit()) {
        let digits = word.text.bytes().all(|b| b.is_ascii_digit());
        let mask = u32::from_str_radix(&word.text, 8).ok().filter(|mask| digits && *mask <= 0o777);
        return mask.ok_or_else(wrong);
    }
    let names = word.text.split('|').map(|name| BITS.iter().find(|(known, _)| *known == name.trim()));
    names.map(|bit| bit.map(|(_, bit)| *bit)).try_fold(0, |mask, bit| Some(mask | bit?)).ok_or_else(wrong)
}

/// The word after the keyword; a missing one is an error.
fn second<'s>(statement: &'s Statement, takes: &str) -> Result<Option<&'s Word>, Diagnostic> {
    let Some(keyword) = statement.words.first() else { return Ok(None) };
    let missing = || {
        Diagnostic::error("missing-argument", format!("`{}` needs a value", keyword.text))
            .at(keyword.span, format!("takes {takes}"))
    };
    statement.words.get(1).map(Some).ok_or_else(missing)
}
