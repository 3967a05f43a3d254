import type { Readable, Writable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Client } from './client.ts'
import type { Pool } from './pool.ts'

const chunkBytes = 64 * 1024

/** Streams rows into one COPY statement. See `Database.copyFrom`. */
export async function copyFrom(
  pool: Pool,
  sql: string,
  rows: AsyncIterable<string | Buffer> | Iterable<string | Buffer>,
): Promise<void> {
  const client = await pool.acquire()
  let failed = true
  try {
    await copyRows(client, sql, rows)
    failed = false
  } finally {
    pool.release(client, { discard: failed })
  }
}

/** The same on one connection. After a failure an open transaction is aborted, as after any other statement. */
export async function copyRows(
  client: Client,
  sql: string,
  rows: AsyncIterable<string | Buffer> | Iterable<string | Buffer>,
): Promise<void> {
  const query = client.copy(sql)
  // The driver settles the query when the stream opens and drops a refusal that comes behind the last row: catch it here.
  const refused = new Promise<never>((_, reject) => {
    const inner = query as unknown as { reject: (error: unknown) => void }
    const original = inner.reject
    inner.reject = (error) => {
      original(error)
      reject(client.translate(error))
    }
  })
  refused.catch(() => undefined)

  const stream: Writable = await Promise.race([query.writable(), refused])
  // A broken connection shows as an error of the stream as well; `refused` tells it.
  stream.on('error', () => undefined)
  const finished = new Promise<void>((resolve) => stream.once('finish', resolve))
  try {
    for await (const chunk of inChunks(rows)) {
      if (!stream.write(chunk)) await Promise.race([drained(stream), refused])
      // While the kernel takes all, nothing above ever waits: this lets a refusal in.
      await Promise.race([nextTurn(), refused])
    }
  } catch (error) {
    // The reason stays here: what ends a COPY is written to the server's log.
    stream.destroy(new Error('the source of the rows failed'))
    throw error
  }
  stream.end()
  await Promise.race([finished, refused])
}

/** Reads what `copy .. to stdout` sends, in pieces of any size. See `Connection.copyTo`. */
export async function* copyOut(client: Client, sql: string): AsyncGenerator<Buffer, void, undefined> {
  let complete = false
  let stream: Readable | undefined
  try {
    stream = await client.copy(sql).readable()
    yield* stream as AsyncIterable<Buffer>
    complete = true
  } catch (error) {
    complete = !client.lost
    throw client.translate(error)
  } finally {
    // The driver pauses the socket when its buffer is full, and nobody asks it for more at the end of the rows, or at an
    // error between them: the answer that ends the statement would never be read.
    if (complete) stream?.['_read'](0)
    // Rows that nobody reads would stop the connection for ever.
    else await client.close({ force: true })
  }
}

function drained(stream: Writable): Promise<void> {
  return new Promise((resolve) => stream.once('drain', resolve))
}

/** Small parts are joined; large ones are divided: the server reads a message to its end before it begins with the rows. */
async function* inChunks(rows: AsyncIterable<string | Buffer> | Iterable<string | Buffer>) {
  let parts: Buffer[] = []
  let size = 0
  for await (const row of rows) {
    let part = typeof row === 'string' ? Buffer.from(row) : row
    if (size === 0) {
      while (part.length > chunkBytes) {
        yield part.subarray(0, chunkBytes)
        part = part.subarray(chunkBytes)
      }
    }
    parts.push(part)
    size += part.length
    if (size < chunkBytes) continue
    yield Buffer.concat(parts)
    parts = []
    size = 0
  }
  if (size > 0) yield Buffer.concat(parts)
}
