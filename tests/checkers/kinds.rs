//! Every kind of checker against the real thing, one that passes and one that fails: nginx, dnsmasq, opensmtpd, the
//! kernel's ICMP, scripts, files, BFD.

use crate::certificates::Certificates;
use crate::namespaces::{run, skipped, wait_for};
use crate::programs::Running;
use crate::{Bench, real_server, service};
use std::process::Command;
use std::time::Duration;
use vipdeck::status::Verdict;

const TIMES: &str =
    "    delay_loop 0.5\n    retry 1\n    delay_before_retry 0.2\n    connect_timeout 1\n    warmup 0.2";

fn has(program: &str) -> bool {
    let path = "/usr/sbin:/usr/bin:/sbin:/bin";
    let found = Command::new("sh").args(["-c", &format!("PATH={path} command -v {program}")]).output().unwrap();
    if !found.status.success() {
        skipped(&format!("{program} is not installed"));
    }
    found.status.success()
}

/// A checker, whether it passes, and what it then says.
type Case = (&'static str, bool, &'static str);

/// Starts an engine with a real server for each case, and looks at what each check says.
fn look(bench: &mut Bench, before: &str, cases: &[Case]) {
    let reals: String = (9001..).zip(cases).map(|(port, (checker, ..))| real_server(port, checker)).collect();
    bench.start(&(before.to_owned() + &service(TIMES, &reals)));
    for (port, (checker, good, said)) in (9001..).zip(cases) {
        let verdict = if *good { Verdict::Up } else { Verdict::Down };
        let told = || bench.runs(port);
        let end = std::time::Instant::now() + Duration::from_secs(8);
        while told().status.verdict != verdict || told().runs.is_empty() {
            assert!(std::time::Instant::now() < end, "{checker}: not {verdict:?}\n{:?}", told());
            std::thread::sleep(Duration::from_millis(50));
        }
        let last = told().runs.last().unwrap().found.clone();
        assert!(last.text().contains(said), "{checker}: {:?}, not {said}", last.text());
        assert_eq!(last.good, *good, "{checker}");
    }
}

// parity: 80 82
#[test]
fn pages_of_nginx() {
    if !has("nginx") {
        return;
    }
    let Some(mut bench) = Bench::new() else { return };
    let certificates = Certificates::new(bench.directory.path());
    let site = bench.path("site");
    std::fs::create_dir(&site).unwrap();
    std::fs::write(site.join("index.html"), "hello").unwrap();
    std::fs::write(site.join("included.shtml"), "before <!--#echo var=\"nothing\" default=\"ECHO\" --> after").unwrap();
    let at = bench.directory.path().display();
    let pki = |name: &str| certificates.path(name);
    let config = format!(
        "daemon off; pid {at}/nginx.pid; error_log {at}/nginx.err; events {{ }}\nhttp {{ access_log {at}/nginx.log;\n\
         client_body_temp_path {at}/t1; proxy_temp_path {at}/t2; fastcgi_temp_path {at}/t3; uwsgi_temp_path {at}/t4;\n\
         scgi_temp_path {at}/t5; types {{ text/html html shtml; }}\n\
         server {{ listen 80; server_name www.example; root {site}; ssi on;\n\
           location = /here {{ return 200 \"by name\"; }} location = /busy {{ return 503; }} }}\n\
         server {{ listen 80 default_server; root {site}; location = /here {{ return 404; }} }}\n\
         server {{ listen 443 ssl http2 default_server; root {site}; ssl_certificate {old}; ssl_certificate_key {old_key}; }}\n\
         server {{ listen 443 ssl http2; server_name www.example; root {site}; ssl_certificate {good};\n\
           ssl_certificate_key {good_key}; location = /protocol {{ return 200 $server_protocol; }} }}\n\
         server {{ listen 444 ssl; root {site}; ssl_certificate {good}; ssl_certificate_key {good_key};\n\
           ssl_client_certificate {ca}; ssl_verify_client on; }} }}\n",
        site = site.display(),
        old = pki("old.pem"),
        old_key = pki("old.key"),
        good = pki("good.pem"),
        good_key = pki("good.key"),
        ca = pki("ca.pem"),
    );
    // The workers of nginx are another user.
    run_shell(&format!("chmod 755 {at} {at}/site; chmod 644 {at}/site/*"));
    let file = bench.file("nginx.conf", &config);
    let _nginx = Running::start(&bench.pair.b, bench.directory.path(), "nginx", &["/usr/sbin/nginx", "-c", &file]);
    let b = bench.pair.b.clone();
    wait_for("nginx listens", 5, || run(&["netns", "exec", &b, "ss", "-tln"]).contains(":444"));
    let ssl =
        format!("SSL {{\n ca {}\n certificate {}\n key {}\n}}\n", pki("ca.pem"), pki("client.pem"), pki("client.key"));
    look(
        &mut bench,
        &ssl,
        &[
            ("TCP_CHECK {\n connect_port 80\n }", true, "connected"),
            ("TCP_CHECK {\n connect_port 81\n }", false, "connection refused"),
            (
                "TCP_CHECK {\n connect_port 80\n bindto 10.9.0.1\n bind_port 4711\n bind_if eth0\n fwmark 7\n }",
                true,
                "",
            ),
            (
                "HTTP_GET {\n connect_port 80\n url {\n path /\n digest 5d41402abc4b2a76b9719d911017c592\n }\n }",
                true,
                "",
            ),
            (
                "HTTP_GET {\n connect_port 80\n url {\n path /\n digest 00000000000000000000000000000000\n }\n }",
                false,
                "MD5 of 5 bytes is 5d41402abc4b2a76b9719d911017c592",
            ),
            ("HTTP_GET {\n connect_port 80\n url {\n path /no\n status_code 404 500-599\n }\n }", true, ""),
            ("HTTP_GET {\n connect_port 80\n url {\n path /no\n }\n }", false, "status 404, not 200-299"),
            (
                "HTTP_GET {\n connect_port 80\n virtualhost www.example\n url {\n path /here\n regex \"^by\\\\sname$\"\n }\n }",
                true,
                "",
            ),
            ("HTTP_GET {\n connect_port 80\n url {\n path /here\n }\n }", false, "status 404"),
            (
                "HTTP_GET {\n connect_port 80\n url {\n path /\n regex \"HELLO\"\n regex_options caseless\n }\n }",
                true,
                "",
            ),
            (
                "HTTP_GET {\n connect_port 80\n url {\n path /\n regex \"l\"\n regex_max_offset 1\n }\n }",
                false,
                "not found",
            ),
            (
                "HTTP_GET {\n connect_port 80\n url {\n path /\n regex \"hello\"\n regex_no_match\n }\n }",
                false,
                "was found",
            ),
            // Server-side includes come in chunks.
            (
                "HTTP_GET {\n connect_port 80\n virtualhost www.example\n http_protocol 1.1\n url {\n path /included.shtml\n \
                 regex \"^before ECHO after$\"\n }\n }",
                true,
                "",
            ),
            (
                "HTTP_GET {\n connect_port 80\n virtualhost www.example\n fast_recovery\n url {\n path /here\n }\n url {\n \
                 path /busy\n }\n }",
                false,
                "/busy: status 503",
            ),
            // By default nobody looks at the certificate, which has expired.
            ("SSL_GET {\n connect_port 443\n url {\n path /\n }\n }", true, ""),
            (
                "SSL_GET {\n connect_port 443\n verify_certificate chain\n url {\n path /\n }\n }",
                false,
                "its certificate has expired",
            ),
            (
                "SSL_GET {\n connect_port 443\n verify_certificate name\n virtualhost www.example\n enable_sni\n url {\n \
                 path /\n }\n }",
                true,
                "",
            ),
            (
                "SSL_GET {\n connect_port 444\n verify_certificate name\n sni_name other.example\n url {\n path /\n }\n }",
                false,
                "its certificate is for another name",
            ),
            ("SSL_GET {\n connect_port 444\n verify_certificate chain\n url {\n path /\n }\n }", true, ""),
            ("SSL_GET {\n connect_port 80\n url {\n path /\n }\n }", false, "TLS handshake"),
            (
                "SSL_GET {\n connect_port 443\n http_protocol 2\n enable_sni\n virtualhost www.example\n url {\n path /protocol\n regex \
                 \"^HTTP/2.0$\"\n }\n }",
                true,
                "",
            ),
        ],
    );
    let digest = |arguments: &[&str]| {
        let argv = [&["netns", "exec", &bench.pair.a, crate::PROGRAM, "genhash", "-s", "10.9.0.2"], arguments].concat();
        run(&argv)
    };
    assert_eq!(digest(&["-p", "80", "-u", "/"]), "5d41402abc4b2a76b9719d911017c592\n");
    assert_eq!(digest(&["-p", "443", "-u", "/", "-S"]), "5d41402abc4b2a76b9719d911017c592\n");
    assert_eq!(digest(&["-p", "443", "-u", "/", "-S", "-P", "2"]), "5d41402abc4b2a76b9719d911017c592\n");
}

fn run_shell(command: &str) {
    assert!(Command::new("sh").args(["-c", command]).status().unwrap().success(), "{command}");
}

// parity: 81
#[test]
fn names_of_dnsmasq_and_ports_over_udp() {
    if !has("dnsmasq") {
        return;
    }
    let Some(mut bench) = Bench::new() else { return };
    let pid = bench.path("dnsmasq.pid");
    let argv = [
        "/usr/sbin/dnsmasq",
        "--keep-in-foreground",
        "--no-resolv",
        "--no-hosts",
        "--conf-file=/dev/null",
        "--listen-address=10.9.0.2",
        "--bind-interfaces",
        "--user=root",
        "--address=/www.example/192.0.2.1",
        "--local=/example/",
        &format!("--pid-file={}", pid.display()),
    ];
    let _dnsmasq = Running::start(&bench.pair.b, bench.directory.path(), "dnsmasq", &argv);
    let b = bench.pair.b.clone();
    wait_for("dnsmasq listens", 5, || run(&["netns", "exec", &b, "ss", "-uln"]).contains("10.9.0.2:53"));
    look(
        &mut bench,
        "",
        &[
            ("DNS_CHECK {\n connect_port 53\n type A\n name www.example\n retry 0\n }", true, "answers"),
            (
                "DNS_CHECK {\n connect_port 53\n type A\n name other.example\n retry 0\n }",
                false,
                "answers NXDOMAIN (3)",
            ),
            ("DNS_CHECK {\n connect_port 53\n retry 0\n }", false, "answers REFUSED (5)"),
            ("DNS_CHECK {\n connect_port 54\n retry 0\n }", false, "port unreachable"),
            ("UDP_CHECK {\n connect_port 53\n }", true, "nothing says"),
            ("UDP_CHECK {\n connect_port 54\n }", false, "port unreachable"),
            // A query for the root, and the beginning of an answer to it.
            (
                "UDP_CHECK {\n connect_port 53\n payload 1234 0100 0001 0000 0000 0000 00 0002 0001\n require_reply 1234 8XXX\n }",
                true,
                "replies as expected",
            ),
            (
                "UDP_CHECK {\n connect_port 53\n payload 1234 0100 0001 0000 0000 0000 00 0002 0001\n require_reply 1235\n }",
                false,
                "its reply differs at byte 1",
            ),
        ],
    );
}

// parity: 81
#[test]
fn mail_of_opensmtpd() {
    if !has("smtpd") {
        return;
    }
    let Some(mut bench) = Bench::new() else { return };
    let config = "listen on 10.9.0.2\nlisten on 10.9.0.2 port 26 received-auth\naction refuse relay host smtp://127.0.0.1\n\
                  match for any action refuse\n";
    let file = bench.file("smtpd.conf", config);
    let argv =
        ["unshare", "-m", "sh", "-c", "mount -t tmpfs none /var/spool && exec /usr/sbin/smtpd -d -f \"$0\"", &file];
    let smtpd = Running::start(&bench.pair.b, bench.directory.path(), "smtpd", &argv);
    let b = bench.pair.b.clone();
    wait_for("smtpd listens", 5, || run(&["netns", "exec", &b, "ss", "-tln"]).contains("10.9.0.2:25"));
    look(
        &mut bench,
        "",
        &[
            ("SMTP_CHECK {\n connect_port 25\n }", true, "greets and takes HELO"),
            ("SMTP_CHECK {\n host {\n connect_port 25\n }\n helo_name director.example\n }", true, "greets"),
            ("SMTP_CHECK {\n connect_port 25\n helo_name @@@@\n }", false, "its answer to HELO is 501"),
            ("SMTP_CHECK {\n connect_port 24\n }", false, "connection refused"),
        ],
    );
    drop(smtpd);
}

// parity: 78 81
#[test]
fn echo_requests_scripts_and_files() {
    let Some(mut bench) = Bench::new() else { return };
    let (number, code) = (bench.path("number"), bench.path("code"));
    std::fs::write(&number, "5").unwrap();
    std::fs::write(&code, "200").unwrap();
    let files = format!("track_file load {{\n file {}\n weight 2\n}}\n", number.display());
    let script = format!(
        "inhibit_on_failure\n MISC_CHECK {{\n misc_path \"/bin/sh -c 'exit $(cat {})'\"\n misc_dynamic\n }}",
        code.display()
    );
    let script: &'static str = Box::leak(script.into_boxed_str());
    look(
        &mut bench,
        &files,
        &[
            ("PING_CHECK {\n }", true, "answers"),
            ("PING_CHECK {\n connect_ip 10.9.0.77\n }", false, ""),
            (script, true, "exit status 200: weight 198"),
            ("MISC_CHECK {\n misc_path \"/bin/false\"\n }", false, "exit status 1"),
            ("MISC_CHECK {\n misc_path \"/bin/sleep 30\"\n misc_timeout 0.3\n }", false, "timed out"),
            ("FILE_CHECK {\n track_file load\n }", true, "the file says 5: +10 for the weight"),
            ("FILE_CHECK {\n track_file load\n weight 0\n }", false, "the file says 5"),
        ],
    );
    // The weights, of 100 each.
    assert_eq!(bench.real(9003).weight_effective, Some(198));
    assert_eq!(bench.real(9006).weight_effective, Some(110));
    std::fs::write(&code, "0").unwrap();
    std::fs::write(&number, "-10").unwrap();
    wait_for("other weights", 3, || {
        (bench.real(9003).weight_effective, bench.real(9006).weight_effective) == (Some(100), Some(80))
    });
    std::fs::write(&code, "1").unwrap();
    std::fs::write(&number, "0").unwrap();
    wait_for("a failure and a success", 3, || {
        (bench.real(9003).health.verdict, bench.real(9007).health.verdict) == (Verdict::Down, Verdict::Up)
    });
    assert_eq!(bench.real(9003).weight_effective, Some(0), "inhibited, and still in the table");
    std::fs::write(&code, "0").unwrap();
    wait_for("its own weight again", 3, || bench.real(9003).weight_effective == Some(100));
    std::fs::write(&code, "12").unwrap();
    wait_for("back with its weight", 3, || bench.real(9003).weight_effective == Some(10));
}

// parity: 81
#[test]
fn a_bfd_session_is_a_check() {
    let Some(mut bench) = Bench::new() else { return };
    let session = |neighbor: &str, local: &str| {
        format!(
            "bfd_instance peer {{\n neighbor_ip {neighbor}\n source_ip {local}\n min_rx 50\n min_tx 50\n idle_tx 1000\n multiplier 3\n}}\n"
        )
    };
    // The other side is an engine, too, which tracks the session.
    let other = session("10.9.0.1", "10.9.0.2")
        + "vrrp_instance X {\n interface eth0\n virtual_router_id 9\n priority 9\n virtual_ipaddress {\n 10.9.0.9/24\n }\n track_bfd {\n peer\n }\n}\n";
    let file = bench.file("other.conf", &other);
    let socket = bench.path("other").to_str().unwrap().to_owned();
    let argv = [crate::PROGRAM, "run", "--headless", "--no-guard", "-f", &file, "--control", &socket];
    let neighbor = Running::start(&bench.pair.b, bench.directory.path(), "other", &argv);
    look(&mut bench, &session("10.9.0.2", "10.9.0.1"), &[("BFD_CHECK {\n name peer\n }", true, "the session is up")]);
    assert_eq!(bench.real(9001).weight_effective, Some(100));
    // Without a word: who says that it leaves is no failure.
    let pid = neighbor.pid().to_string();
    run(&["netns", "exec", &bench.pair.b, "kill", "-9", &pid]);
    wait_for("it is down", 5, || bench.real(9001).health.verdict == Verdict::Down);
    assert!(bench.runs(9001).runs.last().unwrap().found.text().starts_with("the session is "));
}
