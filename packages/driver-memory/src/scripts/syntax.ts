/** Reads and changes scripts as just-bash has parsed them. */

import { Predicate } from "effect"
import type {
  CommandNode,
  PipelineNode,
  ScriptNode,
  SimpleCommandNode,
  StatementNode,
  WordNode,
} from "just-bash"

type Redirection = SimpleCommandNode["redirections"][number]
type FunctionDef = Extract<CommandNode, { type: "FunctionDef" }>
type Expansion = Extract<WordNode["parts"][number], { type: "ParameterExpansion" }>

const hasType = (node: unknown, type: string) =>
  Predicate.hasProperty(node, "type") && node.type === type
const isStatement = (node: unknown): node is StatementNode => hasType(node, "Statement")
const isSimple = (node: unknown): node is SimpleCommandNode => hasType(node, "SimpleCommand")
const isFunction = (node: unknown): node is FunctionDef => hasType(node, "FunctionDef")
const isExpansion = (node: unknown): node is Expansion => hasType(node, "ParameterExpansion")

/** Visits a node and all nodes in it. */
const walk = (node: unknown, visit: (node: object) => void): void => {
  if (typeof node !== "object" || node === null) return
  visit(node)
  for (const inner of Object.values(node)) walk(inner, visit)
}

const quoted = (value: string): WordNode => ({
  type: "Word",
  parts: [{ type: "SingleQuoted", value }],
})
const literal = (value: string): WordNode => ({ type: "Word", parts: [{ type: "Literal", value }] })

/** The text of a word; undefined if the shell would expand something in it. */
const textOf = ({ parts }: WordNode): string | undefined => {
  const texts = parts.map((part): string | undefined => {
    if (part.type === "Literal" || part.type === "SingleQuoted") return part.value
    return part.type === "DoubleQuoted" ? textOf({ type: "Word", parts: part.parts }) : undefined
  })
  return texts.includes(undefined) ? undefined : texts.join("")
}

const simple = (
  name: string,
  args: ReadonlyArray<WordNode>,
  redirections: ReadonlyArray<Redirection> = [],
): SimpleCommandNode => ({
  type: "SimpleCommand",
  assignments: [],
  name: literal(name),
  args: [...args],
  redirections: [...redirections],
})
const pipelineOf = (command: CommandNode): PipelineNode => ({
  type: "Pipeline",
  commands: [command],
  negated: false,
})
const statementOf = (
  pipelines: ReadonlyArray<PipelineNode>,
  operators: ReadonlyArray<"&&"> = [],
): StatementNode => ({
  type: "Statement",
  pipelines: [...pipelines],
  operators: [...operators],
  background: false,
})

const to = (target: WordNode, operator: ">" | ">>"): Redirection => ({
  type: "Redirection",
  fd: null,
  operator,
  target,
})

const isInput = ({ operator }: Redirection) => operator.startsWith("<") && operator !== "<>"

/** The bodies of a compound command. */
const bodiesOf = (command: CommandNode): ReadonlyArray<ReadonlyArray<StatementNode>> => {
  switch (command.type) {
    case "If":
      return [
        ...command.clauses.flatMap(({ condition, body }) => [condition, body]),
        command.elseBody ?? [],
      ]
    case "While":
    case "Until":
      return [command.condition, command.body]
    case "Case":
      return command.items.map(({ body }) => body)
    case "For":
    case "CStyleFor":
    case "Subshell":
    case "Group":
      return [command.body]
    default:
      return []
  }
}

const changesFolder = (node: CommandNode) => {
  let found = false
  walk(node, (inner) => {
    if (
      isSimple(inner) &&
      inner.name &&
      /^(cd|pushd|popd|eval|\.|source)$/.test(textOf(inner.name) ?? "cd")
    ) {
      found = true
    }
  })
  return found
}

/**
 * Sends the output of each simple command to a file, and not that of a compound command as a whole: just-bash
 * joins outputs as text, and loses bytes that are not UTF-8.
 */
const sendStatements = (statements: ReadonlyArray<StatementNode>, target: WordNode): void => {
  for (const statement of statements) {
    if (statement.background) continue
    for (const pipeline of statement.pipelines) {
      const last = pipeline.commands.pop()
      if (last !== undefined) pipeline.commands.push(sent(last, target))
    }
  }
}

const sent = (command: CommandNode, target: WordNode): CommandNode => {
  if (command.type === "FunctionDef") return command
  if (command.type === "SimpleCommand") {
    if (command.name !== null) command.redirections.unshift(to(target, ">>"))
    return command
  }
  const [first] = command.redirections
  if (first === undefined || command.redirections.every(isInput)) {
    for (const body of bodiesOf(command)) sendStatements(body, target)
    return command
  }
  const only = command.redirections.length === 1 && (first.fd === null || first.fd === 1)
  const file = only && first.target.type === "Word" ? first.target : undefined
  const path = file && textOf(file)
  if (
    file !== undefined &&
    path !== undefined &&
    (first.operator === ">" || first.operator === ">>") &&
    (path.startsWith("/") || !changesFolder(command))
  ) {
    command.redirections.length = 0
    for (const body of bodiesOf(command)) sendStatements(body, file)
    const made = pipelineOf(simple(":", [], [to(file, first.operator)]))
    const group = statementOf([made, pipelineOf(command)], ["&&"])
    return { type: "Group", body: [group], redirections: [] }
  }
  command.redirections.unshift(to(target, ">>"))
  return command
}

/** Sends a script's standard output to a file, without a change to its bytes where that is possible. */
export const sendOutput = (script: ScriptNode, path: string): void => {
  let redirectsItself = false
  walk(script, (node) => {
    if (isSimple(node) && node.name && textOf(node.name) === "exec") redirectsItself = true
  })
  if (!redirectsItself) sendStatements(script.statements, literal(path))
}

/** Replaces a command in a script by the one that a variable names; without the variable, it stays as it is. */
export const renameCommand = (script: ScriptNode, from: string, variable: string): void =>
  walk(script, (node) => {
    if (!isSimple(node) || !node.name || textOf(node.name) !== from) return
    const operation = { type: "DefaultValue", word: node.name, checkEmpty: false } as const
    node.name = {
      type: "Word",
      parts: [{ type: "ParameterExpansion", parameter: variable, operation }],
    }
  })

/** The commands that replace `&` and `wait`, and the variable that replaces `$!`. */
export const jobNames = {
  start: "_cordon_job",
  wait: "_cordon_wait",
  last: "_cordon_last_job",
} as const

/**
 * Replaces each `&` by a command that starts a job: just-bash would run it in the foreground.
 *
 * @param source turns a script back into text
 */
export const startJobs = (script: ScriptNode, source: (script: ScriptNode) => string): void => {
  const functions: Array<FunctionDef> = []
  const direct = new Set<StatementNode>(script.statements)
  const found: Array<StatementNode> = []
  walk(script, (node) => {
    if (isFunction(node)) functions.push(node)
    if (isStatement(node) && node.background) found.push(node)
    if (isSimple(node) && node.name && textOf(node.name) === "wait") {
      node.name = literal(jobNames.wait)
    }
    if (isExpansion(node) && node.parameter === "!" && node.operation === null) {
      node.parameter = jobNames.last
    }
  })
  const definitions = functions.map((definition) => statementOf([pipelineOf(definition)]))
  // Inner statements first: the text of a job contains its own jobs.
  for (const statement of found.reverse()) {
    const own = { ...statement, background: false }
    const text = source({ type: "Script", statements: [...definitions, own] })
    const where = direct.has(statement) ? "direct" : "held"
    statement.background = false
    statement.operators = []
    statement.pipelines = [pipelineOf(simple(jobNames.start, [literal(where), quoted(text)]))]
  }
}
