import type { Duplex } from 'node:stream'
import { createClient, type Client } from './client.ts'

/** Messages beyond this wait in the socket, and so at the server. */
const maxWaitingBytes = 4 * 1024 * 1024

/** A connection on which the server sends its log: commands of the replication protocol, and SQL without parameters. */
export interface Replication {
  /** Runs IDENTIFY_SYSTEM, CREATE_REPLICATION_SLOT or SQL. */
  run(command: string): Promise<Record<string, unknown>[]>
  /** Runs START_REPLICATION. The connection serves nothing else from then on. */
  stream(command: string): Promise<ReplicationStream>
  /** Also in the midst of a stream. */
  close(): Promise<void>
}

/** What the server sends, message by message, as many at a time as have arrived; it waits for a slow reader. */
export interface ReplicationStream extends AsyncIterable<readonly Buffer[]> {
  /** Sends a message of the replication protocol, such as a standby status update. */
  send(message: Buffer): void
}

/**
 * Opens a replication connection to the database of `url`; `settings` hold for its session (they decide how values are
 * written). https://www.postgresql.org/docs/current/protocol-replication.html
 * @throws ConnectionFailedError, DatabaseError; the stream throws ConnectionLostError when the server goes away
 */
export async function openReplication(
  url: string,
  settings: Readonly<Record<string, string>> = {},
): Promise<Replication> {
  const client = createClient(url, { startup: { ...settings, replication: 'database' } })
  try {
    await client.script('select 1')
  } catch (error) {
    await client.close({ force: true })
    throw error
  }
  return {
    run: async (command) => [...(await client.script(command))] as Record<string, unknown>[],
    stream: (command) => startStream(client, command),
    close: () => client.close({ force: true }),
  }
}

async function startStream(client: Client, command: string): Promise<ReplicationStream> {
  let duplex: Duplex
  try {
    duplex = (await client.copy(command).writable()) as Duplex
  } catch (error) {
    throw client.translate(error)
  }
  const messages = collectMessages(client, duplex)
  return {
    [Symbol.asyncIterator]: () => messages,
    send: (message) => {
      if (!duplex.destroyed) duplex.write(message)
    },
  }
}

/** Listens from now on: a stream that breaks before somebody reads it must tell as well. */
function collectMessages(client: Client, stream: Duplex): AsyncGenerator<readonly Buffer[], void, undefined> {
  let waiting: Buffer[] = []
  let waitingBytes = 0
  let over = false
  let failure: unknown
  let wake = () => {}
  const finish = () => {
    over = true
    wake()
  }
  // Only `data` keeps the bounds of messages: the stream joins what is read from it in any other way.
  stream.on('data', (message: Buffer) => {
    waiting.push(message)
    waitingBytes += message.length
    if (waitingBytes > maxWaitingBytes) stream.pause()
    wake()
  })
  stream.on('error', (error) => {
    failure = error
    finish()
  })
  stream.on('end', finish)
  stream.on('close', finish)
  if (stream.destroyed) finish()

  async function* read(): AsyncGenerator<readonly Buffer[], void, undefined> {
    try {
      for (;;) {
        if (waiting.length > 0) {
          const batch = waiting
          waiting = []
          waitingBytes = 0
          stream.resume()
          yield batch
        } else if (over) {
          if (failure !== undefined) throw client.translate(failure)
          return
        } else await new Promise<void>((resolve) => (wake = resolve))
      }
    } finally {
      await client.close({ force: true })
    }
  }
  return read()
}
