// A supervisor: the subreaper of one command, so that whatever the command starts stays below it. It is forked ahead,
// does as it is told once, and ends when it has no child left. It keeps root's rights and can't be traced; code inside
// that is root can kill it, whereupon process 1 kills all that was below it.
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

static _Noreturn void give_up(enum stage stage, int number) {
  tell((struct report){ENDED, 0, {FAILED, number, stage}});
  _exit(0);
}

// What process 1 had open when it forked: copies would keep others' pipes from ending.
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

// Waits for the order, and for input, output and errors of what it is about.
static void take_descriptors(void) {
  char byte, space[CMSG_SPACE(3 * sizeof(int))];
  struct iovec part = {&byte, 1};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
  ssize_t got;
  while ((got = recvmsg(control, &message, 0)) < 0 && errno == EINTR) continue;
  struct cmsghdr *header = got == 1 ? CMSG_FIRSTHDR(&message) : NULL;
  if (header == NULL || header->cmsg_type != SCM_RIGHTS || header->cmsg_len != CMSG_LEN(3 * sizeof(int))) _exit(0);
  int files[3];
  memcpy(files, CMSG_DATA(header), sizeof files);
  for (int i = 0; i < 3; i++) dup2(files[i], i);
  for (int i = 0; i < 3; i++) close(files[i]);
}

static size_t name_length(const char *entry) { return strcspn(entry, "="); }

static bool is_set(char **list, const char *name) {
  size_t length = strlen(name);
  for (; *list != NULL; list++)
    if (name_length(*list) == length && strncmp(*list, name, length) == 0) return true;
  return false;
}

// The sandbox's variables with these over them.
static char **make_environment(char **given, uint32_t count, bool bare, const struct user *user) {
  size_t base = 0;
  while (!bare && environ[base] != NULL) base++;
  char **list = calloc(base + count + 2, sizeof *list);
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
  static char home[sizeof user->home + 5] = "HOME=";
  strcat(home, user->home);
  if (!bare && !is_set(list, "HOME")) list[have++] = home;
  list[have] = NULL;
  return list;
}

// Between vfork and exec. Returns why there is no program.
static struct ending become_program(const struct user *user, bool tty, const char *folder, char **arguments, char **environment) {
  environ = environment;
  setsid();
  if (tty && ioctl(0, TIOCSCTTY, 0) != 0) return (struct ending){FAILED, errno, STAGE_TERMINAL};
  int problem = become(user);
  if (problem != 0) return (struct ending){FAILED, problem, STAGE_USER};
  if (chdir(*folder == 0 ? "/" : folder) != 0) return (struct ending){FAILED, errno, STAGE_FOLDER};
  default_signals();
  execvp(arguments[0], arguments);
  return (struct ending){FAILED, errno, STAGE_PROGRAM};
}

static pid_t start_program(struct reader *payload) {
  unsigned flags = get_number(payload, 1);
  get_number(payload, 8); // credit and size
  get_text(payload);      // name
  char *wanted = take_text(payload), *folder = take_text(payload);
  uint32_t count = 0, variables = 0;
  char **arguments = take_list(payload, &count), **given = take_list(payload, &variables);
  if (arguments == NULL || given == NULL || count == 0) give_up(STAGE_REQUEST, EINVAL);
  struct user user;
  int problem = find_user(wanted, &user);
  if (problem != 0) give_up(STAGE_USER, problem);
  char **environment = make_environment(given, variables, flags & BARE, &user);
  if (environment == NULL) give_up(STAGE_PROCESS, ENOMEM);
  if (flags & TERMINAL) (void)!fchown(0, user.uid, -1);

  // Closed by the exec; what comes out of it before is why there was none.
  int failed[2];
  if (pipe2(failed, O_CLOEXEC) != 0) give_up(STAGE_PROCESS, errno);
  pid_t pid = vfork();
  if (pid < 0) give_up(STAGE_PROCESS, errno);
  if (pid == 0) {
    struct ending end = become_program(&user, flags & TERMINAL, folder, arguments, environment);
    (void)!write(failed[1], &end, sizeof end);
    _exit(127);
  }
  struct ending end;
  close(failed[1]);
  if (read(failed[0], &end, sizeof end) == sizeof end) {
    waitpid(pid, NULL, 0);
    give_up(end.stage, end.value);
  }
  close(failed[0]);
  return pid;
}

static _Noreturn void do_file_operation(struct reader *payload) {
  get_number(payload, 4); // credit
  char *wanted = take_text(payload);
  uint32_t count = 0;
  char **arguments = take_list(payload, &count);
  if (arguments == NULL || count == 0) give_up(STAGE_REQUEST, EINVAL);
  struct user user;
  int problem = find_user(wanted, &user);
  if (problem == 0) problem = become(&user);
  if (problem != 0) give_up(STAGE_USER, problem);
  close(control);
  default_signals();
  signal(SIGPIPE, SIG_IGN);
  (void)!chdir("/");
  _exit(file_operation(count, arguments));
}

// Reaps all children there are, and tells how the main one ended. Returns whether any is left.
static bool reap_children(pid_t main, bool *main_ended) {
  for (;;) {
    int status;
    pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid < 0 && errno == EINTR) continue;
    if (pid <= 0) return pid == 0;
    if (pid != main) continue;
    *main_ended = true;
    struct ending end = {.how = WIFSIGNALED(status) ? SIGNALLED : EXITED,
                         .value = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status)};
    tell((struct report){ENDED, main, end});
  }
}

_Noreturn void supervise(int given_control, const struct order *order) {
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  control = 3;
  if (dup2(given_control, control) < 0) _exit(0);
  close_from(control + 1);
  int score = open("/proc/self/oom_score_adj", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  if (score >= 0) {
    (void)!write(score, "500", 3);
    close(score);
  }
  take_descriptors();
  fcntl(control, F_SETFD, FD_CLOEXEC);
  struct reader payload = {order->payload, order->payload + order->length, false};
  if (order->file) do_file_operation(&payload);

  pid_t main = start_program(&payload);
  tell((struct report){STARTED, main, {0}});
  for (int i = 0; i < 3; i++) close(i);
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  int ended = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
  bool main_ended = false;
  while (reap_children(main, &main_ended)) {
    struct pollfd wait[2] = {{ended, POLLIN, 0}, {control, POLLIN, 0}};
    poll(wait, 2, -1);
    struct signalfd_siginfo info;
    while (read(ended, &info, sizeof info) > 0) continue;
    unsigned char signal;
    if (wait[1].revents == 0) continue;
    if (recv(control, &signal, 1, MSG_DONTWAIT) <= 0) break;
    if (!main_ended) kill(-main, signal);
  }
  _exit(0);
}
