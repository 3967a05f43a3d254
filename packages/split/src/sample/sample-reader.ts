import type { Transaction } from '@imhotep/postgres'
import type { Session } from '../mariadb/session.ts'
import { quoteName, quoteTable, quoteText } from '../mariadb/sql-text.ts'
import type { TableName } from '../model.ts'
import { columnList, identifier, qualified } from '../postgres/sql-text.ts'

/** Reads as an application does, to be timed. Keys are texts. */
export interface SampleReader {
  keys(table: TableName, key: readonly string[], limit: number): Promise<string[][]>
  point(table: TableName, key: readonly string[], values: readonly string[]): Promise<unknown>
  list(table: TableName, key: readonly string[], limit: number): Promise<unknown>
}

export function postgresReader(db: Transaction): SampleReader {
  return {
    async keys(table, key, limit) {
      const texts = key.map((name) => `${identifier(name)}::text`).join(', ')
      const rows = await db.query<{ key: string[] }>(
        `select array[${texts}] as key from ${qualified(table)} order by ${columnList(key)} limit ${limit}`,
      )
      return rows.map((row) => row.key)
    },
    point(table, key, values) {
      const same = key.map((name, at) => `${identifier(name)} = $${at + 1}`).join(' and ')
      return db.query(`select * from ${qualified(table)} where ${same}`, values)
    },
    list: (table, key, limit) =>
      db.query(`select * from ${qualified(table)} order by ${columnList(key)} limit ${limit}`),
  }
}

export function mariadbReader(session: Session): SampleReader {
  const list = (key: readonly string[]) => key.map(quoteName).join(', ')
  return {
    async keys(table, key, limit) {
      const rows = await session.rows(
        `select ${list(key)} from ${quoteTable(table)} order by ${list(key)} limit ${limit}`,
      )
      return rows.map((row) => row.map((value) => value ?? ''))
    },
    point(table, key, values) {
      const same = key.map((name, at) => `${quoteName(name)} = ${quoteText(values[at] ?? '')}`).join(' and ')
      return session.rows(`select * from ${quoteTable(table)} where ${same}`)
    },
    list: (table, key, limit) =>
      session.rows(`select * from ${quoteTable(table)} order by ${list(key)} limit ${limit}`),
  }
}
