// V001 is also for people who have nothing but psql: `psql -1 -f` must install it on an empty server, and again on a full one;
// the same holds for the script of each service.
// Usage: check-psql.ts [version ...]
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { connect, startEmbedded } from '@imhotep/postgres'

type Version = 15 | 16 | 17 | 18

const db = join(dirname(dirname(fileURLToPath(import.meta.url))), 'db')
const scripts = new Map([['V001', join(db, 'migration/V001__complete_hims_schema.sql')]])
for (const service of readdirSync(join(db, 'services'))) {
  scripts.set(service, join(db, 'services', service, `V001__${service}_schema.sql`))
}
const versions = process.argv.slice(2).map(Number) as Version[]
let failed = 0
for (const version of versions.length > 0 ? versions : ([18, 17, 16, 15] as const)) {
  const directory = mkdtempSync(join(tmpdir(), 'imhotep-psql-'))
  chmodSync(directory, 0o755) // the server's user must be able to enter
  const server = await startEmbedded({ directory, version, settings: { fsync: 'off' } })
  try {
    const admin = connect(server.url('postgres'), { max: 1 })
    for (const [name, script] of scripts) {
      await admin.query(`create database "${name}"`)
      for (const round of ['empty', 'again'])
        failed += runPsql(server.url(name), script, `${name} on PostgreSQL ${version}, ${round}`)
      await admin.query(`drop database "${name}"`)
    }
    await admin.close()
  } finally {
    await server.stop('immediate')
    rmSync(directory, { recursive: true, force: true })
  }
}
process.exitCode = failed === 0 ? 0 : 1

/** 1 when psql reported an error. The password goes by the environment: arguments are seen by every user of the machine. */
function runPsql(url: string, script: string, what: string): number {
  const { hostname, port, username, password, pathname } = new URL(url)
  const started = performance.now()
  const { status, stderr, error } = spawnSync(
    'psql',
    [
      '-X',
      '-q',
      '-1',
      '-v',
      'ON_ERROR_STOP=1',
      '-h',
      hostname,
      '-p',
      port,
      '-U',
      username,
      '-d',
      pathname.slice(1),
      '-f',
      script,
    ],
    {
      encoding: 'utf8',
      env: { ...process.env, PGPASSWORD: decodeURIComponent(password), PGOPTIONS: '-c client_min_messages=warning' },
    },
  )
  const ms = Math.round(performance.now() - started)
  const result = status === 0 ? 'installed' : `failed: ${error?.message ?? stderr}`
  console.log(`psql -1 -f ${what}: ${result} (${ms} ms)`)
  return status === 0 ? 0 : 1
}
