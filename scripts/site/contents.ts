// The parts, in the order of a reader's questions.
export interface Part {
  readonly title: string
  /** By their names on the site. */
  readonly pages: ReadonlyArray<string>
}

const docs = (...names: ReadonlyArray<string>) => names.map((name) => `docs/${name}.md`)
const slots = (...names: ReadonlyArray<string>) => docs(...names.map((name) => `slots/${name}`))

const start = ["getting-started", "one-import", "demo", "how-it-works", "comparison"]

const ordered: ReadonlyArray<Part> = [
  { title: "Start", pages: ["index.md", ...docs("index", ...start)] },
  {
    title: "Using sandboxes",
    pages: docs(
      "features",
      "sessions",
      "programs",
      "errors",
      "ports",
      "egress",
      "keys",
      "command-line",
    ),
  },
  { title: "Agents", pages: docs("frameworks", "tools", "mcp") },
  {
    title: "Sandbox slots",
    pages: [
      ...slots("index", "ai-sdk", "ai-sdk-harness", "openai-agents", "anthropic", "deepagents"),
      ...slots("mastra", "tanstack", "bash-tool", "computesdk", "strands", "effect"),
      ...slots("comparison"),
    ],
  },
  {
    title: "Keeping them safe",
    pages: docs("security", "policy", "runtimes", "registries"),
  },
  {
    title: "Running them",
    pages: docs("engines", "remote-engines", "swarm", "podman", "reliability", "warm-pool"),
  },
  { title: "Seeing and measuring", pages: docs("observability", "performance", "sizes") },
  {
    title: "Going further",
    pages: [
      ...docs("drivers", "init-protocol", "decisions/index"),
      ...["CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"],
    ],
  },
]

/** The generated reference, which has a sidebar of its own. */
export const api = "docs/api/index.md"

/** The parts with the pages that there are. A page of docs/ that no part names is the last of its folder's part. */
export const contentsOf = (files: ReadonlyArray<string>): ReadonlyArray<Part> => {
  const named = new Set(ordered.flatMap(({ pages }) => pages))
  const others = files
    .filter((file) => /^docs\/(?!api\/|decisions\/)/.test(file) && !named.has(file))
    .sort()
  const isSlot = (file: string) => file.startsWith("docs/slots/")
  return ordered.map(({ title, pages }) => {
    const more = others.filter((file) =>
      isSlot(file) ? title === "Sandbox slots" : title === "Going further",
    )
    return { title, pages: [...pages.filter((file) => files.includes(file)), ...more] }
  })
}
