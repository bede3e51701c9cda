//! A file of 200 instances, and random edits of some of them.

use std::collections::BTreeSet;
use std::fmt::Write;
use vipdeck::engine::Random;

pub(crate) struct Edits {
    random: Random,
    priorities: Vec<u8>,
    /// Instances with a second address.
    second: BTreeSet<u8>,
    touched: BTreeSet<u8>,
}

impl Edits {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed),
            priorities: vec![200; 200],
            second: BTreeSet::new(),
            touched: BTreeSet::new(),
        }
    }

    /// Changes one to five instances of the upper half: another priority, or a second address that comes or goes.
    pub(crate) fn edit(&mut self) {
        for _ in 0..=self.random.below(5) {
            let vrid = 101 + self.random.below(100) as u8;
            self.touched.insert(vrid);
            if self.random.chance(0.5) {
                self.priorities[usize::from(vrid) - 1] = 150 + self.random.below(100) as u8;
            } else if !self.second.remove(&vrid) {
                self.second.insert(vrid);
            }
        }
    }

    pub(crate) fn touched(&self, vrid: u8) -> bool {
        self.touched.contains(&vrid)
    }

    pub(crate) fn address(vrid: u8) -> String {
        format!("10.8.0.{vrid}")
    }

    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for vrid in 1..=200_u8 {
            let priority = self.priorities[usize::from(vrid) - 1];
            let address = Self::address(vrid);
            writeln!(
                text,
                "vrrp_instance VI_{vrid} {{\n interface eth0\n virtual_router_id {vrid}\n priority {priority}\n \
                 virtual_ipaddress {{\n {address}"
            )
            .unwrap();
            if self.second.contains(&vrid) {
                writeln!(text, " 10.7.0.{vrid}").unwrap();
            }
            text.push_str(" }\n}\n");
        }
        text
    }
}
