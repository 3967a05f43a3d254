import type { Node } from '../../parse/parser.ts'
import { path } from '../../parse/references.ts'
import { sqlTokens } from '../../parse/split-sql.ts'
import { isOn } from '../live/views.ts'
import { derivedName } from './column-names.ts'
import { viewDependencies } from './view-dependencies.ts'
import { relationName, type Fold } from './fold.ts'
import { forget } from './gone.ts'
import { defaultGrants } from './grants.ts'
import { relationOptions } from './relation-options.ts'
import { trimmed } from './source-text.ts'

export function createView(fold: Fold, node: Extract<Node, { ViewStmt: unknown }>['ViewStmt']): void {
  const { schema, name, key } = relationName(node.view)
  const before = fold.catalog.views.get(key)
  if (before && !node.replace) return
  const options = relationOptions(node.options)
  if (node.withCheckOption === 'LOCAL_CHECK_OPTION') options.push('check_option=local')
  if (node.withCheckOption === 'CASCADED_CHECK_OPTION') options.push('check_option=cascaded')
  forget(fold, key)
  fold.catalog.views.set(key, {
    schema,
    name,
    owner: before?.owner ?? null,
    comment: before?.comment ?? null,
    grants: before?.grants ?? defaultGrants(fold, 'table', schema),
    materialized: false,
    definition: queryText(fold.statement.text),
    columns: columnNames(fold, path(node.aliases), node.query),
    securityInvoker: isOn(options, 'security_invoker'),
    securityBarrier: isOn(options, 'security_barrier'),
    checkOption: options.includes('check_option=local')
      ? 'local'
      : options.includes('check_option=cascaded')
        ? 'cascaded'
        : null,
    indexes: new Map(),
    triggers: before?.triggers ?? new Map(),
    rules: before?.rules ?? new Map(),
    columnComments: before?.columnComments ?? {},
    options: options.toSorted(),
    dependencies: viewDependencies(fold, node.query),
    withData: true,
    position: fold.position,
  })
}

/** CREATE MATERIALIZED VIEW; CREATE TABLE AS and SELECT INTO make tables whose types only PostgreSQL can tell. */
export function createMaterializedView(
  fold: Fold,
  node: Extract<Node, { CreateTableAsStmt: unknown }>['CreateTableAsStmt'],
): void {
  const { schema, name, key } = relationName(node.into?.rel)
  if (fold.catalog.views.has(key)) return
  fold.catalog.views.set(key, {
    schema,
    name,
    owner: null,
    comment: null,
    grants: defaultGrants(fold, 'table', schema),
    materialized: true,
    definition: queryText(fold.statement.text).replace(/\s+with\s+(no\s+)?data$/i, ''),
    columns: columnNames(fold, path(node.into?.colNames), node.query),
    securityInvoker: false,
    securityBarrier: false,
    checkOption: null,
    indexes: new Map(),
    triggers: new Map(),
    rules: new Map(),
    columnComments: {},
    options: relationOptions(node.into?.options),
    dependencies: viewDependencies(fold, node.query),
    withData: !(node.into?.skipData ?? false),
    position: fold.position,
  })
}

/** From the first AS outside parentheses to the end, without a check option. */
function queryText(text: string): string {
  const as = sqlTokens(text).find((token) => token.depth === 0 && token.text.toLowerCase() === 'as')
  return trimmed(text, { start: as?.end ?? 0, end: text.length }).replace(
    /\s+with\s+((local|cascaded)\s+)?check\s+option$/i,
    '',
  )
}

function columnNames(fold: Fold, aliases: string[], query: Node | undefined): string[] {
  const names = query && 'SelectStmt' in query ? targetNames(fold, firstSelect(query.SelectStmt)) : []
  return [...aliases, ...names.slice(aliases.length)]
}

type Select = Extract<Node, { SelectStmt: unknown }>['SelectStmt']

/** A UNION has the column names of its first part. */
function firstSelect(select: Select): Select {
  return select.larg ? firstSelect(select.larg) : select
}

function targetNames(fold: Fold, select: Select): string[] {
  return (select.targetList ?? []).flatMap((target) => {
    if (!('ResTarget' in target)) return []
    const { name, val } = target.ResTarget
    if (name) return name
    const isStar = val && 'ColumnRef' in val && val.ColumnRef.fields?.some((field) => 'A_Star' in field)
    return isStar ? starColumns(fold, select, path(val.ColumnRef.fields)) : derivedName(val)
  })
}

/** The columns behind `*` or `t.*`, where the FROM list names tables and views of the catalog. */
function starColumns({ catalog }: Fold, select: Select, qualifier: string[]): string[] {
  return (select.fromClause ?? []).flatMap((from) => {
    if (!('RangeVar' in from)) return []
    const { alias, relname } = from.RangeVar
    if (qualifier.length > 0 && qualifier.at(-1) !== (alias?.aliasname ?? relname)) return []
    const { key } = relationName(from.RangeVar)
    return [...(catalog.tables.get(key)?.columns.keys() ?? catalog.views.get(key)?.columns ?? [])]
  })
}
