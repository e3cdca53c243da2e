//! `cargo xtask attacks`: named attacks on a real node, each with what it tries and what it gets.

mod attack;
mod doors;
mod field;
mod lent;
mod provider;
mod quota;
mod rights;
mod running;
mod sandbox;

use attack::{Attack, Got};
use clap::Parser;
use field::Field;
use std::process::ExitCode;
use std::time::Duration;

/// How long another user's `get` may take during an attack, at the median.
const MEDIAN: Duration = Duration::from_millis(50);

/// Runs attacks and says which were contained.
#[derive(Debug, Parser)]
struct Args {
    /// Only those in whose name this stands.
    #[arg(long)]
    only: Option<String>,
    /// Print them, with what each tries, and run none.
    #[arg(long)]
    list: bool,
    /// Take each guard away and show that its attacks succeed then.
    #[arg(long)]
    guards_off: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let mut attacks = attack::all();
    attacks.retain(|attack| args.only.as_ref().is_none_or(|only| attack.name.contains(only.as_str())));
    if args.list {
        for attack in &attacks {
            let guards: Vec<String> = attack.guards.iter().map(|guard| format!("{guard:?}")).collect();
            println!("{:24} {:16} {}", attack.name, guards.join(" "), attack.tries);
        }
        return ExitCode::SUCCESS;
    }
    if args.guards_off && emerge_proto::guard::GUARDED {
        println!("this build has its guards for good; run: cargo xtask attacks --guards-off");
        return ExitCode::from(2);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            println!("no threads: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(async {
        let field = Field::start().await?;
        let outcome =
            if args.guards_off { off(&field, &attacks).await } else { Ok(on(&field, &attacks).await) };
        field.stop().await?;
        outcome
    });
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            println!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the attacks on a node with all its guards.
async fn on(field: &Field, attacks: &[Attack]) -> bool {
    let mut contained = 0;
    for attack in attacks {
        let (got, median) = field.during((attack.run)(field)).await;
        let harm = field.harm().await;
        let (is_contained, what) = match (&got, harm) {
            (Got::Through(what), _) => (false, format!("SUCCEEDED: {what}")),
            (Got::Contained(_), Some(harm)) => (false, format!("HARM: {harm}")),
            (Got::Contained(_), None) if median > MEDIAN => (false, format!("another's get took {median:?}")),
            (Got::Contained(what), None) => (true, what.clone()),
        };
        contained += usize::from(is_contained);
        println!(
            "{} {:34} {what} ({:.1} ms)",
            if is_contained { "ok  " } else { "FAIL" },
            attack.name,
            median.as_secs_f64() * 1e3
        );
    }
    println!("{} attacks, {contained} contained", attacks.len());
    contained == attacks.len()
}

/// Takes each guard away in turn, and shows which attacks succeed then.
#[cfg(feature = "guards-off")]
async fn off(field: &Field, attacks: &[Attack]) -> Result<bool, String> {
    use emerge_proto::guard::Guard;
    let (mut all, mut shown) = (0, 0);
    for (guard, about) in Guard::ALL {
        let its: Vec<&Attack> = attacks.iter().filter(|attack| attack.guards.contains(guard)).collect();
        if its.is_empty() {
            continue;
        }
        println!("without {guard:?} ({}):", about.trim());
        for attack in its {
            attack.guards.iter().for_each(|guard| guard.set(false));
            let got = (attack.run)(field).await;
            attack.guards.iter().for_each(|guard| guard.set(true));
            field.mend().await?;
            all += 1;
            let (is_through, what) = match got {
                Got::Through(what) => (true, what),
                Got::Contained(what) => (false, what),
            };
            shown += usize::from(is_through);
            println!("  {} {:34} {what}", if is_through { "succeeds" } else { "FAILS   " }, attack.name);
        }
    }
    println!("{all} attacks, {shown} succeed");
    Ok(all == shown)
}

#[cfg(not(feature = "guards-off"))]
async fn off(_: &Field, _: &[Attack]) -> Result<bool, String> {
    Err("this build has its guards for good".into())
}
