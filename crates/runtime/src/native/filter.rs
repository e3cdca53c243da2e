//! What system calls native Python has: two filters of seccomp. What is not allowed is an error (`EPERM`), so that Python raises.
//!
//! The first is over the parent of the workers, in which nothing of a user's runs: it takes away what no Python needs. The second is over each worker,
//! before it reads any class: it lists what there is.

use super::failed;
use emerge_proto::Result;
use seccompiler::SeccompCmpArgLen::{Dword, Qword};
use seccompiler::SeccompCmpOp::{Eq, MaskedEq};
use seccompiler::{SeccompAction, SeccompCondition, SeccompFilter, SeccompRule, sock_filter};
use std::collections::BTreeMap;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// What the parent of the workers has not.
const DENIED: &[i64] = &[
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_bind,
    libc::SYS_connect,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_kcmp,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
    libc::SYS_fsconfig,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_userfaultfd,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_fanotify_init,
    libc::SYS_quotactl,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_reboot,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_acct,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_syslog,
    libc::SYS_personality,
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_semget,
    libc::SYS_msgget,
    libc::SYS_mq_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_pidfd_send_signal,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
];

/// What a worker has, whatever it is asked with. None of these names a path, another process or another descriptor than those that it has; `fstat` alone tells of a
/// file, and of one that is open. (`newfstatat` and `statx` would tell of any path, as Landlock does not speak of them.)
const ALLOWED: &[i64] = &[
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_close,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_getdents64,
    libc::SYS_ppoll,
    libc::SYS_brk,
    libc::SYS_mprotect,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_futex,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getcwd,
    libc::SYS_getrandom,
    libc::SYS_getrusage,
    libc::SYS_times,
    libc::SYS_uname,
    libc::SYS_sysinfo,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// The filter over the parent of the workers, as the kernel reads it.
///
/// # Errors
/// `unavailable` on a machine for which there is none.
pub(super) fn of_parent() -> Result<Vec<sock_filter>> {
    let rules = DENIED.iter().map(|call| (*call, Vec::new())).collect();
    program(rules, SeccompAction::Allow, refused())
}

/// The filter over a worker.
///
/// # Errors
/// As [`of_parent`].
pub(super) fn of_worker() -> Result<Vec<sock_filter>> {
    let mut rules: Rules = ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
    // A file is opened to be read; which, Landlock says.
    let writes =
        (libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC | libc::O_APPEND | libc::O_PATH) as u64 | TEMPORARY;
    rules.insert(libc::SYS_openat, vec![rule(&[(2, Dword, MaskedEq(writes), libc::O_RDONLY as u64)])?]);
    // Memory is the worker's own: what is shared counts for no limit of its.
    rules.insert(libc::SYS_mmap, vec![rule(&[(3, Dword, MaskedEq(libc::MAP_SHARED as u64), 0)])?]);
    rules.insert(
        libc::SYS_fcntl,
        [libc::F_GETFD, libc::F_GETFL]
            .into_iter()
            .map(|what| rule(&[(1, Dword, Eq, what as u64)]))
            .collect::<Result<_>>()?,
    );
    // Limits are told, of itself, and not set.
    rules.insert(libc::SYS_prlimit64, vec![rule(&[(0, Dword, Eq, 0), (2, Qword, Eq, 0)])?]);
    program(rules, refused(), SeccompAction::Allow)
}

/// The bit of `O_TMPFILE` that it does not share with `O_DIRECTORY`.
const TEMPORARY: u64 = (libc::O_TMPFILE & !libc::O_DIRECTORY) as u64;

fn refused() -> SeccompAction {
    SeccompAction::Errno(libc::EPERM as u32)
}

fn rule(
    conditions: &[(u8, seccompiler::SeccompCmpArgLen, seccompiler::SeccompCmpOp, u64)],
) -> Result<SeccompRule> {
    let conditions = conditions
        .iter()
        .map(|(argument, len, op, value)| SeccompCondition::new(*argument, len.clone(), op.clone(), *value));
    conditions
        .collect::<std::result::Result<Vec<_>, _>>()
        .and_then(SeccompRule::new)
        .map_err(|error| failed("a filter of system calls could not be made", &error))
}

fn program(rules: Rules, otherwise: SeccompAction, matched: SeccompAction) -> Result<Vec<sock_filter>> {
    let made = std::env::consts::ARCH
        .try_into()
        .and_then(|arch| SeccompFilter::new(rules, otherwise, matched, arch))
        .and_then(TryInto::try_into);
    made.map_err(|error| failed("a filter of system calls could not be made", &error))
}

/// A filter as the bytes that the kernel is given.
pub(super) fn bytes_of(program: &[sock_filter]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(program.len() * 8);
    for step in program {
        bytes.extend_from_slice(&step.code.to_ne_bytes());
        bytes.extend_from_slice(&[step.jt, step.jf]);
        bytes.extend_from_slice(&step.k.to_ne_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filters_fit_the_kernel() {
        for program in [of_parent().unwrap(), of_worker().unwrap()] {
            assert!(!program.is_empty() && program.len() <= 4096, "{}", program.len());
            assert_eq!(bytes_of(&program).len(), program.len() * 8);
        }
    }

    #[test]
    fn a_worker_has_nothing_that_its_parent_has_not() {
        assert!(DENIED.iter().all(|call| !ALLOWED.contains(call)));
        for call in [
            libc::SYS_clone,
            libc::SYS_clone3,
            libc::SYS_execve,
            libc::SYS_execveat,
            libc::SYS_prctl,
            libc::SYS_seccomp,
        ] {
            assert!(!ALLOWED.contains(&call), "{call}");
        }
    }
}
