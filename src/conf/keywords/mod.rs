//! Every keyword, once: where it stands, what it takes, its default, one line of help, and how it lowers.
//!
//! Each block has a table. The parser walks a block with its table, suggestions come from the tables, and [`list`]
//! makes the list of keywords from them.

pub(super) mod bfd;
pub(super) mod check;
pub(super) mod garp_group;
pub(super) mod global;
pub(super) mod group;
pub(super) mod http;
pub(super) mod instance;
pub(super) mod links;
pub(super) mod lvs;
pub(super) mod mail;
pub(super) mod options;
pub(super) mod process;
pub(super) mod root;
pub(super) mod script;
pub(super) mod server;
pub(super) mod server_group;
pub(super) mod signed;
mod tiers;
pub(super) mod tracker;
pub(super) mod virtual_link;

pub use tiers::Tier;

use super::diagnostic::{Diagnostic, Severity};
use super::lower::Cx;
use super::source::{Span, Spanned};
use super::tree::{Body, Statement};
use crate::net::LinkName;
use crate::time::Duration;
use crate::vrrp::{Command, RunAs};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::LazyLock;

/// One keyword of the block whose draft is `D`.
pub(super) struct Keyword<D: 'static> {
    pub name: &'static str,
    /// What holds without it; empty: nothing to say.
    pub default: &'static str,
    pub help: &'static str,
    /// The word to use instead, where this one is deprecated.
    pub instead: Option<&'static str>,
    pub takes: Takes<D>,
}

/// What follows a keyword, and how it lowers into the draft of its block.
pub(super) enum Takes<D: 'static> {
    Nothing(fn(&mut D, Span)),
    /// `on off true false yes no`; none means on.
    Switch(fn(&mut D, Spanned<bool>)),
    Whole {
        min: i64,
        max: i64,
        unit: &'static str,
        /// What a bare keyword means; none: the number is required.
        bare: Option<i64>,
        set: fn(&mut D, Spanned<i64>),
    },
    /// Seconds with a decimal fraction; the limits are in microseconds.
    Seconds {
        min: u64,
        max: u64,
        set: fn(&mut D, Spanned<Duration>),
    },
    /// Milliseconds with up to three decimals; the limits are in microseconds.
    Millis {
        min: u64,
        max: u64,
        set: fn(&mut D, Spanned<Duration>),
    },
    Text {
        what: &'static str,
        set: fn(&mut D, Spanned<String>),
    },
    OneOf {
        words: &'static [&'static str],
        any_case: bool,
        set: fn(&mut D, Spanned<&'static str>),
    },
    Ip(fn(&mut D, Spanned<IpAddr>)),
    Link(fn(&mut D, Spanned<LinkName>)),
    Command(fn(&mut D, Spanned<Vec<String>>)),
    /// A command to notify with, then perhaps who runs it.
    Script(fn(&mut D, Spanned<Command>)),
    User(fn(&mut D, Spanned<RunAs>)),
    /// An absolute path, then perhaps whose it is.
    Fifo(fn(&mut D, Spanned<Pipe>)),
    /// −253 to 253, then perhaps `reverse`.
    Weight(fn(&mut D, Spanned<(i32, bool)>)),
    /// −254 to 254, then perhaps `reverse`: of what is multiplied, or counted.
    Factor(fn(&mut D, Spanned<(i32, bool)>)),
    /// Any number of words; at least one, unless `what` begins with `[`.
    Words {
        what: &'static str,
        set: fn(&mut D, Spanned<Vec<String>>),
    },
    /// Words that it reads itself.
    Line {
        argument: &'static str,
        read: fn(&mut Cx<'_>, &mut D, &Statement) -> Result<(), Diagnostic>,
    },
    Block {
        head: &'static str,
        lower: fn(&mut Cx<'_>, &mut D, &Statement, &Body),
    },
    /// Accepted and not acted on; `why` says what that means.
    Noted {
        argument: &'static str,
        severity: Severity,
        why: &'static str,
    },
}

/// The path of a named pipe, and who owns it.
pub(super) type Pipe = (PathBuf, Option<RunAs>);

pub(super) const fn key<D>(
    name: &'static str,
    default: &'static str,
    help: &'static str,
    takes: Takes<D>,
) -> Keyword<D> {
    Keyword { name, default, help, instead: None, takes }
}

/// A deprecated name.
pub(super) const fn old<D>(
    name: &'static str,
    instead: &'static str,
    default: &'static str,
    help: &'static str,
    takes: Takes<D>,
) -> Keyword<D> {
    Keyword { name, default, help, instead: Some(instead), takes }
}

/// Accepted; not acting on it leaves the cluster as it is.
pub(super) const fn noted<D>(name: &'static str, argument: &'static str, help: &'static str) -> Keyword<D> {
    let takes = Takes::Noted { argument, severity: Severity::Note, why: "accepted, not yet acted on" };
    Keyword { name, default: "", help, instead: None, takes }
}

/// Accepted; nothing is to be done, and `why` says so.
pub(super) const fn noted_why<D>(
    name: &'static str,
    argument: &'static str,
    help: &'static str,
    why: &'static str,
) -> Keyword<D> {
    let takes = Takes::Noted { argument, severity: Severity::Note, why };
    Keyword { name, default: "", help, instead: None, takes }
}

/// Accepted; the operator should know what does not happen.
pub(super) const fn warned<D>(
    name: &'static str,
    argument: &'static str,
    help: &'static str,
    why: &'static str,
) -> Keyword<D> {
    Keyword {
        name,
        default: "",
        help,
        instead: None,
        takes: Takes::Noted { argument, severity: Severity::Warning, why },
    }
}

impl<D> Clone for Keyword<D> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<D> Copy for Keyword<D> {}

impl<D> Clone for Takes<D> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<D> Copy for Takes<D> {}

impl<D> Takes<D> {
    /// What follows the keyword, for people; starts with `{` or ends in `{ }` for a block.
    pub(super) fn argument(&self) -> String {
        match self {
            Self::Nothing(_) => String::new(),
            Self::Switch(_) => "[on|off]".into(),
            Self::Whole { min, max, unit, bare, .. } => {
                let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
                let text = format!("{min}..{max}{unit}");
                if bare.is_some() { format!("[{text}]") } else { text }
            }
            Self::Seconds { min, max, .. } => format!("{}..{} seconds", seconds(*min), seconds(*max)),
            Self::Millis { min, max, .. } => format!("{}..{} milliseconds", seconds(*min * 1000), seconds(*max * 1000)),
            Self::Text { what, .. } | Self::Words { what, .. } => (*what).into(),
            Self::OneOf { words, .. } => words.join("|"),
            Self::Ip(_) => "ADDRESS".into(),
            Self::Link(_) => "INTERFACE".into(),
            Self::Command(_) => "\"COMMAND\"".into(),
            Self::Script(_) => "\"COMMAND\" [USER [GROUP]]".into(),
            Self::User(_) => "USER [GROUP]".into(),
            Self::Fifo(_) => "PATH [USER [GROUP]]".into(),
            Self::Weight(_) => "-253..253 [reverse]".into(),
            Self::Factor(_) => "-254..254 [reverse]".into(),
            Self::Block { head: "", .. } => "{ }".into(),
            Self::Block { head, .. } => format!("{head} {{ }}"),
            Self::Line { argument, .. } | Self::Noted { argument, .. } => (*argument).into(),
        }
    }

    pub(super) fn is_block(&self) -> bool {
        match self {
            Self::Block { .. } => true,
            Self::Noted { argument, .. } => argument.ends_with('}'),
            _ => false,
        }
    }

    /// Whether writing it twice in one block is a mistake.
    pub(super) fn is_single(&self) -> bool {
        !matches!(self, Self::Nothing(_) | Self::Line { .. } | Self::Block { .. } | Self::Noted { .. })
    }

    /// What a missing or a wrong argument gets, for people. An error keeps the file from being used.
    fn wrong(&self) -> &'static str {
        match self {
            Self::Nothing(_) => "words after it: a warning",
            Self::Switch(_) => "another word: an error; keepalived passes over the line",
            Self::Whole { .. } | Self::Weight(_) | Self::Factor(_) => {
                "no whole number, or out of range: an error; keepalived passes over the line or takes the default"
            }
            Self::Seconds { .. } => "no number of seconds, or out of range: an error; keepalived passes over the line",
            Self::Millis { .. } => {
                "no number of milliseconds, or out of range: an error; keepalived passes over the line"
            }
            Self::OneOf { .. } => "another word: an error; keepalived passes over it",
            Self::Ip(_) => "no address: an error; keepalived passes over the line",
            Self::Link(_) => "no name of an interface: an error",
            Self::Fifo(_) => "none, or no absolute path: an error; keepalived passes over the line",
            Self::Words { what, .. } if what.starts_with('[') => "another word: an error; keepalived passes over it",
            Self::Text { .. } | Self::Words { .. } | Self::User(_) => "none: an error; keepalived ends without a word",
            Self::Command(_) | Self::Script(_) => {
                "none, or its arguments without quotes: an error; keepalived would run its first word only"
            }
            Self::Line { .. } => "what it does not take: an error; keepalived passes over the line",
            Self::Block { .. } => "no `{`: an error; what is wrong inside is told line by line",
            Self::Noted { argument, .. } if argument.is_empty() || argument.starts_with(['[', '{']) => "",
            Self::Noted { .. } => "none: an error; nothing else is looked at",
        }
    }

    fn support(&self) -> Support {
        match self {
            Self::Noted { .. } => Support::Noted,
            _ => Support::Acts,
        }
    }
}

/// Microseconds as seconds, as short as possible.
pub(super) fn seconds(us: u64) -> String {
    let (whole, fraction) = (us / 1_000_000, us % 1_000_000);
    if fraction == 0 {
        return whole.to_string();
    }
    format!("{whole}.{}", format!("{fraction:06}").trim_end_matches('0'))
}

/// What vipdeck does with a keyword.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    Acts,
    /// Accepted with a note or a warning, without effect.
    Noted,
}

/// One keyword as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The block it stands in; empty: the top level.
    pub block: &'static str,
    pub name: &'static str,
    pub argument: String,
    pub default: &'static str,
    pub help: &'static str,
    pub support: Support,
    pub tier: Tier,
    /// What a missing or a wrong argument gets, for people; empty: there is none.
    pub wrong: &'static str,
    pub is_block: bool,
}

/// All keywords of all blocks.
pub fn list() -> &'static [Entry] {
    static LIST: LazyLock<Vec<Entry>> = LazyLock::new(|| {
        let mut list = Vec::new();
        add(&mut list, "", root::TABLE);
        add(&mut list, "global_defs", global::TABLE);
        add(&mut list, "track_group", root::TRACK_GROUP);
        add(&mut list, "vrrp_script", script::TABLE);
        add(&mut list, "track_file", tracker::FILE);
        add(&mut list, "vrrp_track_process", tracker::PROCESS);
        add(&mut list, "bfd_instance", bfd::TABLE);
        add(&mut list, "vrrp_instance", instance::TABLE);
        add(&mut list, "authentication", instance::AUTHENTICATION);
        add(&mut list, "auth_hmac", signed::TABLE);
        add(&mut list, "vrrp_sync_group", group::TABLE);
        add(&mut list, "garp_group", garp_group::TABLE);
        add(&mut list, "virtual_server", server::TABLE);
        add(&mut list, "real_server", server::REAL);
        add(&mut list, "TCP_CHECK", check::TCP);
        add(&mut list, "HTTP_GET", check::HTTP);
        add(&mut list, "SSL_GET", check::HTTP);
        add(&mut list, "url", http::URL);
        add(&mut list, "SSL", http::SSL);
        add(&mut list, "SMTP_CHECK", check::SMTP);
        add(&mut list, "host", check::HOST);
        add(&mut list, "DNS_CHECK", check::DNS);
        add(&mut list, "MISC_CHECK", check::MISC);
        add(&mut list, "UDP_CHECK", check::UDP);
        add(&mut list, "PING_CHECK", check::TCP);
        add(&mut list, "BFD_CHECK", check::BFD);
        add(&mut list, "FILE_CHECK", check::FILE);
        list
    });
    &LIST
}

fn add<D>(list: &mut Vec<Entry>, block: &'static str, table: &[Keyword<D>]) {
    list.extend(table.iter().map(|k| Entry {
        block,
        name: k.name,
        argument: k.takes.argument(),
        default: k.default,
        help: k.help,
        support: k.takes.support(),
        tier: tiers::tier(block, k.name),
        wrong: k.takes.wrong(),
        is_block: k.takes.is_block(),
    }));
}

/// Whether any block has this keyword.
pub(super) fn is_known(word: &str) -> bool {
    list().iter().any(|entry| entry.name == word) || word.starts_with("include")
}

/// Whether this keyword opens a block, at the top level and nowhere else.
pub(super) fn is_root_block(word: &str) -> bool {
    let mut places = list().iter().filter(|entry| entry.name == word).peekable();
    places.peek().is_some() && places.all(|entry| entry.block.is_empty() && entry.is_block)
}

#[cfg(test)]
mod tests {
    use super::{list, tiers};
    use std::collections::BTreeSet;

    #[test]
    fn every_tier_is_of_a_keyword_and_given_once() {
        let mut seen = BTreeSet::new();
        for (block, name) in tiers::named() {
            assert!(list().iter().any(|e| e.block == block && e.name == name), "{block} has no {name}");
            assert!(seen.insert((block, name)), "{block} {name} has two tiers");
        }
    }
}
