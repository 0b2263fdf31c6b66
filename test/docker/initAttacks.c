// What root in a sandbox may try against process 1, each by its name: it prints "done", or why it was refused.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

static int finish(long result) {
  puts(result < 0 ? strerror(errno) : "done");
  return 0;
}

static long read_from(const char *path) {
  char text[4096];
  int file = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (file < 0) return -1;
  long got = read(file, text, sizeof text);
  // Nothing to see is as good as a refusal.
  if (got == 0) errno = ENODATA;
  return got > 0 ? got : -1;
}

static long read_link(const char *path) {
  char text[4096];
  return readlink(path, text, sizeof text);
}

static long write_to(const char *path, const char *text) {
  int file = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  return file < 0 ? -1 : write(file, text, strlen(text));
}

static long memory_of_init(int writing) {
  char byte = 0;
  struct iovec here = {&byte, 1}, there = {(void *)0x400000, 1};
  return writing ? process_vm_writev(1, &here, 1, &there, 1, 0) : process_vm_readv(1, &here, 1, &there, 1, 0);
}

static int pidfd(void) { return syscall(SYS_pidfd_open, 1, 0); }

static long send_all(int (*send)(int), const char *which) {
  for (int signal = 1; signal <= 64; signal++)
    if (strcmp(which, "blockable") != 0 || (signal != SIGKILL && signal != SIGSTOP)) send(signal);
  return 0;
}
static int by_kill(int signal) { return kill(1, signal); }
static int by_thread(int signal) { return syscall(SYS_tgkill, 1, 1, signal); }
static int by_pidfd(int signal) { return syscall(SYS_pidfd_send_signal, pidfd(), signal, NULL, 0); }
static int by_queue(int signal) {
  siginfo_t info = {.si_signo = signal, .si_code = SI_QUEUE};
  return syscall(SYS_rt_sigqueueinfo, 1, signal, &info);
}

// Every limit of process 1 that would keep it from its work, or end it.
static long limit(int resource, rlim_t most) {
  struct rlimit now = {most, most};
  return prlimit(1, resource, &now, NULL);
}

static long notified_filter(void) {
  struct sock_filter all[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF)};
  struct sock_fprog program = {1, all};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  pid_t child = fork();
  if (child == 0) {
    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
    for (;;) syscall(SYS_getpid);
  }
  return child;
}

// Connections to what process 1 listens on, kept for as long as the command runs.
static long flood(void) {
  struct sockaddr_un init = {.sun_family = AF_UNIX};
  memcpy(init.sun_path, "\0cordon-init", 12);
  int taken = 0;
  for (int i = 0; i < 4000; i++) {
    int file = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (file < 0) break;
    if (connect(file, (struct sockaddr *)&init, offsetof(struct sockaddr_un, sun_path) + 12) == 0) taken++;
    char bytes[4096] = {0};
    // Descriptors that process 1 would have to keep.
    union { char room[CMSG_SPACE(3 * sizeof(int))]; struct cmsghdr head; } control = {0};
    control.head = (struct cmsghdr){.cmsg_len = CMSG_LEN(3 * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(&control.head), (int[]){0, 1, 2}, 3 * sizeof(int));
    struct iovec part = {bytes, sizeof bytes};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    sendmsg(file, &message, MSG_NOSIGNAL);
  }
  printf("%d connections\n", taken);
  fflush(stdout);
  sleep(5);
  return 0;
}

int main(int count, char **arguments) {
  const char *name = count > 1 ? arguments[1] : "", *path = count > 2 ? arguments[2] : "";
  const char *text = count > 3 ? arguments[3] : "";
#define TRY(NAME, CALL) if (strcmp(name, NAME) == 0) return finish(CALL)
  TRY("read", read_from(path));
  TRY("link", read_link(path));
  TRY("write", write_to(path, text));
  TRY("chdir", chdir(path));
  TRY("attach", ptrace(PTRACE_ATTACH, 1, 0, 0));
  TRY("seize", ptrace(PTRACE_SEIZE, 1, 0, 0));
  TRY("read-memory", memory_of_init(0));
  TRY("write-memory", memory_of_init(1));
  TRY("take-descriptor", syscall(SYS_pidfd_getfd, pidfd(), 0, 0));
  TRY("setns", setns(pidfd(), CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET));
  TRY("kcmp", syscall(SYS_kcmp, 1, getpid(), 0, 0, 0));
  TRY("move-memory", syscall(SYS_move_pages, 1, 0, NULL, NULL, NULL, 0));
  TRY("limit-descriptors", limit(RLIMIT_NOFILE, 0));
  TRY("limit-time", limit(RLIMIT_CPU, 0));
  TRY("limit-memory", limit(RLIMIT_AS, 0));
  TRY("limit-files", limit(RLIMIT_FSIZE, 0));
  TRY("limit-processes", limit(RLIMIT_NPROC, 0));
  TRY("limit-signals", limit(RLIMIT_SIGPENDING, 0));
  TRY("hostname", sethostname("evil", 4));
  TRY("mount", mount(path, text, NULL, MS_BIND, NULL));
  TRY("mount-memory", mount("none", path, "tmpfs", 0, NULL));
  TRY("mount-proc", mount("none", path, "proc", 0, NULL));
  TRY("unmount", umount2(path, MNT_DETACH));
  TRY("device", mknod(path, S_IFBLK | 0600, 8 << 8));
  TRY("module", syscall(SYS_init_module, "", 0, ""));
  TRY("time", syscall(SYS_clock_settime, 0, (long[2]){1, 0}));
  TRY("kill", send_all(by_kill, path));
  TRY("tgkill", send_all(by_thread, path));
  TRY("pidfd", send_all(by_pidfd, path));
  TRY("sigqueue", send_all(by_queue, path));
  TRY("kill-all", kill(-1, SIGKILL));
  TRY("stop-all", kill(-1, SIGSTOP));
  TRY("nice", setpriority(PRIO_PROCESS, 1, 19));
  TRY("affinity", syscall(SYS_sched_setaffinity, 1, 8, (unsigned char[8]){1}));
  TRY("idle", sched_setscheduler(1, SCHED_IDLE, &(struct sched_param){0}));
  TRY("filter", notified_filter());
  TRY("flood", flood());
  puts("no such attempt");
  return 1;
}
