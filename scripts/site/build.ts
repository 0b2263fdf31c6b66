// Writes the API reference, and the site of all documentation to .site/dist. Fails on a dead link,
// and on every failure of the API reference.
import { execFileSync } from "node:child_process"
import { copyFileSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { build } from "vitepress"
import { deadAnchors } from "./anchors.ts"
import { api, contentsOf } from "./contents.ts"
import { llmsFullTxt, llmsTxt } from "./llms.ts"
import { pagesFrom, root, titleOf } from "./pages.ts"

const site = join(root, ".site")
const dist = join(site, "dist")

execFileSync(process.execPath, ["scripts/api/build.ts"], { cwd: root, stdio: "inherit" })

const docs = readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".md"))
  .map((name) => `docs/${name}`)
const { pages, pictures } = pagesFrom(["README.md", "CONTRIBUTING.md", "SECURITY.md", ...docs])

const contents = contentsOf([...pages.keys()])

const put = (file: string, text: string) => {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}

/** A link of HTML, which VitePress leaves as it is. */
const linkTo = (file: string) =>
  `\n\n<p><a href="/${file}" target="_self">This page as Markdown</a></p>\n`

/** Writes all pages as Markdown, and their pictures. */
const putPages = (folder: string, foot: (file: string) => string) => {
  for (const { file, markdown } of pages.values()) put(join(folder, file), markdown + foot(file))
  for (const picture of pictures) {
    mkdirSync(dirname(join(folder, picture)), { recursive: true })
    copyFileSync(join(root, picture), join(folder, picture))
  }
}

const item = (file: string, text = titleOf(pages.get(file)?.markdown ?? "", file)) => ({
  text,
  link: `/${file.replace(/index\.md$/, "").replace(/\.md$/, ".html")}`,
})
// One page for each module, which lists the module's members.
const modules = [...pages.keys()]
  .filter((file) => /^docs\/api\/(?!.*\/namespaces\/).+\/index\.md$/.test(file))
  .sort()
  .map((file) => item(file, file.slice("docs/api/".length, -"/index.md".length)))
const sidebar = {
  "/": contents.map(({ title, pages: files }) => ({
    text: title,
    collapsed: false,
    items: files.map((file) => item(file)),
  })),
  "/docs/api/": [{ text: "API reference", items: [item(api, "All modules"), ...modules] }],
}

rmSync(site, { recursive: true, force: true })
putPages(site, linkTo)
put(join(site, "sidebar.json"), JSON.stringify(sidebar))
put(join(site, ".vitepress/config.ts"), `export { default } from "../../scripts/site/config.ts"\n`)
await build(site)

putPages(dist, () => "")
put(join(dist, "llms.txt"), llmsTxt(contents, pages))
put(join(dist, "llms-full.txt"), llmsFullTxt(contents, pages))

const dead = deadAnchors(dist, readdirSync(dist, { recursive: true, encoding: "utf8" }))
for (const link of dead) console.error(`dead link: ${link}`)
if (dead.length > 0) process.exit(1)
