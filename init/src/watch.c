#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <time.h>
#include <unistd.h>

#include "files.h"

// Folders that are watched, and their paths.
#define MOST_NODES (16 * 1024 * 1024)
#define MOST_PATHS (16 * 1024 * 1024)
// How long many changes of one file are merged into one, how often the folder's identity is checked, and how often
// everything is scanned if the kernel gives no more watches.
#define PAUSE 20
#define LOOK 1000
#define AGAIN 2000

#define MASK (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_MODIFY | IN_ATTRIB | IN_ONLYDIR | IN_EXCL_UNLINK)
// A folder that is watched, in the order of the numbers.
struct node {
  int number;
  bool gone;
  size_t path;
};

struct watching {
  const char *path;
  int top;  // -1: it is away
  struct stat st;
  int notify;  // -1: there is nothing to be had from the kernel
  bool deep;
  struct heap nodes, paths;
};

static struct walk walk;

static struct node *node_at(struct watching *watch, size_t index) {
  return (struct node *)(void *)watch->nodes.at + index;
}

static size_t node_count(const struct watching *watch) { return watch->nodes.length / sizeof(struct node); }

static int tell(char event, char type, const struct stat *st, const char *path, const char *target) {
  int error = output(&event, 1);
  return error ? error : output_entry(type, st, path, target);
}

static int tell_entry(char event, int folder, const char *name, const struct stat *st, const char *path) {
  char target[4096] = "";
  ssize_t length = S_ISLNK(st->st_mode) ? readlinkat(folder, name, target, sizeof target - 1) : 0;
  if (length < 0) return 0;
  target[length] = '\0';
  return tell(event, type_of(st), st, path, target);
}

// Watches the folder that is given; gives up watching where the kernel has no more watches.
static int add_node(struct watching *watch, int folder, const char *path) {
  if (watch->notify < 0) return 0;
  // Enters the folder: without /proc there is no other way to name the folder of a descriptor.
  int number = fchdir(folder) != 0 ? -1 : inotify_add_watch(watch->notify, ".", MASK);
  if (number < 0 && (errno == ENOSPC || errno == ENOMEM)) {
    close(watch->notify);
    watch->notify = -1;
    return 0;
  }
  if (number < 0) return 0;
  // The same folder by another way.
  size_t count = node_count(watch);
  if (count > 0 && number <= node_at(watch, count - 1)->number) return 0;
  const struct node node = {number, false, watch->paths.length};
  int error = heap_add(&watch->paths, path, strlen(path) + 1, MOST_PATHS);
  return error ? error : heap_add(&watch->nodes, &node, sizeof node, MOST_NODES);
}

static struct node *node_of(struct watching *watch, int number) {
  size_t low = 0, high = node_count(watch);
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (node_at(watch, middle)->number < number) low = middle + 1;
    else high = middle;
  }
  struct node *found = low < node_count(watch) ? node_at(watch, low) : NULL;
  return found && found->number == number && !found->gone ? found : NULL;
}

// Forgets a folder that was moved away, and everything below it.
static void forget(struct watching *watch, const char *path) {
  const size_t length = strlen(path);
  for (size_t i = 0; i < node_count(watch); i++) {
    struct node *node = node_at(watch, i);
    const char *other = watch->paths.at + node->path;
    if (node->gone || strncmp(other, path, length) != 0) continue;
    if (other[length] != '\0' && other[length] != '/') continue;
    node->gone = true;
    inotify_rm_watch(watch->notify, node->number);
  }
}

static int watch_visit(struct walk *walk, int folder, const char *name, const struct stat *st) {
  return tell_entry('c', folder, name, st, walk->path);
}

static int watch_enter(struct walk *walk, int folder) { return add_node(walk->data, folder, walk->path); }

// Begins anew: watches all folders and tells of all entries.
static int look(struct watching *watch) {
  static const struct stat none;
  if (watch->top >= 0) close(watch->top);
  if (watch->notify >= 0) close(watch->notify);
  watch->nodes.length = watch->paths.length = 0;
  watch->notify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  watch->top = -1;
  int error = open_folder(AT_FDCWD, watch->path, false, &watch->top);
  if (!error && fstat(watch->top, &watch->st) != 0) error = errno;
  if (!error) error = add_node(watch, watch->top, "");
  walk.prefix = NULL;
  if (!error) error = walk_folder(&walk, watch->top);
  if (error) return error;
  return tell('r', 'd', &none, "", "");
}

static int look_anew(struct watching *watch) {
  static const struct stat none;
  int error = tell('o', 'd', &none, "", "");
  if (error) return error;
  error = look(watch);
  if (error != ENOENT && error != ENOTDIR && error != EACCES && error != ELOOP && error != ESTALE) return error;
  if (watch->top >= 0) close(watch->top);
  watch->top = -1;
  return tell('r', 'd', &none, "", "");
}

// Handles an event. Sets `anew` if a new scan is needed.
static int handle(struct watching *watch, const struct inotify_event *event, bool *anew) {
  static char path[LONGEST_PATH + 1];
  struct node *node = event->wd < 0 ? NULL : node_of(watch, event->wd);
  if (event->mask & (IN_Q_OVERFLOW | IN_UNMOUNT)) *anew = true;
  if (!node || event->mask & IN_IGNORED) {
    if (node) node->gone = true;
    return 0;
  }
  if (event->len == 0 || walk_skips(&walk, event->name)) return 0;
  const char *above = watch->paths.at + node->path;
  const size_t length = strlen(above), slash = length > 0, more = strlen(event->name);
  if (length + slash + more > LONGEST_PATH) return 0;
  memcpy(path, above, length);
  path[length] = '/';
  memcpy(path + length + slash, event->name, more + 1);
  if (event->mask & (IN_DELETE | IN_MOVED_FROM)) {
    const struct stat none = {0};
    if (event->mask & IN_MOVED_FROM && event->mask & IN_ISDIR) forget(watch, path);
    return tell('d', event->mask & IN_ISDIR ? 'd' : 'f', &none, path, "");
  }
  struct stat st;
  int folder, error = 0;
  if (descend(watch->top, above, length, false, &folder)) return 0;
  if (fstatat(folder, event->name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
    bool made = event->mask & (IN_CREATE | IN_MOVED_TO);
    error = tell_entry(made ? 'c' : 'm', folder, event->name, &st, path);
    bool enter = made && watch->deep && S_ISDIR(st.st_mode) && !error;
    int below = enter ? openat(folder, event->name, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW) : -1;
    if (below >= 0) {
      error = add_node(watch, below, path);
      walk.prefix = path;
      if (!error) error = walk_folder(&walk, below);
      // An event will follow for a folder that can't be read any more.
      if (error == EACCES || error == ENOENT || error == ESTALE) error = 0;
      close(below);
    }
  }
  close(folder);
  return error;
}

static int handle_all(struct watching *watch, bool *anew) {
  static _Alignas(struct inotify_event) char events[BLOCK];
  ssize_t size = read(watch->notify, events, sizeof events);
  if (size < 0) return errno == EAGAIN || errno == EINTR ? 0 : errno;
  for (ssize_t at = 0; at < size && !*anew;) {
    const struct inotify_event *event = (const struct inotify_event *)(events + at);
    int error = handle(watch, event, anew);
    // No room for more folders, but some known ones may be gone.
    if (error == ENOMEM && watch->nodes.length > 0) *anew = true;
    else if (error) return error;
    at += (ssize_t)(sizeof *event + event->len);
  }
  return 0;
}

int watch(char **arguments, int count) {
  static struct watching watch = {.top = -1, .notify = -1};
  struct stat st;
  watch.path = arguments[0];
  watch.deep = count > 1 && strcmp(arguments[1], "1") == 0;
  walk.depth = watch.deep ? 0 : 1;
  walk.skip = arguments + (count > 2 ? 2 : count);
  walk.skips = count > 2 ? count - 2 : 0;
  walk.data = &watch;
  walk.visit = watch_visit;
  walk.enter = watch_enter;
  int error = look(&watch);
  while (!error && !(error = output_flush())) {
    const bool blind = watch.top >= 0 && watch.notify < 0;
    struct pollfd ready[] = {{0, POLLIN, 0}, {1, 0, 0}, {watch.notify, POLLIN, 0}};
    int count_ready = poll(ready, 3, blind ? AGAIN : LOOK);
    if (count_ready < 0 && errno != EINTR) return errno;
    uint8_t *bytes;
    size_t length = 1;
    if (ready[0].revents) error = input_some(BLOCK, &bytes, &length);
    if (error || length == 0) return error;
    if (ready[1].revents) return EPIPE;
    bool there = stat(watch.path, &st) == 0 && S_ISDIR(st.st_mode);
    bool same = there && st.st_dev == watch.st.st_dev && st.st_ino == watch.st.st_ino;
    bool anew = watch.top < 0 ? there && access(watch.path, R_OK | X_OK) == 0 : !same || (blind && count_ready == 0);
    if (!anew && ready[2].revents) {
      nanosleep(&(struct timespec){.tv_nsec = PAUSE * 1000000}, NULL);
      error = handle_all(&watch, &anew);
    }
    if (anew && !error) error = look_anew(&watch);
  }
  return error;
}
