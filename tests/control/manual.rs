//! Manual pages and completions: made whole, and from the tables.

use crate::fake::{Fake, World};
use crate::verbs::run;
use clap::CommandFactory;
use std::process::{Command, Stdio};
use vipdeck::cli::Cli;
use vipdeck::conf;
use vipdeck::console::keymap::Keymap;
use vipdeck::manual::pages;

#[test]
fn every_command_keyword_and_key_has_its_place_in_a_page() {
    let all = pages().unwrap();
    let page = |name: &str| {
        let found = all.iter().find(|(n, _)| n == name).unwrap_or_else(|| panic!("there is no {name}"));
        // As it reads: roff escapes hyphens and quotes.
        found.1.replace("\\-", "-").replace("\\*(Aq", "'").replace("\\(aq", "'").replace("\\&", "")
    };
    for command in Cli::command().get_subcommands().filter(|c| !c.is_hide_set()) {
        let text = page(&format!("vipdeck-{}.1", command.get_name()));
        for long in command.get_arguments().filter(|a| !a.is_hide_set()).filter_map(clap::Arg::get_long) {
            assert!(text.contains(&format!("--{long}")), "{}: --{long}", command.get_name());
        }
        assert!(page("vipdeck.1").contains(&format!("vipdeck-{}", command.get_name())), "{}", command.get_name());
    }
    let text = page("vipdeck.conf.5");
    for keyword in conf::keywords() {
        assert!(text.contains(&format!("\\fB{}\\fR", keyword.name)), "{}", keyword.name);
    }
    let text = page("vipdeck-keys.7");
    for entry in Keymap::load(None).unwrap().entries() {
        let help = entry.help.replace('\\', "\\\\");
        assert!(text.contains(&help) || text.contains(&help.replace('\'', "\\'")), "{help}");
    }
    assert!(all.iter().all(|(name, text)| text.contains(".TH ") && !name.contains(' ')));
}

#[test]
fn groff_has_nothing_to_say_about_any_page() {
    let directory = tempfile::tempdir().unwrap();
    let output = run(&["man", directory.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let Ok(version) = Command::new("groff").arg("--version").stdout(Stdio::null()).status() else {
        return crate::skipped("groff is not installed");
    };
    assert!(version.success());
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let path = entry.unwrap().path();
        let linted = Command::new("groff").args(["-man", "-Kutf8", "-Tutf8", "-ww", "-z"]).arg(&path).output().unwrap();
        assert!(linted.stderr.is_empty(), "{}: {}", path.display(), String::from_utf8_lossy(&linted.stderr));
    }
}

/// What bash would offer after these words.
fn offered(directory: &std::path::Path, words: &[&str]) -> String {
    let settings = directory.join("home/vipdeck/settings.toml");
    std::fs::create_dir_all(settings.parent().unwrap()).unwrap();
    std::fs::write(&settings, format!("[control]\ndirectory = \"{}\"\n", directory.display())).unwrap();
    let script = format!(
        "source <('{0}' completions bash)\nCOMP_WORDS=(vipdeck {1}) COMP_CWORD={2} COMP_TYPE=9\n\
         f=$(complete -p vipdeck | sed 's/.*-F \\([^ ]*\\).*/\\1/')\n$f vipdeck '{3}' ''\necho \"${{COMPREPLY[@]}}\"",
        env!("CARGO_BIN_EXE_vipdeck"),
        words.join(" "),
        words.len(),
        words.last().unwrap(),
    );
    let path = format!(
        "{}:{}",
        std::path::Path::new(env!("CARGO_BIN_EXE_vipdeck")).parent().unwrap().display(),
        std::env::var("PATH").unwrap()
    );
    let output = Command::new("bash")
        .args(["-c", &script])
        .env("PATH", path)
        .env("XDG_CONFIG_HOME", directory.join("home"))
        .output()
        .unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn bash_completes_commands_instances_servers_and_engines() {
    let fake = Fake::start(World::Obliging);
    let offered = |words: &[&str]| offered(fake.directory(), words);
    assert_eq!(offered(&["demot"]).trim(), "demote");
    assert!(offered(&["demote", "VI"]).contains("VI_1"));
    assert!(offered(&["drain", "192"]).contains("192.0.2.21:80"));
    assert!(offered(&["status", "--at", "lv"]).contains("lvs1"));
    assert!(offered(&["explain", "advert_in"]).contains("advert_int"));
    for shell in ["zsh", "fish"] {
        let output = run(&["completions", shell]);
        assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains("vipdeck"), "{shell}");
    }
}
