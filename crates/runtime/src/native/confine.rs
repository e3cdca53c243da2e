//! The parent of the workers as a process: started so that the kernel holds it, and all that it forks, off the machine.
//!
//! All that needs memory or may fail is made ready before the fork; between fork and exec there are system calls alone.

use super::venv::Venv;
use super::{failed, filter};
use emerge_proto::{Error, ErrorCode, Result};
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, Scope,
};
use seccompiler::sock_filter;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The user and group of the workers of a node that is root: of a range that systemd leaves to nobody, so that no file belongs to it.
pub(super) const OWN_USER: u32 = 60_600;
/// Seconds of a processor that one process may use, should nobody be there to stop it.
const CPU_SECONDS: u64 = 3600;
/// Descriptors that one process may have open.
const FILES: u64 = 256;
/// Where a system keeps its libraries; those that are there can be read.
const SYSTEM: [&str; 7] =
    ["/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache", "/usr/share/zoneinfo"];
/// The programs that load a program's libraries.
const LOADERS: [&str; 4] = [
    "/lib64/ld-linux-x86-64.so.2",
    "/lib/ld-linux-aarch64.so.1",
    "/lib/ld-musl-x86_64.so.1",
    "/lib/ld-musl-aarch64.so.1",
];

/// The version of Landlock in this kernel; 0 when it has none, or it is switched off.
pub(super) fn landlock_abi() -> i64 {
    const VERSION: libc::c_uint = 1;
    // SAFETY: asked for its version the call reads no memory: the attribute is null and its size 0.
    unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<libc::c_void>(), 0, VERSION) }
        .max(0)
}

/// Whether this kernel has filters of system calls.
pub(super) fn has_seccomp() -> bool {
    const AVAILABLE: libc::c_uint = 2;
    let action: u32 = libc::SECCOMP_RET_ERRNO;
    // SAFETY: the call reads four bytes at the address, which `action` has.
    unsafe { libc::syscall(libc::SYS_seccomp, AVAILABLE, 0, &raw const action) == 0 }
}

/// Whether this process is root, so that workers have a user of their own.
pub(super) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// What keeps native Python from being safe on this system, if anything.
///
/// # Errors
/// `unsupported`, with what is missing.
pub(super) fn check_system() -> Result<()> {
    let missing = if landlock_abi() < 1 {
        "this kernel has no Landlock (Linux 5.13 or later, with landlock among its security modules)"
    } else if !has_seccomp() {
        "this kernel has no filters of system calls (seccomp)"
    } else {
        return Ok(());
    };
    let why = format!("native Python cannot be confined here, so that there is none: {missing}");
    Err(Error::new(ErrorCode::Unsupported, why).field("native-python"))
}

/// Starts the parent of the workers, with its end of the conversation as its input and its complaints into a pipe.
///
/// # Errors
/// `unavailable` when it cannot be started.
pub(super) fn spawn(venv: &Venv, boot: &str, control: OwnedFd, is_confined: bool) -> Result<Child> {
    let mut command = Command::new(&venv.program);
    // Isolated from variables and the user's packages; without `site`, whose files of the environment could run anything.
    command.args(["-I", "-S", "-B", "-X", "utf8", "-c", boot]);
    command.env_clear();
    for threads in ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_MAX_THREADS"] {
        command.env(threads, "1");
    }
    command.env("TZ", "UTC").env("LC_ALL", "C.UTF-8").current_dir("/");
    command.stdin(Stdio::from(control)).stdout(Stdio::null()).stderr(Stdio::piped());
    // A Ctrl-C is the node's, which ends what it has started.
    command.process_group(0);
    let hold = if is_confined { Some(Hold::ready(venv)?) } else { None };
    let enter = move || {
        close_on_exec()?;
        match &hold {
            Some(hold) => hold.take(),
            None => Ok(()),
        }
    };
    // SAFETY: the closure runs in the child between fork and exec, where only what is safe in a handler of signals may be done: it makes system calls and
    // reads what was made ready before; it allocates nothing and takes no lock.
    unsafe { command.pre_exec(enter) };
    command.spawn().map_err(|error| {
        let whom = if is_confined && is_root() { format!(" by user {OWN_USER}") } else { String::new() };
        let why = format!("{} could not be started{whom}: {error}", venv.interpreter.display());
        Error::new(ErrorCode::Unavailable, why).field("native-python")
    })
}

/// What the kernel is told, made ready.
struct Hold {
    ruleset: OwnedFd,
    filter: Vec<sock_filter>,
    own_user: bool,
}

impl Hold {
    fn ready(venv: &Venv) -> Result<Self> {
        Ok(Self { ruleset: ruleset(venv)?, filter: filter::of_parent()?, own_user: is_root() })
    }

    /// Confines the process that asks. Makes system calls alone.
    fn take(&self) -> io::Result<()> {
        if self.own_user {
            // SAFETY: these calls take numbers, and an empty list.
            done(unsafe { libc::syscall(libc::SYS_setgroups, 0, std::ptr::null::<libc::gid_t>()) })?;
            done(unsafe { libc::syscall(libc::SYS_setresgid, OWN_USER, OWN_USER, OWN_USER) })?;
            done(unsafe { libc::syscall(libc::SYS_setresuid, OWN_USER, OWN_USER, OWN_USER) })?;
        }
        for (resource, most) in [
            (libc::RLIMIT_CPU, CPU_SECONDS),
            (libc::RLIMIT_CORE, 0),
            (libc::RLIMIT_FSIZE, 0),
            (libc::RLIMIT_NOFILE, FILES),
            (libc::RLIMIT_MEMLOCK, 0),
            (libc::RLIMIT_MSGQUEUE, 0),
        ] {
            let limit = libc::rlimit { rlim_cur: most, rlim_max: most };
            // SAFETY: the call reads the limit, which is there.
            done(unsafe { libc::setrlimit(resource, &raw const limit) }.into())?;
        }
        // SAFETY: these calls take numbers.
        done(unsafe { libc::syscall(libc::SYS_setpriority, libc::PRIO_PROCESS, 0, 5) })?;
        done(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }.into())?;
        // SAFETY: the descriptor is open, and is a ruleset's.
        done(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, self.ruleset.as_raw_fd(), 0) })?;
        let program = libc::sock_fprog {
            len: self.filter.len() as u16,
            // The two types are the same eight bytes (`bytes_of` in `filter.rs` writes them out); the kernel only reads them.
            filter: self.filter.as_ptr().cast::<libc::sock_filter>().cast_mut(),
        };
        // SAFETY: the program lies in memory that outlives the call.
        done(unsafe {
            libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program)
        })
    }
}

/// Sees that nothing of the node's that is open is open in what is started.
fn close_on_exec() -> io::Result<()> {
    const FIRST: RawFd = 3;
    // SAFETY: the call takes numbers; it marks descriptors, and closes none now.
    done(unsafe { libc::syscall(libc::SYS_close_range, FIRST, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) })
}

fn done(result: libc::c_long) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// What can be read, and what can be run: the environment, the interpreter with its library, the system's libraries.
fn ruleset(venv: &Venv) -> Result<OwnedFd> {
    let why = "what native Python may read could not be listed";
    let read: BitFlags<AccessFs> = AccessFs::ReadFile | AccessFs::ReadDir;
    let mut rules: Vec<(&Path, BitFlags<AccessFs>)> = vec![
        (&venv.folder, read),
        (&venv.library, read),
        (&venv.interpreter, AccessFs::ReadFile | AccessFs::Execute),
    ];
    rules.extend(SYSTEM.iter().map(|path| (Path::new(*path), read)));
    rules.extend(LOADERS.iter().map(|path| (Path::new(*path), AccessFs::ReadFile | AccessFs::Execute)));
    let made = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V1))
        .map(|ruleset| ruleset.set_compatibility(CompatLevel::BestEffort))
        .and_then(|ruleset| ruleset.handle_access(AccessFs::from_all(ABI::V6)))
        .and_then(|ruleset| ruleset.handle_access(AccessNet::from_all(ABI::V6)))
        .and_then(|ruleset| ruleset.scope(Scope::from_all(ABI::V6)))
        .and_then(Ruleset::create);
    let mut made = made.map_err(|error| failed(why, &error))?;
    for (path, access) in rules {
        // What is not there need not be read.
        let (Ok(fd), Ok(file)) = (PathFd::new(path), File::open(path)) else { continue };
        let is_folder = file.metadata().is_ok_and(|about| about.is_dir());
        let access = if is_folder { access } else { access & AccessFs::from_file(ABI::V1) };
        made = made.add_rule(PathBeneath::new(fd, access)).map_err(|error| failed(why, &error))?;
    }
    Option::<OwnedFd>::from(made).ok_or_else(|| failed(why, &"Landlock is not there"))
}
