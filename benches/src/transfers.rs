//! Amounts moved between two of many accounts by a method, durably and exactly once, against a stored procedure of PostgreSQL's that does the same.

use crate::Measured;
use crate::postgres::Postgres;
use crate::report::Answer;
use crate::setting::{Setting, text};
use axum::Router;
use emerge_client::native::Client;
use emerge_engine::Principal;
use emerge_proto::module::Description;
use emerge_proto::op::StoreMode;
use emerge_proto::{Path, Value};
use futures_util::future::try_join_all;
use std::time::{Duration, Instant};

const ACCOUNTS: usize = 100_000;
const CLIENTS: usize = 50;
/// Cents of each at the beginning.
const CENTS: i64 = 1_000_000_000;
/// Seconds of each side in one run.
const SECONDS: u64 = 4;
/// Built by `cargo xtask build classes`.
const MODULE: &str = "target/classes/purse.wasm";
const NOW: i64 = 1_800_000_000_000_000;

/// Which accounts are used how often.
#[derive(Clone, Copy)]
pub(crate) enum Spread {
    /// Each as often as any.
    Uniform,
    /// The k-th most used k^1.5 times less often than the first, as pgbench's `random_zipfian` has it.
    Zipf,
}

/// How many times as many moves a second as PostgreSQL.
pub(crate) async fn measure(spread: Spread, runs: usize) -> Measured {
    let postgres = Postgres::start(&procedure()).await?;
    let setting = Setting::new(Router::new()).await?;
    open_accounts(&setting).await?;
    let clients = try_join_all((0..CLIENTS).map(|_| setting.client())).await?;
    let chosen = Chosen::new(spread);
    let mut ratios = Vec::new();
    let mut rates = (0.0, 0.0);
    for run in 0..=runs {
        let ours = moves_per_second(&clients, &chosen, run as u64).await?;
        let theirs = postgres.per_second(&script(spread), CLIENTS, SECONDS).await?;
        // The first warms both sides up.
        if run > 0 {
            ratios.push(ours / theirs);
            rates = (ours, theirs);
        }
    }
    let all = ACCOUNTS as i64 * CENTS;
    let (ours, theirs) = (total(&setting).await?, postgres.ask("select sum(cents) from account").await?);
    if ours != all || theirs != all.to_string() {
        return Err(format!("of {all} cents {ours} are left here, and {theirs} in PostgreSQL"));
    }
    for client in clients {
        client.close().await;
    }
    setting.stop().await?;
    postgres.stop().await?;
    let note = format!(
        "{:.0} moves/s against {:.0}: {CLIENTS} clients, {ACCOUNTS} accounts, durable; both totals exact",
        rates.0, rates.1
    );
    Ok(Answer { runs: ratios, note })
}

/// The table, with the accounts, and the procedure: both rows are locked in one order, so that none waits for the other.
fn procedure() -> String {
    format!(
        "create table account (id int primary key, cents bigint not null);
         insert into account select id, {CENTS} from generate_series(1, {ACCOUNTS}) id;
         create function give(giver int, taker int, amount bigint) returns bigint language plpgsql as $$
         declare rest bigint;
         begin
           perform 1 from account where id in (giver, taker) order by id for update;
           update account set cents = cents - amount where id = giver and cents >= amount
             returning cents into rest;
           if rest is null then raise 'the amount cannot be given'; end if;
           update account set cents = cents + amount where id = taker;
           return rest;
         end $$;
         vacuum analyze account; checkpoint;"
    )
}

fn script(spread: Spread) -> String {
    let one = match spread {
        Spread::Uniform => format!("random(1, {ACCOUNTS})"),
        Spread::Zipf => format!("random_zipfian(1, {ACCOUNTS}, 1.5)"),
    };
    format!(
        "\\set giver {one}\n\\set taker {one}\n\\if :giver = :taker\n\\set taker 1 + :taker % {ACCOUNTS}\n\\endif\n\
         \\set amount random(1, 100)\nselect give(:giver, :taker, :amount);\n"
    )
}

fn path(number: usize) -> Result<Path, String> {
    Path::parse(&format!("/bank/a{number:06}")).map_err(text)
}

/// Puts the accounts there, in this process, and waits until they are durable.
async fn open_accounts(setting: &Setting) -> Result<(), String> {
    let module = std::fs::read(MODULE)
        .map_err(|error| format!("{MODULE}: {error}; cargo xtask build classes makes it"))?;
    let client = setting.client().await?;
    let class = Description::of(&module).map_err(text)?.class(module);
    let hash = client.put_class(&class).await.map_err(text)?.hash;
    client.mkdir(&Path::parse("/bank").map_err(text)?, true).await.map_err(text)?;
    client.close().await;
    let engine = setting.node.node().engine();
    let state = Value::Map(vec![("cents".into(), Value::Int(CENTS))]).encode();
    let mut last = 0;
    for from in (0..ACCOUNTS).step_by(1000) {
        let mut tx = engine.begin(Principal::admin(), NOW, from as u64 + 1);
        for number in from..from + 1000 {
            let path = path(number)?;
            tx.store(&(&path).into(), hash, &state, StoreMode::Create, None, &[]).await.map_err(text)?;
        }
        last = tx.commit(None).await.map_err(|error| format!("{error:?}"))?.number;
    }
    engine.durable(last).await.map_err(text)
}

/// Moves a second of all clients together; each waits for one before its next.
async fn moves_per_second(clients: &[Client], chosen: &Chosen, seed: u64) -> Result<f64, String> {
    let begun = Instant::now();
    let end = Duration::from_secs(SECONDS);
    let moves = try_join_all(clients.iter().enumerate().map(async |(number, client)| {
        let mut rng = fastrand::Rng::with_seed(seed * CLIENTS as u64 + number as u64);
        let mut moves = 0u64;
        while begun.elapsed() < end {
            let (giver, mut taker) = (chosen.one(&mut rng), chosen.one(&mut rng));
            if giver == taker {
                taker = (taker + 1) % ACCOUNTS;
            }
            let args = [Value::Text(path(taker)?.to_string()), Value::Int(rng.i64(1..=100))];
            client.call(&path(giver)?, "give", &args, false).await.map_err(text)?;
            moves += 1;
        }
        Ok::<_, String>(moves)
    }))
    .await?;
    Ok(moves.iter().sum::<u64>() as f64 / begun.elapsed().as_secs_f64())
}

async fn total(setting: &Setting) -> Result<i64, String> {
    let client = setting.client().await?;
    let mut total = 0;
    for number in 0..ACCOUNTS {
        let fetched = client.get(&path(number)?, None).await.map_err(text)?;
        let Value::Map(fields) = Value::decode(&fetched.state).map_err(text)? else {
            return Err("an account is no object".into());
        };
        match fields.first() {
            Some((_, Value::Int(cents))) => total += cents,
            other => return Err(format!("an account has {other:?}")),
        }
    }
    client.close().await;
    Ok(total)
}

/// Chooses accounts as a spread says.
enum Chosen {
    Uniform,
    /// For each account how probable it and all before it are together.
    Zipf(Vec<f64>),
}

impl Chosen {
    fn new(spread: Spread) -> Self {
        match spread {
            Spread::Uniform => Self::Uniform,
            Spread::Zipf => {
                let mut sum = 0.0;
                let mut sums: Vec<f64> = (1..=ACCOUNTS)
                    .map(|place| {
                        sum += (place as f64).powf(-1.5);
                        sum
                    })
                    .collect();
                sums.iter_mut().for_each(|each| *each /= sum);
                Self::Zipf(sums)
            }
        }
    }

    fn one(&self, rng: &mut fastrand::Rng) -> usize {
        match self {
            Self::Uniform => rng.usize(0..ACCOUNTS),
            Self::Zipf(sums) => {
                let point = rng.f64();
                sums.partition_point(|sum| *sum < point).min(ACCOUNTS - 1)
            }
        }
    }
}
