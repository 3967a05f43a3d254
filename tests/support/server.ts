import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startEmbedded } from '@imhotep/postgres'

export type PostgresVersion = 15 | 16 | 17 | 18

/** Speed before safety: the data of a test need not outlive a power cut. */
export const testSettings: Readonly<Record<string, string>> = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  // some sixty databases live for a few minutes: looking through them all costs more than the tests
  autovacuum: 'off',
  // every file's databases are opened before the first test runs, each with a pool
  max_connections: '1000',
  // Rows of a failed test are read from its message, not from a log.
  log_min_messages: 'fatal',
}

let server: Promise<string> | undefined

/**
 * Connection string of the superuser (database postgres) of the server that this test run uses: the one that tools/test.ts
 * started, or for a single file run by hand one in the temporary directory, which is left running for the next time.
 */
export function testServer(): Promise<string> {
  server ??= findServer()
  return server
}

/** The version under test: IMHOTEP_TEST_POSTGRES, default 18. */
export function testVersion(): PostgresVersion {
  return Number(process.env['IMHOTEP_TEST_POSTGRES'] ?? 18) as PostgresVersion
}

async function findServer(): Promise<string> {
  const given = process.env['IMHOTEP_TEST_SERVER']
  if (given) return given
  const version = testVersion()
  const directory = join(tmpdir(), `imhotep-test-postgres-${version}`)
  return (await startEmbedded({ directory, version, settings: testSettings })).url()
}
