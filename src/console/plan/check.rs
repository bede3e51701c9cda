//! What was looked at before a deed, and what was found.

use super::Risk;
use crate::console::facts;
use crate::console::model::Picture;
use crate::console::text;
use crate::kernel::{DestinationKey, ServiceKey};
use crate::time::Instant;

/// A fact that speaks for the deed or against it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    pub mark: Mark,
    pub text: String,
    /// What moves by itself: drawn beside the text, and no change of the plan.
    pub live: Option<Live>,
}

/// The worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    Good,
    /// To be known before.
    Warn,
    /// It makes the risk high.
    Bad,
    /// It is not done from here.
    Stop,
}

impl Mark {
    pub const fn glyph(self) -> &'static str {
        match self {
            Self::Good => "✓",
            Self::Warn => "!",
            Self::Bad | Self::Stop => "✗",
        }
    }

    pub(super) const fn risk(self) -> Option<Risk> {
        match self {
            Self::Good | Self::Warn => None,
            Self::Bad => Some(Risk::High),
            Self::Stop => Some(Risk::Refused),
        }
    }
}

/// Where a fact is from and how old it is, or a number that moves all the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Live {
    /// The word of this node.
    Word(usize),
    /// Since a moment on this node's clock.
    Since(usize, Instant),
    /// The open connections of a server.
    Open(ServiceKey, DestinationKey),
}

impl Live {
    pub fn text(self, picture: &Picture) -> String {
        match self {
            Self::Word(node) => picture.nodes.get(node).map_or(String::new(), |view| {
                let age = picture.clock().saturating_sub(view.received);
                format!("{}, {} ago", view.name(), text::age(age))
            }),
            Self::Since(node, at) => picture
                .nodes
                .get(node)
                .map_or(String::new(), |view| format!("{} ago", text::span(picture.age(view, at)))),
            Self::Open(service, real) => {
                match facts::real(picture, &service, &real).and_then(|(_, r)| Some((r.active?, r.inactive?))) {
                    Some((active, inactive)) => format!("{active} active, {inactive} inactive now"),
                    None => "how many is not known".into(),
                }
            }
        }
    }
}

impl Check {
    fn new(mark: Mark, text: impl Into<String>) -> Self {
        Self { mark, text: text.into(), live: None }
    }

    pub(super) fn good(text: impl Into<String>) -> Self {
        Self::new(Mark::Good, text)
    }

    pub(super) fn warn(text: impl Into<String>) -> Self {
        Self::new(Mark::Warn, text)
    }

    pub(super) fn bad(text: impl Into<String>) -> Self {
        Self::new(Mark::Bad, text)
    }

    pub(super) fn stop(text: impl Into<String>) -> Self {
        Self::new(Mark::Stop, text)
    }

    pub(super) fn with(self, live: Live) -> Self {
        Self { live: Some(live), ..self }
    }

    /// In a plan of several: which one it is about.
    pub(super) fn of(self, name: &str) -> Self {
        Self { text: format!("{name}: {}", self.text), ..self }
    }
}
