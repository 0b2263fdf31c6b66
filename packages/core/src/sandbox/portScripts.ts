/** Exit codes of the relay. */
export const relayExit = { noTool: 84, refused: 85 } as const

const perl = `
use Socket qw(:DEFAULT inet_pton pack_sockaddr_in6 AF_INET6);
my $port = shift;
(socket(S, AF_INET, SOCK_STREAM, 0) && connect(S, pack_sockaddr_in($port, inet_aton("127.0.0.1"))))
  || (socket(S, AF_INET6, SOCK_STREAM, 0) && connect(S, pack_sockaddr_in6($port, inet_pton(AF_INET6, "::1"))))
  || exit ${relayExit.refused};
$SIG{PIPE} = "IGNORE";
sub copy { my ($from, $to) = @_;
  while (sysread($from, my $bytes, 65536)) {
    while (length $bytes) { my $n = syswrite($to, $bytes); return unless defined $n; substr($bytes, 0, $n) = "" }
  }
}
my $writer = fork() // exit ${relayExit.noTool};
if ($writer == 0) { copy(*STDIN, *S); shutdown(S, 1); exit 0 }
copy(*S, *STDOUT);
kill "TERM", $writer;
`

/**
 * $1: port. Connects standard input and output with what listens on that port of the loopback
 * interface, with whatever the image has that can connect: perl (Debian and Ubuntu have it always),
 * busybox's nc (Alpine) or bash, which can't tell the other side that no more will come.
 */
export const relayScript = `
if command -v perl >/dev/null && perl -MSocket=inet_pton -e 1 2>/dev/null; then
  exec perl -e '${perl}' "$1"
elif command -v nc >/dev/null && nc --help 2>&1 | grep -q BusyBox; then
  exec nc 127.0.0.1 "$1"
elif command -v bash >/dev/null; then
  exec bash -c '
    exec 4<&0
    { exec 3<>"/dev/tcp/127.0.0.1/$1" || exec 3<>"/dev/tcp/::1/$1"; } 2>/dev/null || exit ${relayExit.refused}
    cat <&4 >&3 & writer=$!
    cat <&3
    kill "$writer"
  ' bash "$1"
fi
exit ${relayExit.noTool}
`

/** Whether the image can relay. */
export const canRelayScript = `
command -v perl >/dev/null || command -v nc >/dev/null || command -v bash >/dev/null || exit ${relayExit.noTool}
`

// In /proc/net/tcp: number, local address and port in hexadecimal, remote ones, state (0A listens).
// Those count that the loopback interface leads to: the relay reaches no others.
const table = `
sockets() {
  for table in /proc/net/tcp /proc/net/tcp6; do
    [ ! -r "$table" ] || while read -r _ local _ state _; do
      case $state$local in
        0A0100007F:* | 0A00000000:* | 0A0000000000000000FFFF00000100007F:*) echo "\${local##*:}" ;;
        0A00000000000000000000000000000000:* | 0A00000000000000000000000001000000:*) echo "\${local##*:}" ;;
      esac
    done <"$table"
  done
}
`

/** Prints the ports that are listened on, in hexadecimal. */
export const listeningScript = `${table}
sockets
`

/** $1: port in hexadecimal. Waits until something listens on it. */
export const awaitPortScript = `${table}
until sockets | grep -qx "$1"; do sleep 0.1; done
`
