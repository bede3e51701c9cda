//! What an instance may say for itself and `global_defs` for all that do not.

use crate::conf::source::Spanned;
use crate::time::Duration;
use crate::vrrp::Garp;

/// None: not written here.
#[derive(Clone, Default)]
pub(in crate::conf) struct Options {
    pub garp_delay: Option<Duration>,
    pub garp_repeat: Option<u32>,
    pub garp_refresh: Option<Duration>,
    pub garp_refresh_repeat: Option<u32>,
    pub garp_lower_delay: Option<Duration>,
    pub garp_lower_repeat: Option<u32>,
    /// How far apart, and whether on every link.
    pub garp_extra: Option<(Duration, bool)>,
    pub min_garp: Option<bool>,
    pub down_adverts: Option<u32>,
    pub lower_prio_no_advert: Option<bool>,
    pub higher_prio_send_advert: Option<bool>,
    pub owner_ignore_adverts: Option<bool>,
    pub skip_check_adv_addr: Option<bool>,
    pub check_unicast_source: Option<bool>,
    pub v3_checksum_as_v2: Option<bool>,
    pub version: Option<Spanned<i64>>,
    pub strict: Option<Spanned<bool>>,
    pub priority_changes: Option<bool>,
    pub smtp_alert: Option<bool>,
}

impl Options {
    /// Own words first, then the others'.
    pub(in crate::conf) fn or(self, global: &Self) -> Self {
        Self {
            garp_delay: self.garp_delay.or(global.garp_delay),
            garp_repeat: self.garp_repeat.or(global.garp_repeat),
            garp_refresh: self.garp_refresh.or(global.garp_refresh),
            garp_refresh_repeat: self.garp_refresh_repeat.or(global.garp_refresh_repeat),
            garp_lower_delay: self.garp_lower_delay.or(global.garp_lower_delay),
            garp_lower_repeat: self.garp_lower_repeat.or(global.garp_lower_repeat),
            garp_extra: self.garp_extra.or(global.garp_extra),
            min_garp: self.min_garp.or(global.min_garp),
            down_adverts: self.down_adverts.or(global.down_adverts),
            lower_prio_no_advert: self.lower_prio_no_advert.or(global.lower_prio_no_advert),
            higher_prio_send_advert: self.higher_prio_send_advert.or(global.higher_prio_send_advert),
            owner_ignore_adverts: self.owner_ignore_adverts.or(global.owner_ignore_adverts),
            skip_check_adv_addr: self.skip_check_adv_addr.or(global.skip_check_adv_addr),
            check_unicast_source: self.check_unicast_source.or(global.check_unicast_source),
            v3_checksum_as_v2: self.v3_checksum_as_v2.or(global.v3_checksum_as_v2),
            version: self.version.or_else(|| global.version.clone()),
            strict: self.strict.or_else(|| global.strict.clone()),
            priority_changes: self.priority_changes.or(global.priority_changes),
            smtp_alert: self.smtp_alert.or(global.smtp_alert),
        }
    }

    /// The schedule of announcements; strict mode answers lower priorities without them. As in keepalived, the sets after
    /// a lower priority follow what `global_defs` says of the others, not what the instance does.
    pub(in crate::conf) fn garp(&self, strict: bool, global: &Self) -> Garp {
        let default = Garp::default();
        let few = self.min_garp == Some(true);
        let plain = (if few { 1 } else { default.repeat }, if few { Duration::ZERO } else { default.delay });
        let repeat = self.garp_repeat.unwrap_or(plain.0);
        let lower_repeat = global.garp_repeat.unwrap_or(plain.0);
        let lower_delay = global.garp_delay.unwrap_or(plain.1);
        let (extra_links, extra_all) = self.garp_extra.unwrap_or_default();
        let delay = self.garp_delay.unwrap_or(plain.1);
        Garp {
            repeat,
            delay,
            refresh: self.garp_refresh.unwrap_or(default.refresh),
            refresh_repeat: self.garp_refresh_repeat.unwrap_or(default.refresh_repeat),
            lower_priority_repeat: if strict { 0 } else { self.garp_lower_repeat.unwrap_or(lower_repeat) },
            lower_priority_delay: if strict { Duration::ZERO } else { self.garp_lower_delay.unwrap_or(lower_delay) },
            extra_links,
            extra_all,
        }
    }
}
