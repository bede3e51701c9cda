//! Nodes that do not have the same password: two masters, and the reason for it is said.

use crate::able;
use crate::engine::events;
use crate::namespaces::wait_for;
use crate::stage::{ADDRESSES, Program, Stage};
use vipdeck::status::{Severity, Subject};

// parity: 28
#[test]
fn a_wrong_password_is_reported_with_its_sender() {
    if !able() {
        return;
    }
    for ours in [0, 1] {
        let programs = [[Program::Vipdeck, Program::Keepalived], [Program::Keepalived, Program::Vipdeck]][ours];
        let Some(mut stage) = Stage::new(programs) else { return };
        let theirs = 1 - ours;
        let wrong = |server, text: String| if server == theirs { text.replace("vipdeck1", "vipdeck2") } else { text };
        stage.write_files(wrong);
        stage.start(ours);
        stage.start(theirs);
        let finding = || stage.snapshot(ours).findings.into_iter().find(|f| f.kind == "wrong-password");
        wait_for("the finding", 10, || finding().is_some());
        let finding = finding().unwrap();
        let sender = ADDRESSES[theirs].to_string();
        assert_eq!(finding.subject, "VI_1");
        assert!(finding.text.contains(&sender) && finding.text.contains("wrong password"), "{finding:?}");
        assert!(finding.severity >= Severity::Warning);
        let events = events(&stage.socket(ours));
        let event = events.iter().find(|e| e.kind == "refused").expect("an event");
        assert_eq!(event.subject, Subject::Instance("VI_1".into()));
        assert!(event.text.contains(&sender), "{event:?}");
        let snapshot = stage.snapshot(ours);
        let instance = snapshot.instance("VI_1").unwrap();
        assert!(instance.adverts_refused > 0);
        assert!(instance.heard.is_empty(), "a refused advert is no neighbour: {instance:#?}");
        let text = format!("{snapshot:?}{events:?}");
        assert!(!text.contains("vipdeck1") && !text.contains("vipdeck2"), "no password is ever shown");
        eprintln!("{programs:?}: {}", finding.text);
        stage.stop(ours);
        stage.stop(theirs);
    }
}
