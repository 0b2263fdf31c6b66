// Finds the public members that have no docstring.
import { relative } from "node:path"
import { type Context, type DeclarationReflection, type Reflection, ReflectionKind } from "typedoc"
import ts from "typescript"

/** Whether a reflection has a docstring, its own or one of its signatures'. */
export const documented = ({ comment, getSignature, signatures = [] }: DeclarationReflection) =>
  comment !== undefined ||
  getSignature?.comment !== undefined ||
  signatures.some((signature) => signature.comment !== undefined)

const members = ReflectionKind.Property | ReflectionKind.Method | ReflectionKind.Accessor

/** Parts of a function, whose docstring tells of them. */
const parts = ReflectionKind.Parameter | ReflectionKind.TypeParameter

const isPart = (one: Reflection): boolean =>
  one.kindOf(parts) || (one.parent !== undefined && isPart(one.parent))

/** Whether it is another library's member that a class has again, such as `Error.message`. */
const isForeign = ({ overwrites, getSignature }: DeclarationReflection) =>
  [overwrites, getSignature?.overwrites].some(
    (base) => base !== undefined && base.reflection === undefined,
  )

/** Whether it belongs to a table or a record of values, rather than to a schema or a set of functions. */
const isValue = (declaration: ts.Declaration) =>
  ts.isShorthandPropertyAssignment(declaration) ||
  (ts.isPropertyAssignment(declaration) &&
    !ts.isArrowFunction(declaration.initializer) &&
    !ts.isCallExpression(declaration.parent.parent))

/** Docker's API describes what it takes and answers; a tool's `description`s, its fields. */
const isDescribed = (file: string, one: Reflection, declaration: ts.Declaration) =>
  file === "packages/driver-docker/src/engine/schemas.ts" ||
  /\.(?:Container|Network)Spec\./.test(one.getFullName()) ||
  (file.startsWith("packages/tools/") && ts.isPropertyAssignment(declaration))

/**
 * The members of exported types that have no docstring, as `file:line: name`. A member counts once where it
 * is declared, however many types show it. Members that one line declares share a docstring.
 */
export const undocumentedMembers = (context: Context, root: string): ReadonlyArray<string> => {
  const lines = new Map<string, Array<DeclarationReflection>>()
  for (const one of context.project.getReflectionsByKind(members)) {
    if (!one.isDeclaration() || one.name === "_tag" || isPart(one) || isForeign(one)) continue
    for (const declaration of context.getSymbolFromReflection(one)?.declarations ?? []) {
      const source = declaration.getSourceFile()
      const file = relative(root, source.fileName)
      if (!/^packages\/[^/]+\/src\//.test(file)) continue
      if (isValue(declaration) || isDescribed(file, one, declaration)) continue
      const { line } = source.getLineAndCharacterOfPosition(declaration.getStart())
      const place = `${file}:${line + 1}`
      lines.set(place, [...(lines.get(place) ?? []), one])
    }
  }
  return [...lines].flatMap(([place, [first, ...others]]) =>
    first === undefined || [first, ...others].some(documented) ? [] : [`${place}: ${first.name}`],
  )
}
