// Jobs: the supervised processes, and the end of processes that nobody supervises any more.
#define _GNU_SOURCE
#include "init.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct job *jobs;

// Supervisors that wait for an order: where a fork takes 3 ms (gVisor), hardly a command waits for one.
struct spare {
  struct spare *next;
  pid_t pid;
  int control;
  struct order *order;
};
// As many commands at once as need no fork; after a while without them one stays.
enum { MAX_SPARES = 4, SPARES_MS = 2000 };
static struct spare *spares;
static unsigned spare_count, unused_ms;
static bool unforkable;

static void free_order(int control, struct order *order) {
  close(control);
  munmap(order, sizeof *order);
}

// It ends by itself where it has not.
static void drop_spare(struct spare **at) {
  struct spare *spare = *at;
  *at = spare->next;
  spare_count--;
  free_order(spare->control, spare->order);
  free(spare);
}

static void add_spare(pid_t pid, int control, struct order *order) {
  struct spare *spare = spare_count < MAX_SPARES ? malloc(sizeof *spare) : NULL;
  if (spare == NULL) return free_order(control, order);
  *spare = (struct spare){spares, pid, control, order};
  spares = spare;
  spare_count++;
}

static struct spare **find_spare(pid_t pid) {
  struct spare **at = &spares;
  while (*at != NULL && (*at)->pid != pid) at = &(*at)->next;
  return at;
}

void age_spares(unsigned ms) {
  unused_ms += ms;
  while (unused_ms > SPARES_MS && spare_count > 1) drop_spare(&spares);
}

bool wants_spare(void) { return spares == NULL && !unforkable; }

void prepare_spare(void) {
  if (spares != NULL) return;
  int pair[2];
  unforkable = true;
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return;
  // Shared, so that an order of any size is there when its supervisor hears of it; no page is used before.
  struct order *order = mmap(NULL, sizeof *order, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pid_t pid = order == MAP_FAILED ? -1 : fork();
  if (pid == 0) supervise(pair[1], order);
  int problem = errno;
  close(pair[1]);
  if (pid < 0) {
    close(pair[0]);
    if (order != MAP_FAILED) munmap(order, sizeof *order);
    errno = problem;
    return;
  }
  unforkable = false;
  fcntl(pair[0], F_SETFL, O_NONBLOCK);
  add_spare(pid, pair[0], order);
}

static bool send_order(int control, const int descriptors[3]) {
  char byte = 0, space[CMSG_SPACE(3 * sizeof(int))] = {0};
  struct iovec part = {&byte, 1};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(3 * sizeof(int));
  memcpy(CMSG_DATA(header), descriptors, 3 * sizeof(int));
  return sendmsg(control, &message, MSG_NOSIGNAL) == 1;
}

struct job *begin_job(bool file, struct text payload, const int descriptors[3]) {
  struct job *job = calloc(1, sizeof *job);
  unused_ms = 0;
  // Root inside may have killed those that waited: then there is another one.
  for (unsigned attempt = 0; job != NULL && attempt <= MAX_SPARES; attempt++) {
    errno = EAGAIN;
    prepare_spare();
    struct spare *spare = spares;
    if (spare == NULL) break;
    spare->order->file = file;
    spare->order->length = payload.length;
    memcpy(spare->order->payload, payload.at, payload.length);
    if (send_order(spare->control, descriptors)) {
      *job = (struct job){.next = jobs, .supervisor = spare->pid, .control = spare->control, .order = spare->order, .file = file, .out = {-1, -1}};
      spares = spare->next;
      spare_count--;
      free(spare);
      return jobs = job;
    }
    kill(spare->pid, SIGKILL);
    drop_spare(&spares);
  }
  free(job);
  return NULL;
}

void hear_supervisor(struct job *job) {
  struct report report;
  ssize_t got = -1;
  while (job->supervisor != 0 && (got = recv(job->control, &report, sizeof report, MSG_DONTWAIT)) == sizeof report) {
    if (report.started) job->pid = report.pid;
    if (report.ended) job->end = report.end, job->over = true;
    if (!report.resting) continue;
    add_spare(job->supervisor, job->control, job->order);
    job->supervisor = 0;
    job->control = -1;
  }
  if (got != 0) return;
  // A file operation has nothing to say: waiting for it would never wait.
  close(job->control);
  job->control = -1;
}

void signal_job(struct job *job, int signal) {
  unsigned char byte = signal;
  if (!job->over && signal > 0 && signal < 65) send(job->control, &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void kill_job(struct job *job) {
  if (job->supervisor != 0) kill(job->supervisor, SIGKILL);
}

static bool orphaned;

void kill_jobs(void) {
  for (struct job *job = jobs; job != NULL; job = job->next) kill_job(job);
  orphaned = true;
}

static void supervisor_ended(struct job *job, int status) {
  free_order(job->control, job->order);
  job->control = -1;
  job->supervisor = 0;
  // One that was killed leaves all that was below it to process 1.
  if (WIFSIGNALED(status) && !job->file) orphaned = job->torn = true;
  if (job->over) return;
  job->over = true;
  job->end.how = WIFSIGNALED(status) ? SIGNALLED : EXITED;
  job->end.value = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
}

static struct job *find_job(pid_t supervisor) {
  struct job *job = jobs;
  while (job != NULL && job->supervisor != supervisor) job = job->next;
  return job;
}

void reap(void) {
  int status;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0;) {
    struct job *job = find_job(pid);
    // Its last message may be that it waits for an order.
    if (job != NULL) hear_supervisor(job);
    struct spare **spare = find_spare(pid);
    if (WIFSTOPPED(status)) {
      // A stopped supervisor would leave its command's end unnoticed.
      if (job != NULL || *spare != NULL) kill(pid, SIGCONT);
    } else if (*spare != NULL) drop_spare(spare);
    else if (job != NULL) supervisor_ended(job, status);
  }
}

struct process {
  pid_t pid, parent;
  char state;
  bool doomed;
};

static bool read_process(const char *name, struct process *process) {
  char path[32], text[512];
  if (*name < '1' || *name > '9' || snprintf(path, sizeof path, "%s/stat", name) >= (int)sizeof path) return false;
  int file = openat(proc, path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  ssize_t got = read(file, text, sizeof text - 1);
  close(file);
  if (got <= 0) return false;
  text[got] = 0;
  // The name in brackets is the process's own choice, and may hold any character.
  char *rest = strrchr(text, ')');
  process->pid = atoi(name);
  process->doomed = false;
  return rest != NULL && sscanf(rest + 1, " %c %d", &process->state, &process->parent) == 2;
}

bool is_outsider(pid_t pid) {
  char name[16];
  struct process process;
  snprintf(name, sizeof name, "%d", pid);
  return pid > 1 && read_process(name, &process) && process.parent == 0;
}

static bool is_supervisor(pid_t pid) {
  return find_job(pid) != NULL || *find_spare(pid) != NULL;
}

// Lists all processes, including ours. The memory is kept for reuse: unowned processes must be found even if no memory is
// left.
static size_t list_processes(struct process **list) {
  static struct process *found;
  static size_t space;
  int again = openat(proc, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *folder = again < 0 ? NULL : fdopendir(again);
  size_t count = 0;
  if (folder == NULL && again >= 0) close(again);
  for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
    if (count == space) {
      struct process *more = realloc(found, (space + 1024) * sizeof *found);
      if (more == NULL) break;
      found = more;
      space += 1024;
    }
    if (read_process(entry->d_name, &found[count])) count++;
  }
  if (folder != NULL) closedir(folder);
  *list = found;
  return count;
}

// Marks unowned processes and all processes below them.
static void doom(struct process *list, size_t count) {
  for (bool more = true; more;) {
    more = false;
    for (size_t i = 0; i < count; i++) {
      if (list[i].doomed || list[i].pid == 1 || list[i].parent == 0 || is_supervisor(list[i].pid)) continue;
      bool below = list[i].parent == 1;
      for (size_t j = 0; j < count && !below; j++) below = list[j].doomed && list[j].pid == list[i].parent;
      if (below) more = list[i].doomed = true;
    }
  }
}

bool kill_orphans(void) {
  enum { PATIENCE = 50 };
  static int rounds;
  struct process *list;
  size_t count = list_processes(&list), found = 0, running = 0;
  doom(list, count);
  for (size_t i = 0; i < count; i++) {
    if (!list[i].doomed || strchr("ZX", list[i].state) != NULL) continue;
    found++;
    if (strchr("Tt", list[i].state) != NULL) continue;
    running++;
    kill(list[i].pid, SIGSTOP);
  }
  // All are stopped first: killing some while others fork would make room for more of them.
  bool now = running == 0 || ++rounds > PATIENCE;
  for (size_t i = 0; i < count && now; i++)
    if (list[i].doomed) kill(list[i].pid, SIGKILL);
  orphaned = found > 0;
  if (!orphaned) rounds = 0;
  return orphaned;
}

bool has_orphans(void) { return orphaned; }
