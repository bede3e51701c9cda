//! What the engine runs by, put together again from its parts.

use super::core::Engine;
use super::router::Router;
use crate::conf::Config;
use crate::status::PacketErrors;

impl Engine {
    /// The configuration of this moment: that of the start, or of the last reload.
    pub fn configuration(&self) -> Config {
        let stays = |router: &&Router| !router.retiring;
        Config {
            router_id: Some(self.name.clone()),
            globals: self.globals.clone(),
            instances: self.routers.iter().filter(stays).map(|r| r.machine.spec().clone()).collect(),
            groups: self.groups.iter().map(|g| g.spec.clone()).collect(),
            scripts: self.scripts.iter().map(|s| s.spec.clone()).collect(),
            files: self.trackers.files.iter().map(|f| f.spec.clone()).collect(),
            processes: self.trackers.processes.iter().map(|p| p.spec.clone()).collect(),
            bfds: self.bfds().to_vec(),
            statics: self.routing.statics.clone(),
            track_groups: self.routing.track_groups.clone(),
            origins: self.origins.clone(),
            services: self.services.iter().map(|s| s.spec.clone()).collect(),
        }
    }

    /// Begins to count anew, as keepalived does on its signal for that.
    pub fn clear_statistics(&mut self) {
        for router in &mut self.routers {
            router.packets = PacketErrors::default();
            (router.adverts_sent, router.adverts_heard, router.adverts_refused) = (0, 0, 0);
            (router.became_master, router.released_master) = (0, 0);
            router.announcements_sent = 0;
        }
    }
}
