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

/** Makes the schema of a side on a scratch database, so that PostgreSQL itself says what its files make. */
type ReadSide = (scratch: Scratch) => Promise<Catalog>

/**
 * What a word of the command line stands for. Files are read here, before a server is started for them; a database is read
 * as it is.
 * @throws UsageError for a word that stands for nothing
 */
export async function findSide(context: Context, side: string): Promise<ReadSide> {
  const { cwd, progress, signal } = context
  if (side === 'database' || /^postgres(ql)?:\/\//.test(side)) {
    const url = side === 'database' ? await resolveUrl(context) : side
    return () => {
      progress('reading the database')
      return readLive(url)
    }
  }
  const after =
    (fill: (url: string) => Promise<unknown>): ReadSide =>
    (scratch) => {
      progress(`reading ${side}`)
      return scratch.catalogAfter(async (url) => void (await fill(url)))
    }
  if (side === 'modules') {
    const script = await moduleScript(cwd)
    return after((url) => runOn(url, script, signal))
  }
  if (side.startsWith('dump:')) {
    const { files } = await makeBaseline(await readDump(resolve(cwd, side.slice('dump:'.length)), { signal }))
    return after(async (url) => {
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
    return after((url) =>
      applyMigrations(url, { directory: path, historyTable, placeholders, signal, onProgress: progress }),
    )
  }
  const script = readFileSync(path, 'utf8')
  return after((url) => runOn(url, script, signal))
}

async function moduleScript(cwd: string): Promise<string> {
  const project = findProject(cwd)
  const select = await selectedNames(project)
  const modules = await readModules(project.modules)
  return bundleModules(await planModules(modules, select === undefined ? {} : { select: [...select] }))
}
