//! Mail, on a thread of its own: in order, tried again for a while, and what does not go is said.

use crate::conf::MailSpec;
use crate::engine::{Input, Letter};
use crate::settings::{Mail, MailTls};
use crate::status::Severity;
use crate::sys::clock::now;
use crate::sys::mail::{Failure, Login, Relay, Security, Trust, send};
use jiff::Zoned;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedSender;

/// Letters that wait; of more, the oldest are lost.
const WAITING: usize = 256;
/// Letters on their way to the thread.
const COMING: usize = 1024;
/// From a try to the next: this, then twice as long, and so on.
const AGAIN: Duration = Duration::from_secs(2);
const AGAIN_AT_MOST: Duration = Duration::from_secs(60);
/// A letter that could not be sent for so long is given up.
const GIVE_UP: Duration = Duration::from_secs(600);

enum Task {
    Need(Option<MailSpec>),
    Send(Letter, Zoned),
    /// The engine is about to end: what waits is tried once more, at once.
    Hurry,
}

/// Where letters go, and how many have not gone yet.
pub(super) struct Mailer {
    tasks: SyncSender<Task>,
    open: Arc<AtomicUsize>,
}

impl Mailer {
    /// Starts the thread; what goes wrong comes back as inputs.
    pub(super) fn start(spec: Option<&MailSpec>, settings: Mail, reports: UnboundedSender<Input>) -> io::Result<Self> {
        let (tasks, received) = sync_channel(COMING);
        let open = Arc::new(AtomicUsize::new(0));
        let post = Post {
            settings,
            spec: None,
            waiting: VecDeque::new(),
            pause: AGAIN,
            next_try: None,
            failing: false,
            open: open.clone(),
            reports,
        };
        std::thread::Builder::new().name("mail".into()).spawn(move || post.work(&received))?;
        let mailer = Self { tasks, open };
        mailer.need(spec);
        Ok(mailer)
    }

    /// From now on by this relay to these.
    pub(super) fn need(&self, spec: Option<&MailSpec>) {
        // It is the first task, or one of a reload: there is room, or the thread is gone, which the next letter says.
        let _ = self.tasks.try_send(Task::Need(spec.cloned()));
    }

    pub(super) fn send(&self, letter: Letter) -> Option<Input> {
        let subject = letter.subject.clone();
        self.open.fetch_add(1, Ordering::Relaxed);
        let why = match self.tasks.try_send(Task::Send(letter, Zoned::now())) {
            Ok(()) => return None,
            Err(TrySendError::Full(_)) => "its thread does not keep up",
            Err(TrySendError::Disconnected(_)) => "its thread has ended: restart vipdeck",
        };
        self.open.fetch_sub(1, Ordering::Relaxed);
        Some(report(Severity::Warning, format!("mail `{subject}` is lost: {why}"), None))
    }

    pub(super) fn hurry(&self) {
        // A thread that has no room for it is busy anyway.
        let _ = self.tasks.try_send(Task::Hurry);
    }

    /// Whether everything has gone, or has been given up.
    pub(super) fn is_idle(&self) -> bool {
        self.open.load(Ordering::Relaxed) == 0
    }
}

fn report(severity: Severity, text: String, cause: Option<String>) -> Input {
    Input::Report { severity, kind: "mail", text, cause }
}

struct Waiting {
    letter: Letter,
    date: Zoned,
    since: Instant,
}

struct Post {
    settings: Mail,
    spec: Option<MailSpec>,
    waiting: VecDeque<Waiting>,
    pause: Duration,
    next_try: Option<Instant>,
    /// The last try failed, and that has been said.
    failing: bool,
    open: Arc<AtomicUsize>,
    reports: UnboundedSender<Input>,
}

impl Post {
    /// Until the engine drops its end.
    fn work(mut self, tasks: &Receiver<Task>) {
        loop {
            let task = match self.next_try {
                Some(at) => tasks.recv_timeout(at.saturating_duration_since(now())),
                None => tasks.recv().map_err(|_ended| RecvTimeoutError::Disconnected),
            };
            match task {
                Ok(Task::Need(spec)) => self.spec = spec,
                Ok(Task::Send(letter, date)) => self.queue(letter, date),
                Ok(Task::Hurry) => {
                    self.next_try = Some(now());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if self.next_try.is_none_or(|at| at <= now()) {
                self.send_waiting();
            }
        }
    }

    fn queue(&mut self, letter: Letter, date: Zoned) {
        self.waiting.push_back(Waiting { letter, date, since: now() });
        if self.waiting.len() > WAITING
            && let Some(oldest) = self.waiting.pop_front()
        {
            self.lost(&oldest, &format!("{WAITING} later ones wait"));
        }
    }

    fn lost(&self, letter: &Waiting, why: &str) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        self.say(Severity::Warning, format!("mail `{}` is lost: {why}", letter.letter.subject));
    }

    fn say(&self, severity: Severity, text: String) {
        // The engine has ended: nobody wants to know.
        let _ =
            self.reports.send(report(severity, text, self.spec.as_ref().map(|s| format!("smtp_server {}", s.server))));
    }

    /// The first, and if it goes the others after it.
    fn send_waiting(&mut self) {
        self.next_try = None;
        while let Some(first) = self.waiting.pop_front() {
            match self.send(&first) {
                Ok(()) => {
                    self.open.fetch_sub(1, Ordering::Relaxed);
                    self.pause = AGAIN;
                    if std::mem::take(&mut self.failing) {
                        self.say(Severity::Notice, "mail goes again".to_owned());
                    }
                }
                Err(failure) if !failure.may_pass => self.lost(&first, &failure.why),
                Err(failure) if first.since.elapsed() > GIVE_UP => {
                    let minutes = GIVE_UP.as_secs() / 60;
                    self.lost(&first, &format!("it could not be sent for {minutes} minutes: {}", failure.why));
                }
                Err(failure) => {
                    if !std::mem::replace(&mut self.failing, true) {
                        let subject = &first.letter.subject;
                        let why = failure.why;
                        self.say(Severity::Warning, format!("mail `{subject}` waits, it is tried again: {why}"));
                    }
                    self.waiting.push_front(first);
                    self.next_try = Some(now() + self.pause);
                    self.pause = (self.pause * 2).min(AGAIN_AT_MOST);
                    return;
                }
            }
        }
    }

    fn send(&self, letter: &Waiting) -> Result<(), Failure> {
        let lasting = |why: &str| Failure { may_pass: false, why: why.to_owned() };
        let spec = self.spec.as_ref().ok_or_else(|| lasting("the configuration names no relay any more"))?;
        let host = nix::unistd::gethostname().map_err(|e| lasting(&format!("this machine's name: {e}")))?;
        let host = host.to_string_lossy();
        let complete =
            |address: &String| if address.contains('@') { address.clone() } else { format!("{address}@{host}") };
        let own = || {
            let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten();
            user.map_or_else(|| "root".to_owned(), |user| user.name)
        };
        let from = complete(&spec.from.clone().unwrap_or_else(own));
        let to: Vec<String> = spec.to.iter().map(complete).collect();
        let relay = Relay {
            host: spec.server.clone(),
            port: spec.port,
            helo: spec.helo.clone().unwrap_or_else(|| host.clone().into_owned()),
            timeout: spec.timeout,
            security: security(&self.settings),
            login: login(&self.settings)?,
        };
        send(&relay, &from, &to, message(letter, &from, &to).as_bytes())
    }
}

fn security(settings: &Mail) -> Security {
    let trust = Trust { ca_file: settings.ca_file.clone(), anything: !settings.verify };
    match settings.tls {
        MailTls::None => Security::None,
        MailTls::StartTls => Security::StartTls(trust),
        MailTls::Tls => Security::Tls(trust),
    }
}

fn login(settings: &Mail) -> Result<Option<Login>, Failure> {
    match (&settings.user, &settings.password_file) {
        (Some(user), Some(file)) => Ok(Some(Login { user: user.clone(), password_file: file.clone() })),
        (None, None) => Ok(None),
        _ => Err(Failure { may_pass: false, why: "mail.user and mail.password_file belong together".to_owned() }),
    }
}

/// keepalived's header fields, in its order.
fn message(letter: &Waiting, from: &str, to: &[String]) -> String {
    let date = letter.date.strftime("%a, %d %b %Y %H:%M:%S %z");
    let Letter { subject, body } = &letter.letter;
    let to = to.join(", ");
    // A line end in a name would begin another field.
    let subject: String = subject.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let body = body.join("\r\n");
    format!("Date: {date}\r\nFrom: {from}\r\nSubject: {subject}\r\nX-Mailer: vipdeck\r\nTo: {to}\r\n\r\n{body}\r\n")
}
