import type { ParsedStatement } from '../parse/parse-sql.ts'
import type { Node } from '../parse/parser.ts'
import { path } from '../parse/references.ts'

/**
 * What has to stand in front of a type or function that is kept as it is written, in the export's order: the shell of
 * a type, the functions that its clauses name, the transforms that a function uses. They are repeatable, and stand once
 * more where they belong.
 */
export function neededStatements(statement: ParsedStatement, all: readonly ParsedStatement[]): ParsedStatement[] {
  const functions = new Set(clauses(statement.node))
  const transforms = usesTransform(statement.node) ? all.filter(({ node }) => 'CreateTransformStmt' in node) : []
  for (const { node } of transforms) for (const name of clauses(node)) functions.add(name)
  const type = madeType(statement.node)
  return all.filter((other) => {
    const { node } = other
    if (other === statement) return false
    if ('CreateFunctionStmt' in node) return functions.has(path(node.CreateFunctionStmt.funcname).join('.'))
    return transforms.includes(other) || (isShell(node) && madeType(node) === type)
  })
}

function madeType(node: Node): string | null {
  if ('CreateRangeStmt' in node) return path(node.CreateRangeStmt.typeName).join('.')
  return 'DefineStmt' in node && node.DefineStmt.kind === 'OBJECT_TYPE'
    ? path(node.DefineStmt.defnames).join('.')
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
function clauses(node: Node): string[] {
  if ('CreateTransformStmt' in node) {
    const { fromsql, tosql } = node.CreateTransformStmt
    return [fromsql, tosql].flatMap((own) => (own ? [path(own.objname).join('.')] : []))
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
    if (arg && 'TypeName' in arg) return [path(arg.TypeName.names).join('.')]
    return arg && 'List' in arg ? [path(arg.List.items).join('.')] : []
  })
}
