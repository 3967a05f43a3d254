import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readEnvFile, Split, type Ledger } from '@imhotep/split'
import { startLogicalServer } from '../../support/logical-server.ts'
import { startMariadb } from '../../support/mariadb.ts'
import { openClient, troubleOf } from '../nilecare/writer/client.ts'
import type { Location } from '../nilecare/writer/location.ts'
import { Writer } from '../nilecare/writer/writer.ts'
import { ownerMap, probes, services, sharedSchema } from './shared-schema.ts'
import type { Job } from './mover.ts'

/** A server that can be killed, and comes back with everything that was committed. */
interface Killable {
  url(database?: string): string
  /** SIGKILL, and a start on the same data. */
  killAndStart(): Promise<void>
  remove(): Promise<void>
}

export interface World extends AsyncDisposable {
  readonly source: Killable
  readonly target: Killable
  readonly settings: Job['settings']
  state(service: string): Promise<string>
  /** Whether a client may write the service's tables there; null: there are none. */
  accepts(service: string, where: 'shared' | 'own'): Promise<boolean | null>
  /** Count and sum of rows that nobody changes, where the service's route leads. */
  seeds(service: string): Promise<string>
  write(): Writer
}

export async function openWorld(kind: Location['kind']): Promise<World> {
  const target = await killablePostgres()
  const source = kind === 'mariadb' ? await killableMariadb() : await killablePostgres()
  const directory = mkdtempSync(join(tmpdir(), 'imhotep-kills-'))
  const shared: Location = { kind, url: source.url('hospital') }
  await runStatements({ kind, url: source.url(kind === 'mariadb' ? '' : 'postgres') }, ['create database hospital'])
  await runStatements(shared, sharedSchema(kind))
  const settings = {
    sourceUrl: shared.url,
    targetUrl: target.url(),
    schemaDirectory: join(directory, 'schemas'),
    envDirectory: join(directory, 'env'),
  }
  const mapFile = join(directory, 'owners.yaml')
  writeFileSync(mapFile, ownerMap)
  await withSplit(settings, (split) => split.makePlan(mapFile))
  const own = (service: string): Location => ({ kind: 'postgres', url: target.url(`hospital_${service}`) })
  const route = (service: string): Location => {
    const { DATABASE_URL: url = shared.url, IMHOTEP_SPLIT_ROUTE: where } = readEnvFile(
      join(settings.envDirectory, `${service}.env`),
    )
    return where === 'own' ? { kind: 'postgres', url } : { kind, url }
  }
  return {
    source,
    target,
    settings,
    state: (service) => withLedger(settings, async (ledger) => (await ledger.read(service)).state),
    accepts: (service, where) => accepts(where === 'own' ? own(service) : shared, probes[service]?.write ?? ''),
    async seeds(service) {
      const client = await openClient(route(service))
      try {
        const [row] = await client.query(probes[service]?.seeds ?? '')
        return Object.values(row ?? {}).join(' ')
      } finally {
        await client.close()
      }
    },
    write: () => new Writer({ route, services, workers: 3, rate: 60 }),
    async [Symbol.asyncDispose]() {
      await Promise.all([source.remove(), target.remove()])
      rmSync(directory, { recursive: true })
    },
  }
}

async function killablePostgres(): Promise<Killable> {
  const started = await startLogicalServer({ synchronous_commit: 'on' })
  let { server } = started
  return {
    url: (database) => server.url(database),
    async killAndStart() {
      process.kill(server.pid, 'SIGKILL')
      server = await started.restart()
    },
    remove: () => started.remove(),
  }
}

async function killableMariadb(): Promise<Killable> {
  const server = await startMariadb({ innodb_flush_log_at_trx_commit: '1', sync_binlog: '1' })
  return {
    url: (database) => server.url(database),
    async killAndStart() {
      await server.kill()
      await server.start()
    },
    remove: () => server.remove(),
  }
}

async function runStatements(place: Location, statements: readonly string[]): Promise<void> {
  const client = await openClient(place)
  for (const statement of statements) await client.query(statement)
  await client.close()
}

/** As a client finds it: a statement that changes nothing, taken back. */
async function accepts(place: Location, statement: string): Promise<boolean | null> {
  for (;;) {
    try {
      const client = await openClient(place)
      try {
        await client.query(place.kind === 'mariadb' ? 'start transaction' : 'begin')
        await client.query(statement)
        await client.query('rollback')
        return true
      } finally {
        await client.close()
      }
    } catch (error) {
      const { sqlstate, errno, message } = error as { sqlstate?: string; errno?: number; message: string }
      if (sqlstate === 'IMH01' || (errno === 1644 && message.startsWith('IMH01'))) return false
      if (troubleOf(error) === 'moved') return null
      if (troubleOf(error) !== 'conflict') throw error
    }
  }
}

async function withSplit<T>(settings: Job['settings'], work: (split: Split) => Promise<T>): Promise<T> {
  const split = await Split.open({ ...settings, signal: new AbortController().signal, say: () => {} })
  try {
    return await work(split)
  } finally {
    await split.close()
  }
}

function withLedger<T>(settings: Job['settings'], work: (ledger: Ledger) => Promise<T>): Promise<T> {
  return withSplit(settings, ({ ledger }) => work(ledger))
}
