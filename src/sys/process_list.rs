//! The processes of this machine, from /proc.

use std::fs;
use std::io;

/// A process that runs: not a zombie, not a thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// The kernel's name, at most 15 bytes.
    pub name: String,
    /// The program and its arguments, each followed by a zero byte; empty for the kernel's own threads.
    pub command: Vec<u8>,
}

/// Every process by number, also those that end meanwhile.
pub fn all() -> io::Result<Vec<u32>> {
    let entries = fs::read_dir("/proc")?;
    Ok(entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect())
}

/// One process; none if it does not run any more. The command is read only where it is asked for: it is the process's
/// own memory.
pub fn look(pid: u32, with_command: bool) -> Option<Process> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let (name, state) = name_and_state(&stat)?;
    if matches!(state, b'Z' | b'X' | b'x') {
        return None;
    }
    let command = if with_command { fs::read(format!("/proc/{pid}/cmdline")).ok()? } else { Vec::new() };
    Some(Process { name, command })
}

/// `1 (a name) S …`: a name may hold anything, parentheses and blanks included (proc_pid_stat(5)).
fn name_and_state(stat: &[u8]) -> Option<(String, u8)> {
    let open = stat.iter().position(|b| *b == b'(')?;
    let close = stat.iter().rposition(|b| *b == b')')?;
    let name = String::from_utf8_lossy(stat.get(open + 1..close)?).into_owned();
    Some((name, *stat.get(close + 2)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_parentheses() {
        assert_eq!(name_and_state(b"12 (a) Z (b) S 1 2"), Some(("a) Z (b".into(), b'S')));
        assert_eq!(name_and_state(b"12 (x) Z"), Some(("x".into(), b'Z')));
        for broken in [&b"12"[..], b"12 (a", b")(", b"12 (a)", b""] {
            assert_eq!(name_and_state(broken), None);
        }
    }

    #[test]
    fn this_process_is_among_all() {
        let own = std::process::id();
        assert!(all().unwrap().contains(&own));
        let found = look(own, true).unwrap();
        assert!(!found.name.is_empty() && found.command.ends_with(&[0]), "{found:?}");
        assert_eq!(look(u32::MAX, true), None);
    }
}
