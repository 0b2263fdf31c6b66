import { fileExit } from "./fileScripts.ts"

/** Exit codes by which the scripts around a clone say what was wrong. */
export const cloneExit = { noGit: 86, exists: 87 } as const

/** Makes the folder $dir with those above it, or says why that can't be done. */
const ensureFolder = `
above=$dir
while [ ! -e "$above" ] && [ -n "$above" ]; do above=\${above%/*}; done
[ -d "\${above:-/}" ] || exit ${fileExit.notDirectory}
mkdir -p "$dir" || { [ -w "\${above:-/}" ] || exit ${fileExit.denied}; exit ${fileExit.failed}; }
`

/** Whether a clone, which is in the folder $part of the folder $dir, is alone there. */
const alone = `alone() { [ "$(ls -A "$dir")" = "$part" ]; }
`

/**
 * $1: folder to clone into, $2: name of the folder in it that the clone is made in. Makes both; prints
 * the deepest folder that was there before.
 */
export const beginScript = `command -v git >/dev/null || exit ${cloneExit.noGit}
dir=$1 part=$2
${alone}${ensureFolder}
if [ "$above" = "$dir" ] && [ -n "$(ls -A "$dir")" ]; then exit ${cloneExit.exists}; fi
mkdir "$dir/$part" || { [ -w "$dir" ] || exit ${fileExit.denied}; exit ${fileExit.failed}; }
alone || { rmdir "$dir/$part"; exit ${cloneExit.exists}; }
printf '%s' "$above"
`

/**
 * $1, $2: as above. Moves the clone to where it belongs, .git last: until then it is none. Prints
 * its commit and its branch, a line each, which it may not have.
 */
export const commitScript = `dir=$1 part=$2
${alone}cd "$dir/$part" || exit ${fileExit.failed}
alone || exit ${cloneExit.exists}
commit=$(git rev-parse -q --verify HEAD) branch=$(git symbolic-ref -q --short HEAD)
find . -mindepth 1 -maxdepth 1 ! -name .git -exec sh -c 'mv "$@" ..' sh {} + || exit ${fileExit.failed}
mv .git .. && cd .. && rmdir "$part" || exit ${fileExit.failed}
printf '%s\\n%s\\n' "$commit" "$branch"
`

/** $1, $2: as above, $3: what the first script printed. Takes away what it made, and the clone. */
export const undoScript = `rm -rf "$1/$2"
dir=$1
# Only what is empty: others may have come to use it.
while [ "$dir" != "$3" ] && [ -n "$dir" ] && rmdir "$dir" 2>/dev/null; do dir=\${dir%/*}; done
[ ! -e "$1/$2" ] || exit ${fileExit.failed}
`

// Where systems keep their programs; what others may have put into PATH comes after.
const systemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/** The way out, where there is one way only; and what the driver knows its processes by. */
const kept = [
  ...["http_proxy", "https_proxy", "all_proxy", "no_proxy"].flatMap((name) => [
    name,
    name.toUpperCase(),
  ]),
  "CORDON_EXEC_ID",
]

/** Takes the credentials from standard input, a line each, into git's environment. */
const withCredentials = `IFS= read -r CORDON_GIT_USERNAME && IFS= read -r CORDON_GIT_PASSWORD || exit ${fileExit.failed}
export CORDON_GIT_USERNAME CORDON_GIT_PASSWORD
exec git "$@" </dev/null`

/**
 * $@: arguments of git. Runs it with the credentials on standard input, and without anything that the
 * sandbox may have been prepared with: no environment but the one here, no configuration but that of
 * the arguments, no home (for .netrc as well), no templates.
 */
export const isolatedGitScript = (
  environment: Readonly<Record<string, string>>,
) => `PATH=${systemPath}:$PATH
exec env -i "PATH=$PATH" HOME=/dev/null XDG_CONFIG_HOME=/dev/null \\
  GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_SYSTEM=/dev/null GIT_CONFIG_GLOBAL=/dev/null \\
  GIT_ATTR_NOSYSTEM=1 GIT_TEMPLATE_DIR= \\
  ${Object.entries(environment)
    .map(([name, value]) => `'${name}=${value}'`)
    .join(" ")} \\
  ${kept.map((name) => `\${${name}+"${name}=$${name}"}`).join(" ")} \\
  sh -c '${withCredentials}' sh "$@"
`

/** Gives git what it asks for, out of the environment of this one command. */
export const credentialHelper =
  '!f() { [ "$1" = get ] || return 0; printf \'username=%s\\npassword=%s\\n\' "$CORDON_GIT_USERNAME" "$CORDON_GIT_PASSWORD"; }; f'
