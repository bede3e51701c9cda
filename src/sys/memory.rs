//! What this process gives back to the kernel.

use nix::libc;
use nix::unistd::{SysconfVar, sysconf};
use std::ffi::{c_int, c_void};
use std::io;
use std::ptr;
use std::time::Duration;

/// Gives back free memory that the allocator keeps for later (`malloc_trim(3)`): a start needs more than what follows.
/// Takes about a millisecond, and makes other threads wait that allocate meanwhile.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "there is no safe word for it")]
pub fn give_back_free() {
    // SAFETY: it takes the heap's locks as any allocation does, and touches only what is free.
    unsafe { libc::malloc_trim(0) };
}

/// Other libraries give back by themselves.
#[cfg(not(target_env = "gnu"))]
pub const fn give_back_free() {}

/// Gives back the pages of the program's file: those still needed come back from the page cache one by one, the code of
/// the start does not (`MADV_DONTNEED`, madvise(2)). Nobody waits meanwhile.
#[expect(unsafe_code, reason = "there is no safe word for it")]
pub fn give_back_program() {
    // SAFETY: the function is called with what the dynamic linker knows, before this returns.
    unsafe { libc::dl_iterate_phdr(Some(give_back_segments), ptr::null_mut()) };
}

/// The same after this time, from a thread that ends with it.
pub fn give_back_program_after(time: Duration) -> io::Result<()> {
    std::thread::Builder::new().name("settle".into()).spawn(move || {
        std::thread::sleep(time);
        give_back_program();
    })?;
    Ok(())
}

/// Of the first object, which is the program itself: its segments that nobody can have written to.
#[expect(unsafe_code, reason = "program headers are C")]
unsafe extern "C" fn give_back_segments(info: *mut libc::dl_phdr_info, _: usize, _: *mut c_void) -> c_int {
    // SAFETY: dl_iterate_phdr(3) gives a valid entry with so many headers.
    let (base, headers) = unsafe {
        let info = &*info;
        (info.dlpi_addr as usize, std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()))
    };
    let page =
        sysconf(SysconfVar::PAGE_SIZE).ok().flatten().and_then(|size| usize::try_from(size).ok()).unwrap_or(4096);
    for header in headers.iter().filter(|h| h.p_type == libc::PT_LOAD && h.p_flags & libc::PF_W == 0) {
        // Whole pages of it alone: what is relocated lies in other segments, and would be lost.
        let start = (base + header.p_vaddr as usize).next_multiple_of(page);
        let end = (base + header.p_vaddr as usize + header.p_memsz as usize) / page * page;
        if end > start {
            // SAFETY: the pages are mapped from the program's file and never written: they read the same afterwards. It
            // fails where memory is locked, which is meant to stay.
            unsafe { libc::madvise(start as *mut c_void, end - start, libc::MADV_DONTNEED) };
        }
    }
    1
}
