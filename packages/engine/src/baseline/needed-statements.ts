import type { Node } from '../parse/parser.ts'
import { path } from '../parse/references.ts'
import type { Written } from './fold-dump.ts'

/**
 * What has to stand in front of a type or function that is kept as it is written, in the export's order: the shell of
 * a type, the functions that its clauses name, the transforms that a function uses. They are repeatable, and stand once
 * more where they belong.
 */
export function neededStatements({ statement, searchPath }: Written, all: readonly Written[]): Written[] {
  const functions = new Set(clauses(statement.node).map((names) => inSchema(names, searchPath)))
  const transforms = usesTransform(statement.node)
    ? all.filter(({ statement: { node } }) => 'CreateTransformStmt' in node)
    : []
  for (const own of transforms)
    for (const names of clauses(own.statement.node)) functions.add(inSchema(names, own.searchPath))
  const type = madeType(statement.node, searchPath)
  return all.filter((other) => {
    const { node } = other.statement
    if (other.statement === statement) return false
    if ('CreateFunctionStmt' in node)
      return functions.has(inSchema(path(node.CreateFunctionStmt.funcname), other.searchPath))
    return transforms.includes(other) || (isShell(node) && madeType(node, other.searchPath) === type)
  })
}

/** An export sets the schema that it is in as the first of the path, and writes the other ones. */
function inSchema(names: readonly string[], [schema]: readonly string[]): string {
  return (names.length === 1 && schema !== undefined ? [schema, ...names] : names).join('.')
}

function madeType(node: Node, searchPath: readonly string[]): string | null {
  if ('CreateRangeStmt' in node) return inSchema(path(node.CreateRangeStmt.typeName), searchPath)
  return 'DefineStmt' in node && node.DefineStmt.kind === 'OBJECT_TYPE'
    ? inSchema(path(node.DefineStmt.defnames), searchPath)
    : null
}

function isShell(node: Node): boolean {
  return 'DefineStmt' in node && node.DefineStmt.kind === 'OBJECT_TYPE' && !node.DefineStmt.definition
}

function usesTransform(node: Node): boolean {
  const options = 'CreateFunctionStmt' in node ? (node.CreateFunctionStmt.options ?? []) : []
  return options.some((item) => 'DefElem' in item && item.DefElem.defname === 'transform')
}

/** Names in the clauses of a statement that may be functions. */
function clauses(node: Node): string[][] {
  if ('CreateTransformStmt' in node) {
    const { fromsql, tosql } = node.CreateTransformStmt
    return [fromsql, tosql].flatMap((own) => (own ? [path(own.objname)] : []))
  }
  const items =
    'CreateRangeStmt' in node
      ? node.CreateRangeStmt.params
      : 'DefineStmt' in node
        ? node.DefineStmt.definition
        : 'CreateFunctionStmt' in node
          ? node.CreateFunctionStmt.options
          : []
  return (items ?? []).flatMap((item) => {
    const arg = 'DefElem' in item ? item.DefElem.arg : undefined
    if (arg && 'TypeName' in arg) return [path(arg.TypeName.names)]
    return arg && 'List' in arg ? [path(arg.List.items)] : []
  })
}
