import type { Client } from './client.ts'
import type { WriterTable } from './writer-tables.ts'

/** One row that the writer made, as it must be now; `gone` after its deletion. */
export interface JournalRow {
  readonly table: WriterTable
  readonly token: string
  counter: number
  note: string
  gone: boolean
  readonly children: JournalRow[]
}

/** One change of one row, decided before it is sent. */
export interface Change {
  readonly kind: 'insert' | 'update' | 'delete'
  readonly row: JournalRow
  readonly counter: number
  readonly note: string
  /** Of an insert. */
  readonly values: Readonly<Record<string, string | number>>
  readonly parent?: JournalRow
}

export async function sendChange(client: Client, change: Change): Promise<void> {
  const { row, counter, note, values, parent } = change
  const { name, token, counter: counted, parent: link } = row.table
  if (change.kind === 'update') {
    await client.query(`update ${name} set ${counted} = ?, note = ? where ${token} = ?`, [counter, note, row.token])
    return
  }
  if (change.kind === 'delete') {
    await client.query(`delete from ${name} where ${token} = ?`, [row.token])
    return
  }
  const columns: Record<string, string | number> = { [token]: row.token, [counted]: counter, note, ...values }
  if (link && parent) {
    // on its own: MariaDB refuses a trigger that updates a table which the statement reads
    const sql = `select id from ${link.table} where ${parent.table.token} = ?`
    const [found] = await client.query(sql, [parent.token])
    columns[link.column] = String(found?.['id'])
  }
  const places = Object.keys(columns).map(() => '?')
  await client.query(
    `insert into ${name} (${Object.keys(columns).join(', ')}) values (${places.join(', ')})`,
    Object.values(columns),
  )
}

/** Whether the change is in the database: how a commit whose answer was lost is resolved. */
export async function isThere(client: Client, { kind, row, counter }: Change): Promise<boolean> {
  const { name, token, counter: counted } = row.table
  const [found] = await client.query(`select ${counted} as counter from ${name} where ${token} = ?`, [row.token])
  if (kind === 'delete') return found === undefined
  return found !== undefined && Number(found['counter']) === counter
}

export function record(change: Change): void {
  const { row } = change
  if (change.kind === 'delete') {
    row.gone = true
    for (const child of row.children) child.gone = true
    return
  }
  row.counter = change.counter
  row.note = change.note
  row.gone = false
  if (change.kind === 'insert') change.parent?.children.push(row)
}
