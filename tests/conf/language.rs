//! The language below the keywords, beside keepalived where it is installed: definitions, conditions, repetitions,
//! includes, the exit status of a test.

use crate::keepalived::Namespace;
use crate::samples::environment;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use vipdeck::conf::{self, Config, Diagnostic, Environment, Memory, Severity, worst};

fn read(text: &str, environment: &Environment) -> (Config, Vec<Diagnostic>) {
    let (config, diagnostics, _) = conf::parse_in(Path::new("x"), &Memory::one("x", text), environment);
    // What it says, wherever that is written.
    (Config { origins: conf::Origins::default(), ..config }, diagnostics)
}

/// A first word that is no keyword shows how a line was expanded: both programs name it.
const EXPANSIONS: &str = r#"$A=one
$B=two$A
$C=x${A}y
u1-${A}
u2-$A
$A u3
u4-${B}
u5-${C}
u6-$A.x
@foo u7
@lvs1 u8
@^lvs1 u9
@^foo u10
@lvs1
@lvs1 @lvs1 u11
@ u12
@^ u13
${_INSTANCE}-u14
"u15${_HASH}x"
"u16${_BANG}x"
u17-$NOPE
~SEQ(i,1,3) u18-$i
~SEQ(i,3) u19-$i
~SEQ(i,5,-2,1) u20-${i}z
~SEQ(i,5,1) u21-$i
~SEQ(i,1,-1,5) u22-$i
~SEQ(j,1,2) ~SEQ(k,1,2) u23-${j}-$k
~SEQx(l,9,11) u24-$l
~LST(m,x,y,z) u25-$m
~LST({n,o},{1,2},{3},{5,6}) u26-${n}-${o}
~LST({p,q},{1,2,3}) u27-${p}-${q}
~SEQ(r,0x10,0x12) u28-$r
$M=u30 \
 u31 ${A} \
 u32
$M
$A=three
u33-${B}
${M}
$E=
u35-${E}-
$N=3
~SEQ(s,1,$N) u36-$s
~SEQ(t,0) u37-$t
~SEQ(u,-3) u38-$u
~SEQ(v,1,0,3) u39-$v
~FOO(w,1) x
~SEQ( x , 1 , 2 )   u40-$x
@lvs1 $Z=z
u41-$Z
$I=@foo u42
$I
$X=u43 \
@lvs1 u44 \
@foo u45
$X
"#;

/// The words that no block knows, from the diagnostics.
fn unknown(diagnostics: &[Diagnostic]) -> BTreeSet<String> {
    let messages = diagnostics.iter().filter(|d| d.id == "unknown-keyword").map(|d| d.message.as_str());
    messages.filter_map(|message| between(message, '`', '`')).collect()
}

fn between(text: &str, open: char, close: char) -> Option<String> {
    text.split_once(open).and_then(|(_, rest)| rest.split_once(close)).map(|(word, _)| word.to_owned())
}

/// The same words from keepalived.
fn unknown_to_keepalived(namespace: &Namespace, text: &str) -> BTreeSet<String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("x.conf");
    fs::write(&path, text).unwrap();
    let (_, said) = namespace.test(&path, &["-i", "lvs1"]);
    said.lines().filter(|line| line.contains("Unknown keyword")).filter_map(|line| between(line, '\'', '\'')).collect()
}

// parity: 6 7
#[test]
fn lines_expand_as_keepalived_expands_them() {
    let (_, diagnostics) = read(EXPANSIONS, &environment());
    let ours = unknown(&diagnostics);
    for expected in [
        "u1-one",
        "u4-twoone",
        "u6-$A.x",
        "u8",
        "u20-3z",
        "u23-2-1",
        "u24-a",
        "u26-3-",
        "u33-twothree",
        "u44",
        "@lvs1",
        "~FOO(w,1)",
    ] {
        assert!(ours.contains(expected), "{expected} is not in {ours:?}");
    }
    assert_eq!(diagnostics.iter().filter(|d| d.id == "bad-repetition").count(), 3, "{diagnostics:?}");
    let Some(namespace) = Namespace::new("expand") else { return };
    assert_eq!(ours, unknown_to_keepalived(&namespace, EXPANSIONS));
}

/// A line below a comment may be the rest of it, so `between` keeps the lines apart.
const WORDS: &[&str] = &[
    "w1#x",
    "\"w2 # b\" y",
    "w3!z",
    "w4 # \"",
    "\"w5 ! c\"#d",
    "   w6\tx",
    "vrrp_instance A{w9 x",
    "interface eth0#x",
    "virtual_router_id 1!",
    "virtual_ipaddress{192.0.2.1}",
    "w10}",
    "w11",
];

// parity: 2
#[test]
fn words_are_cut_as_keepalived_cuts_them() {
    let text = WORDS.join("\nbetween\nbetween\n");
    let (config, diagnostics) = read(&text, &environment());
    assert_eq!(config.instances.iter().map(|i| i.link.as_str()).collect::<Vec<_>>(), ["eth0"]);
    let ours = unknown(&diagnostics);
    for expected in ["w1", "w2 # b", "w3", "w5 ! c", "w9", "w10", "w11"] {
        assert!(ours.contains(expected), "{expected} is not in {ours:?}");
    }
    // keepalived's children read a copy in which the backslash is lost, and take the rest for a comment.
    let escaped = unknown(&read("w7\\#x\nw8\\!\n", &environment()).1);
    assert_eq!(escaped, BTreeSet::from(["w7#x".to_owned(), "w8!".to_owned()]));
    let Some(namespace) = Namespace::new("words") else { return };
    assert_eq!(ours, unknown_to_keepalived(&namespace, &text));
}

// parity: 8
#[test]
fn an_unknown_keyword_changes_nothing_else() {
    let clean = format!("{INSTANCE}}}\n");
    let (config, diagnostics) = read(&format!("{INSTANCE}nonsense 1 2 3\n}}\n"), &environment());
    assert_eq!(config, read(&clean, &environment()).0);
    assert_eq!(
        diagnostics.iter().map(|d| (d.id, d.severity)).collect::<Vec<_>>(),
        [("unknown-keyword", Severity::Warning)]
    );
}

// parity: 11a
#[test]
fn lost_arguments_and_units_are_errors_with_their_fix() {
    for (statement, id, fix) in [
        ("vrrp_script c {\nscript /bin/test -f x\n}\n", "unquoted-arguments", "script \"/bin/test -f x\""),
        ("vrrp_script c {\nscript \"/bin/true\"\ninterval 5s\n}\n", "bad-number", "interval 5"),
        ("vrrp_instance A {\nadvert_int 500ms\n}\n", "bad-duration", "advert_int 0.5"),
    ] {
        let (_, diagnostics) = read(statement, &environment());
        let found = diagnostics.iter().find(|d| d.id == id || d.id == "bad-duration");
        let found = found.unwrap_or_else(|| panic!("{statement}: {diagnostics:?}"));
        assert_eq!(found.severity, Severity::Error);
        assert!(found.help.concat().contains(fix), "{found:?}");
    }
}

// parity: 13
#[test]
fn duplicates_are_refused_with_both_names() {
    let (_, diagnostics) = read(&format!("{INSTANCE}}}\n{INSTANCE}}}\n"), &environment());
    assert!(
        diagnostics.iter().any(|d| d.id == "duplicate-instance" && d.severity == Severity::Error),
        "{diagnostics:?}"
    );
    let other = INSTANCE.replace("vrrp_instance A", "vrrp_instance B");
    let (_, diagnostics) = read(&format!("{INSTANCE}}}\n{other}}}\n"), &environment());
    let found = diagnostics.iter().find(|d| d.id == "duplicate-vrid").unwrap();
    assert!(found.message.contains("`A` and `B`") && found.labels.len() == 2, "{found:?}");
}

// parity: 4
#[test]
fn a_file_with_definitions_equals_its_hand_expanded_form() {
    let defined = r"$IF=eth0
$NET=192.0.2
$BODY= \
    interface $IF \
    virtual_router_id ${ID} \
    virtual_ipaddress { \
        ${NET}.${ID}/24 dev $IF \
    }
$ID=51
vrrp_instance VI_1 {
    $BODY
    priority 150
}
$ID=52
vrrp_instance VI_2 {
    $BODY
}
";
    let expanded = "vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    virtual_ipaddress {
        192.0.2.51/24 dev eth0
    }
    priority 150
}
vrrp_instance VI_2 {
    interface eth0
    virtual_router_id 52
    virtual_ipaddress {
        192.0.2.52/24 dev eth0
    }
}
";
    let ((one, first), (two, second)) = (read(defined, &environment()), read(expanded, &environment()));
    assert_eq!((first, second), (vec![], vec![]));
    assert_eq!(one, two);
    assert_eq!(one.instances.len(), 2);
}

// parity: 5
#[test]
fn one_file_gives_each_node_its_priority() {
    let text = "vrrp_instance A {\ninterface eth0\nvirtual_router_id 1\n@lvs1 priority 150\n@^lvs1 priority 90\nvirtual_ipaddress {\n@lvs1 192.0.2.1\n@lvs2 192.0.2.2\n}\n}\n";
    let priority = |id: &str| {
        let (config, diagnostics) = read(text, &Environment { config_id: id.into(), ..Environment::default() });
        (config.instances[0].priority, config.instances[0].addresses[0].net.addr().to_string(), diagnostics.len())
    };
    assert_eq!(priority("lvs1"), (150, "192.0.2.1".into(), 0));
    assert_eq!(priority("lvs2"), (90, "192.0.2.2".into(), 0));
}

// parity: 6
#[test]
fn one_line_makes_fifty_instances() {
    let text = "$VI= \\\nvrrp_instance VI_${n} { \\\n interface eth0 \\\n virtual_router_id ${n} \\\n virtual_ipaddress { \\\n 192.0.2.${n}/24 \\\n } \\\n}\n~SEQ(n, 1, 50) $VI\n";
    let (config, diagnostics) = read(text, &environment());
    assert_eq!(diagnostics, []);
    let ids: Vec<u8> = config.instances.iter().map(|i| i.vrid.get()).collect();
    assert_eq!(ids, (1..=50).collect::<Vec<u8>>());
}

// parity: 7
#[test]
fn each_predefined_name_expands() {
    let mut environment = environment();
    environment.variables.insert("SITE".into(), "north".into());
    for (used, expected) in [
        ("${_PWD}", "/etc/keepalived"),
        ("${_INSTANCE}", "lvs1"),
        ("a${_HASH}b", "a#b"),
        ("a${_BANG}b", "a!b"),
        ("${_ENV SITE}", "north"),
        ("${_RANDOM 5 5}", "5"),
    ] {
        let (config, diagnostics) = read(&format!("global_defs {{\nrouter_id {used}\n}}\n"), &environment);
        assert_eq!(diagnostics, [], "{used}");
        assert_eq!(config.router_id.as_deref(), Some(expected), "{used}");
    }
    for bad in ["${_RANDOM 9 3}", "${_RANDOM a}", "${_ENV NONE}", "${_ENV}"] {
        let (_, diagnostics) = read(&format!("global_defs {{\nrouter_id {bad}\n}}\n"), &environment);
        assert!(diagnostics.iter().any(|d| d.id == "bad-definition"), "{bad}: {diagnostics:?}");
    }
    // The seed decides, and random_seed is a seed for what follows.
    let random = |seed, first: &str| {
        let environment = Environment { seed, ..Environment::default() };
        let text = format!("{first}$N=${{_RANDOM 1 1000000}}\nglobal_defs {{\nrouter_id ${{N}}\n}}\n");
        read(&text, &environment).0.router_id
    };
    assert_eq!(random(1, ""), random(1, ""));
    assert_ne!(random(1, ""), random(2, ""));
    assert_eq!(random(1, "random_seed 7\n"), random(2, "random_seed 7\n"));
}

/// What never ends ends.
#[test]
fn definitions_that_use_themselves_and_endless_repetitions_are_errors() {
    for text in [
        "$A=$A\nrouter_id $A\n",
        "$A=x${B}\n$B=${A}y\n$A\n",
        "$A=\\\n$A \\\n$A\n$A\n",
        "~SEQ(i,1,99999999) x\n",
        "~SEQ(a,1,9999) ~SEQ(b,1,9999) ~SEQ(c,1,9999) x\n",
    ] {
        let (_, diagnostics) = read(text, &environment());
        assert_eq!(worst(&diagnostics), Some(Severity::Error), "{text}");
    }
}

/// (statement, whether keepalived 2.2.7 takes it for an error)
const INCLUDES: &[(&str, bool)] = &[
    ("include d/none.conf", false),
    ("include d/none*.conf", false),
    ("include d/*.conf", false),
    ("include d/{a,none}.conf", false),
    ("include d/exec.conf", false),
    ("include d/dir.conf", false),
    ("includer d/*.conf", true),
    ("includer d/exec.conf", true),
    ("includer d/none.conf", false),
    ("includem d/none.conf", true),
    ("includem d/none*.conf", false),
    ("includem d/{a,none}.conf", false),
    ("includew d/none.conf", true),
    ("includew d/none*.conf", true),
    ("includew d/[ab].conf", false),
    ("includeb d/{a,none}.conf", true),
    ("includeb d/{a,b}.conf", false),
    ("includea d/{a,none}.conf", true),
    ("includea d/a.conf", false),
    ("@lvs1 includem d/none.conf", true),
    ("@foo includem d/none.conf", false),
    ("$D=d\nincludem ${D}/none.conf", true),
    ("global_defs {\ninclude_check match\n}\ninclude d/none.conf", true),
    ("global_defs {\ninclude_check wildcard_match -match\n}\ninclude d/none.conf", false),
    ("global_defs {\ninclude_check\n}\ninclude d/none*.conf", true),
];

// parity: 3
#[test]
fn includes_fail_where_keepalived_s_do() {
    let namespace = Namespace::new("include");
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::create_dir_all(at("d/dir.conf")).unwrap();
    for name in ["a", "b", "exec"] {
        fs::write(at(&format!("d/{name}.conf")), "global_defs {\n}\n").unwrap();
    }
    fs::set_permissions(at("d/exec.conf"), fs::Permissions::from_mode(0o755)).unwrap();
    let main = at("main.conf");
    for (statement, fails) in INCLUDES {
        fs::write(&main, format!("{statement}\n")).unwrap();
        let (_, diagnostics, _) = conf::parse_in(&main, &vipdeck::sys::files::Files, &environment());
        let failed = diagnostics.iter().any(|d| d.severity == Severity::Error && d.id.starts_with("include"));
        assert_eq!(failed, *fails, "{statement}: {diagnostics:?}");
        if let Some(namespace) = &namespace {
            let (status, said) = namespace.test(&main, &["-i", "lvs1"]);
            assert_eq!(status == Some(6), *fails, "{statement}: {status:?} {said}");
        }
    }
}

#[test]
fn an_include_may_stand_behind_a_brace_and_the_main_file_may_be_a_pattern() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    write("1.conf", "vrrp_instance A { include body.inc\n}\n");
    write("2.conf", "vrrp_instance B {\nvirtual_router_id 2\ninclude body.inc\n}\n");
    write("body.inc", "interface eth0\nvirtual_router_id 1\nvirtual_ipaddress {\n${_PWD}\n}\n");
    let files = vipdeck::sys::files::Files;
    let (config, diagnostics, _) = conf::parse_in(&directory.path().join("[12].conf"), &files, &environment());
    assert_eq!(config.instances.iter().map(|i| i.name.as_str()).collect::<Vec<_>>(), ["A", "B"]);
    // The wrong address names the file's directory.
    let expected = format!("`{}` is not an address", directory.path().display());
    assert!(diagnostics.iter().any(|d| d.message == expected), "{diagnostics:?}");
    let (_, diagnostics, _) = conf::parse_in(&directory.path().join("none*.conf"), &files, &environment());
    assert_eq!(diagnostics.iter().map(|d| d.id).collect::<Vec<_>>(), ["cannot-read"]);
}

const INSTANCE: &str =
    "vrrp_instance A {\ninterface eth0\nvirtual_router_id 51\nvirtual_ipaddress {\n192.0.2.1/24\n}\n";

/// The statuses of `keepalived -t`, under its name and with the option.
// parity: 10
#[test]
fn under_the_name_of_keepalived_the_status_is_keepalived_s() {
    let namespace = Namespace::new("status");
    let directory = tempfile::tempdir().unwrap();
    let link = directory.path().join("keepalived");
    symlink(env!("CARGO_BIN_EXE_vipdeck"), &link).unwrap();
    let path = directory.path().join("x.conf");
    for (text, expected) in [
        (format!("{INSTANCE}}}\n"), 0),
        (format!("{INSTANCE}prioritee 3\n}}\n"), 5),
        (format!("{INSTANCE}priority 300\n}}\n"), 5),
        (format!("{INSTANCE}priority\n}}\n"), 2),
        (format!("vrrp_script c {{\nscript \"/bin/true\"\n}}\n{INSTANCE}track_script {{\nc\n}}\n}}\n"), 6),
        (format!("includem none.conf\n{INSTANCE}}}\n"), 6),
        (format!("include none.conf\n{INSTANCE}}}\n"), 0),
        (INSTANCE.to_owned(), 5),
        (format!("{INSTANCE}}}\n}}\n"), 5),
    ] {
        fs::write(&path, &text).unwrap();
        let status = |command: &mut Command| command.output().unwrap().status.code();
        assert_eq!(status(Command::new(&link).arg("-t").arg("-f").arg(&path)), Some(expected), "{text}");
        let mut check = Command::new(env!("CARGO_BIN_EXE_vipdeck"));
        assert_eq!(status(check.args(["check", "--as-keepalived"]).arg(&path)), Some(expected), "{text}");
        if let Some(namespace) = &namespace {
            let (status, said) = namespace.test(&path, &[]);
            assert_eq!(status, Some(expected), "{text}{said}");
        }
    }
    // keepalived says 0 for a file that is not there.
    let missing = Command::new(&link).arg("-t").arg("-f").arg(directory.path().join("none")).output().unwrap();
    assert_eq!(missing.status.code(), Some(4));
    let log = directory.path().join("log");
    let logged = Command::new(&link).arg(format!("-t={}", log.display())).arg("-f").arg(&path).output().unwrap();
    assert_eq!(logged.status.code(), Some(5));
    assert!(fs::read_to_string(&log).unwrap().contains("extra-brace"));
    let run = Command::new(&link).arg("-n").output().unwrap();
    assert!(!run.status.success(), "it must not pretend to run");
}

/// keepalived ends the instance at the inner block's `}`; here the rest of it still applies.
// parity: 9
#[test]
fn an_unknown_block_is_contained() {
    let text = format!("{INSTANCE}nonsense X {{\nmore {{\nvirtual_router_id 9\n}}\npriority 3\n}}\npriority 120\n}}\n");
    let (config, diagnostics) = read(&text, &environment());
    assert_eq!(diagnostics.iter().map(|d| d.id).collect::<Vec<_>>(), ["unknown-block"]);
    assert!(diagnostics[0].message.contains("`nonsense`"), "{diagnostics:?}");
    assert_eq!((config.instances[0].priority, config.instances[0].vrid.get()), (120, 51));
}

#[test]
fn a_line_with_a_nul_byte_is_an_error_and_ignored() {
    let (config, diagnostics) = read(&format!("{INSTANCE}prio\0rity 3\npriority 120\n}}\n"), &environment());
    assert_eq!(diagnostics.iter().map(|d| (d.id, d.severity)).collect::<Vec<_>>(), [("nul-byte", Severity::Error)]);
    assert_eq!(config.instances[0].priority, 120);
}
