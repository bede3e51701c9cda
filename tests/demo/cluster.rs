//! The nodes: who is master, and what becomes of the VIPs.

use crate::page::Page;
use crate::terminal::{Console, Setup};
use std::time::Duration;

/// A demo that has settled: VI_1 on lvs1, VI_2 on lvs2.
pub(crate) fn settled() -> Console {
    let console = Setup::new(&[]).start();
    console.wait("one owner for each VIP", is_settled);
    console
}

pub(crate) fn is_settled(page: &Page) -> bool {
    page.has("2/2 VIPs one owner each")
        && page.states("VI_1") == ["MASTER", "BACKUP"]
        && page.states("VI_2") == ["BACKUP", "MASTER"]
}

/// Five virtual seconds each second: the timers are still to be seen, and over soon.
fn hurry(console: &mut Console) {
    console.press("]]");
    console.wait("speed 5", |page| page.has("×5") || page.has("speed 5"));
}

/// The client's last outage of the first VIP, in seconds.
fn last_outage(page: &Page) -> Option<f64> {
    let (_, after) = page.0.iter().find_map(|line| line.split_once("last outage "))?;
    after.split(' ').next()?.parse().ok()
}

#[test]
fn the_first_screen_comes_soon_and_lives() {
    let console = Setup::new(&[]).start();
    let page = console.wait("the cluster", is_settled);
    let took = console.started.elapsed();
    eprintln!("the first settled screen came after {took:?}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    let first = page.clock().unwrap();
    let page = console.wait("a later time", |page| page.clock().is_some_and(|now| now >= first + 1.0));
    assert!(page.has("dual-master-dr") && page.has("LAB") && page.has("seed 42") && page.has("nothing here is real"));
}

#[test]
fn the_client_is_answered_by_both_servers_in_turn() {
    let console = settled();
    let page = console.wait("the client", |page| {
        page.has_line(&["client ", "192.168.10.20:80"]) && page.has_line(&["client ", "192.168.10.21:80"])
    });
    let answers: Vec<_> = page.0.iter().filter(|line| line.matches("web1 web2").count() >= 2).collect();
    assert_eq!(answers.len(), 2, "{}", page.0.join("\n"));
    for line in answers {
        assert!(!line.contains("web1 web1") && !line.contains("web2 web2"), "{line}");
    }
}

#[test]
fn cancel_sends_nothing() {
    let mut console = settled();
    for leave in ["\r", "\x1b"] {
        let page = console.press_until("D", "the question", |page| page.has("[[ Cancel ]]"));
        assert!(page.has("Demote lvs1 in VI_1") && page.has("MEDIUM risk") && page.has("vipdeck demote VI_1"));
        console.press_until(leave, "the end of the question", |page| !page.has("Cancel"));
        let before = console.page().clock().unwrap();
        let page = console.wait("a second without a change", |page| page.clock().is_some_and(|now| now > before + 1.0));
        assert!(is_settled(&page) && !page.has("HELD"), "{}", page.0.join("\n"));
    }
}

#[test]
fn a_demotion_moves_the_vip_and_a_restoration_returns_it() {
    let mut console = settled();
    let is_held = |page: &Page| page.states("VI_1") == ["HELD", "MASTER"];
    let page = console.confirm("D", "Demote lvs1", is_held);
    assert!(page.has("2/2 VIPs one owner each"), "{}", page.0.join("\n"));
    console.press("4");
    console.wait("its events", |page| {
        page.has_line(&["lvs1", "VI_1", "MASTER → BACKUP"]) && page.has_line(&["lvs2", "VI_1", "BACKUP → MASTER"])
    });
    console.press("1");
    let page = console.wait("who holds it", |page| page.has("lvs1 HELD by you"));
    // A handover is so short that the client may miss nothing at all.
    if let Some(outage) = last_outage(&page) {
        assert!(outage < 1.0, "a handover takes {outage} s");
    }
    hurry(&mut console);
    console.confirm("R", "Restore lvs1", is_settled);
    assert!(!console.page().has("HELD"));
}

#[test]
fn another_node_is_chosen_and_takes_over() {
    let mut console = settled();
    console.confirm("T", "Take over on lvs2", |page| {
        page.states("VI_1").get(1) == Some(&"MASTER") && page.states("VI_1").first() == Some(&"BACKUP")
    });
    hurry(&mut console);
    console.confirm("R", "Restore lvs2", is_settled);
}

#[test]
fn a_crashed_node_is_dead_and_the_vip_moves_when_its_timer_ends() {
    let mut console = settled();
    console.press("p");
    console.wait("a clock that stands", |page| page.has("PAUSED") || page.has("paused"));
    console.press("X");
    let page = console.wait("the dead node", |page| page.states("VI_1").first() == Some(&"DEAD"));
    assert_eq!(page.states("VI_1"), ["DEAD", "BACKUP"], "no timer has run out yet");
    assert!(page.has("CRASHED"));
    console.press("p");
    console.wait("the other as MASTER", |page| page.states("VI_1") == ["DEAD", "MASTER"]);
    let page = console.wait("the client's answers", |page| last_outage(page).is_some());
    let outage = last_outage(&page).unwrap();
    // Three adverts and the skew of priority 100, less what of the first second had gone.
    assert!((2.5..3.9).contains(&outage), "{outage} s without an answer");
    hurry(&mut console);
    console.press("V");
    console.wait("the node back and MASTER", |page| is_settled(page) && !page.has("CRASHED"));
}

#[test]
fn a_cut_makes_two_masters_until_it_is_healed() {
    let mut console = settled();
    hurry(&mut console);
    console.press("|");
    let page = console.wait("two masters", |page| page.states("VI_1") == ["SPLIT", "SPLIT"]);
    assert!(page.has("CUT") && page.has("Two nodes are MASTER"), "{}", page.0.join("\n"));
    console.press("|");
    console.wait("one master each", |page| is_settled(page) && !page.has("CUT"));
}

#[test]
fn the_clock_stands_steps_and_goes_on() {
    let mut console = settled();
    console.press("p");
    let page = console.wait("a clock that stands", |page| page.has("PAUSED") || page.has("paused"));
    let stands = page.clock().unwrap();
    let mut steps = 0;
    while console.page().clock().unwrap() <= stands {
        console.press(".");
        steps += 1;
        assert!(steps < 100_000, "{}", console.page().0.join("\n"));
    }
    console.press("p");
    console.wait("a clock that runs", |page| page.clock().is_some_and(|now| now > stands + 1.0));
}
