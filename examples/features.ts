// Features of a sandbox beyond commands and single files. Needs Docker. Run: node
// --conditions=@cordon/source examples/features.ts
import { createSandboxes, type SandboxStats } from "@cordon/core"
import { docker } from "@cordon/driver-docker"

await using sandboxes = createSandboxes({ driver: docker() })

// A secret: commands see it, and descriptions of the sandbox do not.
await using sandbox = await sandboxes.create({
  network: "none",
  secrets: { API_TOKEN: process.env["API_TOKEN"] ?? "made-up" },
})
const { stdout } = await sandbox.run("printf %s $API_TOKEN | wc -c")
console.log(`a token of ${stdout.trim()} characters`)

// Streamed output.
await sandbox.run("for n in 1 2 3; do echo step $n; done", {
  onStdout: (text) => process.stdout.write(text),
})

// Folders and searching.
await sandbox.files.write("src/a.txt", "one\nneedle\n")
await sandbox.files.makeDirectory("out")
await sandbox.files.move("src/a.txt", "out/b.txt")
for (const { path, kind } of await sandbox.files.list(".", { depth: 2 })) {
  console.log(kind, path)
}
const { matches } = await sandbox.files.search("needle", { include: "*.txt" })
for (const { path, line, text } of matches) console.log(`${path}:${line}: ${text}`)

// Watches a folder. Leaving the loop ends the watch.
for await (const event of sandbox.files.watch("out", { interval: 200 })) {
  if (event._tag === "Ready") {
    await sandbox.files.write("out/c.txt", "new")
  } else {
    console.log(event._tag, event.entry.path)
    break
  }
}

// A server in the background, and a local port that leads to it.
await sandbox.files.write(
  "server.pl",
  `use IO::Socket::INET;
my $server = IO::Socket::INET->new(LocalAddr => "127.0.0.1:8080", Listen => 8, ReuseAddr => 1);
while (my $client = $server->accept) {
  while (<$client>) { last if /^\\r?$/ }
  print $client "HTTP/1.1 200 OK\\r\\nConnection: close\\r\\n\\r\\nHello from the server";
  close $client;
}`,
)
const server = await sandbox.processes.start("perl server.pl", { name: "server" })
await sandbox.ports.wait(8080)
{
  await using port = await sandbox.ports.expose(8080)
  console.log(await (await fetch(port.url)).text())
}
console.log((await sandbox.processes.list()).map(({ name, status }) => `${name} ${status}`))
await server.kill()
console.log("the server ended with", await server.wait())

// A process that gets its input in parts.
const worker = await sandbox.processes.start('while read -r job; do echo "did $job"; done', {
  stdin: true,
})
await worker.write("the dishes\n")
await worker.closeStdin()
for await (const event of worker.follow()) {
  if (event._tag === "Stdout") process.stdout.write(event.bytes)
  if (event._tag === "Lost") console.log(`(${event.bytes} bytes are no longer kept)`)
}

// A lasting shell: it keeps its folder and variables.
{
  await using shell = await sandbox.shell()
  await shell.exec("mkdir -p project && cd project && export NAME=world")
  await shell.exec("greet() { echo hello $NAME; }")
  console.log((await shell.exec('greet; basename "$PWD"')).stdout.trim())
  const late = await shell.exec("NAME=nobody; sleep 1000", { timeout: 300 })
  console.log(late.timedOut, (await shell.exec("greet")).stdout.trim())
}

// A terminal.
{
  await using terminal = await sandbox.terminal({ size: { columns: 100, rows: 30 } })
  await terminal.resize({ columns: 132, rows: 43 })
  await terminal.write("stty size; exit\n")
  let shown = ""
  for await (const bytes of terminal.output) shown += Buffer.from(bytes).toString()
  console.log("the terminal has", /43 132/.exec(shown)?.[0])
}

// A snapshot, and two sandboxes made from it.
await sandbox.snapshot("prepared")
{
  await using left = await sandboxes.create({ snapshot: "prepared", network: "none" })
  await using right = await sandboxes.create({ snapshot: "prepared", network: "none" })
  await left.files.write(`${sandbox.info.workdir}/out/b.txt`, "changed")
  console.log((await right.files.readText(`${sandbox.info.workdir}/out/b.txt`)).split("\n")[1])
}
await sandboxes.snapshots.remove("prepared")

// The same in one call: a copy of a sandbox.
{
  await using attempt = await sandbox.fork()
  await attempt.files.remove("out", { recursive: true })
  console.log(await sandbox.files.exists("out"), await attempt.files.exists("out"))
}

// Its usage beside its limits, and the number of busy cores between two readings.
const { memory = 0 } = await sandbox.stats()
console.log(memory < sandbox.info.limits.memory ? "memory is left" : "no memory is left")
let last: SandboxStats | undefined
for await (const stats of sandbox.watchStats({ every: 200 })) {
  if (last !== undefined) {
    const elapsed = stats.readAt.getTime() - last.readAt.getTime()
    const cores = ((stats.cpuTime ?? 0) - (last.cpuTime ?? 0)) / elapsed
    console.log(cores < sandbox.info.limits.cpus ? "CPU time is left" : "no CPU time is left")
    break
  }
  last = stats
}

// A paused sandbox keeps its processes and their memory, and uses no CPU time.
await sandbox.pause()
console.log((await sandbox.inspect()).status)
await sandbox.resume()
