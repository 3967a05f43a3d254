import { changedDigests } from '../catalog/changed-digests.ts'
import { membershipOf } from '../catalog/memberships.ts'
import { defaultPartition } from '../catalog/default-partition.ts'
import { qualifiedName, type Catalog, type Role, type Table } from '../catalog/model.ts'
import type { ParsedObject } from '../print/order-objects.ts'
import { neededNames } from '../print/needed-names.ts'
import { enableEventTriggerStatement } from '../print/print-event-trigger.ts'
import { byDepth } from '../print/print-catalog.ts'
import { routineStatement } from '../print/print-routine.ts'
import { enableRuleStatement } from '../print/print-rule.ts'
import { membershipStatement, roleOptions } from '../print/print-role.ts'
import { partitionOfStatement } from '../print/print-table.ts'
import { enableStatement } from '../print/print-trigger.ts'
import { viewDefault, viewTarget } from '../print/print-view.ts'
import { quoteIdentifier } from '../bundle/quote.ts'
import { PHASES, type UnplacedObject } from '../print/printed-object.ts'
import { addConstraint, addConstraints, addIndex } from './add-parts.ts'
import { changeOptions } from './alter-columns.ts'
import { alterReplicaIdentity, alterTable } from './alter-table.ts'
import { alterSequence, alterType } from './alter-type.ts'
import type { Changes } from './changes.ts'
import type { DiffOptions } from './diff-catalogs.ts'
import { dropObject } from './drop-leftovers.ts'
import { isInheritedConstraint, isInheritedIndex } from './loosen.ts'
import { byHand, statement, type DiffStatement } from './diff-statement.ts'

interface Catalogs {
  readonly left: Catalog
  readonly right: Catalog
}

/** Second stage: makes what is new and changes what is there, in the order in which the right side is printed. */
export function make(
  changes: Changes,
  catalogs: Catalogs,
  objects: readonly ParsedObject[],
  options: DiffOptions,
): DiffStatement[] {
  const found: DiffStatement[] = []
  const tables = byDepth(catalogs.right)
  const asking = objects.filter(({ object }) => asksForKeys(changes, object))
  const atOnce = new Set(asking.flatMap(({ statements }) => statements.flatMap(({ node }) => [...neededNames(node)])))
  const lastTable = objects.findLastIndex(({ object }) => object.phase === 'tables')
  let areTablesDone = false
  for (const [n, own] of objects.entries()) {
    const { object } = own
    if (object.section === 'grants' || object.section === 'comments' || object.phase === 'sequence owners') continue
    if (!areTablesDone && (standsBehindTables(object) || (n > lastTable && asking.includes(own)))) {
      areTablesDone = true
      found.push(...addConstraints(changes, catalogs.right, tables, atOnce, options))
    }
    found.push(
      ...(isMade(changes, object)
        ? makeObject(changes, catalogs, object, options)
        : alterObject(changes, catalogs, object, options)),
    )
  }
  if (!areTablesDone) found.push(...addConstraints(changes, catalogs.right, tables, atOnce, options))
  for (const key of catalogs.right.tables.keys()) found.push(...alterReplicaIdentity(changes, catalogs.right, key))
  return found
}

/** What stands behind the tables may need their keys; some functions and views are needed by tables. */
function standsBehindTables({ phase }: UnplacedObject): boolean {
  return PHASES.indexOf(phase) > PHASES.indexOf('tables') && phase !== 'late functions' && phase !== 'views'
}

/** A query may be grouped by a primary key, or name a constraint: PostgreSQL takes it only while that is there. */
function asksForKeys(changes: Changes, object: UnplacedObject): boolean {
  const isWritten = isMade(changes, object) || changes.properties(object.object).size > 0
  return isWritten && /\bgroup by\b|\bon conflict on constraint\b/i.test(object.statements.join('\n'))
}

function isMade(changes: Changes, { object, owner, phase }: UnplacedObject): boolean {
  if (owner !== null && (changes.isNew(`table ${owner}`) || changes.isNew(`view ${owner}`))) return true
  // Settings of a table that is there, printed as objects of their own, are changed with the table.
  if (object.startsWith('table ') && phase !== 'tables') return changes.isNew(object)
  return changes.isNew(object)
}

function makeObject(
  changes: Changes,
  { left, right }: Catalogs,
  object: UnplacedObject,
  options: DiffOptions,
): DiffStatement[] {
  const table = object.owner === null ? undefined : right.tables.get(object.owner)
  const own = object.phase === 'tables' ? right.tables.get(object.object.slice('table '.length)) : undefined
  if (own && isNewPartition(changes, own)) return [makePartition(left, right, object.object, own)]
  if (table && isNewPartition(changes, table) && comesWithParent(right, table, object)) return []
  if (table && !changes.isNew(`table ${object.owner}`)) {
    const name = object.object.slice(object.kind.length + 1, -` on ${object.owner}`.length)
    if (object.kind === 'index') return addIndex(changes, right, table, object.object, name, options)
    const constraint = table.constraints.get(name)
    if (object.kind === 'constraint' && constraint) {
      return constraint.kind === 'foreign key' ? addConstraint(changes, right, table, constraint, options) : []
    }
  }
  const made = object.statements.map((sql) => statement(object.object, sql))
  // They are made only where they are missing.
  return object.kind === 'other' && changes.remade.has(object.object) && made.length > 0
    ? [...dropObject(left, object.object), ...made]
    : made
}

function makePartition(left: Catalog, right: Catalog, object: string, table: Table): DiffStatement {
  const sql = partitionOfStatement(table)
  const rest = table.partitionOf === null ? undefined : defaultPartition(table.partitionOf, left)
  const key = rest ? qualifiedName(rest.schema, rest.name) : ''
  if (right.tables.get(key)?.partitionOf !== table.partitionOf) return statement(object, sql)
  const reason = `all rows of default partition '${key}' are looked at under an exclusive lock, unless a check of it excludes the new bound`
  return statement(object, sql, 'locks', reason)
}

/** A partition of a table that is there takes its checks and keys from it: written out, PostgreSQL may not find them equal. */
function isNewPartition(changes: Changes, { schema, name, partitionOf }: Table): boolean {
  return partitionOf !== null && changes.isNew(`table ${schema}.${name}`) && !changes.isNew(`table ${partitionOf}`)
}

function comesWithParent(right: Catalog, table: Table, { kind, object, owner }: UnplacedObject): boolean {
  const name = object.slice(kind.length + 1, -` on ${owner}`.length)
  if (kind === 'index') return isInheritedIndex(right, owner ?? '', name)
  return kind === 'constraint' && isInheritedConstraint(right, table, name)
}

function alterObject(
  changes: Changes,
  catalogs: Catalogs,
  object: UnplacedObject,
  options: DiffOptions,
): DiffStatement[] {
  const { left, right } = catalogs
  const key = object.object.slice(object.kind.length + 1)
  const changed = changes.properties(object.object)
  switch (object.phase) {
    case 'tables':
      return object.kind === 'table' ? alterTable(changes, catalogs, key, options) : []
    case 'types':
      return alterType(changes, catalogs, key, options)
    case 'sequences':
      return alterSequence(changes, catalogs, key)
    case 'functions': {
      const routine = right.functions.get(key)
      const isChanged = [...changed].some((property) => !['grants', 'owner', 'comment'].includes(property))
      return routine && isChanged ? [statement(object.object, routineStatement(routine, { replace: true }))] : []
    }
    case 'views':
      return changed.has('options') || changed.has('columnDefaults') ? alterView(left, right, object.object, key) : []
    case 'foreign keys': {
      const table = right.tables.get(object.owner ?? '')
      const constraint = table?.constraints.get(key.slice(0, -` on ${object.owner}`.length))
      return table && constraint?.kind === 'foreign key'
        ? addConstraint(changes, right, table, constraint, options)
        : []
    }
    case 'triggers':
    case 'rules':
      return changed.has('enabled') ? changeEnabled(right, object) : []
    case 'extensions':
      return changed.has('schema') || changed.has('version') ? alterExtension(right, object.object, key, changed) : []
    case 'event triggers': {
      const trigger = right.eventTriggers.get(key.slice('trigger '.length))
      return trigger && changed.has('enabled') ? [statement(object.object, enableEventTriggerStatement(trigger))] : []
    }
    default:
      return []
  }
}

function alterView(left: Catalog, right: Catalog, object: string, key: string): DiffStatement[] {
  const [before, after] = [left.views.get(key), right.views.get(key)]
  if (!before || !after) return []
  const columns = new Set([...Object.keys(before.columnDefaults), ...Object.keys(after.columnDefaults)])
  const defaults = [...columns].filter((column) => before.columnDefaults[column] !== after.columnDefaults[column])
  return [
    ...changeOptions(object, `alter ${viewTarget(after)}`, before.options, after.options),
    ...defaults.map((column) => statement(object, viewDefault(after, column, after.columnDefaults[column] ?? null))),
  ]
}

const STATES = {
  origin: 'fires',
  always: 'fires always',
  replica: 'fires on replicas',
  disabled: 'never fires',
} as const

function changeEnabled(right: Catalog, object: UnplacedObject): DiffStatement[] {
  const owner = right.tables.get(object.owner ?? '') ?? right.views.get(object.owner ?? '')
  const name = object.object.slice(object.kind.length + 1, -` on ${object.owner}`.length)
  const trigger = object.kind === 'trigger' ? owner?.triggers.get(name) : undefined
  const rule = object.kind === 'rule' ? owner?.rules.get(name) : undefined
  if (owner && trigger)
    return [
      statement(
        object.object,
        enableStatement(owner, trigger),
        'breaks clients',
        `the trigger ${STATES[trigger.enabled]} from then on`,
      ),
    ]
  return owner && rule ? [statement(object.object, enableRuleStatement(owner, rule))] : []
}

function alterExtension(right: Catalog, object: string, key: string, changed: ReadonlySet<string>): DiffStatement[] {
  const extension = right.extensions.get(key)
  if (!extension) return []
  const name = quoteIdentifier(key)
  return [
    ...(changed.has('schema')
      ? [
          statement(
            object,
            `alter extension ${name} set schema ${quoteIdentifier(extension.schema)}`,
            'breaks clients',
            'names without schema may no longer be found',
          ),
        ]
      : []),
    ...(changed.has('version') && extension.version !== null
      ? [statement(object, `alter extension ${name} update to '${extension.version}'`)]
      : []),
  ]
}

function alterRole(left: Catalog, right: Catalog, object: string, key: string): DiffStatement[] {
  const [before, after] = [left.roles.get(key), right.roles.get(key)]
  if (!before || !after) return []
  const name = quoteIdentifier(key)
  const words = [
    ...roleOptions(after)
      .split(' ')
      .filter((word) => !word.endsWith('login')),
    ...(after.inherit ? ['inherit'] : []),
    ...(after.bypassRls ? [] : ['nobypassrls']),
    ...(after.superuser ? [] : ['nosuperuser']),
  ]
  const isChanged =
    before.bypassRls !== after.bypassRls || before.inherit !== after.inherit || before.superuser !== after.superuser
  return [
    ...(isChanged
      ? [
          statement(
            object,
            `alter role ${name} ${words.join(' ')}`,
            'breaks clients',
            'the role belongs to all databases of the server',
          ),
        ]
      : []),
    ...before.memberOf.flatMap((group) => alterMembership(before, after, object, group)),
    ...before.memberOf
      .filter((group) => !after.memberOf.includes(group))
      .flatMap((group) => revokeMembership(before, object, group, '', 'the role loses what the group may do')),
    ...after.memberOf
      .filter((group) => !before.memberOf.includes(group))
      .map((group) => statement(object, membershipStatement(after, group))),
  ]
}

/** How a role is in a group that it is in on both sides. */
function alterMembership(before: Role, after: Role, object: string, group: string): DiffStatement[] {
  if (!after.memberOf.includes(group)) return []
  const [old, own] = [membershipOf(before, group), membershipOf(after, group)]
  const changed = (['inherit', 'set'] as const).filter((option) => old[option] !== own[option])
  const name = quoteIdentifier(after.name)
  const target = `${quoteIdentifier(group)} to ${name}`
  return [
    ...(changed.length > 0
      ? [
          statement(
            object,
            `grant ${target} with ${changed.map((option) => `${option} ${own[option]}`).join(', ')}`,
            'breaks clients',
            'what the role may do of what the group may do is something else',
          ),
        ]
      : []),
    ...(!old.admin && own.admin ? [statement(object, `grant ${target} with admin option`)] : []),
    ...(old.admin && !own.admin
      ? revokeMembership(before, object, group, 'admin option for ', 'the role can no longer put others into the group')
      : []),
  ]
}

/** One statement for each of those who granted it. */
function revokeMembership(
  { name, grantors = {} }: Role,
  object: string,
  group: string,
  option: string,
  reason: string,
): DiffStatement[] {
  return (grantors[group] ?? [null]).map((grantor) => {
    const by = grantor === null ? '' : ` granted by ${quoteIdentifier(grantor)}`
    const sql = `revoke ${option}${quoteIdentifier(group)} from ${quoteIdentifier(name)}${by}`
    return statement(object, sql, 'breaks clients', reason)
  })
}

/** Attributes and groups of the roles that both sides have, once every group is there. */
export function alterRoles(changes: Changes, left: Catalog, right: Catalog): DiffStatement[] {
  return [...right.roles.keys()].flatMap((name) =>
    changes.properties(`role ${name}`).size > 0 ? alterRole(left, right, `role ${name}`, name) : [],
  )
}

/** What nobody can print, or must not: it is new, or differs in something that has a name. */
export function unprintable(changes: Changes, left: Catalog, right: Catalog): DiffStatement[] {
  return [...right.others].flatMap(([key, { definition, digests }]) => {
    const object = `other ${key}`
    if (definition === null && changes.isNew(object))
      return byHand(object, 'it is missing, and PostgreSQL does not print its definition')
    if (definition !== null) {
      return changes.properties(object).has('definition') && !changes.remade.has(object)
        ? byHand(object, `it is another one, and is made again with what is sorted by it: ${definition}`)
        : []
    }
    if (!changes.properties(object).has('digests')) return []
    const changed = changedDigests(left.others.get(key)?.digests ?? null, digests)
    return byHand(object, `it differs in ${changed.join(', ')}, whose values are not shown`)
  })
}
