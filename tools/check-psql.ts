// V001 is also for people who have nothing but psql: `psql -1 -f` must install it on an empty server, and again on a full one;
// the same holds for the script of each service, which says nothing that V001 does not: the oldest and the newest do for it.
// Usage: check-psql.ts [version ...]
import { execFile } from 'node:child_process'
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { connect, startEmbedded } from '@imhotep/postgres'

const execute = promisify(execFile)

type Version = 15 | 16 | 17 | 18

const db = join(dirname(dirname(fileURLToPath(import.meta.url))), 'db')
const whole = { name: 'V001', file: join(db, 'migration/V001__complete_hims_schema.sql') }
const services = readdirSync(join(db, 'services')).map((name) => ({
  name,
  file: join(db, 'services', name, `V001__${name}_schema.sql`),
}))
const given = process.argv.slice(2).map(Number) as Version[]
const versions: readonly Version[] = given.length > 0 ? given : [18, 17, 16, 15]
const ends = [Math.min(...versions), Math.max(...versions)]
/** Waiting for a server, those with the most to do first; two have one at a time. */
const waiting = versions.toSorted((a, b) => Number(ends.includes(b)) - Number(ends.includes(a)))
let failed = 0
await Promise.all([checkNext(), checkNext()])
process.exitCode = failed === 0 ? 0 : 1

async function checkNext(): Promise<void> {
  for (let version = waiting.shift(); version !== undefined; version = waiting.shift()) {
    const directory = mkdtempSync(join(tmpdir(), 'imhotep-psql-'))
    chmodSync(directory, 0o755) // the server's user must be able to enter
    const server = await startEmbedded({ directory, version, settings: { fsync: 'off' } })
    try {
      const admin = connect(server.url('postgres'), { max: 1 })
      for (const { name, file } of ends.includes(version) ? [whole, ...services] : [whole]) {
        await admin.query(`create database "${name}"`)
        for (const round of ['empty', 'again']) {
          const isInstalled = await runPsql(server.url(name), file, `${name} on PostgreSQL ${version}, ${round}`)
          if (!isInstalled) failed++
        }
        await admin.query(`drop database "${name}"`)
      }
      await admin.close()
    } finally {
      await server.stop('immediate')
      rmSync(directory, { recursive: true, force: true })
    }
  }
}

/** False when psql reported an error. The password goes by the environment: arguments are seen by every user of the machine. */
async function runPsql(url: string, script: string, what: string): Promise<boolean> {
  const { hostname, port, username, password, pathname } = new URL(url)
  const started = performance.now()
  const place = ['-h', hostname, '-p', port, '-U', username, '-d', pathname.slice(1)]
  const args = ['-X', '-q', '-1', '-v', 'ON_ERROR_STOP=1', ...place, '-f', script]
  const PGOPTIONS = '-c client_min_messages=warning'
  const env = { ...process.env, PGPASSWORD: decodeURIComponent(password), PGOPTIONS }
  const failure = await execute('psql', args, { env }).then(
    () => null,
    (error: Error & { readonly stderr?: string }) => error.stderr || error.message,
  )
  const ms = Math.round(performance.now() - started)
  console.log(`psql -1 -f ${what}: ${failure === null ? 'installed' : `failed: ${failure}`} (${ms} ms)`)
  return failure === null
}
