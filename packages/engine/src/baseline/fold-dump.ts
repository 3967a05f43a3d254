import type { Catalog, Role } from '../catalog/model.ts'
import { foldStatement, startFold, type Fold } from '../catalog/files.ts'
import { parseSql, type ParsedFile, type ParsedStatement } from '../parse/parse-sql.ts'
import { accessMethods } from './access-methods.ts'
import type { Dump } from './dump.ts'
import { neededStatements } from './needed-statements.ts'
import { notCarried } from './not-carried.ts'

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

export interface KeptStatement {
  /** Line of the export. */
  readonly line: number
  readonly reason: string
  readonly statement: ParsedStatement
  /** The printed object whose place it takes; null when it stands beside what is printed. */
  readonly instead: string | null
  /** What has to stand in front of it when it takes the place of an object. */
  readonly needs: readonly ParsedStatement[]
}

/**
 * Folds what an export defines.
 * @throws SqlSyntaxError for a statement that the grammar refuses
 */
export async function foldDump(dump: Dump, options: FoldDumpOptions = {}): Promise<FoldedDump> {
  const whole = await parseSql(dump.text, dump.file)
  if (whole.errors[0]) throw whole.errors[0]
  const statements = whole.statements.filter((statement) => isWanted(statement, options))
  const parsed = { ...whole, statements }
  const fold = startFold()
  for (const statement of statements) foldStatement(fold, statement, parsed)
  if (options.owner !== 'keep') dropOwners(fold.catalog)
  const roles = namedRoles(statements).filter((role) => !fold.catalog.roles.has(role))
  for (const role of roles) fold.catalog.roles.set(role, groupRole(role))
  return { fold, parsed, roles, kept: await keptStatements(fold, parsed, dump) }
}

function isWanted({ node }: ParsedStatement, { owner = 'drop', grants = 'keep' }: FoldDumpOptions): boolean {
  if ('AlterOwnerStmt' in node) return owner === 'keep'
  if ('AlterTableStmt' in node && node.AlterTableStmt.cmds?.length === 1) {
    const [command] = node.AlterTableStmt.cmds
    if (command && 'AlterTableCmd' in command && command.AlterTableCmd.subtype === 'AT_ChangeOwner')
      return owner === 'keep'
  }
  if ('GrantStmt' in node || 'GrantRoleStmt' in node || 'AlterDefaultPrivilegesStmt' in node) return grants === 'keep'
  return true
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
  return { name, login: false, superuser: false, bypassRls: false, inherit: true, memberOf: [] }
}

/** `create schema .. authorization` names an owner, too. */
function dropOwners(catalog: Catalog): void {
  for (const schema of catalog.schemas.values()) if (schema.name !== 'public') schema.owner = null
}

/** What could not be told, what the catalog passes over, and what it holds only in part. */
async function keptStatements(fold: Fold, { statements }: ParsedFile, dump: Dump): Promise<KeptStatement[]> {
  const place = ({ line, column }: { readonly line: number; readonly column: number }) => `${line}:${column}`
  const unknown = new Map(fold.catalog.unknown.map(({ position, reason }) => [place(position), reason]))
  const kept = statements.flatMap((statement): KeptStatement[] => {
    const line = dump.lineOf(statement.line)
    const reason = unknown.get(place(statement))
    if (reason !== undefined) return [{ line, reason, statement, instead: null, needs: [] }]
    const lost = notCarried(fold, statement)
    if (lost === null) return []
    const needs = lost.instead === null ? [] : neededStatements(statement, statements)
    return [{ line, statement, ...lost, needs }]
  })
  const methods = await accessMethods(statements)
  return [
    ...kept,
    ...methods.map(({ line, reason, statement }) => ({
      line: dump.lineOf(line),
      reason,
      statement,
      instead: null,
      needs: [],
    })),
  ]
}
