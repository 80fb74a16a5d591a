package sandbox

import "golang.org/x/sys/unix"

// rules lists what a worker may call: what Go, C and the engine need for
// threads, memory, time, files of which Landlock judges the names, and sockets
// that were given.
func rules(pid uint32) []rule {
	var list []rule
	for _, call := range append(allowed(), allowedHere()...) {
		list = append(list, rule{call: call})
	}
	const (
		anyBits  = ^uint32(0)
		typeBits = 0xf
	)
	return append(list,
		// Threads, and no processes. clone3 hides its flags in memory: it is
		// unknown, and C libraries then use clone.
		rule{unix.SYS_CLONE, []check{{0, unix.CLONE_THREAD, unix.CLONE_THREAD}}},
		// Memory may be mapped and protected, but never made executable.
		rule{unix.SYS_MMAP, []check{{2, unix.PROT_EXEC, 0}}},
		rule{unix.SYS_MPROTECT, []check{{2, unix.PROT_EXEC, 0}}},
		// Signals to this process only.
		rule{unix.SYS_TGKILL, []check{{0, anyBits, pid}}},
		rule{unix.SYS_KILL, []check{{0, anyBits, pid}}},
		// The way to the keeper. Datagram pairs could be sent elsewhere.
		rule{unix.SYS_SOCKETPAIR, []check{{0, anyBits, unix.AF_UNIX}, {1, typeBits, unix.SOCK_STREAM}}},
		// Names for threads and memory. Nothing that makes the process
		// dumpable again.
		rule{unix.SYS_PRCTL, []check{{0, anyBits, unix.PR_SET_NAME}}},
		// Limits may be read, as far as they are this process's.
		rule{unix.SYS_PRLIMIT64, []check{{0, anyBits, 0}, {2, anyBits, 0}}},
	)
}

func allowed() []uintptr {
	return []uintptr{
		// threads, signals, the end
		unix.SYS_FUTEX, unix.SYS_SET_ROBUST_LIST, unix.SYS_RSEQ, unix.SYS_SET_TID_ADDRESS, unix.SYS_GETTID, unix.SYS_GETPID, unix.SYS_GETPPID,
		unix.SYS_GETUID, unix.SYS_GETEUID, unix.SYS_GETGID, unix.SYS_GETEGID,
		unix.SYS_SCHED_YIELD, unix.SYS_SCHED_GETAFFINITY, unix.SYS_GETCPU, unix.SYS_MEMBARRIER,
		unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGRETURN, unix.SYS_SIGALTSTACK, unix.SYS_RESTART_SYSCALL,
		unix.SYS_EXIT, unix.SYS_EXIT_GROUP,
		// memory
		unix.SYS_BRK, unix.SYS_MUNMAP, unix.SYS_MREMAP, unix.SYS_MADVISE, unix.SYS_MLOCK, unix.SYS_MUNLOCK, unix.SYS_MINCORE, unix.SYS_MEMFD_CREATE,
		// time; the deadline can be moved, and neither made again nor removed
		unix.SYS_CLOCK_GETTIME, unix.SYS_CLOCK_GETRES, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_NANOSLEEP, unix.SYS_GETTIMEOFDAY, unix.SYS_TIMER_SETTIME,
		unix.SYS_GETRANDOM, unix.SYS_SYSINFO, unix.SYS_UNAME, unix.SYS_GETRUSAGE, unix.SYS_TIMES,
		// files
		unix.SYS_OPENAT, unix.SYS_OPENAT2, unix.SYS_CLOSE, unix.SYS_FSTAT, unix.SYS_STATX, unix.SYS_FSTATFS, unix.SYS_FACCESSAT, unix.SYS_FACCESSAT2,
		unix.SYS_READLINKAT, unix.SYS_GETDENTS64, unix.SYS_GETCWD, unix.SYS_MKDIRAT, unix.SYS_UNLINKAT, unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2,
		unix.SYS_READ, unix.SYS_WRITE, unix.SYS_PREAD64, unix.SYS_PWRITE64, unix.SYS_READV, unix.SYS_WRITEV, unix.SYS_PREADV, unix.SYS_PWRITEV, unix.SYS_LSEEK,
		unix.SYS_FSYNC, unix.SYS_FDATASYNC, unix.SYS_FTRUNCATE, unix.SYS_FALLOCATE, unix.SYS_FADVISE64, unix.SYS_FLOCK, unix.SYS_FCNTL, unix.SYS_DUP, unix.SYS_DUP3,
		unix.SYS_COPY_FILE_RANGE, unix.SYS_SENDFILE, unix.SYS_SPLICE, unix.SYS_PIPE2,
		// waiting
		unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_PWAIT, unix.SYS_EVENTFD2, unix.SYS_PPOLL,
		// sockets that are there
		unix.SYS_ACCEPT4, unix.SYS_GETSOCKNAME, unix.SYS_GETPEERNAME, unix.SYS_GETSOCKOPT, unix.SYS_SETSOCKOPT, unix.SYS_SHUTDOWN,
		unix.SYS_SENDMSG, unix.SYS_RECVMSG, unix.SYS_SENDTO, unix.SYS_RECVFROM,
	}
}

// denied lists what is known, and refused as such. Whatever is on neither list
// does not exist for a worker.
func denied() []uintptr {
	return append([]uintptr{
		unix.SYS_EXECVE, unix.SYS_EXECVEAT,
		unix.SYS_SOCKET, unix.SYS_CONNECT, unix.SYS_BIND, unix.SYS_LISTEN, unix.SYS_ACCEPT,
		unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_KCMP,
		unix.SYS_PIDFD_OPEN, unix.SYS_PIDFD_GETFD, unix.SYS_PIDFD_SEND_SIGNAL, unix.SYS_TKILL, unix.SYS_RT_SIGQUEUEINFO, unix.SYS_RT_TGSIGQUEUEINFO,
		unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT, unix.SYS_UNSHARE, unix.SYS_SETNS, unix.SYS_OPEN_BY_HANDLE_AT,
		unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_USERFAULTFD,
		unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_KEXEC_LOAD, unix.SYS_REBOOT, unix.SYS_SWAPON, unix.SYS_IO_URING_SETUP,
		unix.SYS_PKEY_MPROTECT, unix.SYS_TIMER_CREATE, unix.SYS_TIMER_DELETE,
		unix.SYS_FCHMODAT, unix.SYS_FCHMOD, unix.SYS_FCHOWNAT, unix.SYS_LINKAT, unix.SYS_SYMLINKAT, unix.SYS_MKNODAT, unix.SYS_IOCTL,
		unix.SYS_SETUID, unix.SYS_SETGID, unix.SYS_CAPSET, unix.SYS_SETRLIMIT,
	}, deniedHere()...)
}
