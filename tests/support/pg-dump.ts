import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { pgDump } from '@electric-sql/pglite-tools/pg_dump'
import { BlockingConnection } from './blocking-connection.ts'

type PgDumpOptions = Parameters<typeof pgDump>[0]

/**
 * The schema of a database as pg_dump exports it: the program of the server's own version where Debian's package of it is
 * installed, else pg_dump 18 in WebAssembly.
 */
export async function exportSchema(url: string, serverVersion: number): Promise<string> {
  const program = `/usr/lib/postgresql/${serverVersion}/bin/pg_dump`
  if (existsSync(program)) return runProgram(program, url)
  const connection = new BlockingConnection(url)
  try {
    // made for the database of its authors, of which it uses only this
    const database = {
      query: async () => ({ rows: [{ search_path: 'public' }] }),
      exec: async () => [],
      execProtocolRawStream: (sent: Uint8Array, { onRawData }: { onRawData: (answer: Uint8Array) => void }) =>
        onRawData(connection.exchange(sent)),
    }
    const pg = database as unknown as PgDumpOptions['pg']
    const file = await pgDump({ pg, args: ['--schema-only', `--dbname=${url}`] })
    return await file.text()
  } finally {
    await connection.close()
  }
}

function runProgram(program: string, url: string): string {
  const { status, stdout, stderr } = spawnSync(program, ['--schema-only', url], {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  })
  if (status !== 0) throw new Error(stderr)
  return stdout
}
