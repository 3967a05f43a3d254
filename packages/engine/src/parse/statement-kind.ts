import type { ParsedStatement } from './parse-sql.ts'

const KINDS: Record<string, string> = {
  CreateStmt: 'create table',
  CreateForeignTableStmt: 'create foreign table',
  CreateTableAsStmt: 'create table as',
  CreateSchemaStmt: 'create schema',
  CreateExtensionStmt: 'create extension',
  CreateSeqStmt: 'create sequence',
  AlterSeqStmt: 'alter sequence',
  CreateEnumStmt: 'create type',
  CompositeTypeStmt: 'create type',
  CreateRangeStmt: 'create type',
  AlterEnumStmt: 'alter type',
  AlterTypeStmt: 'alter type',
  AlterCompositeTypeStmt: 'alter type',
  CreateDomainStmt: 'create domain',
  AlterDomainStmt: 'alter domain',
  CreateFunctionStmt: 'create function',
  AlterFunctionStmt: 'alter function',
  CreateTrigStmt: 'create trigger',
  CreateEventTrigStmt: 'create event trigger',
  CreatePolicyStmt: 'create policy',
  AlterPolicyStmt: 'alter policy',
  CreateRoleStmt: 'create role',
  AlterRoleStmt: 'alter role',
  AlterRoleSetStmt: 'alter role',
  CreateCastStmt: 'create cast',
  CreateStatsStmt: 'create statistics',
  CreatePublicationStmt: 'create publication',
  CreateSubscriptionStmt: 'create subscription',
  CreatedbStmt: 'create database',
  CreateTableSpaceStmt: 'create tablespace',
  IndexStmt: 'create index',
  ViewStmt: 'create view',
  RuleStmt: 'create rule',
  RefreshMatViewStmt: 'refresh materialized view',
  AlterDefaultPrivilegesStmt: 'alter default privileges',
  AlterSystemStmt: 'alter system',
  AlterDatabaseSetStmt: 'alter database',
  CommentStmt: 'comment',
  DropRoleStmt: 'drop role',
  SelectStmt: 'select',
  InsertStmt: 'insert',
  UpdateStmt: 'update',
  DeleteStmt: 'delete',
  MergeStmt: 'merge',
  TruncateStmt: 'truncate',
  CopyStmt: 'copy',
  DoStmt: 'do',
  CallStmt: 'call',
  LockStmt: 'lock',
  VariableSetStmt: 'set',
  VacuumStmt: 'vacuum',
  ReindexStmt: 'reindex',
}

/** What a statement is, in SQL's words: `create table`, `alter table`, `grant`, `drop index`. */
export function statementKind({ node, kind }: ParsedStatement): string {
  if ('GrantStmt' in node) return node.GrantStmt.is_grant ? 'grant' : 'revoke'
  if ('GrantRoleStmt' in node) return node.GrantRoleStmt.is_grant ? 'grant' : 'revoke'
  if ('CreateFunctionStmt' in node && node.CreateFunctionStmt.is_procedure) return 'create procedure'
  if ('CreateTableAsStmt' in node && node.CreateTableAsStmt.objtype === 'OBJECT_MATVIEW')
    return 'create materialized view'
  if ('DropStmt' in node) return `drop ${objectWord(node.DropStmt.removeType)}`
  if ('RenameStmt' in node) return `alter ${renamedObject(node.RenameStmt.renameType, node.RenameStmt.relationType)}`
  if ('AlterTableStmt' in node) return `alter ${objectWord(node.AlterTableStmt.objtype)}`
  if ('AlterOwnerStmt' in node) return `alter ${objectWord(node.AlterOwnerStmt.objectType)}`
  if ('AlterObjectSchemaStmt' in node) return `alter ${objectWord(node.AlterObjectSchemaStmt.objectType)}`
  if ('DefineStmt' in node) return `create ${objectWord(node.DefineStmt.kind)}`
  if ('TransactionStmt' in node) return (node.TransactionStmt.kind ?? '').replace('TRANS_STMT_', '').toLowerCase()
  return (
    KINDS[kind] ??
    kind
      .replace(/Stmt$/, '')
      .replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ')
      .toLowerCase()
  )
}

/** A renamed column or constraint is an `alter table`; for everything else the tree's relationType means nothing. */
function renamedObject(renamed: string | undefined, relation: string | undefined): string {
  const isPart = ['OBJECT_COLUMN', 'OBJECT_TABCONSTRAINT', 'OBJECT_ATTRIBUTE'].includes(renamed ?? '')
  return objectWord(isPart ? (relation ?? 'OBJECT_TABLE') : renamed)
}

const OBJECT_WORDS: Record<string, string> = { OBJECT_MATVIEW: 'materialized view', OBJECT_TABCONSTRAINT: 'constraint' }

function objectWord(type: string | undefined): string {
  if (!type) return 'object'
  return OBJECT_WORDS[type] ?? type.replace('OBJECT_', '').replaceAll('_', ' ').toLowerCase()
}
