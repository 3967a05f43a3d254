import type { Node } from '../../parse/parser.ts'
import { path } from '../../parse/references.ts'
import { sqlTokens } from '../../parse/split-sql.ts'
import { chooseName } from './choose-name.ts'
import { derivedName } from './column-names.ts'
import type { Fold } from './fold.ts'
import { forget } from './gone.ts'
import { newName, relationName } from './names.ts'
import { qualify } from './qualify.ts'
import { listBehind, trimmed } from './source-text.ts'

const ALL_KINDS = ['dependencies', 'mcv', 'ndistinct']

export function createStatistics(
  fold: Fold,
  node: Extract<Node, { CreateStatsStmt: unknown }>['CreateStatsStmt'],
): void {
  const { catalog } = fold
  const [relation] = node.relations ?? []
  const table = relation && 'RangeVar' in relation ? relationName(fold, relation.RangeVar) : null
  if (!table) return
  const elements = (node.exprs ?? []).flatMap((item) => ('StatsElem' in item ? item.StatsElem : []))
  const { schema, name, key } = node.defnames
    ? newName(fold, path(node.defnames))
    : newName(fold, [table.schema, automaticName(fold, table, elements)])
  if (catalog.statistics.has(key)) return
  const isOneExpression = elements.length === 1 && elements[0]?.expr !== undefined
  const kinds = path(node.stat_types).map((kind) => kind.toLowerCase())
  forget(fold, key)
  catalog.statistics.set(key, {
    schema,
    name,
    table: table.key,
    kinds: isOneExpression ? [] : kinds.length > 0 ? kinds.toSorted() : ALL_KINDS,
    expressions: expressions(fold, table.key, elements),
    comment: null,
    owner: null,
    position: fold.position,
  })
}

type Element = Extract<Node, { StatsElem: unknown }>['StatsElem']

/** Columns in the order of the table, then expressions as written. */
function expressions(fold: Fold, table: string, elements: Element[]): string[] {
  const { text } = fold.statement
  const on = sqlTokens(text).find((token) => token.depth === 0 && token.text.toLowerCase() === 'on')
  const from = sqlTokens(text).findLast((token) => token.depth === 0 && token.text.toLowerCase() === 'from')
  const list = text.slice(0, from?.start ?? text.length)
  const spans = listBehind(list, on?.end ?? 0)
  const ordinal = (name: string) => fold.catalog.tables.get(table)?.columns.get(name)?.ordinal ?? 0
  const columns = elements.flatMap((element) => element.name ?? []).toSorted((a, b) => ordinal(a) - ordinal(b))
  const texts = elements.flatMap((element, n) => {
    const span = spans[n]
    return element.expr && span ? qualify(fold, 'expression', trimmed(list, span), table) : []
  })
  return [...columns, ...texts]
}

function automaticName({ catalog }: Fold, table: { schema: string; name: string }, elements: Element[]): string {
  const columns = elements.map(({ name, expr }) => {
    const derived = name ?? derivedName(expr)
    return derived === '?column?' ? 'expr' : derived
  })
  return chooseName(table.name, columns, 'stat', (name) => catalog.statistics.has(`${table.schema}.${name}`))
}
