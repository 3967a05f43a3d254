import { defineCommand } from '../command.ts'
import { printInit, type InitData } from '../output/init.ts'
import { initProject } from '../project/init-project.ts'
import { selectionOf, selectionOptions } from '../project/selected-modules.ts'
import { ENVIRONMENTS } from '../target/environment.ts'

export const init = defineCommand<InitData>({
  name: 'init',
  summary: 'make a directory a project that uses Imhotep',
  description:
    'Writes imhotep.config.json, db/migration with the script of the chosen modules, a CI workflow and the line of ' +
    '.gitignore that keeps the embedded server out. Files that are there already are kept as they are.',
  arguments: [{ name: '[dir]', description: 'the directory (default: the working directory)' }],
  options: [
    ...selectionOptions,
    {
      flags: '--environment <name>',
      description: 'marker that imhotep up gives to a new database (default: development)',
      choices: ENVIRONMENTS,
    },
  ],
  examples: [
    { run: 'imhotep init', does: 'every module, here' },
    { run: 'imhotep init clinic --preset clinic', does: 'the modules of a clinic, in ./clinic' },
    { run: 'imhotep init --modules patient,booking', does: 'two modules and what they require' },
  ],
  run: async (context) => ({
    ok: true,
    target: null,
    data: await initProject({
      cwd: context.cwd,
      directory: context.args[0] ?? '.',
      selection: selectionOf(context),
      environment: context.options.text('environment'),
    }),
  }),
  print: printInit,
})
