import { UsageError } from '@imhotep/base'
import { defineCommand, type Outcome } from '../command.ts'
import type { Context } from '../context.ts'
import { bundleProject } from '../project/bundle-project.ts'
import { bundleProjectServices } from '../project/bundle-services.ts'
import { findProject } from '../project/project.ts'
import { selectionOf, selectionOptions } from '../project/selected-modules.ts'
import { printBundle, type BundleData } from '../output/bundle.ts'
import { isFresh, printBundleServices, type BundleServicesData } from '../output/bundle-services.ts'

export const bundle = defineCommand<BundleData | BundleServicesData>({
  name: 'bundle',
  summary: 'build the one V001 script from the modules',
  description:
    'Reads schema/, puts every statement into the order of its dependencies, makes each repeatable and writes ' +
    'db/migration/V001__complete_hims_schema.sql. The same modules give the same bytes. With --check nothing is written: ' +
    'exit code 1 when the file is not what the modules say. With --topology services it writes one script for each service ' +
    'instead, db/services/<service>/V001__<service>_schema.sql, and beside it LEFT-OUT.md: what the service lacks when it ' +
    'stands alone.',
  options: [
    { flags: '--check', description: 'write nothing; exit code 1 when the file is stale' },
    ...selectionOptions,
    { flags: '--out <file>', description: 'write there instead' },
    {
      flags: '--topology <name>',
      description: 'one database for all, or one for each service',
      choices: ['shared', 'services'],
    },
  ],
  examples: [
    { run: 'imhotep bundle', does: 'write db/migration/V001__complete_hims_schema.sql' },
    { run: 'imhotep bundle --check', does: 'is that file what the modules say?' },
    { run: 'imhotep bundle --modules patient --out patient.sql', does: 'one module and what it requires' },
    { run: 'imhotep bundle --topology services', does: 'write db/services: a database for each service' },
  ],
  run: async (context) => {
    if (context.options.text('topology') === 'services') return bundleTopology(context)
    const data = await bundleProject(findProject(context.cwd), {
      cwd: context.cwd,
      check: context.options.flag('check'),
      out: context.options.text('out'),
      selection: selectionOf(context),
    })
    return { ok: data.state !== 'stale', target: null, data }
  },
  print: (data, page) => ('services' in data ? printBundleServices(data, page) : printBundle(data, page)),
})

async function bundleTopology({ cwd, options }: Context): Promise<Outcome<BundleServicesData>> {
  const other = ['modules', 'preset', 'out'].find((name) => options.text(name) !== undefined)
  if (other !== undefined) {
    throw new UsageError(`'--topology services' and '--${other}' exclude each other`, { hint: 'leave one of them out' })
  }
  const data = await bundleProjectServices(findProject(cwd), { cwd, check: options.flag('check') })
  return { ok: isFresh(data), target: null, data }
}
