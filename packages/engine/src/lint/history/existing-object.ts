import { findIndex } from '../../catalog/files/names.ts'
import type { Catalog, SourcePosition } from '../../catalog/model.ts'
import { formatType } from '../../catalog/files/format-type.ts'
import type { ParsedStatement } from '../../parse/parse-sql.ts'
import { path } from '../../parse/references.ts'
import { relationKey, typeKey } from './names.ts'

export interface ExistingObject {
  /** `table`, `index`, `function`, ... */
  readonly kind: string
  readonly name: string
  readonly position: SourcePosition | undefined
  /** IF NOT EXISTS or OR REPLACE: the statement expects it. */
  readonly tolerated: boolean
}

type Found = { readonly position?: SourcePosition | undefined } | undefined

/** What a CREATE meets that has its name already; null when the name is free, or the statement creates nothing. */
export function existingObject({ node }: ParsedStatement, catalog: Catalog): ExistingObject | null {
  const is = (kind: string, name: string, found: Found, tolerated = false) =>
    found ? { kind, name, position: found.position, tolerated } : null
  const relation = (name: string) => catalog.tables.get(name) ?? catalog.views.get(name) ?? catalog.sequences.get(name)

  if ('CreateStmt' in node) {
    const { relation: own, if_not_exists: tolerated } = node.CreateStmt
    const name = relationKey(own)
    return own?.relpersistence === 't' ? null : is('table', name, relation(name), tolerated)
  }
  if ('ViewStmt' in node) {
    const name = relationKey(node.ViewStmt.view)
    return is('view', name, relation(name), node.ViewStmt.replace === true && catalog.views.has(name))
  }
  if ('IndexStmt' in node) {
    const { idxname: index, relation: on, if_not_exists: tolerated } = node.IndexStmt
    const [schema] = relationKey(on).split('.')
    return is('index', `${schema}.${index}`, findIndex(catalog, schema ?? '', index ?? '')?.index, tolerated)
  }
  if ('CreateSeqStmt' in node) {
    const name = relationKey(node.CreateSeqStmt.sequence)
    return is('sequence', name, relation(name), node.CreateSeqStmt.if_not_exists)
  }
  if ('CreateSchemaStmt' in node) {
    const { schemaname: name = '', if_not_exists: tolerated } = node.CreateSchemaStmt
    return name === 'public' ? null : is('schema', name, catalog.schemas.get(name), tolerated)
  }
  if ('CreateTrigStmt' in node) {
    const { trigname: name = '', relation: on, replace } = node.CreateTrigStmt
    return is(
      'trigger',
      `${name} on ${relationKey(on)}`,
      catalog.tables.get(relationKey(on))?.triggers.get(name),
      replace,
    )
  }
  if ('CreatePolicyStmt' in node) {
    const { policy_name: name = '', table } = node.CreatePolicyStmt
    return is('policy', `${name} on ${relationKey(table)}`, catalog.tables.get(relationKey(table))?.policies.get(name))
  }
  if ('CreateFunctionStmt' in node) {
    const name = typeKey(path(node.CreateFunctionStmt.funcname))
    const key = `${name}(${inputTypes(node.CreateFunctionStmt.parameters ?? []).join(', ')})`
    return is('function', key, catalog.functions.get(key), node.CreateFunctionStmt.replace)
  }
  const type = typeName(node)
  return type === null ? null : is('type', type, catalog.types.get(type))
}

function typeName(node: ParsedStatement['node']): string | null {
  if ('CreateEnumStmt' in node) return typeKey(path(node.CreateEnumStmt.typeName))
  if ('CreateDomainStmt' in node) return typeKey(path(node.CreateDomainStmt.domainname))
  if ('CreateRangeStmt' in node) return typeKey(path(node.CreateRangeStmt.typeName))
  return 'CompositeTypeStmt' in node ? relationKey(node.CompositeTypeStmt.typevar) : null
}

function inputTypes(parameters: readonly ParsedStatement['node'][]): string[] {
  return parameters.flatMap((item) => {
    if (!('FunctionParameter' in item)) return []
    const { mode, argType } = item.FunctionParameter
    return mode === 'FUNC_PARAM_OUT' || mode === 'FUNC_PARAM_TABLE' ? [] : [formatType(argType ?? {})]
  })
}
