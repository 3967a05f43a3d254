import type { Catalog, Role } from '../catalog/model.ts'
import { foldStatement, startFold, type Fold } from '../catalog/files.ts'
import { parseSql, type ParsedFile, type ParsedStatement } from '../parse/parse-sql.ts'
import { objectNames } from '../parse/references.ts'
import { accessMethods } from './access-methods.ts'
import type { Dump } from './dump.ts'
import { DumpSyntaxError } from './errors.ts'
import { neededStatements } from './needed-statements.ts'
import { notCarried, type NotCarried } from './not-carried.ts'

export interface FoldDumpOptions {
  /** Default `drop`: everything belongs to whoever runs the script. */
  readonly owner?: 'keep' | 'drop' | undefined
  /** Default `keep`. */
  readonly grants?: 'keep' | 'drop' | undefined
}

/** An export as a catalog, and what stands in it that the catalog cannot hold. */
export interface FoldedDump {
  /** It can go on: with what else is to be folded onto the export. */
  readonly fold: ReturnType<typeof startFold>
  readonly parsed: ParsedFile
  /** Roles that the export names and does not make; the catalog has them, without login. */
  readonly roles: readonly string[]
  /** Statements that are kept as they are written. */
  readonly kept: readonly KeptStatement[]
}

/** A statement and where its names without a schema are looked for. */
export interface Written {
  readonly statement: ParsedStatement
  readonly searchPath: readonly string[]
}

export interface KeptStatement extends Written {
  /** Line of the export. */
  readonly line: number
  readonly reason: string
  /** The printed object whose place it takes; null when it stands beside what is printed. */
  readonly instead: string | null
  /** The schema of that object. */
  readonly schema: string | null
  /** What has to stand in front of it when it takes the place of an object. */
  readonly needs: readonly Written[]
}

/**
 * Folds what an export defines.
 * @throws DumpSyntaxError for a statement that the grammar refuses
 */
export async function foldDump(dump: Dump, options: FoldDumpOptions = {}): Promise<FoldedDump> {
  const whole = await parseSql(dump.text, dump.file)
  const [error] = whole.errors
  if (error) throw new DumpSyntaxError(dump.file, dump.lineOf(error.line), error.reason, { cause: error })
  const statements = whole.statements.filter((statement) => isWanted(statement, options))
  const parsed = { ...whole, statements }
  const fold = startFold()
  const passed = statements.map((statement): Passed => {
    const { searchPath } = fold
    foldStatement(fold, statement, parsed)
    return { statement, searchPath, lost: notCarried(fold, statement) }
  })
  if (options.owner !== 'keep') dropOwners(fold.catalog)
  const roles = namedRoles(statements).filter((role) => !fold.catalog.roles.has(role))
  for (const role of roles) fold.catalog.roles.set(role, groupRole(role))
  return { fold, parsed, roles, kept: await keptStatements(fold, passed, dump) }
}

function isWanted({ node }: ParsedStatement, { owner = 'drop', grants = 'keep' }: FoldDumpOptions): boolean {
  if (isOfPublic(node)) return false
  if ('AlterOwnerStmt' in node) return owner === 'keep'
  if ('AlterTableStmt' in node && node.AlterTableStmt.cmds?.length === 1) {
    const [command] = node.AlterTableStmt.cmds
    if (command && 'AlterTableCmd' in command && command.AlterTableCmd.subtype === 'AT_ChangeOwner')
      return owner === 'keep'
  }
  if ('GrantStmt' in node || 'GrantRoleStmt' in node || 'AlterDefaultPrivilegesStmt' in node) return grants === 'keep'
  return true
}

/** A new database has the schema `public`: an export that makes it, or drops it before, finds it there. */
function isOfPublic(node: ParsedStatement['node']): boolean {
  if ('CreateSchemaStmt' in node) return node.CreateSchemaStmt.schemaname === 'public'
  if (!('DropStmt' in node) || node.DropStmt.removeType !== 'OBJECT_SCHEMA') return false
  return node.DropStmt.objects?.flatMap(objectNames).join() === 'public'
}

/** Every role that owns something, holds something or has a policy. */
export function namedRoles(statements: readonly ParsedStatement[]): string[] {
  const names = new Set<string>()
  for (const { kind, node } of statements) {
    if (!NAMES_ROLES.has(kind)) continue
    // Some trees hold the role's node without its tag.
    JSON.stringify(node, (key, value: unknown) => {
      if (key === 'rolename' && typeof value === 'string' && !value.startsWith('pg_')) names.add(value)
      return value
    })
  }
  return [...names]
}

const NAMES_ROLES = new Set([
  'AlterOwnerStmt',
  'AlterTableStmt',
  'AlterDefaultPrivilegesStmt',
  'CreatePolicyStmt',
  'CreateSchemaStmt',
  'GrantRoleStmt',
  'GrantStmt',
])

function groupRole(name: string): Role {
  return { name, login: false, superuser: false, bypassRls: false, inherit: true, memberOf: [], memberships: {} }
}

/** `create schema .. authorization` names an owner, too. */
function dropOwners(catalog: Catalog): void {
  for (const schema of catalog.schemas.values()) if (schema.name !== 'public') schema.owner = null
}

interface Passed extends Written {
  readonly lost: NotCarried | null
}

/** What could not be told, what the catalog passes over, and what it holds only in part. */
async function keptStatements(fold: Fold, passed: readonly Passed[], dump: Dump): Promise<KeptStatement[]> {
  const place = ({ line, column }: { readonly line: number; readonly column: number }) => `${line}:${column}`
  const unknown = new Map(fold.catalog.unknown.map(({ position, reason }) => [place(position), reason]))
  const beside = { instead: null, schema: null, needs: [] }
  const kept = passed.flatMap(({ lost, ...own }): KeptStatement[] => {
    const line = dump.lineOf(own.statement.line)
    const reason = unknown.get(place(own.statement))
    if (reason !== undefined) return [{ ...own, line, reason, ...beside }]
    if (lost === null) return []
    const needs = lost.instead === null ? [] : neededStatements(own, passed)
    return [{ ...own, line, ...lost, needs }]
  })
  const methods = await accessMethods(passed)
  return [...kept, ...methods.map(({ line, ...own }) => ({ ...own, line: dump.lineOf(line), ...beside }))]
}
