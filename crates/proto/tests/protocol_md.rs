//! What `PROTOCOL.md` says is so.
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

use emerge_proto::account::{GroupAction, TokenAction, UserAction};
use emerge_proto::class::encode;
use emerge_proto::error::{Effect, Error, ErrorCode};
use emerge_proto::frame::{Frame, Hello, Request, Welcome, decode_message, encode_frame};
use emerge_proto::op::Target;
use emerge_proto::record::{ObjectType, Perms, Stat, Stored};
use emerge_proto::{AsOf, FieldType, ObjectId, Op, SessionId, limits};

const TEXT: &str = include_str!("../PROTOCOL.md");

fn id(last: u8, tail: u8) -> [u8; 16] {
    let mut id = [0x01, 0x8b, 0xcf, 0xe5, 0x68, last, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 0];
    id[15] = tail;
    id
}

const NOON: i64 = 1_700_000_000_000_000;

/// The conversation of the worked example, built with the types of this crate.
fn conversation() -> Vec<Vec<Frame>> {
    let directory = ObjectId(id(1, 2));
    let request =
        |seq, op| Frame::Request(Request { seq, acknowledged: 0, op, timeout_ms: None, credit: None });
    let target = |path: &str| Target::Path(path.into());
    let stored = Stored { id: directory, version: 1, modified: NOON };
    let stat: Stat = Stat {
        name: "a".into(),
        id: directory,
        kind: ObjectType::Directory,
        class: None,
        class_hash: None,
        class_version: None,
        owner: "ada".into(),
        group: "ada".into(),
        perms: Perms::DEFAULT,
        version: 1,
        created: NOON,
        modified: NOON,
        size: 0,
        node: "node-1".into(),
        rules: None,
        path: None,
        requires: None,
    };
    vec![
        vec![Frame::Hello(Hello {
            min_version: 1,
            max_version: limits::PROTOCOL_VERSION,
            token: "secret".into(),
            session: None,
            connection: 1,
            acknowledged: 0,
            agent: "example/1".into(),
        })],
        vec![Frame::Welcome(Welcome {
            version: 1,
            session: SessionId(id(0, 1)),
            resumed: false,
            user: "ada".into(),
            node: "node-1".into(),
            time: NOON,
        })],
        vec![
            request(1, Op::Mkdir { path: target("/a"), exist_ok: false }),
            request(2, Op::Stat { path: target("/a") }),
            request(3, Op::Get { path: target("/b"), version: None, children: None }),
        ],
        vec![
            Frame::Result { seq: 1, value: Some(encode(&stored)), error: None },
            Frame::Result { seq: 2, value: Some(encode(&stat)), error: None },
            Frame::Result {
                seq: 3,
                value: None,
                error: Some(Error::new(ErrorCode::NotFound, "nothing is stored at /b").at("/b")),
            },
        ],
        vec![Frame::Ack { through: 3 }, Frame::Bye],
    ]
}

#[test]
fn the_worked_example_is_what_the_code_writes() {
    let blocks: Vec<Vec<u8>> = TEXT
        .split("```hex\n")
        .skip(1)
        .map(|rest| {
            let block = rest.split("```").next().unwrap();
            let digits = block.lines().flat_map(|line| line.split('#').next().unwrap().split_whitespace());
            digits.map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
        })
        .collect();
    let conversation = conversation();
    assert_eq!(blocks.len(), conversation.len());
    for (block, frames) in blocks.iter().zip(&conversation) {
        assert_eq!(&decode_message(block).unwrap(), frames);
        let mut written = Vec::new();
        frames.iter().for_each(|frame| encode_frame(frame, &mut written));
        assert_eq!(&written, block);
    }
}

fn has(line: &str) {
    assert!(TEXT.contains(line), "PROTOCOL.md lacks: {line}");
}

#[test]
fn the_tables_are_complete() {
    for code in ErrorCode::ALL {
        has(&format!("| {} | `{code}` | {} |", code.number(), code.doc()));
    }
    for (name, value, doc) in limits::ALL {
        has(&format!("| `{name}` | {value} | {} |", doc.trim()));
    }
    for kind in FieldType::ALL {
        has(&format!("{} {}", encode(kind)[0], kind.as_str()));
    }
    assert_eq!(Perms::parse("rwxr-x---").unwrap().0, 488);
    assert_eq!(encode(&Effect::Unknown), [1]);
}

#[test]
fn the_operations_have_their_numbers() {
    let path = || Target::Path("/a".into());
    let class = || emerge_proto::ClassSource::new("A", emerge_proto::Language::JavaScript, String::new());
    let query = || emerge_proto::Query::new(emerge_proto::Language::Python, Some("lambda o: True"));
    let ops = [
        Op::Mkdir { path: path(), exist_ok: false },
        Op::Store {
            path: path(),
            class: class().hash(),
            fields: vec![0xa0],
            mode: emerge_proto::op::StoreMode::Put,
            base: None,
            removed: None,
            id: None,
        },
        Op::Get { path: path(), version: None, children: None },
        Op::Stat { path: path() },
        Op::List { path: path(), after: None, limit: None, glob: None, sort: None, descending: None },
        Op::Rm { path: path(), recursive: false },
        Op::Mv { from: path(), to: "/b".into() },
        Op::Cp { from: path(), to: "/b".into(), recursive: false, after: None },
        Op::Call { path: path(), method: "m".into(), args: vec![0x80], log: false, after: None, with: None },
        Op::PutClass { class: class() },
        Op::Class { path: None, hash: None, name: None },
        Op::History { path: path(), before: None, limit: None },
        Op::Diff { path: path(), from: AsOf::Version(1), to: None },
        Op::Restore { path: path(), version: AsOf::Version(1), base: None },
        Op::Chmod { path: path(), perms: "u+x".into(), recursive: false },
        Op::Chown { path: path(), owner: None, group: None, recursive: false },
        Op::Purge { path: path(), recursive: false },
        Op::SetRules { path: path(), keep: None, mask: None },
        Op::Users { action: UserAction::List, name: None, token_hash: None, groups: None },
        Op::Groups { action: GroupAction::List, name: None, user: None },
        Op::Tokens { action: TokenAction::List, user: None, id: None, token: None },
        Op::Quotas { user: None, set: None },
        Op::Mixin { first: path(), second: path(), to: "/b".into(), name: None },
        Op::Query { path: path(), trusted: None },
        Op::Migrate { path: path(), class: class().hash(), how: None, from: None, after: None },
        Op::Add { path: path(), field: "f".into(), children: Vec::new() },
        Op::Set { path: path(), value: vec![0xf6], base: None },
        Op::Begin { name: None, lifetime_ms: None },
        Op::In { tx: "t".into(), op: Box::new(Op::Stat { path: path() }), after: None },
        Op::End { tx: "t".into(), commit: true },
        Op::Transactions { tx: None },
        Op::Watch { pattern: "/**".into(), from: None },
        Op::Search { query: query(), after: None },
        Op::Explain { query: query() },
        Op::CreateIndex { class: "A".into(), field: "x".into(), unique: false },
        Op::DropIndex { class: "A".into(), field: "x".into() },
        Op::Indexes {},
    ];
    for op in &ops {
        let bytes = encode(op);
        let mut decoder = minicbor::Decoder::new(&bytes);
        decoder.array().unwrap();
        has(&format!("| {} | `{}` | ", decoder.u32().unwrap(), op.name()));
    }
    let section = TEXT.split("## Operations").nth(1).unwrap().split("### Records").next().unwrap();
    let rows = section
        .lines()
        .filter(|line| line.starts_with("| ") && line[2..].starts_with(|char: char| char.is_ascii_digit()));
    assert_eq!(rows.count(), ops.len(), "the document has operations that are not here");
}
