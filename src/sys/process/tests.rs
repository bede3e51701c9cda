use super::*;

fn script(argv: &[&str]) -> Script {
    let argv = argv.iter().map(|&word| word.to_owned()).collect();
    Script {
        argv,
        user: None,
        group: None,
        timeout: Duration::from_secs(10),
        leaves_children: false,
        keeps: Keeps::Last,
    }
}

fn as_nobody(argv: &[&str]) -> Script {
    Script { user: Some("nobody".into()), ..script(argv) }
}

/// The running processes whose command line is exactly this.
fn running(argv: &[&str]) -> usize {
    let wanted: Vec<u8> = argv.iter().flat_map(|w| w.bytes().chain([0])).collect();
    let all = std::fs::read_dir("/proc").unwrap();
    all.flatten().filter(|p| std::fs::read(p.path().join("cmdline")).is_ok_and(|line| line == wanted)).count()
}

#[tokio::test]
async fn the_exit_status_decides() {
    let good = run_script(&script(&["/bin/true"])).await;
    assert!(good.good && good.end == End::Exit(0));
    let bad = run_script(&script(&["/bin/false"])).await;
    assert!(!bad.good && bad.end == End::Exit(1));
    assert_eq!(bad.detail(), "exit status 1");
}

#[tokio::test]
async fn what_cannot_run_says_why() {
    let missing = run_script(&script(&["/no/such/program"])).await;
    assert!(!missing.good);
    assert!(missing.detail().contains("/no/such/program: No such file"), "{}", missing.detail());
    let nobody = run_script(&Script { user: Some("no-such-user".into()), ..script(&["/bin/true"]) }).await;
    assert_eq!(nobody.end, End::NotRun("no user is named no-such-user".into()));
    assert!(matches!(run_script(&script(&[])).await.end, End::NotRun(_)));
}

#[tokio::test]
async fn a_script_that_hangs_is_told_to_end() {
    let hanging = Script { timeout: Duration::from_millis(100), ..script(&["/bin/sleep", "61.25"]) };
    let outcome = run_script(&hanging).await;
    assert!(!outcome.good && outcome.timed_out);
    assert_eq!(outcome.end, End::Signal(Signal::SIGTERM as i32));
    assert!(outcome.took < Duration::from_secs(2), "{:?}", outcome.took);
    assert_eq!(running(&["/bin/sleep", "61.25"]), 0);
}

#[tokio::test]
async fn a_script_that_ignores_sigterm_is_killed_with_its_children() {
    // env(1) starts it with SIGTERM ignored, and so is what it becomes.
    let argv = ["/usr/bin/env", "--ignore-signal=TERM", "/bin/sleep", "61.5"];
    let outcome = run_script(&Script { timeout: Duration::from_millis(100), ..script(&argv) }).await;
    assert_eq!((outcome.timed_out, outcome.end), (true, End::Signal(Signal::SIGKILL as i32)));
    assert!(outcome.took >= GRACE, "{:?}", outcome.took);
    assert_eq!(running(&["/bin/sleep", "61.5"]), 0);
}

#[tokio::test]
async fn dropping_the_run_kills_the_script() {
    let spec = script(&["/bin/sleep", "61.75"]);
    let run = timeout(Duration::from_millis(200), run_script(&spec)).await;
    assert!(run.is_err());
    let gone = async {
        while running(&["/bin/sleep", "61.75"]) > 0 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(5), gone).await.expect("it is gone");
}

#[tokio::test]
async fn output_is_kept_to_its_tail_and_never_blocks_the_script() {
    let outcome = run_script(&script(&["/usr/bin/seq", "1", "200000"])).await;
    assert!(outcome.good);
    assert!(outcome.output.ends_with("199999\n200000\n") && outcome.output.len() <= OUTPUT_KEPT);
}

#[tokio::test]
async fn the_environment_is_clean() {
    let outcome = run_script(&script(&["/usr/bin/env"])).await;
    assert_eq!(outcome.output, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n");
}

#[tokio::test]
async fn privileges_are_dropped_with_the_supplementary_groups() {
    if !nix::unistd::geteuid().is_root() {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "needs root");
        eprintln!("skipped: needs root to change the user");
        return;
    }
    let nobody = User::from_name("nobody").unwrap().unwrap();
    let user = run_script(&as_nobody(&["/usr/bin/id", "-u"])).await;
    assert_eq!(user.output.trim(), nobody.uid.to_string());
    let groups = run_script(&as_nobody(&["/usr/bin/id", "-G"])).await;
    assert_eq!(groups.output.trim(), nobody.gid.to_string());
    let other = Script { group: Some("daemon".into()), ..as_nobody(&["/usr/bin/id", "-gn"]) };
    assert_eq!(run_script(&other).await.output.trim(), "daemon");
}

#[tokio::test]
async fn it_leads_its_own_process_group() {
    // Field 1 is the pid, field 5 the process group (proc_pid_stat(5)).
    let outcome = run_script(&script(&["/bin/cat", "/proc/self/stat"])).await;
    let fields: Vec<_> = outcome.output.split(' ').collect();
    assert_eq!(fields[0], fields[4]);
}
