//! Firewall tables, by the program nft(8).

use super::child::die_with_parent;
use crate::kernel::{Firewall, FirewallTable};
use std::io;
use std::process::{Output, Stdio};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// It takes some milliseconds.
const LIMIT: Duration = Duration::from_secs(2);
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Whose the table of a name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Nobody,
    Us,
    Other,
}

/// Sets the table as a whole, in one transaction. A table of that name that is not ours is refused.
pub async fn set(firewall: &Firewall) -> Result<(), String> {
    if owner(&firewall.table).await? == Owner::Other {
        let name = &firewall.table.name;
        return Err(format!("table inet {name} is somebody else's: give ours another name with `nftables NAME`"));
    }
    run(&["-f", "-"], &firewall.script()).await.map(drop)
}

/// Removes the table, if it is ours; true if it was there.
pub async fn remove(table: &FirewallTable) -> Result<bool, String> {
    if owner(table).await? != Owner::Us {
        return Ok(false);
    }
    run(&["delete", "table", "inet", &table.name], "").await.map(|_| true)
}

/// Known by the comments of its rules: kernels before 5.10 keep none of tables.
async fn owner(table: &FirewallTable) -> Result<Owner, String> {
    let output = start(&["list", "table", "inet", &table.name], "").await?;
    if output.status.success() {
        let ours = String::from_utf8_lossy(&output.stdout).contains(&format!("comment \"{}\"", table.mark()));
        return Ok(if ours { Owner::Us } else { Owner::Other });
    }
    let said = said(&output);
    if said.contains("No such file or directory") { Ok(Owner::Nobody) } else { Err(said) }
}

async fn run(arguments: &[&str], input: &str) -> Result<Output, String> {
    let output = start(arguments, input).await?;
    if output.status.success() { Ok(output) } else { Err(said(&output)) }
}

async fn start(arguments: &[&str], input: &str) -> Result<Output, String> {
    let mut command = std::process::Command::new("nft");
    command.args(arguments).env_clear().env("PATH", PATH).env("LC_ALL", "C").current_dir("/");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    die_with_parent(&mut command);
    let mut command = Command::from(command);
    let work = async {
        let mut child = command.kill_on_drop(true).spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes()).await?;
        }
        child.wait_with_output().await
    };
    match tokio::time::timeout(LIMIT, work).await {
        Ok(Ok(output)) => Ok(output),
        Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => {
            Err("there is no program nft: install the package nftables".to_owned())
        }
        Ok(Err(error)) => Err(format!("run nft: {error}")),
        Err(_) => Err(format!("nft did not end within {LIMIT:?}")),
    }
}

/// The first line of its complaint, which has the reason.
fn said(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("no reason given");
    format!("nft: {line}")
}
