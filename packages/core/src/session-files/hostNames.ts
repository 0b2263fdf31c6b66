// Names that Windows takes for devices, with any ending and in any case.
const device = /^(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³])(?:\s*\.|$)/i

/**
 * What keeps a path of session storage from being a file of that very path on a host; undefined where
 * nothing does. POSIX takes any name. Windows takes `\` for a separator and `:` for a drive or a stream,
 * forgets dots and spaces at the end, and has names that are devices: a file of such a name would be
 * another one, or elsewhere.
 *
 * @param path relative, `/`-separated, without `.` and `..`
 * @param separator of paths on the host
 */
export const hostNameProblem = (path: string, separator: string): string | undefined => {
  if (separator === "/") return undefined
  for (const part of path.split("/")) {
    if (/[\\:]/.test(part)) return `this host can't have "\\" or ":" in names`
    if (/[<>"|?*\p{Cc}]/u.test(part)) {
      return "this host can't have any of < > \" | ? * or control characters in names"
    }
    if (/[. ]$/.test(part)) return "this host can't have names that end with a dot or a space"
    if (device.test(part)) return `${JSON.stringify(part)} is a device on this host`
  }
  return undefined
}
