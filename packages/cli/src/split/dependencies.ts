import { createReadStream, existsSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import {
  dependencyHtml,
  dependencyJson,
  dependencyText,
  findDependencies,
  fromGeneralLog,
  fromPostgresLog,
  fromSlowLog,
  readAllowList,
  shrinkAllowList,
  startAllowList,
  type AllowList,
  type Split,
} from '@imhotep/split'
import type { Outcome } from '../command.ts'
import type { Context } from '../context.ts'
import { readText } from '../project/read-text.ts'
import type { Target } from '../target/target.ts'
import { mapFile } from './files.ts'
import type { SplitData } from './data.ts'

/** Finds everything between services and holds it against the allow-list. */
export async function findSplitDependencies(
  context: Context,
  split: Split,
  target: Target,
): Promise<Outcome<SplitData>> {
  const { options, cwd } = context
  const { kind } = split.source.side
  const logs = options.list('log').map((file) => resolve(cwd, file))
  const map = await split.checkMap(mapFile(context))
  const findings = await findDependencies({
    catalog: map.catalog,
    dialect: kind,
    map,
    statements: logs.map((file) => statementsOf(file, kind)),
    folders: options.list('code').map((folder) => ({ directory: resolve(cwd, folder) })),
  })
  const listFile = allowListFile(context)
  const text = existsSync(listFile) ? readText(listFile) : null
  if (options.flag('shrink') && text !== null) writeFileSync(listFile, shrinkAllowList(text, findings))
  if (options.flag('allowAll') && text === null) {
    writeFileSync(listFile, startAllowList(findings, { issue: 'to be planned', reason: 'found when the split began' }))
  }
  const list = allowListOf(context)
  const html = options.text('html')
  if (html !== undefined) writeFileSync(resolve(cwd, html), await dependencyHtml(findings, list, split.source.database))
  const report = dependencyJson(findings, list)
  return { ok: report.open === 0, target, data: { action: 'deps', text: dependencyText(findings, list), report } }
}

/** The allow-list that the options name; null when there is none. */
export function allowListOf(context: Context): AllowList | null {
  const file = allowListFile(context)
  return existsSync(file) ? readAllowList(readText(file), file) : null
}

function allowListFile({ options, cwd }: Context): string {
  return resolve(cwd, options.text('allow') ?? 'split-allow.yaml')
}

function statementsOf(file: string, kind: 'mariadb' | 'postgres') {
  const lines = createInterface({ input: createReadStream(file), crlfDelay: Infinity })
  if (kind === 'postgres') return fromPostgresLog(lines, file)
  return /slow/.test(file) ? fromSlowLog(lines, file) : fromGeneralLog(lines, file)
}
