//! What this process gives back to the kernel.

/// Gives back what only a start has needed: what was freed, which glibc keeps for later (`malloc_trim(3)`), and the pages
/// of the program's own code, which are read again where they are needed. Takes about a millisecond.
pub fn give_back() {
    trim();
    let (Ok(maps), Ok(program)) = (std::fs::read_to_string("/proc/self/maps"), std::env::current_exe()) else { return };
    let program = program.display().to_string();
    maps.lines().filter_map(|line| code(line, &program)).for_each(|(start, length)| forget(start, length));
}

/// Where a line of proc_pid_maps(5) says that the code of this program lies. Only code: nothing is ever written there,
/// while other parts that can no longer be written have been, when the program was loaded.
fn code(line: &str, program: &str) -> Option<(usize, usize)> {
    let (range, rest) = line.split_once(' ')?;
    if !rest.starts_with("r-xp ") || !rest.ends_with(program) {
        return None;
    }
    let (start, end) = range.split_once('-')?;
    let [start, end] = [start, end].map(|address| usize::from_str_radix(address, 16));
    let start = start.ok()?;
    Some((start, end.ok()?.checked_sub(start)?))
}

#[expect(unsafe_code, reason = "there is no safe word for it")]
fn forget(start: usize, length: usize) {
    let start = std::ptr::without_provenance_mut(start);
    // SAFETY: the range is a private mapping of a file that was never written to: what is dropped is read again from
    // the file. Locked pages stay, which is an error that is no concern.
    unsafe { libc::madvise(start, length, libc::MADV_DONTNEED) };
}

#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "there is no safe word for it")]
fn trim() {
    // SAFETY: it takes the heap's locks as any allocation does, and touches only what is free.
    unsafe { libc::malloc_trim(0) };
}

/// Other libraries give back by themselves.
#[cfg(not(target_env = "gnu"))]
const fn trim() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_programs_own_code_is_given_back() {
        let line = |range: &str, rights: &str, path: &str| format!("{range} {rights} 00100000 fe:00 123    {path}");
        let at = |text: &str| code(text, "/usr/bin/vipdeck");
        assert_eq!(at(&line("1000-3000", "r-xp", "/usr/bin/vipdeck")), Some((0x1000, 0x2000)));
        assert_eq!(at(&line("1000-3000", "r--p", "/usr/bin/vipdeck")), None);
        assert_eq!(at(&line("1000-3000", "rw-p", "/usr/bin/vipdeck")), None);
        assert_eq!(at(&line("1000-3000", "r-xp", "/usr/lib/libc.so.6")), None);
        assert_eq!(at(&line("1000-3000", "r-xp", "/usr/bin/vipdeck (deleted)")), None);
        assert_eq!(at("1000-3000 r-xp"), None);
    }

    #[test]
    fn the_program_goes_on_without_its_pages() {
        give_back();
        assert_eq!((1..=10).map(|n| n * n).sum::<i32>(), 385);
    }
}
