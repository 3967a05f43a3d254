import type { ParsedStatement } from '../../parse/parse-sql.ts'
import { path } from '../../parse/references.ts'
import { walkTree } from '../../parse/walk.ts'
import type { ObjectKind } from './history-index.ts'
import { relationKey, typeKey } from './names.ts'

/** A place where a statement needs something that must exist when it runs. */
export interface Use {
  readonly kind: Exclude<ObjectKind, 'role'>
  /** `schema.name`, `schema.table.column` (or constraint, trigger, ..), `schema.type.value`; a schema's own name. */
  readonly name: string
  /** Offset in the file. */
  readonly at: number
  /** `foreign key`, `trigger`, `view`, ...: as what it is used. */
  readonly as: string
}

type Tree = Record<string, unknown>

/**
 * What PostgreSQL looks up when it runs a statement: relations, functions of triggers, types with a schema. Not what a
 * PL/pgSQL body names (bound when it is called), not what IF EXISTS allows to be missing.
 */
export function usesOf(statement: ParsedStatement): Use[] {
  const { node, kind, start } = statement
  const content = (node as unknown as Record<string, Tree>)[kind]
  if (!content || content['missing_ok'] === true) return []
  const special = SPECIAL[kind]?.(content, statement)
  if (special) return special
  return relationsIn(content, asOf(kind), start)
}

function asOf(kind: string): string {
  return { ViewStmt: 'view', IndexStmt: 'index', CreatePolicyStmt: 'policy' }[kind] ?? 'statement'
}

const SPECIAL: Record<string, (content: Tree, statement: ParsedStatement) => Use[] | null> = {
  CreateStmt: (content, { start }) => usesOfTable(content, start),
  CreateForeignTableStmt: (content, { start }) => usesOfTable(content['base'] as Tree, start),
  AlterTableStmt: (content, { start }) => relationsAndTypesIn(content, 'alter table', start),
  ViewStmt: (content, { start }) => relationsIn(content['query'], 'view', start),
  CreateTableAsStmt: (content, { start }) => relationsIn(content['query'], 'view', start),
  CreateTrigStmt: (content, { start }) => {
    const names = path(content['funcname'])
    const trigger: Use[] = isSystem(names) ? [] : [{ kind: 'function', name: typeKey(names), at: start, as: 'trigger' }]
    return [...relationsIn(content, 'trigger', start), ...trigger]
  },
  DropStmt: (content, { start }) => dropped(content, start),
  CommentStmt: (content, { start }) => commented(content, start),
  CreateSeqStmt: () => [],
  CreateFunctionStmt: (content, { start }) =>
    relationsAndTypesIn(content, 'statement', start).filter(({ kind }) => kind === 'type'),
  CreateSchemaStmt: () => [],
  DoStmt: () => [],
  SelectStmt: (content, { start }) => relationsIn(content, 'query', start),
  InsertStmt: (content, { start }) => relationsIn(content, 'insert', start),
  UpdateStmt: (content, { start }) => relationsIn(content, 'update', start),
  DeleteStmt: (content, { start }) => relationsIn(content, 'delete', start),
}

/** The table's own name stands in a RangeVar as well: it is no use, nor is a key to the table itself. */
function usesOfTable(content: Tree, start: number): Use[] {
  const { relation, ...rest } = content
  const own = relationKey(relation as Tree)
  return relationsAndTypesIn(rest, 'table', start).filter(({ name, as }) => as !== 'foreign key' || name !== own)
}

function relationsIn(tree: unknown, as: string, start: number): Use[] {
  return relationsAndTypesIn(tree, as, start).filter(({ kind }) => kind === 'relation')
}

/**
 * Tables and views named in a tree, but for the names that WITH gives to queries; then the types that are named with their
 * schema: others may be PostgreSQL's own or an extension's.
 */
function relationsAndTypesIn(tree: unknown, as: string, start: number): Use[] {
  const relations: Use[] = []
  const types: Use[] = []
  const queries = new Set<string>()
  walkTree([{ Root: tree }], (tag, content) => {
    if (tag === 'CommonTableExpr') queries.add(String(content['ctename']))
    if (tag === 'Constraint' && content['contype'] === 'CONSTR_FOREIGN') {
      addRelation(content['pktable'] as Tree, 'foreign key')
      return false
    }
    if (tag === 'RangeVar') addRelation(content, as)
    if (tag === 'TypeName' && content['pct_type'] !== true) addType(content)
    return undefined
  })
  const isQuery = (name: string) => name.startsWith('public.') && queries.has(name.slice('public.'.length))
  return [...relations.filter(({ name }) => !isQuery(name)), ...types]

  function addRelation(relation: Tree, role: string): void {
    const name = relationKey(relation)
    if (isSystem(name.split('.')) || isCatalogName(relation)) return
    relations.push({ kind: 'relation', name, at: placeOf(relation), as: role })
  }

  function addType(type: Tree): void {
    const names = path(type['names'])
    if (names.length < 2 || isSystem(names)) return
    types.push({ kind: 'type', name: typeKey(names), at: placeOf(type), as: 'type' })
  }

  function placeOf({ location }: Tree): number {
    return typeof location === 'number' ? location : start
  }
}

const RELATIONS = ['OBJECT_TABLE', 'OBJECT_VIEW', 'OBJECT_MATVIEW', 'OBJECT_SEQUENCE', 'OBJECT_FOREIGN_TABLE']
const PARTS = ['OBJECT_POLICY', 'OBJECT_TRIGGER', 'OBJECT_RULE', 'OBJECT_TABCONSTRAINT']

function dropped(content: Tree, at: number): Use[] {
  const type = String(content['removeType'])
  return ((content['objects'] ?? []) as Tree[]).flatMap((object): Use[] => {
    const names = path((object['List'] as Tree | undefined)?.['items'])
    if (RELATIONS.includes(type)) return [{ kind: 'relation', name: typeKey(names), at, as: 'drop' }]
    if (PARTS.includes(type)) return [{ kind: 'relation', name: typeKey(names.slice(0, -1)), at, as: 'drop' }]
    return []
  })
}

function commented(content: Tree, at: number): Use[] {
  const type = String(content['objtype'])
  const names = path((content['object'] as { List?: { items?: unknown } } | undefined)?.List?.items)
  if (RELATIONS.includes(type)) return [{ kind: 'relation', name: typeKey(names), at, as: 'comment' }]
  if (PARTS.includes(type)) return [{ kind: 'relation', name: typeKey(names.slice(0, -1)), at, as: 'comment' }]
  if (type !== 'OBJECT_COLUMN') return []
  const table = typeKey(names.slice(0, -1))
  return [
    { kind: 'relation', name: table, at, as: 'comment' },
    { kind: 'column', name: `${table}.${names.at(-1)}`, at, as: 'comment' },
  ]
}

/** Of pg_catalog, which is searched first whatever the path: `pg_class`. */
function isCatalogName({ schemaname, relname }: Tree): boolean {
  return schemaname === undefined && String(relname).startsWith('pg_')
}

function isSystem(names: readonly string[]): boolean {
  return names.length > 0 && ['pg_catalog', 'information_schema', 'pg_temp', 'pg_toast'].includes(names[0] ?? '')
}
