import { OrphanRowsError } from '../errors.ts'
import type { Orphans, OwnedForeignKey } from '../side.ts'
import type { Session } from './session.ts'
import { ownStatement, quoteName, quoteTable, quoteText } from './sql-text.ts'
import { retryBusy } from './table-locks.ts'

export async function dropForeignKeys(session: Session, keys: readonly OwnedForeignKey[]): Promise<void> {
  for (const key of keys) {
    if (!(await exists(session, key))) continue
    await retryBusy(
      session,
      [key.table],
      `${ownStatement} alter table ${quoteTable(key.table)} drop foreign key ${quoteName(key.name)}`,
    )
  }
}

/** Without a lock that lasts: rows are looked at first, then the key is added as if they were right. @throws OrphanRowsError */
export async function restoreForeignKeys(session: Session, keys: readonly OwnedForeignKey[]): Promise<void> {
  for (const key of keys) {
    if (await exists(session, key)) continue
    const [orphans] = await orphansOf(session, [key])
    if (orphans) throw new OrphanRowsError(key.table, key.name, orphans.rows)
    await session.run('set session foreign_key_checks = 0')
    try {
      await retryBusy(session, [key.table, key.references], addForeignKey(key))
    } finally {
      await session.run('set session foreign_key_checks = 1')
    }
  }
}

/** See `Side.orphansOf`. */
export async function orphansOf(session: Session, keys: readonly OwnedForeignKey[]): Promise<Orphans[]> {
  const found: Orphans[] = []
  for (const key of keys) {
    const rows = Number(await session.value(countOrphans(key)))
    if (rows > 0) found.push({ table: key.table, constraint: key.name, rows })
  }
  return found
}

async function exists(session: Session, { table, name }: OwnedForeignKey): Promise<boolean> {
  const found = await session.value(
    `select 1 from information_schema.referential_constraints
      where constraint_schema = ${quoteText(table.schema)} and table_name = ${quoteText(table.name)}
        and constraint_name = ${quoteText(name)}`,
  )
  return found !== null
}

function countOrphans({ table, columns, references }: OwnedForeignKey): string {
  const pairs = columns.map((column, at) => `c.${quoteName(column)} = p.${quoteName(references.columns[at] ?? '')}`)
  const given = columns.map((column) => `c.${quoteName(column)} is not null`)
  return (
    `select count(*) from ${quoteTable(table)} c left join ${quoteTable(references)} p on ${pairs.join(' and ')} ` +
    `where ${given.join(' and ')} and p.${quoteName(references.columns[0] ?? '')} is null`
  )
}

function addForeignKey({ table, name, columns, references, onDelete, onUpdate }: OwnedForeignKey): string {
  const list = (names: readonly string[]) => names.map(quoteName).join(', ')
  return (
    `${ownStatement} alter table ${quoteTable(table)} add constraint ${quoteName(name)} foreign key (${list(columns)}) ` +
    `references ${quoteTable(references)} (${list(references.columns)})${action('delete', onDelete)}${action('update', onUpdate)}`
  )
}

/** Spelled out, RESTRICT comes back from the catalog as NO ACTION. */
function action(event: string, what: string): string {
  return what === 'restrict' ? '' : ` on ${event} ${what}`
}
