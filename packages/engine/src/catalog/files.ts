import { loadParser } from '../parse/parser.ts'
import { lineColumns } from '../parse/offsets.ts'
import { parseSql, parseSqlNow, type ParsedFile, type ParsedStatement } from '../parse/parse-sql.ts'
import { path } from '../parse/references.ts'
import { alterTable } from './files/alter-table.ts'
import { callEffects, guardedStatements } from './files/calls.ts'
import { comment } from './files/comments.ts'
import { drop } from './files/drops.ts'
import { DEFAULT_SCHEMA, markUnknown, type Fold, type FoldOptions } from './files/fold.ts'
import { forget } from './files/gone.ts'
import { alterDefaultPrivileges, grant, roleName } from './files/grants.ts'
import { createIndex } from './files/indexes.ts'
import { alterOwner } from './files/owners.ts'
import { alterPolicy, createPolicy, createTrigger } from './files/policies-and-triggers.ts'
import { rename } from './files/renames.ts'
import { alterRole, createRole, grantRole } from './files/roles.ts'
import { createAggregate, createFunction } from './files/routines.ts'
import { createRule } from './files/rules.ts'
import { alterSequence, createSequence } from './files/sequences.ts'
import { createTable } from './files/tables.ts'
import { alterEnum, createComposite, createDomain, createEnum, createRange } from './files/types.ts'
import { createMaterializedView, createView } from './files/views.ts'
import { emptyCatalog, type Catalog } from './model.ts'

export type { Fold, FoldOptions, KnownEffect } from './files/fold.ts'

/**
 * The schema that SQL files make, in the order given, without running them. What cannot be told from the text (DO blocks,
 * calls without a known effect, files that do not parse) is listed in the catalog's `unknown`.
 */
export async function foldFiles(
  files: readonly { readonly path: string; readonly text: string }[],
  options: FoldOptions = {},
): Promise<Catalog> {
  const parsed: ParsedFile[] = []
  for (const { path, text } of files) parsed.push(await parseSql(text, path))
  return foldParsed(parsed, options)
}

/** The same for files that are parsed already. */
export async function foldParsed(files: readonly ParsedFile[], options: FoldOptions = {}): Promise<Catalog> {
  await loadParser()
  const fold = startFold(options)
  for (const file of files) {
    foldErrors(fold, file)
    for (const statement of file.statements) foldStatement(fold, statement, file)
  }
  return fold.catalog
}

/** A fold of nothing yet: `foldStatement` moves its catalog on. */
export function startFold(options: FoldOptions = {}): Fold {
  return {
    catalog: startCatalog(),
    options,
    statement: { kind: '', node: { String: {} }, text: '', start: 0, end: 0, line: 1, column: 1 },
    position: { file: '', line: 1, column: 1 },
  }
}

/** Says of the parts of a file that do not parse that they may have done anything. */
export function foldErrors(fold: Fold, { file, text, errors }: ParsedFile): void {
  for (const { line, column, reason } of errors) {
    fold.catalog.unknown.push({ position: { file, line, column }, reason: `does not parse: ${reason}`, text })
  }
}

/**
 * Folds one statement into `fold.catalog`, which is changed in place: look at it before and after. The statements of a
 * file come in order and each with its file. The grammar must be loaded, which any `parseSql` does.
 */
export function foldStatement(fold: Fold, statement: ParsedStatement, { file }: ParsedFile): void {
  fold.statement = statement
  fold.position = { file, line: statement.line, column: statement.column }
  applyStatement(fold, statement)
}

/** What every new database of PostgreSQL 15 and later holds. */
function startCatalog(): Catalog {
  const catalog = emptyCatalog()
  catalog.schemas.set(DEFAULT_SCHEMA, {
    name: DEFAULT_SCHEMA,
    owner: 'pg_database_owner',
    comment: 'standard public schema',
    grants: [{ grantee: 'public', privilege: 'usage', column: null, grantable: false }],
  })
  catalog.extensions.set('plpgsql', { name: 'plpgsql', schema: 'pg_catalog', version: null })
  return catalog
}

function applyStatement(fold: Fold, { node, text }: ParsedStatement): void {
  if (foldDefinition(fold, node) || foldChange(fold, node)) return
  if ('SelectStmt' in node) return foldInner(fold, callEffects(fold, node))
  if ('DoStmt' in node) {
    const inner = guardedStatements(text)
    return inner ? foldInner(fold, inner) : markUnknown(fold, 'do block')
  }
  if ('CallStmt' in node) return markUnknown(fold, `call of ${path(node.CallStmt.funccall?.funcname).join('.')}`)
  if (!WITHOUT_EFFECT.has(Object.keys(node)[0] ?? '')) markUnknown(fold, Object.keys(node)[0] ?? '')
}

type Node = ParsedStatement['node']

/** CREATE of everything that the model holds; false for another statement. */
function foldDefinition(fold: Fold, node: Node): boolean {
  if ('CreateStmt' in node) createTable(fold, node.CreateStmt)
  else if ('IndexStmt' in node) createIndex(fold, node.IndexStmt)
  else if ('CreateFunctionStmt' in node) createFunction(fold, node.CreateFunctionStmt)
  else if ('CreateTrigStmt' in node) createTrigger(fold, node.CreateTrigStmt)
  else if ('CreatePolicyStmt' in node) createPolicy(fold, node.CreatePolicyStmt)
  else if ('ViewStmt' in node) createView(fold, node.ViewStmt)
  else if ('CreateTableAsStmt' in node && node.CreateTableAsStmt.objtype === 'OBJECT_MATVIEW') {
    createMaterializedView(fold, node.CreateTableAsStmt)
  } else if ('CreateEnumStmt' in node) createEnum(fold, node.CreateEnumStmt)
  else if ('CreateDomainStmt' in node) createDomain(fold, node.CreateDomainStmt)
  else if ('CompositeTypeStmt' in node) createComposite(fold, node.CompositeTypeStmt)
  else if ('CreateRangeStmt' in node) createRange(fold, node.CreateRangeStmt)
  else if ('CreateSeqStmt' in node) createSequence(fold, node.CreateSeqStmt)
  else if ('CreateSchemaStmt' in node) createSchema(fold, node.CreateSchemaStmt)
  else if ('CreateExtensionStmt' in node) createExtension(fold, node.CreateExtensionStmt)
  else if ('RuleStmt' in node) createRule(fold, node.RuleStmt)
  else if ('CreateRoleStmt' in node) createRole(fold, node.CreateRoleStmt)
  else if ('DefineStmt' in node && node.DefineStmt.kind === 'OBJECT_AGGREGATE') createAggregate(fold, node.DefineStmt)
  else return false
  return true
}

/** ALTER, DROP, COMMENT, GRANT; false for another statement. */
function foldChange(fold: Fold, node: Node): boolean {
  if ('AlterTableStmt' in node) alterTable(fold, node.AlterTableStmt)
  else if ('DropStmt' in node) drop(fold, node.DropStmt)
  else if ('CommentStmt' in node) comment(fold, node.CommentStmt)
  else if ('GrantStmt' in node) grant(fold, node.GrantStmt)
  else if ('GrantRoleStmt' in node) grantRole(fold, node.GrantRoleStmt)
  else if ('AlterOwnerStmt' in node) alterOwner(fold, node.AlterOwnerStmt)
  else if ('RenameStmt' in node) rename(fold, node.RenameStmt)
  else if ('AlterPolicyStmt' in node) alterPolicy(fold, node.AlterPolicyStmt)
  else if ('AlterEnumStmt' in node) alterEnum(fold, node.AlterEnumStmt)
  else if ('AlterSeqStmt' in node) alterSequence(fold, node.AlterSeqStmt)
  else if ('AlterRoleStmt' in node) alterRole(fold, node.AlterRoleStmt)
  else if ('AlterDefaultPrivilegesStmt' in node) alterDefaultPrivileges(fold, node.AlterDefaultPrivilegesStmt)
  else if ('DropRoleStmt' in node)
    for (const role of node.DropRoleStmt.roles ?? []) fold.catalog.roles.delete(roleName(role))
  else return false
  return true
}

/** Statements about rows, sessions and things that the model does not hold. */
const WITHOUT_EFFECT = new Set([
  'InsertStmt',
  'UpdateStmt',
  'DeleteStmt',
  'MergeStmt',
  'TruncateStmt',
  'CopyStmt',
  'LockStmt',
  'VariableSetStmt',
  'TransactionStmt',
  'VacuumStmt',
  'ReindexStmt',
  'RefreshMatViewStmt',
  'SecLabelStmt',
  'AlterRoleSetStmt',
  'AlterDatabaseSetStmt',
  'NotifyStmt',
])

/** Folds SQL that a statement runs; its objects stand where the statement stands. */
function foldInner(fold: Fold, inner: string[]): void {
  const { statement: outer, position } = fold
  const place = lineColumns(outer.text)
  for (const text of inner) {
    const at = outer.text.indexOf(text)
    const line = at < 0 ? position.line : position.line + place(at).line - 1
    const { statements, errors } = parseSqlNow(text, position.file)
    for (const error of errors) markUnknown(fold, `does not parse: ${error.reason}`)
    for (const statement of statements) {
      fold.statement = statement
      fold.position = { ...position, line }
      applyStatement(fold, statement)
    }
    fold.statement = outer
    fold.position = position
  }
}

function createSchema(fold: Fold, node: Extract<Node, { CreateSchemaStmt: unknown }>['CreateSchemaStmt']): void {
  const owner = node.authrole ? roleName({ RoleSpec: node.authrole }) : null
  const name = node.schemaname ?? owner ?? ''
  if (fold.catalog.schemas.has(name)) return
  forget(fold, name)
  fold.catalog.schemas.set(name, { name, owner, comment: null, grants: [], position: fold.position })
  if (node.schemaElts?.length) markUnknown(fold, 'create schema with elements')
}

function createExtension(
  fold: Fold,
  node: Extract<Node, { CreateExtensionStmt: unknown }>['CreateExtensionStmt'],
): void {
  const name = node.extname ?? ''
  if (fold.catalog.extensions.has(name)) return
  const option = (node.options ?? []).find((item) => 'DefElem' in item && item.DefElem.defname === 'schema')
  const arg = option && 'DefElem' in option ? option.DefElem.arg : undefined
  const schema = arg && 'String' in arg ? (arg.String.sval ?? DEFAULT_SCHEMA) : DEFAULT_SCHEMA
  fold.catalog.extensions.set(name, { name, schema, version: null, position: fold.position })
}
