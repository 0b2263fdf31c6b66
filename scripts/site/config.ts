import { readFileSync } from "node:fs"
import { join } from "node:path"
import { type DefaultTheme, defineConfig } from "vitepress"

// VitePress bundles this file into a place of its own, and runs it in the repository's folder.
const sidebar: DefaultTheme.Sidebar = JSON.parse(
  readFileSync(join(process.cwd(), ".site/sidebar.json"), "utf8"),
)

/** A heading's anchor, as Git hosts make it: links hold in both places. */
const slugify = (heading: string) =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}_\s-]/gu, "")
    .replaceAll(" ", "-")

/**
 * On narrow screens a picture keeps a readable width and scrolls, and the cells of tables are
 * closer together.
 */
const narrowScreens = `@media (max-width: 640px) {
  .vp-doc p:has(> img) { overflow-x: auto }
  .vp-doc p > img { max-width: none; width: 640px }
  .vp-doc th, .vp-doc td { padding: 6px 8px }
}`

export default defineConfig({
  title: "Cordon",
  description: "Container sandboxes for TypeScript agents, on your own Docker hosts",
  lang: "en",
  head: [
    ["link", { rel: "icon", href: "data:," }],
    ["style", {}, narrowScreens],
  ],
  outDir: "dist",
  cacheDir: ".cache",
  // The list of all pages is one file then, and not a part of each page.
  metaChunk: true,
  markdown: { anchor: { slugify }, theme: { light: "github-light", dark: "github-dark" } },
  transformHead: ({ pageData: { filePath } }) => [
    ["link", { rel: "alternate", type: "text/markdown", href: `/${filePath}` }],
  ],
  themeConfig: {
    nav: [
      { text: "Start", link: "/docs/getting-started.html" },
      { text: "Guide", link: "/docs/features.html" },
      { text: "API", link: "/docs/api/" },
    ],
    sidebar,
    outline: { level: [2, 3] },
    search: {
      provider: "local",
      // A word of the guide is asked for more often than a property of that name.
      options: {
        miniSearch: {
          searchOptions: {
            boostDocument: (page: string) => (page.startsWith("/docs/api/") ? 0.05 : 1),
          },
        },
      },
    },
  },
})
