#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <locale.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "files.h"

// The longest line. The rest of a longer line is ignored.
#define LONGEST_LINE (1024 * 1024)
#define LONGEST_TEXT 4000
// Of a file that says that it has none, as those of the kernel do.
#define LARGEST_SIZELESS (1024 * 1024)
// A pattern of a few letters can ask for gigabytes.
#define MOST_MEMORY (256 * 1024 * 1024)

struct searching {
  const char *text, *glob;
  size_t text_length;
  bool lower;
  regex_t *expression;  // NULL: plain text
};

static bool matches(const struct searching *search, char *line, size_t length) {
  static char copy[LONGEST_LINE + 1];
  if (!search->expression && !search->lower) {
    return memmem(line, length, search->text, search->text_length) != NULL;
  }
  memcpy(copy, line, length);
  copy[length] = '\0';
  if (!search->expression) {
    for (size_t i = 0; i < length; i++) copy[i] = (char)tolower((unsigned char)copy[i]);
    return memmem(copy, length, search->text, search->text_length) != NULL;
  }
  // Invalid UTF-8 would match nothing at all.
  if (mbstowcs(NULL, copy, 0) == (size_t)-1) {
    for (size_t i = 0; i < length; i++) copy[i] = copy[i] & 0x80 ? '?' : copy[i];
  }
  return regexec(search->expression, copy, 0, NULL, 0) == 0;
}

static int match_line(struct walk *walk, char *line, size_t length, uint32_t number) {
  if (!matches(walk->data, line, length)) return 0;
  int error = output_string(walk->path, walk->length);
  if (!error) error = output_number(number, 4);
  return error ? error : output_string(line, length < LONGEST_TEXT ? length : LONGEST_TEXT);
}

// Matches whole lines. Most blocks of most files have none of the text, and need no look at each line.
static int match_lines(struct walk *walk, char *at, size_t length, uint32_t *number) {
  const struct searching *search = walk->data;
  const bool plain = !search->expression && !search->lower;
  for (char *end = at + length, *hit = at; at < end;) {
    if (plain && hit && hit <= at) hit = memmem(at, (size_t)(end - at), search->text, search->text_length);
    char *newline = memchr(at, '\n', (size_t)(end - at));
    size_t line = (size_t)((newline ? newline : end) - at);
    int error = !plain || (hit && hit < at + line) ? match_line(walk, at, line, *number) : 0;
    if (error) return error;
    at += line + 1;
    ++*number;
  }
  return 0;
}

static int search_file(struct walk *walk, int file, uint64_t left) {
  static char block[LONGEST_LINE];
  size_t length = 0;
  uint32_t number = 1;
  bool rest = false;  // of a line that was too long
  int error = 0;
  while (!error && left > 0) {
    size_t room = sizeof block - length < BLOCK ? sizeof block - length : BLOCK;
    ssize_t got = read(file, block + length, room < left ? room : (size_t)left);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    left -= (uint64_t)got;
    // A binary file is skipped.
    if (memchr(block + length, '\0', (size_t)got)) return 0;
    char *newline = memrchr(block + length, '\n', (size_t)got);
    length += (size_t)got;
    if (newline) {
      char *first = block;
      if (rest) first = (char *)memchr(block, '\n', length) + 1;
      rest = false;
      size_t whole = (size_t)(newline + 1 - first);
      error = match_lines(walk, first, whole, &number);
      length = (size_t)(block + length - (newline + 1));
      memmove(block, newline + 1, length);
    } else if (rest) {
      length = 0;
    } else if (length == sizeof block) {
      error = match_line(walk, block, length, number++);
      rest = true;
      length = 0;
    }
  }
  return error || rest || length == 0 ? error : match_line(walk, block, length, number);
}

static int search_visit(struct walk *walk, int folder, const char *name, const struct stat *st) {
  const struct searching *search = walk->data;
  struct stat now;
  int file;
  if (!S_ISREG(st->st_mode)) return 0;
  if (*search->glob && fnmatch(search->glob, name, 0) != 0) return 0;
  if (open_regular(folder, name, false, &file, &now)) return 0;
  int error = search_file(walk, file, now.st_size > 0 ? (uint64_t)now.st_size : LARGEST_SIZELESS);
  close(file);
  return error;
}

// The plain text as a regular expression, for letters beyond ASCII whose case is ignored.
static char *escaped(const char *text) {
  char *all = malloc(2 * strlen(text) + 1), *to = all;
  while (all && *text) {
    if (strchr("\\^$.[]|()?*+{}", *text)) *to++ = '\\';
    *to++ = *text++;
  }
  if (all) *to = '\0';
  return all;
}

static int prepare(struct searching *search, char *pattern, bool expression, bool lower) {
  static regex_t compiled;
  bool ascii = true;
  for (const char *at = pattern; *at; at++) ascii = ascii && !(*at & 0x80);
  if (!expression && (!lower || ascii)) {
    search->text = pattern;
    search->text_length = strlen(pattern);
    search->lower = lower;
    for (char *at = pattern; lower && *at; at++) *at = (char)tolower((unsigned char)*at);
    return 0;
  }
#ifndef __SANITIZE_ADDRESS__
  struct rlimit limit;
  if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur > MOST_MEMORY) {
    limit.rlim_cur = MOST_MEMORY;
    setrlimit(RLIMIT_AS, &limit);
  }
#endif
  setlocale(LC_CTYPE, "C.UTF-8");
  char *source = expression ? pattern : escaped(pattern);
  if (!source) return ENOMEM;
  int bad = regcomp(&compiled, source, REG_EXTENDED | REG_NOSUB | (lower ? REG_ICASE : 0));
  search->expression = &compiled;
  if (bad == 0) return 0;
  char words[256];
  regerror(bad, &compiled, words, sizeof words);
  int error = output(words, strlen(words));
  return error ? error : EBADMSG;
}

int search(char **arguments, int count) {
  static struct walk walk;
  struct searching searching = {.glob = count > 3 ? arguments[3] : ""};
  const char *options = count > 2 ? arguments[2] : "";
  int folder;
  if (strspn(options, "Ei") != strlen(options) || *arguments[1] == '\0') return EINVAL;
  int error = open_folder(AT_FDCWD, arguments[0], false, &folder);
  if (!error) error = prepare(&searching, arguments[1], strchr(options, 'E'), strchr(options, 'i'));
  if (error) return error;
  walk.data = &searching;
  walk.visit = search_visit;
  walk.kinds = true;
  walk.skip = arguments + (count > 4 ? 4 : count);
  walk.skips = count > 4 ? count - 4 : 0;
  return walk_folder(&walk, folder);
}
