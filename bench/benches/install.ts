import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { applyMigrations } from '@imhotep/engine'
import { createDatabase, dropDatabase, migrations } from '../databases.ts'
import { measure, type Case } from '../measure.ts'
import type { BenchResult } from '../report.ts'
import type { BenchOptions } from '../run.ts'

const run = promisify(execFile)
const peers = fileURLToPath(new URL('../node_modules', import.meta.url))

/** The whole schema into an empty database: our runner with lock, history and checksums against psql and other runners. */
export async function install({ server }: BenchOptions): Promise<BenchResult> {
  const files = (await readdir(migrations)).filter((name) => name.startsWith('V')).toSorted()
  const folder = await mkdtemp(join(tmpdir(), 'imhotep-install-'))
  const text = (await Promise.all(files.map((name) => readFile(join(migrations, name), 'utf8')))).join('\n')
  await writeFile(join(folder, 'all.sql'), text)
  const url = await createDatabase(server)
  // psql and the peers see a fresh database of the same name each round
  const fresh = async () => {
    await dropDatabase(server, url)
    await createDatabaseNamed(server, url)
  }

  const cases: Case[] = [
    {
      name: 'imhotep migrate (library call)',
      run: async () => void (await applyMigrations(url, { directory: migrations })),
      after: fresh,
    },
  ]
  const skipped: string[] = []
  if (await hasPsql())
    cases.push({
      name: 'psql -1 -f',
      run: async () =>
        void (await run('psql', ['-X', '-q', '-1', '-v', 'ON_ERROR_STOP=1', '-f', join(folder, 'all.sql'), url], {
          maxBuffer: 1 << 26,
        })),
      after: fresh,
    })
  else skipped.push('psql: apt-get install postgresql-client')
  for (const peer of await peerCases(folder, text, url, fresh)) {
    if (typeof peer === 'string') skipped.push(peer)
    else cases.push(peer)
  }

  const measured = await measure(cases, 5)
  await dropDatabase(server, url)
  await rm(folder, { recursive: true })
  const [ours, psql] = measured
  return {
    bench: 'install',
    measured,
    figures:
      ours && psql?.name.startsWith('psql')
        ? [{ name: 'imhotep migrate / psql -1 -f', value: ours.wallMs / psql.wallMs, unit: 'x', goal: '<= 1' }]
        : [],
    skipped,
    setting: { files: files.length, bytes: text.length },
  }
}

async function createDatabaseNamed(server: string, url: string): Promise<void> {
  const { connect } = await import('@imhotep/postgres')
  const db = connect(server, { max: 1 })
  await db.query(`create database ${new URL(url).pathname.slice(1)}`)
  await db.close()
}

async function hasPsql(): Promise<boolean> {
  return run('psql', ['--version']).then(
    () => true,
    () => false,
  )
}

/** One case a peer that is installed, else how to install it. */
async function peerCases(
  folder: string,
  text: string,
  url: string,
  fresh: () => Promise<void>,
): Promise<(Case | string)[]> {
  const env = { ...process.env, DATABASE_URL: url, NODE_PATH: peers }
  const options = { env, cwd: folder, maxBuffer: 1 << 26 }
  const call = (name: string, args: string[]) => async () => void (await run(join(peers, '.bin', name), args, options))
  const peer = async (name: string, file: string, content: string, args: string[]): Promise<Case | string> => {
    if (!existsSync(join(peers, '.bin', name))) return `${name}: npm i --prefix bench`
    const path = join(folder, file)
    await run('mkdir', ['-p', join(path, '..')])
    await writeFile(path, content)
    const one = { name, run: call(name, args), after: fresh }
    // its own message may hold the connection string
    const works = await one.run().then(
      () => true,
      () => false,
    )
    await fresh()
    return works ? one : `${name}: it cannot apply the script`
  }
  return [
    await peer('dbmate', 'dbmate/20260101000000_all.sql', `-- migrate:up\n${text}\n-- migrate:down\n`, [
      '--url',
      `${url}?sslmode=disable`,
      '--migrations-dir',
      'dbmate',
      '--no-dump-schema',
      'up',
    ]),
    await peer('node-pg-migrate', 'npm/1700000000000_all.sql', text, [
      'up',
      '-m',
      'npm',
      '--migration-file-language',
      'sql',
      '--no-verbose',
    ]),
    await peer(
      'knex',
      'knex/20260101000000_all.js',
      `const sql = require('fs').readFileSync(${JSON.stringify(join(folder, 'all.sql'))}, 'utf8').replaceAll('?', '\\\\?')\nexports.up = (knex) => knex.raw(sql)\nexports.down = () => {}\n`,
      ['migrate:latest', '--client', 'pg', '--connection', url, '--migrations-directory', 'knex'],
    ),
  ]
}
