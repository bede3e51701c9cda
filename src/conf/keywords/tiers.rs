//! How common each keyword is in configurations in use: what tells apart a gap that everybody meets from one that few do.

use serde::Serialize;

/// From the samples, the distributions' documentation and the tutorials of keepalived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Tier {
    /// Ordinary configurations.
    A,
    /// Those of serious operators.
    B,
    /// Rare: a niche, the tuning of keepalived's own workings, or an old name.
    C,
}

/// The tier of a keyword; what is in neither list is B.
pub(super) fn tier(block: &str, name: &str) -> Tier {
    let listed = |lists: &[(&str, &[&str])]| lists.iter().any(|(b, names)| *b == block && names.contains(&name));
    if listed(ORDINARY) {
        Tier::A
    } else if listed(RARE) {
        Tier::C
    } else {
        Tier::B
    }
}

/// Whether the table of tiers names a keyword, to tell a name that no block has.
#[cfg(test)]
pub(super) fn named() -> impl Iterator<Item = (&'static str, &'static str)> {
    ORDINARY.iter().chain(RARE).flat_map(|(block, names)| names.iter().map(move |name| (*block, *name)))
}

const ORDINARY: &[(&str, &[&str])] = &[
    ("", &["global_defs", "vrrp_script", "vrrp_track_process", "vrrp_sync_group", "vrrp_instance", "virtual_server"]),
    (
        "global_defs",
        &[
            "router_id",
            "notification_email",
            "notification_email_from",
            "smtp_server",
            "smtp_connect_timeout",
            "script_user",
            "enable_script_security",
            "vrrp_version",
            "vrrp_strict",
            "vrrp_skip_check_adv_addr",
            "vrrp_garp_master_delay",
            "vrrp_garp_master_repeat",
            "vrrp_garp_master_refresh",
            "vrrp_garp_interval",
            "vrrp_gna_interval",
        ],
    ),
    ("vrrp_script", &["script", "interval", "timeout", "weight", "rise", "fall", "user"]),
    ("vrrp_track_process", &["process", "weight", "quorum"]),
    (
        "vrrp_sync_group",
        &["group", "notify_master", "notify_backup", "notify_fault", "notify_stop", "notify", "smtp_alert"],
    ),
    (
        "vrrp_instance",
        &[
            "state",
            "interface",
            "virtual_router_id",
            "priority",
            "advert_int",
            "version",
            "preempt",
            "nopreempt",
            "preempt_delay",
            "mcast_src_ip",
            "unicast_src_ip",
            "unicast_peer",
            "virtual_ipaddress",
            "virtual_ipaddress_excluded",
            "virtual_routes",
            "use_vmac",
            "authentication",
            "track_interface",
            "track_script",
            "track_process",
            "garp_master_delay",
            "garp_master_repeat",
            "garp_master_refresh",
            "notify_master",
            "notify_backup",
            "notify_fault",
            "notify_stop",
            "notify",
            "smtp_alert",
        ],
    ),
    ("authentication", &["auth_type", "auth_pass"]),
    (
        "virtual_server",
        &[
            "delay_loop",
            "lb_algo",
            "lvs_sched",
            "lb_kind",
            "lvs_method",
            "persistence_timeout",
            "protocol",
            "virtualhost",
            "alpha",
            "quorum",
            "quorum_up",
            "quorum_down",
            "inhibit_on_failure",
            "retry",
            "delay_before_retry",
            "warmup",
            "connect_timeout",
            "sorry_server",
            "real_server",
        ],
    ),
    (
        "real_server",
        &[
            "weight",
            "inhibit_on_failure",
            "notify_up",
            "notify_down",
            "retry",
            "delay_before_retry",
            "warmup",
            "connect_timeout",
            "delay_loop",
            "TCP_CHECK",
            "HTTP_GET",
            "SSL_GET",
            "SMTP_CHECK",
            "DNS_CHECK",
            "MISC_CHECK",
        ],
    ),
    ("TCP_CHECK", CONNECTING),
    ("HTTP_GET", HTTP),
    ("SSL_GET", HTTP),
    ("url", &["path", "digest", "status_code", "virtualhost"]),
    ("SMTP_CHECK", CONNECTING),
    ("SMTP_CHECK", &["helo_name"]),
    ("DNS_CHECK", CONNECTING),
    ("DNS_CHECK", &["type", "name"]),
    ("MISC_CHECK", &["misc_path", "misc_timeout", "misc_dynamic", "user", "retry", "delay_before_retry", "delay_loop"]),
];

const RARE: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "net_namespace_ipvs",
            "namespace_with_ipsets",
            "use_pid_dir",
            "linkbeat_use_polling",
            "child_wait_time",
            "track_group",
            "linkbeat_interfaces",
            "garp_group",
            "vrrp_track_file",
        ],
    ),
    ("global_defs", GLOBAL_RARE),
    ("garp_group", &["garp_interval", "gna_interval", "interface", "interfaces"]),
    ("vrrp_sync_group", &["global_tracking", "notify_priority_changes"]),
    (
        "vrrp_instance",
        &[
            "native_ipv6",
            "owner_ignore_adverts",
            "timer_expired_backup",
            "thread_timer_expired",
            "debug",
            "v3_checksum_as_v2",
            "old_unicast_checksum",
            "kernel_rx_buf_size",
            "mcast_dst_ip",
            "vrf",
            "no_virtual_ipaddress",
            "promote_secondaries",
            "use_vmac_addr",
            "use_ipvlan",
            "garp_extra_if",
            "vmac_garp_intvl",
            "linkbeat_use_polling",
            "lvs_sync_daemon_interface",
        ],
    ),
    ("virtual_server", &["nat_mask", "hashed", "persistence_engine", "snmp_name", "sorry_server_lvs_method"]),
    ("real_server", &["snmp_name", "FILE_CHECK"]),
    ("TCP_CHECK", BINDING),
    ("HTTP_GET", BINDING),
    ("HTTP_GET", HTTP_RARE),
    ("SSL_GET", BINDING),
    ("SSL_GET", HTTP_RARE),
    (
        "url",
        &["regex_no_match", "regex_options", "regex_min_offset", "regex_max_offset", "regex_stack", "tls_compliant"],
    ),
    ("SSL", &["password", "ca", "certificate", "key"]),
    ("SMTP_CHECK", BINDING),
    ("SMTP_CHECK", &["host"]),
    ("host", &["connect_timeout", "connect_ip", "connect_port", "bindto", "bind_port", "bind_if", "fwmark"]),
    ("DNS_CHECK", BINDING),
    ("UDP_CHECK", BINDING),
    ("UDP_CHECK", &["min_reply_length", "max_reply_length"]),
    ("PING_CHECK", BINDING),
    ("BFD_CHECK", &["alpha"]),
    ("FILE_CHECK", &["track_file", "weight", "alpha"]),
];

const CONNECTING: &[&str] =
    &["connect_ip", "connect_port", "connect_timeout", "retry", "delay_before_retry", "delay_loop"];

const HTTP: &[&str] = &[
    "url",
    "virtualhost",
    "enable_sni",
    "nb_get_retry",
    "connect_ip",
    "connect_port",
    "connect_timeout",
    "retry",
    "delay_before_retry",
    "delay_loop",
];

const HTTP_RARE: &[&str] = &["fast_recovery", "tls_compliant"];

const BINDING: &[&str] = &["bind_port", "bind_if", "fwmark"];

const GLOBAL_RARE: &[&str] = &[
    "set_supplementary_groups",
    "use_symlink_paths",
    "startup_script_timeout",
    "shutdown_script_timeout",
    "rs_init_notifies",
    "umask",
    "vrrp_garp_extra_if",
    "vrrp_vmac_garp_intvl",
    "vrrp_owner_ignore_adverts",
    "v3_checksum_as_v2",
    "vmac_prefix",
    "vmac_addr_prefix",
    "disable_local_igmp",
    "vrrp_rx_bufs_policy",
    "vrrp_rx_bufs_multiplier",
    "vrrp_ipsets",
    "nftables_priority",
    "nftables_ifindex",
    "nftables_counters",
    "iproute_usr_dir",
    "iproute_etc_dir",
    "lvs_flush_onstop",
    "nftables_ipvs",
    "nftables_ipvs_priority",
    "nftables_ipvs_start_fwmark",
    "process_names",
    "process_name",
    "vrrp_process_name",
    "checker_process_name",
    "lvs_process_name",
    "bfd_process_name",
    "vrrp_priority",
    "checker_priority",
    "bfd_priority",
    "vrrp_no_swap",
    "checker_no_swap",
    "bfd_no_swap",
    "vrrp_rlimit_rtime",
    "checker_rlimit_rtime",
    "bfd_rlimit_rtime",
    "vrrp_rlimit_rttime",
    "checker_rlimit_rttime",
    "bfd_rlimit_rttime",
    "vrrp_cpu_affinity",
    "checker_cpu_affinity",
    "bfd_cpu_affinity",
    "min_auto_priority_delay",
    "vrrp_netlink_cmd_rcv_bufs",
    "vrrp_netlink_monitor_rcv_bufs",
    "lvs_netlink_cmd_rcv_bufs",
    "lvs_netlink_monitor_rcv_bufs",
    "process_monitor_rcv_bufs",
    "vrrp_netlink_cmd_rcv_bufs_force",
    "vrrp_netlink_monitor_rcv_bufs_force",
    "lvs_netlink_cmd_rcv_bufs_force",
    "lvs_netlink_monitor_rcv_bufs_force",
    "process_monitor_rcv_bufs_force",
    "reload_time_file",
    "reload_repeat",
    "reload_file",
    "include_check",
    "config_save_dir",
    "tmp_config_directory",
    "data_use_instance",
    "state_dump_file",
    "stats_dump_file",
    "json_dump_file",
    "random_seed",
    "enable_snmp_rfc",
    "enable_snmp_rfcv2",
    "enable_snmp_rfcv3",
    "snmp_socket",
    "snmp_vs_stats_update_interval",
    "snmp_rs_stats_update_interval",
    "enable_dbus",
    "dbus_service_name",
    "dbus_no_interface_name",
];
