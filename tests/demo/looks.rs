//! Sizes, colours, glyphs, help and the way back.

use crate::cluster::{is_settled, settled};
use crate::terminal::Setup;

#[test]
fn every_size_shows_what_fits() {
    let mut console = settled();
    for (columns, rows) in [(80, 24), (60, 16), (200, 60), (120, 36)] {
        console.resize(columns, rows);
        let page = console.wait("both instances", |page| {
            page.0.len() + 1 >= usize::from(rows)
                && page.states("VI_1") == ["MASTER", "BACKUP"]
                && page.states("VI_2") == ["BACKUP", "MASTER"]
                && page.0.iter().any(|line| line.chars().count() == usize::from(columns))
        });
        assert!(page.0.iter().all(|line| line.chars().count() <= usize::from(columns)), "{}", page.0.join("\n"));
    }
    for (columns, rows) in [(50, 12), (20, 4), (1, 1)] {
        console.resize(columns, rows);
        if columns == 50 {
            console.wait("what is missing", |page| page.has("Need 60×16, have 50×12"));
        }
    }
    console.resize(120, 36);
    console.wait("everything again", is_settled);
    console.resize(50, 12);
    console.wait("too small again", |page| page.has("Need 60×16"));
    console.press("q");
    assert!(console.ended().status.success());
}

#[test]
fn escape_leads_back_from_everywhere() {
    let mut console = settled();
    let plain = |page: &crate::page::Page| {
        page.has("[1 Overview]")
            && page.has("Everything is as configured")
            && page.selected().is_some_and(|row| row.starts_with("VI_1"))
    };
    for (keys, shown) in [
        ("?", "Keys that work here"),
        ("\r", "gratuitous ARP"),
        ("D", "[[ Cancel ]]"),
        ("T", "[[ Cancel ]]"),
        ("/", "Esc clear"),
        ("f", "FROZEN"),
    ] {
        console.press(keys);
        console.wait(shown, |page| page.has(shown) || page.has(&shown.to_lowercase()));
        console.press_until("\x1b", "the plain screen", |page| {
            plain_again(page)
                && !page.has("gratuitous ARP")
                && !page.has("[[ Cancel ]]")
                && !page.has("Keys that work here")
                && !page.has("FROZEN")
                && !page.has("Esc clear")
        });
    }
    console.wait("as before", |page| plain(page) || is_settled(page));
}

fn plain_again(page: &crate::page::Page) -> bool {
    page.0.iter().any(|line| line.trim_start().starts_with("D demote"))
}

#[test]
fn help_has_the_keys_of_the_table() {
    let mut console = settled();
    console.press("?");
    let page = console.wait("help", |page| page.has("Keys that work here"));
    for words in ["crash the node", "demote: hand the addresses over", "stop the web server"] {
        assert!(page.has(words), "{words}\n{}", page.0.join("\n"));
    }
    console.press_until("G", "its end", |page| page.has("leave the console"));
    console.press_until("q", "its close", |page| !page.has("Keys that work here"));
    assert!(is_settled(&console.wait("the screen behind", is_settled)));
}

/// The parameters of all SGR sequences (`ESC [ ... m`).
fn styles(output: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(output);
    let parts = text.split("\x1b[").skip(1);
    let sgr = parts.filter_map(|part| {
        let end = part.find(|c: char| !c.is_ascii_digit() && c != ';' && c != ':')?;
        let (numbers, rest) = part.split_at(end);
        rest.starts_with('m').then(|| numbers.to_owned())
    });
    sgr.collect()
}

/// Whether a style sets a colour other than the default.
fn is_colour(style: &str) -> bool {
    let mut numbers = style.split([';', ':']).map(|n| n.parse::<u32>().unwrap_or(0));
    numbers.any(|n| matches!(n, 30..=38 | 40..=48 | 58 | 90..=97 | 100..=107))
}

/// Through everything that has a colour: the views, a question, a crash.
fn tour(setup: Setup) -> Vec<u8> {
    let mut console = setup.start();
    console.wait("the cluster", |page| page.states("VI_1") == ["MASTER", "BACKUP"]);
    for view in ["2", "3", "4", "1"] {
        console.press(view);
        console.wait("the view", |page| page.0.get(1).is_some_and(|line| line.contains(&format!("[{view} "))));
    }
    console.press("?");
    console.wait("help", |page| page.has("Keys that work here"));
    console.press_until("\x1b", "no help", |page| !page.has("Keys that work here"));
    console.press("D");
    console.wait("a question", |page| page.has("[[ Cancel ]]"));
    console.press_until("\x1b", "no question", |page| !page.has("[[ Cancel ]]"));
    console.press("t");
    console.wait("another theme", |page| page.has("theme"));
    console.press("X");
    console.wait("a crash", |page| page.states("VI_1").first() == Some(&"DEAD"));
    console.press("q");
    console.ended().output
}

#[test]
fn colours_are_used_where_they_may_be() {
    let output = tour(Setup::new(&[]));
    assert!(styles(&output).iter().any(|s| is_colour(s)));
    assert!(!output.is_ascii());
}

#[test]
fn no_color_has_no_colours() {
    let output = tour(Setup::new(&[]).variable("NO_COLOR", "1"));
    let coloured: Vec<_> = styles(&output).into_iter().filter(|s| is_colour(s)).collect();
    assert!(coloured.is_empty(), "{coloured:?}");
}

#[test]
fn ascii_has_no_other_glyphs() {
    for setup in [Setup::new(&["--ascii"]), Setup::new(&[]).variable("LC_ALL", "C")] {
        let output = tour(setup);
        let text = String::from_utf8_lossy(&output);
        let other: std::collections::BTreeSet<char> = text.chars().filter(|c| !c.is_ascii()).collect();
        assert!(other.is_empty(), "{other:?}");
    }
}

#[test]
fn every_theme_can_be_chosen() {
    for theme in ["dark", "light", "mono", "high"] {
        let console = Setup::new(&["--theme", theme]).size(80, 24).start();
        console.wait("the cluster", |page| page.states("VI_1") == ["MASTER", "BACKUP"]);
    }
}

#[test]
fn view_only_takes_the_verbs_away() {
    let mut console = Setup::new(&["--view-only"]).start();
    let as_before = |page: &crate::page::Page| page.states("VI_1") == ["MASTER", "BACKUP"] && !page.has("CUT");
    console.wait("the cluster", |page| page.has("VIEW ONLY") && as_before(page));
    for key in ["D", "X", "|", "p"] {
        console.press(key);
        console.wait("why not", |page| page.has("this console changes nothing"));
        console.press_until("\x1b", "no message", |page| !page.has("this console changes nothing"));
    }
    assert!(as_before(&console.page()));
}
