// Channels: the calls that a connection opened, and their bytes in both directions.
#define _GNU_SOURCE
#include "init.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

struct channel *channels;
static unsigned channel_count, wide_count;

struct channel *find_channel(struct connection *connection, uint32_t number) {
  struct channel *channel = channels;
  while (channel != NULL && (channel->connection != connection || channel->number != number)) channel = channel->next;
  return channel;
}

static void close_file(int *file) {
  if (*file >= 0) close(*file);
  *file = -1;
}

static void close_input(struct channel *channel) {
  if (channel->in >= 0 && channel->in == channel->out[0]) shutdown(channel->in, SHUT_WR);
  else close_file(&channel->in);
  channel->shut = true;
  free(channel->pending);
  channel->pending = NULL;
  channel->pending_start = channel->pending_end = 0;
}

// A program that lets even these frames pile up has broken its connection.
static void send_or_die(struct channel *channel, uint8_t type, const void *payload, uint32_t length) {
  if (channel->connection != NULL && !send_frame(channel->connection, type, channel->number, payload, length))
    channel->connection->dead = true;
}

static void note_use(struct channel *channel) {
  if (channel->connection != NULL && !channel->question) channel->connection->used = now_ms();
}

void close_channel(struct channel *channel, enum how how, enum stage stage, int value) {
  uint8_t payload[8], *at = put_number(payload, how, 1);
  at = put_number(at, value, 1);
  at = put_number(at, stage, 2);
  put_number(at, count_oom_kills() > channel->oom_kills ? 1 : 0, 4);
  note_use(channel);
  send_or_die(channel, CLOSED, payload, sizeof payload);
  struct connection *connection = channel->connection;
  channel->connection = NULL;
  if (!channel->listening || connection == NULL) return;
  // Nobody comes any more.
  for (struct channel *other = channels; other != NULL; other = other->next)
    if (other->connection == connection && other->listener == channel->number)
      close_channel(other, FAILED, STAGE_CONNECTION, ECANCELED);
}

static void refuse(struct channel *channel, int problem) { close_channel(channel, REFUSED, STAGE_REQUEST, problem); }

static void send_opened(struct channel *channel, pid_t pid, uint32_t window) {
  uint8_t payload[8];
  put_number(put_number(payload, pid, 4), window, 4);
  channel->opened = true;
  send_or_die(channel, OPENED, payload, sizeof payload);
}

static void close_all(int *files, int count) {
  for (int i = 0; i < count; i++) close_file(&files[i]);
}

// Pipes (or a terminal) between a job and process 1. `ours` and `theirs`: input, output, errors. Returns 0 or an errno.
static int make_streams(bool tty, unsigned rows, unsigned columns, int ours[3], int theirs[3]) {
  for (int i = 0; i < 3; i++) ours[i] = theirs[i] = -1;
  if (tty) {
    int unlocked = 0, number;
    struct winsize size = {.ws_row = rows, .ws_col = columns};
    char path[16];
    // By the folder that was there at the start: code inside can replace what stands at /dev/ptmx.
    ours[1] = openat(terminals, "ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (ours[1] < 0 || ioctl(ours[1], TIOCSPTLCK, &unlocked) != 0 || ioctl(ours[1], TIOCSWINSZ, &size) != 0 ||
        ioctl(ours[1], TIOCGPTN, &number) != 0)
      return errno;
    char *end = path + sizeof path - 1;
    *end = 0;
    do *--end = '0' + number % 10;
    while ((number /= 10) > 0);
    theirs[0] = openat(terminals, end, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (theirs[0] < 0) return errno;
    theirs[1] = fcntl(theirs[0], F_DUPFD_CLOEXEC, 3);
    theirs[2] = fcntl(theirs[0], F_DUPFD_CLOEXEC, 3);
    ours[0] = fcntl(ours[1], F_DUPFD_CLOEXEC, 3);
    return theirs[1] < 0 || theirs[2] < 0 || ours[0] < 0 ? errno : 0;
  }
  for (int i = 0; i < 3; i++) {
    int pair[2];
    if (pipe2(pair, O_CLOEXEC) != 0) return errno;
    ours[i] = pair[i == 0];
    theirs[i] = pair[i != 0];
    fcntl(ours[i], F_SETFL, O_NONBLOCK);
  }
  return 0;
}

static void open_run(struct channel *channel, struct reader payload, struct text whole, bool file) {
  struct reader after = payload;
  unsigned flags = file ? 0 : get_number(&after, 1);
  channel->credit = get_number(&after, 4);
  unsigned rows = file ? 0 : get_number(&after, 2), columns = file ? 0 : get_number(&after, 2);
  struct text name = file ? (struct text){"", 0} : get_text(&after);
  get_text(&after); // user
  if (!file) get_text(&after);
  uint32_t count = skip_list(&after);
  if (!file) skip_list(&after);
  bool kept = flags & KEPT;
  if (after.bad || count == 0 || (flags & SCRIPT && count != 1) || kept != (name.length > 0) || name.length > MAX_NAME || (kept && flags & TERMINAL))
    return refuse(channel, EINVAL);
  if (kept && !free_name(name)) return refuse(channel, EEXIST);

  int ours[3], theirs[3];
  int problem = make_streams(flags & TERMINAL, rows, columns, ours, theirs);
  struct kept *process = problem == 0 && kept ? new_kept(name, get_text(&after)) : NULL;
  if (problem == 0 && kept && process == NULL) problem = errno;
  struct job *job = problem == 0 ? begin_job(file, whole, theirs) : NULL;
  if (job == NULL) {
    enum stage stage = problem == 0 || !(flags & TERMINAL) ? STAGE_PROCESS : STAGE_TERMINAL;
    if (problem == 0) problem = errno;
    if (process != NULL) free_kept(process);
    close_all(ours, 3);
    close_all(theirs, 3);
    return close_channel(channel, FAILED, stage, problem);
  }
  close_all(theirs, 3);
  channel->job = job;
  channel->tty = flags & TERMINAL;
  job->channel = channel;
  if (flags & TERMINAL) close_file(&ours[2]);
  channel->in = ours[0];
  if (flags & NO_INPUT) close_input(channel);
  if (!kept) {
    channel->out[0] = ours[1];
    channel->out[1] = ours[2];
  } else {
    process->job = job;
    job->kept = process;
    job->out[0] = ours[1];
    job->out[1] = ours[2];
    channel->kept = process;
    process->in = channel->in; // shared with attached channels
  }
  // A program's process ID comes from its supervisor; an operation needs none.
  if (file) send_opened(channel, 0, channel->window);
}

// A message that comes in two pieces must not wait until its first one is acknowledged.
static void send_at_once(int file) { setsockopt(file, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)); }

static bool connect_to(struct channel *channel, int family) {
  struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons(channel->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(channel->port), .sin6_addr = in6addr_loopback};
  int file = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (file < 0) return false;
  send_at_once(file);
  const struct sockaddr *address = family == AF_INET ? (void *)&four : (void *)&six;
  channel->family = family;
  if (connect(file, address, family == AF_INET ? sizeof four : sizeof six) == 0 || errno == EINPROGRESS) {
    channel->in = channel->out[0] = file;
    channel->dialling = true;
    return true;
  }
  int problem = errno;
  close(file);
  errno = problem;
  return false;
}

// The end of an attempt: the other family is tried where nothing listens.
static void connected(struct channel *channel, int problem) {
  channel->dialling = false;
  if (problem == 0) {
    channel->dialled = true;
    return send_opened(channel, 0, channel->window);
  }
  close_file(&channel->in);
  channel->out[0] = -1;
  if (channel->family == AF_INET && problem == ECONNREFUSED && connect_to(channel, AF_INET6)) return;
  close_channel(channel, FAILED, STAGE_CONNECTION, problem);
}

static void open_dial(struct channel *channel, struct reader payload) {
  channel->credit = get_number(&payload, 4);
  channel->port = get_number(&payload, 2);
  if (payload.bad || channel->port == 0) return refuse(channel, EINVAL);
  if (!connect_to(channel, AF_INET)) connected(channel, errno);
}

// A port of the loopback interface, for programs of the sandbox to reach the program that uses it.
static void open_listen(struct channel *channel, struct reader payload) {
  struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(get_number(&payload, 2)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (payload.bad || here.sin_port == 0) return refuse(channel, EINVAL);
  int on = 1;
  channel->in = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (channel->in < 0 || setsockopt(channel->in, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      bind(channel->in, (void *)&here, sizeof here) != 0 || listen(channel->in, 128) != 0)
    return close_channel(channel, FAILED, STAGE_CONNECTION, errno);
  channel->listening = true;
  channel->window = 0;
  send_opened(channel, 0, 0);
}

static void open_accept(struct channel *channel, struct reader payload) {
  channel->credit = get_number(&payload, 4);
  uint32_t number = get_number(&payload, 4);
  struct channel *listening = find_channel(channel->connection, number);
  if (payload.bad || listening == NULL || !listening->listening) return refuse(channel, payload.bad ? EINVAL : ENOENT);
  channel->listener = number;
  // Until somebody is there to take it.
  channel->window = 0;
}

// The one that has waited longest: the newest is first in the list.
static struct channel *who_accepts(const struct channel *listening) {
  struct channel *longest = NULL;
  for (struct channel *channel = channels; channel != NULL; channel = channel->next)
    if (channel->connection != NULL && channel->connection == listening->connection && channel->listener == listening->number) longest = channel;
  return longest;
}

static void accept_one(struct channel *listening) {
  struct channel *channel = who_accepts(listening);
  if (channel == NULL) return;
  int file = accept4(listening->in, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (file < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)) return;
  // The waiting channel also gets an error. Otherwise the accept would be retried forever.
  channel->listener = 0;
  if (file < 0) return close_channel(channel, FAILED, STAGE_CONNECTION, errno);
  send_at_once(file);
  channel->in = channel->out[0] = file;
  channel->dialled = true;
  channel->window = INPUT_WINDOW;
  send_opened(channel, 0, channel->window);
}

static void open_attach(struct channel *channel, struct reader payload) {
  channel->credit = get_number(&payload, 4);
  channel->position = get_number(&payload, 8);
  struct kept *kept = find_kept(get_text(&payload));
  if (payload.bad || kept == NULL) return refuse(channel, payload.bad ? EINVAL : ENOENT);
  channel->kept = kept;
  channel->cursor = kept->log_start;
  channel->in = kept->in;
  send_opened(channel, kept->pid, takes_input(kept) ? channel->window : 0);
}

static void forget(struct channel *channel, struct reader payload) {
  struct kept *kept = find_kept(get_text(&payload));
  bool stays = get_number(&payload, 1);
  uint32_t grace = get_number(&payload, 4);
  if (payload.bad || kept == NULL) return refuse(channel, payload.bad ? EINVAL : ENOENT);
  channel->kept = kept;
  channel->forgets = stays ? KEEPS_LOG : FREES_LOG;
  if (kept->job == NULL) return;
  // Once the main process has ended there is nobody to ask.
  channel->grace_ms = kept->settled ? 0 : grace;
  if (channel->grace_ms > 0) signal_job(kept->job, SIGTERM);
  else kill_job(kept->job);
}

// Answers once nothing of the process is left.
static void pump_forget(struct channel *channel) {
  struct kept *kept = channel->kept;
  if ((kept->job != NULL && kept->job->supervisor != 0) || has_orphans() || !kept->settled) return;
  bool frees = channel->forgets == FREES_LOG;
  channel->kept = NULL;
  if (frees) free_kept(kept);
  close_channel(channel, EXITED, NO_STAGE, 0);
}

static void tell_usage(struct channel *asking, struct reader payload) {
  enum { LENGTH = 16 };
  uint32_t credit = get_number(&payload, 4), open = 0, kept = 0;
  if (payload.bad) return refuse(asking, EINVAL);
  if (credit < LENGTH || data_room(asking->connection) < LENGTH) return refuse(asking, EAGAIN);
  for (struct channel *channel = channels; channel != NULL; channel = channel->next)
    open += channel->connection != NULL && channel->connection != asking->connection && !channel->question;
  for (struct kept *each = kept_processes; each != NULL; each = each->next) kept += !each->settled;
  uint8_t *at = put_number(put_number(data_place(asking->connection), open, 4), kept, 4);
  put_number(at, now_ms() - last_use(asking->connection), 8);
  data_placed(asking->connection, asking->number, 1, LENGTH);
  close_channel(asking, EXITED, NO_STAGE, 0);
}

bool open_channel(struct connection *connection, uint32_t number, struct text payload) {
  // A number in use breaks the protocol: the program could not tell the channels' frames apart.
  if (number == 0 || find_channel(connection, number) != NULL) return false;
  struct channel *channel = calloc(1, sizeof *channel);
  if (channel == NULL) return false;
  *channel = (struct channel){.next = channels, .connection = connection, .number = number, .in = -1, .out = {-1, -1},
                              .window = INPUT_WINDOW, .widest = INPUT_WINDOW, .left = {-1, -1}, .oom_kills = count_oom_kills()};
  channels = channel;
  struct reader reader = {(const uint8_t *)payload.at, (const uint8_t *)payload.at + payload.length, false};
  unsigned kind = get_number(&reader, 1);
  channel->question = kind == PROCESSES || kind == USAGE || kind == LISTEN || kind == ACCEPT;
  note_use(channel);
  struct text rest = {(const char *)reader.at, payload.length == 0 ? 0 : payload.length - 1};
  if (++channel_count > MAX_CHANNELS) refuse(channel, EMFILE);
  else if (kind == RUN || kind == FILE_OPERATION) open_run(channel, reader, rest, kind == FILE_OPERATION);
  else if (kind == DIAL) open_dial(channel, reader);
  else if (kind == ATTACH) open_attach(channel, reader);
  else if (kind == PROCESSES && list_kept(channel)) close_channel(channel, EXITED, NO_STAGE, 0);
  else if (kind == PROCESSES) refuse(channel, EAGAIN);
  else if (kind == FORGET) forget(channel, reader);
  else if (kind == USAGE) tell_usage(channel, reader);
  else if (kind == LISTEN) open_listen(channel, reader);
  else if (kind == ACCEPT) open_accept(channel, reader);
  else refuse(channel, ENOSYS);
  return true;
}

// Grants credit for input when a good part of it has been written. Senders of much data get more at a time, since each
// grant takes a long way through the engine. Attached channels are told at once when all has been written, and never more
// than that: the rest is lost when they detach.
static void grant(struct channel *channel, uint32_t bytes) {
  bool attached = channel->kept != NULL && channel->job == NULL;
  channel->taken += bytes;
  if (channel->taken == 0 || channel->connection == NULL) return;
  if (channel->taken < channel->widest / 4 && (!attached || channel->pending_end > 0)) return;
  uint8_t payload[4];
  if (!attached && channel->widest < WIDE_WINDOW && channel->pending == NULL && wide_count < MAX_WIDE) {
    channel->taken += WIDE_WINDOW - channel->widest;
    channel->widest = WIDE_WINDOW;
    wide_count++;
  }
  put_number(payload, channel->taken, 4);
  channel->window += channel->taken;
  channel->taken = 0;
  send_or_die(channel, CREDIT, payload, sizeof payload);
}

// Returns how much of it went.
static uint32_t write_input(struct channel *channel, const uint8_t *bytes, uint32_t length) {
  ssize_t gone = write(channel->in, bytes, length);
  if (gone >= 0) return gone;
  if (errno == EAGAIN || errno == EINTR) return 0;
  // Nobody reads it any more.
  if (channel->kept == NULL) close_input(channel);
  return length;
}

bool feed_channel(struct channel *channel, const uint8_t *bytes, uint32_t length) {
  if (length > channel->window) return false;
  channel->window -= length;
  if (channel->in < 0 || channel->shut || channel->in_ended) {
    grant(channel, length);
    return true;
  }
  uint32_t gone = channel->pending_end > 0 || channel->dialling ? 0 : write_input(channel, bytes, length);
  if (gone > 0) grant(channel, gone);
  if (gone == length) return true;
  if (channel->pending == NULL && (channel->pending = malloc(channel->widest)) == NULL) return false;
  if (channel->widest - channel->pending_end < length - gone) {
    memmove(channel->pending, channel->pending + channel->pending_start, channel->pending_end - channel->pending_start);
    channel->pending_end -= channel->pending_start;
    channel->pending_start = 0;
  }
  memcpy(channel->pending + channel->pending_end, bytes + gone, length - gone);
  channel->pending_end += length - gone;
  return true;
}

void end_input(struct channel *channel) {
  channel->in_ended = true;
  if (channel->pending_end > 0 || channel->dialling) return;
  if (channel->kept != NULL) {
    close_file(&channel->kept->in);
    channel->in = -1;
    // Other attached channels have the same descriptor.
    for (struct channel *other = channels; other != NULL; other = other->next)
      if (other->kept == channel->kept) other->in = -1;
  } else if (channel->tty) {
    uint8_t end_of_file = 4;
    write_input(channel, &end_of_file, 1);
  } else close_input(channel);
}

static void pump_input(struct channel *channel) {
  uint32_t gone = write_input(channel, channel->pending + channel->pending_start, channel->pending_end - channel->pending_start);
  bool closed = channel->pending == NULL;
  if (!closed && (channel->pending_start += gone) == channel->pending_end) {
    free(channel->pending);
    channel->pending = NULL;
    channel->pending_start = channel->pending_end = 0;
  }
  grant(channel, gone);
  if (!closed && channel->pending == NULL && channel->in_ended) end_input(channel);
}

// A terminal whose other side is closed answers EIO.
static void output_ended(struct channel *channel, int stream, int problem) {
  channel->left[stream] = 0;
  if (!channel->dialled) {
    close_file(&channel->out[stream]);
    return;
  }
  if (problem != 0) close_channel(channel, FAILED, STAGE_CONNECTION, problem);
  else send_or_die(channel, END, NULL, 0);
}

static void pump_output(struct channel *channel, int stream) {
  int64_t size = data_room(channel->connection);
  if (size > channel->credit) size = channel->credit;
  if (channel->left[stream] >= 0 && size > channel->left[stream]) size = channel->left[stream];
  if (size <= 0) return;
  ssize_t got = read(channel->out[stream], data_place(channel->connection), size);
  if (got > 0) {
    data_placed(channel->connection, channel->number, stream + 1, got);
    channel->credit -= got;
    if (channel->left[stream] > 0) channel->left[stream] -= got;
    channel->drain_ms = 0;
  } else if (got == 0) output_ended(channel, stream, 0);
  else if (errno != EAGAIN && errno != EINTR) output_ended(channel, stream, channel->dialled ? errno : 0);
  else if (channel->left[stream] > 0 && !channel->tty) channel->left[stream] = 0;
}

// Called after the end of the main process: its output is complete in the pipes now. A terminal passes its output on
// gradually, and reports its end.
static void measure_rest(struct channel *channel) {
  for (int i = 0; i < 2; i++) {
    int waiting = 0;
    if (channel->left[i] >= 0) continue;
    if (channel->out[i] < 0) channel->left[i] = 0;
    else if (channel->tty) channel->left[i] = INT64_MAX;
    else channel->left[i] = ioctl(channel->out[i], FIONREAD, &waiting) == 0 ? waiting : 0;
  }
}

static void pump_job(struct channel *channel) {
  struct job *job = channel->job;
  if (!channel->opened && (job->pid != 0 || (job->over && job->end.how <= SIGNALLED))) send_opened(channel, job->pid, channel->window);
  if (channel->kept != NULL && (channel->opened || job->over)) {
    // The start of a kept process has succeeded or failed. Its output and end go to channels that attach.
    struct ending end = job->over && job->end.how == FAILED ? job->end : (struct ending){EXITED, 0, 0};
    if (end.how == FAILED) free_kept(channel->kept);
    channel->in = -1;
    close_channel(channel, end.how, end.stage, end.value);
    return;
  }
  // The processes below a killed supervisor must end as well.
  if (!job->over || (job->torn && has_orphans())) return;
  measure_rest(channel);
  if (channel->tty && channel->drain_ms > 100) channel->left[0] = 0;
  if (channel->left[0] == 0 && channel->left[1] == 0) close_channel(channel, job->end.how, job->end.stage, job->end.value);
}

short input_events(const struct channel *channel) {
  if (channel->listening) return who_accepts(channel) != NULL ? POLLIN : 0;
  return channel->dialling || channel->pending_end > 0 ? POLLOUT : 0;
}

void pump_channel(struct channel *channel, short input, short output, short errors) {
  if (channel->listening && channel->in >= 0) {
    if (input) accept_one(channel);
  } else if (channel->dialling && (input | output)) {
    int problem = 0;
    socklen_t size = sizeof problem;
    getsockopt(channel->in, SOL_SOCKET, SO_ERROR, &problem, &size);
    connected(channel, problem);
    if (channel->dialled && channel->in_ended) end_input(channel);
  } else {
    if (input && channel->pending_end > 0 && channel->in >= 0) pump_input(channel);
    if (output && channel->connection != NULL) pump_output(channel, 0);
    if (errors && channel->connection != NULL) pump_output(channel, 1);
  }
  if (channel->connection == NULL || channel->connection->dead) return;
  if (channel->listening && channel->in < 0) close_channel(channel, EXITED, NO_STAGE, 0);
  else if (channel->forgets && channel->kept != NULL) pump_forget(channel);
  else if (channel->job != NULL) pump_job(channel);
  else if (channel->kept != NULL && send_log(channel) && channel->kept->settled)
    channel->in = -1, close_channel(channel, channel->kept->end.how, channel->kept->end.stage, channel->kept->end.value);
  else if (channel->dialled && channel->left[0] == 0 && channel->shut) close_channel(channel, EXITED, NO_STAGE, 0);
}

void kill_channel(struct channel *channel) {
  channel->left[0] = channel->left[1] = 0;
  if (channel->job == NULL) {
    // A kept process goes on without its follower.
    if (channel->kept != NULL) channel->in = -1;
    close_channel(channel, SIGNALLED, NO_STAGE, SIGKILL);
  } else if (!channel->job->over) kill_job(channel->job);
}

void signal_channel(struct channel *channel, int signal) {
  struct job *job = channel->job != NULL ? channel->job : channel->kept != NULL ? channel->kept->job : NULL;
  if (job != NULL) signal_job(job, signal);
}

void resize_channel(struct channel *channel, unsigned rows, unsigned columns) {
  struct winsize size = {.ws_row = rows, .ws_col = columns};
  if (channel->tty && channel->out[0] >= 0) ioctl(channel->out[0], TIOCSWINSZ, &size);
}

// Ends all channels of a connection that has ended.
void abandon_channels(struct connection *connection) {
  for (struct channel *channel = channels; channel != NULL; channel = channel->next) {
    if (channel->connection != connection) continue;
    note_use(channel);
    channel->connection = NULL;
    if (channel->kept != NULL) channel->in = -1;
    else if (channel->job != NULL && channel->job->file) {
      // The operation sees that its input ends too early, and undoes its work.
      close_input(channel);
      close_all(channel->out, 2);
      channel->doomed_ms = 2000;
      continue;
    } else if (channel->job != NULL && !channel->job->over) kill_job(channel->job);
  }
}

void age_channels(unsigned ms) {
  for (struct channel *channel = channels; channel != NULL; channel = channel->next) {
    channel->drain_ms += ms;
    if (channel->grace_ms > 0) {
      channel->grace_ms = channel->grace_ms > ms ? channel->grace_ms - ms : 0;
      if (channel->grace_ms == 0 && channel->kept != NULL && channel->kept->job != NULL) kill_job(channel->kept->job);
    }
    if (channel->doomed_ms == 0) continue;
    channel->doomed_ms = channel->doomed_ms > ms ? channel->doomed_ms - ms : 0;
    if (channel->doomed_ms == 0 && channel->job != NULL) kill_job(channel->job);
  }
}

// Reads and drops the output of a command's children for as long as they live.
static void leave_outputs(struct channel *channel) {
  struct job *job = channel->job;
  for (int i = 0; i < 2 && job->supervisor != 0; i++)
    if (channel->out[i] >= 0) job->out[i] = channel->out[i], channel->out[i] = -1;
}

void sweep_channels(void) {
  for (struct channel **at = &channels; *at != NULL;) {
    struct channel *channel = *at;
    if (channel->connection != NULL || (channel->doomed_ms > 0 && channel->job != NULL && !channel->job->over)) {
      at = &channel->next;
      continue;
    }
    if (channel->job != NULL && channel->kept == NULL) leave_outputs(channel);
    if (channel->job != NULL) channel->job->channel = NULL;
    if (channel->kept == NULL) {
      if (channel->in != channel->out[0]) close_file(&channel->in);
      close_all(channel->out, 2);
    }
    free(channel->pending);
    *at = channel->next;
    wide_count -= channel->widest == WIDE_WINDOW;
    free(channel);
    channel_count--;
  }
}
