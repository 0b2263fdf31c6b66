import { existsSync } from "node:fs"
import { readdir, readFile, writeFile } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { walk } from "../../scripts/install/walk.ts"
import { noEngine } from "../support/docker.ts"
import { skipped } from "../support/skipped.ts"
import { type Block, blocksOf, pages, readPage, root } from "./blocks.ts"
import { compile, ended, problems, withFolder } from "./check.ts"

/** Pages that `scripts/install-check.ts` follows word for word, from an empty folder. */
const walked = ["docs/getting-started.md"]

const names = await pages()
const blocks = (
  await Promise.all(names.map(async (page) => blocksOf(page, await readPage(page))))
).flat()
const elsewhere = ({ page }: Block) => walked.includes(page)
/** A part of a file of the repository, and no file that a reader makes. */
const isExcerpt = ({ file = "" }: Block) => file.includes("/")

const block = (language: string, code: string, more: Partial<Block> = {}): Block => ({
  page: "broken.md",
  line: 7,
  language,
  code,
  ...more,
})

describe("the code blocks of the documentation", () => {
  it("are all found, and each is in a language that is checked", async () => {
    assert.isAbove(blocks.length, 30)
    assert.includeMembers(
      ["ts", "sh", "json", "text"],
      [...new Set(blocks.map(({ language }) => language))],
    )
    for (const page of names) {
      const fences = (await readPage(page)).match(/^\s*(?:```|~~~)/gm) ?? []
      const found = blocks.filter((other) => other.page === page)
      assert.strictEqual(fences.length, 2 * found.length, page)
    }
  })

  it("that name a file are excerpts of it, and a test runs that file", async () => {
    const tests = (await readdir(join(root, "test"), { recursive: true })).filter((name) =>
      name.endsWith(".ts"),
    )
    const texts = await Promise.all(tests.map((name) => readFile(join(root, "test", name), "utf8")))
    const taken = blocks.filter(isExcerpt)
    assert.isAbove(taken.length, 20)
    for (const { page, line, file = "", code } of taken) {
      assert.include(await readFile(join(root, file), "utf8"), code, `${page}:${line}`)
      assert.isTrue(
        file.endsWith(".test.ts") || texts.some((text) => text.includes(basename(file))),
        `no test runs ${file}`,
      )
    }
  })

  it("on the README's first screen equal those of the page that continues it", async () => {
    const readme = blocks.filter(({ page }) => page === "README.md")
    const page = await readPage("docs/getting-started.md")
    for (const language of ["ts", "sh"]) {
      const first = readme.find((block) => block.language === language)
      assert.isDefined(first)
      assert.include(page, first.code)
    }
  })

  it("compile", { timeout: 300_000 }, async () => {
    const programs = blocks.filter((one) => one.language === "ts" && !isExcerpt(one))
    assert.isNotEmpty(programs)
    // What must be found, so that nothing to find means something.
    const broken = block(
      "ts",
      'import { docker } from "@cordon/driver-docker"\ndocker({ hots: "" })\n',
    )
    const found = await compile([...programs, broken])
    assert.deepStrictEqual(
      found.filter((problem) => !problem.startsWith("broken.md:8: error TS2353")),
      [],
    )
    assert.lengthOf(found, 1)
  })

  it("with commands and JSON are checked, or say why not", { timeout: 300_000 }, async () => {
    const found = await problems(
      blocks.filter((one) => ["sh", "json"].includes(one.language) && !elsewhere(one)),
    )
    assert.deepStrictEqual(found, [])
  })

  it("are refused when broken", async () => {
    const found = await problems([
      block("sh", "true\n"),
      block("sh", "false\ntrue\n"),
      block("sh", "no-such-command\n"),
      block("sh", "exit 1\n", { comment: "not run: needs a swarm of three" }),
      block("sh", "true\n", { comment: "not run: later" }),
      block("sh", "if true\n", { comment: "not run: needs a swarm of three" }),
      block("json", '{ "a": 1, }\n'),
    ])
    const expected = [
      /^broken\.md:7: exit code 1\n/,
      /^broken\.md:7: exit code 127\n/,
      /^broken\.md:7: the reason for not running it says too little$/,
      /^broken\.md:7: .*syntax error/is,
      /^broken\.md:7: SyntaxError/,
    ]
    assert.lengthOf(found, expected.length)
    for (const [index, pattern] of expected.entries()) assert.match(found[index] ?? "", pattern)
  })

  it("make the walk through a page fail when a command fails or prints something else", () =>
    withFolder(async (folder) => {
      const fence = "```"
      const page = (command: string, shown: string) =>
        [
          `${fence}sh\nmkdir there\ncd there\n${fence}\n`,
          `${fence}ts main.ts\nconsole.log("made", 1)\n${fence}\n`,
          `${fence}sh\n${command}\n${fence}\n`,
          `${fence}text\n${shown}\n${fence}\n`,
        ].join("\n")
      const follow = async (name: string, text: string) => {
        const file = join(folder, `${name}.md`)
        await writeFile(file, text)
        return walk(file, join(folder, name), process.env).then(
          () => "followed",
          (error: Error) => error.message,
        )
      }
      assert.strictEqual(await follow("right", page("node main.ts", "made 1")), "followed")
      assert.match(
        await follow("other", page("node main.ts", "made 2")),
        /:15 shows another output/,
      )
      assert.match(await follow("wrong", page("node man.ts", "made 1")), /Cannot find module/)
      const nowhere = `${fence}ts\nconsole.log(1)\n${fence}\n`
      assert.match(await follow("nowhere", nowhere), /:2: .*which file/)
    }))
})

/** Pages whose programs need no more than an engine and its default image. */
const run = [
  "README.md",
  ...["drivers", "observability", "runtimes", "sessions", "warm-pool"].map(
    (page) => `docs/${page}.md`,
  ),
]

describe("the programs of the documentation", () => {
  const programs = blocks.filter(
    (one) => one.language === "ts" && run.includes(one.page) && !isExcerpt(one),
  )

  for (const { page, line, code } of programs) {
    const name = `run on an engine: ${page}:${line}`
    if (noEngine !== undefined) {
      skipped(name, noEngine)
      continue
    }
    it(name, { timeout: 300_000 }, () =>
      withFolder(async (folder) => {
        await writeFile(join(folder, "main.ts"), code)
        const args = ["--conditions=@cordon/source", "main.ts"]
        const { code: exitCode, output } = await ended(process.execPath, args, folder)
        assert.strictEqual(exitCode, 0, output)
        // What a program prints stands in a comment beside it.
        const printed = /console\.log\(.*\) \/\/ (.*)$/m.exec(code)?.[1]
        if (printed !== undefined) assert.include(output, printed)
      }),
    )
  }
})

/** The anchors of a page's headings, as they are made where it is shown. */
const anchorsOf = (text: string) =>
  [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\s-]/g, "")
      .replaceAll(" ", "-"),
  )

describe("the documentation", () => {
  it("links only to existing files and headings", async () => {
    assert.isAbove(names.length, 20)
    for (const page of names) {
      const text = await readPage(page)
      for (const [, file = "", anchor] of text.matchAll(
        /\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)/g,
      )) {
        const target = file === "" ? page : join(dirname(page), file)
        assert.isTrue(existsSync(join(root, target)), `${page}: ${file}`)
        if (anchor === undefined) continue
        assert.include(anchorsOf(await readPage(target)), anchor, `${page}: ${file}#${anchor}`)
      }
    }
  })
})
