//! A runtime in which each user computes as long as the user's meter allows.

use crate::meter::Meters;
use emerge_proto::{ClassSource, ClassVersion, MethodDecl, Result};
use emerge_runtime::{BoxFuture, Call, Fs, Returned, Runtime};
use std::sync::Arc;

pub(crate) struct Metered {
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) meters: Arc<Meters>,
}

impl Runtime for Metered {
    fn analyse<'a>(
        &'a self,
        class: &'a ClassSource,
        bases: &'a [Vec<Arc<ClassVersion>>],
    ) -> BoxFuture<'a, Result<Vec<MethodDecl>>> {
        self.runtime.analyse(class, bases)
    }

    fn analyse_search<'a>(&'a self, class: &'a ClassSource) -> BoxFuture<'a, Result<()>> {
        self.runtime.analyse_search(class)
    }

    fn call<'a>(&'a self, call: Call, fs: Arc<dyn Fs>) -> BoxFuture<'a, Result<Returned>> {
        let now = call.now_micros;
        let meter = self.meters.user(&call.user, now);
        if let Err(error) = meter.run(now) {
            return Box::pin(std::future::ready(Err(error)));
        }
        // What it takes is owed as it is taken, so that calls at the same time are refused too.
        self.runtime.call_measured(call, fs, Arc::new(move |time| meter.ran(time)))
    }
}
