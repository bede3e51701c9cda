//! `MISC_CHECK`: a command, and what its exit status says.

use crate::health::{Found, Misc, Weight};
use crate::sys::process::{End, Keeps, Script, run_script};

pub(super) async fn run(misc: &Misc) -> Found {
    let script = Script {
        argv: misc.argv.clone(),
        user: misc.user.clone(),
        group: misc.group.clone(),
        timeout: misc.timeout,
        leaves_children: false,
        keeps: Keeps::Last,
    };
    let ended = run_script(&script).await;
    let detail = ended.detail();
    let status = match ended.end {
        End::Exit(status) if !ended.timed_out => u16::try_from(status).ok(),
        End::Exit(_) | End::Signal(_) | End::NotRun(_) => None,
    };
    let found = match status {
        Some(0) => Found::good("exit status 0"),
        Some(status @ 2..) if misc.dynamic => {
            let weight = u32::from(status) - 2;
            let good = Found::good(format!("exit status {status}: weight {weight}"));
            Found { weight: Weight::Is(weight), ..good }
        }
        _ => Found::bad(match ended.output.lines().next_back().map(str::trim).filter(|line| !line.is_empty()) {
            Some(line) => {
                format!("{detail}: {}", line.chars().filter(|c| !c.is_control()).take(120).collect::<String>())
            }
            None => detail,
        }),
    };
    Found { status, ..found }
}
