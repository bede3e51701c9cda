//! Mail, given to a relay that keeps it, next to keepalived's for the same file.

use crate::engine::{events, is_master, status};
use crate::fifo::keepalived;
use crate::namespaces::wait_for;
use crate::programs::{Running, has};
use crate::sink::{Mail, Sink};
use crate::{Bench, side_by_side, text};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::Ordering;

const RELAY: &str = "\
    router_id lvs1
    notification_email {
        ops@example.org
        second@example.org
    }
    notification_email_from vrrp@example.org
    smtp_server 127.0.0.1 2525
    smtp_helo_name lvs1.example.org
    smtp_connect_timeout 5
";

fn lines(globals: &str) -> String {
    let instance = |number: u8| {
        format!(
            "vrrp_instance VI_{number} {{\n    interface eth0\n    virtual_router_id 5{number}\n    priority 150\n    \
             advert_int 1\n    smtp_alert\n    virtual_ipaddress {{\n        10.9.0.2{number}/24\n    }}\n}}\n"
        )
    };
    let group = "vrrp_sync_group VG_1 {\n    group {\n        VI_1\n        VI_2\n    }\n    smtp_alert\n}\n";
    format!("global_defs {{\n{RELAY}{globals}}}\n{}{}{group}", instance(1), instance(2))
}

/// From the start over a link that goes and comes to MASTER again; by subject.
fn mails_of(bench: &Bench, running: Running, sink: &Sink) -> Vec<Mail> {
    let count = |end: &str| sink.subjects().iter().filter(|s| s.ends_with(end)).count();
    wait_for("mail about MASTER", 15, || count("Entering MASTER state") == 3);
    bench.pair.ip_a("link set eth0 down");
    wait_for("mail about FAULT", 10, || count("Entering FAULT state") == 3);
    bench.pair.ip_a("link set eth0 up");
    wait_for("mail about MASTER again", 15, || count("Entering MASTER state") == 6);
    let before_stop = sink.mails().len();
    running.stop();
    // keepalived ends before its last mail is gone.
    let mut kept = sink.mails();
    kept.truncate(before_stop);
    kept.sort_by_key(|mail| mail.header("Subject"));
    kept
}

// parity: 68
#[test]
fn subjects_envelopes_and_first_lines_are_keepalived_s() {
    let theirs = |bench: &Bench| {
        let sink = Sink::open(&bench.pair.a, None);
        let running = keepalived(&bench.pair, bench.directory.path(), &lines(""));
        (mails_of(bench, running, &sink), Vec::new())
    };
    let ours = |bench: &mut Bench| {
        let sink = Sink::open(&bench.pair.a, None);
        let running = bench.start_as(&lines(""));
        let mails = mails_of(bench, running, &sink);
        let last = sink.subjects().split_off(mails.len());
        (mails, last)
    };
    let Some(((theirs, _), (ours, last))) = side_by_side(theirs, ours) else { return };
    let seen = |mails: &[Mail]| {
        let one = |m: &Mail| {
            let headers = ["Subject", "From", "To"].map(|name| m.header(name));
            (headers, m.from.clone(), m.to.clone(), m.body().to_owned())
        };
        mails.iter().map(one).collect::<Vec<_>>()
    };
    assert_eq!(seen(&ours), seen(&theirs));
    let date = ours[0].header("Date");
    assert!(jiff::fmt::rfc2822::parse(&date).is_ok(), "{date}");
    // Better: the last ones are not lost, and in order.
    let stopping =
        ["Instance VI_1", "Instance VI_2", "Group VG_1"].map(|what| format!("[lvs1] VRRP {what} - Stopping"));
    assert_eq!(last, stopping);
}

fn one(globals: &str) -> String {
    let all = lines(globals);
    all.split("vrrp_instance VI_2").next().unwrap().to_owned()
}

fn said(bench: &Bench, text: &str) -> bool {
    events(&bench.path("sock")).iter().any(|e| e.kind == "mail" && e.text.contains(text))
}

#[test]
fn what_a_busy_relay_does_not_take_waits_in_order_and_what_it_refuses_is_said() {
    let Some(mut bench) = Bench::new("") else { return };
    let sink = Sink::open(&bench.pair.a, None);
    sink.is_busy.store(true, Ordering::Relaxed);
    std::fs::write(bench.path("notify.conf"), one("    no_email_faults\n")).unwrap();
    bench.start();
    wait_for("it is said", 10, || said(&bench, "mail `[lvs1] VRRP Instance VI_1 - Entering BACKUP state` waits"));
    wait_for("MASTER", 10, || status(&bench.path("sock")).is_some_and(|s| is_master(&s.instances[0])));
    assert!(sink.mails().is_empty());
    sink.is_busy.store(false, Ordering::Relaxed);
    let state = |word: &str| format!("[lvs1] VRRP Instance VI_1 - Entering {word} state");
    wait_for("both go", 20, || sink.subjects() == [state("BACKUP"), state("MASTER")]);
    wait_for("that is said", 5, || said(&bench, "mail goes again"));
    sink.refuses.store(true, Ordering::Relaxed);
    bench.verb("demote");
    wait_for("that is said", 10, || said(&bench, "is lost: permanent error (550): nobody here"));
    // Not even a word about a fault.
    sink.refuses.store(false, Ordering::Relaxed);
    bench.pair.ip_a("link set eth0 down");
    wait_for("FAULT", 5, || {
        status(&bench.path("sock")).is_some_and(|s| s.instances[0].state == vipdeck::status::Role::Fault)
    });
    assert!(bench.engine.take().unwrap().stop().success());
    assert_eq!(sink.subjects().last().unwrap(), "[lvs1] VRRP Instance VI_1 - Stopping");
    assert_eq!(sink.subjects().len(), 3);
}

/// A certificate for 127.0.0.1 that nobody but its file vouches for.
fn certificate(bench: &Bench) -> (std::path::PathBuf, std::path::PathBuf) {
    let (certificate, key) = (bench.path("relay.pem"), bench.path("relay.key"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=relay", "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=CA:FALSE"])
        .args(["-keyout", text(&key), "-out", text(&certificate)])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    (certificate, key)
}

#[test]
fn starttls_checks_the_certificate_and_only_then_logs_in() {
    if !has(&["openssl"]) {
        return;
    }
    let Some(mut bench) = Bench::new("") else { return };
    let (certificate, key) = certificate(&bench);
    let sink = Sink::open(&bench.pair.a, Some((&certificate, &key)));
    std::fs::write(bench.path("notify.conf"), one("")).unwrap();
    std::fs::write(bench.path("password"), "secret\n").unwrap();
    let login = ["VIPDECK_MAIL__TLS=starttls", "VIPDECK_MAIL__USER=lvs", &password_file(&bench.path("password"))]
        .map(str::to_owned);
    let login: Vec<&str> = login.iter().map(String::as_str).collect();
    bench.start_with(&login);
    wait_for("a stranger's certificate is said", 10, || said(&bench, "certificate"));
    assert!(bench.engine.take().unwrap().stop().success());
    assert!(sink.mails().is_empty());
    let trust = format!("VIPDECK_MAIL__CA_FILE={}", certificate.display());
    bench.start_with(&[&login[..], &[trust.as_str()]].concat());
    wait_for("mail", 10, || !sink.mails().is_empty());
    let mail = sink.mails().remove(0);
    assert!(mail.encrypted);
    // NUL lvs NUL secret, in base64.
    assert_eq!(mail.login.as_deref(), Some("AGx2cwBzZWNyZXQ="));
    assert_eq!(mail.to, ["ops@example.org", "second@example.org"]);
    assert!(bench.engine.take().unwrap().stop().success());
    // No password in clear text, whatever the relay offers.
    let count = sink.mails().len();
    bench.start_with(&["VIPDECK_MAIL__USER=lvs", &password_file(&bench.path("password"))]);
    wait_for("that is said", 10, || said(&bench, "a login is never sent in clear text"));
    assert_eq!(sink.mails().len(), count);
}

fn password_file(path: &Path) -> String {
    format!("VIPDECK_MAIL__PASSWORD_FILE={}", path.display())
}

#[test]
fn what_happens_to_services_reaches_the_relay() {
    let Some(mut bench) = Bench::new("") else { return };
    let sink = Sink::open(&bench.pair.a, None);
    let web = crate::namespaces::inside(&bench.pair.a, || std::net::TcpListener::bind("127.0.0.1:8080").unwrap());
    let service = "virtual_server 127.0.0.9 80 {\n    delay_loop 1\n    lb_algo rr\n    lb_kind NAT\n    protocol TCP\n    \
                   smtp_alert\n    real_server 127.0.0.1 8080 {\n        smtp_alert\n        TCP_CHECK {\n            \
                   connect_timeout 1\n            retry 0\n        }\n    }\n}\n";
    let running = bench.start_as(&format!("global_defs {{\n{RELAY}}}\n{service}"));
    let told = |word: &str| sink.subjects().iter().filter(|s| s.ends_with(word)).count();
    let real = "[lvs1] Realserver [127.0.0.1]:tcp:8080 of virtual server [127.0.0.9]:tcp:80";
    let all = "[lvs1] Virtualserver [127.0.0.9]:tcp:80";
    wait_for("the start is told", 15, || told("- UP") == 1);
    assert_eq!(sink.subjects(), [format!("{all} - UP")]);
    drop(web);
    wait_for("the end is told", 15, || told("- DOWN") == 2);
    running.stop();
    let mails = sink.mails();
    let bodies: Vec<&str> = mails[1..3].iter().map(Mail::body).collect();
    assert_eq!(mails[1].header("Subject"), format!("{real} - DOWN"));
    assert_eq!(bodies[0], "=> TCP CHECK failed on service <=");
    assert_eq!(mails[2].header("Subject"), format!("{all} - DOWN"));
    assert_eq!(mails[2].to, ["ops@example.org", "second@example.org"]);
}
