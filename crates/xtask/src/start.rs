//! `start`: everything from nothing to a running node and its page.

use crate::exec::Cmd;
use crate::report::Report;
use crate::{args::Args, build, project, setup};
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, Write};

pub fn run(mut args: Args) -> Result<bool> {
    let open = !args.switch("--no-open") && has_desktop();
    let flags = args.rest();
    let mut report = Report::new();
    if !report.stage("set up", setup::for_build) || !report.stage("build", build::everything) {
        return Ok(report.finish(false));
    }
    println!("\n== node");
    let mut node = Cmd::new(build::emerge_file()).args(["node", "start"]);
    if !flags.iter().any(|flag| flag == "--data" || flag.starts_with("--data=")) {
        node = node.arg("--data").arg(project::root().join(".emerge"));
    }
    node = node.args(flags);
    println!("   $ {}", node.shown());
    let mut running = node.spawn_reading()?;
    let mut opened = !open;
    if let Some(out) = running.stdout() {
        for line in BufReader::new(out).lines() {
            let line = line.context("the node's output")?;
            writeln!(std::io::stdout(), "{line}")?;
            if let (false, Some(link)) = (opened, link_in(&line)) {
                opened = true;
                // A browser that does not come up is no reason to stop: the link is printed.
                let _ = Cmd::new("xdg-open").arg(link).output();
            }
        }
    }
    let status = running.wait()?;
    if !status.success() {
        bail!("the node ended ({status}): {}", node.shown());
    }
    Ok(true)
}

fn has_desktop() -> bool {
    (std::env::var_os("DISPLAY").is_some() || std::env::var_os("WAYLAND_DISPLAY").is_some())
        && project::find_program(&["xdg-open"]).is_some()
}

fn link_in(line: &str) -> Option<&str> {
    let link = &line[line.find("http://")?..];
    let link = link.split([' ', '"', '\u{1b}']).next()?;
    link.contains("token=").then_some(link)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_is_found_in_what_the_node_prints() {
        assert_eq!(
            link_in("Open http://127.0.0.1:5558/?token=abc in a browser"),
            Some("http://127.0.0.1:5558/?token=abc")
        );
        assert_eq!(link_in("listening on http://127.0.0.1:5558/"), None);
    }
}
