import type { ParsedStatement } from '../../parse/parse-sql.ts'
import { objectNames, path } from '../../parse/references.ts'
import { alterSteps } from '../locks/alter-steps.ts'
import { relationKey, typeKey } from './names.ts'
import { partKinds } from './part-kinds.ts'
import type { Use } from './uses.ts'

type Content<Tag extends string> = Extract<ParsedStatement['node'], Record<Tag, unknown>>[Tag]

/** What else than a relation or a column a statement drops, renames or changes: constraints, triggers, types, values, .. */
export function partUsesOf(statement: ParsedStatement): Use[] {
  const { node, start } = statement
  if ('AlterTableStmt' in node) return constraintsOf(statement)
  if ('DropStmt' in node) return dropped(node.DropStmt, start)
  if ('RenameStmt' in node) return renamed(node.RenameStmt, start)
  if ('AlterEnumStmt' in node) return values(node.AlterEnumStmt, start)
  if (!('AlterPolicyStmt' in node)) return []
  const { table, policy_name: name } = node.AlterPolicyStmt
  return [{ kind: 'policy', name: `${relationKey(table)}.${name}`, at: start, as: 'alter policy' }]
}

function constraintsOf(statement: ParsedStatement): Use[] {
  const steps = alterSteps(statement)
  const added = new Set(
    steps.flatMap(({ command: { def } }) => (def && 'Constraint' in def ? def.Constraint.conname : []) ?? []),
  )
  return steps.flatMap(({ table, command, start }): Use[] => {
    const { subtype, name, def, missing_ok: isOptional } = command
    const isDrop = subtype === 'AT_DropConstraint'
    const own = def && 'ATAlterConstraint' in def ? def.ATAlterConstraint.conname : name
    if (isOptional || !(isDrop || subtype === 'AT_ValidateConstraint' || subtype === 'AT_AlterConstraint')) return []
    // PostgreSQL drops first, whatever the order, and validates last.
    if (own === undefined || (!isDrop && added.has(own))) return []
    return [{ kind: 'constraint', name: `${table}.${own}`, at: start, as: 'alter table' }]
  })
}

const WHOLE: Readonly<Record<string, 'index' | 'type' | 'function'>> = {
  OBJECT_INDEX: 'index',
  OBJECT_TYPE: 'type',
  OBJECT_DOMAIN: 'type',
  OBJECT_FUNCTION: 'function',
  OBJECT_PROCEDURE: 'function',
  OBJECT_ROUTINE: 'function',
}

/** What lies in no schema. */
const OUTSIDE: Readonly<Record<string, 'schema' | 'extension' | 'publication'>> = {
  OBJECT_SCHEMA: 'schema',
  OBJECT_EXTENSION: 'extension',
  OBJECT_PUBLICATION: 'publication',
}

function dropped({ removeType, objects = [], missing_ok: isOptional }: Content<'DropStmt'>, at: number): Use[] {
  if (isOptional || !removeType) return []
  return objects.flatMap((object): Use[] => {
    const names = namesOf(object)
    const part = partKinds[removeType]
    if (part) return [{ kind: part, name: `${typeKey(names.slice(0, -1))}.${names.at(-1)}`, at, as: 'drop' }]
    const outside = OUTSIDE[removeType]
    if (outside) return [{ kind: outside, name: names.join('.'), at, as: 'drop' }]
    const kind = WHOLE[removeType]
    return kind ? [{ kind, name: typeKey(names), at, as: 'drop' }] : []
  })
}

/** Indexes are renamed like tables, which are uses already. */
function renamed(node: Content<'RenameStmt'>, at: number): Use[] {
  const { renameType, relation, subname, object, missing_ok: isOptional } = node
  if (isOptional || !renameType) return []
  const part = partKinds[renameType]
  if (part) return [{ kind: part, name: `${relationKey(relation)}.${subname}`, at, as: 'rename' }]
  const kind = WHOLE[renameType]
  return kind && object ? [{ kind, name: typeKey(namesOf(object)), at, as: 'rename' }] : []
}

function values({ typeName, oldVal, newValNeighbor }: Content<'AlterEnumStmt'>, at: number): Use[] {
  const type = typeKey(path(typeName))
  const labels = [oldVal, newValNeighbor].flatMap((label) => label ?? [])
  return [
    { kind: 'type', name: type, at, as: 'alter type' },
    ...labels.map((label): Use => ({ kind: 'value', name: `${type}.${label}`, at, as: 'alter type' })),
  ]
}

function namesOf(object: ParsedStatement['node']): string[] {
  return 'ObjectWithArgs' in object ? path(object.ObjectWithArgs.objname) : objectNames(object)
}
