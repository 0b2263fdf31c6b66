/** Whether the environment in the file $1 holds $mark, with nothing but what is built in. */
export const marked = `
marked() {
  while read -r line || [ -n "$line" ]; do
    case $line in *"$mark"*) return 0 ;; esac
    line=
  done <"$1"
  return 1
}
`

/**
 * Kills what a command started: every process whose environment marks it by a variable, is in a
 * session of one that does, or descends from one. Processes are stopped first, until none is left
 * that could fork, and killed then. Uses only what is built into the shell, since no process slot
 * may be free.
 *
 * $1: the variable's value. Exit code 0: none is left.
 */
export const killProcessesScript = (variable: string) => `
self=$$ mark="${variable}=$1" IFS='
'
${marked}scan() {
  found= alive=
  for dir in /proc/[0-9]*; do
    pid=\${dir#/proc/}
    [ "$pid" = "$self" ] || [ "$pid" = 1 ] && continue
    stat=
    read -r stat <"$dir/stat" || continue
    stat=\${stat##*) }
    IFS=' '
    set -- $stat
    IFS='
'
    [ "$1" = Z ] || [ "$1" = X ] && continue
    hit=
    case " $sessions " in *" $4 "*) hit=1 ;; esac
    case " $victims " in *" $2 "* | *" $pid "*) hit=1 ;; esac
    if [ -z "$hit" ] && marked "$dir/environ"; then
      hit=1
      # Its session is its own unless it came in with the container's first process.
      [ "$4" = 0 ] || [ "$4" = 1 ] || sessions="$sessions $4"
    fi
    [ -n "$hit" ] || continue
    found="$found $pid"
    case " $victims " in *" $pid "*) ;; *) victims="$victims $pid" ;; esac
    [ "$1" = T ] || [ "$1" = t ] || alive="$alive $pid"
  done
}
victims= sessions= round=0
while [ "$round" -lt 200 ]; do
  round=$((round + 1))
  scan
  [ -n "$found" ] || exit 0
  IFS=' '
  if [ -n "$alive" ] && [ "$((round % 20))" -ne 0 ]; then
    for pid in $alive; do kill -STOP "$pid"; done
  else
    for pid in $found; do kill -KILL "$pid"; done
    victims=
  fi
  IFS='
'
done 2>/dev/null
exit 1
`
