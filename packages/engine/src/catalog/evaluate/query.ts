import { path } from '../../parse/references.ts'
import { walkTree } from '../../parse/walk.ts'
import { parseRaw, type Node } from '../../parse/parser.ts'
import { derivedName } from '../files/column-names.ts'
import { relationName } from '../files/names.ts'
import { catalogRows, type Hints } from './catalog-rows.ts'
import { inside, NotBound, withRow, type Bound, type Env, type Select } from './env.ts'
import { attempt, evaluate } from './expression.ts'
import { AGGREGATES, FUNCTIONS, rowsOfFunction } from './functions.ts'
import { compareValues, isEqual, textOf, toBoolean, Undecidable, undecided, type Value } from './value.ts'

export type ResultRow = ReadonlyMap<string, Value>

const LIMIT = 100_000

/** The rows of a query over the folded catalog and literal rows. @throws Undecidable when it reads anything else */
export function evaluateQuery(select: Select, outer: Env): ResultRow[] {
  if (select.larg || select.rarg) return union(select, outer)
  if (select.valuesLists) return select.valuesLists.map((list) => valuesRow(list, outer))
  if (select.groupClause || select.havingClause || select.windowClause || select.lockingClause)
    return undecided('a grouped query')
  const env = withClauses(select, inside(outer))
  const envs: Env[] = []
  const conditions = conjuncts(select.whereClause)
  bindSources(flatten(select.fromClause ?? [], conditions), conditions, env, (row) => {
    if (envs.push(row) > LIMIT) undecided('so many rows')
  })
  const targets = (select.targetList ?? []).flatMap((item) => ('ResTarget' in item ? item.ResTarget : []))
  if (targets.some(({ val }) => isAggregate(val))) return [aggregateRow(targets, envs, env)]
  const rows = envs.flatMap((own) => targetRows(targets, own).map((row) => ({ env: own, row })))
  return limited(
    select,
    distinct(select, sorted(select, rows)).map(({ row }) => row),
    env,
  )
}

function withClauses(select: Select, env: Env): Env {
  const clauses = select.withClause?.ctes ?? []
  if (clauses.length === 0) return env
  const ctes = new Map(env.ctes)
  for (const item of clauses) {
    const { ctename = '', ctequery, aliascolnames } = 'CommonTableExpr' in item ? item.CommonTableExpr : {}
    if (!ctequery || !('SelectStmt' in ctequery) || select.withClause?.recursive) return undecided('a WITH clause')
    const rows = evaluateQuery(ctequery.SelectStmt, { ...env, ctes })
    ctes.set(
      ctename,
      rows.map((row) => renamed(row, path(aliascolnames)) as Map<string, Value>),
    )
  }
  return { ...env, ctes }
}

function union(select: Select, outer: Env): ResultRow[] {
  if (select.op !== 'SETOP_UNION' || !select.larg || !select.rarg) return undecided('a set operation')
  const left = evaluateQuery(select.larg, outer)
  const names = left[0] ? [...left[0].keys()] : []
  const right = evaluateQuery(select.rarg, outer).map((row) => renamed(row, names))
  const rows = [...left, ...right].map((row) => ({ env: outer, row }))
  const all = select.all ? rows : unique(rows)
  return limited(
    select,
    sorted(select, all).map(({ row }) => row),
    outer,
  )
}

function renamed(row: ResultRow, names: readonly string[]): ResultRow {
  if (names.length === 0) return row
  return new Map([...row].map(([name, value], n) => [names[n] ?? name, value]))
}

function valuesRow(list: Node, env: Env): ResultRow {
  const items = 'List' in list ? (list.List.items ?? []) : []
  return new Map(items.map((item, n) => [`column${n + 1}`, evaluate(item, env)]))
}

function conjuncts(node: Node | undefined): Node[] {
  if (!node) return []
  if ('BoolExpr' in node && node.BoolExpr.boolop === 'AND_EXPR') return (node.BoolExpr.args ?? []).flatMap(conjuncts)
  return [node]
}

interface Source {
  readonly node: Node
  /** ON of a left join: without a match the row is null. */
  readonly optional: Node[] | null
}

/** The sources of a FROM list one after the other; conditions of inner joins join the others. */
function flatten(items: readonly Node[], conditions: Node[]): Source[] {
  return items.flatMap((item): Source[] => {
    if (!('JoinExpr' in item)) return [{ node: item, optional: null }]
    const { larg, rarg, quals, jointype, usingClause, isNatural } = item.JoinExpr
    if (!larg || !rarg || isNatural || usingClause) return undecided('a join by names')
    const left = flatten([larg], conditions)
    if (jointype === 'JOIN_LEFT' && !('JoinExpr' in rarg)) return [...left, { node: rarg, optional: conjuncts(quals) }]
    if (jointype !== 'JOIN_INNER') return undecided('an outer join')
    conditions.push(...conjuncts(quals))
    return [...left, ...flatten([rarg], conditions)]
  })
}

/** Nested loops; each condition is tested as soon as all its columns are there. */
function bindSources(
  sources: readonly Source[],
  conditions: readonly Node[],
  env: Env,
  emit: (env: Env) => void,
): void {
  const open: Node[] = []
  for (const condition of conditions) {
    const verdict = test(condition, env, sources.length === 0)
    if (verdict === false) return
    if (verdict === undefined) open.push(condition)
  }
  const [source, ...rest] = sources
  if (!source) return emit(env)
  let isMatched = false
  let names: string[] = []
  for (const bound of sourceRows(source.node, [...open, ...(source.optional ?? [])], env)) {
    names = [...bound.columns.keys()]
    const next = withRow(env, bound)
    if (source.optional?.some((condition) => test(condition, next, true) !== true)) continue
    isMatched = true
    bindSources(rest, open, next, emit)
  }
  if (source.optional && !isMatched) {
    const alias = aliasOf(source.node).alias
    bindSources(rest, open, withRow(env, { alias, columns: new Map(names.map((name) => [name, null])) }), emit)
  }
}

/** False when it does not hold, undefined when a column is still missing. */
function test(condition: Node, env: Env, isLast: boolean): boolean | undefined {
  if (!isLast && !isReady(condition, env)) return undefined
  try {
    return toBoolean(evaluate(condition, env)) === true
  } catch (error) {
    if (error instanceof NotBound && !isLast) return undefined
    throw error
  }
}

const columnsIn = new WeakMap<object, string[][]>()

/** False while a column that a condition names outside sub-selects has no row yet. */
function isReady(condition: Node, env: Env): boolean {
  let columns = columnsIn.get(condition)
  if (!columns) {
    columns = []
    const found = columns
    walkTree(condition, (tag, content) => {
      if (tag === 'ColumnRef') found.push(path(content['fields']))
      return tag !== 'SubLink'
    })
    columnsIn.set(condition, columns)
  }
  return columns.every((fields) => isBound(fields, env))
}

function isBound(fields: readonly string[], env: Env): boolean {
  const [first = ''] = fields
  if (env.variables.has(first)) return true
  for (let scope: Env | null = env; scope; scope = scope.outer) {
    for (const { alias, columns } of scope.rows)
      if (fields.length === 1 ? columns.has(first) || alias === first : alias === fields.at(-2)) return true
  }
  return false
}

function aliasOf(node: Node): { alias: string; columns: string[] } {
  const [content] = Object.values(node) as { alias?: { aliasname?: string; colnames?: Node[] }; relname?: string }[]
  return { alias: content?.alias?.aliasname ?? content?.relname ?? '', columns: path(content?.alias?.colnames) }
}

function sourceRows(node: Node, conditions: readonly Node[], env: Env): Bound[] {
  const { alias, columns } = aliasOf(node)
  const bound = (rows: readonly ResultRow[]) => rows.map((row) => ({ alias, columns: renamed(row, columns) }))
  if ('RangeFunction' in node) return functionRows(node.RangeFunction, alias, columns, env)
  if ('RangeSubselect' in node) {
    const query = node.RangeSubselect.subquery
    return query && 'SelectStmt' in query ? bound(evaluateQuery(query.SelectStmt, env)) : undecided('a sub-select')
  }
  if (!('RangeVar' in node)) return undecided('rows of that kind')
  const { schemaname, relname = '' } = node.RangeVar
  const common = schemaname === undefined ? env.ctes.get(relname) : undefined
  if (common) return bound(common)
  const isCatalog =
    schemaname === undefined ? relname.startsWith('pg_') : ['pg_catalog', 'information_schema'].includes(schemaname)
  if (isCatalog) return bound(systemRows(env, schemaname ?? 'pg_catalog', relname, equalities(conditions, alias, env)))
  const view = viewQuery(env, schemaname, relname)
  if (view) return bound(evaluateQuery(view, env))
  return undecided(`rows of ${schemaname === undefined ? '' : `${schemaname}.`}${relname}`)
}

function systemRows({ fold }: Env, schema: string, name: string, hints: Hints): ResultRow[] {
  const isWanted = (item: Record<string, Value>) =>
    [...hints].every(([column, value]) => {
      const own = item[column]
      return own === undefined || (own !== null && value !== null && isEqual(own, value))
    })
  return catalogRows(fold, schema, name, hints)
    .filter(isWanted)
    .map((item) => new Map(Object.entries(item)))
}

/** The query of a view of the files: its rows may be told where those of tables cannot. */
function viewQuery({ fold }: Env, schema: string | undefined, name: string): Select | undefined {
  const { key } = relationName(fold, { relname: name, ...(schema === undefined ? {} : { schemaname: schema }) })
  const view = fold.catalog.views.get(key)
  const parsed = view && !view.materialized ? parseRaw(view.definition) : []
  const node = Array.isArray(parsed) ? parsed[0]?.node : undefined
  return node && 'SelectStmt' in node ? node.SelectStmt : undefined
}

function functionRows(
  node: Extract<Node, { RangeFunction: unknown }>['RangeFunction'],
  alias: string,
  columns: string[],
  env: Env,
): Bound[] {
  const [item] = node.functions ?? []
  const [call] = item && 'List' in item ? (item.List.items ?? []) : []
  if (!call || !('FuncCall' in call)) return undecided('rows of a function')
  const name = path(call.FuncCall.funcname).at(-1) ?? ''
  const values = rowsOfFunction(
    name,
    (call.FuncCall.args ?? []).map((arg) => evaluate(arg, env)),
  )
  const own = alias === '' ? name : alias
  return values.map((value, n) => {
    const row = new Map<string, Value>([[columns[0] ?? own, value]])
    if (node.ordinality) row.set(columns[1] ?? 'ordinality', n + 1)
    return { alias: own, columns: row }
  })
}

/** `alias.column = value` among the conditions, where the value is known already. */
function equalities(conditions: readonly Node[], alias: string, env: Env): Map<string, Value> {
  const found = new Map<string, Value>()
  for (const condition of conditions) {
    if (!('A_Expr' in condition) || condition.A_Expr.kind !== 'AEXPR_OP' || path(condition.A_Expr.name)[0] !== '=')
      continue
    const { lexpr, rexpr } = condition.A_Expr
    for (const [column, other] of [
      [lexpr, rexpr],
      [rexpr, lexpr],
    ]) {
      if (!column || !other || !('ColumnRef' in column)) continue
      const fields = path(column.ColumnRef.fields)
      const isOwn = fields.length === 2 ? fields[0] === alias : fields.length === 1 && isHint(fields[0] ?? '')
      if (!isOwn) continue
      try {
        const value = attempt(other, env)
        if (typeof value !== 'symbol') found.set(fields.at(-1) ?? '', value)
      } catch (error) {
        if (!(error instanceof Undecidable)) throw error
      }
    }
  }
  return found
}

/** Columns of pg_catalog that say by their prefix whose they are, so that they need no alias. */
function isHint(column: string): boolean {
  return /^oid$|^(att|con|tg|pol|ind)relid$|^(con|tg|pol|typ|pro|rel|nsp|rol|ext)name$|^(rel|typ|pro|con)namespace$/.test(
    column,
  )
}

type Target = Extract<Node, { ResTarget: unknown }>['ResTarget']

/** A call of unnest or generate_series alone in a SELECT list gives a row for each of its values. */
function targetRows(targets: readonly Target[], env: Env): ResultRow[] {
  const [target] = targets
  const call = targets.length === 1 && target?.val && 'FuncCall' in target.val ? target.val.FuncCall : undefined
  const name = path(call?.funcname).at(-1) ?? ''
  if (!call || !SETS.has(name)) return [targetRow(targets, env)]
  const values = rowsOfFunction(
    name,
    (call.args ?? []).map((arg) => evaluate(arg, env)),
  )
  return values.map((value) => new Map([[target?.name ?? name, value]]))
}

const SETS = new Set(['unnest', 'generate_series', 'regexp_split_to_table', 'string_to_table'])

function targetRow(targets: readonly Target[], env: Env): ResultRow {
  const row = new Map<string, Value>()
  for (const [n, { name, val }] of targets.entries()) {
    const star = val && 'ColumnRef' in val && val.ColumnRef.fields?.some((field) => 'A_Star' in field)
    if (star) {
      const [alias] = path(val.ColumnRef.fields)
      for (const own of env.rows)
        if (alias === undefined || own.alias === alias) for (const [key, value] of own.columns) row.set(key, value)
      continue
    }
    const own = name ?? derivedName(val)
    row.set(row.has(own) ? `${own} ${n}` : own, evaluate(val, env))
  }
  return row
}

function isAggregate(node: Node | undefined): boolean {
  if (!node) return false
  if ('FuncCall' in node) {
    const names = path(node.FuncCall.funcname)
    const name = names.at(-1) ?? ''
    return AGGREGATES.has(name) && !(name in FUNCTIONS)
  }
  if ('CoalesceExpr' in node) return (node.CoalesceExpr.args ?? []).some(isAggregate)
  if ('TypeCast' in node) return isAggregate(node.TypeCast.arg)
  return 'A_Expr' in node && (isAggregate(node.A_Expr.lexpr) || isAggregate(node.A_Expr.rexpr))
}

/** One row of aggregates over all rows. */
function aggregateRow(targets: readonly Target[], envs: readonly Env[], env: Env): ResultRow {
  const row = new Map<string, Value>()
  for (const { name, val } of targets) row.set(name ?? derivedName(val), aggregateValue(val, envs, env))
  return row
}

function aggregateValue(node: Node | undefined, envs: readonly Env[], env: Env): Value {
  if (!node || !isAggregate(node)) return evaluate(node, env)
  if ('FuncCall' in node) {
    const call = node.FuncCall
    const aggregate = AGGREGATES.get(path(call.funcname).at(-1) ?? '')
    const ordered = call.agg_order
      ? orderBy(
          call.agg_order,
          envs.map((own) => ({ env: own, row: new Map() })),
        ).map((own) => own.env)
      : envs
    const kept = ordered.filter((own) => !call.agg_filter || toBoolean(evaluate(call.agg_filter, own)) === true)
    const values = kept.map((own) => (call.agg_star ? [true] : (call.args ?? []).map((arg) => evaluate(arg, own))))
    return aggregate?.(call.agg_distinct ? uniqueValues(values) : values) ?? null
  }
  // an expression over an aggregate: its value takes the aggregate's place
  if ('CoalesceExpr' in node) {
    for (const arg of node.CoalesceExpr.args ?? []) {
      const value = aggregateValue(arg, envs, env)
      if (value !== null) return value
    }
    return null
  }
  if ('TypeCast' in node && node.TypeCast.arg) {
    const value = aggregateValue(node.TypeCast.arg, envs, env)
    return value
  }
  if ('A_Expr' in node) {
    const operand = (side: Node | undefined): Node => constantOf(aggregateValue(side, envs, env))
    return evaluate(
      { A_Expr: { ...node.A_Expr, lexpr: operand(node.A_Expr.lexpr), rexpr: operand(node.A_Expr.rexpr) } },
      env,
    )
  }
  return undecided('an aggregate')
}

function constantOf(value: Value): Node {
  if (value === null) return { A_Const: { isnull: true } }
  if (typeof value === 'boolean') return { A_Const: { boolval: { boolval: value } } }
  if (typeof value === 'number') return { A_Const: { fval: { fval: String(value) } } }
  return { A_Const: { sval: { sval: textOf(value) ?? '' } } }
}

function uniqueValues(values: Value[][]): Value[][] {
  return [...new Map(values.map((own) => [JSON.stringify(own), own])).values()]
}

interface Sortable {
  readonly env: Env
  readonly row: ResultRow
}

function sorted(select: Select, rows: Sortable[]): Sortable[] {
  return select.sortClause ? orderBy(select.sortClause, rows) : rows
}

function orderBy(clause: readonly Node[], rows: Sortable[]): Sortable[] {
  const keys = clause.flatMap((item) => ('SortBy' in item ? item.SortBy : []))
  const valued = rows.map((own) => ({ own, values: keys.map(({ node }) => sortValue(node, own)) }))
  valued.sort((a, b) => {
    for (const [n, key] of keys.entries()) {
      const [left = null, right = null] = [a.values[n], b.values[n]]
      const sign = key.sortby_dir === 'SORTBY_DESC' ? -1 : 1
      const order =
        left === null || right === null ? Number(left === null) - Number(right === null) : compareValues(left, right)
      if (order !== 0) return sign * order
    }
    return 0
  })
  return valued.map(({ own }) => own)
}

/** ORDER BY takes a number, a name of the SELECT list or an expression. */
function sortValue(node: Node | undefined, { env, row }: Sortable): Value {
  if (node && 'A_Const' in node && 'ival' in node.A_Const)
    return [...row.values()][(node.A_Const.ival?.ival ?? 1) - 1] ?? null
  const name = node && 'ColumnRef' in node ? path(node.ColumnRef.fields) : []
  const output = name.length === 1 ? row.get(name[0] ?? '') : undefined
  return output === undefined ? evaluate(node, env) : output
}

function distinct(select: Select, rows: Sortable[]): Sortable[] {
  if (!select.distinctClause) return rows
  const [first] = select.distinctClause
  if (first && Object.keys(first).length > 0) return undecided('distinct on')
  return unique(rows)
}

function unique(rows: Sortable[]): Sortable[] {
  return [...new Map(rows.map((own) => [JSON.stringify([...own.row.values()]), own])).values()]
}

function limited(select: Select, rows: ResultRow[], env: Env): ResultRow[] {
  const count = (node: Node | undefined, usual: number) => {
    const value = node ? evaluate(node, env) : null
    return value === null ? usual : Number(textOf(value))
  }
  const from = count(select.limitOffset, 0)
  return rows.slice(from, from + count(select.limitCount, rows.length))
}
