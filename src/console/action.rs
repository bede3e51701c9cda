//! Everything a key can ask for. The key table names actions in kebab case.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    Up,
    Down,
    Left,
    Right,
    Top,
    Bottom,
    HalfPageUp,
    HalfPageDown,
    NextPane,
    PreviousPane,
    Details,
    /// Why the selected row is as it is.
    Why,
    /// What would happen if.
    WhatIf,
    Back,
    Overview,
    Instances,
    Services,
    Timeline,
    /// Says that there is none yet.
    Drill,
    Config,
    Log,
    /// What the file is compared with: the next choice.
    Versus,
    /// The next list of the log view.
    Source,
    Filter,
    AcceptFilter,
    NextMatch,
    PreviousMatch,
    Freeze,
    Alarms,
    /// At once, without a question: it changes nothing.
    Acknowledge,
    Sort,
    Columns,
    Mark,
    /// Hides the rows of a group, or shows them.
    Fold,
    Unfold,
    Palette,
    Zoom,
    Copy,
    Theme,
    Help,
    Leave,
    // Verbs: each opens a question.
    Demote,
    Restore,
    Takeover,
    Drain,
    Return,
    Weight,
    /// At once, without a question: it changes nothing.
    CheckNow,
    Maint,
    Reset,
    /// Its question opens with the node's own preview.
    Reload,
    /// Of the whole cluster; `Pause` is the virtual clock's.
    PausePreemption,
    /// At once, without a question: it changes nothing.
    Announce,
    /// The last change from this console.
    Undo,
    /// The list of what can be undone.
    Changes,
    /// What would undo itself is to stay.
    Keep,
    /// The verbs work for a while.
    Arm,
    // The stage.
    Crash,
    Revive,
    ToggleLink,
    ToggleServer,
    Pause,
    Step,
    Slower,
    Faster,
    // Of a recording.
    PlayPause,
    PlayStep,
    PlayBack,
    PlaySlower,
    PlayFaster,
    NextChange,
    PreviousChange,
    GoTo,
    Note,
    MarkMoment,
    Save,
    // Inside a question.
    NextField,
    PreviousField,
    Press,
    Confirm,
    Toggle,
}

impl Action {
    /// Whether it changes the cluster: taken away by view only, and below the smallest size.
    pub const fn is_verb(self) -> bool {
        matches!(
            self,
            Self::Demote
                | Self::Restore
                | Self::Takeover
                | Self::Drain
                | Self::Return
                | Self::Weight
                | Self::Maint
                | Self::Reset
                | Self::CheckNow
                | Self::Reload
                | Self::PausePreemption
                | Self::Announce
                | Self::Undo
        )
    }

    /// Whether it acts on the machines around the engines.
    pub const fn is_stage(self) -> bool {
        matches!(self, Self::Crash | Self::Revive | Self::ToggleLink | Self::ToggleServer) || self.is_clock()
    }

    /// Whether it moves the moment at which a recording is shown.
    pub const fn is_replay(self) -> bool {
        matches!(self, Self::PlayPause | Self::PlayStep | Self::PlayBack | Self::PlaySlower | Self::PlayFaster)
            || matches!(self, Self::NextChange | Self::PreviousChange | Self::GoTo)
    }

    /// Whether it acts on the virtual clock.
    pub const fn is_clock(self) -> bool {
        matches!(self, Self::Pause | Self::Step | Self::Slower | Self::Faster)
    }
}
