//! Keys in, screen out: sort, columns, fold, marks, the palette, in every table.

use crate::fixture::{Console, DARK, key, neighbour, snapshot, web};
use std::sync::Arc;
use vipdeck::console::model::{Modal, Pane, RowId, View};
use vipdeck::console::palette;
use vipdeck::console::table::{First, columns};
use vipdeck::console::update::{Effect, Msg};
use vipdeck::status::{Mode, Snapshot};

/// The first word of each row of a table, as they lie on the screen.
fn order(console: &Console, names: &[&str]) -> Vec<String> {
    let screen = console.screen();
    let found = screen.lines().filter_map(|line| names.iter().find(|name| line.contains(**name)));
    found.map(ToString::to_string).collect()
}

#[test]
fn s_sorts_by_the_chosen_column_and_the_same_again_turns_the_order() {
    let mut console = Console::live(DARK);
    let mut first = snapshot(1);
    (first.services[0].reals[0].rate, first.services[0].reals[1].rate) = (Some(5.0), Some(500.0));
    console.show(first, snapshot(2));
    let of_first = |console: &Console| order(console, &["10.0.0.11:80", "10.0.0.12:80"])[..2].to_vec();
    console.keys("3");
    assert_eq!(of_first(&console), ["10.0.0.11:80", "10.0.0.12:80"]);
    console.keys(":sort conn<Enter>");
    let sort = console.model.sort(Pane::Servers).unwrap();
    assert_eq!((sort.column, sort.first), ("CONN/S", First::Largest));
    assert_eq!(of_first(&console), ["10.0.0.12:80", "10.0.0.11:80"], "{}", console.screen());
    assert!(console.screen().contains("CONN/S▾"), "{}", console.screen());
    // The list opens on the column that sorts.
    console.keys("s<Enter>");
    assert_eq!(of_first(&console), ["10.0.0.11:80", "10.0.0.12:80"]);
    assert!(console.screen().contains("CONN/S▴"), "{}", console.screen());
    console.keys("sgg<Enter>");
    assert_eq!(console.model.sort(Pane::Servers), None);
    assert!(console.model.modal.is_none());
}

#[test]
fn a_selected_row_stays_selected_when_rows_change_places() {
    let mut console = Console::live(DARK);
    console.keys("j:sort instance<Enter>:sort instance<Enter>");
    assert_eq!(order(&console, &["VI_1        51", "VI_2        52"]), ["VI_2        52", "VI_1        51"]);
    assert_eq!(console.model.row(), Some(&RowId::Instance(52, "VI_2".into())));
    // What is not known comes last, whichever end is first.
    console.keys(":sort since<Enter>");
    let mut second = snapshot(2);
    second.instances[1].state = vipdeck::status::Role::Fault;
    console.show(snapshot(1), second);
    for _ in 0..2 {
        let rows = order(&console, &["VI_1        51", "VI_2        52"]);
        assert_eq!(rows, ["VI_1        51", "VI_2        52"], "{}", console.screen());
        console.keys(":sort since<Enter>");
    }
}

#[test]
fn every_column_of_every_table_sorts_and_hides_without_a_word_lost() {
    for (keys, pane) in [("1", Pane::Matrix), ("2<Tab>", Pane::Neighbours), ("3", Pane::Servers), ("4", Pane::History)]
    {
        for column in columns(pane) {
            let mut console = Console::live(DARK);
            console.keys(keys);
            assert_eq!(console.model.pane, pane);
            let rows = console.screen().lines().count();
            if column.sorts.is_some() {
                console.keys(&format!(":sort {}<Enter>", column.name.to_lowercase()));
                assert_eq!(console.model.sort(pane).unwrap().column, column.name, "{:?}", console.model.message);
            }
            if column.hides {
                console.keys(&format!(":columns {}<Enter>", column.name.to_lowercase()));
                assert!(!console.model.shows(pane, column.name), "{}", column.name);
                let screen = console.screen();
                let heading = screen.lines().find(|line| line.contains(columns(pane)[0].name));
                assert!(!heading.is_some_and(|line| line.contains(&format!(" {} ", column.name))), "{screen}");
                console.keys(&format!(":columns {}<Enter>", column.name.to_lowercase()));
                assert!(console.model.shows(pane, column.name));
            }
            assert_eq!(console.screen().lines().count(), rows);
        }
    }
}

#[test]
fn a_service_folds_with_its_servers_counted_and_enter_opens_it() {
    let mut console = Console::live(DARK);
    console.keys("3j");
    assert_eq!(console.model.row(), Some(&RowId::Real(key(1), web(1))));
    console.keys("<Left>");
    assert_eq!(console.model.row(), Some(&RowId::Service(key(1))), "the keys go to the group");
    let screen = console.screen();
    assert!(screen.contains("▸ 2 servers folded"), "{screen}");
    assert_eq!(screen.matches("10.0.0.11:80").count(), 1, "the other service's: {screen}");
    // What is looked for is found, also below a folded service.
    console.keys("/.11<Enter>");
    assert_eq!(console.screen().matches("10.0.0.11:80").count(), 2);
    console.keys("<Esc><Enter>");
    assert!(console.model.modal.is_none() && console.model.folded.is_empty());
    console.keys("<Enter>");
    assert!(matches!(console.model.modal, Some(Modal::Details { .. })));
    console.keys("<Esc>hl");
    assert!(console.model.folded.is_empty());
}

#[test]
fn marks_are_of_names_counted_and_go_with_their_rows() {
    let mut console = Console::live(DARK);
    console.keys("3j<Space><Space>");
    let marked = [RowId::Real(key(1), web(1)), RowId::Real(key(1), web(2))];
    assert_eq!(console.model.meant(), marked);
    assert!(console.screen().contains("■ 2 rows marked"), "{}", console.screen());
    console.keys(":sort server<Enter>:sort server<Enter>");
    assert_eq!(console.model.meant(), marked, "marks do not move with places");
    console.keys("/.12<Enter>");
    assert!(console.screen().contains("■ 2 rows marked, 1 not in sight"), "{}", console.screen());
    console.keys("<Esc>1");
    assert!(console.screen().contains("■ 2 rows marked"), "in another view, too");
    let mut shorter = [snapshot(1), snapshot(2)];
    for snapshot in &mut shorter {
        snapshot.services[0].reals.pop();
    }
    let [first, second] = shorter;
    console.show(first, second);
    assert_eq!(console.model.meant(), marked[..1]);
    console.keys("<Esc>");
    assert!(console.model.marked.is_empty() && !console.screen().contains("marked"));
    assert_eq!(console.model.meant(), [console.model.row().unwrap().clone()]);
}

#[test]
fn a_copy_is_of_the_marked_rows_in_every_table() {
    for (keys, field) in [("", "instance"), ("2<Tab>", "link"), ("3", "service"), ("4", "kind")] {
        let mut console = Console::live(DARK);
        console.keys(keys).keys("y");
        let Some(Effect::Copy(json)) = console.effects.pop() else { panic!("{keys}: nothing copied") };
        let one: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert!(!one[field].is_null(), "{one}");
        console.keys("<Space><Space>y");
        let Some(Effect::Copy(json)) = console.effects.pop() else { panic!("{keys}: nothing copied") };
        let both: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(both.as_array().map(Vec::len), Some(2), "{both}");
        assert!(console.screen().contains("2 rows given to the terminal's clipboard"), "{}", console.screen());
    }
    let mut console = Console::live(DARK);
    console.keys("2<Tab>jy");
    let Some(Effect::Copy(json)) = console.effects.pop() else { panic!("nothing copied") };
    let heard: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&heard["node"], &heard["heard"]["vrid"], &heard["heard"]["adverts"]),
        (&"lvs1".into(), &52.into(), &722.into())
    );
}

#[test]
fn every_view_has_its_number_and_5_says_that_there_is_none() {
    let mut console = Console::live(DARK);
    for view in View::ALL {
        console.keys(&view.number().to_string());
        assert_eq!(console.model.view, view);
        assert!(console.screen().contains(&format!("[{} {}]", view.number(), view.names().0)), "{}", console.screen());
    }
    let before = console.model.view;
    console.keys("5");
    assert_eq!(console.model.view, before);
    assert!(console.screen().contains("there is no such view yet"), "{}", console.screen());
}

#[test]
fn the_palette_has_every_action_of_the_table_with_its_key() {
    let console = Console::staged(DARK, Mode::Lab);
    let lines = palette::lines(&console.model, "");
    for entry in console.model.keymap.entries() {
        use vipdeck::console::action::Action;
        use vipdeck::console::keymap::Context;
        let reading =
            [Context::Reading, Context::Alarms, Context::Filter, Context::Choosing, Context::Palette, Context::Prompt];
        let moves = [Action::Up, Action::Down, Action::Left, Action::Right, Action::Palette, Action::Drill];
        if entry.context == Context::Question || reading.contains(&entry.context) || moves.contains(&entry.action) {
            continue;
        }
        let name = palette::name(entry.action);
        let line = lines.iter().find(|l| l.name == name).unwrap_or_else(|| panic!("{name} is not in the palette"));
        let same = console.model.keymap.entries().iter().filter(|e| e.action == entry.action);
        assert!(
            same.map(vipdeck::console::keymap::Entry::keys_text).any(|keys| keys == line.keys),
            "{name}: {}",
            line.keys
        );
    }
}

#[test]
fn a_command_does_what_its_key_does_or_says_where_it_works() {
    let mut console = Console::live(DARK);
    console.keys(":go serv<Enter>");
    assert_eq!(console.model.view, View::Services);
    console.keys(":go vi_2<Enter>");
    assert_eq!((console.model.view, console.model.row()), (View::Overview, Some(&RowId::Instance(52, "VI_2".into()))));
    console.keys(":dmt");
    assert_eq!(palette::lines(&console.model, "dmt")[0].name, "demote", "letters in their order are enough");
    console.keys("<Enter>");
    assert!(matches!(console.model.modal, Some(Modal::Question(_))), "it asks as D does");
    assert!(crate::questions::is_quiet(&console));
    console.keys("<Esc>:drain<Enter>");
    assert!(
        console.model.modal.is_none() && console.screen().contains("drain works on a real server"),
        "{}",
        console.screen()
    );
    console.keys(":theme light<Enter>");
    assert_eq!(console.model.theme().unwrap().name, "light");
    console.keys(":node lvs2<Enter>");
    assert_eq!(console.model.column, Some(1));
    console.keys(":filter vi_1<Enter>");
    assert_eq!(console.model.filter, "vi_1");
    console.keys("<Esc>:xyzzy");
    assert!(console.screen().contains("nothing fits"), "{}", console.screen());
    console.keys("<Enter>");
    assert!(console.screen().contains("xyzzy is nothing that can be done here"), "{}", console.screen());
    assert_eq!(palette::lines(&console.model, "quit")[0].name, "leave", "by its word on the bottom line");
    assert!(palette::lines(&console.model, "q").iter().any(|l| l.name == "leave"), "by its key");
    console.keys(":freez<Tab>");
    let Some(Modal::Palette(open)) = &console.model.modal else { panic!("the palette is open") };
    assert_eq!(open.input, "freeze");
}

#[test]
fn who_may_only_look_finds_no_verb_in_the_palette() {
    let mut console = Console::live(DARK);
    assert!(palette::lines(&console.model, "").iter().any(|l| l.name == "demote"));
    console.model.view_only = true;
    assert!(!palette::lines(&console.model, "").iter().any(|l| l.name == "demote" || l.name == "drain"));
}

/// A thousand instances on each of two nodes, and ten services of a thousand servers.
fn large(node: u8) -> Snapshot {
    let mut snapshot = snapshot(node);
    let instance = snapshot.instances[0].clone();
    snapshot.instances = (0..1000_u32)
        .map(|n| {
            let mut instance = instance.clone();
            (instance.name, instance.vrid) = (format!("VI_{n}"), (n % 255 + 1) as u8);
            instance.vips[0].net = format!("10.1.{}.{}/32", n / 250, n % 250 + 1).parse().unwrap();
            instance
        })
        .collect();
    let (service, real) = (snapshot.services[0].clone(), snapshot.services[0].reals[0].clone());
    snapshot.services = (0..10_u16)
        .map(|s| {
            let mut service = service.clone();
            service.id = vipdeck::kernel::ServiceKey::tcp("10.0.0.20".parse().unwrap(), 8000 + s);
            service.reals = (0..1000_u32)
                .map(|n| {
                    let mut real = real.clone();
                    real.id = format!("10.2.{}.{}:80", n / 250, n % 250 + 1).parse().unwrap();
                    real
                })
                .collect();
            service
        })
        .collect();
    snapshot.wire.neighbours =
        (0..256_u16).map(|n| neighbour((n % 100 + 60) as u8, (n % 250 + 1) as u8, None)).collect();
    snapshot
}

/// Key to picture in a large cluster. The bound is for a machine that is busy with other things.
#[expect(clippy::disallowed_methods, reason = "measures how long a key takes")]
#[test]
fn a_key_in_a_large_cluster_is_a_picture_at_once() {
    let mut console = Console::live(DARK);
    let [first, second] = [large(1), large(2)].map(Arc::new);
    console.tell(Msg::Snapshot { node: 0, snapshot: Some(Arc::clone(&first)) });
    console.tell(Msg::Snapshot { node: 1, snapshot: Some(second) });
    assert!(Arc::strong_count(&first) == 2, "snapshots are shared, never copied");
    console.keys("f");
    assert!(Arc::strong_count(&first) == 3, "also while frozen");
    console.keys("f");
    for keys in ["1", "2", "3", "G", "gg", "<PgDn>", "<Space>", "4"] {
        let began = std::time::Instant::now();
        console.keys(keys);
        let _picture = console.buffer();
        let took = began.elapsed();
        eprintln!("measured: {keys:>7} to picture in {took:?}");
        assert!(took < std::time::Duration::from_secs(1), "{keys}: {took:?}");
    }
    let rows = console.keys("3").screen().lines().filter(|l| l.contains("10.2.")).count();
    assert!(rows < 36, "only what is in sight is laid out");
    assert!(console.screen().contains("rows not shown"), "the rest is counted");
}
