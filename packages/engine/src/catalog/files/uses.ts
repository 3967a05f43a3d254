import { path } from '../../parse/references.ts'
import type { Fold } from './fold.ts'
import { hasRelation, relationNamed, routineNamed, typeNamed } from './names.ts'
import { derivedName } from './column-names.ts'
import type { Node } from '../../parse/parser.ts'

/** A mention of something in an expression or query. Locations count from the start of what was parsed. */
export type Use =
  | {
      readonly kind: 'relation' | 'routine' | 'type'
      readonly key: string
      readonly names: string[]
      readonly at: number
      readonly arity?: number
    }
  /** A name in a string: `nextval('a.s')`, `'a.t'::regclass`. `at` is the opening quote. */
  | { readonly kind: 'quoted'; readonly key: string; readonly text: string; readonly at: number }
  | {
      readonly kind: 'column'
      readonly table: string
      readonly column: string
      readonly fields: string[]
      readonly at: number
      /** True for an entry of a SELECT list without a name of its own, which takes the column's. */
      readonly isOutput: boolean
    }
  /** `*` and `t.*` of a SELECT list with what they stand for; null when that cannot be told. */
  | { readonly kind: 'star'; readonly at: number; readonly columns: StarColumn[] | null }
  /** A column that comes from one of two tables by its name alone: JOIN .. USING. */
  | { readonly kind: 'shared'; readonly column: string }

export interface StarColumn {
  /** Null where the name alone is one. */
  readonly qualifier: string | null
  readonly name: string
  /** The table or view that it is of, null when it is of none. */
  readonly table: string | null
}

interface Source {
  readonly alias: string
  /** Null for a sub-select, a function, a common table expression. */
  readonly table: string | null
  /** Null when they cannot be told. */
  readonly columns: readonly string[] | null
}

interface Scope {
  readonly sources: Source[]
  /** Names of the SELECT list, which ORDER BY sees first. */
  readonly outputs: Set<string>
  readonly withNames: Map<string, readonly string[] | null>
  /** Columns of JOIN .. USING, which a star gives once and first. */
  readonly merged: string[]
  readonly outer: Scope | null
}

type Tree = Record<string, unknown>

/** Every use of a relation, routine, type or column in a parse tree; `table` is the one that an expression belongs to. */
export function usesIn(fold: Fold, tree: unknown, table: string | null = null): Use[] {
  const uses: Use[] = []
  const columns = table === null ? [] : columnsOf(fold, table)
  const sources = table === null ? [] : [nameAfterDot(table), 'new', 'old'].map((alias) => ({ alias, table, columns }))
  visit({ fold, uses }, tree, { ...newScope(null), sources })
  return uses
}

function newScope(outer: Scope | null): Scope {
  return { sources: [], outputs: new Set(), withNames: new Map(), merged: [], outer }
}

interface Visit {
  readonly fold: Fold
  readonly uses: Use[]
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function nameAfterDot(key: string): string {
  return key.slice(key.indexOf('.') + 1)
}

/** The columns of a table or view in order, null when it is not known. */
export function columnsOf({ catalog }: Fold, key: string): readonly string[] | null {
  const table = catalog.tables.get(key)
  return table ? [...table.columns.keys()] : (catalog.views.get(key)?.columns ?? null)
}

function visit(run: Visit, value: unknown, scope: Scope): void {
  if (typeof value !== 'object' || value === null) return
  if (Array.isArray(value)) {
    for (const item of value) visit(run, item, scope)
    return
  }
  for (const [key, child] of Object.entries(value)) {
    if (typeof child !== 'object' || child === null) continue
    const rule = RULES[key]
    if (rule) rule(run, child as Tree, scope)
    else visit(run, child, scope)
  }
}

const RULES: Record<string, (run: Visit, node: Tree, scope: Scope) => void> = {
  SelectStmt: visitSelect,
  larg: (run, node, scope) =>
    'targetList' in node || 'op' in node ? visitSelect(run, node, scope) : visit(run, node, scope),
  rarg: (run, node, scope) =>
    'targetList' in node || 'op' in node ? visitSelect(run, node, scope) : visit(run, node, scope),
  InsertStmt: visitChange,
  UpdateStmt: visitChange,
  DeleteStmt: visitChange,
  RangeVar: (run, node, scope) => addRelation(run, node, scope),
  relation: (run, node, scope) => addRelation(run, node, scope),
  ResTarget: (run, node, scope) => {
    const value = node['val'] as Tree | undefined
    const column = value?.['ColumnRef'] as Tree | undefined
    if (column) addColumnUse(run, column, scope, node['name'] === undefined)
    else visit(run, value, scope)
  },
  ColumnRef: (run, node, scope) => addColumnUse(run, node, scope, false),
  FuncCall: (run, node, scope) => {
    const names = path(node['funcname'])
    const args = (node['args'] as unknown[] | undefined) ?? []
    if (names[0] !== 'pg_catalog' || names.length === 1)
      run.uses.push({
        kind: 'routine',
        key: routineNamed(run.fold, names).key,
        names,
        at: at(node),
        arity: args.length,
      })
    if (names.at(-1) === 'nextval' || names.at(-1) === 'currval') addQuoted(run, args[0])
    visit(run, { ...node, funcname: undefined }, scope)
  },
  TypeName: (run, node) => addType(run, node),
  typeName: (run, node) => addType(run, node),
  argType: (run, node) => addType(run, node),
  returnType: (run, node) => addType(run, node),
  TypeCast: (run, node, scope) => {
    const type = path((node['typeName'] as Tree | undefined)?.['names']).at(-1)
    if (type === 'regclass') addQuoted(run, node['arg'])
    visit(run, node, scope)
  },
  JoinExpr: (run, node, scope) => {
    for (const column of path(node['usingClause'])) run.uses.push({ kind: 'shared', column })
    visit(run, { l: node['larg'], r: node['rarg'], q: node['quals'] }, scope)
  },
}

function at(node: Tree): number {
  return (node['location'] as number | undefined) ?? 0
}

function addType(run: Visit, node: Tree): void {
  const names = path(node['names'])
  if (names.length > 0 && (names.length === 1 || names[0] !== 'pg_catalog'))
    run.uses.push({ kind: 'type', key: typeNamed(run.fold, names).key, names, at: at(node) })
}

/** A literal that names a relation. */
function addQuoted(run: Visit, node: unknown): void {
  const inner = (node as { TypeCast?: { arg?: unknown } } | undefined)?.TypeCast?.arg ?? node
  const constant = (inner as { A_Const?: Tree } | undefined)?.A_Const
  const text = (constant?.['sval'] as { sval?: string } | undefined)?.sval
  if (!constant || text === undefined || text.includes('"')) return
  const { key } = relationNamed(run.fold, text.split('.'))
  run.uses.push({ kind: 'quoted', key, text, at: at(constant) })
}

function addRelation(run: Visit, node: Tree, scope: Scope): void {
  const names = [node['schemaname'], node['relname']].filter((name): name is string => typeof name === 'string')
  if (names.length === 1 && withColumns(scope, names[0] ?? '') !== undefined) return
  run.uses.push({ kind: 'relation', key: relationNamed(run.fold, names).key, names, at: at(node) })
}

function withColumns(scope: Scope | null, name: string): readonly string[] | null | undefined {
  if (!scope) return undefined
  return scope.withNames.has(name) ? scope.withNames.get(name) : withColumns(scope.outer, name)
}

function visitSelect(run: Visit, node: Tree, outer: Scope): void {
  const scope: Scope = newScope(outer)
  addWith(run, node['withClause'] as Tree | undefined, scope)
  addSources(run, node['fromClause'], scope)
  for (const name of selectNames(run.fold, node, scope) ?? []) scope.outputs.add(name)
  const { withClause: _, sortClause, ...rest } = node
  visit(run, rest, scope)
  visitSort(run, sortClause, scope)
}

function addWith(run: Visit, clause: Tree | undefined, scope: Scope): void {
  for (const item of (clause?.['ctes'] as { CommonTableExpr?: Tree }[] | undefined) ?? []) {
    const cte = item.CommonTableExpr ?? {}
    const name = String(cte['ctename'])
    const aliases = path(cte['aliascolnames'])
    if (clause?.['recursive'] === true) scope.withNames.set(name, aliases.length > 0 ? aliases : null)
    visit(run, cte['ctequery'], scope)
    const query = (cte['ctequery'] as { SelectStmt?: Tree } | undefined)?.SelectStmt
    const names = query ? selectNames(run.fold, query, scopeOf(run, query, scope)) : null
    scope.withNames.set(name, aliases.length > 0 ? aliases : names)
  }
}

/** The scope inside a query, without noting uses. */
function scopeOf({ fold }: Visit, query: Tree, outer: Scope): Scope {
  const scope: Scope = newScope(outer)
  const silent: Visit = { fold, uses: [] }
  addWith(silent, query['withClause'] as Tree | undefined, scope)
  addSources(silent, query['fromClause'], scope)
  return scope
}

/** ORDER BY sees a name of the SELECT list before a column of that name. */
function visitSort(run: Visit, clause: unknown, scope: Scope): void {
  for (const item of (clause as { SortBy?: { node?: { ColumnRef?: Tree } } }[] | undefined) ?? []) {
    const column = item.SortBy?.node?.ColumnRef
    const fields = column ? path(column['fields']) : []
    if (fields.length !== 1 || !scope.outputs.has(fields[0] ?? '')) visit(run, item, scope)
  }
}

function addSources(run: Visit, items: unknown, scope: Scope): void {
  for (const item of (items as Record<string, Tree>[] | undefined) ?? []) addSource(run, item, scope)
}

function addSource(run: Visit, item: Record<string, Tree>, scope: Scope): void {
  const { RangeVar: relation, JoinExpr: join, RangeSubselect: subselect } = item
  if (join) {
    const before = scope.sources.length
    addSource(run, join['larg'] as Record<string, Tree>, scope)
    const middle = scope.sources.length
    addSource(run, join['rarg'] as Record<string, Tree>, scope)
    const [left, right] = [scope.sources.slice(before, middle), scope.sources.slice(middle)]
    const common = join['isNatural'] === true ? commonColumns(left, right) : []
    for (const column of common) run.uses.push({ kind: 'shared', column })
    scope.merged.push(...common, ...path(join['usingClause']))
    return
  }
  if (relation) return addTableSource(run, relation, scope)
  const [content] = Object.values(item)
  const alias = content?.['alias'] as Tree | undefined
  const query = (subselect?.['subquery'] as { SelectStmt?: Tree } | undefined)?.SelectStmt
  const given = path(alias?.['colnames'])
  const columns = query ? selectNames(run.fold, query, scopeOf(run, query, scope)) : null
  scope.sources.push({
    alias: text(alias?.['aliasname']) ?? '',
    table: null,
    columns: given.length > 0 ? given : columns,
  })
}

/** What a natural join merges; nothing is known of it when a source's columns are not. */
function commonColumns(left: readonly Source[], right: readonly Source[]): string[] {
  const inRight = new Set(right.flatMap(({ columns }) => columns ?? []))
  return [...new Set(left.flatMap(({ columns }) => columns ?? []))].filter((column) => inRight.has(column))
}

function addTableSource({ fold }: Visit, relation: Tree, scope: Scope): void {
  const name = String(relation['relname'])
  const alias = relation['alias'] as Tree | undefined
  const aliasName = text(alias?.['aliasname']) ?? name
  const given = path(alias?.['colnames'])
  const common = relation['schemaname'] === undefined ? withColumns(scope, name) : undefined
  if (common !== undefined) {
    scope.sources.push({ alias: aliasName, table: null, columns: given.length > 0 ? given : common })
    return
  }
  const names = [relation['schemaname'], name].filter((part): part is string => typeof part === 'string')
  const { key } = relationNamed(fold, names)
  const known = hasRelation(fold.catalog, key)
  if (given.length > 0) scope.sources.push({ alias: aliasName, table: null, columns: given })
  else scope.sources.push({ alias: aliasName, table: known ? key : null, columns: known ? columnsOf(fold, key) : null })
}

/** Statements of rules: their target is a source, and their lists name its columns. */
function visitChange(run: Visit, node: Tree, outer: Scope): void {
  const scope: Scope = newScope(outer)
  const relation = node['relation'] as Tree
  addWith(run, node['withClause'] as Tree | undefined, scope)
  addTableSource(run, relation, scope)
  addSources(run, node['fromClause'] ?? node['usingClause'], scope)
  const table = scope.sources[0]?.table ?? null
  const listed = [
    ...((node['cols'] as unknown[] | undefined) ?? []),
    ...(node['whereClause'] || 'targetList' in node ? ((node['targetList'] as unknown[] | undefined) ?? []) : []),
  ]
  for (const item of listed as { ResTarget?: Tree }[]) {
    const name = item.ResTarget?.['name']
    if (table !== null && typeof name === 'string')
      run.uses.push({
        kind: 'column',
        table,
        column: name,
        fields: [name],
        at: at(item.ResTarget ?? {}),
        isOutput: false,
      })
  }
  const { cols: _, withClause: __, ...rest } = node
  visit(run, rest, scope)
}

function addColumnUse(run: Visit, node: Tree, scope: Scope, isOutput: boolean): void {
  const list = node['fields'] as Tree[]
  const fields = path(list)
  if (list.some((field) => 'A_Star' in field)) {
    if (isOutput) run.uses.push({ kind: 'star', at: at(node), columns: starColumns(scope, fields) })
    return
  }
  const column = fields.at(-1) ?? ''
  const source = fields.length === 1 ? sourceOfColumn(scope, column) : sourceOfAlias(scope, fields.at(-2) ?? '')
  if (source?.table != null)
    run.uses.push({ kind: 'column', table: source.table, column, fields, at: at(node), isOutput })
}

function starColumns({ sources, merged }: Scope, fields: string[]): StarColumn[] | null {
  const isWhole = fields.length === 0
  const own = isWhole ? sources : sources.filter((source) => source.alias === fields.at(-1)).slice(0, 1)
  if (own.length === 0 || own.some((source) => source.columns === null)) return null
  const shared = isWhole ? merged : []
  const rest = own.flatMap(({ alias, columns, table }) =>
    (columns ?? [])
      .filter((name) => !shared.includes(name))
      .map((name) => ({ qualifier: isWhole && own.length === 1 ? null : alias, name, table })),
  )
  return [...shared.map((name) => ({ qualifier: null, name, table: sourceTable(own, name) })), ...rest]
}

function sourceTable(sources: readonly Source[], column: string): string | null {
  return sources.find((source) => source.columns?.includes(column))?.table ?? null
}

function sourceOfColumn(scope: Scope | null, column: string): Source | undefined {
  if (!scope) return undefined
  const source = scope.sources.find((own) => own.columns?.includes(column))
  if (source) return source
  // Whatever has it, a source of which nothing is known may be the one.
  return scope.sources.some((own) => own.columns === null) ? undefined : sourceOfColumn(scope.outer, column)
}

function sourceOfAlias(scope: Scope | null, alias: string): Source | undefined {
  return scope ? (scope.sources.find((own) => own.alias === alias) ?? sourceOfAlias(scope.outer, alias)) : undefined
}

/** Names of a query's columns, null when a star cannot be told. */
function selectNames(fold: Fold, select: Tree, scope: Scope): string[] | null {
  const first = select['larg'] as Tree | undefined
  if (first) return selectNames(fold, first, scopeOf({ fold, uses: [] }, first, scope))
  const values = select['valuesLists'] as { List?: { items?: unknown[] } }[] | undefined
  if (values) return (values[0]?.List?.items ?? []).map((_, n) => `column${n + 1}`)
  const names: string[] = []
  for (const item of (select['targetList'] as { ResTarget?: Tree }[] | undefined) ?? []) {
    const { name, val } = (item.ResTarget ?? {}) as { name?: string; val?: Node }
    const isStar = val && 'ColumnRef' in val && val.ColumnRef.fields?.some((field) => 'A_Star' in field)
    if (isStar && name === undefined) {
      const columns = starColumns(scope, path(val.ColumnRef.fields))
      if (!columns) return null
      names.push(...columns.map((column) => column.name))
    } else names.push(name ?? derivedName(val))
  }
  return names
}

/** The names of a query's columns, as far as the catalog tells them. */
export function queryColumns(fold: Fold, query: unknown): string[] | null {
  const select = (query as { SelectStmt?: Tree } | undefined)?.SelectStmt
  if (!select) return null
  const run: Visit = { fold, uses: [] }
  const outer: Scope = newScope(null)
  return selectNames(fold, select, scopeOf(run, select, outer))
}
