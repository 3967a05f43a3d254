import { existsSync, readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { UsageError } from '@imhotep/base'
import {
  applyMigrations,
  bundleModules,
  makeBaseline,
  planModules,
  readDump,
  readLive,
  readModules,
  runOn,
  type Catalog,
  type Scratch,
} from '@imhotep/engine'
import type { Context } from '../context.ts'
import { configAround, findProject } from '../project/project.ts'
import { selectedNames } from '../project/selected-modules.ts'
import { resolveUrl } from '../target/resolve-url.ts'

export const SIDES =
  "modules, migrations, a directory or file of migrations, dump:FILE, a connection string, or 'database'"

/**
 * The schema that a word of the command line stands for. Files run on a scratch database, so that PostgreSQL itself says
 * what they make; a database is read as it is.
 * @throws UsageError for a word that stands for nothing
 */
export async function readSide(context: Context, side: string, scratch: Scratch): Promise<Catalog> {
  const { cwd, progress, signal } = context
  progress(`reading ${side.startsWith('postgres') ? 'the database' : side}`)
  if (side === 'database') return readLive(await resolveUrl(context))
  if (/^postgres(ql)?:\/\//.test(side)) return readLive(side)
  if (side === 'modules') {
    const script = await moduleScript(cwd)
    return scratch.catalogAfter((url) => runOn(url, script, signal))
  }
  if (side.startsWith('dump:')) {
    const { files } = await makeBaseline(await readDump(resolve(cwd, side.slice('dump:'.length)), { signal }))
    return scratch.catalogAfter(async (url) => {
      for (const { text } of files) await runOn(url, text, signal)
    })
  }
  const isProject = side === 'migrations' && !existsSync(resolve(cwd, side))
  const path = isProject ? findProject(cwd).migrations : resolve(cwd, side)
  if (!existsSync(path)) {
    throw new UsageError(`'${side}' is no schema: there is no such file or directory`, {
      hint: `give one of: ${SIDES}`,
    })
  }
  if (statSync(path).isDirectory()) {
    const { historyTable, placeholders } = configAround(cwd)
    return scratch.catalogAfter(async (url) => {
      await applyMigrations(url, { directory: path, historyTable, placeholders, signal, onProgress: progress })
    })
  }
  return scratch.catalogAfter((url) => runOn(url, readFileSync(path, 'utf8'), signal))
}

async function moduleScript(cwd: string): Promise<string> {
  const project = findProject(cwd)
  const select = await selectedNames(project)
  const modules = await readModules(project.modules)
  return bundleModules(await planModules(modules, select === undefined ? {} : { select: [...select] }))
}
