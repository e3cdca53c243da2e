//! After a call the memory is, byte for byte, what it was before: the guest notes every write.

use super::*;
use crate::BoxFuture;
use crate::sandbox::engine;
use crate::sandbox::memory::Memories;
use crate::sandbox::testing;
use emerge_proto::{Language, Op, Value};

const SOURCE: &str = r#"class Thing extends EmergeObject {
    static seen = [];
    nothing() {}
    state() { this.all = { a: [1, 2.5, "é", null], b: new Set([1, 2]), c: Uint8Array.of(1, 2) }; return this.all; }
    says() { console.log("hello", "x".repeat(100000)); }
    fails() { throw new RangeError("no"); }
    deep() { return this.deep(); }
    async asks() {
        for (let i = 0; i < 3; i += 1) await fs.get("/none").catch((error) => Thing.seen.push(error.path));
        return Thing.seen;
    }
    pollutes() {
        Thing.seen.push(1); Thing.extra = 2; globalThis.left = new Map([[1, { a: 1 }]]); Thing.prototype.more = () => 3;
        return [Math.random(), new Date().toISOString(), /a+b/.exec("caab").index];
    }
    grows() { const all = [1, 2, 3].map(() => new Uint8Array(800000).fill(7)); this.size = all.length; return "é".repeat(100000).length; }
    copies() {
        const data = Uint8Array.from({ length: 100000 }, (_, i) => i); data.copyWithin(1000, 500, 1500); data.set(data.slice(0, 100), 7);
        return [data.toSorted().length, [...Array(5000).keys()].map(String).sort().join("").length, String(3n ** 500n).length];
    }
    async later() { return 1; }
    async waits() { Promise.reject(1).catch(() => 0); return Promise.all([this.later(), Promise.resolve(2), this.later()]); }
    *each() { yield* [1, 2]; }
    all() { return [...this.each()]; }
}"#;
const METHODS: [&str; 13] = [
    "nothing", "state", "says", "fails", "deep", "asks", "pollutes", "grows", "copies", "later", "waits",
    "all", "nothing",
];

struct Nothing;

impl Fs for Nothing {
    fn request(&self, op: Op) -> BoxFuture<'_, Result<Vec<u8>>> {
        // Longer than what lies around it in memory.
        Box::pin(async move { Err(Error::new(ErrorCode::NotFound, op.name().repeat(50_000)).at("/none")) })
    }
}

fn call(class: &Arc<ClassVersion>, method: &str) -> Call {
    let state = [("size", Value::Int(1)), ("long", Value::Text("x".repeat(20_000)))];
    testing::call(class, method, &[], Value::Map(state.map(|(name, value)| (name.to_owned(), value)).into()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_leaves_nothing_in_memory() {
    let engine = engine::engine(Arc::new(Memories)).unwrap();
    let ticker = Arc::new(Ticker::start(&engine).unwrap());
    let threads = tokio::runtime::Handle::current();
    let opened = tokio::task::spawn_blocking(move || {
        let options = SandboxOptions::new(testing::FOLDER);
        JavaScript::open(&options, &|_| {}, &threads, &engine, ticker, Budget::new(1 << 32))
    });
    let javascript = opened.await.unwrap().unwrap();
    let source = ClassSource::new("Thing", Language::JavaScript, SOURCE);
    let methods = javascript.analyse(source.clone(), &[]).await.unwrap();
    let class = testing::version(source, methods);
    let loaded = javascript.loaded(&[Arc::clone(&class)]).await.unwrap();
    let mut firsts = Vec::new();
    for _ in 0..2 {
        for method in METHODS {
            let done = javascript.call(call(&class, method), Arc::new(Nothing), false).await;
            assert_eq!(done.is_err(), ["fails", "deep"].contains(&method), "{method}: {done:?}");
            let mut instance = javascript.instances.take("ada", &loaded).expect(method);
            assert!(instance.memory().0.is(&loaded.image), "{method} left something");
            javascript.instances.put(instance, "ada".into(), Arc::clone(&loaded));
            firsts.push(done.map_err(|error| error.message));
        }
    }
    let again = firsts.split_off(METHODS.len());
    assert_eq!(firsts, again, "a call that is made again is the same call");
}
