import type { Catalog, Constraint, Table } from '../../catalog/model.ts'
import type { ParsedStatement } from '../../parse/parse-sql.ts'
import { objectNames, path } from '../../parse/references.ts'
import {
  addedConstraint,
  alterSteps,
  columnConstraints,
  droppedConstraints,
  type AlterStep,
  type ConstraintNode,
} from '../locks/alter-steps.ts'
import { relationKey, typeKey } from './names.ts'
import { partKinds } from './part-kinds.ts'
import { relationCalled, taken, typeCalled, type Taken } from './taken-names.ts'

type Content<Tag extends string> = Extract<ParsedStatement['node'], Record<Tag, unknown>>[Tag]

/** What has a name already that a statement gives to a constraint, a value of an enum, or something that it renames or moves. */
export function existingNames(statement: ParsedStatement, catalog: Catalog): Taken[] {
  const { node } = statement
  if ('AlterTableStmt' in node) return existingConstraints(statement, catalog)
  if ('CreateStmt' in node) return existingKeys(node.CreateStmt, catalog)
  if ('AlterObjectSchemaStmt' in node) return movedOnto(node.AlterObjectSchemaStmt, catalog)
  const one =
    'AlterEnumStmt' in node
      ? existingValue(node.AlterEnumStmt, catalog)
      : 'RenameStmt' in node
        ? renamedOnto(node.RenameStmt, catalog)
        : null
  return listOf(one)
}

function existingConstraints(statement: ParsedStatement, catalog: Catalog): Taken[] {
  const steps = alterSteps(statement)
  const key = steps[0]?.table ?? ''
  const table = catalog.tables.get(key)
  if (!table) return []
  const freed = freedNames(statement, steps, table)
  return steps
    .flatMap((step) => addedConstraints(step, table))
    .flatMap((constraint) => {
      const { conname: name = '' } = constraint
      if (name === '' || freed.has(name)) return []
      const existing = table.constraints.get(name)
      if (existing && !isMerged(existing, constraint, table))
        return taken('constraint', `${key}.${name}`, existing) ?? []
      return existing ? [] : existingIndex(constraint, table.schema, catalog)
    })
}

function addedConstraints(step: AlterStep, table: Table): ConstraintNode[] {
  const { subtype, def } = step.command
  const constraint = addedConstraint(step)
  if (constraint) return [constraint]
  if (subtype !== 'AT_AddColumn' || !def || !('ColumnDef' in def)) return []
  return table.columns.has(def.ColumnDef.colname ?? '') && step.command.missing_ok
    ? []
    : columnConstraints(def.ColumnDef)
}

/** PostgreSQL drops constraints and columns first, whatever the order. */
function freedNames(statement: ParsedStatement, steps: readonly AlterStep[], table: Table): Set<string> {
  const columns = steps.flatMap(({ command: { subtype, name } }) => (subtype === 'AT_DropColumn' && name ? name : []))
  const withColumns = [...table.constraints.values(), ...table.indexes.values()].filter((own) =>
    columns.some((name) =>
      'columns' in own ? own.columns.includes(name) : own.keys.some((key) => key.column === name),
    ),
  )
  return new Set([...droppedConstraints(statement), ...withColumns.map(({ name }) => name)])
}

/** A check that a parent has under the same name becomes the table's own as well. */
function isMerged(existing: Constraint, { contype }: ConstraintNode, table: Table): boolean {
  return existing.kind === 'check' && contype === 'CONSTR_CHECK' && table.inherits.length > 0
}

const KEYS = ['CONSTR_PRIMARY', 'CONSTR_UNIQUE', 'CONSTR_EXCLUSION']

/** A key's index has its name, unless it takes over an index. */
function existingIndex({ contype, conname, indexname }: ConstraintNode, schema: string, catalog: Catalog): Taken[] {
  if (conname === undefined || conname === indexname || !KEYS.includes(contype ?? '')) return []
  const existing = relationCalled(`${schema}.${conname}`, catalog)
  return existing ? [existing] : []
}

function existingKeys({ relation, tableElts = [] }: Content<'CreateStmt'>, catalog: Catalog): Taken[] {
  const key = relationKey(relation)
  if (relation?.relpersistence === 't' || catalog.tables.has(key)) return []
  return tableElts
    .flatMap((element) =>
      'Constraint' in element
        ? [element.Constraint]
        : 'ColumnDef' in element
          ? columnConstraints(element.ColumnDef)
          : [],
    )
    .flatMap((constraint) => existingIndex(constraint, key.split('.')[0] ?? '', catalog))
}

function existingValue(
  { typeName, newVal, skipIfNewValExists: isTolerated }: Content<'AlterEnumStmt'>,
  { types }: Catalog,
): Taken | null {
  const name = typeKey(path(typeName))
  const type = types.get(name)
  return newVal === undefined || isTolerated || !type?.labels.includes(newVal)
    ? null
    : taken('value', `${name}.${newVal}`, type)
}

const MOVED = ['OBJECT_TABLE', 'OBJECT_VIEW', 'OBJECT_MATVIEW', 'OBJECT_SEQUENCE']
const RELATIONS = [...MOVED, 'OBJECT_INDEX']

function renamedOnto(node: Content<'RenameStmt'>, catalog: Catalog): Taken | null {
  const { renameType = '', relation, subname = '', newname = '', object } = node
  const from = relationKey(relation)
  const to = (name: string) => `${name.slice(0, name.indexOf('.'))}.${newname}`
  if (RELATIONS.includes(renameType)) {
    const kind = relationCalled(from, catalog)?.kind
    if (kind === undefined) return null
    const hasType = kind !== 'index' && kind !== 'sequence'
    return relationCalled(to(from), catalog) ?? (hasType ? typeCalled(to(from), catalog) : null)
  }
  if (renameType === 'OBJECT_COLUMN' || partKinds[renameType]) return renamedPart(node, from, catalog)
  if (renameType === 'OBJECT_SCHEMA')
    return catalog.schemas.has(subname) ? taken('schema', newname, catalog.schemas.get(newname)) : null
  if (renameType !== 'OBJECT_TYPE' && renameType !== 'OBJECT_DOMAIN') return renamedRoutine(node, catalog)
  const type = typeKey(objectNames(object))
  if (!catalog.types.has(type)) return null
  const other = catalog.types.get(type)?.kind === 'composite' ? relationCalled(to(type), catalog) : null
  return other ?? typeCalled(to(type), catalog)
}

function renamedPart(
  { renameType, subname = '', newname = '' }: Content<'RenameStmt'>,
  owner: string,
  catalog: Catalog,
): Taken | null {
  const table = catalog.tables.get(owner)
  const kind = partKinds[renameType ?? ''] ?? 'column'
  const parts: Partial<Record<string, ReadonlyMap<string, { readonly position?: Taken['position'] }>>> = {
    column: table?.columns,
    constraint: table?.constraints,
    policy: table?.policies,
    trigger: table?.triggers ?? catalog.views.get(owner)?.triggers,
    rule: table?.rules ?? catalog.views.get(owner)?.rules,
  }
  if (!parts[kind]?.has(subname)) return null
  const index = kind === 'constraint' && table?.indexes.has(subname) ? `${table.schema}.${newname}` : null
  return (
    taken(kind, `${owner}.${newname}`, parts[kind].get(newname)) ??
    (index === null ? null : relationCalled(index, catalog))
  )
}

function renamedRoutine({ object, newname = '' }: Content<'RenameStmt'>, { functions }: Catalog): Taken | null {
  const routine = routineOf(object, functions)
  if (!routine) return null
  const to = `${routine.schema}.${newname}${routine.argumentTypes}`
  return taken('function', to, functions.get(to))
}

/** Told where a single routine has the name: its arguments are known then. */
function routineOf(object: ParsedStatement['node'] | undefined, functions: Catalog['functions']) {
  if (!object || !('ObjectWithArgs' in object)) return null
  const name = typeKey(path(object.ObjectWithArgs.objname))
  const [one, another] = [...functions.keys()].filter((key) => key.startsWith(`${name}(`))
  if (one === undefined || another !== undefined) return null
  const dot = name.indexOf('.')
  return { schema: name.slice(0, dot), name: name.slice(dot + 1), argumentTypes: one.slice(name.length) }
}

/** A table takes its indexes along. */
function movedOnto(node: Content<'AlterObjectSchemaStmt'>, catalog: Catalog): Taken[] {
  const { objectType = '', relation, object, newschema: schema = '' } = node
  const { tables, views, types, functions } = catalog
  const from = MOVED.includes(objectType) ? relationKey(relation) : typeKey(objectNames(object))
  const dot = from.indexOf('.')
  if (from.slice(0, dot) === schema) return []
  const to = `${schema}${from.slice(dot)}`
  if (MOVED.includes(objectType)) {
    const kind = relationCalled(from, catalog)?.kind
    if (kind === undefined) return []
    const own = relationCalled(to, catalog) ?? (kind === 'sequence' ? null : typeCalled(to, catalog))
    const indexes = (tables.get(from) ?? views.get(from))?.indexes.keys() ?? []
    return [own, ...[...indexes].map((name) => relationCalled(`${schema}.${name}`, catalog))].flatMap(listOf)
  }
  if (objectType === 'OBJECT_TYPE' || objectType === 'OBJECT_DOMAIN')
    return types.has(from) ? listOf(typeCalled(to, catalog)) : []
  const routine = routineOf(object, functions)
  if (!routine || routine.schema === schema) return []
  const key = `${schema}.${routine.name}${routine.argumentTypes}`
  return listOf(taken('function', key, functions.get(key)))
}

function listOf(found: Taken | null): Taken[] {
  return found ? [found] : []
}
