import { UsageError } from '@imhotep/base'
import { applyMigrations, markBaseline, type MigrateResult } from '@imhotep/engine'
import { defineCommand } from '../command.ts'
import type { Context } from '../context.ts'
import { printMigrate, type MigrateData } from '../output/migrate.ts'
import { placeholderOption, placeholderValues } from '../project/placeholders.ts'
import { findProject } from '../project/project.ts'
import { withTarget } from '../target/open-target.ts'

export const migrate = defineCommand<MigrateData>({
  name: 'migrate',
  summary: 'apply the migrations that the database does not have yet',
  description:
    'Applies db/migration to the database, each file in one transaction together with its row in the history. ' +
    'Any number of processes may call it at once: one applies, the others wait. Killed at any moment, the next run goes on.',
  options: [
    { flags: '--to <version>', description: 'stop behind this version' },
    { flags: '--dry-run', description: 'say what would be applied, change nothing' },
    { flags: '--out-of-order', description: 'also apply files that are older than the newest applied one' },
    { flags: '--all-or-nothing', description: 'one transaction for all pending files' },
    { flags: '--lock-timeout <seconds>', description: 'how long to wait for another migration (default: 120)' },
    placeholderOption,
    {
      flags: '--keep-knex',
      description: "also write what is applied into Knex's table, and make that where there is none",
    },
    { flags: '--trust-knex', description: "take out of the history what Knex's table does not have" },
    {
      flags: '--ignore-other-tools',
      description: 'also where Flyway, goose, Prisma or another tool has applied other files with these versions',
    },
    {
      flags: '--baseline <version>',
      description: 'record everything up to this version as applied, without running it',
    },
  ],
  examples: [
    { run: 'imhotep migrate', does: 'apply what is pending' },
    { run: 'imhotep migrate --dry-run', does: 'say what would be applied' },
    { run: 'imhotep migrate --to 004', does: 'stop behind version 004' },
    { run: 'imhotep migrate --baseline 001', does: 'this database already has version 001' },
  ],
  run: (context) =>
    withTarget(context, async ({ url, target }) => {
      const { history } = findProject(context.cwd)
      const shared = { ...history, signal: context.signal, onProgress: context.progress }
      const baseline = context.options.text('baseline')
      if (baseline !== undefined) {
        const { marked } = await markBaseline(url, baseline, shared)
        return { ok: true, target, data: { ...recorded(marked), dryRun: false } }
      }
      const dryRun = context.options.flag('dryRun')
      const result = await applyMigrations(url, {
        ...shared,
        dryRun,
        to: context.options.text('to'),
        outOfOrder: context.options.flag('outOfOrder'),
        allOrNothing: context.options.flag('allOrNothing'),
        ignoreOtherTools: context.options.flag('ignoreOtherTools'),
        keepKnex: context.options.flag('keepKnex'),
        trustKnex: context.options.flag('trustKnex'),
        lockTimeoutMs: lockTimeout(context),
        placeholders: placeholderValues(history.placeholders, context.options),
      })
      return { ok: true, target, data: { ...result, dryRun } }
    }),
  print: printMigrate,
})

/** A baseline applies nothing: what it recorded counts as there already. */
function recorded(marked: readonly { readonly version: string }[]): MigrateResult {
  return { applied: [], adopted: [], already: marked.length, pending: 0, pendingFiles: [], warnings: [], ms: 0 }
}

function lockTimeout({ options }: Context): number | undefined {
  const text = options.text('lockTimeout')
  if (text === undefined) return undefined
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000
  throw new UsageError(`'${text}' is not a number of seconds`, { hint: 'for example: --lock-timeout 30' })
}
