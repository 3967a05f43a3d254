import { applySeeds } from '@imhotep/engine'
import { defineCommand } from '../command.ts'
import { printSeed, type SeedData } from '../output/seed.ts'
import { findProject } from '../project/project.ts'
import { readSelectedModules } from '../project/selected-modules.ts'
import { withTarget } from '../target/open-target.ts'

export const seed = defineCommand<SeedData>({
  name: 'seed',
  summary: 'put the system rows or the demo rows into the database',
  description:
    'system: settings, roles, permissions and transition rules that every environment needs. ' +
    'demo: two made-up clinics; refused on a production database by this command and by the database itself. ' +
    'Seeds that were applied and have not changed are left alone.',
  arguments: [{ name: '<kind>', description: 'which rows', choices: ['system', 'demo'] }],
  examples: [
    { run: 'imhotep seed system', does: 'rows that every environment needs' },
    { run: 'imhotep seed demo', does: 'two made-up clinics to try things on' },
  ],
  run: (context) =>
    withTarget(context, async ({ url, target }) => {
      const kind = context.args[0] === 'demo' ? 'demo' : 'system'
      const project = findProject(context.cwd)
      const result = await applySeeds(url, await readSelectedModules(project), kind, {
        historyTable: project.config.historyTable,
        signal: context.signal,
        onProgress: context.progress,
      })
      return { ok: true, target, data: { kind, ...result } }
    }),
  print: printSeed,
})
