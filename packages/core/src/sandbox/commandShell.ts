/** What runs a command that is given as text, and the language that every command finds. */
import type { ExecRequest } from "../values/Exec.ts"

/** Where an image shows that it has a UTF-8 locale (the last ones: musl knows no other), and which. */
export const utf8Locales = [
  { path: "/usr/lib/locale/C.utf8", lang: "C.UTF-8" },
  { path: "/usr/lib/locale/C.UTF-8", lang: "C.UTF-8" },
  { path: "/usr/lib/locale/en_US.utf8", lang: "en_US.UTF-8" },
  { path: "/lib/ld-musl-x86_64.so.1", lang: "C.UTF-8" },
  { path: "/lib/ld-musl-aarch64.so.1", lang: "C.UTF-8" },
] as const

/** The variables of which any one says that the image or the program has chosen a language. */
export const languageVariables = ["LANG", "LC_ALL", "LC_CTYPE"] as const

/** Sets LANG to a UTF-8 locale of the image where nobody has chosen one. Built-ins only. */
export const setLanguage = `{ [ -n "${languageVariables.map((name) => `\${${name}+x}`).join("")}" ] || for _cordon_at in ${utf8Locales.map(({ path, lang }) => `${path}=${lang}`).join(" ")}; do
  [ ! -e "\${_cordon_at%=*}" ] || { export LANG="\${_cordon_at#*=}"; break; }
done; }`

/** Puts bash into \`_cordon_shell\` where the image has it, else sh. Built-ins only. */
export const findShell = `{ _cordon_shell=/bin/sh
for _cordon_at in /bin/bash /usr/bin/bash /usr/local/bin/bash; do
  [ -f "$_cordon_at" ] && [ -x "$_cordon_at" ] && _cordon_shell=$_cordon_at && break
done; [ -n "$_cordon_shell" ]; }`

const runScript = `${setLanguage}
${findShell}
exec "$_cordon_shell" -c -- "$1"`

/** A script as a program with its arguments: bash runs it where the image has it, else sh. */
export const scriptArgv = (script: string) =>
  ["/bin/sh", "-c", runScript, "sh", script] as const satisfies ExecRequest["command"]
