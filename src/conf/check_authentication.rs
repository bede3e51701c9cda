//! How adverts of one instance are authenticated, and what does not go together.

use super::diagnostic::Diagnostic;
use super::keywords::instance::{Authentication, Draft};
use super::keywords::signed::Signed;
use super::lower::Cx;
use super::source::{Span, Spanned};
use crate::net::Family;
use crate::time::Duration;
use crate::vrrp::{Auth, Hmac, HmacMode, Password, Version};

/// What is known of the instance already.
pub(super) struct About {
    pub(super) version: Version,
    pub(super) family: Family,
    pub(super) interval: Duration,
    pub(super) strict: Option<Span>,
}

/// `auth_hmac`, or else `authentication`.
pub(super) fn authentication(cx: &mut Cx<'_>, draft: &Draft, about: &About) -> Auth {
    let Some(signed) = &draft.signed else { return legacy(cx, draft, about).unwrap_or_default() };
    if let (Some(span), Some(other)) = (signed.span, draft.authentication.as_ref().and_then(|a| a.span)) {
        cx.report(
            Diagnostic::warning("authentication-replaced", "`auth_hmac` replaces `authentication`")
                .at(other, "not used, as in keepalived")
                .at(span, "because of this")
                .help("remove one of the two, on all nodes"),
        );
    }
    signature(cx, draft, signed, about).map_or(Auth::None, Auth::Hmac)
}

fn signature(cx: &mut Cx<'_>, draft: &Draft, signed: &Signed, about: &About) -> Option<Hmac> {
    let name = &draft.name.value;
    let at = signed.span.unwrap_or(draft.name.span);
    if signed.keys.is_empty() {
        if !signed.failed.contains("key") {
            let message = format!("vrrp_instance `{name}`: `auth_hmac` has no key");
            cx.report(
                Diagnostic::error("missing-keyword", message)
                    .at(at, "keepalived would not authenticate")
                    .help("add a line such as `key 1 file:/etc/keepalived/vrrp.key`"),
            );
        }
        return None;
    }
    let keys: Vec<_> = signed.keys.iter().map(|key| key.value.clone()).collect();
    let active = match (&signed.active, keys.as_slice()) {
        (Some(active), _) => {
            let Some(key) = keys.iter().find(|key| i64::from(key.id) == active.value) else {
                if !signed.failed.contains("key") {
                    let message = format!("there is no key {} to sign with", active.value);
                    cx.report(
                        Diagnostic::error("undefined-key", message)
                            .at(active.span, "keepalived would not authenticate")
                            .at(at, "in this block"),
                    );
                }
                return None;
            };
            key.id
        }
        (None, [only]) => only.id,
        (None, _) => {
            if !signed.failed.contains("active_key") {
                let problem =
                    Diagnostic::error("missing-keyword", "several keys, and no `active_key` says which signs");
                cx.report(problem.at(at, "").help("add a line such as `active_key 1`, the same on all nodes"));
            }
            return None;
        }
    };
    let window = signed.window.and_then(|seconds| u64::try_from(seconds).ok());
    let window = window.map_or((about.interval * 3).max(Duration::from_secs(5)), Duration::from_secs);
    let mode = mode(cx, signed.mode.as_ref(), about.strict);
    Some(Hmac { keys, active, anti_replay: signed.anti_replay, window, mode })
}

fn mode(cx: &mut Cx<'_>, written: Option<&Spanned<HmacMode>>, strict: Option<Span>) -> HmacMode {
    let Some(written) = written else { return HmacMode::Enforce };
    let Some(strict) = strict.filter(|_| written.value != HmacMode::Enforce) else { return written.value };
    cx.report(
        Diagnostic::warning("mode-enforced", "strict mode accepts no advert that is not signed")
            .at(written.span, "`enforce` is used, as in keepalived")
            .at(strict, "because of this"),
    );
    HmacMode::Enforce
}

/// PASS and AH, of VRRPv2 (RFC 2338).
fn legacy(cx: &mut Cx<'_>, draft: &Draft, about: &About) -> Option<Auth> {
    let Authentication { span, kind, password, failed } = draft.authentication.as_ref()?;
    // A word that is refused is an error already.
    if failed.is_empty() {
        let lack = |why: &str, id| Diagnostic::warning(id, format!("adverts are not authenticated: {why}"));
        let problem = match (kind, password) {
            (Some(_), Some(_)) => None,
            (Some(_), None) => Some(lack("`auth_pass` is missing", "authentication-ignored")),
            (None, _) => Some(lack("`auth_type` is missing", "no-authentication")),
        };
        if let Some(problem) = problem {
            cx.report(match span {
                Some(span) => problem.at(*span, "").help("write `auth_type PASS` and `auth_pass PASSWORD`"),
                None => problem,
            });
        }
    }
    let (kind, password) = (kind.as_ref()?, password.as_ref()?);
    let is_ah = kind.value == "AH";
    if let Some(strict) = about.strict {
        cx.report(
            Diagnostic::warning("authentication-ignored", "strict mode drops the authentication of adverts")
                .at(password.span, "not used, as in keepalived")
                .at(strict, "because of this")
                .help("remove one of the two, on all nodes"),
        );
        return None;
    }
    let ignored = if about.version == Version::V3 {
        Some("VRRPv3 knows neither passwords nor AH: adverts are not authenticated")
    } else if is_ah && about.family == Family::V6 {
        Some("there is no AH over IPv6 here: adverts are not authenticated")
    } else {
        None
    };
    if let Some(message) = ignored {
        cx.report(
            Diagnostic::warning("authentication-ignored", message)
                .at(password.span, "not used, as in keepalived (RFC 9568, 9)")
                .help("remove it, or write `auth_hmac` on all nodes, which keepalived has from 2.4 on"),
        );
        return None;
    }
    if password.value.len() > 8 {
        let message = format!("the password has {} bytes and VRRPv2 carries eight", password.value.len());
        cx.report(
            Diagnostic::warning("password-truncated", message)
                .at(password.span, "the rest is cut off, as keepalived does")
                .help("shorten it to eight bytes, so that it says what is sent"),
        );
    }
    let password = Password::new(&password.value);
    if !is_ah {
        return Some(Auth::Pass(password));
    }
    if let Some(state) = draft.master {
        cx.report(
            Diagnostic::warning("ah-starts-backup", "`state MASTER` does not go with AH")
                .at(state, "ignored, as keepalived does: it must hear the last sequence number first")
                .at(kind.span, "because of this"),
        );
    }
    Some(Auth::Ah(password))
}
