import type { ParsedStatement } from '../../../parse/parse-sql.ts'
import { path } from '../../../parse/references.ts'
import { droppedObjects } from '../../destruction/dropped-objects.ts'
import { isCalled, laterStatements } from '../../destruction/later-statements.ts'
import { formatType } from '../../../catalog/files/format-type.ts'
import { typeKey } from '../../history/names.ts'
import type { LintRule } from '../../rule.ts'

export const functionChanged: LintRule = {
  id: 'function-changed',
  family: 'destruction',
  severity: 'warning',
  effect: 'Running clients and other functions that call it with its old arguments fail when they get there.',
  instead:
    'Create the new one beside the old one (another name, or a further argument without a default), move the callers, then drop the old one in a later file.',
  on: ['DropStmt'],
  *check(statement, moment) {
    for (const { kind, name, position } of droppedObjects(statement, moment)) {
      if (kind !== 'function' && kind !== 'procedure' && kind !== 'routine') continue
      const own = laterStatements(statement, moment.file).filter((other) =>
        isCalled(nameOf(other) ?? '', name.replace(/\(.*$/s, '')),
      )
      const before = moment.catalog.functions.get(name)
      if (own.some((other) => isSame(other, name, before?.returns))) continue
      yield {
        object: name,
        message:
          own.length > 0
            ? `${kind} '${name}' is replaced by one with another signature`
            : `${kind} '${name}' is dropped`,
        related: position ? [{ ...position, message: 'created here' }] : [],
      }
    }
  },
}

function nameOf({ node }: ParsedStatement): string | null {
  return 'CreateFunctionStmt' in node ? typeKey(path(node.CreateFunctionStmt.funcname)) : null
}

function isSame({ node }: ParsedStatement, signature: string, returns: string | undefined): boolean {
  if (!('CreateFunctionStmt' in node)) return false
  const { parameters = [], returnType, funcname } = node.CreateFunctionStmt
  const inputs = parameters.flatMap((item) => {
    if (!('FunctionParameter' in item)) return []
    const { mode, argType, defexpr } = item.FunctionParameter
    // A further argument with a default takes the old calls.
    const isOutput = mode === 'FUNC_PARAM_OUT' || mode === 'FUNC_PARAM_TABLE'
    return isOutput ? [] : [{ type: formatType(argType ?? {}), isOptional: defexpr !== undefined }]
  })
  const wanted = /\((.*)\)$/s.exec(signature)?.[1] ?? ''
  const count = wanted === '' ? 0 : wanted.split(', ').length
  const isCallable =
    inputs
      .slice(0, count)
      .map(({ type }) => type)
      .join(', ') === wanted && inputs.slice(count).every(({ isOptional }) => isOptional)
  if (!isCallable) return false
  if (returns === undefined || !returnType) return typeKey(path(funcname)) !== ''
  return returns.replace(/^setof /i, '') === formatType(returnType) || /^(table|record)/i.test(returns)
}
