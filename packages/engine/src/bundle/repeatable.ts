import type { ParsedStatement } from '../parse/parse-sql.ts'
import type { Node } from '../parse/parser.ts'
import { statementKind } from '../parse/statement-kind.ts'
import { createdSchema } from '../parse/schema-elements.ts'
import { repeatableAlterTable } from './repeatable-alter-table.ts'
import { guarded, insertAt, insertBehind, refuse, type Repeatable } from './repeatable-text.ts'
import { quoteIdentifier, quoteLiteral, quoteQualified } from './quote.ts'

/**
 * A statement's text so that running it twice is running it once: IF NOT EXISTS, OR REPLACE, DROP IF EXISTS in front, or
 * a guard around it. The author's formatting stays. What cannot be made repeatable comes back as a refusal with the way out.
 */
export function repeatable(statement: ParsedStatement): Repeatable {
  const { node } = statement
  if ('AlterTableStmt' in node) return repeatableAlterTable(statement, node.AlterTableStmt)
  return repeatableCreate(statement, node) ?? repeatableOther(statement, node)
}

function repeatableCreate(statement: ParsedStatement, node: Node): Repeatable | null {
  const { text } = statement
  if ('CreateStmt' in node) {
    return node.CreateStmt.if_not_exists
      ? { text }
      : insertAt(statement, node.CreateStmt.relation?.location, 'if not exists ')
  }
  if ('CreateTableAsStmt' in node) {
    const { if_not_exists, into } = node.CreateTableAsStmt
    return if_not_exists ? { text } : insertAt(statement, into?.rel?.location, 'if not exists ')
  }
  if ('CreateSeqStmt' in node) {
    return node.CreateSeqStmt.if_not_exists
      ? { text }
      : insertAt(statement, node.CreateSeqStmt.sequence?.location, 'if not exists ')
  }
  if ('CreateSchemaStmt' in node) return repeatableSchema(text, node.CreateSchemaStmt)
  if ('CreateExtensionStmt' in node) {
    return node.CreateExtensionStmt.if_not_exists
      ? { text }
      : insertBehind(text, ['create', 'extension'], 'if not exists')
  }
  if ('IndexStmt' in node) return repeatableIndex(text, node.IndexStmt)
  if ('CreateFunctionStmt' in node) return node.CreateFunctionStmt.replace ? { text } : orReplace(text)
  if ('ViewStmt' in node) return node.ViewStmt.replace ? { text } : orReplace(text)
  if ('RuleStmt' in node) return node.RuleStmt.replace ? { text } : orReplace(text)
  if ('CreateTrigStmt' in node) {
    const { replace, isconstraint, trigname = '', relation } = node.CreateTrigStmt
    if (replace) return { text }
    if (!isconstraint) return orReplace(text)
    return dropFirst('trigger', trigname, quoteQualified(relation?.schemaname, relation?.relname ?? ''), text)
  }
  if ('CreatePolicyStmt' in node) {
    const { policy_name = '', table } = node.CreatePolicyStmt
    return dropFirst('policy', policy_name, quoteQualified(table?.schemaname, table?.relname ?? ''), text)
  }
  if ('CreateStatsStmt' in node) {
    return node.CreateStatsStmt.if_not_exists ? { text } : insertBehind(text, ['create', 'statistics'], 'if not exists')
  }
  if ('CreateEventTrigStmt' in node) {
    const name = quoteIdentifier(node.CreateEventTrigStmt.trigname ?? '')
    return { text: `drop event trigger if exists ${name};\n${text}` }
  }
  if ('CreatePublicationStmt' in node) {
    const name = quoteLiteral(node.CreatePublicationStmt.pubname ?? '')
    return guarded(`not exists (select from pg_catalog.pg_publication where pubname = ${name})`, text)
  }
  if ('DefineStmt' in node && node.DefineStmt.kind === 'OBJECT_AGGREGATE')
    return node.DefineStmt.replace ? { text } : orReplace(text)
  return repeatableType(text, node)
}

type SchemaNode = Extract<Node, { CreateSchemaStmt: unknown }>['CreateSchemaStmt']

function repeatableSchema(text: string, node: SchemaNode): Repeatable {
  if (node.if_not_exists) return { text }
  if (!node.schemaElts?.length) return insertBehind(text, ['create', 'schema'], 'if not exists')
  // IF NOT EXISTS does not go with what the schema is made with.
  const name = quoteLiteral(createdSchema(node))
  return guarded(`not exists (select from pg_catalog.pg_namespace where nspname = ${name})`, text)
}

function repeatableIndex(text: string, index: Extract<Node, { IndexStmt: unknown }>['IndexStmt']): Repeatable {
  if (index.concurrent)
    return refuse('CONCURRENTLY cannot run in a transaction', 'leave CONCURRENTLY out: the table is new here')
  if (index.if_not_exists) return { text }
  if (!index.idxname) return refuse('an index without a name is made again by every run', 'give the index a name')
  return insertBehind(text, ['create', 'unique?', 'index'], 'if not exists')
}

function repeatableType(text: string, node: Node): Repeatable | null {
  const name = createdType(node)
  if (name) return guarded(`pg_catalog.to_regtype(${quoteLiteral(name)}) is null`, text)
  if ('CreateRoleStmt' in node) {
    const role = quoteLiteral(node.CreateRoleStmt.role ?? '')
    return guarded(`not exists (select from pg_catalog.pg_roles where rolname = ${role})`, text)
  }
  return null
}

function createdType(node: Node): string | null {
  const names =
    'CreateEnumStmt' in node
      ? node.CreateEnumStmt.typeName
      : 'CreateDomainStmt' in node
        ? node.CreateDomainStmt.domainname
        : 'CreateRangeStmt' in node
          ? node.CreateRangeStmt.typeName
          : null
  if (names) return names.map((name) => ('String' in name ? quoteIdentifier(name.String.sval ?? '') : '')).join('.')
  if (!('CompositeTypeStmt' in node)) return null
  const { typevar } = node.CompositeTypeStmt
  return quoteQualified(typevar?.schemaname, typevar?.relname ?? '')
}

/** Statements that say how things are, not what to do: running them again says the same. */
const REPEATABLE_AS_WRITTEN = new Set([
  'CommentStmt',
  'GrantStmt',
  'GrantRoleStmt',
  'AlterOwnerStmt',
  'AlterDefaultPrivilegesStmt',
  'AlterFunctionStmt',
  'AlterRoleStmt',
  'AlterRoleSetStmt',
  'AlterDatabaseSetStmt',
  'AlterPolicyStmt',
  'AlterSeqStmt',
  'AlterEventTrigStmt',
  'SecLabelStmt',
  'LockStmt',
  'RefreshMatViewStmt',
  // Written repeatable by their authors: nobody can tell from outside.
  'SelectStmt',
  'CallStmt',
  'DoStmt',
  'MergeStmt',
  'DeleteStmt',
])

function repeatableOther(statement: ParsedStatement, node: Node): Repeatable {
  const { text, kind } = statement
  if (REPEATABLE_AS_WRITTEN.has(kind)) return { text }
  if ('InsertStmt' in node) {
    return node.InsertStmt.onConflictClause
      ? { text }
      : refuse('insert without ON CONFLICT adds its rows again', 'add ON CONFLICT (..) DO NOTHING or DO UPDATE')
  }
  if ('VariableSetStmt' in node) {
    return node.VariableSetStmt.is_local ? { text } : refuse('set outlives the script', 'write SET LOCAL')
  }
  if ('DropStmt' in node)
    return node.DropStmt.missing_ok ? { text } : refuse('a second run finds nothing to drop', 'add IF EXISTS')
  if ('AlterEnumStmt' in node && node.AlterEnumStmt.skipIfNewValExists) return { text }
  if ('DefineStmt' in node && node.DefineStmt.if_not_exists) return { text }
  if ('TransactionStmt' in node) {
    return refuse(`${statementKind(statement)} would end the transaction around the script`, 'leave it out')
  }
  return refuse(`${statementKind(statement)} has no repeatable form`, 'put it into a DO block that looks first')
}

function orReplace(text: string): Repeatable {
  return insertBehind(text, ['create'], 'or replace')
}

function dropFirst(kind: string, name: string, table: string, text: string): Repeatable {
  return { text: `drop ${kind} if exists ${quoteIdentifier(name)} on ${table};\n${text}` }
}
