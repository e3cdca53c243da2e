//! Running a node.

use crate::args::{NodeDoctor, NodeStart};
use crate::output::{NAME, Output};
use emerge_proto::Result;
use emerge_server::{Additions, Allowances, AuditConfig, Config, OidcConfig, TlsFiles};
use serde_json::json;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

pub(super) async fn start(args: &NodeStart, output: &Output) -> Result<()> {
    log(args);
    let allowances = Allowances::default();
    let config = Config {
        data: args.data.clone(),
        host: args.host,
        port: args.port,
        notebook_port: args.notebook_port,
        name: args.name.clone(),
        allow_origins: args.allow_origin.clone(),
        allow_hosts: args.allow_host.clone(),
        allowances: Allowances {
            user: args.limit_user.unwrap_or(allowances.user),
            address: args.limit_address.unwrap_or(allowances.address),
        },
        audit: AuditConfig { level: args.audit, max_bytes: args.audit_bytes, max_files: args.audit_files },
        tls: args
            .tls_cert
            .clone()
            .zip(args.tls_key.clone())
            .map(|(certificate, key)| TlsFiles { certificate, key }),
        oidc: match (&args.oidc_issuer, &args.oidc_audience, &args.jwks) {
            (Some(issuer), Some(audience), Some(keys)) => Some(OidcConfig {
                issuer: issuer.clone(),
                audience: audience.clone(),
                keys: keys.clone(),
                claim: args.oidc_claim.clone(),
            }),
            _ => None,
        },
    };
    let progress = |step: &str| output.note(step);
    let additions = Additions {
        python_packages: args.python_packages.clone(),
        native_python: args.native_python.clone(),
    };
    let (runtime, native) = emerge_server::sandbox_with(&additions, &progress).await?;
    if let Some(report) = native {
        tracing::info!(
            version = report.version,
            interpreter = %report.interpreter.display(),
            landlock = report.landlock,
            user = report.user,
            packages = report.packages.join(", "),
            "native Python is ready"
        );
    }
    let python = runtime.clone();
    let node = emerge_server::start(config, runtime).await?;
    let stopped = stopped();
    // Beside the node's work, which begins at once; whoever calls a method in Python meanwhile waits for it.
    std::thread::spawn(move || {
        if let Err(error) = python.ready_python(&|step| tracing::info!("{step}")) {
            tracing::warn!(%error, "methods in Python cannot run");
        }
    });
    if output.json {
        output.json(&json!({
            "url": node.url(),
            "token": node.token,
            "notebook": node.notebook_link(),
            "data": node.data.display().to_string(),
        }));
    } else {
        output.line(format!("Emerge is ready. Open {NAME}{}{NAME:#}", node.link()));
        output.line(format!("For the command and for programs: {NAME}emerge init '{}'{NAME:#}", node.link()));
        output.line(format!("Python in a notebook: {NAME}{}{NAME:#}", node.notebook_link()));
        output.line(format!("Objects are kept in {}. Ctrl-C stops the node.", node.data.display()));
    }
    stopped.await;
    output.note("stopping");
    node.stop().await
}

/// Compiles the sandboxes, as the first start of a node does.
pub(super) async fn prepare(output: &Output) -> Result<()> {
    emerge_server::whole_sandbox(&|step| output.note(step)).await?;
    output.note("the sandboxes are compiled");
    Ok(())
}

/// Says what a node finds here.
pub(super) async fn doctor(args: &NodeDoctor, output: &Output) -> Result<()> {
    let sandbox =
        emerge_server::sandbox(&|step| output.note(step)).await.map(|_| "the guests are here".to_owned());
    let native = match &args.native_python {
        None => Ok("off; a node has it with --native-python VENV".to_owned()),
        Some(venv) => emerge_server::native_python(venv).await.map(|(_, report)| {
            let user =
                report.user.map_or_else(|| "the node's user".to_owned(), |user| format!("user {user}"));
            let packages = report.packages.join(", ");
            format!(
                "Python {} ({}), Landlock {}, seccomp, workers of {user}; installed: {packages}",
                report.version,
                report.interpreter.display(),
                report.landlock
            )
        }),
    };
    let mut failed = None;
    for (name, found) in [("sandbox", sandbox), ("native Python", native)] {
        let (is_well, text) = match &found {
            Ok(text) => (true, text.clone()),
            Err(error) => (false, error.message.clone()),
        };
        if output.json {
            output.json(&json!({ "check": name, "ok": is_well, "found": text }));
        } else {
            output.line(format!("{} {NAME}{name}{NAME:#}: {text}", if is_well { "ok  " } else { "FAIL" }));
        }
        failed = failed.or(found.err());
    }
    failed.map_or(Ok(()), Err)
}

/// Ctrl-C or SIGTERM. They count from now on, not only from when they are waited for: whoever reads that the node is ready may stop it at once.
fn stopped() -> impl Future<Output = ()> {
    #[cfg(unix)]
    let signals = {
        use tokio::signal::unix::{SignalKind, signal};
        signal(SignalKind::interrupt())
            .and_then(|interrupt| Ok((interrupt, signal(SignalKind::terminate())?)))
    };
    async move {
        #[cfg(unix)]
        if let Ok((mut interrupt, mut terminate)) = signals {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
        // Without a way to hear signals the node runs until it is killed, which loses nothing.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

fn log(args: &NodeStart) {
    let filter = EnvFilter::try_new(&args.log).unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_span_events(FmtSpan::NONE);
    // A second logger in one process is refused; the first goes on.
    let _ = if args.log_json {
        log.json().try_init()
    } else {
        log.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init()
    };
}
