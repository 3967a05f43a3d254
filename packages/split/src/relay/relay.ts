import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { serviceNames, serviceTopology, type Module, type ServiceTopology } from '@imhotep/engine'
import { connect, type Database } from '@imhotep/postgres'
import { UnknownServiceError } from '../errors.ts'
import { oneAtATime } from '../one-at-a-time.ts'
import { Listener } from './listener.ts'
import { Troubles } from './troubles.ts'

const everyMs = 1_000
const atMostEveryMs = 30_000

export interface RelayOptions {
  /** What the databases are made of. */
  readonly modules: readonly Module[]
  /** Service -> connection string of a superuser of its database. Services that are not named take no part. */
  readonly urls: ReadonlyMap<string, string>
  /** Ends when everybody has heard once what there is. */
  readonly once: boolean
  readonly signal: AbortSignal
  readonly say: (text: string) => void
}

/** What a service has heard of another one. */
export interface Hearing {
  readonly service: string
  readonly owner: string
  /** How many rows of what it keeps that has changed. */
  readonly rows: number
  /** Why it could not hear the last time. */
  readonly failure: string | null
}

/**
 * Hands the events of each service's rows to the services that keep something of them, until the signal comes. Each pair
 * goes on by itself: what cannot be reached is tried again while the others go on.
 * @throws UnknownServiceError, UsageError for a text that is no URL
 */
export async function relay(options: RelayOptions): Promise<readonly Hearing[]> {
  const { modules, urls, signal, say } = options
  const known = serviceNames(modules)
  for (const name of urls.keys()) if (!known.includes(name)) throw new UnknownServiceError(name, known)

  const pools = new Map<string, Database>()
  try {
    for (const [name, url] of urls) pools.set(name, connect(url, { max: 3, applicationName: 'imhotep relay' }))
    const troubles = new Troubles(say)
    const listeners = listenersOf(await serviceTopology(modules), pools)
    setMaxListeners(listeners.length + 10, signal) // each waits for it
    return await Promise.all(listeners.map((listener) => listen(listener, troubles, options)))
  } finally {
    await Promise.all([...pools.values()].map((pool) => pool.close()))
  }
}

/** One for each two services of which one keeps something of the other's tables. */
function listenersOf(topologies: readonly ServiceTopology[], pools: ReadonlyMap<string, Database>): Listener[] {
  const lookAlone = oneAtATime()
  const peers = [...pools].map(([name, db]) => ({ name, db }))
  return peers.flatMap((reader) => {
    const topology = topologies.find(({ service }) => service === reader.name)
    return peers.flatMap((owner) => {
      const keeps = topology?.keeps.filter((kept) => kept.owner === owner.name) ?? []
      return keeps.length === 0 ? [] : [new Listener(reader, owner, keeps, lookAlone)]
    })
  })
}

async function listen(listener: Listener, troubles: Troubles, { once, signal }: RelayOptions): Promise<Hearing> {
  let rows = 0
  let failure: string | null = null
  for (let wait = everyMs; !signal.aborted;) {
    try {
      rows += await listener.hear(signal)
      troubles.end(listener)
      failure = null
      wait = everyMs
    } catch (error) {
      failure = error instanceof Error ? error.message : String(error)
      if (!once) troubles.begin(listener, failure)
      wait = Math.min(wait * 2, atMostEveryMs)
    }
    if (once) break
    await sleep(wait, undefined, { signal }).catch(() => undefined)
  }
  return { service: listener.reader.name, owner: listener.owner.name, rows, failure }
}
