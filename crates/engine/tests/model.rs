//! Random operations of several users against a simple model, interleaved, committed, lost and found again.
//!
//! Every transaction notes what each operation replied. When it commits, the same operations are run on the model, in
//! the order of the commits: equal replies mean that the transactions were serializable.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;
mod tree;

use common::*;
use emerge_engine::testing::check_store;
use emerge_engine::{Backend, CommitError, Engine, EngineOptions, MemoryBackend, Principal, Tx};
use emerge_proto::ClassHash;
use emerge_proto::account::{GroupAction, UserAction};
use emerge_proto::op::StoreMode;
use proptest::prelude::*;
use tree::{GROUP, Model, Operation, Reply, cases};

/// The administrator, and two of the same group: who runs a transaction, by its number.
const USERS: [&str; 3] = ["admin", "ada", "bob"];

fn principal(user: &str) -> Principal {
    if user == "admin" {
        return Principal::admin();
    }
    Principal { groups: vec![GROUP.into()], ..Principal::user(user) }
}

#[derive(Clone, Debug)]
enum Step {
    /// The transaction of this number begins if it has not, and runs an operation.
    Run(usize, Operation),
    Commit(usize),
    Abandon(usize),
    Settle,
    Collect,
    /// An index by all classes or one is made, or dropped.
    Index(&'static str, bool),
    /// The next objects are added to an index.
    Build,
    Reopen,
}

async fn run<B: Backend>(tx: &mut Tx<B>, operation: &Operation, class: ClassHash) -> Reply {
    let result = match operation {
        Operation::Mkdir(at, exist_ok) => tx.mkdir(&path(at), *exist_ok).await.map(|_| "made".to_owned()),
        Operation::Store(at, value, mode) => {
            tx.store(&path(at), class, &n(*value), *mode, None, &[]).await.map(|_| "stored".to_owned())
        }
        Operation::Get(at) => tx.get(&path(at), None).await.map(|fetched| match fetched.members {
            Some(_) => "directory".to_owned(),
            None => n_of(&fetched.state).to_string(),
        }),
        Operation::List(at) => tx
            .list(&path(at), None, None)
            .await
            .map(|page| page.members.iter().map(|member| member.name.clone()).collect::<Vec<_>>().join(" ")),
        Operation::Rm(at, recursive) => tx.rm(&path(at), *recursive).await.map(|()| "removed".to_owned()),
        Operation::Mv(from, to) => tx.mv(&path(from), to).await.map(|()| "moved".to_owned()),
        Operation::Cp(from, to, recursive) => {
            tx.cp(&path(from), to, *recursive).await.map(|_| "copied".to_owned())
        }
        Operation::Chmod(at, perms, recursive) => {
            tx.chmod(&path(at), perms, *recursive).await.map(|_| "changed".to_owned())
        }
        Operation::Chown(at, owner, group, recursive) => {
            tx.chown(&path(at), *owner, *group, *recursive).await.map(|_| "given".to_owned())
        }
        Operation::Stat(at) => {
            let stat = tx.stat(&path(at)).await;
            stat.map(|stat| format!("{} {} {}", stat.perms, stat.owner, stat.group))
        }
    };
    result.map_err(|error| error.code)
}

/// What a transaction was told by each operation, and how many had committed by then.
type Transaction = (Tx<MemoryBackend>, Vec<(Operation, Reply, usize)>);

/// Commits, and compares with the model what the transaction was told.
async fn finish(open: Option<Transaction>, model: &mut Model, commits: &mut usize) {
    let Some((tx, told)) = open else { return };
    let user = tx.principal().user.clone();
    match tx.commit(None).await {
        Ok(_) => {
            for (operation, reply, at_commits) in &told {
                if let (Operation::Rm(at, true), Ok(_)) = (operation, reply)
                    && at_commits < commits
                    && model.may_remove(&user, at).is_ok()
                {
                    // What others put into a tree while it is removed goes with it, whoever might remove it otherwise.
                    model.remove(at);
                    continue;
                }
                assert_eq!(&model.run(&user, operation), reply, "{operation:?} by {user} in {told:#?}");
            }
            *commits += 1;
        }
        Err(CommitError::Conflict) => {}
        Err(CommitError::Error(error)) => panic!("{error}"),
    }
}

async fn scenario(steps: Vec<Step>) {
    let backing = MemoryBackend::new();
    let mut model = Model::new();
    let mut new = true;
    let mut commits = 0;
    let mut rest = steps.into_iter().peekable();
    while rest.peek().is_some() {
        let engine = Engine::open(backing.clone(), EngineOptions::new("test"), NOW).await.unwrap();
        let body = async {
            let class = put_class(&engine).await;
            if std::mem::take(&mut new) {
                let mut tx = admin(&engine);
                tx.chmod(&path("/"), "777", false).await.unwrap();
                tx.groups(GroupAction::Add, Some(GROUP), None).await.unwrap();
                for (at, user) in USERS[1..].iter().enumerate() {
                    tx.users(UserAction::Add, Some(user), Some(&[at as u8; 32]), None).await.unwrap();
                }
                commit(tx).await.unwrap();
            }
            let mut open: [Option<Transaction>; 3] = [None, None, None];
            for step in rest.by_ref() {
                match step {
                    Step::Run(at, operation) => {
                        let (tx, told) = open[at].get_or_insert_with(|| {
                            (engine.begin(principal(USERS[at]), NOW, seed()), Vec::new())
                        });
                        let reply = run(tx, &operation, class).await;
                        told.push((operation, reply, commits));
                    }
                    Step::Commit(at) => finish(open[at].take(), &mut model, &mut commits).await,
                    Step::Abandon(at) => open[at] = None,
                    Step::Settle => settle(&engine).await,
                    Step::Collect => {
                        engine.collect(NOW, 40).await.unwrap();
                    }
                    Step::Index(class, create) => {
                        let mut tx = admin(&engine);
                        if create {
                            tx.create_index(class, "n", false).await.unwrap();
                        } else {
                            tx.drop_index(class, "n").await.unwrap();
                        }
                        tx.commit(None).await.unwrap();
                    }
                    Step::Build => {
                        engine.build_indexes(NOW, 3).await.unwrap();
                    }
                    Step::Reopen => break,
                }
            }
            for open in &mut open {
                finish(open.take(), &mut model, &mut commits).await;
            }
            engine.shutdown().await.unwrap();
        };
        futures_util::future::join(async { engine.run().await.unwrap() }, body).await;
        let checked = check_store(&backing).await.unwrap();
        assert!(checked.paths.keys().eq(model.nodes.keys()), "{:#?} {:#?}", checked.paths, model.nodes);
    }
    // Collection leaves nothing behind.
    let engine = Engine::open(backing.clone(), EngineOptions::new("test"), NOW).await.unwrap();
    let body = async {
        while engine.collect(NOW, 100).await.unwrap().deleted > 0 {}
        engine.shutdown().await.unwrap();
    };
    futures_util::future::join(async { engine.run().await.unwrap() }, body).await;
    assert_eq!(check_store(&backing).await.unwrap().trash, 0);
}

fn any_path() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 0..4)
        .prop_map(|segments| format!("/{}", segments.join("/")))
}

fn operation() -> impl Strategy<Value = Operation> {
    let mode =
        prop::sample::select(vec![StoreMode::Put, StoreMode::Put, StoreMode::Create, StoreMode::Overwrite]);
    let perms = prop::sample::select(vec![
        "777",
        "777",
        "1777",
        "750",
        "700",
        "o+r",
        "g+w,o=x",
        "go=",
        "u-r",
        "000",
        "rwxr-xr-t",
        "g-r",
    ]);
    let owner = prop::sample::select(vec![None, Some("ada"), Some("bob"), Some("admin")]);
    let group = prop::sample::select(vec![Some("ada"), Some(GROUP), Some("admin")]);
    prop_oneof![
        2 => (any_path(), any::<bool>()).prop_map(|(at, ok)| Operation::Mkdir(at, ok)),
        6 => (any_path(), 0..1000u64, mode).prop_map(|(at, value, mode)| Operation::Store(at, value, mode)),
        3 => any_path().prop_map(Operation::Get),
        3 => any_path().prop_map(Operation::List),
        2 => (any_path(), any::<bool>()).prop_map(|(at, recursive)| Operation::Rm(at, recursive)),
        3 => (any_path(), any_path()).prop_map(|(from, to)| Operation::Mv(from, to)),
        2 => (any_path(), any_path(), any::<bool>()).prop_map(|(from, to, recursive)| Operation::Cp(from, to, recursive)),
        4 => (any_path(), perms, any::<bool>()).prop_map(|(at, perms, recursive)| Operation::Chmod(at, perms, recursive)),
        2 => (any_path(), owner, group, any::<bool>())
            .prop_map(|(at, owner, group, recursive)| Operation::Chown(at, owner, group, recursive)),
        2 => any_path().prop_map(Operation::Stat),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0..3usize, operation()).prop_map(|(at, operation)| Step::Run(at, operation)),
        5 => (0..3usize).prop_map(Step::Commit),
        1 => (0..3usize).prop_map(Step::Abandon),
        1 => Just(Step::Settle),
        1 => Just(Step::Collect),
        1 => (prop::sample::select(vec!["*", "Counter"]), prop::bool::weighted(0.7))
            .prop_map(|(class, create)| Step::Index(class, create)),
        3 => Just(Step::Build),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(600), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn interleaved_transactions_are_serializable(steps in prop::collection::vec(step(), 1..80)) {
        futures_executor::block_on(scenario(steps));
    }
}
