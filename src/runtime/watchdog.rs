//! What systemd is told of the engine's loop (sd_notify(3)), by the loop alone: that it is ready, how things are, and signs
//! of life (WATCHDOG=1). A loop that hangs gives none, and the service is started again.

use crate::sys::manager::{self, NotifyState};
use crate::time::{Duration, Instant};

/// Between two sentences about how things are.
const STATUS_EVERY: Duration = Duration::from_secs(1);

/// When the next sign is due; nothing without `WatchdogSec=`.
#[derive(Debug)]
pub(super) struct Watchdog {
    /// Half of what systemd waits.
    every: Option<Duration>,
    next: Instant,
    is_ready: bool,
    /// The last sentence, and when another may follow.
    said: String,
    say_next: Instant,
}

impl Watchdog {
    pub(super) fn of_environment() -> Self {
        let every = manager::watchdog().map(|limit| limit / 2);
        Self { every, next: Instant::ZERO, is_ready: false, said: String::new(), say_next: Instant::ZERO }
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.every.map(|_| self.next)
    }

    /// The loop has turned. What an engine before left has been taken over once it `is_ready`.
    pub(super) fn turned(&mut self, now: Instant, is_ready: bool, sentence: impl FnOnce() -> String) {
        if is_ready && !self.is_ready {
            self.is_ready = true;
            manager::tell(&[NotifyState::Ready]);
        }
        if self.is_ready && now >= self.say_next {
            self.say_next = now + STATUS_EVERY;
            let sentence = sentence();
            if sentence != self.said {
                manager::tell(&[NotifyState::Status(&sentence)]);
                self.said = sentence;
            }
        }
        let Some(every) = self.every.filter(|_| now >= self.next) else { return };
        self.next = now + every;
        manager::tell(&[NotifyState::Watchdog]);
    }
}
