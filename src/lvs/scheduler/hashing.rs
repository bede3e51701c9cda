//! Those that go by a hash of the client's address (sh, mh) or of the one it asked for (dh): the same one always comes
//! to the same server while the list stands.
//!
//! Hash functions, sizes and keys are those of Linux (net/netfilter/ipvs, with the default of CONFIG_IP_VS_SH_TAB_BITS,
//! IP_VS_DH_TAB_BITS and IP_VS_MH_TAB_INDEX), so that clients find the server that they would find through IPVS.

use super::rotation::common_divisor;
use super::{Request, Server};
use crate::kernel::Scheduler;
use std::net::IpAddr;

/// Buckets of sh and dh: 2 to this.
const BITS: u32 = 8;
const SIZE: u32 = 1 << BITS;
/// Buckets of mh, a prime number.
const MH_SIZE: u32 = 4093;
/// Weights of mh are cut to so many bits.
const MH_BITS: u32 = 6;
/// The keys of mh's two hashes: each twice.
const MH_KEYS: [u64; 2] = [2_654_435_761, 2_654_446_892];

/// The list of servers dealt out to the buckets, by their places.
pub(super) fn buckets(scheduler: Scheduler, servers: &[impl Server]) -> Vec<Option<u32>> {
    match scheduler {
        Scheduler::Mh => maglev(servers),
        // Each server has as many buckets in a row as its weight says; one of weight 0 has one.
        Scheduler::Sh => in_turns(servers, |server| server.weight().max(1)),
        _ => in_turns(servers, |_| 1),
    }
}

/// The server of the request's bucket, or with fallback the next that takes it.
pub(super) fn pick(buckets: &[Option<u32>], servers: &[impl Server], request: &Request<'_>) -> Option<usize> {
    let at = |offset: u32| {
        let bucket = hash(request, offset) as usize;
        Some(buckets.get(bucket).copied().flatten()? as usize)
    };
    let takes = |place: usize| servers.get(place).is_some_and(|server| request.may_have(server));
    let own = hash(request, 0);
    let first = at(0)?;
    if takes(first) {
        return Some(first);
    }
    // dh knows no fallback, except from servers that did not answer.
    if !request.falls_back() || (request.scheduler == Scheduler::Dh && request.except.is_empty()) {
        return None;
    }
    let size = size(request.scheduler);
    let next = (0..size).map_while(|offset| at((own + offset) % size)).find(|place| takes(*place));
    // The walk by hashes may miss a bucket that the walk by places finds.
    next.or_else(|| (0..servers.len()).find(|place| !request.except.is_empty() && takes(*place)))
}

const fn size(scheduler: Scheduler) -> u32 {
    if matches!(scheduler, Scheduler::Mh) { MH_SIZE } else { SIZE }
}

fn hash(request: &Request<'_>, offset: u32) -> u32 {
    let (client, port) = (fold(request.client), request.hashed_port().into());
    match request.scheduler {
        Scheduler::Mh => siphash(offset.wrapping_add(port).wrapping_add(client), MH_KEYS[0]) % MH_SIZE,
        Scheduler::Dh => multiply(fold(request.target)),
        _ => offset.wrapping_add(multiply(port.wrapping_add(client))) & (SIZE - 1),
    }
}

/// The address as one number: IPv6 by exclusive or of its four.
fn fold(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(v4) => v4.to_bits(),
        IpAddr::V6(v6) => {
            let bits = v6.to_bits();
            (bits ^ (bits >> 32) ^ (bits >> 64) ^ (bits >> 96)) as u32
        }
    }
}

/// Multiplicative hashing (Knuth, 6.4), the high bits.
const fn multiply(number: u32) -> u32 {
    number.wrapping_mul(0x61c8_8647) >> (32 - BITS)
}

fn in_turns<S: Server>(servers: &[S], share: impl Fn(&S) -> u32) -> Vec<Option<u32>> {
    if servers.is_empty() {
        return vec![None; SIZE as usize];
    }
    let numbered = || (0..).zip(servers);
    let dealt = numbered().cycle().flat_map(|(place, server)| (0..share(server)).map(move |_| Some(place)));
    dealt.take(SIZE as usize).collect()
}

/// Maglev hashing (Eisenbud and others 2016, 3.4): each server in turn takes the next free bucket of a permutation of
/// its own, several in a row by its weight. A server that is drained keeps its buckets.
fn maglev(servers: &[impl Server]) -> Vec<Option<u32>> {
    let mut buckets = vec![None; MH_SIZE as usize];
    let divisor = servers.iter().map(Server::last_weight).fold(0, common_divisor);
    if divisor == 0 {
        return buckets;
    }
    let most = servers.iter().map(Server::last_weight).max().unwrap_or(0) / divisor;
    let shift = (u32::BITS - most.leading_zeros()).saturating_sub(MH_BITS);
    let mut turns: Vec<_> =
        (0..).zip(servers).map(|(place, server)| Turn::new(place, server, divisor, shift)).collect();
    let mut free = MH_SIZE;
    loop {
        for turn in &mut turns {
            for _ in 0..turn.share {
                while let Some(Some(_)) = buckets.get(turn.next as usize) {
                    turn.next = (turn.next + turn.skip) % MH_SIZE;
                }
                if let Some(bucket) = buckets.get_mut(turn.next as usize) {
                    *bucket = Some(turn.place);
                }
                free -= 1;
                if free == 0 {
                    return buckets;
                }
            }
        }
    }
}

/// A server's way through the buckets.
struct Turn {
    place: u32,
    next: u32,
    skip: u32,
    /// Buckets in a row.
    share: u32,
}

impl Turn {
    fn new(place: u32, server: &impl Server, divisor: u32, shift: u32) -> Self {
        let key = server.key();
        let number = fold(key.ip()).wrapping_add(key.port().into());
        let weight = server.last_weight();
        let cut = (weight / divisor) >> shift;
        Self {
            place,
            next: siphash(number, MH_KEYS[0]) % MH_SIZE,
            skip: siphash(number, MH_KEYS[1]) % (MH_SIZE - 1) + 1,
            share: if cut == 0 { u32::from(weight > 0) } else { cut },
        }
    }
}

/// SipHash-1-3 (Aumasson and Bernstein 2012) of a number of four bytes, its lower half.
fn siphash(number: u32, key: u64) -> u32 {
    let mut v = [
        key ^ 0x736f_6d65_7073_6575,
        key ^ 0x646f_7261_6e64_6f6d,
        key ^ 0x6c79_6765_6e65_7261,
        key ^ 0x7465_6462_7974_6573,
    ];
    let message = (4 << 56) | u64::from(number);
    v[3] ^= message;
    round(&mut v);
    v[0] ^= message;
    v[2] ^= 0xff;
    for _ in 0..3 {
        round(&mut v);
    }
    (v[0] ^ v[1] ^ v[2] ^ v[3]) as u32
}

fn round(v: &mut [u64; 4]) {
    v[0] = v[0].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(13) ^ v[0];
    v[0] = v[0].rotate_left(32);
    v[2] = v[2].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(16) ^ v[2];
    v[0] = v[0].wrapping_add(v[3]);
    v[3] = v[3].rotate_left(21) ^ v[0];
    v[2] = v[2].wrapping_add(v[1]);
    v[1] = v[1].rotate_left(17) ^ v[2];
    v[2] = v[2].rotate_left(32);
}
