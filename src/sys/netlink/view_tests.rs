//! Messages in, events out.

use super::*;
use netlink_packet_route::address::AddressProtocol;

fn link(index: u32, name: &str, flags: LinkFlags) -> RouteNetlinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.header.flags = flags;
    message.attributes.push(LinkAttribute::IfName(name.into()));
    message.attributes.push(LinkAttribute::Address(vec![2, 0, 0, 0, 0, index as u8]));
    message.attributes.push(LinkAttribute::Mtu(1500));
    RouteNetlinkMessage::NewLink(message)
}

fn address(index: u32, net: &str, tag: u8) -> AddressMessage {
    let net: IpNet = net.parse().unwrap();
    let mut message = AddressMessage::default();
    message.header.index = index;
    message.header.prefix_len = net.prefix_len();
    message.attributes.push(AddressAttribute::Address(net.addr()));
    message.attributes.push(AddressAttribute::Protocol(AddressProtocol::from(tag)));
    message
}

fn up() -> LinkFlags {
    LinkFlags::Up | LinkFlags::Running
}

/// `name up [addresses]` for each link reported, `-name` for each gone.
fn told(events: &[LinkEvent]) -> Vec<String> {
    let text = |event: &LinkEvent| match event {
        LinkEvent::Link(link) => {
            let nets: Vec<_> = link.addresses.iter().map(|(net, tag)| format!("{net}#{tag}")).collect();
            format!("{} {} [{}]", link.name, if link.up { "up" } else { "down" }, nets.join(" "))
        }
        LinkEvent::Gone(name) => format!("-{name}"),
        LinkEvent::Resynced => "resynced".into(),
    };
    events.iter().map(text).collect()
}

#[test]
fn a_link_is_up_only_with_a_carrier() {
    let mut view = View::default();
    assert_eq!(told(&view.notice(&link(2, "eth0", LinkFlags::Up))), ["eth0 down []"]);
    assert_eq!(told(&view.notice(&link(2, "eth0", up()))), ["eth0 up []"]);
    assert_eq!(told(&view.notice(&link(2, "eth0", LinkFlags::Running))), ["eth0 down []"]);
}

#[test]
fn what_tells_nothing_new_is_not_reported() {
    let mut view = View::default();
    view.notice(&link(2, "eth0", up()));
    assert!(view.notice(&link(2, "eth0", up())).is_empty());
    let add = RouteNetlinkMessage::NewAddress(address(2, "10.0.0.9/24", 18));
    assert_eq!(told(&view.notice(&add)), ["eth0 up [10.0.0.9/24#18]"]);
    assert!(view.notice(&add).is_empty());
    let other = RouteNetlinkMessage::DelAddress(address(2, "10.0.0.9/32", 18));
    assert!(view.notice(&other).is_empty(), "another prefix is another address");
    let remove = RouteNetlinkMessage::DelAddress(address(2, "10.0.0.9/24", 18));
    assert_eq!(told(&view.notice(&remove)), ["eth0 up []"]);
    assert!(view.notice(&remove).is_empty());
}

#[test]
fn with_a_peer_the_local_address_counts() {
    let mut view = View::default();
    view.notice(&link(2, "tun0", up()));
    let mut message = address(2, "10.0.0.2/32", 0);
    message.attributes.push(AddressAttribute::Local("10.0.0.1".parse().unwrap()));
    assert_eq!(told(&view.notice(&RouteNetlinkMessage::NewAddress(message))), ["tun0 up [10.0.0.1/32#0]"]);
}

#[test]
fn a_renamed_link_leaves_its_old_name() {
    let mut view = View::default();
    view.notice(&link(2, "eth0", up()));
    view.notice(&RouteNetlinkMessage::NewAddress(address(2, "10.0.0.9/24", 0)));
    assert_eq!(told(&view.notice(&link(2, "lan", up()))), ["-eth0", "lan up [10.0.0.9/24#0]"]);
}

#[test]
fn a_port_that_leaves_its_bridge_stays_a_link() {
    let mut view = View::default();
    view.notice(&link(2, "eth0", up()));
    let mut message = LinkMessage::default();
    message.header.index = 2;
    message.header.interface_family = AddressFamily::Bridge;
    assert!(view.notice(&RouteNetlinkMessage::DelLink(message.clone())).is_empty());
    message.header.interface_family = AddressFamily::Unspec;
    assert_eq!(told(&view.notice(&RouteNetlinkMessage::DelLink(message))), ["-eth0"]);
}

#[test]
fn a_new_read_replaces_all_and_names_what_is_gone() {
    let mut view = View::default();
    view.notice(&link(2, "eth0", up()));
    view.notice(&link(3, "eth1", up()));
    let events = view.replace(
        &[link(3, "eth1", up()), link(4, "eth2", up())],
        &[RouteNetlinkMessage::NewAddress(address(4, "2001:db8::1/64", 0))],
    );
    assert_eq!(told(&events), ["-eth0", "eth1 up []", "eth2 up [2001:db8::1/64#0]", "resynced"]);
}

#[test]
fn an_address_of_an_unknown_link_is_left_out() {
    let mut view = View::default();
    assert!(view.notice(&RouteNetlinkMessage::NewAddress(address(9, "10.0.0.9/24", 0))).is_empty());
}

#[test]
fn of_many_notifications_each_link_is_told_once_as_the_last_leaves_it() {
    let mut view = View::default();
    view.notice_all(&[link(2, "eth0", up()), link(3, "eth1", up())]);
    let add = |index, net| RouteNetlinkMessage::NewAddress(address(index, net, 18));
    let remove = |index, net| RouteNetlinkMessage::DelAddress(address(index, net, 18));
    let news = [add(2, "10.0.0.8/24"), add(3, "10.1.0.8/24"), add(2, "10.0.0.9/24"), remove(2, "10.0.0.8/24")];
    let expected = ["eth0 up [10.0.0.9/24#18]", "eth1 up [10.1.0.8/24#18]"];
    assert_eq!(told(&view.notice_all(&news)), expected);
    let around = [add(3, "10.1.0.9/24"), link(3, "eth1", LinkFlags::Up), remove(3, "10.1.0.8/24")];
    let expected = [
        "eth1 up [10.1.0.8/24#18 10.1.0.9/24#18]",
        "eth1 down [10.1.0.8/24#18 10.1.0.9/24#18]",
        "eth1 down [10.1.0.9/24#18]",
    ];
    assert_eq!(told(&view.notice_all(&around)), expected);
}
