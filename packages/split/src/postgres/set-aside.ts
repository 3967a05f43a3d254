import type { Connection } from '@imhotep/postgres'
import { asideName } from '../aside-name.ts'
import type { MovedTable } from '../model.ts'
import type { End } from './layout.ts'
import { withShortLocks } from './session.ts'
import { identifier, qualified } from './sql-text.ts'

const maxLength = 63

/** See `Side.setAside`. */
export async function setTablesAside(session: Connection, tables: readonly MovedTable[], end: End): Promise<void> {
  const present = await existing(
    session,
    tables.map((table) => qualified(table[end])),
  )
  for (const table of tables) {
    const name = qualified(table[end])
    if (!present.has(name)) continue
    await withShortLocks(session, () =>
      session.script(`alter table ${name} rename to ${identifier(asideName(table[end], maxLength).name)}`),
    )
  }
}

/** See `Side.dropSetAside`. In one statement: they may refer to each other. What else refers to them is an error. */
export async function dropTablesSetAside(session: Connection, tables: readonly MovedTable[], end: End): Promise<void> {
  const names = tables.map((table) => qualified(asideName(table[end], maxLength)))
  const present = await existing(session, names)
  if (present.size === 0) return
  await withShortLocks(session, () => session.script(`drop table ${[...present].join(', ')}`))
}

async function existing(session: Connection, names: readonly string[]): Promise<Set<string>> {
  const rows = await session.query<{ name: string }>(
    `select name from unnest($1::text[]) name where to_regclass(name) is not null`,
    [names],
  )
  return new Set(rows.map(({ name }) => name))
}
