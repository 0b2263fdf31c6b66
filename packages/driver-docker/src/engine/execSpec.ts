/** The body of an exec call for a program that runs as root with all its streams attached. */
export const execSpec = (command: ReadonlyArray<string>) => ({
  Cmd: [...command],
  WorkingDir: "/",
  User: "0",
  AttachStdin: true,
  AttachStdout: true,
  AttachStderr: true,
  // No terminal: the output comes as frames of two streams.
  Tty: false,
})
