//! Wakes at a moment of the engine's clock, to the microsecond: tokio's own timers count in whole milliseconds and
//! round up (timerfd_create(2)).

use super::clock::Clock;
use crate::time::Instant;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::task::{Context, Poll, ready};
use tokio::io::unix::AsyncFd;

/// One timer. Made and used on a tokio runtime with I/O.
#[derive(Debug)]
pub struct Timer {
    descriptor: AsyncFd<Descriptor>,
    clock: Clock,
    /// What the kernel has been asked for and has not yet done.
    armed: Option<Instant>,
}

#[derive(Debug)]
struct Descriptor(TimerFd);

impl AsRawFd for Descriptor {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Timer {
    pub fn new(clock: Clock) -> io::Result<Self> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let descriptor = Descriptor(TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?);
        Ok(Self { descriptor: super::raw::watched(descriptor)?, clock, armed: None })
    }

    /// Wakes at `at`, or before: an earlier moment that was asked for and has not come yet stays, for most moments are
    /// put off before they come, and a needless wake-up costs less than putting off each.
    pub fn wake_by(&mut self, at: Instant) -> io::Result<()> {
        if self.armed.is_some_and(|armed| armed <= at) {
            return Ok(());
        }
        // Zero would disarm it.
        let moment = TimeSpec::from_duration(self.clock.monotonic(at).max(std::time::Duration::from_nanos(1)));
        self.descriptor.get_ref().0.set(Expiration::OneShot(moment), TimerSetTimeFlags::TFD_TIMER_ABSTIME)?;
        self.armed = Some(at);
        Ok(())
    }

    /// Whether it has gone off since it was last asked; if not, the task is woken when it does.
    pub fn poll_expired(&mut self, context: &mut Context<'_>) -> Poll<()> {
        // Its count is not read: setting it anew forgets it, and it tells of each expiry once (`EPOLLET`).
        if let Ok(mut guard) = ready!(self.descriptor.poll_read_ready(context)) {
            guard.clear_ready();
        }
        self.armed = None;
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Duration;
    use std::future::poll_fn;

    #[tokio::test]
    async fn it_wakes_at_the_moment_and_not_before() {
        let clock = Clock::start();
        let mut timer = Timer::new(clock).unwrap();
        for wait in [0, 300, 2_500, 300] {
            let at = clock.now() + Duration::from_micros(wait);
            timer.wake_by(at).unwrap();
            poll_fn(|context| timer.poll_expired(context)).await;
            assert!(clock.now() >= at, "after {wait} µs");
        }
    }

    #[tokio::test]
    async fn an_earlier_moment_stays_and_a_later_one_follows() {
        let clock = Clock::start();
        let mut timer = Timer::new(clock).unwrap();
        let (soon, later) = (clock.now() + Duration::from_millis(5), clock.now() + Duration::from_millis(15));
        timer.wake_by(later).unwrap();
        timer.wake_by(soon).unwrap();
        timer.wake_by(later).unwrap();
        poll_fn(|context| timer.poll_expired(context)).await;
        assert!(clock.now() >= soon);
        timer.wake_by(later).unwrap();
        poll_fn(|context| timer.poll_expired(context)).await;
        assert!(clock.now() >= later);
    }
}
