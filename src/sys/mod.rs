//! The only module that touches the host: sockets, netlink, IPVS, processes, files, the clock.
//!
//! It offers verbs (receive an advert, apply a change, run a probe) and knows nothing of the engine. A socket belongs
//! for ever to the network namespace of the thread that made it.

#![expect(clippy::disallowed_methods, reason = "the only module that touches the host")]

pub mod acceptor;
pub mod advert_socket;
pub mod advert_socket6;
pub mod announcement_socket;
pub mod audit_file;
pub mod bfd_socket;
pub mod checks;
pub mod child;
pub mod clock;
pub mod control_socket;
pub mod detached;
pub mod fifo;
pub mod files;
pub mod frame_socket;
pub mod guarded;
pub mod inbox;
pub mod ipvs;
pub mod journal_files;
pub mod limits;
pub mod mail;
pub mod manager;
pub mod memory;
pub mod netlink;
pub mod netns;
pub mod nft;
pub mod packet_socket;
pub mod pipe;
pub mod process;
pub mod process_events;
pub mod process_list;
mod raw;
pub mod sched;
pub mod small_files;
pub mod state_file;
pub mod succession;
pub mod sysctl;
pub mod tcp_info;
pub mod timer;
pub mod virtual_link;
pub mod watched_files;
pub mod wiring;

/// What carrying out a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// The kernel already was as asked: the address was there, or what should go was gone.
    AlreadySo,
}
