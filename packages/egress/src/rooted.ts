/**
 * A shell function that tells whether only root can change what a path leads to: each folder and each link on the way, and the end, must
 * belong to root, and nobody else may write there. Scripts that run as root in a sandbox use it before they run or write a file that an
 * image names. It needs a shell, `ls` and `readlink`, as busybox has them.
 */
export const rooted = `
rooted() {
  at= rest=$1 links=0
  while :; do
    set -- $(ls -ldn "\${at:-/}" 2>/dev/null)
    case "\${1:-}" in
      l*)
        # Its folder is root's, so nobody else can replace the link.
        links=$((links + 1))
        [ $links -le 40 ] || return 1
        rest=$(readlink "$at")/$rest
        case "$rest" in /*) at= ;; *) at=\${at%/*} ;; esac
        ;;
      "" | ?????w* | ????????w*) return 1 ;;
      *) [ "$3" = 0 ] || return 1 ;;
    esac
    while [ "$rest" != "\${rest#/}" ]; do rest=\${rest#/}; done
    [ -n "$rest" ] || return 0
    at=$at/\${rest%%/*}
    case "$rest" in */*) rest=\${rest#*/} ;; *) rest= ;; esac
  done
}
`
