//! How far a node's wall clock is from this machine's: a question, its answer, and the time between on our own
//! monotonic clock, as NTP (RFC 5905, section 8) estimates it, without the server's two stamps, which would be one here.

use super::ask::{Failure, PATIENCE, Session, refused, whole};
use crate::control::board::Board;
use crate::control::target::{Place, Target};
use crate::status::ClockOffset;
use crate::sys::clock::wall_us;
use hyper::{Method, StatusCode};
use std::sync::Weak;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// Questions of one measurement: the quickest answer says most.
const QUESTIONS: usize = 6;
/// Between two measurements. Through ssh each is a login.
const PAUSE: Duration = Duration::from_secs(60);
const PAUSE_SSH: Duration = Duration::from_secs(300);
/// After one that failed: the engine may be starting.
const AGAIN: Duration = Duration::from_secs(5);

/// Measures for as long as the board is there; an engine that does not know the question is not asked again soon.
pub(super) async fn keep(target: Target, board: Weak<Board>) {
    let pause = if matches!(target.place, Place::Socket(_)) { PAUSE } else { PAUSE_SSH };
    loop {
        let measured = timeout(PATIENCE, measure(&target)).await.unwrap_or(Ok(None));
        let Some(board) = board.upgrade() else { return };
        let wait = match measured {
            Ok(offset) => {
                board.set_clock(offset);
                pause
            }
            Err(Failure::Refused { .. }) => pause,
            Err(_) => AGAIN,
        };
        drop(board);
        sleep(wait).await;
    }
}

async fn measure(target: &Target) -> Result<Option<ClockOffset>, Failure> {
    #[derive(serde::Deserialize)]
    struct Clock {
        wall_us: u64,
    }
    let mut session = Session::open(target).await?;
    // Of one moment on both of our clocks, all questions are dated: a step of our wall clock meanwhile is no skew.
    let (zero, zero_wall) = (Instant::now(), wall_us());
    let mut best: Option<ClockOffset> = None;
    for _ in 0..QUESTIONS {
        let sent = zero.elapsed();
        let answer = session.send(target, Method::GET, "/v1/clock", Vec::new()).await?;
        if answer.status() != StatusCode::OK {
            return Err(refused(target, answer).await);
        }
        let body = whole(target, answer).await?;
        let took = zero.elapsed().saturating_sub(sent);
        let theirs: Clock = serde_json::from_slice(&body).map_err(|e| Failure::garbled(target, e))?;
        let middle = zero_wall.saturating_add(micros(sent + took / 2));
        let offset_us = i64::try_from(i128::from(theirs.wall_us) - i128::from(middle)).unwrap_or(0);
        let error_us = micros(took / 2);
        if best.is_none_or(|b| error_us < b.error_us) {
            best = Some(ClockOffset { offset_us, error_us });
        }
    }
    Ok(best)
}

fn micros(d: Duration) -> u64 {
    u64::try_from(d.as_micros()).unwrap_or(u64::MAX)
}
