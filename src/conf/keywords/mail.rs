//! Mail of `global_defs`: who gets it, by which relay.

use crate::conf::diagnostic::Diagnostic;
use crate::conf::lower::{Cx, Failed, names};
use crate::conf::model::MailSpec;
use crate::conf::source::{Span, Spanned};
use crate::conf::tree::{Body, Statement};
use crate::conf::value;
use crate::time::Duration;

#[derive(Clone, Default)]
pub(in crate::conf) struct Draft {
    pub to: Vec<Spanned<String>>,
    pub from: Option<Spanned<String>>,
    /// Name or address, and port.
    pub server: Option<(Spanned<String>, u16)>,
    pub helo: Option<String>,
    pub timeout: Option<u32>,
    /// `smtp_alert`, and `smtp_alert_vrrp` before it.
    pub alert: Option<Spanned<bool>>,
    pub alert_vrrp: Option<Spanned<bool>>,
    /// `smtp_alert_checker`.
    pub alert_checker: Option<bool>,
    /// `no_checker_emails`.
    pub no_checkers: bool,
    pub no_faults: bool,
    /// Keywords of `global_defs` that were written and refused.
    pub failed: Failed,
}

pub(in crate::conf) fn recipients(cx: &mut Cx<'_>, draft: &mut Draft, statement: &Statement, body: &Body) {
    cx.no_more_words(statement, 1);
    names(cx, body, &mut draft.to);
}

/// `smtp_server HOST [PORT]`; the port is a number or the name of a service that mail uses.
pub(in crate::conf) fn server(cx: &mut Cx<'_>, draft: &mut Draft, statement: &Statement) -> Result<(), Diagnostic> {
    let [keyword, host, rest @ ..] = statement.words.as_slice() else {
        let problem = Diagnostic::error("missing-argument", "`smtp_server` needs a host");
        return Err(statement.words.first().map_or(problem.clone(), |w| problem.at(w.span, "takes HOST [PORT]")));
    };
    let name = host.text.trim_start_matches('[').trim_end_matches(']');
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || ".-_:%".contains(c)) {
        let message = format!("`{}` is neither an address nor a host's name", host.text);
        return Err(Diagnostic::error("bad-address", message).at(host.span, "where mail is given to"));
    }
    let port = match rest.first() {
        None => 25,
        Some(word) => match word.text.as_str() {
            "smtp" => 25,
            "submission" => 587,
            "smtps" | "submissions" => 465,
            _ => u16::try_from(value::whole(&keyword.text, word, 1, 65535)?).unwrap_or(25),
        },
    };
    cx.no_more_words(statement, 3);
    draft.server = Some((Spanned { value: name.to_owned(), span: host.span }, port));
    Ok(())
}

impl Draft {
    /// Whether instances and groups that do not say it themselves alert by mail.
    pub(in crate::conf) fn alert_vrrp(&self) -> Option<bool> {
        self.alert_vrrp.as_ref().or(self.alert.as_ref()).map(|v| v.value)
    }

    /// Whether a virtual or a real server that says `written` alerts by mail; `default` where nobody says anything.
    pub(in crate::conf) fn alert_checker(&self, written: Option<bool>, default: bool) -> bool {
        let global = || self.alert_checker.or(self.alert.as_ref().map(|v| v.value));
        !self.no_checkers && written.or_else(global).unwrap_or(default)
    }

    /// None: there is nobody to send to, or no relay to send by.
    pub(in crate::conf) fn spec(&self, cx: &mut Cx<'_>, alerts: bool) -> Option<MailSpec> {
        for address in self.to.iter().chain(&self.from) {
            judge(cx, &address.value, address.span);
        }
        let place = self.alert_vrrp.as_ref().or(self.alert.as_ref()).map(|v| v.span);
        let (Some((server, port)), false) = (&self.server, self.to.is_empty()) else {
            let place = place.or_else(|| self.to.first().map(|t| t.span)).or(self.server.as_ref().map(|s| s.0.span));
            let missing = if self.server.is_none() { "smtp_server" } else { "notification_email" };
            if alerts
                && !self.failed.contains(missing)
                && let Some(place) = place
            {
                let problem = Diagnostic::warning("no-mail", format!("no mail is sent: {missing} is not given"));
                cx.report(problem.at(place, "mail is asked for").help(format!("add `{missing}` to global_defs")));
            }
            return None;
        };
        Some(MailSpec {
            to: self.to.iter().map(|t| t.value.clone()).collect(),
            from: self.from.as_ref().map(|f| f.value.clone()),
            server: server.value.clone(),
            port: *port,
            helo: self.helo.clone(),
            timeout: Duration::from_secs(u64::from(self.timeout.unwrap_or(30))),
            no_email_faults: self.no_faults,
        })
    }
}

fn judge(cx: &mut Cx<'_>, address: &str, span: Span) {
    let parts = address.split('@').collect::<Vec<_>>();
    let odd = |c: char| c.is_control() || c.is_whitespace() || "<>(),;:\\\"[]".contains(c);
    if address.contains(odd) || parts.len() > 2 || parts.iter().any(|part| part.is_empty()) {
        let message = format!("`{address}` is no mail address");
        cx.report(Diagnostic::error("bad-mail-address", message).at(span, "write it as name@domain"));
    } else if parts.len() == 1 {
        let message = format!("`{address}` has no domain: mail goes to it on this machine's name");
        cx.report(Diagnostic::note("mail-domain", message).at(span, "write it as name@domain"));
    }
}
