//! Methods without a guest: wasmtime knows no virtual clock. Two methods, both of which change their object.

use emerge_proto::{ClassSource, ClassVersion, Error, ErrorCode, MethodDecl, Result, Value};
use emerge_runtime::{BoxFuture, Call, Fs, Returned, Runtime};
use std::sync::Arc;
use std::task::Poll;

/// Runs `add(token)`, which puts a token at the end of the object's `tokens`, and `fail()`, which changes the same and fails.
pub(crate) struct SimRuntime;

impl Runtime for SimRuntime {
    fn analyse<'a>(
        &'a self,
        _: &'a ClassSource,
        _: &'a [Vec<Arc<ClassVersion>>],
    ) -> BoxFuture<'a, Result<Vec<MethodDecl>>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn call<'a>(&'a self, call: Call, _: Arc<dyn Fs>) -> BoxFuture<'a, Result<Returned>> {
        Box::pin(async move {
            // Other requests get in between, so that calls collide.
            let mut turns = call.seed % 3;
            std::future::poll_fn(|cx| {
                if turns == 0 {
                    return Poll::Ready(());
                }
                turns -= 1;
                cx.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
            let mut state = Value::decode(&call.state)?;
            let token = match Value::decode(&call.args)? {
                Value::List(args) => args.into_iter().next(),
                _ => None,
            };
            if let (Value::Map(fields), Some(token)) = (&mut state, token)
                && let Some((_, Value::List(tokens))) = fields.iter_mut().find(|(name, _)| name == "tokens")
            {
                tokens.push(token);
            }
            match call.method.as_str() {
                "add" => Ok(Returned {
                    result: Value::Null.encode(),
                    state: Some(state.encode()),
                    log: String::new(),
                }),
                "fail" => Err(Error::new(ErrorCode::MethodFailed, "it fails")),
                other => Err(Error::new(ErrorCode::MethodNotFound, format!("there is no method {other:?}"))
                    .field(other)),
            }
        })
    }
}
