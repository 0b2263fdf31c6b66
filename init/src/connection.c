// Connections: frames in and out of a pair of descriptors, with bounded buffers.
#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// Of musl's CMSG_NXTHDR.
#pragma GCC diagnostic ignored "-Wsign-compare"

enum { FRAME_HEADER = 9, INPUT_SIZE = FRAME_HEADER + MAX_DATA, MAGIC = 0x4e444f43, VERSION = 1, BUILD = 1, DEATH_MS = 30000, HANDOVER_MS = 5000 };

struct connection *connections;
// As `used`, of those that have ended.
static uint64_t used_before;

uint64_t last_use(const struct connection *asking) {
  uint64_t last = used_before;
  for (struct connection *each = connections; each != NULL; each = each->next)
    if (each != asking && each->used > last) last = each->used;
  return last;
}

struct connection *add_connection(int in, int out, int helper) {
  unsigned count = 0;
  for (struct connection *each = connections; each != NULL; each = each->next) count++;
  struct connection *connection = count < MAX_CONNECTIONS ? calloc(1, sizeof *connection) : NULL;
  if (connection == NULL) return NULL;
  *connection = (struct connection){.next = connections, .in = in, .out = out, .helper = helper, .waiting = in < 0};
  return connections = connection;
}

// Makes a descriptor non-blocking, and closed on exec.
static void make_ready(int file) {
  fcntl(file, F_SETFL, fcntl(file, F_GETFL) | O_NONBLOCK);
  fcntl(file, F_SETFD, FD_CLOEXEC);
}

static bool start_connection(struct connection *connection) {
  make_ready(connection->in);
  make_ready(connection->out);
  connection->input = malloc(INPUT_SIZE);
  connection->input_size = INPUT_SIZE;
  connection->output = malloc(MAX_OUTPUT);
  if (connection->input == NULL || connection->output == NULL) return false;
  uint8_t hello[32], *at = put_number(hello, MAGIC, 4);
  at = put_number(at, VERSION, 2);
  at = put_number(at, BUILD, 2);
  memcpy(at, boot_id, sizeof boot_id);
  at = put_number(at + sizeof boot_id, now_ms(), 4);
  put_number(at, 0, 4);
  return send_frame(connection, HELLO, 0, hello, sizeof hello);
}

// Input and output; more than those would be left open.
static void take_files(struct connection *connection, struct cmsghdr *header) {
  int *wanted[] = {&connection->in, &connection->out};
  size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
  for (size_t i = 0; i < count; i++) {
    int file;
    memcpy(&file, CMSG_DATA(header) + i * sizeof file, sizeof file);
    if (i < 2 && *wanted[i] < 0) *wanted[i] = file;
    else close(file);
  }
}

void receive_descriptors(struct connection *connection) {
  if (connection->helper < 0) {
    connection->dead = !start_connection(connection);
    return;
  }
  char byte, space[CMSG_SPACE(2 * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
  struct iovec part = {&byte, 1};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
  ssize_t got = recvmsg(connection->helper, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  struct ucred peer = {0};
  for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); got == 1 && header != NULL; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_type == SCM_CREDENTIALS && header->cmsg_len == CMSG_LEN(sizeof peer))
      memcpy(&peer, CMSG_DATA(header), sizeof peer);
    else if (header->cmsg_type == SCM_RIGHTS) take_files(connection, header);
  }
  connection->waiting = false;
  connection->quiet_ms = 0;
  connection->dead = connection->out < 0 || !is_outsider(peer.pid) || !start_connection(connection);
}

void close_connection(struct connection *connection) {
  struct connection **at = &connections;
  while (*at != connection) at = &(*at)->next;
  *at = connection->next;
  abandon_channels(connection);
  if (connection->used > used_before) used_before = connection->used;
  if (connection->in >= 0) close(connection->in);
  if (connection->out >= 0) close(connection->out);
  if (connection->helper >= 0) close(connection->helper);
  free(connection->input);
  free(connection->output);
  free(connection);
}

void age_connections(unsigned ms) {
  for (struct connection *connection = connections; connection != NULL; connection = connection->next) {
    connection->quiet_ms += ms;
    if (connection->quiet_ms > (connection->waiting ? HANDOVER_MS : DEATH_MS)) connection->dead = true;
  }
}

// Makes sure that so many bytes follow each other in the output; false where there is no room for them.
static bool make_room(struct connection *connection, uint32_t bytes) {
  uint32_t length = connection->output_end - connection->output_start;
  if (length + bytes > MAX_OUTPUT) return false;
  if (connection->output_end + bytes <= MAX_OUTPUT) return true;
  memmove(connection->output, connection->output + connection->output_start, length);
  connection->output_start = 0;
  connection->output_end = length;
  return true;
}

static uint8_t *put_header(uint8_t *at, uint8_t type, uint32_t channel, uint32_t length) {
  return put_number(put_number(put_number(at, length, 4), type, 1), channel, 4);
}

bool send_frame(struct connection *connection, uint8_t type, uint32_t channel, const void *payload, uint32_t length) {
  if (connection == NULL) return true;
  if (!make_room(connection, FRAME_HEADER + length)) return false;
  uint8_t *at = put_header(connection->output + connection->output_end, type, channel, length);
  if (length > 0) memcpy(at, payload, length);
  connection->output_end += FRAME_HEADER + length;
  return true;
}

uint32_t data_room(struct connection *connection) {
  uint32_t used = connection->output_end - connection->output_start + FRAME_HEADER + 1 + CONTROL_RESERVE;
  if (used >= MAX_OUTPUT) return 0;
  uint32_t room = MAX_OUTPUT - used < BULK_READ ? MAX_OUTPUT - used : BULK_READ;
  make_room(connection, FRAME_HEADER + 1 + room);
  return room;
}

bool is_full(const struct connection *connection) {
  return connection->blocked && connection->output_end - connection->output_start >= BULK_READ;
}

uint8_t *data_place(struct connection *connection) { return connection->output + connection->output_end + FRAME_HEADER + 1; }

void data_placed(struct connection *connection, uint32_t channel, uint8_t stream, uint32_t length) {
  *put_header(connection->output + connection->output_end, DATA, channel, length + 1) = stream;
  connection->output_end += FRAME_HEADER + 1 + length;
}

void flush_connection(struct connection *connection) {
  while (!connection->blocked && connection->output_start < connection->output_end) {
    ssize_t gone = write(connection->out, connection->output + connection->output_start, connection->output_end - connection->output_start);
    if (gone < 0 && errno == EINTR) continue;
    if (gone < 0) {
      if (errno != EAGAIN) connection->dead = true;
      connection->blocked = true;
      return;
    }
    connection->output_start += gone;
  }
  if (connection->output_start == connection->output_end) connection->output_start = connection->output_end = 0;
}

static bool greet(struct connection *connection, struct reader payload) {
  uint32_t magic = get_number(&payload, 4);
  unsigned lowest = get_number(&payload, 2), highest = get_number(&payload, 2);
  uint32_t seconds = get_number(&payload, 4);
  if (payload.bad || magic != MAGIC || lowest > VERSION || highest < VERSION) return false;
  if (seconds != 0) removal_seconds = seconds;
  return connection->greeted = true;
}

// Returns false where the frame breaks a rule.
static bool take_frame(struct connection *connection, unsigned type, uint32_t number, uint8_t *bytes, uint32_t length) {
  struct reader payload = {bytes, bytes + length, false};
  if (!connection->greeted || type == HELLO) return type == HELLO && !connection->greeted && greet(connection, payload);
  if (type == PING) return length == 8 && send_frame(connection, PONG, 0, bytes, length);
  if (type == OPEN) return open_channel(connection, number, (struct text){(const char *)bytes, length});
  if (type < END || type > RESIZE) return false;
  struct channel *channel = find_channel(connection, number);
  // It may have ended while the frame was on its way.
  if (channel == NULL) return number != 0;
  uint32_t first, second;
  switch (type) {
    case END: end_input(channel); return true;
    case CREDIT:
      first = get_number(&payload, 4);
      if (payload.bad || channel->credit + first < first) return false;
      channel->credit += first;
      return true;
    case SIGNAL: signal_channel(channel, get_number(&payload, 1)); return !payload.bad;
    case KILL: kill_channel(channel); return true;
    default:
      first = get_number(&payload, 2);
      second = get_number(&payload, 2);
      resize_channel(channel, first, second);
      return !payload.bad;
  }
}

// Hands on what has come of a DATA frame. Returns false where it breaks a rule.
static bool take_data(struct connection *connection, uint8_t *bytes, uint32_t length) {
  // It may have ended while the frame was on its way.
  struct channel *channel = find_channel(connection, connection->data_channel);
  connection->data_left -= length;
  connection->quiet_ms = 0;
  return channel == NULL || feed_channel(channel, bytes, length);
}

// Takes all whole frames, and what has come of DATA. Returns the bytes of the first that is not whole yet, or 0 where a
// rule was broken.
static uint32_t take_frames(struct connection *connection) {
  uint32_t at = 0, needed = FRAME_HEADER;
  for (;;) {
    uint8_t *bytes = connection->input + at;
    uint32_t have = connection->input_length - at;
    if (connection->data_left > 0 && have > 0) {
      uint32_t part = have < connection->data_left ? have : connection->data_left;
      if (!take_data(connection, bytes, part)) return 0;
      at += part;
      continue;
    }
    needed = FRAME_HEADER;
    if (have < needed) break;
    struct reader header = {bytes, bytes + FRAME_HEADER, false};
    uint32_t length = get_number(&header, 4), type = get_number(&header, 1), channel = get_number(&header, 4);
    if (length > (type == OPEN ? MAX_FRAME : MAX_DATA) || (!connection->greeted && type != HELLO)) return 0;
    if (type == DATA) {
      if (channel == 0) return 0;
      connection->data_channel = channel;
      connection->data_left = length;
      connection->quiet_ms = 0;
      at += FRAME_HEADER;
      continue;
    }
    needed = FRAME_HEADER + length;
    if (have < needed) break;
    if (!take_frame(connection, type, channel, bytes + FRAME_HEADER, length)) return 0;
    connection->quiet_ms = 0;
    at += needed;
  }
  connection->input_length -= at;
  memmove(connection->input, connection->input + at, connection->input_length);
  return needed;
}

static bool fit_input(struct connection *connection, uint32_t needed) {
  uint32_t size = needed > INPUT_SIZE ? needed : INPUT_SIZE;
  if (size == connection->input_size) return true;
  uint8_t *input = realloc(connection->input, size);
  if (input == NULL) return false;
  connection->input = input;
  connection->input_size = size;
  return true;
}

void read_connection(struct connection *connection) {
  ssize_t got = read(connection->in, connection->input + connection->input_length, connection->input_size - connection->input_length);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) {
    connection->dead = true;
    return;
  }
  connection->input_length += got;
  uint32_t needed = take_frames(connection);
  connection->dead = needed == 0 || connection->dead || !fit_input(connection, needed);
}
