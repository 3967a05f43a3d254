import { connect, ConnectionFailedError, ConnectionLostError, DatabaseError } from '@imhotep/postgres'
import { createConnection, type RowDataPacket } from 'mysql2/promise'
import type { Location } from './location.ts'

/** What a failure means to the writer. */
export type Trouble =
  /** The table refuses writes or is not here: ask where it is now. */
  | 'moved'
  /** Another session was in the way: the transaction is rolled back. */
  | 'conflict'
  /** The connection is gone or cannot be had. */
  | 'lost'
  /** The row is there already. */
  | 'exists'
  | 'failure'

/** One session. Statements have `?` for their parameters. */
export interface Client {
  query(sql: string, params?: readonly (string | number)[]): Promise<Record<string, unknown>[]>
  close(): Promise<void>
}

export function openClient({ kind, url, schema = 'public' }: Location): Promise<Client> {
  return kind === 'mariadb' ? openMariadb(url) : openPostgres(url, schema)
}

async function openMariadb(url: string): Promise<Client> {
  const connection = await createConnection({ uri: url, charset: 'utf8mb4', connectTimeout: 3000 })
  // a connection that breaks while nobody waits for it is noticed by the next statement
  connection.on('error', () => {})
  return {
    query: async (sql, params = []) => {
      const [rows] = await connection.query<RowDataPacket[]>(sql, [...params])
      return Array.isArray(rows) ? rows : []
    },
    close: async () => connection.destroy(),
  }
}

async function openPostgres(url: string, schema: string): Promise<Client> {
  const connection = await connect(url, { applicationName: 'nilecare-writer' }).dedicated()
  await connection.query(`set search_path = ${schema}`)
  return {
    query: (sql, params = []) => {
      let at = 0
      return connection.query(
        sql.replaceAll('?', () => `$${++at}`),
        params,
      )
    },
    close: () => connection.release(),
  }
}

/** Tells failures of both drivers apart. */
export function troubleOf(error: unknown): Trouble {
  if (error instanceof ConnectionFailedError || error instanceof ConnectionLostError) return 'lost'
  if (error instanceof DatabaseError) return troubleOfState(error.sqlstate)
  const { errno, code, message, fatal } = error as { errno?: number; code?: string; message: string; fatal?: boolean }
  if (errno === 1644 && message.startsWith('IMH01')) return 'moved'
  // no such table or database
  if (errno === 1146 || errno === 1049) return 'moved'
  if (errno === 1213 || errno === 1205) return 'conflict'
  if (errno === 1062) return 'exists'
  const isServerGone = [1053, 1927, 1040, 1152, 1159, 1161].includes(errno ?? 0)
  const isSocketGone = /^(E[A-Z]+|PROTOCOL_.*)$/.test(code ?? '') || /closed state/.test(message)
  return isServerGone || isSocketGone || fatal === true ? 'lost' : 'failure'
}

function troubleOfState(sqlstate: string): Trouble {
  if (['IMH01', '42P01', '3F000', '3D000'].includes(sqlstate)) return 'moved'
  if (['40001', '40P01', '55P03'].includes(sqlstate)) return 'conflict'
  if (sqlstate === '23505') return 'exists'
  return /^(08|57P|53)/.test(sqlstate) ? 'lost' : 'failure'
}
