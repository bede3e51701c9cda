//! keepalived.conf: text → tokens → tree → typed [`Config`], with diagnostics.
//!
//! Pure: files arrive through a [`Loader`]. Domain modules do not know this language; it produces their specs.
//!
//! [`parse`] always gives all it could read and all that is wrong with it. Errors forbid applying the result,
//! warnings do not.

mod about;
mod analysis;
mod check;
mod check_authentication;
mod check_bfd;
mod check_checkers;
mod check_entries;
mod check_garp;
mod check_groups;
mod check_instance;
mod check_links;
mod check_notify;
mod check_routing;
mod check_services;
mod check_strict;
mod check_trackers;
pub mod cluster_check;
mod cluster_priorities;
mod definitions;
mod diagnostic;
mod environment;
mod expand;
mod glob;
mod include;
mod index;
mod keywords;
mod lexer;
mod lower;
mod model;
mod names;
mod origins;
mod places;
mod process_match;
mod reader;
mod route;
mod rule;
pub mod secrets;
mod source;
mod suggest;
mod text;
mod tree;
mod value;
mod vip;
mod words;

pub use about::About;
pub use diagnostic::{Diagnostic, Label, Severity, worst};
pub use environment::Environment;
pub use index::Index;
pub use keywords::{Entry as Keyword, Support, Tier, list as keywords};
pub use model::{
    ArgumentsMatch, Config, DumpSpec, DynamicInterfaces, FifoKind, FifoSpec, FileSpec, FirewallSpec, GarpGroup,
    GlobalNotify, Globals, LinkDelay, LvsOptions, MailSpec, ProcessOptions, ProcessSpec, ScriptSpec, Static, Statics,
    SyncSpec, TableNamespace, ThreadOptions, TrackGroup,
};
pub use origins::Origins;
pub use source::{Entry, EntryKind, Loader, Memory, Position, Program, Source, SourceId, Sources, Span, Spanned};

use std::path::Path;

/// Reads the configuration `main` and what it includes, in an empty environment.
pub fn parse(main: &Path, loader: &dyn Loader) -> (Config, Vec<Diagnostic>, Sources) {
    parse_in(main, loader, &Environment::default())
}

/// Reads the configuration `main`, a file or a pattern of glob(7), and what it includes.
pub fn parse_in(main: &Path, loader: &dyn Loader, environment: &Environment) -> (Config, Vec<Diagnostic>, Sources) {
    let read = read(main, loader, environment, Sources::default());
    (read.config, read.diagnostics, read.sources)
}

/// A configuration that was read.
#[derive(Clone, Debug)]
pub struct Read {
    pub config: Config,
    /// In the order of the text; what has no place comes first.
    pub diagnostics: Vec<Diagnostic>,
    pub sources: Sources,
    pub index: Index,
}

impl Read {
    /// The digests of what was read. They take several times as long as reading it, so `config` has them only where
    /// somebody has put them.
    pub fn about(&self) -> About {
        if self.config.about == About::default() {
            About::new(&self.config, &self.sources)
        } else {
            self.config.about.clone()
        }
    }

    /// With its digests, for an engine.
    #[must_use]
    pub fn with_about(mut self) -> Self {
        self.config.about = self.about();
        self
    }
}

/// As [`parse_in`], and where things are written; the texts are added to `sources`, so that places in the files of
/// several nodes can stand beside each other.
pub fn read(main: &Path, loader: &dyn Loader, environment: &Environment, sources: Sources) -> Read {
    let mut reader = reader::Reader::new(loader, environment, sources);
    reader.main(main);
    reader.finish();
    let reader::Reader { sources, pieces, mut diagnostics, .. } = reader;
    let statements = tree::build(pieces, &sources, &mut diagnostics);
    let mut cx = lower::Cx::new(&sources, loader);
    let mut draft = keywords::root::Draft::default();
    lower::walk(&mut cx, "", keywords::root::TABLE, &mut draft, &statements);
    let mut config = check::finish(&mut cx, draft);
    diagnostics.append(&mut cx.diagnostics);
    let index = Index::new(&statements, &sources);
    config.origins = Origins::new(&index, &sources);
    diagnostics.extend(analysis::of_node(&config, &index, loader));
    places::show_ends(&mut diagnostics, &statements, &sources);
    let mut diagnostics = places::settle(diagnostics, &statements, &sources);
    places::name_blocks(&mut diagnostics, &statements, &sources);
    diagnostics.sort_by_key(|d| d.span().map(|span| (span.source, span.start)));
    Read { config, diagnostics, sources, index }
}

/// The keyword that was probably meant.
pub fn near_keyword(word: &str) -> Option<&'static str> {
    suggest::near_any(word)
}
