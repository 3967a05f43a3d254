import { connect, DatabaseError } from '@imhotep/postgres'

export interface Writers {
  /** Keys whose insertion was acknowledged. */
  readonly acknowledged: Set<number>
  /** Transactions that committed. */
  commits: number
  /** SQLSTATEs of those that were refused. */
  readonly refused: Map<string, number>
  stop(): Promise<void>
}

export const writersTables = `
  create table accounts (id int primary key, balance int not null, note text);
  create table entries (id bigint primary key, account int not null, amount int not null);
  alter table accounts alter note set storage external;`

export const writersRows = `insert into accounts select n, 0, repeat('long', 1000) from generate_series(1, 200) n;`

/** Clients that insert, change and delete rows of both tables in small transactions until they are stopped. */
export function startWriters(url: string, count = 4): Writers {
  const db = connect(url, { max: count, applicationName: 'writers' })
  const writers: Writers = { acknowledged: new Set(), commits: 0, refused: new Map(), stop }
  const stopped = new AbortController()
  let last = 0

  async function write(): Promise<void> {
    while (!stopped.signal.aborted) {
      const id = ++last
      const account = 1 + Math.floor(Math.random() * 200)
      try {
        await db.transaction(async (tx) => {
          await tx.query('insert into entries values ($1, $2, $3)', [id, account, id % 10])
          await tx.query('update accounts set balance = balance + $2 where id = $1', [account, id % 10])
          if (id % 7 === 0) await tx.query(`update accounts set note = $2 where id = $1`, [account, 'short'])
          if (id % 50 === 0) await tx.query('delete from entries where id = $1', [id - 25])
        })
        writers.acknowledged.add(id)
        if (id % 50 === 0) writers.acknowledged.delete(id - 25)
        writers.commits++
      } catch (error) {
        const state = error instanceof DatabaseError ? error.sqlstate : String(error)
        writers.refused.set(state, (writers.refused.get(state) ?? 0) + 1)
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    }
  }

  const running = Array.from({ length: count }, () => write())
  async function stop(): Promise<void> {
    stopped.abort()
    await Promise.all(running)
    await db.close()
  }
  return writers
}
