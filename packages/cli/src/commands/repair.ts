import { repairMigration } from '@imhotep/engine'
import { defineCommand } from '../command.ts'
import { printRepair, type RepairData } from '../output/repair.ts'
import { findProject } from '../project/project.ts'
import { withTarget } from '../target/open-target.ts'

export const repair = defineCommand<RepairData>({
  name: 'repair',
  summary: 'mend the record of one version in the history',
  description:
    'Accepts an edited file as what was applied, or removes the record of a file that failed, for one version at a time. ' +
    'It changes the history only, never the schema, and refuses on a database that is marked production.',
  arguments: [{ name: '<version>', description: 'the version, as imhotep status shows it' }],
  options: [{ flags: '--dry-run', description: 'say what would be changed, change nothing' }],
  examples: [
    { run: 'imhotep repair 002 --dry-run', does: 'show what would be mended' },
    { run: 'imhotep repair 002', does: 'mend it' },
  ],
  run: (context) =>
    withTarget(context, async ({ url, target }) => {
      const { history } = findProject(context.cwd)
      const dryRun = context.options.flag('dryRun')
      const result = await repairMigration(url, context.args[0] ?? '', { ...history, dryRun })
      return { ok: true, target, data: { ...result, dryRun } }
    }),
  print: printRepair,
})
