//! How the threads of this process are scheduled (sched(7), setpriority(2)), and what keeps it in memory.

use super::clock::now;
use nix::errno::Errno;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Pid, gettid};
use std::fs;
use std::io;
use std::time::Duration;

/// One thread of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Thread(i32);

impl Thread {
    /// The calling one.
    pub fn current() -> Self {
        Self(gettid().as_raw())
    }

    /// Those that are called so at present.
    pub fn named(names: &[&str]) -> io::Result<Vec<Self>> {
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc/self/task")? {
            let entry = entry?;
            // A thread that ends meanwhile has no name.
            let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            let id = entry.file_name().to_string_lossy().parse();
            if let (true, Ok(id)) = (names.contains(&name.trim_end()), id) {
                found.push(Self(id));
            }
        }
        found.sort();
        Ok(found)
    }

    /// Waits until the threads that the calling one has started have their names: each gives itself its own, and has that
    /// of the calling one before (prctl(2), PR_SET_NAME). False: not within this time.
    pub fn all_are_named(within: Duration) -> io::Result<bool> {
        let own = fs::read_to_string("/proc/thread-self/comm")?;
        let until = now() + within;
        loop {
            if Self::named(&[own.trim_end()])? == [Self::current()] {
                return Ok(true);
            }
            if now() >= until {
                return Ok(false);
            }
            std::thread::sleep(Duration::from_micros(100));
        }
    }

    /// −20 to 19. Threads it starts begin at 0 again.
    #[expect(unsafe_code, reason = "nix has no setpriority(2)")]
    pub fn nice(self, value: i8) -> io::Result<()> {
        // SAFETY: numbers only; Linux takes a thread's id here.
        let result = unsafe { libc::setpriority(libc::PRIO_PROCESS, self.0.cast_unsigned(), value.into()) };
        done(result)
    }

    /// SCHED_RR at this priority. Threads and programs it starts begin without it.
    pub fn realtime(self, priority: u8) -> io::Result<()> {
        self.policy(libc::SCHED_RR, priority)
    }

    /// Back from real time.
    pub fn ordinary(self) -> io::Result<()> {
        self.policy(libc::SCHED_OTHER, 0)
    }

    #[expect(unsafe_code, reason = "nix has no sched_setscheduler(2)")]
    fn policy(self, policy: i32, priority: u8) -> io::Result<()> {
        let parameters = libc::sched_param { sched_priority: priority.into() };
        // SAFETY: the parameters live until the call returns.
        let result =
            unsafe { libc::sched_setscheduler(self.0, policy | libc::SCHED_RESET_ON_FORK, &raw const parameters) };
        done(result)
    }

    /// The processors it may use, by number; none: all there are.
    pub fn processors(self, cpus: &[u32]) -> io::Result<()> {
        let mut set = CpuSet::new();
        if cpus.is_empty() {
            for cpu in 0..CpuSet::count() {
                set.set(cpu)?;
            }
        }
        for cpu in cpus {
            set.set(usize::try_from(*cpu).unwrap_or(usize::MAX))?;
        }
        Ok(sched_setaffinity(Pid::from_raw(self.0), &set)?)
    }

    /// At most 15 bytes.
    pub fn rename(self, name: &str) -> io::Result<()> {
        fs::write(format!("/proc/self/task/{}/comm", self.0), name)
    }
}

/// The processor time, in microseconds, that a thread may take at real-time priority without a pause; then the process
/// gets SIGXCPU, each time again.
pub fn limit_realtime(us: u64) -> io::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_RTTIME)?;
    Ok(setrlimit(Resource::RLIMIT_RTTIME, us.min(hard), hard)?)
}

/// Nothing of this process is swapped out; what is not used takes no memory all the same.
#[expect(unsafe_code, reason = "nix's mlockall has no MCL_ONFAULT")]
pub fn lock_memory() -> io::Result<()> {
    // SAFETY: no memory is passed.
    done(unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE | libc::MCL_ONFAULT) })
}

/// Of this process and what it starts.
pub fn set_umask(mask: u32) {
    umask(Mode::from_bits_truncate(mask));
}

fn done(result: i32) -> io::Result<()> {
    Ok(Errno::result(result).map(drop)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_found_by_its_name_and_can_be_given_another() {
        let (named, there) = std::sync::mpsc::channel();
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let work = move || {
            named.send(Thread::current()).unwrap();
            assert!(stopped.recv().is_err());
        };
        let thread = std::thread::Builder::new().name("sched-test".into()).spawn(work).unwrap();
        let own = there.recv().unwrap();
        assert_eq!(Thread::named(&["sched-test", "other"]).unwrap(), [own]);
        own.rename("sched-other").unwrap();
        assert_eq!(Thread::named(&["sched-test"]).unwrap(), []);
        assert_eq!(Thread::named(&["sched-other"]).unwrap(), [own]);
        own.nice(5).unwrap();
        own.processors(&[0]).unwrap();
        assert!(own.processors(&[1023]).is_err(), "no such processor");
        drop(stop);
        thread.join().unwrap();
    }
}
