//! Who may look at an engine and who may command it.
//!
//! root and the engine's own user may do both. Members of the view group may look; members of the operate group may
//! look and command. The socket's file lets exactly these connect, and the server asks the kernel who is at the other
//! end (SO_PEERCRED, SO_PEERGROUPS) before each answer.

use crate::settings;
use crate::sys::control_socket;
use anyhow::Context;
use nix::unistd::{Gid, Group, Uid, User};
use tokio::net::UnixStream;

/// The groups by name, from the settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Members may read; none: only root and the engine's own user.
    pub view_group: Option<String>,
    /// Members may read and command; none: only root and the engine's own user.
    pub operate_group: Option<String>,
}

impl From<&settings::Control> for Access {
    fn from(control: &settings::Control) -> Self {
        Self { view_group: control.view_group.clone(), operate_group: control.operate_group.clone() }
    }
}

/// The same with the groups looked up.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    own_uid: u32,
    view: Option<Group>,
    operate: Option<Group>,
}

impl Rules {
    pub(super) fn new(access: &Access) -> anyhow::Result<Self> {
        Ok(Self {
            own_uid: Uid::effective().as_raw(),
            view: group("view_group", access.view_group.as_deref())?,
            operate: group("operate_group", access.operate_group.as_deref())?,
        })
    }

    /// The groups whose members may connect.
    pub(super) fn groups(&self) -> Vec<Gid> {
        let mut groups: Vec<Gid> = self.view.iter().chain(&self.operate).map(|g| g.gid).collect();
        groups.dedup();
        groups
    }

    /// Why this peer may not look; none: it may.
    pub(super) fn view_refusal(&self, peer: &Peer) -> Option<String> {
        let may = self.is_owner(peer) || peer.is_in(self.view.as_ref()) || peer.is_in(self.operate.as_ref());
        (!may).then(|| self.sentence("look at this engine", self.view.iter().chain(&self.operate), "view_group"))
    }

    /// Why this peer may not command; none: it may.
    pub(super) fn operate_refusal(&self, peer: &Peer) -> Option<String> {
        let may = self.is_owner(peer) || peer.is_in(self.operate.as_ref());
        (!may).then(|| self.sentence("command this engine", self.operate.iter(), "operate_group"))
    }

    const fn is_owner(&self, peer: &Peer) -> bool {
        peer.uid == 0 || peer.uid == self.own_uid
    }

    fn sentence<'a>(&self, what: &str, groups: impl Iterator<Item = &'a Group>, setting: &str) -> String {
        let owner = match self.own_uid {
            0 => "root".to_owned(),
            uid => format!("root, {}", user_name(uid)),
        };
        let names: Vec<_> = groups.map(|g| g.name.as_str()).collect();
        if names.is_empty() {
            format!("only {owner} may {what}: no group is set (control.{setting} in the settings)")
        } else {
            format!("only {owner} and members of {} may {what}", names.join(" or "))
        }
    }
}

fn group(setting: &str, name: Option<&str>) -> anyhow::Result<Option<Group>> {
    let Some(name) = name else { return Ok(None) };
    Group::from_name(name)
        .with_context(|| format!("control.{setting}: look up group `{name}`"))?
        .with_context(|| format!("control.{setting}: there is no group `{name}` on this machine"))
        .map(Some)
}

/// The process at the other end of a connection, as it was when it connected.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) uid: u32,
    gid: u32,
    groups: Vec<u32>,
}

impl Peer {
    pub(super) fn of(stream: &UnixStream) -> std::io::Result<Self> {
        let credentials = stream.peer_cred()?;
        Ok(Self { uid: credentials.uid(), gid: credentials.gid(), groups: control_socket::peer_groups(stream)? })
    }

    fn is_in(&self, group: Option<&Group>) -> bool {
        group.is_some_and(|g| self.gid == g.gid.as_raw() || self.groups.contains(&g.gid.as_raw()))
    }
}

/// The user's name; the number in words where there is none. May ask a directory service: not for an async thread.
pub(super) fn user_name(uid: u32) -> String {
    match User::from_uid(Uid::from_raw(uid)) {
        Ok(Some(user)) => user.name,
        Ok(None) | Err(_) => format!("uid {uid}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(view: Option<u32>, operate: Option<u32>) -> Rules {
        let named = |gid: u32| Group {
            name: format!("g{gid}"),
            passwd: std::ffi::CString::default(),
            gid: Gid::from_raw(gid),
            mem: Vec::new(),
        };
        Rules { own_uid: 500, view: view.map(named), operate: operate.map(named) }
    }

    fn peer(uid: u32, gid: u32, groups: &[u32]) -> Peer {
        Peer { uid, gid, groups: groups.to_vec() }
    }

    #[test]
    fn who_may_look_and_who_may_command() {
        let both = rules(Some(10), Some(20));
        let table = [
            (peer(0, 0, &[]), true, true),
            (peer(500, 1, &[]), true, true),
            (peer(1000, 10, &[]), true, false),
            (peer(1000, 1, &[7, 10]), true, false),
            (peer(1000, 1, &[20]), true, true),
            (peer(1000, 20, &[]), true, true),
            (peer(1000, 1, &[7]), false, false),
        ];
        for (peer, look, command) in table {
            assert_eq!(both.view_refusal(&peer).is_none(), look, "{peer:?} looks");
            assert_eq!(both.operate_refusal(&peer).is_none(), command, "{peer:?} commands");
        }
        assert!(rules(None, None).view_refusal(&peer(1000, 0, &[0])).is_some(), "group 0 is no group of ours");
    }

    #[test]
    fn a_refusal_names_the_group_that_would_be_allowed() {
        let text = rules(Some(10), Some(20)).operate_refusal(&peer(1000, 10, &[])).unwrap();
        assert!(text.contains("members of g20 may command"), "{text}");
        let text = rules(None, None).operate_refusal(&peer(1000, 10, &[])).unwrap();
        assert!(text.contains("control.operate_group"), "{text}");
    }

    #[test]
    fn an_unknown_group_is_an_error_that_names_the_setting() {
        let access = Access { view_group: None, operate_group: Some("vdt-no-such-group".into()) };
        let error = format!("{:#}", Rules::new(&access).unwrap_err());
        assert!(error.contains("control.operate_group") && error.contains("vdt-no-such-group"), "{error}");
    }
}
