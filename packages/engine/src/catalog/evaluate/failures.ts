import type { Node } from '../../parse/parser.ts'
import { path } from '../../parse/references.ts'
import { createdSchema } from '../../parse/schema-elements.ts'
import type { Fold } from '../files/fold.ts'
import { routineKey } from '../files/grants.ts'
import { findIndex, hasRelation, newName, newRelation, relationName, relationNamed, typeNamed } from '../files/names.ts'

/** The condition that PostgreSQL raises for a statement over the catalog as it is, null when it goes through as far as one can tell. */
export function failureOf(fold: Fold, node: Node): string | null {
  return (
    duplicate(fold, node) ??
    (('AlterTableStmt' in node && alterFailure(fold, node.AlterTableStmt)) || missing(fold, node))
  )
}

function duplicate(fold: Fold, node: Node): string | null {
  const { catalog } = fold
  const when = (isThere: boolean, condition: string) => (isThere ? condition : null)
  if ('CreateStmt' in node)
    return when(
      !node.CreateStmt.if_not_exists && hasRelation(catalog, newRelation(fold, node.CreateStmt.relation).key),
      'duplicate_table',
    )
  if ('CreateSeqStmt' in node)
    return when(
      !node.CreateSeqStmt.if_not_exists && hasRelation(catalog, newRelation(fold, node.CreateSeqStmt.sequence).key),
      'duplicate_table',
    )
  if ('ViewStmt' in node)
    return when(
      !node.ViewStmt.replace && hasRelation(catalog, newRelation(fold, node.ViewStmt.view).key),
      'duplicate_table',
    )
  if ('CreateTableAsStmt' in node)
    return when(
      !node.CreateTableAsStmt.if_not_exists &&
        hasRelation(catalog, newRelation(fold, node.CreateTableAsStmt.into?.rel).key),
      'duplicate_table',
    )
  if ('IndexStmt' in node) {
    const { schema } = relationName(fold, node.IndexStmt.relation)
    const name = node.IndexStmt.idxname
    return when(
      name !== undefined && !node.IndexStmt.if_not_exists && findIndex(catalog, schema, name) !== undefined,
      'duplicate_table',
    )
  }
  if ('CreateSchemaStmt' in node)
    return when(
      !node.CreateSchemaStmt.if_not_exists && catalog.schemas.has(createdSchema(node.CreateSchemaStmt)),
      'duplicate_schema',
    )
  if ('CreateExtensionStmt' in node)
    return when(
      !node.CreateExtensionStmt.if_not_exists && catalog.extensions.has(node.CreateExtensionStmt.extname ?? ''),
      'duplicate_object',
    )
  if ('CreateRoleStmt' in node) return when(catalog.roles.has(node.CreateRoleStmt.role ?? ''), 'duplicate_object')
  if ('CreatePublicationStmt' in node)
    return when(catalog.publications.has(node.CreatePublicationStmt.pubname ?? ''), 'duplicate_object')
  if ('CreateEventTrigStmt' in node)
    return when(catalog.eventTriggers.has(node.CreateEventTrigStmt.trigname ?? ''), 'duplicate_object')
  if ('AlterEnumStmt' in node) {
    const { newVal = '', oldVal, skipIfNewValExists, typeName } = node.AlterEnumStmt
    const labels = catalog.types.get(typeNamed(fold, path(typeName)).key)?.labels ?? []
    return when(!oldVal && !skipIfNewValExists && labels.includes(newVal), 'duplicate_object')
  }
  return duplicateType(fold, node) ?? duplicatePart(fold, node)
}

function duplicateType(fold: Fold, node: Node): string | null {
  const names =
    'CreateEnumStmt' in node
      ? path(node.CreateEnumStmt.typeName)
      : 'CreateDomainStmt' in node
        ? path(node.CreateDomainStmt.domainname)
        : 'CreateRangeStmt' in node
          ? path(node.CreateRangeStmt.typeName)
          : null
  const key = names
    ? newName(fold, names).key
    : 'CompositeTypeStmt' in node
      ? newRelation(fold, node.CompositeTypeStmt.typevar).key
      : null
  return key !== null && fold.catalog.types.has(key) ? 'duplicate_object' : null
}

function duplicatePart(fold: Fold, node: Node): string | null {
  const { catalog } = fold
  const owner = (relation: Parameters<typeof relationName>[1]) => {
    const { key } = relationName(fold, relation)
    return catalog.tables.get(key) ?? catalog.views.get(key)
  }
  if ('CreateTrigStmt' in node) {
    const { relation, trigname = '', replace } = node.CreateTrigStmt
    return !replace && owner(relation)?.triggers.has(trigname) ? 'duplicate_object' : null
  }
  if ('CreatePolicyStmt' in node) {
    const own = owner(node.CreatePolicyStmt.table)
    return own && 'policies' in own && own.policies.has(node.CreatePolicyStmt.policy_name ?? '')
      ? 'duplicate_object'
      : null
  }
  if ('RuleStmt' in node) {
    const { relation, rulename = '', replace } = node.RuleStmt
    return !replace && owner(relation)?.rules.has(rulename) ? 'duplicate_object' : null
  }
  if ('RenameStmt' in node && node.RenameStmt.renameType === 'OBJECT_COLUMN') {
    const own = owner(node.RenameStmt.relation)
    if (!own || !('policies' in own)) return null
    if (!own.columns.has(node.RenameStmt.subname ?? '')) return 'undefined_column'
    return own.columns.has(node.RenameStmt.newname ?? '') ? 'duplicate_column' : null
  }
  return null
}

function alterFailure(fold: Fold, node: Extract<Node, { AlterTableStmt: unknown }>['AlterTableStmt']): string | null {
  const { catalog } = fold
  const { key, schema } = relationName(fold, node.relation)
  const table = catalog.tables.get(key)
  if (!table)
    return !node.missing_ok && node.objtype === 'OBJECT_TABLE' && !hasRelation(catalog, key) ? 'undefined_table' : null
  for (const item of node.cmds ?? []) {
    if (!('AlterTableCmd' in item)) continue
    const { subtype, name = '', def, missing_ok: isTolerated } = item.AlterTableCmd
    if (
      subtype === 'AT_AddColumn' &&
      def &&
      'ColumnDef' in def &&
      !isTolerated &&
      table.columns.has(def.ColumnDef.colname ?? '')
    )
      return 'duplicate_column'
    if (subtype === 'AT_DropColumn' && !isTolerated && !table.columns.has(name)) return 'undefined_column'
    if (subtype === 'AT_DropConstraint' && !isTolerated && !table.constraints.has(name)) return 'undefined_object'
    if (subtype === 'AT_AddConstraint' && def && 'Constraint' in def) {
      const { conname, contype } = def.Constraint
      const hasIndex = contype !== 'CONSTR_CHECK' && contype !== 'CONSTR_FOREIGN'
      if (conname !== undefined && hasIndex && findIndex(catalog, schema, conname)) return 'duplicate_table'
      if (conname !== undefined && table.constraints.has(conname)) return 'duplicate_object'
      const hasKey = [...table.constraints.values()].some((own) => own.kind === 'primary key')
      if (contype === 'CONSTR_PRIMARY' && hasKey) return 'invalid_table_definition'
    }
    if (
      /^AT_(Set|Drop)(NotNull|Default)|AT_ColumnDefault|AT_AlterColumnType$/.test(subtype ?? '') &&
      !table.columns.has(name)
    )
      return 'undefined_column'
  }
  return null
}

const MISSING: Record<string, string> = {
  OBJECT_TABLE: 'undefined_table',
  OBJECT_VIEW: 'undefined_table',
  OBJECT_MATVIEW: 'undefined_table',
  OBJECT_SEQUENCE: 'undefined_table',
}

function missing(fold: Fold, node: Node): string | null {
  const { catalog } = fold
  if ('CreateFunctionStmt' in node) return null
  if (!('DropStmt' in node) || node.DropStmt.missing_ok) return null
  const { removeType = '', objects } = node.DropStmt
  for (const object of objects ?? []) {
    if ('ObjectWithArgs' in object && !routineKey(fold, object.ObjectWithArgs)) return 'undefined_function'
    const names = 'List' in object ? path(object.List.items) : 'TypeName' in object ? path(object.TypeName.names) : []
    const condition = MISSING[removeType]
    if (condition && !hasRelation(catalog, relationNamed(fold, names).key)) return condition
    if (removeType === 'OBJECT_TYPE' && !catalog.types.has(typeNamed(fold, names).key)) return 'undefined_object'
    const owner = catalog.tables.get(relationNamed(fold, names.slice(0, -1)).key)
    if (removeType === 'OBJECT_TRIGGER' && owner && !owner.triggers.has(names.at(-1) ?? '')) return 'undefined_object'
    if (removeType === 'OBJECT_POLICY' && owner && !owner.policies.has(names.at(-1) ?? '')) return 'undefined_object'
  }
  return null
}

const CODES: Record<string, string> = {
  '42710': 'duplicate_object',
  '42P07': 'duplicate_table',
  '42701': 'duplicate_column',
  '42P06': 'duplicate_schema',
  '42723': 'duplicate_function',
  '42P01': 'undefined_table',
  '42703': 'undefined_column',
  '42704': 'undefined_object',
  '42883': 'undefined_function',
  '42P16': 'invalid_table_definition',
}

/** True when a handler for one condition catches another: by name, by code, by class or as `others`. */
export function catches(handler: string, condition: string): boolean {
  const name = handler.toLowerCase()
  return (
    name === 'others' ||
    name === condition ||
    CODES[handler.toUpperCase()] === condition ||
    (name === 'syntax_error_or_access_rule_violation' && condition in CODE_NAMES)
  )
}

const CODE_NAMES = Object.fromEntries(Object.values(CODES).map((name) => [name, true]))
