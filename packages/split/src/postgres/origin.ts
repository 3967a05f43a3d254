import { setTimeout as sleep } from 'node:timers/promises'
import { DatabaseError, describeTarget, type Connection } from '@imhotep/postgres'
import { ChangeLogInUseError } from './errors.ts'
import { originPrefix } from './log-decoder.ts'

const takeOverMs = 15_000

/** Origins are of the server, logs of a database. */
export function originName(url: string, log: string): string {
  return `${originPrefix}${describeTarget(url).database}_${log}`
}

/** From now on the log says of everything that this session writes that it came from elsewhere. */
export async function standUnderOrigin(session: Connection, url: string, log: string): Promise<void> {
  const name = originName(url, log)
  await session
    .query(`select pg_replication_origin_create($1) where pg_replication_origin_oid($1) is null`, [name])
    .catch((error: unknown) => {
      // Somebody else was faster.
      if (!(error instanceof DatabaseError) || error.sqlstate !== '23505') throw error
    })
  await whenFree(log, () => session.query('select pg_replication_origin_session_setup($1)', [name]))
}

/** Forgets the origin. Nothing to forget is no error. */
export async function dropOrigin(session: Connection, url: string, log: string): Promise<void> {
  await whenFree(log, () =>
    session.query(`select pg_replication_origin_drop($1) where pg_replication_origin_oid($1) is not null`, [
      originName(url, log),
    ]),
  )
}

/** A session that is lost to us is not yet lost to the server. @throws ChangeLogInUseError */
async function whenFree(log: string, work: () => Promise<unknown>): Promise<void> {
  for (const deadline = Date.now() + takeOverMs; ; await sleep(100)) {
    try {
      await work()
      return
    } catch (error) {
      if (!(error instanceof DatabaseError) || error.sqlstate !== '55006') throw error
      if (Date.now() > deadline) throw new ChangeLogInUseError(log, { cause: error })
    }
  }
}
