//! A small mutation fuzzer without coverage.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};
use vipdeck::engine::Random;

/// One input takes far less; what takes longer does not end.
const LONGEST: Duration = Duration::from_secs(30);
/// No mutation makes an input longer than this.
const MOST_BYTES: usize = 8192;
const INTERESTING: [u64; 16] = [
    0,
    1,
    3,
    4,
    0x7f,
    0x80,
    0xff,
    0x100,
    0x7fff,
    0x8000,
    0xffff,
    0x1_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    u64::MAX,
];

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|e| panic!("{name}={value}: {e}")))
}

/// Runs all of `corpus` as it is, then mutations of it.
pub(crate) fn fuzz(name: &'static str, corpus: &[Vec<u8>], run: impl Fn(&[u8])) {
    for input in corpus {
        try_one(name, "kept", input, &run);
    }
    let span = Duration::from_secs(variable("VIPDECK_FUZZ_SECONDS").unwrap_or(3));
    let clock = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos() as u64;
    let first = variable("VIPDECK_FUZZ_SEED").unwrap_or_else(clock);
    let watch = Watch::new(name, first);
    let began = Instant::now();
    let mut seed = first;
    while began.elapsed() < span {
        let input = mutated(corpus, &mut Random::new(seed));
        try_one(name, &format!("VIPDECK_FUZZ_SEED={seed}"), &input, &run);
        seed = seed.wrapping_add(1);
        watch.seed.store(seed, Ordering::Relaxed);
    }
    let executions = seed.wrapping_sub(first);
    let each = executions as f64 / began.elapsed().as_secs_f64().max(0.001);
    eprintln!("{name}: {executions} executions, {each:.0} a second, from seed {first}");
}

fn try_one(name: &str, seed: &str, input: &[u8], run: &impl Fn(&[u8])) {
    let is_fine = catch_unwind(AssertUnwindSafe(|| run(input))).is_ok();
    assert!(is_fine, "{name} panics, {seed}, {} bytes:\n{}", input.len(), dump(input));
}

/// Ends the process if one input takes for ever.
struct Watch {
    seed: Arc<AtomicU64>,
    done: Arc<AtomicBool>,
}

impl Watch {
    fn new(name: &'static str, first: u64) -> Self {
        let watch = Self { seed: Arc::new(AtomicU64::new(first)), done: Arc::default() };
        let (seed, done) = (watch.seed.clone(), watch.done.clone());
        std::thread::spawn(move || {
            let (mut last, mut since) = (first, Instant::now());
            while !done.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(500));
                let now = seed.load(Ordering::Relaxed);
                if now != last {
                    (last, since) = (now, Instant::now());
                } else if since.elapsed() > LONGEST && !done.load(Ordering::Relaxed) {
                    eprintln!("{name} does not end: VIPDECK_FUZZ_SEED={now}");
                    std::process::abort();
                }
            }
        });
        watch
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
    }
}

fn dump(input: &[u8]) -> String {
    let line = |(number, bytes): (usize, &[u8])| {
        let hex: Vec<_> = bytes.iter().map(|b| format!("{b:02x}")).collect();
        let text: String = bytes.iter().map(|b| if b.is_ascii_graphic() { char::from(*b) } else { '.' }).collect();
        format!("{:04x}  {:<47}  {text}", number * 16, hex.join(" "))
    };
    input.chunks(16).enumerate().map(line).collect::<Vec<_>>().join("\n")
}

fn pick<'a, T>(from: &'a [T], random: &mut Random) -> &'a T {
    &from[random.below(from.len() as u64) as usize]
}

fn place(length: usize, random: &mut Random) -> usize {
    random.below(length as u64 + 1) as usize
}

fn mutated(corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = pick(corpus, random).clone();
    for _ in 0..=random.below(6) {
        mutate(&mut bytes, corpus, random);
    }
    bytes.truncate(MOST_BYTES);
    bytes
}

fn mutate(bytes: &mut Vec<u8>, corpus: &[Vec<u8>], random: &mut Random) {
    let at = place(bytes.len(), random);
    let end = at + place((bytes.len() - at).min(64), random);
    match random.below(9) {
        0 => flip(bytes, at, random),
        1 => bytes.insert(at, random.next_u64() as u8),
        2 => drop(bytes.drain(at..end)),
        3 => bytes.truncate(at),
        4 => {
            let other = pick(corpus, random);
            let tail = other[place(other.len(), random)..].to_vec();
            bytes.truncate(at);
            bytes.extend(tail);
        }
        5 => {
            let other = pick(corpus, random);
            let from = place(other.len(), random);
            let to = from + place((other.len() - from).min(64), random);
            bytes.splice(at..end, other[from..to].iter().copied());
        }
        6 => {
            let part = bytes[at..end].repeat(1 + place(40, random));
            bytes.splice(at..at, part);
        }
        7 => {
            let number = pick(&INTERESTING, random).to_string();
            bytes.splice(at..(at + 1).min(end.max(at)), number.into_bytes());
        }
        _ => overwrite(bytes, at, random),
    }
    bytes.truncate(MOST_BYTES);
}

fn flip(bytes: &mut [u8], at: usize, random: &mut Random) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << random.below(8);
    }
}

/// An interesting number of one, two, four or eight bytes, either end first.
fn overwrite(bytes: &mut [u8], at: usize, random: &mut Random) {
    let number = *pick(&INTERESTING, random);
    let width = 1 << random.below(4);
    let little = number.to_le_bytes();
    let mut value = little[..width].to_vec();
    if random.chance(0.5) {
        value.reverse();
    }
    for (to, from) in bytes.iter_mut().skip(at).zip(value) {
        *to = from;
    }
}
