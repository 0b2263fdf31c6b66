// Process 1 with invented programs, commands and time. The input is a list of steps; what it does is not checked here,
// but that it keeps to its memory, leaks nothing, says frames only, and is rid of everything in the end.
#define _GNU_SOURCE
#include <poll.h>
#include <time.h>

static int invented_clock(clockid_t which, struct timespec *now);
static void ended(void);
#define main init_main
#define clock_gettime invented_clock
#define poll(files, count, patience) poll(files, count, 0)
#define _exit(code) ended()
#include "../src/main.c"
#undef main
#undef clock_gettime
#undef poll
#undef _exit

#include <assert.h>
#include <sys/ioctl.h>

static uint64_t invented_ms;

static int invented_clock(clockid_t which, struct timespec *now) {
  (void)which;
  *now = (struct timespec){.tv_sec = invented_ms / 1000, .tv_nsec = invented_ms % 1000 * 1000000};
  return 0;
}

// It would have expired.
static void ended(void) {}

// In place of job.c: commands that do what the input says. A fuzzer must run no programs.
struct job *jobs;
static int theirs[MAX_CHANNELS + 1][3];
static pid_t job_count;

void prepare_spare(void) {}
bool wants_spare(void) { return false; }
void age_spares(unsigned ms) { (void)ms; }

struct job *begin_job(bool file, struct text payload, const int descriptors[3]) {
  (void)payload;
  struct job *job = job_count < MAX_CHANNELS ? calloc(1, sizeof *job) : NULL;
  errno = EAGAIN;
  if (job == NULL) return NULL;
  job_count++;
  for (int i = 0; i < 3; i++) {
    theirs[job_count][i] = fcntl(descriptors[i], F_DUPFD_CLOEXEC, 3);
    fcntl(theirs[job_count][i], F_SETFL, O_NONBLOCK);
  }
  *job = (struct job){.next = jobs, .supervisor = job_count, .control = fcntl(0, F_DUPFD_CLOEXEC, 3), .file = file, .out = {-1, -1}};
  return jobs = job;
}

static void let_go(struct job *job) {
  for (int i = 0; i < 3; i++) {
    close(theirs[job->supervisor][i]);
    theirs[job->supervisor][i] = -1;
  }
  if (!job->over) job->end = (struct ending){.how = SIGNALLED, .value = SIGKILL};
  job->over = true;
  job->supervisor = 0;
}

void hear_supervisor(struct job *job) { (void)job; }
void signal_job(struct job *job, int signal) { (void)job, (void)signal; }
void kill_job(struct job *job) {
  if (job->supervisor != 0) let_go(job);
}
void kill_jobs(void) {
  for (struct job *job = jobs; job != NULL; job = job->next) kill_job(job);
}
void reap(void) {}
bool has_orphans(void) { return false; }
bool kill_orphans(void) { return false; }
bool is_outsider(pid_t pid) { return pid > 0; }

// The programs: what they hear must be frames.
enum { PROGRAMS = 3 };
static struct {
  int socket;
  uint8_t heard[9 + MAX_FRAME];
  uint32_t length;
} programs[PROGRAMS];

static void connect_program(int which) {
  int pair[2];
  if (programs[which].socket >= 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0) return;
  // Little is on its way before it piles up in the init.
  setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &(int){4096}, sizeof(int));
  struct connection *connection = add_connection(pair[1], fcntl(pair[1], F_DUPFD_CLOEXEC, 3), -1);
  assert(connection != NULL);
  connection->waiting = false;
  receive_descriptors(connection);
  programs[which].socket = pair[0];
  programs[which].length = 0;
}

static void disconnect_program(int which) {
  if (programs[which].socket >= 0) close(programs[which].socket);
  programs[which].socket = -1;
}

static void hear(int which, size_t most) {
  uint8_t *heard = programs[which].heard;
  if (programs[which].socket < 0) return;
  if (most > sizeof programs[which].heard - programs[which].length) most = sizeof programs[which].heard - programs[which].length;
  ssize_t got = read(programs[which].socket, heard + programs[which].length, most);
  if (got > 0) programs[which].length += got;
  uint32_t at = 0;
  while (programs[which].length - at >= 9) {
    struct reader header = {heard + at, heard + at + 9, false};
    uint32_t length = get_number(&header, 4), type = get_number(&header, 1);
    assert(length <= MAX_DATA && type >= 1 && type <= CLOSED);
    if (programs[which].length - at < 9 + length) break;
    at += 9 + length;
  }
  memmove(heard, heard + at, programs[which].length -= at);
}

static void say(int which, const uint8_t *bytes, size_t length) {
  if (programs[which].socket >= 0) (void)!send(programs[which].socket, bytes, length, MSG_NOSIGNAL);
}

static void say_frame(int which, unsigned type, unsigned channel, const uint8_t *payload, size_t length) {
  uint8_t header[9];
  put_number(put_number(put_number(header, length, 4), type, 1), channel, 4);
  say(which, header, sizeof header);
  say(which, payload, length);
}

static uint8_t *put_text(uint8_t *at, const char *text) {
  at = put_number(at, strlen(text), 4);
  memcpy(at, text, strlen(text));
  return at + strlen(text);
}

// A well-formed OPEN, which steps of plain bytes would rarely hit.
static void say_open(int which, unsigned kind, unsigned channel, unsigned choice) {
  static const char *const names[] = {"a", "b", "c", ""};
  uint8_t payload[256], *at = put_number(payload, kind, 1);
  const char *name = names[choice / 16 % 4];
  if (kind == RUN) at = put_number(at, choice % 16, 1);
  if (kind != FORGET && kind != LISTEN) at = put_number(at, choice * 512, 4);
  if (kind == RUN) at = put_text(put_number(at, 0x00500018, 4), choice & KEPT ? name : "");
  if (kind == RUN || kind == FILE_OPERATION) at = put_text(at, "nobody:1");
  if (kind == RUN) at = put_text(at, "/");
  if (kind == RUN || kind == FILE_OPERATION) at = put_text(put_text(put_number(at, 2, 4), "program"), "argument");
  if (kind == RUN) at = put_text(put_number(at, 1, 4), "A=b");
  if (kind == DIAL || kind == LISTEN) at = put_number(at, 1 + choice, 2);
  if (kind == ACCEPT) at = put_number(at, 1 + choice % 4, 4);
  if (kind == ATTACH) at = put_number(at, choice % 16 * 1000, 8);
  if (kind == ATTACH || kind == FORGET) at = put_text(at, name);
  if (kind == FORGET) at = put_number(at, choice % 2, 1);
  say_frame(which, OPEN, channel, payload, at - payload);
}

static struct job *pick_job(unsigned which) {
  struct job *job = jobs;
  while (job != NULL && which-- > 0) job = job->next;
  return job != NULL && job->supervisor != 0 ? job : NULL;
}

// One step of four bytes and what they ask for. Returns what follows it.
static const uint8_t *step(const uint8_t *at, const uint8_t *end) {
  static const uint8_t much[MAX_DATA];
  unsigned kind = at[0] % 14, one = at[1], other = at[2], count = at[3];
  int program = at[0] / 14 % PROGRAMS;
  size_t length = (size_t)(end - at - 4) < count ? (size_t)(end - at - 4) : count;
  struct job *job = pick_job(one);
  at += 4;
  switch (kind) {
    case 0: say_frame(program, one, other, at, length); return at + length;
    case 1: say(program, at, length); return at + length;
    case 2: connect_program(program); break;
    case 3: disconnect_program(program); break;
    case 4: hear(program, one * 256); break;
    case 5: invented_ms += one * 100; break;
    case 6:
      if (job != NULL) job->pid = other + 2;
      break;
    case 7:
      if (job != NULL && !job->over) job->over = true, job->end = (struct ending){other % 3, count, 0};
      break;
    case 8:
      if (job != NULL) let_go(job);
      break;
    case 9: say_open(program, 1 + one % ACCEPT, 1 + other % 4, count); break;
    case 10: say_frame(program, CREDIT, 1 + other % 4, (uint8_t[4]){0, one, count}, 4); break;
    case 11: say_frame(program, DATA, 1 + other % 4, much, count * 256); break;
    case 12: end_everything(); break;
    default:
      for (int i = 0; i < 4 && job != NULL && job->supervisor != 0; i++) {
        (void)!write(theirs[job->supervisor][1 + other % 2], much, count * 256);
        (void)!read(theirs[job->supervisor][0], (uint8_t[4096]){0}, 4096);
        turn(-1, -1);
        job = pick_job(one);
      }
  }
  turn(-1, -1);
  return at;
}

static void end_all(void) {
  for (int i = 0; i < PROGRAMS; i++) disconnect_program(i);
  for (struct job *job = jobs; job != NULL; job = job->next) kill_job(job);
  // Ends have deadlines, all of them short.
  for (int i = 0; i < 100 && (connections != NULL || channels != NULL || jobs != NULL || kept_processes != NULL); i++) {
    invented_ms += 1000;
    turn(-1, -1);
    while (kept_processes != NULL && kept_processes->job == NULL) free_kept(kept_processes);
  }
  assert(connections == NULL && channels == NULL && jobs == NULL && kept_processes == NULL);
  job_count = 0;
}

// What is left open by many runs has higher numbers, but the first of it does not.
static int count_descriptors(void) {
  int count = 0;
  for (int file = 0; file < 128; file++) count += fcntl(file, F_GETFD) >= 0;
  return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
  static int before = -1;
  if (before < 0) {
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < PROGRAMS; i++) programs[i].socket = -1;
    before = count_descriptors();
  }
  removal_seconds = 1200;
  invented_ms += 1;
  connect_program(0);
  static const uint8_t greeting[] = {0x43, 0x4f, 0x44, 0x4e, 1, 0, 1, 0, 0, 0, 0, 0};
  say_frame(0, HELLO, 0, greeting, sizeof greeting);
  for (const uint8_t *at = bytes, *end = bytes + length; end - at >= 4;) at = step(at, end);
  end_all();
  assert(count_descriptors() == before);
  return 0;
}
