import { defineCommand } from '../command.ts'
import { printDown, type DownData } from '../output/down.ts'
import { findProject } from '../project/project.ts'
import { bringDown } from '../up/bring-down.ts'

export const down = defineCommand<DownData>({
  name: 'down',
  summary: 'stop the embedded server of this project',
  description:
    'Stops the server that imhotep up started and keeps its data. With --destroy the data, the credentials and the log ' +
    'are removed too, after a question; --yes answers it. A server named by DATABASE_URL is never touched.',
  options: [
    { flags: '--destroy', description: 'also remove the data, after a question' },
    { flags: '--yes', description: 'answer that question with yes' },
  ],
  examples: [
    { run: 'imhotep down', does: 'stop the server, keep the data' },
    { run: 'imhotep down --destroy', does: 'stop it and remove the data, after a question' },
  ],
  run: async (context) => ({
    ok: true,
    target: null,
    data: await bringDown(findProject(context.cwd), {
      destroy: context.options.flag('destroy'),
      confirm: async (question) => context.options.flag('yes') || (await context.confirm(question)) === true,
    }),
  }),
  print: printDown,
})
