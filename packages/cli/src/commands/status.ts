import { migrationStatus } from '@imhotep/engine'
import { defineCommand } from '../command.ts'
import { printStatus, type StatusData } from '../output/status.ts'
import { findProject } from '../project/project.ts'
import { withTarget } from '../target/open-target.ts'

export const status = defineCommand<StatusData>({
  name: 'status',
  aliases: ['info'],
  summary: 'show every migration and whether the database has it',
  description:
    'Compares db/migration with the history in the database: applied, pending, edited (changed after it was applied), ' +
    'missing (applied, but not among the files) or failed. Exit code 1 when one is edited, missing or failed, or when the ' +
    'history itself was changed by hand. Of Knex files it also says where the table of Knex disagrees.',
  examples: [
    { run: 'imhotep status', does: 'list the versions' },
    { run: 'imhotep status --json', does: 'the same for a program' },
  ],
  run: (context) =>
    withTarget(
      context,
      async ({ url, target }) => {
        const data = await migrationStatus(url, findProject(context.cwd).history)
        const isSound = data.versions.every(({ state }) => state === 'applied' || state === 'pending')
        const { unknownToKnex = [], withoutFile = [] } = data.knex ?? {}
        const knexAgrees = unknownToKnex.length === 0 && withoutFile.length === 0
        return { ok: isSound && data.chainBrokenAt === null && knexAgrees, target, data }
      },
      { interruptible: true },
    ),
  print: printStatus,
})
