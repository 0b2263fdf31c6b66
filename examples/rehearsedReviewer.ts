/** A scripted model that reviews the sample repository. Its text comes from the sandbox's answers. */
import { MockLanguageModelV4 } from "ai/test"
import { type Answer, calling, saying } from "./rehearsedModel.ts"

const box = { sandbox: "review" }
const run = (command: string) => ["sandbox_exec", { ...box, cwd: "project", command }] as const

const review = (title: string, tests: string) => `# Review of ${title}

\`sum.sh\`: \`tail -n +2\` passes over the first line, so that its number is left out.

The tests fail:

${tests.replace(/^/gm, "    ")}

Do not merge.
`

export const rehearsedReviewer = () => {
  let title = ""
  const answers: ReadonlyArray<(told: string) => Answer> = [
    () => calling(run("git show --format=%s HEAD")),
    (told) => {
      title = told.split("\n").find((line) => line !== "") ?? ""
      return calling(run("sh test.sh"))
    },
    (told) =>
      calling(["sandbox_write_file", { ...box, path: "review.md", content: review(title, told) }]),
    () => calling(["sandbox_download", { ...box, from: "review.md", to: "review.md" }]),
    () => saying("The last commit leaves out the first number, and its test fails. Do not merge."),
  ]
  let step = 0
  return new MockLanguageModelV4({
    doGenerate: async ({ prompt }) => {
      const last = prompt.at(-1)
      const told =
        last?.role === "tool"
          ? last.content.map((part) =>
              part.type === "tool-result" && part.output.type === "text" ? part.output.value : "",
            )
          : []
      return answers[step++]?.(told.join("\n")) ?? saying("I know nothing else.")
    },
  })
}
