//! Every state that the screen can show: a word, a glyph and an ink for each, and the ASCII stand-ins.

use super::theme::Ink;
use crate::status::Word;

/// What a cell of the screen says about an instance, a node or a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    Master,
    Backup,
    /// Demoted: priority 1 until restored.
    Held,
    Init,
    /// Demoted and still answering until the successor is heard.
    Yielding,
    Fault,
    /// The stage says that the machine is crashed.
    Dead,
    /// No fresh word of it.
    Stale,
    /// Two owners.
    Split,
    /// Nothing has been heard of it yet.
    Unknown,
    /// The node has no such instance.
    Absent,
    Up,
    Down,
    /// Up, and the last checks failed.
    Falling,
    Unchecked,
    NoCheck,
    Ready,
    Drain,
    Drained,
    /// Out of the table for maintenance.
    Maint,
    /// Back, with a weight that grows.
    Rising,
    /// A neighbour whose adverts count for an instance of ours.
    Fits,
    /// A neighbour with a VRID of ours that does not go together with it.
    Collides,
    /// A neighbour with a VRID that is none of ours.
    Heard,
    /// A neighbour that says nothing any more.
    Silent,
    /// What only a newer engine has a meaning for.
    Newer(Word),
}

impl State {
    pub const ALL: [Self; 26] = [
        Self::Master,
        Self::Backup,
        Self::Held,
        Self::Init,
        Self::Yielding,
        Self::Fault,
        Self::Dead,
        Self::Stale,
        Self::Split,
        Self::Unknown,
        Self::Absent,
        Self::Up,
        Self::Down,
        Self::Falling,
        Self::Unchecked,
        Self::NoCheck,
        Self::Ready,
        Self::Drain,
        Self::Drained,
        Self::Maint,
        Self::Rising,
        Self::Fits,
        Self::Collides,
        Self::Heard,
        Self::Silent,
        Self::Newer(Word::UNKNOWN),
    ];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Master => "MASTER",
            Self::Backup => "BACKUP",
            Self::Held => "HELD",
            Self::Init => "INIT",
            Self::Yielding => "YIELDS",
            Self::Fault => "FAULT",
            Self::Dead => "DEAD",
            Self::Stale => "STALE",
            Self::Split => "SPLIT",
            Self::Unknown => "no word",
            Self::Absent => "no member",
            Self::Up => "UP",
            Self::Down => "DOWN",
            Self::Falling => "FAILING",
            Self::Unchecked => "not checked",
            Self::NoCheck => "no check",
            Self::Ready => "ready",
            Self::Drain => "DRAIN",
            Self::Drained => "DRAINED",
            Self::Maint => "MAINT",
            Self::Rising => "rising",
            Self::Fits => "fits",
            Self::Collides => "COLLIDES",
            Self::Heard => "heard",
            Self::Silent => "silent",
            Self::Newer(word) => word.as_str(),
        }
    }

    pub const fn glyph(self) -> &'static str {
        match self {
            Self::Master => "●",
            Self::Backup => "○",
            Self::Held => "◎",
            Self::Init => "◌",
            Self::Yielding => "◐",
            Self::Fault => "✗",
            Self::Dead => "╳",
            Self::Stale => "?",
            Self::Split => "‼",
            Self::Unknown => "–",
            Self::Absent => "·",
            Self::Up => "▲",
            Self::Down => "▼",
            Self::Falling => "▽",
            Self::Unchecked => "◇",
            Self::NoCheck => "∘",
            Self::Ready => " ",
            Self::Drain => "⇣",
            Self::Drained => "⊥",
            Self::Maint => "⊘",
            Self::Rising => "⇡",
            Self::Fits => "✓",
            Self::Collides => "!",
            Self::Heard => "≈",
            Self::Silent => "…",
            Self::Newer(_) => "※",
        }
    }

    pub const fn ink(self) -> Ink {
        match self {
            Self::Master => Ink::Master,
            Self::Backup | Self::Up | Self::Ready | Self::Fits => Ink::Text,
            Self::Held => Ink::Held,
            Self::Init
            | Self::Unknown
            | Self::Absent
            | Self::Unchecked
            | Self::NoCheck
            | Self::Heard
            | Self::Silent => Ink::Dim,
            Self::Yielding | Self::Rising => Ink::Changing,
            Self::Falling | Self::Collides | Self::Newer(_) => Ink::Warn,
            Self::Fault | Self::Down => Ink::Fault,
            Self::Dead => Ink::Dead,
            Self::Stale => Ink::Stale,
            Self::Split => Ink::Split,
            Self::Drain => Ink::Drain,
            Self::Drained | Self::Maint => Ink::Drained,
        }
    }

    /// Glyph and word, as every cell shows them.
    pub fn label(self) -> String {
        format!("{} {}", self.glyph(), self.word())
    }
}

/// The one-cell ASCII stand-in of anything the screen draws, or that an engine's sentence may hold.
pub const fn ascii(c: char) -> char {
    match c {
        '\0'..='\x7f' => c,
        '●' => 'M',
        '○' => 'B',
        '◎' => 'H',
        '◌' => 'i',
        '◐' | '→' | '▸' | '»' | '›' => '>',
        '✗' => 'F',
        '╳' | '⨯' => 'X',
        '‼' => '!',
        '·' | '∘' | '…' | '•' | '▎' | '▁' | '▂' | '░' => '.',
        '▲' | '✓' | '┌' | '┐' | '└' | '┘' | '├' | '┤' | '╔' | '╗' | '╚' | '╝' => '+',
        '▼' | '–' | '—' | '−' | '─' => '-',
        '▽' | '↓' | '▾' => 'v',
        '△' | '↑' | '▴' => '^',
        '←' | '◂' => '<',
        '◇' | '↶' => 'u',
        '⇣' => 'd',
        '⊥' => 'D',
        '※' => 'n',
        '⊘' => 'm',
        '⇡' => 'r',
        '■' | '█' | '▉' | '▊' | '≠' => '#',
        '║' | '│' | '▕' | '▏' => '|',
        '═' | '▋' | '▌' | '▅' => '=',
        '▆' | '▇' => '*',
        '▍' | '▃' | '▄' | '▒' | '⋮' => ':',
        '“' | '”' => '"',
        '‘' | '’' => '\'',
        '╰' => '`',
        '×' => 'x',
        '±' | '≈' => '~',
        _ => '?',
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_states_share_a_word_or_a_glyph() {
        let words: BTreeSet<_> = State::ALL.iter().map(|s| s.word()).collect();
        let glyphs: BTreeSet<_> = State::ALL.iter().map(|s| s.glyph()).collect();
        assert_eq!(words.len(), State::ALL.len());
        assert_eq!(glyphs.len(), State::ALL.len());
    }

    #[test]
    fn no_two_states_of_one_column_share_an_ascii_glyph() {
        use State::{
            Backup, Collides, Dead, Down, Drain, Drained, Falling, Fault, Fits, Heard, Held, Init, Master, NoCheck,
            Ready, Silent, Split, Stale, Unchecked, Unknown, Up, Yielding,
        };
        let newer = State::Newer(Word::UNKNOWN);
        let columns: [&[State]; 4] = [
            &[Master, Backup, Held, Init, Yielding, Fault, Dead, Stale, Split, Unknown, State::Absent, newer],
            &[Up, Down, Falling, Unchecked, NoCheck, newer],
            &[Ready, Drain, Drained, State::Maint, State::Rising, newer],
            &[Fits, Collides, Heard, Silent],
        ];
        for column in columns {
            let glyphs: BTreeSet<String> = column.iter().map(|s| s.glyph().chars().map(ascii).collect()).collect();
            assert_eq!(glyphs.len(), column.len(), "{glyphs:?}");
            assert!(glyphs.iter().all(|g| g.is_ascii()));
        }
    }
}
