//! Sync groups: what one member does, the others follow (keepalived.conf(5), vrrp_sync_group).
//!
//! A fault of one member stands among the conditions of all, so it needs no order. Orders are given for the two other
//! cases: all members are ready to be master, and one has yielded to another router.

use super::core::Engine;
use super::effect::Effect;
use crate::status::{Role, Severity, Subject};
use crate::time::Instant;
use crate::vrrp::{self, Conditions, GroupSpec, Grouping, Order};

#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) spec: GroupSpec,
    /// The routers, in the order of the file.
    pub(super) members: Vec<usize>,
    pub(super) role: Role,
}

impl Engine {
    /// Finds the members of each group and tells them. Called whenever routers or groups are made anew.
    pub(super) fn form_groups(&mut self, specs: Vec<GroupSpec>) {
        let before = std::mem::take(&mut self.groups);
        for router in &mut self.routers {
            router.group = None;
            router.machine.set_grouping(Grouping::Alone);
        }
        for spec in specs {
            let named = |name: &String| self.routers.iter().position(|r| r.machine.spec().name == *name);
            let members: Vec<usize> = spec.members.iter().filter_map(named).collect();
            let specs = members.iter().filter_map(|m| self.routers.get(*m)).map(|r| r.machine.spec());
            let all_owners = specs.clone().all(|s| s.is_owner() && s.wishes_master);
            for member in &members {
                let Some(router) = self.routers.get_mut(*member) else { continue };
                router.group = Some(self.groups.len());
                if members.len() > 1 {
                    router.machine.set_grouping(Grouping::Member { all_owners });
                }
            }
            let role = before.iter().find(|g| g.spec.name == spec.name).map_or(Role::Init, |g| g.role);
            self.groups.push(Group { spec, members, role });
        }
    }

    /// The name of the sync group that a router is in.
    pub(super) fn group_name(&self, index: usize) -> Option<&str> {
        let group = self.routers.get(index)?.group?;
        self.groups.get(group).map(|g| g.spec.name.as_str())
    }

    /// A router and those that change state with it.
    pub(super) fn together_with(&self, index: usize) -> Vec<usize> {
        let group = self.routers.get(index).and_then(|r| r.group).and_then(|g| self.groups.get(g));
        group.map_or_else(|| vec![index], |g| g.members.clone())
    }

    /// Silence has made a member ready: once all are, all take over.
    pub(super) fn member_ready(&mut self, now: Instant, index: usize, effects: &mut Vec<Effect>) {
        if let Some(router) = self.routers.get_mut(index) {
            router.ready_at = Some((now, router.was_due));
        }
        let Some(group) = self.group_name(index).map(str::to_owned) else { return };
        let members = self.together_with(index);
        if !vrrp::all_ready(members.iter().filter_map(|m| self.routers.get(*m)).map(|r| &r.machine)) {
            return;
        }
        for member in members {
            if self.routers.get(member).is_some_and(|r| r.machine.is_ready()) {
                let order = Order::Master { group: group.clone() };
                self.drive(now, member, vrrp::Input::Group(order), effects);
            }
        }
    }

    /// A member yielded to another router: so do the others, for that router takes over all of them. A member that
    /// yields on an operator's word has not yielded to anybody until a successor is heard.
    pub(super) fn group_follows(&mut self, now: Instant, index: usize, from: vrrp::Role, effects: &mut Vec<Effect>) {
        let Some(router) = self.routers.get(index) else { return };
        if !vrrp::has_yielded(from, &router.machine) {
            return;
        }
        let Some(group) = self.group_name(index).map(str::to_owned) else { return };
        let name = router.machine.spec().name.clone();
        for member in self.together_with(index) {
            if self.routers.get(member).is_some_and(|r| vrrp::follows(&r.machine)) {
                let order = Order::Backup { group: group.clone(), member: name.clone() };
                self.drive(now, member, vrrp::Input::Group(order), effects);
            }
        }
    }

    /// Gives every member its conditions: its own, and what keeps another member from taking part.
    pub(super) fn spread_conditions(&mut self, now: Instant, index: usize, own: Conditions, effects: &mut Vec<Effect>) {
        let Some(router) = self.routers.get_mut(index) else { return };
        router.own_conditions = own;
        for member in self.together_with(index) {
            let conditions = self.with_group(member);
            let Some(router) = self.routers.get(member) else { continue };
            if conditions != *router.machine.conditions() {
                self.drive(now, member, vrrp::Input::Conditions(conditions), effects);
            }
        }
    }

    fn with_group(&self, index: usize) -> Conditions {
        let own = self.routers.get(index).map(|r| r.own_conditions.clone()).unwrap_or_default();
        let Some(group) = self.group_name(index) else { return own };
        let others = self.together_with(index).into_iter().filter(|m| *m != index);
        let others = others.filter_map(|m| self.routers.get(m));
        vrrp::with_others(own, group, others.map(|r| (r.machine.spec().name.as_str(), &r.own_conditions)))
    }

    /// A group's state is that of its members: MASTER only when all are. Told after theirs.
    pub(super) fn settle_groups(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        for index in 0..self.groups.len() {
            let Some(group) = self.groups.get(index) else { continue };
            let role = self.role_of(&group.members);
            let before = group.role;
            if role == before {
                continue;
            }
            let name = group.spec.name.clone();
            if let Some(group) = self.groups.get_mut(index) {
                group.role = role;
            }
            let text = format!("sync group {name}: {before} → {role}");
            self.log.add(now, Subject::Node, Severity::Notice, "group", text, None);
            self.notify_group(index, role, effects);
        }
    }

    fn role_of(&self, members: &[usize]) -> Role {
        let roles: Vec<_> =
            members.iter().filter_map(|m| self.routers.get(*m)).map(|r| Role::from(r.machine.state().role())).collect();
        let has = |role| roles.contains(&role);
        if has(Role::Fault) {
            Role::Fault
        } else if has(Role::Init) {
            Role::Init
        } else if has(Role::Backup) || roles.is_empty() {
            Role::Backup
        } else {
            Role::Master
        }
    }
}
