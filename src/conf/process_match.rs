//! Which processes a `vrrp_track_process` counts (keepalived.conf(5), as keepalived 2.2.7 does it).

use super::model::{ArgumentsMatch, ProcessSpec};

impl ProcessSpec {
    /// Whether a process is one of them, given the kernel's name of it and its command as it was started: words that each
    /// end with a zero byte.
    pub fn matches(&self, name: &str, command: &[u8]) -> bool {
        if !self.full_command {
            return name == self.program;
        }
        let command = command.strip_suffix(&[0]).unwrap_or(command);
        let mut words = command.split(|byte| *byte == 0);
        words.next() == Some(self.program.as_bytes()) && self.arguments_match(words)
    }

    fn arguments_match<'a>(&self, mut words: impl Iterator<Item = &'a [u8]>) -> bool {
        let last = self.arguments.len().saturating_sub(1);
        let begins = match self.arguments_match {
            ArgumentsMatch::Any => return true,
            ArgumentsMatch::Initial => true,
            ArgumentsMatch::Exact | ArgumentsMatch::Partial => false,
        };
        for (index, argument) in self.arguments.iter().enumerate() {
            let matches = match words.next() {
                Some(word) if begins && index == last => word.starts_with(argument.as_bytes()),
                Some(word) => word == argument.as_bytes(),
                None => false,
            };
            if !matches {
                return false;
            }
        }
        self.arguments_match != ArgumentsMatch::Exact || words.next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Duration;

    fn spec(words: &str, arguments_match: ArgumentsMatch, full_command: bool) -> ProcessSpec {
        let mut words = words.split_whitespace().map(str::to_owned);
        ProcessSpec {
            name: "p".into(),
            program: words.next().unwrap_or_default(),
            arguments: words.collect(),
            arguments_match,
            full_command,
            weight: 0,
            reverse: false,
            quorum: 1,
            quorum_max: None,
            fork_delay: Duration::ZERO,
            terminate_delay: Duration::ZERO,
        }
    }

    /// What keepalived 2.2.7 counts and what not, as seen with a process started as `/b/proc 100 101`.
    #[test]
    fn processes_match_as_in_keepalived() {
        use ArgumentsMatch::{Any, Exact, Initial, Partial};
        let started = b"/b/proc\x00100\x00101\x00";
        for (words, how, full, matches) in [
            ("proc", Any, false, true),
            ("/b/proc", Any, false, false),
            ("pro", Any, false, false),
            ("/b/proc", Any, true, true),
            ("proc", Any, true, false),
            ("/b/proc 100 101", Exact, true, true),
            ("/b/proc 100", Exact, true, false),
            ("/b/proc 100 10", Exact, true, false),
            ("/b/proc", Exact, true, false),
            ("/b/proc 100 101", Initial, true, true),
            ("/b/proc 100 10", Initial, true, true),
            ("/b/proc 10", Initial, true, true),
            ("/b/proc", Initial, true, true),
            ("/b/proc 101", Initial, true, false),
            ("/b/proc 100 101 102", Initial, true, false),
            ("/b/proc 100 101", Partial, true, true),
            ("/b/proc 100", Partial, true, true),
            ("/b/proc", Partial, true, true),
            ("/b/proc 10", Partial, true, false),
            ("/b/proc 100 10", Partial, true, false),
        ] {
            assert_eq!(spec(words, how, full).matches("proc", started), matches, "{words} {how:?} {full}");
        }
        assert!(spec("/b/proc", Exact, true).matches("proc", b"/b/proc\x00"));
        assert!(!spec("/b/proc", Any, true).matches("kthreadd", b""));
    }
}
