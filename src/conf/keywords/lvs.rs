//! What `global_defs` says about the load balancer as a whole.

use crate::conf::diagnostic::Diagnostic;
use crate::conf::lexer::Word;
use crate::conf::lower::{Cx, link};
use crate::conf::source::{Span, Spanned};
use crate::conf::tree::Statement;
use crate::conf::value;
use crate::kernel::Timeouts;
use crate::net::LinkName;
use std::net::IpAddr;

#[derive(Default)]
pub(in crate::conf) struct Draft {
    pub sync: Option<Sync>,
    pub timeouts: Timeouts,
    pub flush: bool,
    pub flush_on_stop: bool,
    pub log_all_failures: bool,
}

/// `lvs_sync_daemon`.
#[derive(Clone)]
pub(in crate::conf) struct Sync {
    pub link: LinkName,
    pub span: Span,
    pub instance: Option<Spanned<String>>,
    pub id: Option<u8>,
    pub max_length: Option<u16>,
    pub group: Option<IpAddr>,
    pub port: Option<u16>,
    pub ttl: Option<u8>,
}

const OPTIONS: &[&str] = &["id", "maxlen", "port", "ttl", "group"];

/// `INTERFACE [[inst] INSTANCE] [id N] [maxlen N] [port N] [ttl N] [group ADDRESS]`.
pub(super) fn sync(cx: &mut Cx<'_>, statement: &Statement) -> Result<Sync, Diagnostic> {
    let [keyword, first, rest @ ..] = statement.words.as_slice() else {
        let problem = Diagnostic::error("missing-argument", "`lvs_sync_daemon` needs an interface");
        return Err(statement.words.first().map_or(problem.clone(), |w| problem.at(w.span, "")));
    };
    let span = keyword.span.to(rest.last().map_or(first.span, |w| w.span));
    let mut sync = Sync {
        link: link(first)?,
        span,
        instance: None,
        id: None,
        max_length: None,
        group: None,
        port: None,
        ttl: None,
    };
    let mut words = rest.iter().peekable();
    if let Some(word) = words.next_if(|w| !OPTIONS.contains(&w.text.as_str())) {
        let name = if word.text == "inst" { needed(word, words.next())? } else { word };
        sync.instance = Some(Spanned { value: name.text.clone(), span: name.span });
        // An old form.
        if let Some(id) = words.next_if(|w| w.text.bytes().all(|b| b.is_ascii_digit())) {
            sync.id = u8::try_from(value::whole("id", id, 0, 255)?).ok();
            cx.report(
                Diagnostic::warning("deprecated", "a bare number is an old form of `id`")
                    .at(id.span, format!("write `id {}`", id.text)),
            );
        }
    }
    while let Some(word) = words.next() {
        let name = value::one_of("lvs_sync_daemon", word, OPTIONS, false)?;
        let argument = needed(word, words.next())?;
        let number = |max| value::whole(name, argument, i64::from(name != "id"), max);
        match name {
            "id" => sync.id = u8::try_from(number(255)?).ok(),
            "maxlen" => sync.max_length = u16::try_from(number(65_507)?).ok(),
            "port" => sync.port = u16::try_from(number(65_535)?).ok(),
            "ttl" => sync.ttl = u8::try_from(number(255)?).ok(),
            _ => sync.group = Some(multicast(argument)?),
        }
    }
    Ok(sync)
}

fn multicast(word: &Word) -> Result<IpAddr, Diagnostic> {
    let address = value::ip("group", word)?;
    if address.is_multicast() {
        return Ok(address);
    }
    let message = format!("{address} is no multicast address");
    Err(Diagnostic::error("bad-address", message).at(word.span, "224.0.0.0 to 239.255.255.255, or ff00::/8"))
}

/// `[tcp N] [tcpfin N] [udp N]`, seconds; 0: as the kernel has it.
pub(super) fn timeouts(statement: &Statement) -> Result<Timeouts, Diagnostic> {
    let mut timeouts = Timeouts::default();
    let mut words = statement.words.iter();
    let keyword = words.next();
    let mut any = false;
    while let Some(word) = words.next() {
        let name = value::one_of("lvs_timeouts", word, &["tcp", "tcpfin", "udp"], false)?;
        let seconds = value::whole(name, needed(word, words.next())?, 0, 2_678_400)?;
        let place = match name {
            "tcp" => &mut timeouts.tcp,
            "tcpfin" => &mut timeouts.tcp_fin,
            _ => &mut timeouts.udp,
        };
        *place = u32::try_from(seconds).unwrap_or(0);
        any = true;
    }
    if any {
        return Ok(timeouts);
    }
    let problem = Diagnostic::error("missing-argument", "`lvs_timeouts` needs a value");
    Err(keyword.map_or(problem.clone(), |w| problem.at(w.span, "takes [tcp N] [tcpfin N] [udp N]")))
}

fn needed<'w>(word: &Word, next: Option<&'w Word>) -> Result<&'w Word, Diagnostic> {
    let message = format!("`{}` needs a value", word.text);
    next.ok_or_else(|| Diagnostic::error("missing-argument", message).at(word.span, ""))
}
