#include "init.h"

#include <stdlib.h>
#include <string.h>

uint64_t get_number(struct reader *from, unsigned bytes) {
  if (from->bad || (size_t)(from->end - from->at) < bytes) {
    from->bad = true;
    return 0;
  }
  uint64_t number = 0;
  for (unsigned i = 0; i < bytes; i++) number |= (uint64_t)from->at[i] << (8 * i);
  from->at += bytes;
  return number;
}

struct text get_text(struct reader *from) {
  uint32_t length = get_number(from, 4);
  if (!from->bad && (size_t)(from->end - from->at) < length) from->bad = true;
  if (!from->bad && memchr(from->at, 0, length) != NULL) from->bad = true;
  if (from->bad) return (struct text){"", 0};
  struct text found = {(const char *)from->at, length};
  from->at += length;
  return found;
}

uint32_t skip_list(struct reader *from) {
  uint32_t count = get_number(from, 4);
  for (uint32_t i = 0; i < count && !from->bad; i++) get_text(from);
  return count;
}

char *take_text(struct reader *from) {
  struct text found = get_text(from);
  if (from->bad) return "";
  char *to = (char *)found.at - 4;
  memmove(to, found.at, found.length);
  to[found.length] = 0;
  return to;
}

char **take_list(struct reader *from, uint32_t *count) {
  uint32_t wanted = get_number(from, 4);
  // Each string has at least the four bytes of its length.
  if (from->bad || wanted > (size_t)(from->end - from->at) / 4) return NULL;
  char **list = calloc(wanted + 1, sizeof *list);
  if (list == NULL) return NULL;
  for (uint32_t i = 0; i < wanted; i++) list[i] = take_text(from);
  if (from->bad) {
    free(list);
    return NULL;
  }
  *count = wanted;
  return list;
}

uint8_t *put_number(uint8_t *to, uint64_t number, unsigned bytes) {
  for (unsigned i = 0; i < bytes; i++) to[i] = number >> (8 * i);
  return to + bytes;
}
