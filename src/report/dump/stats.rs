//! keepalived.stats: the counters of every instance.

use super::Dump;
use std::fmt::Write;

/// The text of keepalived.stats.
pub fn stats(dump: &Dump) -> String {
    let mut text = String::new();
    for (spec, instance) in dump.instances() {
        let p = &instance.packets;
        let _ = writeln!(text, "VRRP Instance: {}", spec.name);
        block(&mut text, "Advertisements", &[("Received", instance.adverts_heard), ("Sent", instance.adverts_sent)]);
        let _ = writeln!(text, "  Became master: {}", instance.became_master);
        let _ = writeln!(text, "  Released master: {}", instance.released_master);
        let errors = [
            ("Length", p.length),
            ("TTL", p.ttl),
            ("Invalid Type", p.invalid_type),
            ("Advertisement Interval", p.interval),
            ("Address List", p.address_list),
        ];
        block(&mut text, "Packet Errors", &errors);
        let failures =
            [("Invalid Type", p.invalid_auth_type), ("Type Mismatch", p.auth_type), ("Failure", p.auth_failure)];
        block(&mut text, "Authentication Errors", &failures);
        if matches!(spec.auth, crate::vrrp::Auth::Hmac(_)) {
            let signed = [
                ("Missing", p.auth_ext_missing),
                ("Malformed", p.auth_ext_malformed),
                ("Unknown Key", p.auth_ext_unknown_key),
                ("Invalid HMAC", p.auth_ext_invalid_hmac),
                ("Stale", p.auth_ext_stale),
                ("Replay", p.auth_ext_replay),
            ];
            block(&mut text, "Authentication Extension Errors", &signed);
        }
        let resigned = [("Received", p.priority_zero_received), ("Sent", p.priority_zero_sent)];
        block(&mut text, "Priority Zero", &resigned);
    }
    text
}

fn block(text: &mut String, title: &str, counters: &[(&str, u64)]) {
    let _ = writeln!(text, "  {title}:");
    for (name, count) in counters {
        let _ = writeln!(text, "    {name}: {count}");
    }
}
