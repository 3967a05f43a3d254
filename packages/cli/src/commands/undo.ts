import { undoMigrations, type UndoStep } from '@imhotep/engine'
import { defineCommand } from '../command.ts'
import { UndoNotConfirmedError } from '../errors.ts'
import { printUndo, type UndoData } from '../output/undo.ts'
import { findProject } from '../project/project.ts'
import { serverOption, withScratchServer } from '../sides/with-scratch-server.ts'
import { withTarget } from '../target/open-target.ts'

export const undo = defineCommand<UndoData>({
  name: 'undo',
  summary: 'take the newest migrations back',
  description:
    'Takes back the newest version, or everything behind --to: by its undo file U00N__x.sql, by down of a Knex file, or by ' +
    'statements computed from the schemas before and after it, which are found by running the history on a scratch server. ' +
    'Each version goes in one transaction with its record. What drops rows or columns needs --allow-data-loss. Rows that a ' +
    'migration wrote stay where their table stays. A database marked production is refused, but for undo files with --on-production.',
  options: [
    { flags: '--to <version>', description: 'the version that stays the newest; 0 takes everything back' },
    { flags: '--dry-run', description: 'print the statements, change nothing' },
    { flags: '--allow-data-loss', description: 'also drop tables and columns with what is in them' },
    { flags: '--on-production', description: 'run undo files on a database marked production' },
    { flags: '--yes', description: 'do not ask' },
    serverOption,
  ],
  examples: [
    { run: 'imhotep undo --dry-run', does: 'show how the newest version would be taken back' },
    { run: 'imhotep undo', does: 'take it back, after a question' },
    { run: 'imhotep undo --to 001 --allow-data-loss --yes', does: 'back to version 001' },
  ],
  run: (context) =>
    withTarget(context, async ({ url, target }) => {
      const { history } = findProject(context.cwd)
      const { options } = context
      const dryRun = options.flag('dryRun')
      const result = await withScratchServer(context, (scratch) =>
        undoMigrations(url, {
          ...history,
          scratch,
          dryRun,
          to: options.text('to'),
          allowDataLoss: options.flag('allowDataLoss'),
          onProduction: options.flag('onProduction'),
          confirm: options.flag('yes') ? undefined : (steps) => confirm(steps),
          signal: context.signal,
          onProgress: context.progress,
        }),
      )
      const isDone = dryRun || result.undone.length === result.steps.length
      return { ok: isDone, target, data: { ...result, dryRun } }

      async function confirm(steps: readonly UndoStep[]): Promise<boolean> {
        const answer = await context.confirm(
          `take back ${steps.map(({ file }) => file).join(', ')} on ${target.database}?`,
        )
        if (answer === null) throw new UndoNotConfirmedError(steps.map(({ file }) => file))
        return answer
      }
    }),
  print: printUndo,
})
