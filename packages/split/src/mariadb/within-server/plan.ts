import type { TableName } from '../../model.ts'
import type { OwnedForeignKey, SharedCatalog } from '../../side.ts'
import { readCatalog, readTables } from '../catalog.ts'
import type { Session } from '../session.ts'
import { quoteTable, quoteText } from '../sql-text.ts'
import { TableMissingError, TriggerCharsetError } from './errors.ts'
import { readTriggerDefinitions, type TriggerDefinition } from './trigger-definition.ts'

/** What giving tables to another database of the same server does, found out without changing anything. */
export interface WithinServerPlan {
  readonly from: string
  readonly database: string
  /** Renamed, all at once. */
  readonly tables: readonly string[]
  /** With one end among the tables and the other elsewhere, in any database: they are dropped. */
  readonly foreignKeys: readonly OwnedForeignKey[]
  /** They are dropped, and made again: names in their bodies are looked up in the new database then. */
  readonly triggers: readonly TriggerDefinition[]
  /** They read a table by its old name, themselves or through another view, and fail afterwards. */
  readonly views: readonly string[]
  /** Routines, events and triggers whose bodies mention a table on the other side: `procedure admit_patient`. */
  readonly code: readonly string[]
}

/** @throws TableMissingError, TriggerCharsetError */
export async function planRename(
  session: Session,
  from: string,
  database: string,
  tables: readonly string[],
): Promise<WithinServerPlan> {
  const catalog = await readCatalog(session, from)
  const missing = tables.filter((name) => !catalog.tables.some((table) => table.name === name))
  if (missing.length > 0) throw new TableMissingError(from, missing)
  const triggers = await readTriggerDefinitions(session, from, tables)
  for (const { name, charset, body } of triggers) {
    // our sessions send UTF-8
    if (!charset.startsWith('utf8') && /[^\0-\x7f]/.test(body)) throw new TriggerCharsetError(name, charset)
  }
  return {
    from,
    database,
    tables,
    foreignKeys: await crossingKeys(session, from, tables),
    triggers,
    views: await brokenViews(session, from, tables),
    code: codeAcross(catalog, tables),
  }
}

async function crossingKeys(session: Session, from: string, tables: readonly string[]): Promise<OwnedForeignKey[]> {
  const isInside = ({ schema, name }: TableName) => schema === from && tables.includes(name)
  const pointing = await session.rows(
    `select distinct table_schema from information_schema.key_column_usage
      where referenced_table_schema = ${quoteText(from)} and table_schema <> ${quoteText(from)} order by 1`,
  )
  const found: OwnedForeignKey[] = []
  for (const database of [from, ...pointing.map(([name]) => name ?? '')]) {
    for (const { schema, name, foreignKeys } of await readTables(session, database)) {
      const owned = foreignKeys.map((key) => ({ ...key, table: { schema, name } }))
      found.push(...owned.filter((key) => isInside(key.table) !== isInside(key.references)))
    }
  }
  return found
}

async function brokenViews(session: Session, from: string, tables: readonly string[]): Promise<string[]> {
  const rows = await session.rows(
    `select table_schema, table_name, view_definition from information_schema.views order by table_schema, table_name`,
  )
  const broken = new Set(tables.map((name) => quoteTable({ schema: from, name })))
  const found: string[] = []
  for (let before = -1; before < found.length;) {
    before = found.length
    for (const [schema, name, definition] of rows as string[][]) {
      const view = quoteTable({ schema: schema ?? '', name: name ?? '' })
      if (broken.has(view) || ![...broken].some((table) => definition?.includes(table))) continue
      broken.add(view)
      found.push(schema === from ? (name ?? '') : `${schema}.${name}`)
    }
  }
  return found.toSorted()
}

function codeAcross({ tables, routines, triggers }: SharedCatalog, moved: readonly string[]): string[] {
  const stay = tables.map(({ name }) => name).filter((name) => !moved.includes(name))
  const mentions = (body: string, names: readonly string[]) => {
    const words = new Set(body.toLowerCase().match(/[\w$]+/g))
    return names.some((name) => words.has(name.toLowerCase()))
  }
  return [
    ...routines.filter(({ body }) => mentions(body, moved)),
    ...triggers.filter(({ table, body }) => mentions(body, moved.includes(table.name) ? stay : moved)),
  ].map(({ kind, name }) => `${kind} ${name}`)
}
