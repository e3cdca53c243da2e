//! After a call the memory is, byte for byte, what it was before: the guest notes every write.

use super::*;
use crate::BoxFuture;
use crate::sandbox::engine;
use crate::sandbox::memory::Memories;
use crate::sandbox::testing;
use emerge_proto::class::{Capture, Captured};
use emerge_proto::{Language, Op, Value};

const SOURCE: &str = r#"class Thing(emerge.Object):
    seen = []
    def nothing(self): pass
    def state(self): self.all = {'a': [1, 2.5, 'é', b'x', None], 'b': {1, 2}}; return self.all
    def says(self): print('hello', end=''); print('x' * 100000)
    def fails(self): raise ValueError('no')
    def asks(self):
        for _ in range(3):
            try: emerge.fs.get('/none')
            except emerge.errors.NotFoundError as error: self.seen.append(error.path)
        return self.meta.path
    def pollutes(self):
        import builtins, collections, decimal, gc, random, re, sys, warnings
        Thing.seen.append(1); Thing.extra = 2; builtins.left = 3; sys.modules['left'] = sys
        decimal.getcontext().prec = 5; random.random(); warnings.simplefilter('error')
        re.compile('a+b'); sys.setrecursionlimit(300); gc.disable(); sys.stdout = None
        return [str(decimal.Decimal(1) / 3)]
    def machine(self):
        import datetime, os, uuid
        return [os.urandom(100), uuid.uuid4(), datetime.datetime.now(datetime.timezone.utc)]
    def grows(self): self.size = len([bytearray(3_000_000) for _ in range(3)]); return sum(len(str(n)) for n in range(100000))
    def copies(self):
        data = bytearray(range(256)) * 4000
        data[1000:2000] = data[500:1500]
        data += data[:100]
        return len(bytes(data).replace(b'\x01', b'\x02\x03')) + len(sorted([str(n) for n in range(5000)]))
    async def later(self): return [1]
    async def waits(self):
        import asyncio
        self.seen.append(asyncio.create_task(asyncio.sleep(3600)))
        return await asyncio.wait_for(asyncio.gather(self.later(), asyncio.sleep(1, 2), self.later()), 5)
"#;
const METHODS: [&str; 12] = [
    "nothing", "state", "says", "fails", "asks", "pollutes", "machine", "grows", "copies", "later", "waits",
    "nothing",
];

struct Nothing;

impl Fs for Nothing {
    fn request(&self, op: Op) -> BoxFuture<'_, Result<Vec<u8>>> {
        Box::pin(async move { Err(Error::new(ErrorCode::NotFound, op.name()).at("/none")) })
    }
}

fn call(class: &Arc<ClassVersion>, method: &str, args: &[i64]) -> Call {
    testing::call(class, method, args, Value::Map(Vec::new()))
}

fn python() -> Python {
    let engine = engine::engine(Arc::new(Memories)).unwrap();
    let ticker = Arc::new(Ticker::start(&engine).unwrap());
    let python =
        Python::new(&SandboxOptions::new(testing::FOLDER), engine, ticker, Budget::new(1 << 32)).unwrap();
    python.ready(&|_| {}).unwrap();
    python
}

/// The version that a node would keep of a class.
async fn keep(python: &Python, name: &str, source: &str) -> Arc<ClassVersion> {
    let source = ClassSource {
        name: name.into(),
        language: Language::Python,
        source: source.into(),
        bases: Vec::new(),
        fields: Vec::new(),
        doc: None,
        captures: Some(vec![Capture { name: "emerge".into(), what: Captured::Module("emerge".into()) }]),
        module: None,
        requires: None,
    };
    let methods = python.analyse(source.clone(), &[]).await.unwrap();
    testing::version(source, methods)
}

#[tokio::test]
async fn a_call_leaves_nothing_in_memory() {
    let python = python();
    let class = keep(&python, "Thing", SOURCE).await;
    let mut firsts = Vec::new();
    for _ in 0..2 {
        for method in METHODS {
            let done = python.call(call(&class, method, &[]), Arc::new(Nothing), false).await;
            assert_eq!(done.is_err(), method == "fails", "{method}: {done:?}");
            let loaded = python.loaded(&call(&class, method, &[])).await.unwrap();
            let mut instance = python.instances.take("ada", &loaded).expect(method);
            assert!(instance.memory.is(&loaded.image), "{method} left something");
            python.instances.put(instance, "ada".into(), loaded);
            firsts.push(done.map_err(|error| error.message));
        }
    }
    let again = firsts.split_off(METHODS.len());
    assert_eq!(firsts, again, "a call that is made again is the same call");
}

/// Byte code that nobody compiled reads a constant from beyond its tuple: a `bytearray` over all memory, the map of what was written too.
const FORGER: &str = r#"class Forger(emerge.Object):
    def memory(self):
        import struct
        fake = struct.pack("<IIIIIII", 1000, id(bytearray), 0x7fffffff, 0x7fffffff, 0, 0, 0)
        pointer = struct.pack("<I", id(fake) + 16)
        constants = (None,)
        def read(): return 0
        at = (((id(pointer) + 16) - (id(constants) + 16)) % (1 << 32)) // 4
        code = bytes([128, 0, 69, at >> 24 & 255, 69, at >> 16 & 255, 69, at >> 8 & 255, 82, at & 255, 35, 0])
        read.__code__ = read.__code__.replace(co_code=code, co_consts=constants)
        return read()
    def hide(self, map, value):
        memory = self.memory()
        memory[map + 3145728] = value
        memory[map + (map + 3145728 >> 10)] = 0
    def find(self, map): return self.memory()[map + 3145728]
"#;

#[tokio::test]
async fn what_forged_code_hides_meets_no_other_class() {
    let python = python();
    let forger = keep(&python, "Forger", FORGER).await;
    let other = keep(&python, "Other", &FORGER.replace("class Forger", "class Other")).await;
    let ask = async |class: &Arc<ClassVersion>, method: &str, args: &[i64]| {
        let done = python.call(call(class, method, args), Arc::new(Nothing), false).await.unwrap();
        Value::decode(&done.result).unwrap()
    };
    // Any instance tells where the map lies.
    let loaded = python.loaded(&call(&forger, "find", &[])).await.unwrap();
    let instance = python.instance("ada", &loaded).await.unwrap();
    let map = instance.memory.map_at() as i64;
    drop(instance);
    ask(&forger, "hide", &[map, 77]).await;
    assert_eq!(ask(&forger, "find", &[map]).await, Value::Int(77), "the forgery works");
    assert_eq!(ask(&other, "find", &[map]).await, Value::Int(0));
}
