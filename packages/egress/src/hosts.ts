const mark = "# cordon-egress"

/**
 * Makes names lead to the loopback interface, in place of the names of an earlier run. The names come on standard input,
 * one in each line. All lines of the file stay but those that end with our mark. A name that another line has keeps its meaning.
 * The file is written in place: it is a mount of the engine, which writes it anew at each start.
 *
 * @param file the file of the names
 */
export const nameScript = (file = "/etc/hosts"): string => `
set -ef
kept= taken= own=
while IFS= read -r line || [ -n "$line" ]; do
  case "$line" in *"${mark}") continue ;; esac
  kept="$kept$line
"
  for word in \${line%%#*}; do taken="$taken $word "; done
done <${file}
while IFS= read -r name; do
  case "$taken" in *" $name "*) continue ;; esac
  own="\${own}127.0.0.1 $name ${mark}
"
done
printf %s "$kept$own" >${file}
`
