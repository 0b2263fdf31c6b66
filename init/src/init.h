// Shared by the parts of the init. docs/init-protocol.md describes its behaviour; docs/decisions/0035-init.md gives the
// reasons.
#ifndef CORDON_INIT_H
#define CORDON_INIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
  MAX_FRAME = 1 << 20,        // bytes of a payload
  MAX_DATA = 64 << 10,        // bytes of a DATA payload
  MAX_OUTPUT = 256 << 10,     // bytes kept for a connection that does not read
  CONTROL_RESERVE = 64 << 10, // of these, for frames other than DATA
  BULK_READ = 60 << 10,       // bytes that are read of an output at once: whole pages, which fit into a DATA frame
  INPUT_WINDOW = 128 << 10,   // bytes of input that a channel may have on their way
  WIDE_WINDOW = 1 << 20,      // as many, of those few that have much to send
  MAX_WIDE = 8,
  LOG_SIZE = 1 << 20,         // of a kept process, a power of two
  MAX_CONNECTIONS = 64,
  MAX_CHANNELS = 512, // of all connections together
  MAX_KEPT = 128, // ended ones make room
  MAX_NAME = 64,
};

enum how { EXITED, SIGNALLED, FAILED, REFUSED };
enum stage { NO_STAGE, STAGE_USER, STAGE_FOLDER, STAGE_PROGRAM, STAGE_PROCESS, STAGE_TERMINAL, STAGE_REQUEST, STAGE_CONNECTION };

struct ending {
  uint8_t how, value;
  uint16_t stage;
};

// bytes.c: reads an untrusted payload. A read beyond its end returns 0 or an empty text, and sets `bad`.
struct text {
  const char *at;
  uint32_t length;
};
struct reader {
  const uint8_t *at, *end;
  bool bad;
};
uint64_t get_number(struct reader *from, unsigned bytes);
struct text get_text(struct reader *from);
// Passes over a list. Returns its count.
uint32_t skip_list(struct reader *from);
// Cuts a list into strings that end with NUL, in place: each moves over its own length. Returns NULL without memory.
char **take_list(struct reader *from, uint32_t *count);
char *take_text(struct reader *from);
uint8_t *put_number(uint8_t *to, uint64_t number, unsigned bytes);

// guard.c
int run_guard(char **arguments);

// user.c
struct user {
  uid_t uid;
  gid_t gid;
  gid_t groups[64];
  int group_count;
  char home[4096];
};
// Resolves `name`, `number`, either with `:group`; empty is root. Returns 0 or an errno.
int find_user(const char *wanted, struct user *found);
// Drops all rights except the user's. Uses only system calls, since it runs between vfork and exec. Returns 0 or an errno.
int become(const struct user *user);

// files.c: does an operation of docs/init-protocol.md ("File operations") with the rights of the calling process. Input
// comes from descriptor 0, output goes to descriptor 1, both may block. Returns 0 or an errno.
int file_operation(int count, char **arguments);

// job.c: a supervised process, its supervisor's side in supervisor.c.
struct job {
  struct job *next;
  pid_t supervisor, pid; // pid: of the main process once it runs, as its supervisor says
  int control;           // to the supervisor; -1 once that has closed it, or waits for another order
  struct order *order;
  bool file;             // a file operation: the supervisor does it itself
  bool over, torn;       // over: `end` says how; torn: its supervisor was killed
  struct ending end;
  int out[2]; // read ends of its outputs, -1 where there are none
  struct channel *channel;
  struct kept *kept;
  int polled[3]; // where main.c waits for control and outputs
};
extern struct job *jobs;
// A supervisor that waits for its order: forks one where there is none.
void prepare_spare(void);
bool wants_spare(void);
void age_spares(unsigned ms);
// Starts the job that the payload describes. Takes over `descriptors` (input, output, errors). On failure returns NULL and
// sets errno.
struct job *begin_job(bool file, struct text payload, const int descriptors[3]);
void hear_supervisor(struct job *job);
void signal_job(struct job *job, int signal);
void kill_job(struct job *job);
// Kills them all, those of ended commands too, and has process 1 look for orphans.
void kill_jobs(void);
// Takes note of the ended.
void reap(void);
// Whether a supervisor was killed and processes below it may still live.
bool has_orphans(void);
// Kills a round of what nobody owns. Returns whether there may be more.
bool kill_orphans(void);
bool is_outsider(pid_t pid);

// supervisor.c: the life of a supervisor after its fork.
struct order {
  uint32_t file, length;
  uint8_t payload[MAX_FRAME];
};
struct report {
  bool started, ended; // the main process
  bool resting;        // nothing is left of the command: the supervisor waits for another order
  int pid;
  struct ending end;
};
_Noreturn void supervise(int control, const struct order *order);

// channel.c
struct connection;
struct channel {
  struct channel *next;
  struct connection *connection; // NULL once it is closed
  uint32_t number, credit;       // credit: output that may be sent
  struct job *job;
  struct kept *kept; // attached to
  int in, out[2];    // in: of the input; out[0] is `in` where the channel is a connection of the network
  bool dialling, dialled, opened, shut, in_ended, tty; // dialled: a connection to a port, begun by either side
  bool listening;    // `in` listens
  uint32_t listener; // the listening channel whose next connection it waits for; 0: none
  bool question; // about the sandbox, or a connection that code inside began: no use of it
  int port, family;
  uint8_t *pending; // input that did not fit, of `widest` bytes
  uint32_t pending_start, pending_end, window, widest, taken;
  int64_t left[2]; // output to send before CLOSED, once the main process has ended; -1 before
  unsigned drain_ms, doomed_ms;
  enum { FORGETS_NOTHING, KEEPS_LOG, FREES_LOG } forgets; // ends a kept process
  unsigned grace_ms;                                      // until it is killed
  uint64_t cursor, position; // in the log of a kept process
  uint32_t cursor_used;
  bool told_position;
  unsigned long oom_kills;
  int polled[3];
};
extern struct channel *channels;
bool open_channel(struct connection *connection, uint32_t number, struct text payload);
bool feed_channel(struct channel *channel, const uint8_t *bytes, uint32_t length);
void end_input(struct channel *channel);
// The last of a channel: it is swept away.
void close_channel(struct channel *channel, enum how how, enum stage stage, int value);
void kill_channel(struct channel *channel);
void resize_channel(struct channel *channel, unsigned rows, unsigned columns);
void signal_channel(struct channel *channel, int signal);
// The poll events that are awaited at `in`.
short input_events(const struct channel *channel);
void pump_channel(struct channel *channel, short input, short output, short errors);
void abandon_channels(struct connection *connection);
void age_channels(unsigned ms);
void sweep_channels(void);
struct channel *find_channel(struct connection *connection, uint32_t number);

// kept.c: processes that belong to no connection, and the last part of their output.
struct kept {
  struct kept *next;
  char name[MAX_NAME + 1];
  struct job *job; // NULL once nothing of it is left
  bool settled;    // `end` says how its main process ended
  int in;
  pid_t pid;
  uint64_t started;
  struct ending end;
  uint8_t *log;
  uint64_t log_start, log_end;     // offsets of records, never reduced
  uint64_t first_byte, byte_count; // positions of output
  uint8_t *description;
  uint32_t description_length;
};
extern struct kept *kept_processes;
struct kept *find_kept(struct text name);
// Gives up what has that name and has ended. Returns false where it has not.
bool free_name(struct text name);
struct kept *new_kept(struct text name, struct text description);
void free_kept(struct kept *kept);
bool takes_input(const struct kept *kept);
void log_output(struct kept *kept, int stream, int descriptor);
// Sends the unsent part of the log. Returns whether all was sent.
bool send_log(struct channel *channel);
// Returns false where the connection has no room for all.
bool list_kept(struct channel *channel);
void settle_kept(struct kept *kept);

// connection.c
struct connection {
  struct connection *next;
  int in, out, helper; // helper: the socket to `connect`, -1 for the first connection
  bool greeted, dead, waiting; // waiting: for the helper's descriptors
  bool blocked;                // it took no more, until poll says that it does
  unsigned quiet_ms;
  uint64_t used; // when it last opened or ended a channel that is no question; 0: never
  uint8_t *input, *output;
  uint32_t input_size, input_length, output_start, output_end;
  uint32_t data_channel, data_left; // of a DATA frame that has not fully arrived
  int polled[3];
};
extern struct connection *connections;
// When another connection than this one last opened or ended such a channel.
uint64_t last_use(const struct connection *asking);
struct connection *add_connection(int in, int out, int helper);
void receive_descriptors(struct connection *connection);
void read_connection(struct connection *connection);
void flush_connection(struct connection *connection);
void close_connection(struct connection *connection);
void age_connections(unsigned ms);
// Frames: false where the connection can't take one.
bool send_frame(struct connection *connection, uint8_t type, uint32_t channel, const void *payload, uint32_t length);
// Room for a DATA frame's bytes right now, at most BULK_READ.
uint32_t data_room(struct connection *connection);
// Whether so much waits to be written that no more output should be read: many small pieces would cost more.
bool is_full(const struct connection *connection);
// The place for such bytes, and then a note of how many were put there.
uint8_t *data_place(struct connection *connection);
void data_placed(struct connection *connection, uint32_t channel, uint8_t stream, uint32_t length);

// main.c
extern uint8_t boot_id[16];
extern uint32_t removal_seconds;
extern int proc, terminals;
uint64_t now_ms(void);
unsigned long count_oom_kills(void);

enum { // frames from the program
  HELLO = 1, PING, OPEN, DATA, END, CREDIT, SIGNAL, KILL, RESIZE,
  // and to it
  PONG = 2, OPENED = 3, CLOSED = 7,
};
enum { RUN = 1, FILE_OPERATION, DIAL, ATTACH, PROCESSES, FORGET, USAGE, LISTEN, ACCEPT };
enum { TERMINAL = 1, KEPT = 2, BARE = 4, NO_INPUT = 8, SCRIPT = 16 };

#endif
