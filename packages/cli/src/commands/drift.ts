import {
  DEFAULT_HISTORY_TABLE,
  diffCatalogs,
  makeComparable,
  migrationStatus,
  applyMigrations,
  readLive,
} from '@imhotep/engine'
import { defineCommand } from '../command.ts'
import { NoHistoryError } from '../errors.ts'
import { printDrift, type DriftData } from '../output/drift.ts'
import { findProject } from '../project/project.ts'
import { serverOption, withScratchServer } from '../sides/with-scratch-server.ts'
import { withTarget } from '../target/open-target.ts'

export const drift = defineCommand<DriftData>({
  name: 'drift',
  summary: 'what somebody changed by hand on the database',
  description:
    'Runs the migrations that the database has applied on a scratch server, and compares what they make with what is ' +
    'there. The statements that are printed are what was done by hand; the database is only read. Partitions that jobs ' +
    'have made or dropped do not count. Exit code 1 when the database has drifted.',
  options: [serverOption],
  examples: [
    { run: 'imhotep drift', does: 'the database of DATABASE_URL, or the embedded one' },
    { run: 'imhotep drift --json', does: 'for a nightly job' },
    { run: 'imhotep drift --server postgres://postgres@127.0.0.1/postgres', does: 'scratch databases on that server' },
  ],
  run: (context) =>
    withTarget(context, async ({ url, target }) => {
      const project = findProject(context.cwd)
      const { versions } = await migrationStatus(url, project.history)
      const applied = versions.filter(({ state }) => state === 'applied' || state === 'edited')
      const last = applied.findLast(({ version }) => !version.startsWith('R__'))
      if (last === undefined) throw new NoHistoryError(target.database)
      const isBehind = versions.some(({ state, version }) => state === 'pending' && !version.startsWith('R__'))

      const statements = await withScratchServer(context, async (scratch) => {
        const history = await scratch.catalogAfter(async (scratchUrl) => {
          const to = isBehind ? last.version : undefined
          await applyMigrations(scratchUrl, {
            ...project.history,
            to,
            signal: context.signal,
            onProgress: context.progress,
          })
        })
        context.progress('reading the database')
        const live = await readLive(url)
        makeComparable(history, live, project.config.historyTable ?? DEFAULT_HISTORY_TABLE)
        return diffCatalogs(history, live, { concurrently: false })
      })
      return { ok: statements.length === 0, target, data: { version: last.version, statements } }
    }),
  print: printDrift,
})
