//! What is wrong with a configuration, as data. Knows no terminal: `report` draws it, the console too.

use super::source::Span;
use serde::Serialize;
use std::fmt;

/// How much a problem matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; changes no exit status.
    Note,
    /// Runs, but perhaps not as meant.
    Warning,
    /// The configuration must not be applied.
    Error,
}

impl Severity {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A place and what is to be said about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    pub span: Span,
    pub text: String,
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// A stable name for the kind of problem, such as `unknown-keyword`.
    pub id: &'static str,
    pub severity: Severity,
    pub message: String,
    /// The first is where the problem is; none: the problem is not in the text (a file that cannot be read).
    pub labels: Vec<Label>,
    /// What to do about it.
    pub help: Vec<String>,
    /// The blocks around the place, the outermost first, as they begin: `vrrp_instance VI_1`.
    pub blocks: Vec<String>,
}

impl Diagnostic {
    pub fn new(severity: Severity, id: &'static str, message: impl Into<String>) -> Self {
        Self { id, severity, message: message.into(), labels: Vec::new(), help: Vec::new(), blocks: Vec::new() }
    }

    pub fn error(id: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, id, message)
    }

    pub fn warning(id: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, id, message)
    }

    pub fn note(id: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Note, id, message)
    }

    /// Adds a place; the first one added is where the problem is.
    #[must_use]
    pub fn at(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help.push(text.into());
        self
    }

    /// Where the problem is.
    pub fn span(&self) -> Option<Span> {
        self.labels.first().map(|label| label.span)
    }
}

/// The gravest severity among `diagnostics`.
pub fn worst(diagnostics: &[Diagnostic]) -> Option<Severity> {
    diagnostics.iter().map(|d| d.severity).max()
}
