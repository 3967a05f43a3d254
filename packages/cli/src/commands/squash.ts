import { existsSync } from 'node:fs'
import { join, relative } from 'node:path'
import { UsageError } from '@imhotep/base'
import { squashHistory } from '@imhotep/engine'
import { defineCommand } from '../command.ts'
import { FileError } from '../errors.ts'
import { printSquash, type SquashData } from '../output/squash.ts'
import { replaceFile } from '../project/bundle-project.ts'
import { findProject } from '../project/project.ts'
import { serverOption, withScratchServer } from '../sides/with-scratch-server.ts'

export const squash = defineCommand<SquashData>({
  name: 'squash',
  summary: 'one file that new databases run instead of many versions',
  description:
    'Runs the versions up to --to on a scratch server and writes what they make, with the rows that they wrote, as ' +
    'B00N__squashed.sql beside them. A new database runs it and the versions behind it; a database that has a history ' +
    'ignores it. No file is removed: do that when no database is older any more.',
  options: [
    { flags: '--to <version>', description: 'the last version that it stands for' },
    { flags: '--force', description: 'write over a file that is there' },
    serverOption,
  ],
  examples: [
    { run: 'imhotep squash --to 040', does: 'write db/migration/B040__squashed.sql' },
    { run: 'imhotep squash --to 040 --force', does: 'write it again' },
  ],
  run: async (context) => {
    const { cwd, options, progress, signal } = context
    const to = options.text('to')
    if (to === undefined)
      throw new UsageError('no version given', { hint: 'say the last one: imhotep squash --to 040' })
    const { history } = findProject(cwd)
    const { file, text, ...data } = await withScratchServer(context, (scratch) =>
      squashHistory({ ...history, to, scratch, signal, onProgress: progress }),
    )
    const path = join(history.directory, file)
    if (existsSync(path) && !options.flag('force')) {
      throw new FileError(
        `'${relative(cwd, path)}' exists`,
        'a new database may have run it; write over it with --force',
      )
    }
    replaceFile(path, text)
    return { ok: true, target: null, data: { file: relative(cwd, path), ...data } }
  },
  print: printSquash,
})
