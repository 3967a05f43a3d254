import type { Node } from '../../parse/parser.ts'
import { path } from '../../parse/references.ts'
import { sqlTokens } from '../../parse/split-sql.ts'
import type { View } from '../model.ts'
import { isOn } from '../live/views.ts'
import type { Fold } from './fold.ts'
import { forget } from './gone.ts'
import { defaultGrants } from './default-grants.ts'
import { hasRelation, newRelation, relationName, type Name } from './names.ts'
import { qualify } from './qualify.ts'
import { relationOptions } from './relation-options.ts'
import { trimmed } from './source-text.ts'
import { queryColumns } from './uses.ts'
import { viewDependencies } from './view-dependencies.ts'

export function createView(fold: Fold, node: Extract<Node, { ViewStmt: unknown }>['ViewStmt']): void {
  const own = newRelation(fold, node.view)
  const before = fold.catalog.views.get(own.key)
  if (node.view?.relpersistence === 't' || (hasRelation(fold.catalog, own.key) && !(before && node.replace))) return
  const options = relationOptions(node.options)
  if (node.withCheckOption === 'LOCAL_CHECK_OPTION') options.push('check_option=local')
  if (node.withCheckOption === 'CASCADED_CHECK_OPTION') options.push('check_option=cascaded')
  const view = makeView(fold, own, path(node.aliases), node.query, options)
  forget(fold, own.key)
  fold.catalog.views.set(own.key, { ...view, ...(before ? kept(before) : {}), ...flagsOf(options) })
}

/** What CREATE OR REPLACE leaves as it is. */
function kept({ owner, comment, grants, triggers, rules, columnComments, columnDefaults }: View): Partial<View> {
  return { owner, comment, grants, triggers, rules, columnComments, columnDefaults }
}

export function createMaterializedView(
  fold: Fold,
  node: Extract<Node, { CreateTableAsStmt: unknown }>['CreateTableAsStmt'],
): void {
  const own = newRelation(fold, node.into?.rel)
  if (hasRelation(fold.catalog, own.key)) return
  const view = makeView(fold, own, path(node.into?.colNames), node.query, relationOptions(node.into?.options))
  forget(fold, own.key)
  fold.catalog.views.set(own.key, { ...view, materialized: true, withData: !(node.into?.skipData ?? false) })
}

/** REFRESH MATERIALIZED VIEW fills it, or empties it. */
export function refreshView(
  fold: Fold,
  node: Extract<Node, { RefreshMatViewStmt: unknown }>['RefreshMatViewStmt'],
): void {
  const { key } = relationName(fold, node.relation)
  const view = fold.catalog.views.get(key)
  if (view) fold.catalog.views.set(key, { ...view, withData: !(node.skipData ?? false) })
}

function makeView(
  fold: Fold,
  { schema, name }: Name,
  aliases: string[],
  query: Node | undefined,
  options: string[],
): View {
  const names = queryColumns(fold, query) ?? []
  return {
    schema,
    name,
    owner: null,
    comment: null,
    grants: defaultGrants(fold, 'table', schema),
    materialized: false,
    definition: qualify(fold, 'query', queryText(fold.statement.text)),
    columns: [...aliases, ...names.slice(aliases.length)],
    ...flagsOf([]),
    indexes: new Map(),
    triggers: new Map(),
    rules: new Map(),
    columnComments: {},
    columnDefaults: {},
    options: options.toSorted(),
    dependencies: viewDependencies(fold, query),
    withData: true,
    position: fold.position,
  }
}

/** What is told by the options of a view. */
export function flagsOf(options: string[]): Pick<View, 'securityInvoker' | 'securityBarrier' | 'checkOption'> {
  return {
    securityInvoker: isOn(options, 'security_invoker'),
    securityBarrier: isOn(options, 'security_barrier'),
    checkOption: options.includes('check_option=local')
      ? 'local'
      : options.includes('check_option=cascaded')
        ? 'cascaded'
        : null,
  }
}

/** From the first AS outside parentheses to the end, without a check option and WITH DATA. */
function queryText(text: string): string {
  const as = sqlTokens(text).find((token) => token.depth === 0 && token.text.toLowerCase() === 'as')
  return trimmed(text, { start: as?.end ?? 0, end: text.length })
    .replace(/\s+with\s+((local|cascaded)\s+)?check\s+option$/i, '')
    .replace(/\s+with\s+(no\s+)?data$/i, '')
}
