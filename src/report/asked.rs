//! From the words of a verb to what an engine is asked.

use crate::cli::{self, Holding, How, Keeping, Mode};
use crate::status::{Ask, AtExpiry, Command};

/// The command of a verb, and how it is to be carried out; none: the mode is no verb.
pub(super) fn of(mode: Mode) -> Result<Option<(Ask, How)>, String> {
    let (ask, how) = match mode {
        Mode::Demote(on) => {
            let mode = on.mode.parse()?;
            let command = match on.instance {
                Some(instance) => Command::Demote { instance, seen: None, mode },
                None => Command::DemoteAll { mode },
            };
            (Ask { stand_in: on.stand_in, ..holding(command, &on.holding)? }, on.how)
        }
        Mode::Restore(on) => {
            let command = match on.instance {
                Some(instance) => Command::Restore { instance },
                None => Command::RestoreAll {},
            };
            (keeping(command, &on.keeping), on.how)
        }
        Mode::Takeover(on) => (holding(Command::Takeover { instance: on.instance, seen: None }, &on.holding)?, on.how),
        Mode::Pause(on) => (held(Command::Pause {}, (&on.time, on.then.as_ref()), &on.keeping)?, on.how),
        Mode::Resume(on) => (keeping(Command::Resume {}, &on.keeping), on.how),
        Mode::Announce(on) => (Ask::new(Command::Announce { instance: on.instance }), on.how),
        Mode::Keep(on) => (Ask::new(Command::Keep { id: on.id }), on.how),
        Mode::Undo(on) => (keeping(Command::Undo { id: on.id }, &on.keeping), on.how),
        Mode::Lock(cli::Lock { on, seconds, session, how }) => {
            let command = Command::Lock { on, plan: None, seconds: Some(seconds) };
            (Ask { session, ..Ask::new(command) }, how)
        }
        Mode::Unlock(cli::Unlock { on, session, how }) => (Ask { session, ..Ask::new(Command::Unlock { on }) }, how),
        Mode::Drain(drain) => {
            let command = Command::Drain {
                real: drain.on.real,
                service: drain.on.service()?,
                deadline_seconds: drain.deadline,
                then: drain.then.parse()?,
                ignore_persistence: drain.ignore_persistence,
            };
            (held(command, (&drain.hold, drain.at_expiry.as_ref()), &drain.keeping)?, drain.on.how)
        }
        Mode::Maint(maint) => {
            let command = Command::Maint { real: maint.on.real, service: maint.on.service()? };
            (holding(command, &maint.holding)?, maint.on.how)
        }
        Mode::Reset(on) => (Ask::new(Command::Reset { real: on.real, service: on.service()? }), on.how),
        Mode::Return(cli::Return { on, slow_start, keeping: kept }) => {
            let command = Command::Return { real: on.real, service: on.service()?, slow_start_seconds: slow_start };
            (keeping(command, &kept), on.how)
        }
        Mode::Weight(on) => {
            let (service, weight) = on.parts()?;
            (holding(Command::Weight { real: on.real, service, weight }, &on.holding)?, on.how)
        }
        Mode::CheckNow(on) => (Ask::new(Command::CheckNow { real: on.real, service: on.service()? }), on.how),
        Mode::Reload(args) => (keeping(Command::Reload { dry_run: args.dry_run }, &args.keeping), args.how),
        Mode::Acknowledge(args) => (Ask::new(Command::Acknowledge { alarm: args.alarm, since_us: None }), args.how),
        Mode::Restart(args) => (Ask::new(Command::Restart {}), args.how),
        Mode::Note(note) => (Ask::new(Command::Note { text: note.text }), note.how),
        _ => return Ok(None),
    };
    Ok(Some((ask, how)))
}

fn keeping(command: Command, keeping: &Keeping) -> Ask {
    Ask { keep_seconds: keeping.keep_within, ..Ask::new(command) }
}

fn holding(command: Command, how: &Holding) -> Result<Ask, String> {
    held(command, (&how.hold, how.then.as_ref()), &how.keeping)
}

fn held(command: Command, (time, then): (&str, Option<&String>), kept: &Keeping) -> Result<Ask, String> {
    let at_expiry = then.map(|word| word.parse::<AtExpiry>()).transpose()?;
    Ok(Ask { hold_seconds: cli::hold_seconds(time)?, at_expiry, ..keeping(command, kept) })
}
