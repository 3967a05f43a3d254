import type { SourcePosition } from '../../catalog/model.ts'
import type { ParsedStatement } from '../../parse/parse-sql.ts'
import { walkTree } from '../../parse/walk.ts'
import type { LintedFile } from '../rule.ts'
import { anySchema, createdNames } from './created-names.ts'

export type ObjectKind =
  | 'schema'
  | 'extension'
  | 'publication'
  | 'relation'
  | 'column'
  | 'function'
  | 'type'
  | 'role'
  | 'index'
  | 'constraint'
  | 'trigger'
  | 'policy'
  | 'rule'
  /** A label of an enum. */
  | 'value'

/** Where a history creates things, whenever that is: what a missing name is looked up in. */
export interface HistoryIndex {
  readonly files: readonly LintedFile[]
  /** False when the files are an excerpt: what they refer to may exist without them. */
  readonly complete: boolean
  /** Whether some file has a version: those that have none are then in no order. */
  readonly hasVersions: boolean
  /** Places that create `schema.name` (`schema.table.column`), in running order. */
  creations(kind: ObjectKind, name: string): readonly Creation[]
  /** Whether a temporary relation is called so (without schema): its rows and its end are nobody's business. */
  isTemporary(name: string): boolean
  /** Whether some extension is created with CASCADE: it brings those that it needs along. */
  readonly bringsExtensions: boolean
  /** Whether some column is NOT NULL by a constraint of this name, which a catalog does not hold. */
  isNotNull(constraint: string): boolean
}

export interface Creation extends SourcePosition {
  /** Place of the file in running order. */
  readonly order: number
}

/** Reads every CREATE, ADD COLUMN and RENAME TO of the files. */
export function indexHistory(files: readonly LintedFile[], complete: boolean): HistoryIndex {
  const found = new Map<string, Creation[]>()
  const temporary = new Set<string>()
  const notNull = new Set<string>()
  let bringsExtensions = false
  for (const { file, order, statements, name } of files) {
    if (name?.kind === 'undo') continue
    for (const statement of statements) {
      const own = temporaryName(statement)
      if (own !== null) temporary.add(own)
      for (const name of notNullNames(statement)) notNull.add(name)
      bringsExtensions ||= isExtensionWithOthers(statement)
      for (const { kind, name: created } of own === null ? createdNames(statement) : []) {
        const key = `${kind} ${created}`
        const creation = { file, order, line: statement.line, column: statement.column }
        const others = found.get(key)
        if (others) others.push(creation)
        else found.set(key, [creation])
      }
    }
  }
  const creations = (kind: ObjectKind, name: string) => [
    ...(found.get(`${kind} ${name}`) ?? []),
    ...(found.get(`${kind} ${anySchema}${name.slice(name.indexOf('.'))}`) ?? []),
  ]
  return {
    files,
    complete,
    hasVersions: files.some(({ name }) => name !== null),
    creations,
    isTemporary: (name) => temporary.has(name),
    bringsExtensions,
    isNotNull: (name) => notNull.has(name),
  }
}

function temporaryName(statement: ParsedStatement): string | null {
  const relation = madeRelation(statement)
  return relation?.relpersistence === 't' ? (relation.relname ?? null) : null
}

function madeRelation({ node }: ParsedStatement) {
  if ('CreateStmt' in node) return node.CreateStmt.relation
  if ('CreateTableAsStmt' in node) return node.CreateTableAsStmt.into?.rel
  if ('SelectStmt' in node) return node.SelectStmt.intoClause?.rel
  if ('CreateSeqStmt' in node) return node.CreateSeqStmt.sequence
  return 'ViewStmt' in node ? node.ViewStmt.view : undefined
}

function isExtensionWithOthers({ node }: ParsedStatement): boolean {
  if (!('CreateExtensionStmt' in node)) return false
  return (node.CreateExtensionStmt.options ?? []).some(
    (item) => 'DefElem' in item && item.DefElem.defname === 'cascade',
  )
}

function notNullNames({ node, kind }: ParsedStatement): string[] {
  if (kind !== 'CreateStmt' && kind !== 'AlterTableStmt') return []
  const names: string[] = []
  walkTree(node, (tag, { contype, conname }) => {
    if (tag === 'Constraint' && contype === 'CONSTR_NOTNULL' && typeof conname === 'string') names.push(conname)
  })
  return names
}
