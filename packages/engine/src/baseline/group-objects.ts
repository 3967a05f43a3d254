import type { PrintedObject } from '../print/printed-object.ts'

/**
 * One table, one place: what stands on a table (indexes, row security, triggers, grants, comments, keys to earlier
 * tables) moves up behind it where everything that it names is already there. Order and contents stay otherwise.
 */
export function groupByTable(objects: readonly PrintedObject[]): PrintedObject[][] {
  const groups: PrintedObject[][] = []
  /** Number of the group in which a name is defined. */
  const places = new Map<string, number>()
  const tables = new Map<string, number>()
  /** Tables of which something stands further down. */
  const scattered = new Set<string>()
  for (const object of objects) {
    const table = tableOf(object)
    const at = table === null ? undefined : tables.get(table)
    if (table !== null && at !== undefined) {
      const group = groups[at] ?? []
      const isEarly = namesOf(object.sql).every((name) => (places.get(name) ?? 0) <= at)
      // A comment may be about what was left behind.
      if (
        isEarly &&
        canFollow(object, group, groups, tables) &&
        !(object.section === 'comments' && scattered.has(table))
      ) {
        group.push(object)
        continue
      }
      scattered.add(table)
    }
    groups.push([object])
    const defined = definedName(object)
    if (defined !== null) places.set(defined, groups.length - 1)
    if (object.section === 'tables' && object.kind === 'table') tables.set(object.object.slice(6), groups.length - 1)
  }
  return groups
}

/** Keys and indexes of partitioned tables have an order of their own; a foreign key needs the key that it refers to. */
function canFollow(
  object: PrintedObject,
  [table]: PrintedObject[],
  groups: PrintedObject[][],
  tables: ReadonlyMap<string, number>,
): boolean {
  if (object.section !== 'constraints' && object.section !== 'indexes') return true
  if (/\bpartition (by|of)\b|\binherits\b/.test(table?.sql ?? '')) return false
  if (object.section === 'indexes') return true
  const [, target = '', columns = ''] = /\breferences ([^\s(]+) ?\(([^)]*)\)/.exec(object.sql) ?? []
  const [key = ''] = namesOf(target)
  const sql = groups[tables.get(key) ?? -1]?.[0]?.sql ?? ''
  return sql.includes(`primary key (${columns})`) || sql.includes(`unique (${columns})`)
}

/** The table that an object stands on: behind ` on `, or of the table itself. */
function tableOf({ object, kind, section }: PrintedObject): string | null {
  if (section === 'tables') return null
  if (kind === 'table') return object.slice(6)
  const on = object.lastIndexOf(' on ')
  return on < 0 ? null : object.slice(on + 4)
}

export function definedName({ object, kind, section }: PrintedObject): string | null {
  if (section === 'grants' || section === 'comments' || section === 'policies') return null
  const name = object.slice(kind.length + 1)
  if (kind === 'function') return name.slice(0, name.indexOf('('))
  return ['table', 'view', 'sequence', 'type'].includes(kind) ? name : null
}

const QUALIFIED = /(?:"((?:[^"]|"")+)"|([a-z_][\w$]*))\.(?:"((?:[^"]|"")+)"|([a-z_][\w$]*))/gi

/** Every `schema.name` in a text; more than there are, from strings, do no harm. */
export function namesOf(sql: string): string[] {
  return [...sql.matchAll(QUALIFIED)].map(
    ([, quotedSchema, schema, quotedName, name]) => `${unquoted(quotedSchema, schema)}.${unquoted(quotedName, name)}`,
  )
}

function unquoted(quoted: string | undefined, plain: string | undefined): string {
  return quoted?.replaceAll('""', '"') ?? plain?.toLowerCase() ?? ''
}
