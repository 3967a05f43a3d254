import { readModules, serviceNames } from '@imhotep/engine'
import { defineCommand } from '../command.ts'
import { printRelay, type RelayData } from '../output/relay.ts'
import { findProject } from '../project/project.ts'
import { serviceUrls } from '../relay/service-urls.ts'

export const relay = defineCommand<RelayData>({
  name: 'relay',
  summary: "tell the services' databases of each other's rows",
  description:
    'For databases of `bundle --topology services`: reads what each service tells of its rows in its outbox, and notes it ' +
    'in the databases of the services that refer to them, every second until Ctrl-C. A service that has heard nothing yet, ' +
    'or not for a week, is told of all rows at once. May be killed and started again, and run twice at a time; a database ' +
    'that cannot be reached is tried again while the others go on. Marks no event as published: other consumers get all of ' +
    'them. IMHOTEP_SERVICES_URL names the databases, with {service} in the place of the name, ' +
    'IMHOTEP_SERVICES_URL_LAB that of lab alone; of superusers. Exit code 1 when somebody could not hear the last time.',
  options: [
    { flags: '--once', description: 'end when everybody has heard what there is' },
    { flags: '--services <names>', description: 'between these only, separated by commas' },
  ],
  examples: [
    { run: 'imhotep relay', does: 'until Ctrl-C, between the databases of IMHOTEP_SERVICES_URL' },
    { run: 'imhotep relay --once --json', does: 'once, for a job' },
    { run: 'imhotep relay --services lab,clinical', does: 'between these two' },
  ],
  run: async (context) => {
    const modules = await readModules(findProject(context.cwd).modules)
    const urls = serviceUrls(context, serviceNames(modules))
    const once = context.options.flag('once')
    context.progress(`telling ${urls.size} services of each other${once ? '' : ', until Ctrl-C'}`)
    // Loaded when somebody relays, with the parsers that it needs, not by every command.
    const { relay: run } = await import('@imhotep/split')
    const hearings = await run({ modules, urls, once, signal: context.signal, say: context.progress })
    return { ok: hearings.every(({ failure }) => failure === null), target: null, data: { hearings } }
  },
  print: printRelay,
})
