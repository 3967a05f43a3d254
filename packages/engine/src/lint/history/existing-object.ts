import type { Catalog, SourcePosition } from '../../catalog/model.ts'
import { formatType } from '../../catalog/files/format-type.ts'
import type { ParsedStatement } from '../../parse/parse-sql.ts'
import { path } from '../../parse/references.ts'
import { createdSchema } from '../../parse/schema-elements.ts'
import { relationKey, typeKey } from './names.ts'
import { relationCalled, typeCalled, type Taken } from './taken-names.ts'

export interface ExistingObject extends Taken {
  /** IF NOT EXISTS or OR REPLACE: the statement expects it. */
  readonly tolerated: boolean
}

type Found = { readonly position?: SourcePosition | undefined } | undefined

/** What a CREATE meets that has its name already; null when the name is free, or the statement creates nothing. */
export function existingObject({ node }: ParsedStatement, catalog: Catalog): ExistingObject | null {
  const is = (kind: string, name: string, found: Found, tolerated = false) =>
    found ? { kind, name, position: found.position, tolerated } : null
  const relation = (name: string, isTolerant = false) => as(relationCalled(name, catalog), isTolerant)
  // Their names must be free among types, too, which IF NOT EXISTS does not look at.
  const table = (own: RangeVar | undefined, isTolerant = false) =>
    own?.relpersistence === 't'
      ? null
      : (relation(relationKey(own), isTolerant) ?? as(typeCalled(relationKey(own), catalog)))

  if ('CreateStmt' in node) return table(node.CreateStmt.relation, node.CreateStmt.if_not_exists)
  if ('CreateForeignTableStmt' in node) {
    const { relation: own, if_not_exists: tolerated } = node.CreateForeignTableStmt.base ?? {}
    return table(own, tolerated)
  }
  if ('CreateTableAsStmt' in node) return table(node.CreateTableAsStmt.into?.rel, node.CreateTableAsStmt.if_not_exists)
  if ('ViewStmt' in node) {
    const { view, replace = false } = node.ViewStmt
    return table(view, replace && catalog.views.get(relationKey(view))?.materialized === false)
  }
  if ('IndexStmt' in node) {
    const { idxname: index, relation: on, if_not_exists: tolerated } = node.IndexStmt
    const [schema] = relationKey(on).split('.')
    return index === undefined ? null : relation(`${schema}.${index}`, tolerated)
  }
  if ('CreateSeqStmt' in node) {
    const { sequence, if_not_exists: tolerated } = node.CreateSeqStmt
    return table(sequence, tolerated)
  }
  if ('CreateSchemaStmt' in node) {
    const { if_not_exists: tolerated } = node.CreateSchemaStmt
    const name = createdSchema(node.CreateSchemaStmt)
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
  if ('CompositeTypeStmt' in node) return table(node.CompositeTypeStmt.typevar)
  const type = typeName(node)
  return type === null ? null : as(typeCalled(type, catalog))
}

type RangeVar = NonNullable<Extract<ParsedStatement['node'], { ViewStmt: unknown }>['ViewStmt']['view']>

function as(taken: Taken | null, tolerated = false): ExistingObject | null {
  return taken && { ...taken, tolerated }
}

function typeName(node: ParsedStatement['node']): string | null {
  if ('CreateEnumStmt' in node) return typeKey(path(node.CreateEnumStmt.typeName))
  if ('CreateDomainStmt' in node) return typeKey(path(node.CreateDomainStmt.domainname))
  return 'CreateRangeStmt' in node ? typeKey(path(node.CreateRangeStmt.typeName)) : null
}

function inputTypes(parameters: readonly ParsedStatement['node'][]): string[] {
  return parameters.flatMap((item) => {
    if (!('FunctionParameter' in item)) return []
    const { mode, argType } = item.FunctionParameter
    return mode === 'FUNC_PARAM_OUT' || mode === 'FUNC_PARAM_TABLE' ? [] : [formatType(argType ?? {})]
  })
}
