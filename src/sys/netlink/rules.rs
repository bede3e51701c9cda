//! Rules as rtnetlink has them: to messages and back.

use crate::kernel::{Realms, Rule, RuleAction};
use crate::net::{Family, IpNet, LinkName};
use netlink_packet_route::route::{RouteProtocol, RouteRealm};
use netlink_packet_route::rule::{
    RuleAction as Action, RuleAttribute, RuleFlags, RuleMessage, RulePortRange, RuleUidRange,
};
use netlink_packet_route::{AddressFamily, IpProtocol};

/// The message that adds a rule, or names the one to remove.
pub(super) fn message(rule: &Rule) -> RuleMessage {
    let mut message = RuleMessage::default();
    let header = &mut message.header;
    header.family = family_number(rule.family);
    header.src_len = rule.from.map_or(0, |net| net.prefix_len());
    header.dst_len = rule.to.map_or(0, |net| net.prefix_len());
    header.tos = rule.tos;
    if rule.inverted {
        header.flags |= RuleFlags::Invert;
    }
    let out = &mut message.attributes;
    header.action = match rule.action {
        RuleAction::Lookup(table) => {
            header.table = u8::try_from(table).unwrap_or(0);
            out.push(RuleAttribute::Table(table));
            Action::ToTable
        }
        RuleAction::L3mdev => {
            out.push(RuleAttribute::L3MDev(true));
            Action::ToTable
        }
        RuleAction::Goto(target) => {
            out.push(RuleAttribute::Goto(target));
            Action::Goto
        }
        RuleAction::Nop => Action::Nop,
        RuleAction::Blackhole => Action::Blackhole,
        RuleAction::Unreachable => Action::Unreachable,
        RuleAction::Prohibit => Action::Prohibit,
    };
    out.push(RuleAttribute::Priority(rule.priority));
    if rule.protocol != 0 {
        out.push(RuleAttribute::Protocol(RouteProtocol::from(rule.protocol)));
    }
    out.extend(rule.from.map(|net| RuleAttribute::Source(net.addr())));
    out.extend(rule.to.map(|net| RuleAttribute::Destination(net.addr())));
    out.extend(rule.input.as_ref().map(|link| RuleAttribute::Iifname(link.to_string())));
    out.extend(rule.output.as_ref().map(|link| RuleAttribute::Oifname(link.to_string())));
    if let Some((mark, mask)) = rule.mark {
        out.extend([RuleAttribute::FwMark(mark), RuleAttribute::FwMask(mask)]);
    }
    out.extend(rule.users.map(|(start, end)| RuleAttribute::UidRange(RuleUidRange { start, end })));
    out.extend(rule.ip_protocol.map(|number| RuleAttribute::IpProtocol(IpProtocol::from(number))));
    let ports = |(start, end)| RulePortRange { start, end };
    out.extend(rule.source_ports.map(|range| RuleAttribute::SourcePortRange(ports(range))));
    out.extend(rule.destination_ports.map(|range| RuleAttribute::DestinationPortRange(ports(range))));
    out.extend(rule.tunnel.map(RuleAttribute::TunId));
    out.extend(rule.suppress_length.map(RuleAttribute::SuppressPrefixLen));
    out.extend(rule.suppress_group.map(RuleAttribute::SuppressIfGroup));
    let realm = |realms: Realms| RouteRealm { source: realms.from, destination: realms.to };
    out.extend(rule.realms.map(|realms| RuleAttribute::Realm(realm(realms))));
    message
}

const fn family_number(family: Family) -> AddressFamily {
    match family {
        Family::V4 => AddressFamily::Inet,
        Family::V6 => AddressFamily::Inet6,
    }
}

/// The protocol that a rule bears.
pub(super) fn protocol(message: &RuleMessage) -> u8 {
    let tag = |a: &RuleAttribute| match a {
        RuleAttribute::Protocol(protocol) => Some(u8::from(*protocol)),
        _ => None,
    };
    message.attributes.iter().find_map(tag).unwrap_or(0)
}

/// A rule as the kernel reports it; none: of a family or an action that is never ours.
pub(super) fn read(message: &RuleMessage) -> Option<Rule> {
    /// What the kernel reports where nothing was asked for.
    const NOT_SUPPRESSED: u32 = u32::MAX;
    let header = &message.header;
    let family = match header.family {
        AddressFamily::Inet => Family::V4,
        AddressFamily::Inet6 => Family::V6,
        _ => return None,
    };
    let mut rule = Rule::new(family, 0);
    (rule.tos, rule.inverted) = (header.tos, header.flags.contains(RuleFlags::Invert));
    rule.protocol = protocol(message);
    let (mut table, mut target, mut l3mdev, mut mark, mut mask) = (u32::from(header.table), 0, false, None, 0);
    for attribute in &message.attributes {
        match attribute {
            RuleAttribute::Source(ip) => rule.from = IpNet::new(*ip, header.src_len).ok(),
            RuleAttribute::Destination(ip) => rule.to = IpNet::new(*ip, header.dst_len).ok(),
            RuleAttribute::Iifname(name) => rule.input = LinkName::new(name).ok(),
            RuleAttribute::Oifname(name) => rule.output = LinkName::new(name).ok(),
            RuleAttribute::Goto(number) => target = *number,
            RuleAttribute::Priority(number) => rule.priority = *number,
            RuleAttribute::FwMark(number) => mark = Some(*number),
            RuleAttribute::FwMask(number) => mask = *number,
            RuleAttribute::Realm(realm) => {
                rule.realms = Some(Realms { from: realm.source, to: realm.destination });
            }
            RuleAttribute::TunId(number) => rule.tunnel = Some(*number),
            RuleAttribute::SuppressIfGroup(number) if *number != NOT_SUPPRESSED => {
                rule.suppress_group = Some(*number);
            }
            RuleAttribute::SuppressPrefixLen(number) if *number != NOT_SUPPRESSED => {
                rule.suppress_length = Some(*number);
            }
            RuleAttribute::Table(number) => table = *number,
            RuleAttribute::L3MDev(on) => l3mdev = *on,
            RuleAttribute::UidRange(range) => rule.users = Some((range.start, range.end)),
            RuleAttribute::IpProtocol(number) => rule.ip_protocol = Some(u8::from(*number)),
            RuleAttribute::SourcePortRange(range) => rule.source_ports = Some((range.start, range.end)),
            RuleAttribute::DestinationPortRange(range) => rule.destination_ports = Some((range.start, range.end)),
            _ => {}
        }
    }
    // A mask of zero is the kernel's way to say that marks do not matter.
    rule.mark = (mask != 0).then(|| (mark.unwrap_or(0), mask));
    rule.action = match header.action {
        Action::ToTable if l3mdev => RuleAction::L3mdev,
        Action::ToTable => RuleAction::Lookup(table),
        Action::Goto => RuleAction::Goto(target),
        Action::Nop => RuleAction::Nop,
        Action::Blackhole => RuleAction::Blackhole,
        Action::Unreachable => RuleAction::Unreachable,
        Action::Prohibit => RuleAction::Prohibit,
        _ => return None,
    };
    Some(rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_survives_the_way_to_the_kernel_and_back() {
        let mut full = Rule::new(Family::V4, 100);
        (full.from, full.to) = ("10.0.0.0/8".parse().ok(), "10.1.2.3/32".parse().ok());
        (full.input, full.output) = (LinkName::new("eth0").ok(), LinkName::new("eth1").ok());
        (full.mark, full.tos, full.inverted) = (Some((5, 7)), 0x10, true);
        (full.users, full.ip_protocol, full.tunnel) = (Some((5, 10)), Some(6), Some(9));
        (full.source_ports, full.destination_ports) = (Some((80, 90)), Some((1, 1)));
        (full.suppress_length, full.suppress_group) = (Some(0), Some(3));
        (full.realms, full.action) = (Some(Realms { from: 1, to: 2 }), RuleAction::Lookup(1000));
        let jump = Rule { action: RuleAction::Goto(300), ..Rule::new(Family::V6, 200) };
        let vrf = Rule { action: RuleAction::L3mdev, ..Rule::new(Family::V4, 1000) };
        for rule in [full, jump, vrf] {
            assert_eq!(read(&message(&rule)).as_ref(), Some(&rule));
        }
    }
}
