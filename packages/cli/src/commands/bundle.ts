import { defineCommand } from '../command.ts'
import { bundleProject } from '../project/bundle-project.ts'
import { findProject } from '../project/project.ts'
import { selectionOf, selectionOptions } from '../project/selected-modules.ts'
import { printBundle, type BundleData } from '../output/bundle.ts'

export const bundle = defineCommand<BundleData>({
  name: 'bundle',
  summary: 'build the one V001 script from the modules',
  description:
    'Reads schema/, puts every statement into the order of its dependencies, makes each repeatable and writes ' +
    'db/migration/V001__complete_hims_schema.sql. The same modules give the same bytes. With --check nothing is written: ' +
    'exit code 1 when the file is not what the modules say.',
  options: [
    { flags: '--check', description: 'write nothing; exit code 1 when the file is stale' },
    ...selectionOptions,
    { flags: '--out <file>', description: 'write there instead' },
  ],
  examples: [
    { run: 'imhotep bundle', does: 'write db/migration/V001__complete_hims_schema.sql' },
    { run: 'imhotep bundle --check', does: 'is that file what the modules say?' },
    { run: 'imhotep bundle --modules patient --out patient.sql', does: 'one module and what it requires' },
  ],
  run: async (context) => {
    const data = await bundleProject(findProject(context.cwd), {
      cwd: context.cwd,
      check: context.options.flag('check'),
      out: context.options.text('out'),
      selection: selectionOf(context),
    })
    return { ok: data.state !== 'stale', target: null, data }
  },
  print: printBundle,
})
