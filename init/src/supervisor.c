// A supervisor: the subreaper of one command, so that all descendants of the command stay below it. It waits for an order,
// carries it out, and waits for the next one when it has no child left. It keeps root's rights and can't be traced. Code
// inside that is root can kill it; then process 1 kills everything that was below it.
#define _GNU_SOURCE
#include "init.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int control;

static void tell(struct report report) {
  while (send(control, &report, sizeof report, MSG_NOSIGNAL) < 0 && errno == EINTR) continue;
}

static struct ending failure(enum stage stage, int number) { return (struct ending){FAILED, number, stage}; }

// Closes the descriptors inherited from process 1: copies would keep others' pipes open.
static void close_from(int first) {
  enum { SYS_CLOSE_RANGE = 436 };
  if (syscall(SYS_CLOSE_RANGE, first, ~0U, 0) == 0) return;
  DIR *files = opendir("/proc/self/fd");
  for (struct dirent *file; files != NULL && (file = readdir(files)) != NULL;) {
    int number = atoi(file->d_name);
    if (number >= first && number != dirfd(files)) close(number);
  }
  if (files != NULL) closedir(files);
}

static void default_signals(void) {
  sigset_t none;
  sigemptyset(&none);
  signal(SIGPIPE, SIG_DFL);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

// Waits for the order, and for the input, output and errors of its command.
static void take_descriptors(void) {
  for (;;) {
    char byte, space[CMSG_SPACE(3 * sizeof(int))];
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
    ssize_t got = recvmsg(control, &message, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got != 1) _exit(0);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    // A signal for the last command, which ended meanwhile.
    if (header == NULL) continue;
    if (header->cmsg_type != SCM_RIGHTS || header->cmsg_len != CMSG_LEN(3 * sizeof(int))) _exit(0);
    int files[3];
    memcpy(files, CMSG_DATA(header), sizeof files);
    for (int i = 0; i < 3; i++) {
      // They come in their places where those are free.
      if (files[i] == i) continue;
      dup2(files[i], i);
      close(files[i]);
    }
    return;
  }
}

static void drop_descriptors(int first, int end) {
  for (int i = first; i < end; i++) close(i);
}

static size_t name_length(const char *entry) { return strcspn(entry, "="); }

static bool is_set(char **list, const char *name) {
  size_t length = strlen(name);
  for (; *list != NULL; list++)
    if (name_length(*list) == length && strncmp(*list, name, length) == 0) return true;
  return false;
}

// The parameters of a program's start. `language` is the place for LANG if no language is chosen.
struct start {
  struct user user;
  bool tty, script;
  char *folder, **arguments, **environment, **language;
};

// The sandbox's variables with these over them.
static char **make_environment(struct start *start, char **given, uint32_t count, bool bare) {
  static char home[sizeof start->user.home + 5];
  size_t base = 0;
  while (!bare && environ[base] != NULL) base++;
  char **list = calloc(base + count + 3, sizeof *list);
  size_t have = 0;
  if (list == NULL) return NULL;
  for (size_t i = 0; i < base; i++) list[have++] = environ[i];
  for (uint32_t i = 0; i < count; i++) {
    size_t length = name_length(given[i]), at = 0;
    while (at < have && (name_length(list[at]) != length || strncmp(list[at], given[i], length) != 0)) at++;
    bool taken_away = given[i][length] == 0;
    if (at == have && !taken_away) list[have++] = given[i];
    else if (at < have && taken_away) list[at] = list[--have];
    else if (at < have) list[at] = given[i];
    list[have] = NULL;
  }
  if (bare) return list;
  if (!is_set(list, "HOME")) {
    strcpy(home, "HOME=");
    strcpy(home + 5, start->user.home);
    list[have++] = home;
  }
  if (!is_set(list, "LANG") && !is_set(list, "LC_ALL") && !is_set(list, "LC_CTYPE")) start->language = &list[have];
  return list;
}

// The image's own UTF-8 locale; musl knows no other.
static char *find_language(void) {
  static char c[] = "LANG=C.UTF-8", english[] = "LANG=en_US.UTF-8";
  static const struct {
    const char *path;
    char *language;
  } signs[] = {{"/usr/lib/locale/C.utf8", c},
               {"/usr/lib/locale/C.UTF-8", c},
               {"/usr/lib/locale/en_US.utf8", english},
               {"/lib/ld-musl-x86_64.so.1", c},
               {"/lib/ld-musl-aarch64.so.1", c}};
  for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
    if (access(signs[i].path, F_OK) == 0) return signs[i].language;
  return NULL;
}

// Returns only where there is no shell.
static void run_script(char *script) {
  static const char *const shells[] = {"/bin/bash", "/usr/bin/bash", "/usr/local/bin/bash", "/bin/sh"};
  for (size_t i = 0; i < sizeof shells / sizeof *shells; i++) {
    char *arguments[] = {(char *)shells[i], "-c", "--", script, NULL};
    execve(shells[i], arguments, environ);
    // Another one would do no better.
    if (errno != ENOENT && errno != ENOTDIR && errno != EACCES && errno != ELOOP && errno != ENOEXEC) return;
  }
}

// Between vfork and exec. Returns why there is no program.
static struct ending become_program(const struct start *start) {
  environ = start->environment;
  setsid();
  if (start->tty && ioctl(0, TIOCSCTTY, 0) != 0) return failure(STAGE_TERMINAL, errno);
  int problem = become(&start->user);
  if (problem != 0) return failure(STAGE_USER, problem);
  if (chdir(*start->folder == 0 ? "/" : start->folder) != 0) return failure(STAGE_FOLDER, errno);
  default_signals();
  if (start->language != NULL) *start->language = find_language();
  if (start->script) run_script(start->arguments[0]);
  else execvp(start->arguments[0], start->arguments);
  return failure(STAGE_PROGRAM, errno);
}

static struct ending spawn(const struct start *start, pid_t *main) {
  // The exec closes this pipe. Data in it is the reason of a failed exec.
  int failed[2];
  if (pipe2(failed, O_CLOEXEC) != 0) return failure(STAGE_PROCESS, errno);
  char **own = environ;
  pid_t pid = vfork();
  if (pid == 0) {
    struct ending end = become_program(start);
    (void)!write(failed[1], &end, sizeof end);
    _exit(127);
  }
  struct ending end = pid < 0 ? failure(STAGE_PROCESS, errno) : (struct ending){EXITED, 0, NO_STAGE};
  environ = own;
  close(failed[1]);
  if (pid > 0 && read(failed[0], &end, sizeof end) == sizeof end) waitpid(pid, NULL, __WALL);
  close(failed[0]);
  *main = pid;
  return end;
}

// Returns how it failed to begin, or that it has begun.
static struct ending start_program(struct reader *payload, unsigned *flags, pid_t *main) {
  *flags = get_number(payload, 1);
  get_number(payload, 8); // credit and size
  get_text(payload);      // name
  char *wanted = take_text(payload);
  struct start start = {.tty = *flags & TERMINAL, .script = *flags & SCRIPT, .folder = take_text(payload)};
  uint32_t count = 0, variables = 0;
  start.arguments = take_list(payload, &count);
  char **given = take_list(payload, &variables);
  struct ending end = failure(STAGE_REQUEST, EINVAL);
  if (start.arguments != NULL && given != NULL && count > 0) {
    int problem = find_user(wanted, &start.user);
    start.environment = problem == 0 ? make_environment(&start, given, variables, *flags & BARE) : NULL;
    if (problem != 0) end = failure(STAGE_USER, problem);
    else if (start.environment == NULL) end = failure(STAGE_PROCESS, ENOMEM);
    else {
      if (start.tty) (void)!fchown(0, start.user.uid, -1);
      end = spawn(&start, main);
    }
  }
  free(start.environment);
  free(start.arguments);
  free(given);
  return end;
}

static _Noreturn void do_file_operation(struct reader *payload) {
  get_number(payload, 4); // credit
  char *wanted = take_text(payload);
  uint32_t count = 0;
  char **arguments = take_list(payload, &count);
  struct user user;
  bool good = arguments != NULL && count > 0;
  int problem = good ? find_user(wanted, &user) : EINVAL;
  if (problem == 0) problem = become(&user);
  if (problem != 0) {
    tell((struct report){.ended = true, .end = failure(good ? STAGE_USER : STAGE_REQUEST, problem)});
    _exit(0);
  }
  close(control);
  default_signals();
  signal(SIGPIPE, SIG_IGN);
  (void)!chdir("/");
  _exit(file_operation(count, arguments));
}

// Reaps all children there are, and notes how the main one ended. Returns whether any is left.
static bool reap_children(pid_t main, struct report *report) {
  for (;;) {
    int status;
    pid_t pid = waitpid(-1, &status, WNOHANG | __WALL);
    if (pid < 0 && errno == EINTR) continue;
    if (pid <= 0) return pid == 0;
    if (pid != main) continue;
    report->ended = true;
    report->end = (struct ending){.how = WIFSIGNALED(status) ? SIGNALLED : EXITED,
                                  .value = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status)};
  }
}

// Waits until a child has ended or process 1 says something. Returns whether either came within the patience.
static bool wait_for_news(int child, int patience, bool *said) {
  struct pollfd wait[2] = {{child, POLLIN, 0}, {control, POLLIN, 0}};
  bool any = poll(wait, 2, patience) != 0;
  struct signalfd_siginfo info;
  if (wait[0].revents != 0) (void)!read(child, &info, sizeof info);
  *said = wait[1].revents != 0;
  return any;
}

// Passes a signal on. Process 1 that is gone ends the sandbox anyway.
static void take_signal(pid_t main, bool ended) {
  unsigned char signal;
  if (recv(control, &signal, 1, MSG_DONTWAIT) <= 0) _exit(0);
  if (!ended) kill(-main, signal);
}

// Carries out an order, up to the end of all that the command started.
static void run_command(struct reader *payload, int child, bool again) {
  // Nobody waits to hear that a command without input runs: it is told with its end where that is near.
  enum { SHORT_MS = 20 };
  pid_t main = 0;
  unsigned flags;
  struct ending begun = start_program(payload, &flags, &main);
  if (begun.how == FAILED) {
    drop_descriptors(0, 3);
    return tell((struct report){.ended = true, .end = begun, .resting = again});
  }
  bool tty = flags & TERMINAL, waits = !tty && (flags & KEPT) == 0 && flags & NO_INPUT;
  bool left = true, told = false, ended = false, said = false;
  // An output that it holds does not end before the command: process 1 is woken once, and not for each.
  drop_descriptors(0, tty ? 3 : 1);
  while (left) {
    struct report report = {.pid = main};
    bool came = (!told && !waits) || wait_for_news(child, told ? -1 : SHORT_MS, &said);
    left = reap_children(main, &report);
    report.started = !told && (!waits || !came || report.ended);
    report.resting = !left && again;
    if (report.started || report.ended || report.resting) tell(report);
    told = told || report.started;
    ended = ended || report.ended;
    if (report.ended && !tty) drop_descriptors(1, 3);
    if (said) take_signal(main, ended);
    said = false;
  }
}

_Noreturn void supervise(int given_control, const struct order *order) {
  // A long order leaves memory behind: its supervisor is not used again.
  enum { LONG = 16 << 10 };
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  control = 3;
  if (dup2(given_control, control) < 0) _exit(0);
  close_from(control + 1);
  int score = open("/proc/self/oom_score_adj", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  if (score >= 0) {
    (void)!write(score, "500", 3);
    close(score);
  }
  fcntl(control, F_SETFD, FD_CLOEXEC);
  sigset_t wanted;
  sigemptyset(&wanted);
  sigaddset(&wanted, SIGCHLD);
  int child = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
  drop_descriptors(0, 3);
  for (bool again = true; again;) {
    take_descriptors();
    struct reader payload = {order->payload, order->payload + order->length, false};
    if (order->file) do_file_operation(&payload);
    again = order->length <= LONG;
    run_command(&payload, child, again);
  }
  _exit(0);
}
