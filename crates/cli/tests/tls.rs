//! The command and a node that speaks TLS, with a certificate that `EMERGE_CA` makes trusted.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use common::Node;
use std::process::Output;
use tempfile::TempDir;

#[test]
fn the_command_comes_by_tls_when_it_trusts_the_certificate() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let (cert, key, data) = (at("cert.pem"), at("key.pem"), folder.path().join("data"));
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let words = ["--tls-cert", &cert, "--tls-key", &key];
    let node = Node::start_with(&data, TempDir::new().unwrap(), "0", &words);
    assert!(node.url.starts_with("wss://"), "{}", node.url);
    let url = node.url.replace("127.0.0.1", "localhost");
    let run = |ca: Option<&str>, args: &[&str]| -> Output {
        let mut command = node.command(args);
        command.env("EMERGE_URL", &url).env("EMERGE_CA", ca.unwrap_or_default());
        command.output().unwrap()
    };
    let good = run(Some(&cert), &["mkdir", "/secure"]);
    assert!(good.status.success(), "{}", String::from_utf8_lossy(&good.stderr));
    assert_eq!(run(Some(&cert), &["ls", "/"]).stdout, b"secure/\n");
    // What is too large for one message goes by HTTP.
    let copy = at("copy");
    let backup = run(Some(&cert), &["export", "/secure", &copy]);
    assert!(backup.status.success(), "{}", String::from_utf8_lossy(&backup.stderr));

    let named = run(None, &["--ca", &cert, "ls", "/"]);
    assert_eq!((named.status.code(), named.stdout), (Some(0), b"secure/\n".to_vec()));
    let copy = at("copy-too");
    assert!(run(None, &["export", "/secure", &copy, "--ca", &cert]).status.success());

    let unknown = run(None, &["ls", "/", "--timeout", "5"]);
    assert!(!unknown.status.success() && unknown.stdout.is_empty());
    let said = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(said.contains("certificate") && !said.contains(&node.token), "{said}");
    let none = run(Some(&at("nothing")), &["ls", "/", "--timeout", "5"]);
    assert!(String::from_utf8_lossy(&none.stderr).contains("nothing"), "{none:?}");
}
