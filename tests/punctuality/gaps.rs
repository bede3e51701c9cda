//! The times between adverts, and how unpunctual this machine is by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What an advert may be off on a machine that has time.
pub(crate) const TOLERANCE: Duration = Duration::from_millis(20);
/// What a busy machine may add to that, and only if a witness has seen it.
const NOISE: Duration = Duration::from_millis(80);

/// The shortest and the longest time between two successive ones.
pub(crate) fn extremes(at: &[Duration]) -> (Duration, Duration) {
    let gaps: Vec<_> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    (*gaps.iter().min().expect("two adverts"), *gaps.iter().max().expect("two adverts"))
}

/// Whether both are within a second ± `tolerance`.
pub(crate) fn is_punctual((shortest, longest): (Duration, Duration), tolerance: Duration) -> bool {
    let second = Duration::from_secs(1);
    shortest >= second.saturating_sub(tolerance) && longest <= second + tolerance
}

/// A thread that does nothing but wake up every five milliseconds and note how late it was.
///
/// It is what the engine would be with nothing to do: what happens to it is the machine's doing.
pub(crate) struct Witness {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Duration>,
}

impl Witness {
    pub(crate) fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let end = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut worst = Duration::ZERO;
            while !end.load(Ordering::SeqCst) {
                let due = Instant::now() + Duration::from_millis(5);
                std::thread::sleep(Duration::from_millis(5));
                worst = worst.max(due.elapsed());
            }
            worst
        });
        Self { stop, thread }
    }

    /// How late it was at worst.
    pub(crate) fn end(self) -> Duration {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().unwrap()
    }
}

/// What is asked of adverts while the witness was late by `worst`.
pub(crate) fn tolerance(worst: Duration) -> Duration {
    TOLERANCE + worst.min(NOISE)
}

#[test]
fn a_late_advert_is_noticed() {
    let at = |ms: &[u64]| ms.iter().map(|ms| Duration::from_millis(*ms)).collect::<Vec<_>>();
    assert!(is_punctual(extremes(&at(&[0, 1000, 2019, 3000])), TOLERANCE));
    assert!(!is_punctual(extremes(&at(&[0, 1000, 2021, 3021])), TOLERANCE));
    assert!(!is_punctual(extremes(&at(&[0, 979, 1979])), TOLERANCE));
    assert_eq!(tolerance(Duration::from_secs(3)), Duration::from_millis(100));
}
