// cordon-init: process 1 of a sandbox. One thread, one loop: connections, channels, supervisors, time.
#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

// Of musl's CMSG_NXTHDR.
#pragma GCC diagnostic ignored "-Wsign-compare"

enum { STEP_MS = 2000, BUSY_MS = 20, SPARE_MS = 2, ORPHAN_MS = 1, SEARCH_MS = 10000 };

uint8_t boot_id[16];
uint32_t removal_seconds = 1200;
int proc = -1, terminals = -1;
static int oom_counter = -1;
static struct timespec boot;

uint64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)(now.tv_sec - boot.tv_sec) * 1000 + (now.tv_nsec - boot.tv_nsec) / 1000000;
}

// The number of processes in the sandbox that the kernel has killed for lack of memory.
unsigned long count_oom_kills(void) {
  char text[512];
  ssize_t got = oom_counter < 0 ? -1 : pread(oom_counter, text, sizeof text - 1, 0);
  text[got < 0 ? 0 : got] = 0;
  const char *found = strstr(text, "oom_kill ");
  return found == NULL ? 0 : strtoul(found + 9, NULL, 10);
}

static int address(struct sockaddr_un *to) {
  static const char name[] = "\0cordon-init";
  *to = (struct sockaddr_un){.sun_family = AF_UNIX};
  memcpy(to->sun_path, name, sizeof name - 1);
  return offsetof(struct sockaddr_un, sun_path) + sizeof name - 1;
}

static int listen_for_helpers(void) {
  struct sockaddr_un here;
  int size = address(&here), file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (file >= 0 && bind(file, (struct sockaddr *)&here, size) == 0 && listen(file, 64) == 0) return file;
  return -1;
}

static void accept_helper(int listening) {
  struct ucred peer;
  socklen_t size = sizeof peer;
  int file = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (file < 0) return;
  // Only the engine can start a process whose parent is outside the namespace. gVisor reports 1 (ourselves) as the parent
  // of all: there the credentials sent with the descriptors decide.
  bool welcome = getsockopt(file, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && (peer.pid == 1 || is_outsider(peer.pid));
  int on = 1;
  if (!welcome || setsockopt(file, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0 || add_connection(-1, -1, file) == NULL)
    close(file);
}

// The helper: hands its own input and output to process 1, and lives as long as the connection.
static int hand_over(void) {
  struct sockaddr_un there;
  int size = address(&there), file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (file < 0 || connect(file, (struct sockaddr *)&there, size) != 0) return 1;
  char byte = 0, space[CMSG_SPACE(2 * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))] = {0};
  struct iovec part = {&byte, 1};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  int files[2] = {0, 1};
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof files);
  memcpy(CMSG_DATA(header), files, sizeof files);
  // The kernel lets nobody claim another process's ID.
  struct ucred self = {getpid(), getuid(), getgid()};
  header = CMSG_NXTHDR(&message, header);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_CREDENTIALS;
  header->cmsg_len = CMSG_LEN(sizeof self);
  memcpy(CMSG_DATA(header), &self, sizeof self);
  if (sendmsg(file, &message, MSG_NOSIGNAL) != 1) return 1;
  close(0);
  close(1);
  while (read(file, &byte, 1) < 0 && errno == EINTR) continue;
  return 0;
}

static void forget_home(void) {
  // The runtime's own word about root, not the image's: others would inherit it.
  struct user root;
  const char *home = getenv("HOME");
  if (home != NULL && find_user("0", &root) == 0 && strcmp(home, root.home) == 0) unsetenv("HOME");
}

// Moves the first connection's descriptors away from those that programs expect to be their own.
static void set_up(int first[2]) {
  umask(022);
  // A process with the same three IDs may set our limits (prlimit). Root inside would be such a process.
  syscall(SYS_setresgid, (gid_t)-1, (gid_t)-1, 0xfffe);
  clock_gettime(CLOCK_MONOTONIC, &boot);
  if (getrandom(boot_id, sizeof boot_id, GRND_NONBLOCK) < 0) memcpy(boot_id, &boot, sizeof boot);
  first[0] = fcntl(0, F_DUPFD_CLOEXEC, 10);
  first[1] = fcntl(1, F_DUPFD_CLOEXEC, 10);
  int nothing = open("/dev/null", O_RDWR | O_NONBLOCK | O_CLOEXEC), ends[2];
  if (nothing < 0 && pipe2(ends, O_CLOEXEC) == 0) nothing = ends[0];
  for (int i = 0; i < 3; i++) dup2(nothing, i);
  proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  terminals = open("/dev/pts", O_PATH | O_DIRECTORY | O_CLOEXEC);
  oom_counter = open("/sys/fs/cgroup/memory.events", O_RDONLY | O_CLOEXEC);
  if (oom_counter < 0) oom_counter = open("/sys/fs/cgroup/memory/memory.oom_control", O_RDONLY | O_CLOEXEC);
  signal(SIGPIPE, SIG_IGN);
  forget_home();
}

// Real-time signals queue: one from inside that is pending does not swallow the one from outside. By number, since C
// libraries count them from different ones. gVisor's kill knows none of them: there it is SIGUSR1.
enum { STOP_SIGNAL = 40 };

static int listen_for_signals(void) {
  sigset_t all, wanted;
  // The kernel lets no signal from inside end process 1. gVisor does, unless the signal is blocked. sigfillset would leave
  // out three signals that the C library uses.
  memset(&all, 0xff, sizeof all);
  sigprocmask(SIG_BLOCK, &all, NULL);
  sigemptyset(&wanted);
  sigaddset(&wanted, SIGCHLD);
  sigaddset(&wanted, SIGTERM);
  sigaddset(&wanted, SIGUSR1);
  sigaddset(&wanted, STOP_SIGNAL);
  return signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
}

// Ends all processes except the connections. Existing orphans are included.
static void end_everything(void) {
  kill_jobs();
  for (struct channel *channel = channels; channel != NULL; channel = channel->next)
    if (channel->connection != NULL && !channel->listening && channel->listener == 0) kill_channel(channel);
}

static void take_signals(int signals) {
  struct signalfd_siginfo info[64];
  // No more than that in a turn: code inside may send them without end.
  ssize_t got = read(signals, info, sizeof info);
  for (ssize_t i = 0; i < got / (ssize_t)sizeof *info; i++) {
    // A signal from outside the namespace, from the engine, has no sender in it. Code inside that forges a sender, or makes
    // the kernel send a signal, can't claim that it came by kill.
    if (info[i].ssi_signo == SIGCHLD || info[i].ssi_pid != 0 || info[i].ssi_code != SI_USER) continue;
    if (info[i].ssi_signo == SIGTERM) _exit(0);
    end_everything();
  }
}

// The polled descriptors, and the owner of each.
static struct pollfd *wanted;
static nfds_t wanted_count, wanted_size;

static int want(int file, short events) {
  if (wanted_count > 0 && (file < 0 || events == 0)) return 0;
  if (wanted_count == wanted_size) {
    struct pollfd *more = realloc(wanted, (wanted_size + 256) * sizeof *wanted);
    if (more == NULL) return 0;
    wanted = more;
    wanted_size += 256;
  }
  wanted[wanted_count] = (struct pollfd){file, events, 0};
  return wanted_count++;
}

static short came(int at) { return wanted[at].revents; }

// Reads what children of an ended command, or a kept process, wrote.
static void take_output(struct job *job, int stream) {
  static uint8_t nowhere[16384];
  if (job->kept != NULL) {
    log_output(job->kept, stream, job->out[stream]);
    return;
  }
  ssize_t got = read(job->out[stream], nowhere, sizeof nowhere);
  if (got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR))) return;
  close(job->out[stream]);
  job->out[stream] = -1;
}

static void sweep_jobs(void) {
  for (struct job **at = &jobs; *at != NULL;) {
    struct job *job = *at;
    if (job->kept != NULL && job->pid != 0) job->kept->pid = job->pid;
    // As with a command: what was below a killed supervisor is part of what ends here.
    bool ends = job->over && !(job->torn && has_orphans());
    if (job->kept != NULL && ends && !job->kept->settled) settle_kept(job->kept);
    if (job->supervisor != 0 || job->channel != NULL || (job->kept != NULL && !job->kept->settled)) {
      at = &job->next;
      continue;
    }
    *at = job->next;
    if (job->kept != NULL) job->kept->job = NULL;
    for (int i = 0; i < 2; i++)
      if (job->out[i] >= 0) close(job->out[i]);
    if (job->control >= 0) close(job->control);
    free(job);
  }
}

// Adds the time that passed, in steps: a sandbox that was paused loses nobody.
static void take_time(void) {
  static uint64_t before;
  static uint64_t alone_ms, searched_ms;
  uint64_t now = now_ms(), passed = now - before;
  before = now;
  unsigned step = passed > STEP_MS ? STEP_MS : passed;
  age_connections(step);
  age_channels(step);
  age_spares(step);
  bool alone = true;
  for (struct connection *each = connections; each != NULL; each = each->next) alone = alone && !each->greeted;
  alone_ms = alone ? alone_ms + step : 0;
  if (alone_ms > (uint64_t)removal_seconds * 1000) _exit(0);
  searched_ms += step;
  // Children of processes that the engine started, too, are left to process 1.
  if (searched_ms < SEARCH_MS) return;
  searched_ms = 0;
  kill_orphans();
}

// Whether somebody waits for the end of a command, and would also wait for a fork here.
static bool is_working(void) {
  struct job *job = jobs;
  while (job != NULL && (job->channel == NULL || job->over)) job = job->next;
  return job != NULL;
}

static void turn(int signals, int listening) {
  struct connection *connection;
  struct channel *channel;
  struct job *job;
  bool busy = false;
  wanted_count = 0;
  // The first entry is empty: objects made after the poll refer to it.
  want(-1, 0);
  int signalled = want(signals, POLLIN);
  int helpers = want(listening, POLLIN);
  for (connection = connections; connection != NULL; connection = connection->next) {
    if (connection->waiting) connection->polled[0] = want(connection->helper, POLLIN);
    else connection->polled[0] = want(connection->in, POLLIN);
    connection->polled[1] = want(connection->out, connection->output_end > connection->output_start ? POLLOUT : 0);
    connection->polled[2] = want(connection->waiting ? -1 : connection->helper, POLLIN);
  }
  for (job = jobs; job != NULL; job = job->next) {
    job->polled[0] = want(job->supervisor == 0 ? -1 : job->control, POLLIN);
    for (int i = 0; i < 2; i++) job->polled[i + 1] = want(job->out[i], POLLIN);
  }
  for (channel = channels; channel != NULL; channel = channel->next) {
    bool hears = channel->connection != NULL && channel->credit > 0 && !is_full(channel->connection) && data_room(channel->connection) > 0;
    channel->polled[0] = want(channel->in, input_events(channel));
    for (int i = 0; i < 2; i++)
      channel->polled[i + 1] = want(channel->out[i], hears && !channel->dialling && channel->left[i] != 0 ? POLLIN : 0);
    busy = busy || channel->doomed_ms > 0 || channel->grace_ms > 0 || (channel->tty && channel->job != NULL && channel->job->over);
  }
  bool idle = poll(wanted, wanted_count, has_orphans() ? ORPHAN_MS : wants_spare() ? SPARE_MS : busy ? BUSY_MS : STEP_MS) == 0;

  if (came(signalled)) take_signals(signals);
  take_time();
  if (came(helpers)) accept_helper(listening);
  for (job = jobs; job != NULL; job = job->next) {
    if (came(job->polled[0])) hear_supervisor(job);
    for (int i = 0; i < 2; i++)
      if (came(job->polled[i + 1]) && job->out[i] >= 0) take_output(job, i);
  }
  if (came(signalled) || has_orphans()) reap();
  if (has_orphans()) kill_orphans();
  sweep_jobs();
  for (connection = connections; connection != NULL; connection = connection->next) {
    if (connection->dead) continue;
    if (connection->waiting && came(connection->polled[0])) receive_descriptors(connection);
    else if (came(connection->polled[0])) read_connection(connection);
    if (came(connection->polled[1])) connection->blocked = false;
    if (came(connection->polled[2])) connection->dead = true;
  }
  for (channel = channels; channel != NULL; channel = channel->next)
    if (channel->connection != NULL && !channel->connection->dead)
      pump_channel(channel, came(channel->polled[0]), came(channel->polled[1]), came(channel->polled[2]));
  sweep_channels();
  for (connection = connections; connection != NULL;) {
    struct connection *next = connection->next;
    if (!connection->dead && !connection->waiting) flush_connection(connection);
    if (connection->dead) close_connection(connection);
    connection = next;
  }
  if (idle || !is_working()) prepare_spare();
}

// For gVisor: the engine can't limit its processes, but process 1 can. This file is not writable anywhere else.
static void limit_processes(const char *number) {
  int file = open("/sys/fs/cgroup/pids/pids.max", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (file < 0) return;
  (void)!write(file, number, strlen(number));
  close(file);
}

// Returns the number of `--pids=NUMBER`, NULL for anything else.
static const char *parse_limit(const char *argument) {
  static const char option[] = "--pids=";
  if (strncmp(argument, option, sizeof option - 1) != 0) return NULL;
  const char *number = argument + sizeof option - 1;
  bool good = *number >= '1' && *number <= '9' && strlen(number) < 10 && strspn(number, "0123456789") == strlen(number);
  return good ? number : NULL;
}

int main(int count, char **arguments) {
  prctl(PR_SET_DUMPABLE, 0);
  if (count == 2 && strcmp(arguments[1], "connect") == 0) return hand_over();
  if (count > 2 && strcmp(arguments[1], "guard") == 0) return run_guard(arguments + 2);
  if (getpid() != 1) {
    fputs("cordon-init is process 1 of a sandbox: nothing else can run it\n", stderr);
    return 2;
  }
  for (int i = 1; i < count; i++) {
    const char *limit = parse_limit(arguments[i]);
    if (limit == NULL) {
      fprintf(stderr, "cordon-init: unknown argument %s\n", arguments[i]);
      return 2;
    }
    limit_processes(limit);
  }
  int first[2];
  set_up(first);
  int signals = listen_for_signals(), listening = listen_for_helpers();
  struct connection *connection = add_connection(first[0], first[1], -1);
  if (signals < 0 || connection == NULL) return 1;
  connection->waiting = false;
  receive_descriptors(connection);
  for (;;) turn(signals, listening);
}
