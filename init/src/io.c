#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files.h"

static struct {
  uint8_t bytes[BLOCK];
  size_t from, to;
} in;

static struct {
  uint8_t bytes[BLOCK];
  size_t length;
} out;

uint64_t number_at(const uint8_t *bytes, int size) {
  uint64_t number = 0;
  while (size-- > 0) number = number << 8 | bytes[size];
  return number;
}

int input_some(size_t most, uint8_t **at, size_t *length) {
  if (in.from == in.to) {
    ssize_t got;
    do got = read(0, in.bytes, sizeof in.bytes);
    while (got < 0 && errno == EINTR);
    if (got < 0) return errno;
    in.from = 0;
    in.to = (size_t)got;
  }
  *at = in.bytes + in.from;
  *length = in.to - in.from < most ? in.to - in.from : most;
  in.from += *length;
  return 0;
}

int input_exact(void *to, size_t length) {
  uint8_t *at, *next = to;
  while (length > 0) {
    size_t got;
    int error = input_some(length, &at, &got);
    if (error) return error;
    if (got == 0) return ECANCELED;
    memcpy(next, at, got);
    next += got;
    length -= got;
  }
  return 0;
}

static int write_all(int file, const uint8_t *bytes, size_t length) {
  while (length > 0) {
    ssize_t put = write(file, bytes, length);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return errno;
    bytes += put;
    length -= (size_t)put;
  }
  return 0;
}

// Writes chunks of the input to a file, up to the one that is empty.
int input_chunks(int file) {
  for (;;) {
    uint8_t head[4], *at;
    int error = input_exact(head, sizeof head);
    if (error) return error;
    size_t left = number_at(head, 4), got;
    if (left == 0) return 0;
    while (left > 0) {
      if ((error = input_some(left, &at, &got))) return error;
      if (got == 0) return ECANCELED;
      if ((error = write_all(file, at, got))) return error;
      left -= got;
    }
  }
}

int output_flush(void) {
  size_t length = out.length;
  out.length = 0;
  return write_all(1, out.bytes, length);
}

int output(const void *bytes, size_t length) {
  const uint8_t *next = bytes;
  while (length > 0) {
    size_t room = sizeof out.bytes - out.length, part = length < room ? length : room;
    memcpy(out.bytes + out.length, next, part);
    out.length += part;
    next += part;
    length -= part;
    int error = out.length == sizeof out.bytes ? output_flush() : 0;
    if (error) return error;
  }
  return 0;
}

int output_number(uint64_t value, int size) {
  uint8_t bytes[8];
  for (int i = 0; i < size; i++) bytes[i] = (uint8_t)(value >> (8 * i));
  return output(bytes, (size_t)size);
}

int output_string(const char *text, size_t length) {
  int error = output_number(length, 4);
  return error ? error : output(text, length);
}

int output_entry(char type, const struct stat *st, const char *path, const char *target) {
  const size_t lengths[] = {strlen(path), strlen(target)};
  const struct {
    uint64_t value;
    int size;
  } numbers[] = {
      {41 + 4 + lengths[0] + 4 + lengths[1], 4},
      {(uint8_t)type, 1},
      {st->st_mode & 07777, 4},
      {st->st_uid, 4},
      {st->st_gid, 4},
      {S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0, 8},
      {(uint64_t)st->st_mtim.tv_sec, 8},
      {(uint64_t)st->st_mtim.tv_nsec, 4},
      {st->st_ino, 8},
  };
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    int error = output_number(numbers[i].value, numbers[i].size);
    if (error) return error;
  }
  int error = output_string(path, lengths[0]);
  return error ? error : output_string(target, lengths[1]);
}

// The content of a file from where it is read next, straight into the buffer.
int output_content(int file, uint64_t most, bool chunks) {
  const size_t head = chunks ? 4 : 0;
  while (most > 0) {
    int error = out.length > BLOCK / 2 ? output_flush() : 0;
    if (error) return error;
    uint8_t *at = out.bytes + out.length;
    size_t room = sizeof out.bytes - out.length - head;
    ssize_t got = read(file, at + head, room < most ? room : (size_t)most);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno;
    if (got == 0) break;
    for (size_t i = 0; i < head; i++) at[i] = (uint8_t)((size_t)got >> (8 * i));
    out.length += head + (size_t)got;
    most -= (uint64_t)got;
  }
  return chunks ? output_number(0, 4) : 0;
}

int heap_add(struct heap *heap, const void *bytes, size_t length, size_t most) {
  if (length > most || heap->length > most - length) return ENOMEM;
  if (heap->length + length > heap->room) {
    size_t room = heap->length + length + heap->room + 1024;
    char *at = realloc(heap->at, room);
    if (at == NULL) return ENOMEM;
    heap->at = at;
    heap->room = room;
  }
  memcpy(heap->at + heap->length, bytes, length);
  heap->length += length;
  return 0;
}
