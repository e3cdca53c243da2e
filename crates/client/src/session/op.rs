//! Operations as bytes: checked for form, spliced into frames, never decoded.

use emerge_proto::{Error, ErrorCode, Op, Result, class, limits};
use minicbor::{Decoder, Encoder};

/// Room that a frame needs around its operation, a cursor included.
const FRAME_OVERHEAD: usize = 1024;

/// An encoded [`Op`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedOp(Vec<u8>);

impl From<Vec<u8>> for EncodedOp {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<&Op> for EncodedOp {
    fn from(op: &Op) -> Self {
        Self(class::encode(op))
    }
}

impl From<Op> for EncodedOp {
    fn from(op: Op) -> Self {
        Self::from(&op)
    }
}

/// What the session needs to know of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Nature {
    /// True when it may change the store.
    pub(crate) writes: bool,
    /// The argument that says where a stream goes on.
    pub(crate) cursor: Option<u64>,
}

impl Nature {
    /// By the operation's number; one that this version does not know counts as a write.
    fn of(number: u32) -> Self {
        match number {
            // get, stat, class, history, diff, transactions, explain, indexes
            2 | 3 | 10 | 11 | 12 | 23 | 31 | 34 => Self { writes: false, cursor: None },
            // migrate
            44 => Self { writes: true, cursor: Some(4) },
            // list, watch
            4 | 24 => Self { writes: false, cursor: Some(1) },
            // cp
            7 => Self { writes: true, cursor: Some(3) },
            // call
            8 => Self { writes: true, cursor: Some(4) },
            // in
            21 => Self { writes: true, cursor: Some(2) },
            // search
            30 => Self { writes: false, cursor: Some(1) },
            _ => Self { writes: true, cursor: None },
        }
    }
}

impl EncodedOp {
    /// An operation in a transaction.
    pub fn within(tx: &str, op: &EncodedOp) -> Self {
        let mut bytes = Vec::with_capacity(op.0.len() + tx.len() + 8);
        // Writing to a vector cannot fail.
        let _ = Encoder::new(&mut bytes)
            .array(2)
            .and_then(|e| e.u8(21))
            .and_then(|e| e.array(2))
            .and_then(|e| e.str(tx));
        bytes.extend_from_slice(&op.0);
        Self(bytes)
    }

    /// The bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Checks that the bytes are one well-formed `[number, [argument, …]]`, so that they cannot spoil the frames beside
    /// them.
    pub(crate) fn check(&self) -> Result<Nature> {
        let limit = limits::MAX_MESSAGE - FRAME_OVERHEAD;
        if self.0.len() > limit {
            let why = format!("the request is {} bytes; the limit is {limit}", self.0.len());
            return Err(Error::new(ErrorCode::TooLarge, why).limit(limit as u64));
        }
        let wrong = |why: &str| {
            Error::new(ErrorCode::BadArgument, format!("the operation is not well-formed: {why}"))
        };
        let mut decoder = Decoder::new(&self.0);
        let mut read = || -> Result<u32, minicbor::decode::Error> {
            if decoder.array()? != Some(2) {
                return Err(minicbor::decode::Error::message("not a list of two"));
            }
            let number = decoder.u32()?;
            if decoder.array()?.is_none() {
                return Err(minicbor::decode::Error::message("a list of unknown length"));
            }
            decoder.set_position(0);
            decoder.skip()?;
            Ok(number)
        };
        let number = read().map_err(|error| wrong(&error.to_string()))?;
        if decoder.position() != self.0.len() {
            return Err(wrong("bytes follow it"));
        }
        Ok(Nature::of(number))
    }
}

/// The same operation, going on after `cursor`: argument number `at` is replaced or added.
pub(crate) fn with_cursor(op: &[u8], at: u64, cursor: &str) -> Result<Vec<u8>> {
    let mut decoder = Decoder::new(op);
    decoder.array()?;
    let number = decoder.u32()?;
    let count = decoder.array()?.unwrap_or(0);
    let mut out = Vec::with_capacity(op.len() + cursor.len() + 8);
    // Writing to a vector cannot fail.
    let _ =
        Encoder::new(&mut out).array(2).and_then(|e| e.u32(number)).and_then(|e| e.array(count.max(at + 1)));
    for argument in 0..count.max(at + 1) {
        let start = decoder.position();
        if argument < count {
            decoder.skip()?;
        }
        if argument == at {
            let _ = Encoder::new(&mut out).str(cursor);
        } else if argument < count {
            out.extend_from_slice(&op[start..decoder.position()]);
        } else {
            let _ = Encoder::new(&mut out).null();
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use emerge_proto::account::{GroupAction, Quota, TokenAction, UserAction};
    use emerge_proto::op::{SortBy, StoreMode, Target};
    use emerge_proto::{AsOf, ClassHash, ClassSource, Language, Query};

    fn every_op() -> Vec<Op> {
        let path = Target::from("/a");
        let query = Query::new(Language::Python, Some("lambda o: o.x < 3"));
        let class = ClassSource::new("A", Language::JavaScript, "class A {}");
        vec![
            Op::Mkdir { path: path.clone(), exist_ok: true },
            Op::Store {
                path: path.clone(),
                class: ClassHash([1; 16]),
                fields: vec![0xa0],
                mode: StoreMode::Put,
                base: None,
                removed: None,
                id: None,
            },
            Op::Get { path: path.clone(), version: Some(AsOf::Version(3)), children: None },
            Op::Stat { path: path.clone() },
            Op::List {
                path: path.clone(),
                after: None,
                limit: Some(10),
                glob: Some("*".into()),
                sort: Some(SortBy::Size),
                descending: Some(true),
            },
            Op::Rm { path: path.clone(), recursive: true },
            Op::Mv { from: path.clone(), to: "/b".into() },
            Op::Cp { from: path.clone(), to: "/b".into(), recursive: false, after: None },
            Op::Call {
                path: path.clone(),
                method: "m".into(),
                args: vec![0x80],
                log: true,
                after: None,
                with: None,
            },
            Op::PutClass { class },
            Op::Class { path: Some(path.clone()), hash: None, name: None },
            Op::History { path: path.clone(), before: None, limit: Some(5) },
            Op::Diff { path: path.clone(), from: AsOf::Version(1), to: None },
            Op::Restore { path: path.clone(), version: AsOf::Moment(7), base: None },
            Op::Mixin { first: path.clone(), second: path.clone(), to: "/b".into(), name: None },
            Op::Query { path: path.clone(), trusted: None },
            Op::Migrate { path: path.clone(), class: ClassHash([1; 16]), how: None, from: None, after: None },
            Op::Add { path: path.clone(), field: "f".into(), children: vec![] },
            Op::Set { path: path.clone(), value: vec![0xf6], base: Some(1) },
            Op::Chmod { path: path.clone(), perms: "750".into(), recursive: true },
            Op::Chown { path: path.clone(), owner: None, group: Some("staff".into()), recursive: false },
            Op::Purge { path: path.clone(), recursive: true },
            Op::SetRules { path: path.clone(), keep: Some("all".into()), mask: None },
            Op::Users {
                action: UserAction::Add,
                name: Some("ada".into()),
                token_hash: Some(vec![1; 32]),
                groups: None,
            },
            Op::Groups { action: GroupAction::List, name: None, user: None },
            Op::Tokens { action: TokenAction::List, user: None, id: None, token: None },
            Op::Quotas { user: Some("ada".into()), set: Some(Quota { objects: Some(9), bytes: None }) },
            Op::Begin { name: Some("t".into()), lifetime_ms: None },
            Op::In { tx: "t".into(), op: Box::new(Op::Stat { path }), after: None },
            Op::End { tx: "t".into(), commit: false },
            Op::Transactions { tx: None },
            Op::Watch { pattern: "/**".into(), from: None },
            Op::Search { query: query.clone(), after: None },
            Op::Explain { query },
            Op::CreateIndex { class: "A".into(), field: "x".into(), unique: false },
            Op::DropIndex { class: "A".into(), field: "x".into() },
            Op::Indexes {},
        ]
    }

    #[test]
    fn natures_agree_with_proto() {
        for op in every_op() {
            let nature = EncodedOp::from(&op).check().unwrap();
            assert_eq!(nature.writes, op.may_write(), "{}", op.name());
            let streams = matches!(
                op,
                Op::List { .. }
                    | Op::Call { .. }
                    | Op::Cp { .. }
                    | Op::Migrate { .. }
                    | Op::In { .. }
                    | Op::Watch { .. }
                    | Op::Search { .. }
            );
            assert_eq!(nature.cursor.is_some(), streams, "{}", op.name());
        }
    }

    #[test]
    fn cursors_are_set_and_nothing_else_changes() {
        for op in every_op() {
            let bytes = class::encode(&op);
            let Some(at) = EncodedOp::from(&op).check().unwrap().cursor else { continue };
            let moved: Op = class::decode(&with_cursor(&bytes, at, "m~é").unwrap()).unwrap();
            let again: Op = class::decode(&with_cursor(&class::encode(&moved), at, "z").unwrap()).unwrap();
            let mut expected = op.clone();
            let set = |op: &mut Op, cursor: &str| match op {
                Op::List { after, .. }
                | Op::Call { after, .. }
                | Op::Cp { after, .. }
                | Op::Migrate { after, .. }
                | Op::In { after, .. }
                | Op::Search { after, .. }
                | Op::Watch { from: after, .. } => *after = Some(cursor.into()),
                _ => unreachable!(),
            };
            set(&mut expected, "m~é");
            assert_eq!(moved, expected);
            set(&mut expected, "z");
            assert_eq!(again, expected);
        }
    }

    #[test]
    fn an_operation_goes_into_a_transaction_as_it_is() {
        for op in every_op() {
            let within = Op::In { tx: "month end".into(), op: Box::new(op.clone()), after: None };
            assert_eq!(EncodedOp::within("month end", &EncodedOp::from(&op)), EncodedOp::from(within));
        }
    }

    #[test]
    fn malformed_operations_are_refused() {
        let good = class::encode(&Op::Stat { path: "/a".into() });
        for end in 0..good.len() {
            let error = EncodedOp::from(good[..end].to_vec()).check().unwrap_err();
            assert_eq!(error.code, ErrorCode::BadArgument, "cut at {end}");
        }
        let mut longer = good.clone();
        longer.push(0xf6);
        assert_eq!(EncodedOp::from(longer).check().unwrap_err().code, ErrorCode::BadArgument);
        let huge = EncodedOp::from(vec![0; limits::MAX_MESSAGE]);
        assert_eq!(huge.check().unwrap_err().code, ErrorCode::TooLarge);
    }
}
