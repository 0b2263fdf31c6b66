// Kept processes: they belong to the sandbox, not to a connection. The last of what each wrote is in a ring of records,
// a byte for the stream, two for the length, then the output.
#include "init.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { HEADER = 3, LARGEST = 4096, MAX_DESCRIPTION = 1024 };

struct kept *kept_processes;

struct kept *find_kept(struct text name) {
  struct kept *kept = kept_processes;
  while (kept != NULL && (strlen(kept->name) != name.length || memcmp(kept->name, name.at, name.length) != 0))
    kept = kept->next;
  return kept;
}

// Its starter has been told that it began, and it has ended.
static bool has_ended(const struct kept *kept) { return kept->settled && (kept->job == NULL || kept->job->channel == NULL); }

bool takes_input(const struct kept *kept) { return kept->in >= 0 && !kept->settled; }

static void give_up(struct kept *kept) {
  if (kept->job != NULL) kill_job(kept->job);
  free_kept(kept);
}

bool free_name(struct text name) {
  struct kept *kept = find_kept(name);
  if (kept != NULL && !has_ended(kept)) return false;
  if (kept != NULL) give_up(kept);
  return true;
}

// Of too many, the one that was started first and has ended goes.
static bool make_room(void) {
  unsigned count = 0;
  struct kept *oldest = NULL;
  for (struct kept *each = kept_processes; each != NULL; each = each->next) {
    count++;
    if (has_ended(each)) oldest = each;
  }
  if (count >= MAX_KEPT && oldest == NULL) return false;
  if (count >= MAX_KEPT) give_up(oldest);
  return true;
}

struct kept *new_kept(struct text name, struct text description) {
  bool has_room = make_room();
  struct kept *kept = has_room ? calloc(1, sizeof *kept) : NULL;
  if (kept == NULL) {
    errno = has_room ? ENOMEM : EMFILE;
    return NULL;
  }
  // Pages of it are used only once there is output.
  kept->log = mmap(NULL, LOG_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (kept->log == MAP_FAILED) {
    free(kept);
    return NULL;
  }
  memcpy(kept->name, name.at, name.length);
  uint32_t length = description.length < MAX_DESCRIPTION ? description.length : MAX_DESCRIPTION;
  kept->description = malloc(length + 1);
  if (kept->description != NULL) {
    memcpy(kept->description, description.at, length);
    kept->description_length = length;
  }
  kept->in = -1;
  kept->started = now_ms();
  kept->next = kept_processes;
  return kept_processes = kept;
}

void free_kept(struct kept *kept) {
  struct kept **at = &kept_processes;
  while (*at != kept) at = &(*at)->next;
  *at = kept->next;
  if (kept->job != NULL) kept->job->kept = NULL;
  if (kept->in >= 0) close(kept->in);
  for (struct channel *channel = channels; channel != NULL; channel = channel->next) {
    if (channel->kept != kept) continue;
    channel->kept = NULL;
    channel->in = -1;
    if (channel->job != NULL || channel->connection == NULL) continue;
    // Attached channels learn that it is gone.
    if (channel->forgets) close_channel(channel, EXITED, NO_STAGE, 0);
    else close_channel(channel, SIGNALLED, NO_STAGE, 9);
  }
  munmap(kept->log, LOG_SIZE);
  free(kept->description);
  free(kept);
}

static void copy_in(struct kept *kept, const uint8_t *bytes, uint32_t length) {
  uint32_t at = kept->log_end % LOG_SIZE, first = LOG_SIZE - at < length ? LOG_SIZE - at : length;
  memcpy(kept->log + at, bytes, first);
  memcpy(kept->log, bytes + first, length - first);
  kept->log_end += length;
}

static void copy_out(const struct kept *kept, uint64_t from, uint8_t *bytes, uint32_t length) {
  uint32_t at = from % LOG_SIZE, first = LOG_SIZE - at < length ? LOG_SIZE - at : length;
  memcpy(bytes, kept->log + at, first);
  memcpy(bytes + first, kept->log, length - first);
}

static uint32_t record_length(const struct kept *kept, uint64_t record, uint8_t *stream) {
  uint8_t header[HEADER];
  copy_out(kept, record, header, HEADER);
  *stream = header[0];
  return header[1] | header[2] << 8;
}

// Reads a piece of its output into the log. At the end of the output the descriptor is closed.
void log_output(struct kept *kept, int stream, int descriptor) {
  uint8_t bytes[LARGEST], header[HEADER] = {stream + 1}, ignored;
  ssize_t got = read(descriptor, bytes, sizeof bytes);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) {
    close(descriptor);
    kept->job->out[stream] = -1;
    return;
  }
  while (kept->log_end - kept->log_start + HEADER + got > LOG_SIZE) {
    uint32_t length = record_length(kept, kept->log_start, &ignored);
    kept->log_start += HEADER + length;
    kept->first_byte += length;
  }
  put_number(header + 1, got, 2);
  copy_in(kept, header, HEADER);
  copy_in(kept, bytes, got);
  kept->byte_count += got;
}

// Called after the end of its main process: its output is complete in the pipes now.
void settle_kept(struct kept *kept) {
  for (int i = 0; i < 2; i++) {
    int waiting = 0;
    if (kept->job->out[i] >= 0) ioctl(kept->job->out[i], FIONREAD, &waiting);
    for (; waiting > 0 && kept->job->out[i] >= 0; waiting -= LARGEST) log_output(kept, i, kept->job->out[i]);
  }
  kept->end = kept->job->end;
  kept->settled = true;
}

// `cursor` is the record that is next, `cursor_used` what of it was passed, `position` where that is in all output.
static void find_position(struct channel *channel, const struct kept *kept) {
  uint64_t wanted = channel->position, at = kept->first_byte;
  uint8_t ignored;
  channel->cursor = kept->log_start;
  if (wanted > kept->byte_count) wanted = kept->byte_count;
  while (channel->cursor < kept->log_end) {
    uint32_t length = record_length(kept, channel->cursor, &ignored);
    if (wanted < at + length) break;
    channel->cursor += HEADER + length;
    at += length;
  }
  channel->cursor_used = wanted > at ? wanted - at : 0;
  channel->position = at + channel->cursor_used;
}

bool send_log(struct channel *channel) {
  struct kept *kept = channel->kept;
  if (!channel->told_position || channel->cursor < kept->log_start) {
    if (data_room(channel->connection) < 8) return false;
    find_position(channel, kept);
    put_number(data_place(channel->connection), channel->position, 8);
    data_placed(channel->connection, channel->number, 0, 8);
    channel->told_position = true;
  }
  while (channel->cursor < kept->log_end) {
    uint8_t stream;
    uint32_t length = record_length(kept, channel->cursor, &stream), size = length - channel->cursor_used;
    uint32_t room = data_room(channel->connection);
    if (size > room) size = room;
    if (size > channel->credit) size = channel->credit;
    if (size == 0) return false;
    copy_out(kept, channel->cursor + HEADER + channel->cursor_used, data_place(channel->connection), size);
    data_placed(channel->connection, channel->number, stream, size);
    channel->credit -= size;
    channel->cursor_used += size;
    channel->position += size;
    if (channel->cursor_used < length) continue;
    channel->cursor += HEADER + length;
    channel->cursor_used = 0;
  }
  return true;
}

bool list_kept(struct channel *channel) {
  for (struct kept *kept = kept_processes; kept != NULL; kept = kept->next) {
    uint8_t record[4 + MAX_NAME + 4 + 2 + 16 + 4 + MAX_DESCRIPTION], *at = record;
    uint32_t length = strlen(kept->name);
    at = put_number(at, length, 4);
    memcpy(at, kept->name, length);
    at += length;
    at = put_number(at, kept->pid, 4);
    at = put_number(at, !kept->settled ? 0 : kept->end.how == SIGNALLED ? 2 : 1, 1);
    at = put_number(at, kept->end.value, 1);
    at = put_number(at, now_ms() - kept->started, 8);
    at = put_number(at, kept->byte_count, 8);
    at = put_number(at, kept->description_length, 4);
    if (kept->description_length > 0) memcpy(at, kept->description, kept->description_length);
    at += kept->description_length;
    if (data_room(channel->connection) < (uint32_t)(at - record)) return false;
    memcpy(data_place(channel->connection), record, at - record);
    data_placed(channel->connection, channel->number, 1, at - record);
  }
  return true;
}
