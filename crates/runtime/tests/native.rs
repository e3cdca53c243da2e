//! Native Python: what runs there, what is contained, and that a system which cannot confine it has none.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod common;

use common::*;
use emerge_proto::{ClassSource, ClassVersion, ErrorCode, Language, Result, Value};
use emerge_runtime::{Call, Native, NativeOptions, Returned, Runtime, Sandbox, SandboxOptions};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime as Tokio;

/// The environment with numpy and pandas that `cargo xtask setup` makes.
fn venv() -> PathBuf {
    std::env::var_os("EMERGE_NATIVE_VENV").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/native-venv"),
        PathBuf::from,
    )
}

/// A runtime that outlives each test: what talks to workers is of one reactor.
fn tokio() -> &'static Tokio {
    static TOKIO: OnceLock<Tokio> = OnceLock::new();
    TOKIO.get_or_init(|| Tokio::new().expect("threads"))
}

/// A sandbox with native Python; none on a system that cannot confine it, where it is seen that there is none.
fn native() -> Option<&'static Sandbox> {
    static NATIVE: OnceLock<Option<Sandbox>> = OnceLock::new();
    let made = NATIVE.get_or_init(|| {
        let opened = tokio().block_on(Native::open(&NativeOptions::new(venv())));
        let native = match opened {
            Ok((native, report)) => {
                assert!(report.packages.iter().any(|package| package.starts_with("pandas ")), "{report:?}");
                assert!(report.landlock >= 1);
                native
            }
            Err(error) => {
                assert_eq!(error.code, ErrorCode::Unsupported, "{error}; run: cargo xtask setup");
                assert_eq!(error.field.as_deref(), Some("native-python"));
                return None;
            }
        };
        let options = SandboxOptions::new(Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled"));
        let sandbox = Sandbox::open(&options, &|_| {}).expect("the sandbox opens");
        sandbox.ready_python(&|_| {}).expect("the Python guest is compiled");
        Some(sandbox.with_native(native))
    });
    made.as_ref()
}

fn requiring(packages: &[&str], body: &str) -> ClassSource {
    let named: Vec<String> = packages.iter().map(|package| format!("{package:?}")).collect();
    let text = format!("requires = [{}]\n{}", named.join(", "), body.trim_matches('\n'));
    ClassSource {
        requires: Some(packages.iter().map(|package| (*package).to_owned()).collect()),
        ..thing(Language::Python, "", &text)
    }
}

async fn kept(sandbox: &Sandbox, source: ClassSource) -> Result<Vec<Arc<ClassVersion>>> {
    let methods = sandbox.analyse(&source, &[]).await?;
    let mut lineage = keep(thing(Language::Python, "", "pass"), &[]).await?;
    let version = ClassVersion { hash: source.hash(), source, methods, ..(*lineage[0]).clone() };
    lineage[0] = Arc::new(version);
    Ok(lineage)
}

/// What `run` of a class of such members gives; none where there is no native Python.
fn ran(body: &str, change: impl FnOnce(&mut Call)) -> Option<Result<Returned>> {
    let sandbox = native()?;
    Some(tokio().block_on(async {
        let lineage = kept(sandbox, requiring(&["pandas"], body)).await?;
        let mut call = call_of(&lineage, "run", map(&[]), vec![]);
        call.memory = 256 * 1024 * 1024;
        change(&mut call);
        sandbox.call(call, Arc::new(NoFs)).await
    }))
}

fn value(body: &str) -> Option<Value> {
    let returned = ran(&format!("def run(self):\n{}", indented(body)), |_| {})?;
    let returned = returned.unwrap_or_else(|error| panic!("{body}: {error} {:?}", error.trace));
    Some(Value::decode(&returned.result).expect("a value"))
}

fn indented(body: &str) -> String {
    body.trim_matches('\n').lines().map(|line| format!("    {line}\n")).collect()
}

fn text(body: &str) -> Option<String> {
    match value(body)? {
        Value::Text(text) => Some(text),
        other => panic!("{body}: {other:?}"),
    }
}

#[test]
fn a_method_uses_pandas() {
    let Some(value) = value(
        "import pandas as pd
frame = pd.DataFrame([{'kind': 'a', 'cost': 1.5}, {'kind': 'b', 'cost': 2.0}, {'kind': 'a', 'cost': 3.0}])
return frame.groupby('kind')['cost'].sum()",
    ) else {
        return;
    };
    let row = |kind: &str, cost| vec![Value::Text(kind.into()), Value::Float(cost)];
    assert_eq!(
        value,
        Value::Table {
            columns: vec!["kind".into(), "cost".into()],
            rows: vec![row("a", 4.5), row("b", 2.0)]
        }
    );
}

#[test]
fn a_frame_of_each_type_is_a_table() {
    let Some(value) = value(
        "import pandas as pd, numpy as np, datetime
frame = pd.DataFrame({
    'whole': pd.array([1, None], dtype='Int64'),
    'ratio': [0.5, float('nan')],
    'text': ['a', None],
    'kind': pd.Categorical(['x', None]),
    'at': pd.to_datetime(['2026-01-02T03:04:05Z', None]),
    'took': pd.to_timedelta(['1s', None]),
    'big': np.array([1, 2], dtype='>i4'),
    'flag': [True, False],
})
return [frame, np.float32(0.5), np.arange(3), {'at': pd.Timestamp('2026-01-02', tz='UTC'), 'none': pd.NaT}]",
    ) else {
        return;
    };
    let Value::List(items) = value else { panic!("{value:?}") };
    let Value::Table { columns, rows } = &items[0] else { panic!("{:?}", items[0]) };
    assert_eq!(columns.join(" "), "whole ratio text kind at took big flag");
    let at = 1_767_323_045_000_000;
    assert_eq!(
        rows[0][..4],
        [Value::Int(1), Value::Float(0.5), Value::Text("a".into()), Value::Text("x".into())]
    );
    assert_eq!(
        rows[0][4..],
        [Value::DateTime(at), Value::Duration(1_000_000), Value::Int(1), Value::Bool(true)]
    );
    assert!(matches!(rows[1][1], Value::Float(ratio) if ratio.is_nan()));
    for column in [0, 2, 3, 4, 5] {
        assert_eq!(rows[1][column], Value::Null, "{}", columns[column]);
    }
    assert_eq!(items[1], Value::Float(0.5));
    assert!(matches!(items[2], Value::Array(_)));
    let Value::Map(entries) = &items[3] else { panic!("{:?}", items[3]) };
    assert_eq!(entries[1].1, Value::Null);
}

#[test]
fn a_column_that_has_no_place_is_named() {
    for (body, words) in [
        ("import pandas as pd\nreturn pd.DataFrame({'a': [1], 'odd': [object()]})", "odd"),
        ("import pandas as pd\nreturn pd.DataFrame([[1, 2]], columns=['a', 'a'])", "'a' twice"),
        ("import pandas as pd\nreturn pd.DataFrame({'at': [pd.Timestamp(1, unit='ns', tz='UTC')]})", "'at'"),
    ] {
        let Some(ran) = ran(&format!("def run(self):\n{}", indented(body)), |_| {}) else { return };
        let error = ran.expect_err(body);
        assert_eq!(error.code, ErrorCode::UnmappableValue, "{body}: {error:?}");
        assert!(
            error.message.contains(words)
                || error.field.as_deref().is_some_and(|field| field.contains(words)),
            "{error:?}"
        );
    }
}

#[test]
fn modules_of_a_package_may_be_named_around_the_class() {
    let Some(sandbox) = native() else { return };
    use emerge_proto::class::{Capture, Captured};
    let mut source = requiring(
        &["pandas"],
        "@staticmethod\ndef make(n: pd.DataFrame = pd.DataFrame()): pass\ndef run(self, n: int = 2) -> pd.Series: return int(np.arange(n).sum())",
    );
    let named =
        |name: &str, module: &str| Capture { name: name.into(), what: Captured::Module(module.into()) };
    source.requires = Some(vec!["pandas".into(), "numpy".into()]);
    source.source = source.source.replace("[\"pandas\"]", "[\"pandas\", \"numpy\"]");
    source.captures.as_mut().expect("captures").extend([named("pd", "pandas"), named("np", "numpy")]);
    let returned = tokio().block_on(async {
        let lineage = kept(sandbox, source).await?;
        assert_eq!(lineage[0].methods[1].signature(), "run(n: int = 2) -> pd.Series");
        sandbox.call(call_of(&lineage, "run", map(&[]), vec![Value::Int(4)]), Arc::new(NoFs)).await
    });
    assert_eq!(Value::decode(&returned.expect("it runs").result), Ok(Value::Int(6)));
}

#[test]
fn what_is_not_there_is_named() {
    let plain =
        tokio().block_on(sandbox().analyse(&requiring(&["pandas"], "def run(self): pass"), &[])).unwrap_err();
    assert_eq!((plain.code, plain.field.as_deref()), (ErrorCode::Unsupported, Some("pandas")));
    assert!(plain.message.contains("--native-python"), "{plain}");
    let Some(sandbox) = native() else { return };
    let error =
        tokio().block_on(sandbox.analyse(&requiring(&["nowhere"], "def run(self): pass"), &[])).unwrap_err();
    assert_eq!((error.code, error.field.as_deref()), (ErrorCode::Unsupported, Some("nowhere")));
    // The record says what the source says.
    let mut other = requiring(&["pandas"], "def run(self): pass");
    other.requires = None;
    let error = tokio().block_on(sandbox.analyse(&other, &[])).unwrap_err();
    assert_eq!((error.code, error.field.as_deref()), (ErrorCode::ClassInvalid, Some("requires")));
}

#[test]
fn what_is_printed_comes_along_and_a_traceback_has_own_lines_alone() {
    let body = "def run(self):\n    import pandas as pd\n    print('before')\n    return self.deeper(pd)\ndef deeper(self, pd):\n    return pd.DataFrame({'a': [1]})['b']";
    let Some(ran) = ran(body, |_| {}) else { return };
    let error = ran.unwrap_err();
    assert_eq!((error.code, error.message.as_str()), (ErrorCode::MethodFailed, "KeyError: 'b'"));
    assert_eq!(error.log.as_deref(), Some("before\n"));
    let trace = error.trace.expect("a trace");
    assert!(trace.contains("Thing.deeper\n    return pd.DataFrame({'a': [1]})['b']"), "{trace}");
    assert!(!trace.contains("site-packages") && !trace.contains("guest_"), "{trace}");
}

#[test]
fn what_does_not_end_is_ended() {
    for body in [
        "while True: pass",
        "import numpy as np\nwhile True: np.sort(np.random.rand(3_000_000))",
        "import time\ntime.sleep(100)",
    ] {
        let began = Instant::now();
        let Some(ran) = ran(&format!("def run(self):\n{}", indented(body)), |call| {
            call.deadline = Duration::from_millis(700)
        }) else {
            return;
        };
        assert_eq!(ran.expect_err(body).code, ErrorCode::DeadlineExceeded, "{body}");
        assert!(began.elapsed() < Duration::from_secs(30), "{body}: {:?}", began.elapsed());
    }
}

#[test]
fn memory_is_bounded() {
    for body in [
        "import numpy as np\nreturn float(np.ones(200_000_000).sum())",
        "return len(bytearray(10**9))",
        "import mmap\nreturn len(mmap.mmap(-1, 10**9, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).read())",
    ] {
        let Some(ran) = ran(&format!("def run(self):\n{}", indented(body)), |_| {}) else { return };
        let error = ran.expect_err(body);
        let is_os = error.message.contains("Cannot allocate memory");
        assert!(error.code == ErrorCode::OutOfMemory || is_os, "{body}: {error:?}");
    }
    assert!(
        value("import numpy as np\nreturn float(np.ones(10_000_000).sum())")
            .is_none_or(|sum| sum == Value::Float(1e7))
    );
}

#[test]
fn a_crash_is_its_calls_alone() {
    let Some(sandbox) = native() else { return };
    let body = "def run(self, crashes):\n    import ctypes, time\n    if crashes: ctypes.string_at(0)\n    time.sleep(1)\n    return 'went on'";
    let (crashed, went_on, again) = tokio().block_on(async {
        let lineage = kept(sandbox, requiring(&["pandas"], body)).await.expect("a class");
        let call = |crashes| {
            let call = call_of(&lineage, "run", map(&[]), vec![Value::Bool(crashes)]);
            sandbox.call(call, Arc::new(NoFs))
        };
        let (went_on, crashed) = tokio::join!(call(false), call(true));
        (crashed, went_on, call(false).await)
    });
    let error = crashed.unwrap_err();
    assert_eq!(error.code, ErrorCode::MethodFailed);
    assert!(error.message.contains("crashed"), "{error}");
    for returned in [went_on, again] {
        assert_eq!(Value::decode(&returned.expect("another call").result), Ok(Value::Text("went on".into())));
    }
}

#[test]
fn nothing_of_one_user_is_there_for_another() {
    let Some(sandbox) = native() else { return };
    let body = "def run(self, text):\n    import builtins, os, sys\n    seen = getattr(builtins, 'left', 'nothing')\n    builtins.left = text\n    return seen";
    let seen: Vec<Value> = tokio().block_on(async {
        let lineage = kept(sandbox, requiring(&["pandas"], body)).await.expect("a class");
        let mut seen = Vec::new();
        for (user, text) in [("ada", "ada's"), ("eve", "eve's"), ("ada", "more"), ("eve", "more")] {
            let mut call = call_of(&lineage, "run", map(&[]), vec![Value::Text(text.into())]);
            call.user = user.into();
            seen.push(
                Value::decode(&sandbox.call(call, Arc::new(NoFs)).await.expect("it runs").result)
                    .expect("a value"),
            );
        }
        seen
    });
    let text = |text: &str| Value::Text(text.into());
    assert_eq!(seen[..2], [text("nothing"), text("nothing")]);
    assert_ne!(seen[2], text("eve's"));
    assert_ne!(seen[3], text("more"));
}

#[test]
fn a_call_that_is_given_up_is_ended() {
    let Some(sandbox) = native() else { return };
    let body = "def run(self):\n    import os, emerge\n    try: emerge.fs.get('/%d' % os.getpid())\n    except emerge.EmergeError: pass\n    while True: pass";
    let asked = Arc::new(Noting::default());
    tokio().block_on(async {
        let lineage = kept(sandbox, requiring(&["pandas"], body)).await.expect("a class");
        let call = sandbox.call(call_of(&lineage, "run", map(&[]), vec![]), asked.clone());
        assert!(
            tokio::time::timeout(Duration::from_secs(20), async {
                tokio::select! {
                    ended = call => panic!("{ended:?}"),
                    () = asked.heard() => {}
                }
            })
            .await
            .is_ok()
        );
    });
    let pid = asked.pid();
    let began = Instant::now();
    // Its parent reaps it when the next one is forked: until then it is a zombie, which runs nothing.
    let runs = || {
        std::fs::read_to_string(format!("/proc/{pid}/status"))
            .is_ok_and(|status| !status.contains("State:\tZ"))
    };
    while runs() {
        assert!(began.elapsed() < Duration::from_secs(10), "worker {pid} still runs");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Notes the path that a method asks for.
#[derive(Default)]
struct Noting {
    path: std::sync::Mutex<Option<String>>,
    heard: tokio::sync::Notify,
}

impl Noting {
    async fn heard(&self) {
        self.heard.notified().await;
    }

    fn pid(&self) -> u32 {
        self.path.lock().unwrap().as_ref().unwrap().trim_start_matches('/').parse().unwrap()
    }
}

impl emerge_runtime::Fs for Noting {
    fn request(&self, op: emerge_proto::Op) -> emerge_runtime::BoxFuture<'_, Result<Vec<u8>>> {
        Box::pin(async move {
            let emerge_proto::Op::Get { path, .. } = &op else { panic!("{op:?}") };
            let emerge_proto::op::Target::Path(path) = path else { panic!("{op:?}") };
            *self.path.lock().unwrap() = Some(path.clone());
            self.heard.notify_one();
            Err(emerge_proto::Error::new(ErrorCode::NotFound, "nothing is there"))
        })
    }
}

/// What each of these tries ends in an error of the system.
#[test]
fn the_machine_is_out_of_reach() {
    let attempts = [
        "open('/etc/passwd').read()",
        "open('/proc/self/maps').read()",
        "open('/proc/1/environ').read()",
        "os.listdir('/')",
        "os.listdir('/tmp')",
        "os.stat('/etc/passwd')",
        "os.readlink('/proc/self/exe')",
        "os.open('/tmp/emerge-native', os.O_WRONLY | os.O_CREAT)",
        "open(__import__('pandas').__file__, 'a')",
        "os.mkdir('/tmp/emerge-native')",
        "os.unlink(__import__('pandas').__file__)",
        "os.rename('/etc/hostname', '/etc/hostname2')",
        "os.chmod('/etc/hostname', 0)",
        "os.symlink('/etc/passwd', '/tmp/emerge-native')",
        "os.fork()",
        "os.execv('/bin/sh', ['sh'])",
        "os.execv(sys.executable, ['python'])",
        "__import__('subprocess').run([sys.executable, '-c', ''])",
        "os.posix_spawn('/bin/id', ['id'], {})",
        "__import__('threading').Thread(target=print).start()",
        "os.kill(os.getppid(), 9)",
        "os.kill(os.getpid(), 9)",
        "os.killpg(0, 9)",
        "socket.socket()",
        "socket.socket(socket.AF_UNIX)",
        "socket.create_connection(('127.0.0.1', 80))",
        "socket.socketpair()",
        "os.pipe()",
        "os.memfd_create('x')",
        "os.setuid(0)",
        "os.setpriority(os.PRIO_PROCESS, 0, -5)",
        "os.sched_setaffinity(0, {0})",
        "__import__('resource').setrlimit(4, (0, 0))",
        "os.chdir('/tmp')",
        "os.chroot('/')",
        "__import__('mmap').mmap(-1, 4096)",
        "must(ctypes.CDLL(None).ptrace(16, os.getppid(), 0, 0))",
        "must(ctypes.CDLL(None).prctl(4, 1, 0, 0, 0))",
        "must(ctypes.CDLL(None).syscall(101, 16, os.getppid(), 0, 0))",
        "must(ctypes.CDLL(None).unshare(0x10000000))",
        "must(ctypes.CDLL(None).mount(b'none', b'/tmp', b'tmpfs', 0, 0))",
        "must(ctypes.CDLL(None).syscall(425, 1, ctypes.create_string_buffer(120)))",
        "must(ctypes.CDLL(None).syscall(321, 0, ctypes.create_string_buffer(120), 120))",
        "must(ctypes.CDLL(None).process_vm_readv(os.getppid(), 0, 0, 0, 0, 0))",
        "must(ctypes.CDLL(None).shmget(0, 4096, 0o1600))",
        "must(ctypes.CDLL(None).fcntl(0, 8, os.getppid()))",
    ];
    for attempt in attempts {
        let body = format!(
            "import ctypes, os, socket, sys\ndef must(result):\n    if result == -1: raise OSError('refused')\n    return result\ntry:\n    return 'through: ' + repr({attempt})\nexcept (OSError, RuntimeError, ValueError) as error:\n    return 'refused: ' + str(error)"
        );
        let Some(said) = text(&body) else { return };
        assert!(said.starts_with("refused: "), "{attempt}: {said}");
    }
}

#[test]
fn the_environment_is_empty_and_the_user_its_own() {
    let Some(said) = text("import os\nreturn ' '.join(sorted(os.environ)) + ' ' + str(os.getuid())") else {
        return;
    };
    let (names, user) = said.rsplit_once(' ').unwrap();
    assert_eq!(names, "LC_ALL MKL_NUM_THREADS NUMEXPR_MAX_THREADS OMP_NUM_THREADS OPENBLAS_NUM_THREADS TZ");
    if rustix_is_root() {
        assert_ne!(user, "0");
    }
}

fn rustix_is_root() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| status.contains("Uid:\t0\t0"))
}

#[test]
fn no_descriptor_of_the_nodes_is_open() {
    let Some(said) = text(
        "import os\nopened = []\nfor fd in range(256):\n    try: os.lseek(fd, 0, 1)\n    except OSError as error:\n        if error.errno == 9: continue\n    opened.append(str(fd))\nreturn ' '.join(opened)",
    ) else {
        return;
    };
    assert_eq!(said, "0 1 2");
}

/// Whatever a worker that was taken over says, the node reads it or refuses it.
#[test]
fn a_worker_that_was_taken_over_ends_its_call_alone() {
    for (bytes, code) in [
        ("b'\\x00\\x00\\x00\\x00\\x00'", ErrorCode::MethodFailed),
        ("b'\\x41\\xff\\xff\\xff\\xff'", ErrorCode::TooLarge),
        ("b'\\x42\\x03\\x00\\x00\\x00abc'", ErrorCode::MethodFailed),
        ("b'\\x44\\x02\\x00\\x00\\x00{}'", ErrorCode::MethodFailed),
        ("b'\\x41\\x02\\x00\\x00\\x00{}'", ErrorCode::MethodFailed),
    ] {
        let body = format!("def run(self):\n    import os\n    os.write(0, {bytes})\n    while True: pass");
        let Some(ran) = ran(&body, |call| call.deadline = Duration::from_secs(10)) else { return };
        assert_eq!(ran.expect_err(bytes).code, code, "{bytes}");
    }
    assert!(text("return 'well'").is_none_or(|said| said == "well"));
}

#[test]
fn what_was_imported_late_is_found() {
    let Some(value) = value(
        "import zoneinfo, colorsys, pandas.io.sql, numpy.polynomial.hermite\nimport datetime\nreturn str(datetime.datetime(2026, 7, 1, tzinfo=zoneinfo.ZoneInfo('UTC')).utcoffset())",
    ) else {
        return;
    };
    assert_eq!(value, Value::Text("0:00:00".into()));
}

#[test]
fn asyncio_and_what_is_seeded_are_as_in_the_sandbox() {
    let body = "async def run(self):\n    import asyncio, random\n    import numpy as np\n    await asyncio.sleep(100)\n    return [random.random(), float(np.random.rand())]";
    let Some(first) = ran(body, |call| call.deadline = Duration::from_secs(20)) else { return };
    let second = ran(body, |_| {}).expect("native Python");
    assert_eq!(first.expect("it runs").result, second.expect("it runs").result);
}

#[test]
fn an_environment_that_is_broken_says_so() {
    if native().is_none() {
        return;
    }
    let open = |folder: &Path| tokio().block_on(Native::open(&NativeOptions::new(folder))).unwrap_err();
    let folder = tempfile::tempdir().unwrap();
    let error = open(&folder.path().join("none"));
    assert_eq!((error.code, error.field.as_deref()), (ErrorCode::Unavailable, Some("native-python")));
    // As the real one, but that its interpreter is none.
    let broken = folder.path().join("broken");
    std::fs::create_dir_all(broken.join("bin")).unwrap();
    std::fs::create_dir_all(broken.join("lib")).unwrap();
    std::fs::copy(venv().join("pyvenv.cfg"), broken.join("pyvenv.cfg")).unwrap();
    std::os::unix::fs::symlink("/bin/false", broken.join("bin/python")).unwrap();
    let error = open(&broken);
    assert_eq!(error.code, ErrorCode::Unavailable, "{error}");
    assert!(error.message.contains("is no environment for native Python"), "{error}");
}
