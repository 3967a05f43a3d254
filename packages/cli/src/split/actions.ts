import { existsSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { UsageError } from '@imhotep/base'
import {
  cancelService,
  exportPlanned,
  follow,
  guidePage,
  importPlanned,
  looseOrphansOf,
  printMap,
  revertService,
  runGuide,
  runServices,
  Split,
  stopFollowing,
  suggestOwners,
  verifyService,
  workLooseKeysOf,
  retireService,
  type Manifest,
  type SplitPlan,
  type State,
} from '@imhotep/split'
import type { Outcome } from '../command.ts'
import type { Context } from '../context.ts'
import { FileError } from '../errors.ts'
import { findProject } from '../project/project.ts'
import type { ActionName } from './action-names.ts'
import { findSplitDependencies } from './dependencies.ts'
import { mapFile } from './files.ts'
import { positive, withSplit } from './open.ts'
import { splitStatus } from './status.ts'
import type { SplitData } from './data.ts'

/** What each `imhotep split <action>` does. */
export const actions: Readonly<Record<ActionName, (context: Context) => Promise<Outcome<SplitData>>>> = {
  map: (context) =>
    withSplit(context, async (split, target) => {
      if (context.options.flag('suggest')) {
        const text = printMap(await suggestOwners(split))
        const file = mapFile(context)
        if (existsSync(file)) throw new FileError(`'${file}' exists`, 'name another file with --map')
        writeFileSync(file, text)
        return { ok: true, target, data: { action: 'suggest', file } }
      }
      const { services, tables } = await split.checkMap(mapFile(context))
      const counted = services.map(({ name, database, tables: own }) => ({ name, database, tables: own.length }))
      return { ok: true, target, data: { action: 'map', services: counted, tables: tables.length } }
    }),

  deps: (context) => withSplit(context, (split, target) => findSplitDependencies(context, split, target)),

  plan: (context) =>
    withSplit(context, async (split, target) => ({
      ok: true,
      target,
      data: { action: 'plan', plan: await makePlan(context, split) },
    })),

  provision: (context) => runTo(context, 'provisioned'),
  copy: (context) => runTo(context, 'streaming'),
  switch: (context) => runTo(context, context.options.flag('dryRun') ? 'armed' : 'reversible'),
  run: (context) => runTo(context, 'reversible'),

  verify: (context) =>
    withSplit(context, async (split, target) => {
      const verification = await verifyService(split, service(context))
      return { ok: verification.equal, target, data: { action: 'verify', service: service(context), verification } }
    }),

  revert: (context) => stepOf(context, revertService),
  cancel: (context) => stepOf(context, cancelService),
  retire: (context) => stepOf(context, retireService),

  follow: (context) =>
    withSplit(context, async (split, target) => {
      if (context.options.flag('stop')) {
        return { ok: true, target, data: { action: 'follow-stop', services: await stopFollowing(split) } }
      }
      context.progress('following, until Ctrl-C')
      const services = await follow(split, context.signal)
      return { ok: true, target, data: { action: 'follow', services } }
    }),

  'loose-keys': (context) =>
    withSplit(context, async (split, target) => {
      const work = await workLooseKeysOf(split, context.signal)
      const orphans = await looseOrphansOf(split, context.signal)
      return { ok: orphans.length === 0, target, data: { action: 'loose-keys', ...work, orphans } }
    }),

  status: (context) =>
    withSplit(context, async (split, target) => ({
      ok: true,
      target,
      data: { action: 'status', status: await splitStatus(context, split) },
    })),

  test: (context) =>
    withSplit(context, async (split, target) => {
      const [, name] = context.args
      const { signal, progress: say } = context
      const report = await runGuide(split, { ...(name !== undefined && { services: [name] }), signal, say })
      const html = context.options.text('html')
      if (html !== undefined) writeFileSync(resolve(context.cwd, html), guidePage(report))
      return { ok: report.failed === 0, target, data: { action: 'test', report } }
    }),

  export: (context) =>
    withSplit(context, async (split, target) => {
      const directory = directoryOf(context)
      const { signal, progress: say } = context
      const chunkRows = positive(context.options.text('chunk') ?? '20000', '--chunk')
      const manifest = await exportPlanned(split, service(context), { directory, chunkRows, signal, say })
      return { ok: true, target, data: { action: 'export', directory, ...countOf(manifest) } }
    }),

  import: (context) =>
    withSplit(context, async (split, target) => {
      const directory = directoryOf(context)
      const { signal, progress: say } = context
      const manifest = await importPlanned(split, service(context), { directory, signal, say })
      return { ok: true, target, data: { action: 'import', directory, ...countOf(manifest) } }
    }),
}

function countOf({ tables, copies }: Manifest): { readonly tables: number; readonly rows: number } {
  const all = [...tables, ...copies]
  return { tables: all.length, rows: all.reduce((sum, { rows }) => sum + rows, 0) }
}

async function runTo(context: Context, goal: State): Promise<Outcome<SplitData>> {
  return withSplit(context, async (split, target) => {
    const { options } = context
    if (options.flag('all') && (options.text('map') !== undefined || options.flag('modules')))
      await planIfNew(context, split)
    const services = context.options.flag('all')
      ? (await split.plan()).services.map(({ name }) => name)
      : [service(context)]
    const results = await runServices(split, { services, goal, retire: context.options.flag('retire') })
    return { ok: true, target, data: { action: 'run', results } }
  })
}

/** One command moves everything, also when it is started again in the middle. */
async function planIfNew(context: Context, split: Split): Promise<void> {
  const known = await split.ledger.plan()
  if (known === null) await makePlan(context, split)
}

/** @throws UsageError when it is not clear what says who owns what */
async function makePlan(context: Context, split: Split): Promise<SplitPlan> {
  const { options, cwd } = context
  if (!options.flag('modules')) return split.makePlan(mapFile(context))
  if (options.text('map') !== undefined) {
    throw new UsageError("'--modules' and '--map' exclude each other", { hint: 'leave one of them out' })
  }
  return split.makeModulePlan(findProject(cwd).modules)
}

function stepOf(context: Context, step: typeof cancelService): Promise<Outcome<SplitData>> {
  return withSplit(context, async (split, target) => {
    const { state } = await step(split, service(context))
    return { ok: true, target, data: { action: 'state', service: service(context), state } }
  })
}

function service({ args }: Context): string {
  const [action = '', name] = args
  if (name === undefined) {
    const all = ['provision', 'copy', 'switch', 'run'].includes(action) ? ', or all of them: --all' : ''
    throw new UsageError('no service is named', { hint: `imhotep split ${action} <service>${all}` })
  }
  return name
}

function directoryOf(context: Context): string {
  return resolve(context.cwd, context.options.text('directory') ?? `export/${service(context)}`)
}
