// Shared by the file operations. Each runs in its own process, which does one thing and exits, so it frees little memory.
#ifndef CORDON_FILES_H
#define CORDON_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

// The longest path below a folder. The kernel's own limit applies to paths in arguments.
#define LONGEST_PATH 65535
#define BLOCK 65536

// io.c: descriptor 0 and 1, both buffered. Functions return 0 or an errno.
uint64_t number_at(const uint8_t *bytes, int size);
int input_some(size_t most, uint8_t **at, size_t *length);  // a length of 0: the input has ended
int input_exact(void *to, size_t length);                   // ECANCELED: the input ended before
int input_chunks(int file);
int output(const void *bytes, size_t length);
int output_number(uint64_t value, int size);
int output_string(const char *text, size_t length);
int output_entry(char type, const struct stat *st, const char *path, const char *target);
int output_content(int file, uint64_t most, bool chunks);
int output_flush(void);

// Memory that grows up to a bound.
struct heap {
  char *at;
  size_t length, room;
};
int heap_add(struct heap *heap, const void *bytes, size_t length, size_t most);

// paths.c
int parse_number(const char *text, int base, int64_t least, int64_t most, int64_t *number);
int open_folder(int base, const char *path, bool make, int *folder);
int descend(int from, const char *path, size_t length, bool make, int *folder);
int open_parent(int base, const char *path, bool make, int *folder, char name[256]);
int open_regular(int folder, const char *name, bool follow, int *file, struct stat *st);
int temporary_name(char name[32]);
bool temporary(const char *name);
char type_of(const struct stat *st);

// walk.c: visits everything below a folder, each folder before its content.
struct walk {
  int64_t depth;   // folders deep; 0: all of them
  char **skip;     // globs of names to leave out
  int skips;
  bool all;        // temporary files are no exception
  bool strict;     // what may not be read is an error, and not passed over
  bool kinds;      // `visit` looks at no more than the kind
  bool pathless;   // `visit` needs no path
  const char *prefix;  // stands before every path, may be NULL
  void *data;
  int (*visit)(struct walk *, int folder, const char *name, const struct stat *st);
  int (*enter)(struct walk *, int folder);  // a folder that was visited; may be NULL
  // Called after a folder's content was visited, or could not be for the given reason. May be NULL.
  int (*leave)(struct walk *, int folder, const char *name, int reason);
  char path[LONGEST_PATH + 1];
  size_t length;
};
bool walk_skips(const struct walk *walk, const char *name);
int walk_folder(struct walk *walk, int folder);

// tree.c
struct attributes {
  mode_t mode;
  bool own;  // the owner too, where that is allowed
  uid_t user;
  gid_t group;
  struct timespec times[2];
};
int input_file(int folder, const char *name, struct attributes attributes);
int pack(int folder, const char *single, const char *as);
int unpack(int folder, bool own);

int remove_tree(int folder, const char *name);
int search(char **arguments, int count);
int watch(char **arguments, int count);

#endif
