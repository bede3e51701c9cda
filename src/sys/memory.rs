//! What this process gives back to the kernel.

/// Gives back what only a start has needed and glibc keeps for later (`malloc_trim(3)`). Takes about a millisecond.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "there is no safe word for it")]
pub fn give_back() {
    // SAFETY: it takes the heap's locks as any allocation does, and touches only what is free.
    unsafe { libc::malloc_trim(0) };
}

/// Other libraries give back by themselves.
#[cfg(not(target_env = "gnu"))]
pub const fn give_back() {}
