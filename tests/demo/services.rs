//! The web servers: drained, stopped, and back.

use crate::cluster::settled;
use crate::page::Page;
use crate::terminal::Console;

const WEB1: &str = "192.168.10.31:80";

/// The first service's web1 selected in the Services view.
fn at_web1() -> Console {
    let mut console = settled();
    console.press("3");
    console.wait("the services", |page| page.has("ADMIN") && (page.has("web1") || page.has(WEB1)));
    console.press_until("j", "web1 selected", |page| page.selected().is_some_and(is_web1));
    console
}

fn is_web1(row: &str) -> bool {
    row.starts_with(WEB1) || row.starts_with("web1")
}

/// The selected row says so.
fn says(word: &str) -> impl Fn(&Page) -> bool {
    move |page| page.selected().is_some_and(|row| is_web1(row) && row.split_whitespace().any(|w| w == word))
}

#[test]
fn a_drained_server_ends_without_connections_and_returns() {
    let mut console = at_web1();
    console.yes("D", |page| says("DRAIN")(page) || says("DRAINED")(page));
    console.press("]]]");
    let page = console.wait("no connection left", says("DRAINED"));
    assert!(page.has("1 →  0") && page.has("safe to touch"), "{}", page.0.join("\n"));
    console.press("1");
    let page = console.wait("the client", |page| page.has("web2 web2 web2"));
    let first = page.0.iter().position(|line| line.contains("client ") && line.contains("192.168.10.20:80")).unwrap();
    assert!(!page.0[first + 1].contains("web1"), "{}", page.0.join("\n"));
    console.press("3");
    console.wait("web1 still selected", says("DRAINED"));
    console.yes("R", says("ready"));
    console.press("1");
    console.wait("both answer", |page| {
        let first = page.0.iter().position(|line| line.contains("client ") && line.contains("192.168.10.20:80"));
        first.is_some_and(|first| page.0[first + 1].contains("web1 web2"))
    });
}

#[test]
fn a_stopped_server_goes_down_by_its_check_and_comes_up_again() {
    let mut console = at_web1();
    console.press("]]");
    console.press("O");
    console.wait("DOWN", says("DOWN"));
    console.press("1");
    let page = console.wait("it said everywhere", |page| page.has("STOPPED") && page.has_line(&["web1", "DOWN"]));
    assert!(page.has("1/2 up"), "{}", page.0.join("\n"));
    console.press("3");
    console.wait("web1 still selected", says("DOWN"));
    console.press("O");
    console.wait("UP", says("UP"));
}
