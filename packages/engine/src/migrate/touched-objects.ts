import type { ParsedStatement } from '../parse/parse-sql.ts'
import { walkTree } from '../parse/walk.ts'

/** Names of relations, types and functions as `schema.name`; a name without schema counts as one of `public`. */
export interface TouchedObjects {
  /** Created, altered, dropped, written to. */
  readonly changed: Set<string>
  /** Referred to: by a foreign key, a view, a column's type, a trigger's function, a query. */
  readonly used: Set<string>
}

/** What statements change and what they refer to, read from their parse trees. Bodies of functions are bound late: left out. */
export function touchedObjects(statements: readonly ParsedStatement[]): TouchedObjects {
  const touched = { changed: new Set<string>(), used: new Set<string>() }
  for (const { node, kind } of statements) {
    const content: unknown = Object.entries(node).find(([key]) => key === kind)?.[1]
    if (!isTree(content)) continue
    for (const name of targets(kind, content)) touched.changed.add(name)
    walkTree(node, (tag, part) => {
      for (const name of references(tag, part)) touched.used.add(name)
    })
  }
  return touched
}

/** The objects whose state depends on which of the two runs first. */
export function sharedObjects(a: TouchedObjects, b: TouchedObjects): string[] {
  const shared = new Set<string>()
  for (const name of a.changed) if (b.changed.has(name) || b.used.has(name)) shared.add(name)
  for (const name of b.changed) if (a.used.has(name)) shared.add(name)
  return [...shared].toSorted()
}

type Tree = Record<string, unknown>

/** Fields of a statement that hold what it changes, whatever the statement. */
const TARGET_FIELDS = ['relation', 'table', 'view', 'sequence', 'funcname', 'typeName', 'typevar', 'object', 'func']

function targets(kind: string, content: Tree): string[] {
  if (kind === 'CreateTrigStmt' || kind === 'RuleStmt') return nameOf(content.relation)
  if (kind === 'SelectStmt' || kind === 'CallStmt' || kind === 'DoStmt') return []
  if (kind === 'CreateDomainStmt') return nameOf(content.domainname)
  if (kind === 'CreateTableAsStmt') return isTree(content.into) ? nameOf(content.into.rel) : []
  const names = TARGET_FIELDS.flatMap((field) => nameOf(content[field]))
  if (kind === 'DropStmt') return names.concat(droppedNames(content))
  if (kind === 'DefineStmt') return names.concat(nameOf(content.defnames))
  if (kind === 'TruncateStmt') return names.concat(list(content.relations).flatMap(nameOf))
  if (kind === 'GrantStmt') return names.concat(list(content.objects).flatMap(nameOf))
  return names
}

/** A dropped policy, trigger or rule is written as `table.name`: its table is what changes. */
function droppedNames(content: Tree): string[] {
  const onTable = ['OBJECT_POLICY', 'OBJECT_TRIGGER', 'OBJECT_RULE'].includes(String(content.removeType))
  return list(content.objects).flatMap((object) => {
    const names = strings(object)
    return onTable ? nameOfStrings(names.slice(0, -1)) : nameOf(object)
  })
}

function references(tag: string, part: Tree): string[] {
  if (tag === 'RangeVar') return nameOf(part)
  if (tag === 'TypeName') return nameOf(part.names)
  if (tag === 'FuncCall') return nameOf(part.funcname)
  if (tag === 'CreateTrigStmt') return nameOf(part.funcname)
  return []
}

/** The name in a RangeVar, ObjectWithArgs, TypeName or list of strings, tagged or not. */
function nameOf(value: unknown): string[] {
  if (Array.isArray(value)) return nameOfStrings(strings(value))
  if (!isTree(value)) return []
  if ('List' in value || 'String' in value) return nameOfStrings(strings(value))
  if (typeof value.relname === 'string') return nameOfStrings([value.schemaname, value.relname].filter(isText))
  if ('RangeVar' in value) return nameOf(value.RangeVar)
  if ('ObjectWithArgs' in value) return nameOf(value.ObjectWithArgs)
  if ('TypeName' in value) return nameOf(value.TypeName)
  return nameOf(value.objname ?? value.names)
}

/** System objects never change: their names would make every two files meet. */
function nameOfStrings(names: readonly string[]): string[] {
  const [schema, name] = names.length === 1 ? ['public', names[0]] : names.slice(-2)
  if (!name || schema === 'pg_catalog' || schema === 'information_schema') return []
  return [`${schema}.${name}`]
}

function strings(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(strings)
  if (!isTree(value)) return []
  if (isTree(value.List)) return strings(value.List.items)
  if (isTree(value.String)) return [value.String.sval].filter(isText)
  return []
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : []
}

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}
