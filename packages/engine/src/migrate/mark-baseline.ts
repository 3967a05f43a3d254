import { normalisedHash } from '../parse/normalised-hash.ts'
import { loadHistory, type AppliedFile, type HistorySource } from './apply-migrations.ts'
import { BaselineRefusedError, UnknownVersionError } from './errors.ts'
import { insertHistoryRow, nextChain, readHistoryRows } from './history-table.ts'
import { compareVersions, isVersion } from './migration-file.ts'
import { withMigrationSession, type SessionOptions } from './migration-session.ts'

export interface BaselineOptions extends HistorySource, SessionOptions {}

/**
 * Records the versions up to `version` as applied without running them, for a database that already has what they make.
 * @throws UnknownVersionError, BaselineRefusedError when the database has a history
 */
export async function markBaseline(
  url: string,
  version: string,
  options: BaselineOptions,
): Promise<{ readonly marked: readonly Omit<AppliedFile, 'ms'>[] }> {
  const versioned = (await loadHistory(options)).filter(({ kind }) => kind === 'versioned')
  if (!isVersion(version) || !versioned.some((file) => compareVersions(file.version, version) === 0)) {
    throw new UnknownVersionError(
      version,
      versioned.map((file) => file.version),
    )
  }

  const files = versioned.filter((file) => compareVersions(file.version, version) <= 0)
  return withMigrationSession(url, options, async (session) => {
    const rows = await readHistoryRows(session.connection, session.table)
    if (rows.length > 0) throw new BaselineRefusedError(session.table.text, rows.length)
    const inserts: string[] = []
    let chain: Buffer | null = null
    for (const { text, checksum, name, file, version: fileVersion } of files) {
      chain = nextChain(chain, checksum)
      const normalized = Buffer.from(await normalisedHash(text), 'hex')
      const row = {
        version: fileVersion,
        name,
        kind: 'baseline' as const,
        file,
        checksum,
        normalized,
        chain,
        body: text,
      }
      inserts.push(insertHistoryRow(session.table, row))
    }
    await session.connection.script(`begin;\n${inserts.join('\n')}\ncommit;`)
    return { marked: files.map((file) => ({ version: file.version, file: file.file })) }
  })
}
