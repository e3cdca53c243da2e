//! A client's transaction: begin, two calls, commit; each step when the one before has its answer.

use crate::client::{Outcome, SimClient, Step, Work, call_add};
use emerge_proto::class::decode;
use emerge_proto::transaction::Transaction;
use emerge_proto::{Error, ErrorCode, Op};

impl SimClient {
    /// Takes the answer to a request of a transaction, and asks for the next.
    pub(crate) fn transact(
        &mut self,
        at: usize,
        answer: Result<&[u8], Error>,
        now: u64,
    ) -> Result<(), String> {
        let entry = &mut self.journal[at];
        let Work::Transact { paths } = entry.work.clone() else { return Err("no transaction".into()) };
        match (entry.step.clone(), answer) {
            (Step::Begun, Ok(reply)) => {
                let begun: Transaction = decode(reply).map_err(|error| error.to_string())?;
                let tx = begun.id.to_string();
                entry.step = Step::Within { tx: tx.clone(), left: paths.len(), refused: None };
                let token = entry.token.clone();
                for path in &paths {
                    let op = Op::In { tx: tx.clone(), op: Box::new(call_add(path, &token)), after: None };
                    self.ask_more(at, op, now);
                }
            }
            // Nothing was asked for in it.
            (Step::Begun, Err(error)) => entry.outcome = Outcome::Refused(error),
            (Step::Within { tx, left, refused }, answer) => {
                let refused = refused.or(answer.err());
                entry.step = Step::Within { tx: tx.clone(), left: left - 1, refused: refused.clone() };
                if left > 1 {
                    return Ok(());
                }
                let commit = refused.is_none();
                entry.step = refused.map_or(Step::Committing, Step::GivenUp);
                self.ask_more(at, Op::End { tx, commit }, now);
            }
            (Step::Committing, Ok(_)) => entry.outcome = Outcome::Done,
            (Step::Committing, Err(error)) => {
                let unknown = error.effect == Some(emerge_proto::error::Effect::Unknown);
                entry.outcome = if unknown { Outcome::Unknown } else { Outcome::Refused(error) };
            }
            (Step::GivenUp(error), _) => entry.outcome = Outcome::Refused(error),
        }
        Ok(())
    }

    fn ask_more(&mut self, at: usize, op: Op, now: u64) {
        match self.session.request(op, None, None, now) {
            Ok(seq) => {
                self.pending.insert(seq, at);
            }
            Err(error) => {
                // The session is over: a commit that was not asked for does not happen.
                let entry = &mut self.journal[at];
                entry.step = Step::GivenUp(error.clone());
                entry.outcome = Outcome::Refused(error);
            }
        }
    }
}

/// Errors with which a transaction may end.
pub(crate) const REFUSALS: &[ErrorCode] = &[ErrorCode::Conflict, ErrorCode::TransactionExpired];
