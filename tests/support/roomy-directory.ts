import { statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'

/** Where tools/test.ts lets servers of tests keep their data: what a test leaves there goes at its end. */
export const dataDirectoryVariable = 'IMHOTEP_TEST_DATA'

/**
 * For data of servers: the memory file system where it has 4 GiB free. Hundreds of databases are made and dropped, and ext4
 * is slow to create files where many were just removed: on disk the tests take five times as long.
 */
export async function roomyDirectory(): Promise<string> {
  const given = process.env[dataDirectoryVariable]
  if (given) return given
  const memory = '/dev/shm'
  const free = await statfs(memory).then(
    ({ bavail, bsize }) => bavail * bsize,
    () => 0,
  )
  return free >= 4 * 2 ** 30 ? memory : tmpdir()
}
