//! The lab's wires: a namespace for every machine and one for the switch, so that nothing appears in the host's own.
//!
//! ```text
//!   lvs1   lvs2   web1   web2   client     one namespace each, its link is eth0
//!    │      │      │      │      │
//!   lvs1   lvs2   web1   web2   client     the other ends, in the switch's namespace
//!    └──────┴──────┴─ br0 ─┴──────┘
//! ```

use super::scenario::{Machine, Scenario};
use super::site::Site;
use crate::sys::wiring::within;

/// Makes the namespaces and connects them.
pub fn build(site: &Site, scenario: &Scenario) -> anyhow::Result<()> {
    let switch = site.make_namespace(SWITCH)?;
    within(&switch, async |links| links.add_bridge(BRIDGE).await)?;
    for machine in scenario.machines() {
        connect(site, &switch, machine)?;
    }
    Ok(())
}

fn connect(site: &Site, switch: &str, machine: Machine) -> anyhow::Result<()> {
    let namespace = site.make_namespace(machine.name)?;
    let net = machine.net()?;
    within(switch, async |links| {
        links.add_veth(machine.name, FAR_END).await?;
        links.hand_over(FAR_END, &namespace).await?;
        links.plug(machine.name, BRIDGE).await?;
        links.set_up(machine.name).await
    })?;
    within(&namespace, async |links| {
        links.rename(FAR_END, LINK).await?;
        links.set_up("lo").await?;
        links.add_address(LINK, net).await?;
        links.set_up(LINK).await
    })
}

/// Takes the switch's end of a machine's wire down, so that the machine sees its carrier go; or up again.
pub fn set_cut(site: &Site, machine: &str, cut: bool) -> anyhow::Result<()> {
    within(
        &site.namespace(SWITCH),
        async |links| {
            if cut { links.set_down(machine).await } else { links.set_up(machine).await }
        },
    )
}

/// What a machine loses when it is switched off: every address but its own.
pub fn forget_addresses(site: &Site, machine: Machine) -> anyhow::Result<()> {
    let own = machine.net()?;
    within(&site.namespace(machine.name), async |links| links.keep_only_address(LINK, own).await)
}

/// The name of the switch's namespace, as of a machine.
pub const SWITCH: &str = "switch";

const BRIDGE: &str = "br0";
const LINK: &str = "eth0";
/// What the machine's end is called on its way there.
const FAR_END: &str = "far";
