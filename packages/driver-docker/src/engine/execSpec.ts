/** What an engine's exec call takes for a program that runs as root, with all its streams attached. */
export const execSpec = (command: ReadonlyArray<string>) => ({
  Cmd: [...command],
  WorkingDir: "/",
  User: "0",
  AttachStdin: true,
  AttachStdout: true,
  AttachStderr: true,
  // On no terminal: its output is in frames of two streams.
  Tty: false,
})
