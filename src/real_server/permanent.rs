//! Files that make it so again after every start of the machine: a unit of systemd, or settings for sysctl.d(5). Pure.

use super::show::sysctl_lines;
use super::vip::{Device, Method, Vips};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The first line of every file of ours; what does not begin with it is never replaced or removed.
pub(super) const MARK: &str = "# Written by `vipdeck real-server permanent`; `--remove` takes it away again.";
const UNIT: &str = "vipdeck-real-server.service";
const UNITS: &str = "etc/systemd/system";
const SETTINGS: &str = "etc/sysctl.d/60-vipdeck-real-server.conf";

/// What is there to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Files {
    /// Text by path.
    pub(super) texts: Vec<(PathBuf, String)>,
    /// Symbolic links, with what they name: as `systemctl enable` makes them.
    pub(super) links: Vec<(PathBuf, PathBuf)>,
    /// What to do once they are there.
    pub(super) then: String,
}

/// Where a unit lies below `root`, and what enables it.
fn unit_paths(root: &Path) -> (PathBuf, PathBuf) {
    let directory = root.join(UNITS);
    (directory.join(UNIT), directory.join("multi-user.target.wants").join(UNIT))
}

/// A unit that runs this program, `program`, before the network is used: the settings stand before the VIPs, and both
/// before anybody can hear of them.
pub(super) fn unit(vips: &Vips, program: &Path, source: Option<&Path>, root: &Path) -> Result<Files, String> {
    let program = word(&program.display().to_string())?;
    let origin = source.map_or(String::new(), |source| {
        format!("# The VIPs are those that {} had when this was written.\n", source.display())
    });
    let modules: Vec<_> = devices(vips).into_iter().filter_map(Device::kind).map(|(module, _)| module).collect();
    // Not fatal: they may be built in.
    let before = match modules.as_slice() {
        [] => String::new(),
        modules => format!("ExecStartPre=-modprobe -a {}\n", modules.join(" ")),
    };
    let up = |method: Method| {
        let vips: Vec<_> = vips.iter().filter(|(_, of)| **of == method).map(|(vip, _)| vip.to_string()).collect();
        let tunnel = if method == Method::Tunnel { " --tunnel" } else { "" };
        let flags = vips.join(" --vip ");
        if vips.is_empty() {
            String::new()
        } else {
            format!("ExecStart={program} real-server up{tunnel} --vip {flags}\n")
        }
    };
    let (direct, tunnel) = (up(Method::Direct), up(Method::Tunnel));
    let text = format!(
        "{MARK}\n\
         {origin}[Unit]\n\
         Description=VIPs of this real server, not told to the network\n\
         After=systemd-sysctl.service systemd-modules-load.service\n\
         Before=network-pre.target\n\
         Wants=network-pre.target\n\
         \n\
         [Service]\n\
         Type=oneshot\n\
         RemainAfterExit=yes\n\
         {before}{direct}{tunnel}ExecStop={program} real-server down\n\
         \n\
         [Install]\n\
         WantedBy=multi-user.target\n"
    );
    let (path, enabled) = unit_paths(root);
    Ok(Files {
        texts: vec![(path, text)],
        links: vec![(enabled, Path::new("/").join(UNITS).join(UNIT))],
        then: format!("it counts from the next start on; for now: systemctl daemon-reload && systemctl start {UNIT}"),
    })
}

/// The kernel settings alone, for a machine whose VIPs come from elsewhere.
pub(super) fn settings(vips: &Vips, root: &Path) -> Files {
    let addresses: BTreeSet<_> =
        vips.iter().map(|(vip, method)| format!("{vip} on {}", Device::of(*vip, *method))).collect();
    let list = addresses.into_iter().collect::<Vec<_>>().join(", ");
    let text = format!("{MARK}\n# It adds no addresses: that is left to others ({list}).\n{}", sysctl_lines(vips));
    let path = root.join(SETTINGS);
    let then = format!("it counts from the next start on; for now: sysctl -p /{SETTINGS}");
    Files { texts: vec![(path, text)], links: Vec::new(), then }
}

/// Every path that either kind of file can have.
pub(super) fn all_paths(root: &Path) -> Vec<PathBuf> {
    let (unit, enabled) = unit_paths(root);
    vec![enabled, unit, root.join(SETTINGS)]
}

fn devices(vips: &Vips) -> BTreeSet<Device> {
    vips.iter().map(|(vip, method)| Device::of(*vip, *method)).collect()
}

/// A path as a word of a unit's command line (systemd.service(5)).
fn word(path: &str) -> Result<String, String> {
    if !path.starts_with('/') || path.contains(['\n', '"', '\'', '\\', '$', '%']) {
        return Err(format!(
            "{path} cannot be the program of a unit: its path has characters that systemd reads otherwise"
        ));
    }
    Ok(if path.contains(' ') { format!("\"{path}\"") } else { path.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vips() -> Vips {
        Vips::from([
            ("192.0.2.10".parse().unwrap(), Method::Direct),
            ("192.0.2.11".parse().unwrap(), Method::Tunnel),
            ("2001:db8::10".parse().unwrap(), Method::Direct),
        ])
    }

    #[test]
    fn a_unit_has_one_command_for_each_way_and_is_enabled() {
        let files =
            unit(&vips(), Path::new("/usr/bin/vipdeck"), Some(Path::new("/etc/k.conf")), Path::new("/")).unwrap();
        insta::assert_snapshot!(files.texts[0].1);
        assert_eq!(files.texts[0].0, Path::new("/etc/systemd/system/vipdeck-real-server.service"));
        assert_eq!(files.links[0].1, files.texts[0].0);
        assert!(unit(&vips(), Path::new("relative"), None, Path::new("/")).is_err());
    }

    #[test]
    fn settings_are_those_that_the_vips_need() {
        insta::assert_snapshot!(settings(&vips(), Path::new("/")).texts[0].1);
    }
}
